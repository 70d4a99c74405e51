package invariant

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
)

const fileCentral = "central.db"

// States of an envelope at central.
const (
	stateHeld    = 1
	stateReady   = 2
	stateApplied = 3
	stateAside   = 4
	stateRival   = 5
)

// centralFacts is central's database.
type centralFacts struct {
	path         string
	db           *sql.DB
	epoch        uint64 // central's own
	safeEpoch    int64  // rows up to which a backup has everything
	safeEnvelope int64
	epochs       map[id128]int64 // row of each header
	order        []head          // in the order in which they came
	links        map[number][]link
}

// link is one envelope as central keeps it.
type link struct {
	row             int64
	state           int64
	authentic       bool // its tag verified
	previous, after hash
}

func (c *checker) readCentral(ctx context.Context) error {
	f := &centralFacts{
		path: filepath.Join(c.places.Central, fileCentral), epochs: map[id128]int64{}, links: map[number][]link{},
	}
	var err error
	if f.db, err = c.database(f.path); err != nil {
		return err
	}
	if !c.sound(ctx, f.db, f.path) {
		return nil
	}
	c.central = f
	for _, part := range []struct {
		what string
		read func(context.Context, *centralFacts) error
	}{
		{"its state", c.readMeta},
		{"references", c.readReferences},
		{"boxes", c.readDevices},
		{"headers", c.readHeaders},
		{"envelopes", c.readEnvelopes},
		{"records", c.readApplied},
		{"verdicts", c.readVerdicts},
		{"chains", c.readChains},
		{"reports", c.readReports},
		{"backups", c.readBackups},
	} {
		if err := part.read(ctx, f); err != nil {
			return fmt.Errorf("reading %s: %w", part.what, err)
		}
	}
	return nil
}

func (c *checker) readMeta(ctx context.Context, f *centralFacts) error {
	return f.db.QueryRowContext(ctx, "SELECT central_epoch, safe_epoch, safe_envelope FROM meta").Scan(&f.epoch, &f.safeEpoch, &f.safeEnvelope)
}

func (c *checker) readReferences(ctx context.Context, f *centralFacts) error {
	return each(ctx, f.db, func(scan func(...any) error) error {
		var table, parent string
		var row sql.NullInt64
		var key int64
		if err := scan(&table, &row, &parent, &key); err != nil {
			return err
		}
		c.violate(Whole, f.path, "a row of %s refers to none of %s", table, parent)
		return nil
	}, "PRAGMA foreign_key_check")
}

func (c *checker) readDevices(ctx context.Context, f *centralFacts) error {
	return each(ctx, f.db, func(scan func(...any) error) error {
		var box, device []byte
		if err := scan(&box, &device); err != nil {
			return err
		}
		var id id128
		if err := fill(id[:], box); err != nil {
			return err
		}
		c.devices[id] = device
		return nil
	}, "SELECT box, device FROM boxes")
}

// readHeaders verifies every header and holds what central noted of it against it.
func (c *checker) readHeaders(ctx context.Context, f *centralFacts) error {
	return each(ctx, f.db, func(scan func(...any) error) error {
		var row, lineage int64
		var id, box, msg, before []byte
		var last sql.NullInt64
		if err := scan(&row, &id, &box, &msg, &lineage, &before, &last); err != nil {
			return err
		}
		var owner id128
		if err := fill(owner[:], box); err != nil {
			return err
		}
		h, err := openHeader(c.devices[owner], msg)
		if err != nil {
			c.violate(Header, f.path, "epoch %x: %v", id, err)
			return nil
		}
		noted := h.lineage == uint64(lineage) && (h.lineage != lineageKnown || string(before) == string(h.before[:]) && uint64(last.Int64) == h.last) //nolint:gosec // as stored
		if h.box != owner || string(id) != string(h.epoch[:]) || !noted {
			c.violate(Header, f.path, "epoch %x: central noted of it what the header does not say", id)
			return nil
		}
		c.header(h, f.path)
		f.epochs[h.epoch], f.order = row, append(f.order, h)
		return nil
	}, "SELECT row, epoch, box, message, lineage, predecessor, predecessor_last FROM epochs ORDER BY row")
}

// readEnvelopes holds each envelope against what central noted of it. One whose tag failed is nobody's and tells nothing.
func (c *checker) readEnvelopes(ctx context.Context, f *centralFacts) error {
	return each(ctx, f.db, func(scan func(...any) error) error {
		var row, state, authentic int64
		var seq uint64
		var epoch, sum, previous, chain, octets []byte
		if err := scan(&row, &epoch, &seq, &sum, &previous, &chain, &octets, &state, &authentic); err != nil {
			return err
		}
		e, err := openEnvelope(octets)
		if err != nil {
			c.violate(Kept, f.path, "envelope %d: %v", row, err)
			return nil
		}
		at := number{e.epoch, e.seq}
		if string(epoch) != string(e.epoch[:]) || seq != e.seq || string(sum) != string(e.sum[:]) {
			c.violate(Kept, f.path, "envelope %d stands for %x/%d and is %s, or its octets have changed", row, epoch, seq, at)
			return nil
		}
		if string(previous) != string(e.previous[:]) || string(chain) != string(e.after[:]) {
			c.violate(Chained, f.path, "record %s: central noted another chain value", at)
		}
		c.envelope(f, at, e, link{row, state, state == stateApplied || state == stateRival || authentic > 0, e.previous, e.after})
		return nil
	}, "SELECT row, epoch, seq, sum, previous, chain, bytes, state, authentic FROM envelopes ORDER BY row")
}

