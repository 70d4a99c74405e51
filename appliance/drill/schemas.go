package drill

import (
	"math"
	"strings"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Forms of values.

func octets(n int) func(any) bool {
	return func(v any) bool { b, ok := v.([]byte); return ok && len(b) == n }
}

func between(least, greatest int64) func(any) bool {
	return func(v any) bool { n, ok := v.(int64); return ok && n >= least && n <= greatest }
}

var (
	id16  = octets(16)
	small = between(0, math.MaxUint8)
	code  = between(0, math.MaxUint16)
	any64 = between(0, math.MaxInt64)
	whole = between(math.MinInt64, math.MaxInt64)
	// when is Unix milliseconds that a clock may have said, a dead one included.
	when = between(0, time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli())
)

// whenTap is the same of a tap, or the time of none: a record that was found elsewhere may come without its clear fields.
func whenTap(v any) bool { return when(v) || v == (time.Time{}).UnixMilli() }

// name is a desk, a service or a site.
func name(v any) bool {
	s, ok := v.(string)
	return ok && record.CheckName(record.DeskID(s)) == nil
}

func sealed(v any) bool {
	b, ok := v.([]byte)
	return ok && len(b) >= 28 && noise(b) // nonce and tag of AES-GCM
}

func references(v any) bool {
	b, ok := v.([]byte)
	return ok && len(b)%16 == 0 && noise(b)
}

func envelope(v any) bool {
	b, ok := v.([]byte)
	if !ok {
		return false
	}
	e, err := epoch.DecodeEnvelope(b)
	return err == nil && noise(e.Sealed)
}

func header(v any) bool {
	b, ok := v.([]byte)
	if !ok || len(b) > epoch.MaxHeader {
		return false
	}
	_, err := epoch.Read(b)
	return err == nil
}

func correction(v any) bool {
	b, ok := v.([]byte)
	if !ok {
		return false
	}
	_, err := wire.PeekCorrection(b)
	return err == nil
}

// stretch is a boot's name, a stroke and a number.
func stretch(v any) bool {
	s, ok := v.(string)
	boot, n, _ := strings.Cut(s, "/")
	return ok && bootName(boot) && len(n) <= 20 && strings.Trim(n, "0123456789") == ""
}

func spoken(v any) bool {
	s, ok := v.(string)
	return ok && (s == "" || len(s) == localapi.SpokenLen)
}

// seqBits is how many of a record's row number say which of its epoch's it is; those above number the epoch.
const seqBits = 40

// journalTables is the journal; the records of epoch now are those whose key a running box has.
func journalTables(now int64) schema {
	return schema{
		"meta": {columns: map[string]column{
			"one": {Settings, small}, "box": {Settings, id16}, "lineage": {Settings, small}, "cause": {Settings, small},
			"central_epoch": {Settings, any64}, "ack": {Settings, any64},
		}},
		"epoch": {columns: map[string]column{
			"n": {Proofs, whole}, "id": {Proofs, id16}, "header": {Proofs, header}, "known": {Proofs, any64}, "stretch": {Settings, stretch},
			"correction": {Proofs, any64},
		}},
		"header": {columns: map[string]column{
			"n": {Proofs, whole}, "id": {Proofs, id16}, "header": {Proofs, header}, "stretch": {Settings, stretch},
		}},
		"correction": {columns: map[string]column{
			"n": {Settings, any64}, "message": {Settings, correction}, "sent": {Settings, small},
		}},
		"held": {columns: map[string]column{
			"epoch": {Proofs, whole}, "level": {Proofs, small}, "first": {Proofs, any64}, "last": {Proofs, any64},
		}},
		"record": {
			columns: map[string]column{
				"id": {Proofs, whole}, "chain": {Proofs, octets(len(epoch.Hash{}))}, "envelope": {"", envelope}, "tap": {TapTimes, id16},
				"time": {TapTimes, whenTap}, "desk": {TapTimes, nameOrNone}, "service": {TapTimes, nameOrNone}, "verdict": {TapTimes, small},
				"reason": {TapTimes, code}, "code": {TapTimes, spoken},
			},
			class: func(value func(string) any) ClassID {
				if n, ok := value("id").(int64); ok && now > 0 && n>>seqBits == now {
					return RecordsNow
				}
				return Records
			},
			row: func(value func(string) any) bool {
				octets, ok := value("tap").([]byte)
				if !ok || len(octets) != 16 {
					return false
				}
				tap := record.TapID{ID128: record.ID128(octets)}
				if tap.IsZero() { // found elsewhere, without its clear fields
					return value("desk") == "" && value("service") == "" && value("code") == ""
				}
				return value("desk") != "" && value("service") != "" && value("code") == localapi.SpokenCode(tap)
			},
		},
	}
}

// bookClasses are the kinds of entries of the site book, by number.
var bookClasses = map[int64]ClassID{
	1: Enrolments, 2: Presence, 3: Presence, 4: Links, 5: Links, 6: Links, 7: DeskLog, 8: Staff, 9: DeskLog, 10: StaffCodes,
}

var bookTables = schema{
	"meta": {columns: map[string]column{
		"one": {Settings, small}, "site": {Settings, name}, "confirmed": {Settings, any64}, "mark": {Settings, any64},
		"wrong": {Settings, code}, "verdicts_epoch": {Settings, any64}, "verdicts": {Settings, any64},
	}},
	"entry": {
		columns: map[string]column{
			"id": {VisitTimes, any64}, "kind": {VisitTimes, between(1, int64(len(bookClasses)))}, "generation": {VisitTimes, id16},
			"tap": {VisitTimes, id16}, "at": {VisitTimes, when}, "service": {VisitTimes, nameOrNone}, "refs": {References, references},
			"sealed": {"", sealed},
		},
		class: func(value func(string) any) ClassID {
			kind, _ := value("kind").(int64)
			return bookClasses[kind]
		},
	},
	"ref": {columns: map[string]column{"ref": {References, id16}, "entry": {References, any64}}},
	"work": {columns: map[string]column{
		"tap": {Corrections, id16}, "at": {Corrections, when}, "desk": {Corrections, name}, "service": {Corrections, name},
		"first_verdict": {Corrections, small}, "first_reason": {Corrections, code}, "final_verdict": {Corrections, small},
		"final_reason": {Corrections, code}, "settled": {Corrections, when}, "done": {Corrections, small},
	}},
	"import": {columns: map[string]column{"tap": {VisitTimes, id16}}},
}

// nameOrNone is a service; entries about staff have none.
func nameOrNone(v any) bool { return v == "" || name(v) }

var verdictTables = schema{
	"verdict": {columns: map[string]column{
		"epoch": {Verdicts, id16}, "seq": {Verdicts, octets(8)}, "tap": {Verdicts, id16}, "verdict": {Verdicts, small},
		"reason": {Verdicts, code}, "answer": {Verdicts, small}, "source": {Verdicts, small}, "settled": {Verdicts, when},
		"central_epoch": {Verdicts, octets(8)}, "n": {Verdicts, octets(8)},
	}},
	"held": {columns: map[string]column{
		"one": {Settings, small}, "central_epoch": {Settings, octets(8)}, "n": {Settings, octets(8)},
	}},
}

func (f *file) lookJournal() {
	now := int64(0)
	if f.Path == "journal.db" {
		now = f.lastEpoch()
	}
	f.database(journalTables(now))
}

// lastEpoch is the number of the journal's last epoch: no other can be open. 0 if there is none.
func (f *file) lastEpoch() int64 { return f.number("SELECT coalesce(max(n), 0) FROM epoch") }

// number asks the database for one; 0 where it does not answer, which reading its tables reports.
func (f *file) number(query string) (n int64) {
	db, done, err := openDatabase(f.path, f.running)
	if err != nil {
		return 0
	}
	defer done()
	if err := db.QueryRowContext(f.ctx, query).Scan(&n); err != nil {
		return 0
	}
	return n
}

// lookBook also parts the codes of staff from their names, which are sealed in one entry, and counts which entries anybody can tell to be of one
// person: those that are found by the same reference.
func (f *file) lookBook() {
	f.database(bookTables)
	if n := f.number("SELECT count(*) FROM (SELECT ref FROM ref GROUP BY ref HAVING count(*) > 1)"); n > 0 {
		f.found(VisitsLink, Warn, map[string]int64{"groups": n})
	}
	for _, h := range f.Holds {
		if h.Class == Staff {
			f.Holds = append(f.Holds, Holding{Class: StaffCodes, Table: h.Table, Columns: h.Columns, Count: h.Count})
		}
	}
}

func (f *file) lookVerdicts() { f.database(verdictTables) }

// lookBeside looks at a log or its index: what SQLite has in force of a log is counted with its database, and here what lies in its octets.
func (f *file) lookBeside() { f.sweep() }
