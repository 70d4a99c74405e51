package audit

import (
	"errors"
	"fmt"
	"math"
	"time"

	"kazashi.example/central/courier"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// maxEnd is the greatest end that the tables tell apart from a greater one.
const maxEnd = 1 << 62

// chapter is what is known of one epoch.
type chapter struct {
	id       record.EpochID
	row      int64 // of its header; beyond all others if there is none
	headless bool  // no header that the box signed is here
	lost     bool  // the box says in it that the journal before was lost or set aside
	cause    epoch.Cause
	root     epoch.Hash
	before   epoch.Predecessor
	opener   *epoch.Opener // nil: its envelopes are not opened
	tapped   time.Time     // of its first record, by the box's clock; zero: not known

	first *chapter // where its line of predecessors begins, as far as it is known
	since *chapter // the nearest that lost a journal, of itself and those before it; nil: none
	above *chapter // of one that lost a journal: the nearest other one before it

	asked bool     // loss was looked for
	loss  *chapter // that explains what is not here of the epoch; nil: none

	ends []end // that later headers of the box sign
	said end   // the greatest that the box ever said by courier; its head is zero where it said none

	highest record.Seq // of what counts here
	applied record.Seq // greatest that was applied
	rivals  bool       // two genuine records have one number
	forked  []end      // ends where another chain than the signed one was applied
}

// end is how far an epoch went, and in which chain, by a later one.
type end struct {
	last record.Seq
	head epoch.Hash
	by   *chapter
}

// last is the greatest number that the box is known to have given by what it said.
func (c *chapter) last() record.Seq {
	n := c.said.last
	for _, e := range c.ends {
		n = max(n, e.last)
	}
	return n
}

// headers reads and verifies every header that the box is known to have made.
func (a *auditor) headers() error {
	a.byID = map[record.EpochID]*chapter{}
	err := a.tx.FiledEpochs(a.box.ID, func(f store.FiledEpoch) error {
		_, err := a.open(f)
		return err
	})
	if err != nil {
		return fmt.Errorf("reading headers: %w", err)
	}
	for i := 0; i < len(a.chapters); i++ { // grows by those that are named alone
		c := a.chapters[i]
		if c.headless || c.before.Lineage != epoch.LineageKnown {
			continue
		}
		p, err := a.named(c.before.Epoch)
		if err != nil {
			return err
		}
		if p != nil {
			p.ends = append(p.ends, end{c.before.LastSeq, c.before.Head, c})
		}
	}
	if err := a.courier(); err != nil {
		return err
	}
	a.place()
	return nil
}

// open verifies a header and begins its chapter.
func (a *auditor) open(f store.FiledEpoch) (*chapter, error) {
	c := &chapter{id: f.ID, row: f.Row, tapped: f.Tapped}
	a.byID[f.ID] = c
	a.chapters = append(a.chapters, c)
	signed, ok := a.verify(f)
	if !ok {
		c.headless = true
		return c, nil
	}
	h := signed.Header
	if f.Box != a.box.ID {
		a.fault(record.ID{Epoch: f.ID}, "it is filed under box %s, and its header is this box's", f.Box)
	}
	p := h.Predecessor
	if f.Lineage != p.Lineage || f.Predecessor != p.Epoch || f.PredecessorLast != min(p.LastSeq, maxEnd) {
		a.fault(record.ID{Epoch: f.ID}, "the columns beside its header name another epoch before it, or another end")
	}
	c.root, c.before, c.cause = signed.Root, p, h.Cause
	c.lost = p.Lineage == epoch.LineageUnknown || h.Cause == epoch.CauseSetAside
	return c, a.unlock(c, h)
}

// verify opens a header with the device key, and says what is wrong with it.
func (a *auditor) verify(f store.FiledEpoch) (epoch.Signed, bool) {
	s, _, err := epoch.OpenHeader(sign.One{Key: a.key}, f.Message)
	switch h := s.Header; {
	case err != nil:
		a.fault(record.ID{Epoch: f.ID}, "its header is not one that this box signed: %v", err)
		return s, false
	case h.Epoch != f.ID || h.Box != a.box.ID:
		a.fault(record.ID{Epoch: f.ID}, "its header is that of epoch %s of box %s", h.Epoch, h.Box)
		return s, false
	default:
		return s, true
	}
}

// unlock finds the epoch's key, if keys are at hand. An encapsulation that holds no key opens nothing.
func (a *auditor) unlock(c *chapter, h epoch.Header) error {
	if a.Seal == nil {
		return nil
	}
	with, err := a.Seal.SealKey(h.Recipient)
	if errors.Is(err, opener.ErrSealKey) {
		a.r.Locked++
		return nil
	}
	if err != nil {
		return fmt.Errorf("opening epoch %s: %w", c.id, err)
	}
	c.opener, err = epoch.NewOpener(h, with)
	if errors.Is(err, seal.ErrOpen) {
		return nil
	}
	return err
}

// named finds an epoch that a header or the box names, wherever it is filed; nil for another box's.
func (a *auditor) named(id record.EpochID) (*chapter, error) {
	if c := a.byID[id]; c != nil {
		return c, nil
	}
	f, err := a.tx.FiledEpoch(id)
	switch {
	case errors.Is(err, store.ErrNone):
		c := &chapter{id: id, row: math.MaxInt64, headless: true}
		a.byID[id] = c
		a.chapters = append(a.chapters, c)
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("finding epoch %s: %w", id, err)
	}
	if _, _, err := epoch.OpenHeader(sign.One{Key: a.key}, f.Message); err != nil {
		return nil, nil //nolint:nilerr // another box's header: lineage looks for the report
	}
	return a.open(f)
}

// courier adds what the box said by stick of how far its epochs went.
func (a *auditor) courier() error {
	ends, err := a.tx.CourierEnds(a.box.ID)
	if err != nil {
		return fmt.Errorf("reading what the box said by courier: %w", err)
	}
	if err := a.newest(ends); err != nil {
		return err
	}
	for _, e := range ends {
		if e.Last == 0 && a.byID[e.Epoch] == nil {
			continue // nothing was written in it
		}
		c, err := a.named(e.Epoch)
		if err != nil {
			return err
		}
		if c != nil {
			c.said = end{last: e.Last, head: e.Head}
		}
	}
	return nil
}

// newest compares what the box said last by courier with the greatest that it ever said.
func (a *auditor) newest(ends []store.CourierEnd) error {
	row, err := a.tx.CourierState(a.box.ID)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what the box said last by courier: %w", err)
	}
	last, err := courier.DecodeState(row.State)
	if err != nil {
		a.fault(record.ID{}, "%v", err)
		return nil
	}
	kept := make(map[record.EpochID]record.Seq, len(ends))
	for _, e := range ends {
		kept[e.Epoch] = e.Last
	}
	for _, e := range last.Ends {
		if n, ok := kept[e.Epoch]; !ok || n < min(e.Last, maxEnd) {
			a.fault(record.ID{Epoch: e.Epoch}, "the box said last that it goes to %d, and the greatest that it ever said is kept as %d", e.Last, n)
		}
	}
	return nil
}
