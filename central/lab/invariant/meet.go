package invariant

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kazashi.example/central/lab/count"
)

// meet holds each box against central.
func (c *checker) meet(ctx context.Context) error {
	for n, b := range c.boxes {
		if b.db == nil {
			continue
		}
		if b.central > c.central.epoch {
			c.violate(Versions, b.path, "the box believes central's epoch %d, which is %d", b.central, c.central.epoch)
		}
		for _, w := range b.epochs {
			c.acknowledged(b, w)
		}
		c.forgotten(b)
		if err := c.verdicts(ctx, c.places.Boxes[n].Dir); err != nil {
			return fmt.Errorf("reading the verdicts of box %d: %w", n+1, err)
		}
	}
	return nil
}

// acknowledged wants central to hold what a box counts as received, to have in a backup what it counts as safe, and to hold, even after a
// restoration that the box has not heard of, what it deleted.
func (c *checker) acknowledged(b *boxFacts, w *written) {
	heard := b.central == c.central.epoch
	row, headed := c.central.epochs[w.head.epoch]
	if w.known == c.central.epoch && heard && !headed {
		c.violate(Acknowledged, b.path, "epoch %s counts as known to central, which has no header", w.head.epoch.short())
	}
	for seq := max(1, w.first); seq <= w.last; seq++ {
		if has(w.runs[levelMissing], seq) {
			continue
		}
		at := number{w.head.epoch, seq}
		held, safe := false, false
		for _, l := range c.central.links[at] {
			if l.after == w.chains[seq] {
				held, safe = true, safe || l.row <= c.central.safeEnvelope && headed && row <= c.central.safeEpoch
			}
		}
		switch {
		case has(w.runs[levelGone], seq) && !held:
			c.violate(Deleted, b.path, "record %s is deleted, and central has none with its chain value", at)
		case heard && has(w.runs[levelReceived], seq) && !held:
			c.violate(Acknowledged, b.path, "record %s counts as received, and central has none with its chain value", at)
		case heard && has(w.runs[levelSafe], seq) && !safe:
			c.violate(Acknowledged, b.path, "record %s counts as safe, and is in no backup", at)
		}
	}
}

// verdicts wants every verdict that a box holds to be one that central gave, as long as the box is of central's present epoch.
func (c *checker) verdicts(ctx context.Context, dir string) error {
	path := filepath.Join(dir, fileVerdicts)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	db, err := c.database(path)
	if err != nil || !c.sound(ctx, db, path) {
		return err
	}
	given := map[string]int64{}
	err = each(ctx, c.central.db, func(scan func(...any) error) error {
		var epoch, tap []byte
		var seq uint64
		var n, verdict int64
		if err := scan(&epoch, &seq, &tap, &n, &verdict); err != nil {
			return err
		}
		given[fmt.Sprintf("%x/%d %x %d", epoch, seq, tap, n)] = verdict
		return nil
	}, "SELECT epoch, seq, tap, n, verdict FROM verdicts")
	if err != nil {
		return err
	}
	return each(ctx, db, func(scan func(...any) error) error {
		var epoch, seq, tap, version, n []byte
		var verdict int64
		if err := scan(&epoch, &seq, &tap, &version, &n, &verdict); err != nil {
			return err
		}
		if len(seq) != 8 || len(version) != 8 || len(n) != 8 {
			return errLength
		}
		number := binary.BigEndian.Uint64(seq)
		switch v := binary.BigEndian.Uint64(version); {
		case v > c.central.epoch:
			c.violate(Versions, path, "a verdict of central's epoch %d, which is %d", v, c.central.epoch)
		case v == c.central.epoch:
			word, ok := given[fmt.Sprintf("%x/%d %x %d", epoch, number, tap, binary.BigEndian.Uint64(n))]
			if !ok || word != verdict {
				c.violate(Versions, path, "record %x/%d: a verdict that central never gave", epoch, number)
			}
		}
		return nil
	}, "SELECT epoch, seq, tap, central_epoch, n, verdict FROM verdict")
}

// ends wants every number up to the known end of its epoch to be somewhere, and says where.
func (c *checker) ends() {
	for _, k := range c.numbers {
		switch {
		case k.applied:
		case k.waits, k.held:
			c.report.Waiting++
		case k.aside:
			c.report.Aside++
		}
	}
	if c.central == nil {
		return // what a box has forgotten only central can tell
	}
	for id, e := range c.epochs {
		for seq := uint64(1); seq <= e.end; seq++ {
			at := number{id, seq}
			if k := c.numbers[at]; k != nil && (k.applied || k.held || k.waits || k.aside) {
				continue
			}
			switch {
			case !c.shown[e.box]:
				c.report.Unseen++
			case !c.writes(e.box, id) && c.takenAlong(e.box, id):
				c.report.Lost++
			default:
				c.violate(Explained, c.central.path, "record %s of box %s is nowhere", at, e.box.short())
			}
		}
	}
}

// writes reports whether an epoch stands in the journal of its box that is in use: what was lost with another journal does not.
func (c *checker) writes(box, epoch id128) bool {
	for _, b := range c.boxes {
		for _, w := range b.epochs {
			if b.box == box && w.n > 0 && w.head.epoch == epoch {
				return true
			}
		}
	}
	return false
}

// taps has the ledgers counted.
func (c *checker) taps(ctx context.Context) error {
	if len(c.places.Ledgers) == 0 {
		return nil
	}
	p := count.Paths{Central: c.places.Central, Keys: c.places.Keys}
	for _, l := range c.places.Ledgers {
		p.Counters = append(p.Counters, count.Counter{Ledger: l, Box: c.places.Boxes[0].Dir})
	}
	r, err := count.Count(ctx, p)
	if err != nil {
		return fmt.Errorf("counting taps: %w", err)
	}
	c.report.Taps, c.report.TapsLost, c.report.TapsDoubled = r.Taps, r.Lost, r.Doubled
	for _, row := range r.Rows {
		switch {
		case !row.Expected && row.ExpectFirst != "no_record":
			c.report.Unheard++
		case row.Expected && row.Records == 0:
			c.violate(Counted, "ledger", "tap %d (%s): lost", row.Tap, row.Person)
		case row.Records > 1:
			c.violate(Counted, "ledger", "tap %d (%s): applied %d times", row.Tap, row.Person, row.Records)
		}
	}
	for _, f := range r.Faults {
		c.violate(Counted, "ledger", "%s", f)
	}
	return nil
}