func (c *checker) envelope(f *centralFacts, at number, e envelope, l link) {
	switch l.state {
	case stateHeld, stateReady:
		// Until it is opened it may be anybody's: it says nothing about what was sealed.
		k := c.numbers[at]
		if k == nil {
			k = c.found(at, hash{}, f.path)
		}
		k.held = true
		f.links[at] = append(f.links[at], l)
	case stateApplied, stateRival:
		k := c.found(at, e.sum, f.path)
		k.held = true
		f.links[at] = append(f.links[at], l)
		if b := c.epoch(at.epoch); at.seq >= b.end {
			b.end, b.named = at.seq, false
		}
	case stateAside:
	default:
		c.violate(Kept, f.path, "envelope %d is in state %d", l.row, l.state)
	}
}

// readApplied wants one record for each envelope that was applied, and one such envelope for each record.
func (c *checker) readApplied(ctx context.Context, f *centralFacts) error {
	applied := map[number]bool{}
	err := each(ctx, f.db, func(scan func(...any) error) error {
		var epoch, box []byte
		var seq uint64
		var row int64
		if err := scan(&epoch, &seq, &box, &row); err != nil {
			return err
		}
		var at number
		if err := fill(at.epoch[:], epoch); err != nil {
			return err
		}
		at.seq = seq
		applied[at] = true
		c.report.Applied++
		of := 0
		for _, l := range f.links[at] {
			if l.row == row && l.state == stateApplied {
				of++
			}
		}
		if of != 1 {
			c.violate(AppliedOnce, f.path, "record %s is applied from envelope %d, which is not one of it that was", at, row)
		}
		if e := c.epochs[at.epoch]; e == nil || e.head == nil || string(box) != string(e.box[:]) {
			c.violate(AppliedOnce, f.path, "record %s is said to be of box %x", at, box)
		}
		c.found(at, hash{}, f.path).applied = true
		return nil
	}, "SELECT epoch, seq, box, envelope FROM records ORDER BY epoch, seq")
	if err != nil {
		return err
	}
	for at, links := range f.links {
		n := 0
		for _, l := range links {
			if l.state == stateApplied {
				n++
			}
		}
		if n > 1 || n == 1 && !applied[at] {
			c.violate(AppliedOnce, f.path, "record %s: %d envelopes of it were applied, and a record: %t", at, n, applied[at])
		}
	}
	return c.readTaps(ctx, f)
}

// readVerdicts wants each record's last word to be the one that its box was given, and the newest of those.
func (c *checker) readVerdicts(ctx context.Context, f *centralFacts) error {
	return each(ctx, f.db, func(scan func(...any) error) error {
		var epoch []byte
		var seq uint64
		if err := scan(&epoch, &seq); err != nil {
			return err
		}
		c.violate(Versions, f.path, "record %x/%d: its box was given another verdict", epoch, seq)
		return nil
	}, `SELECT r.epoch, r.seq FROM records r LEFT JOIN verdicts d ON d.box = r.box AND d.n = r.verdict
			WHERE r.verdict <> 0 AND (d.epoch, d.seq, d.tap, d.verdict, d.reason, d.answer, d.source)
				IS NOT (r.epoch, r.seq, r.tap, r.final_verdict, r.final_reason, r.final_answer, r.source)
		UNION SELECT d.epoch, d.seq FROM verdicts d
			WHERE NOT EXISTS (SELECT 1 FROM records r WHERE r.epoch = d.epoch AND r.seq = d.seq AND r.box = d.box AND r.verdict >= d.n)`)
}

// readTaps wants every tap that was taken note of to be of a record, and no two records to be of one.
func (c *checker) readTaps(ctx context.Context, f *centralFacts) error {
	return each(ctx, f.db, func(scan func(...any) error) error {
		var tap []byte
		if err := scan(&tap); err != nil {
			return err
		}
		c.violate(AppliedOnce, f.path, "tap %x: its record is of another tap, is not there, or is there twice", tap)
		return nil
	}, `SELECT tap FROM taps t WHERE NOT EXISTS (SELECT 1 FROM records r WHERE r.epoch = t.epoch AND r.seq = t.seq AND r.tap = t.tap)
		UNION ALL SELECT tap FROM records r WHERE NOT EXISTS (SELECT 1 FROM taps t WHERE t.tap = r.tap)
		UNION ALL SELECT tap FROM records GROUP BY tap HAVING count(*) > 1`)
}

// readChains wants every record that was applied to continue the one before that was, or the header.
func (c *checker) readChains(_ context.Context, f *centralFacts) error {
	for at, links := range f.links {
		for _, l := range links {
			if l.state != stateApplied {
				continue
			}
			before, known := f.before(at, c.epochs[at.epoch])
			if known && before != l.previous {
				c.violate(Chained, f.path, "record %s does not continue the one before", at)
			}
		}
	}
	return nil
}

// before is the chain value after the record before, false while that was not opened.
func (f *centralFacts) before(at number, e *epochFacts) (hash, bool) {
	if at.seq == 1 {
		if e == nil || e.head == nil {
			return hash{}, false
		}
		return e.head.root, true
	}
	for _, l := range f.links[number{at.epoch, at.seq - 1}] {
		if l.state == stateApplied {
			return l.after, true
		}
	}
	return hash{}, false
}
