// Package count counts, tap by tap, what became of every card that the tray laid on the reader: applied once at central,
// lost, doubled, settled on the box, corrected. And it counts people: nobody has a PPID who did not prove the PIN, and whoever
// has one has the one that central's keys give, over every renewal, and shares it with nobody.
//
// It is written to be independent of what it counts: it imports neither box nor central nor tray, reads the tray's ledger as
// text and the databases as tables, and opens central's sealed columns, verifies what cards signed and derives PPIDs with the practice
// keys by its own few lines. It changes nothing and may run beside the programs. Who issued a certificate it does not ask.
package count

import (
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// How much earlier than its laying a record may be dated, for ledger and box round to milliseconds; and how much later than its taking, if
// the card was not laid again by then. The box's clock was set by one look at two clocks, between which a busy machine does something else.
const (
	slack = 2 * time.Millisecond
	late  = 250 * time.Millisecond
)

// Paths says where everything stands.
type Paths struct {
	Central  string // central's data directory
	Keys     string // central's key directory
	Counters []Counter
}

// Counter is a box with the tray before it.
type Counter struct {
	Ledger string // the tray's ledger
	Box    string // the box's data directory
}

// Row is one laying of a card with what became of it.
type Row struct {
	Tap                      int64
	At                       time.Time
	Person                   string
	Offline                  bool
	First, Final             string // "" when there is no record
	ExpectFirst, ExpectFinal string
	Records                  int  // at central
	Settled                  bool // applied, and the final verdict durable on the box
	Expected                 bool // a record was expected
}

// Result is the count.
type Result struct {
	Rows                                             []Row
	Taps, Offline, Settled, Lost, Doubled, Corrected int
	People, PINs, Cards                              int      // with a PPID; proofs of a PIN and of a card that were verified here
	Faults                                           []string // everything else that does not add up
}

// OK reports whether every tap is settled, none lost, none doubled, and nothing else is wrong.
func (r Result) OK() bool {
	return r.Settled == r.Taps && r.Lost == 0 && r.Doubled == 0 && len(r.Faults) == 0
}

// Count reads everything and compares.
func Count(ctx context.Context, p Paths) (Result, error) {
	lays, held, whose, err := p.counters(ctx)
	if err != nil {
		return Result{}, err
	}
	tables, err := openCentral(p.Central, p.Keys)
	if err != nil {
		return Result{}, err
	}
	defer tables.db.Close()
	records, err := tables.records(ctx)
	if err != nil {
		return Result{}, err
	}
	untilAgain(lays)
	var r Result
	for _, l := range lays {
		r.add(l, match(l, records), held)
	}
	r.strays(records)
	if err := r.kept(ctx, tables.db, records); err != nil {
		return Result{}, err
	}
	return r, r.people(records, whose, p.Keys)
}

// counters reads what was laid at each counter, and what its box holds of it.
func (p Paths) counters(ctx context.Context) (lays []laid, held map[string]string, whose humans, err error) {
	held, whose = map[string]string{}, newHumans()
	for _, c := range p.Counters {
		more, err := readLedger(c.Ledger, whose)
		if err != nil {
			return nil, nil, whose, err
		}
		if err := readBox(ctx, c.Box, held); err != nil {
			return nil, nil, whose, err
		}
		lays = append(lays, more...)
	}
	return lays, held, whose, nil
}

// match finds the records of a laying: the same card, dated while it lay there.
func match(l laid, records []found) []*found {
	end := l.until.Add(late)
	if again := l.again.Add(-slack - 1); !l.again.IsZero() && end.After(again) {
		end = again // what is dated there is the next one's
	}
	if least := l.until.Add(slack); end.Before(least) {
		end = least
	}
	var own []*found
	for i := range records {
		f := &records[i]
		if f.fault == "" && f.serial == l.Serial && !f.at.Before(l.At.Add(-slack)) && !f.at.After(end) {
			f.taken = true
			own = append(own, f)
		}
	}
	return own
}

func (r *Result) add(l laid, own []*found, held map[string]string) {
	row := Row{
		Tap: l.Tap, At: l.At, Person: l.Person, Offline: l.offline, ExpectFirst: l.ExpectFirst, ExpectFinal: l.ExpectFinal,
		Records: len(own), Expected: l.record || l.failed && len(own) > 0, // of a laying that failed, either is right
	}
	if !row.Expected {
		if len(own) > 0 {
			r.fault("tap %d: a record where none can be", l.Tap)
		}
		r.Rows = append(r.Rows, row)
		return
	}
	r.Taps++
	if l.offline {
		r.Offline++
	}
	switch len(own) {
	case 0:
		r.Lost++
	case 1:
	default:
		r.Doubled += len(own) - 1
	}
	if len(own) > 0 {
		r.judge(&row, own[0], held)
	}
	r.Rows = append(r.Rows, row)
}

// judge fills in what was said first and last, and whether the box has the last word.
func (r *Result) judge(row *Row, f *found, held map[string]string) {
	row.First, row.Final = f.first, f.final
	row.Settled = f.settled && held[onBox(f.id, f.tap)] == f.final
	if row.Settled {
		r.Settled++
	} else if f.settled {
		r.fault("tap %d: central's last word is %s, the box holds %q", row.Tap, f.final, held[onBox(f.id, f.tap)])
	}
	if served(f.first) != served(f.final) {
		r.Corrected++
	}
	for _, c := range []struct{ what, want, got string }{{"first", row.ExpectFirst, f.first}, {"final", row.ExpectFinal, f.final}} {
		if c.want != "" && (c.want == "served") != served(c.got) {
			r.fault("tap %d (%s): %s verdict %s, expected %s", row.Tap, row.Person, c.what, c.got, c.want)
		}
	}
}

func served(verdict string) bool { return verdict != "refused" && verdict != "" }

// strays are records that no laying explains.
func (r *Result) strays(records []found) {
	for _, f := range records {
		switch {
		case f.fault != "":
			r.fault("record %s: %s", f.id, f.fault)
		case !f.taken:
			r.fault("record %s: no card was laid for it", f.id)
		}
	}
}

func (r *Result) fault(format string, a ...any) {
	r.Faults = append(r.Faults, fmt.Sprintf(format, a...))
}

// Print writes the table, what does not add up, and the closing line.
func (r Result) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TAP\tTIME\tCARD\tLINE\tFIRST\tFINAL\tRECORDS\tRESULT")
	for _, row := range r.Rows {
		line := "up"
		if row.Offline {
			line = "down"
		}
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\t%s\t%d\t%s\n", row.Tap, row.At.UTC().Format("15:04:05.000"), row.Person, line,
			dash(row.First), dash(row.Final), row.Records, result(row))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range slices.Compact(slices.Sorted(slices.Values(r.Faults))) {
		fmt.Fprintln(w, "fault:", f)
	}
	fmt.Fprintf(w, "people: %d with one PPID each; verified here: %d proofs of a PIN, %d of a bound card\n", r.People, r.PINs, r.Cards)
	_, err := fmt.Fprintf(w, "smoke: taps=%d offline=%d settled=%d lost=%d doubled=%d corrected=%d\n",
		r.Taps, r.Offline, r.Settled, r.Lost, r.Doubled, r.Corrected)
	return err
}

func result(r Row) string {
	switch {
	case !r.Expected:
		return "no record, as it should be"
	case r.Records == 0:
		return "LOST"
	case r.Records > 1:
		return "DOUBLED"
	case !r.Settled:
		return "waiting"
	case served(r.First) != served(r.Final):
		return "settled, corrected"
	default:
		return "settled"
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
