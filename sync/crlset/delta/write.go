package delta

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
)

// Stats is what was written.
type Stats struct {
	Removed, Changed, Added uint64
	Size                    uint64 // octets
	Digests                 []byte // of all chunks, 32 octets each
	Root                    [32]byte
}

// Write writes the delta that turns base into the set of next's entries under a plan. It goes through both once and keeps what
// differs in memory. crlset.ErrPlan if the plan has other columns than the base or far more blocks than entries, or if additions are too
// many for what they tell (consecutive keys by the million); crlset.ErrOrder if the entries do not rise; other errors are those of base,
// next and w.
func Write(w io.Writer, base *crlset.Set, next crlset.Source, plan crlset.Plan) (Stats, error) {
	if plan.Columns != base.Columns() {
		return Stats{}, fmt.Errorf("%w: columns differ from the base's", crlset.ErrPlan)
	}
	c := comparison{head: header{Base: base.Len(), Columns: plan.Columns}}
	if err := c.compare(base.Source(), next); err != nil {
		return Stats{}, fmt.Errorf("comparing two sets: %w", err)
	}
	same, err := equal(plan, base.Plan())
	if err != nil {
		return Stats{}, err
	}
	if !same {
		if err := c.carry(plan); err != nil {
			return Stats{}, err
		}
	}
	return c.write(w)
}

// carry puts a plan into the delta.
func (c *comparison) carry(p crlset.Plan) error {
	l, err := p.Layout()
	if err != nil {
		return err
	}
	if !l.Moderate(c.head.Base - c.head.Removed + uint64(len(c.additions))) {
		return fmt.Errorf("%w: %d blocks", crlset.ErrPlan, l.Blocks())
	}
	c.head.Plan = &p
	return nil
}

// equal reports whether two plans are the same.
func equal(p, q crlset.Plan) (bool, error) {
	a, err := canon.Encode(p)
	if err != nil {
		return false, err
	}
	b, err := canon.Encode(q)
	return bytes.Equal(a, b), err
}

// comparison collects what differs.
type comparison struct {
	head      header
	dated     bool // a date is told, so that Newest counts
	edits     []edit
	additions []crlset.Entry
}

// compare goes through both sources in step.
func (c *comparison) compare(base, next crlset.Source) error {
	rank := uint64(0)
	b, n := step{from: base}, step{from: next, columns: c.head.Columns, tell: true}
	if err := b.advance(); err != nil {
		return err
	}
	if err := n.advance(); err != nil {
		return err
	}
	for b.there || n.there {
		order := -1
		if !b.there {
			order = 1
		} else if n.there {
			order = b.entry.Key.Compare(n.entry.Key)
		}
		switch {
		case order < 0:
			c.edits = append(c.edits, edit{rank: rank, removed: true})
			c.head.Removed++
		case order > 0:
			c.additions = append(c.additions, n.entry)
			c.newest(n.entry.Date)
		default:
			c.change(rank, &b.entry, &n.entry)
		}
		if order <= 0 {
			rank++
			if err := b.advance(); err != nil {
				return err
			}
		}
		if order >= 0 {
			if err := n.advance(); err != nil {
				return err
			}
		}
	}
	return nil
}

// change notes what is told otherwise of one entry.
func (c *comparison) change(rank uint64, b, n *crlset.Entry) {
	if *b == *n {
		return
	}
	x := edit{rank: rank, told: b.Reason != n.Reason, dated: b.Date != n.Date, reason: n.Reason, date: n.Date}
	if x.dated {
		c.newest(x.date)
	}
	c.edits = append(c.edits, x)
}

func (c *comparison) newest(date int64) {
	if c.head.Columns&crlset.Dates != 0 && (!c.dated || date > c.head.Newest) {
		c.head.Newest, c.dated = date, true
	}
}

func (c *comparison) write(w io.Writer) (Stats, error) {
	c.head.Edits, c.head.Added = uint64(len(c.edits)), uint64(len(c.additions))
	edits, additions := c.encodeEdits(), c.encodeAdditions()
	if !tells(c.head.Added, len(additions)) {
		return Stats{}, fmt.Errorf("%w: %d additions in %d octets", crlset.ErrPlan, c.head.Added, len(additions))
	}
	c.head.Split = uint64(len(edits))
	head, err := canon.Encode(c.head)
	if err != nil {
		return Stats{}, err
	}
	out := crlset.NewChunker(w)
	b := binary.LittleEndian.AppendUint32([]byte(magic), uint32(len(head)))
	for _, part := range [][]byte{b, head, edits, additions} {
		if _, err := out.Write(part); err != nil {
			return Stats{}, fmt.Errorf("writing a delta: %w", err)
		}
	}
	digests, err := out.Close()
	if err != nil {
		return Stats{}, fmt.Errorf("writing a delta: %w", err)
	}
	return Stats{
		Removed: c.head.Removed, Changed: c.head.Edits - c.head.Removed, Added: c.head.Added,
		Size: out.Size(), Digests: digests, Root: crlset.Root(out.Size(), digests),
	}, nil
}

func (c *comparison) encodeEdits() []byte {
	e, m := newEncoder(), newEditModel(&c.head)
	next := uint64(0)
	for i := range c.edits {
		m.encode(&e, &c.edits[i], c.edits[i].rank-next)
		next = c.edits[i].rank + 1
	}
	return e.finish()
}

func (c *comparison) encodeAdditions() []byte {
	e, m := newEncoder(), newAdditionModel(&c.head)
	var last crlset.Key
	for i := range c.additions {
		key := c.additions[i].Key
		m.encode(&e, &c.additions[i], key.Sub(last).Sub(crlset.Key{C: 1}))
		last = key
	}
	return e.finish()
}

// step is a source with its next entry at hand.
type step struct {
	from    crlset.Source
	entry   crlset.Entry
	there   bool
	begun   bool
	tell    bool // entries are not yet as the columns tell them
	columns crlset.Columns
}

func (s *step) advance() error {
	last := s.entry.Key
	var err error
	if s.there, err = s.from.Next(&s.entry); err != nil || !s.there {
		return err
	}
	if s.begun && s.entry.Key.Compare(last) <= 0 || s.entry.Key == (crlset.Key{}) {
		return crlset.ErrOrder
	}
	s.begun = true
	if s.tell {
		return s.told()
	}
	return nil
}

// told makes of an entry what a set of these columns tells.
func (s *step) told() error {
	e := &s.entry
	if !e.Reason.Valid() || s.columns&crlset.Dates != 0 && !dateFits(e.Date) {
		return fmt.Errorf("%w: reason or date out of range", crlset.ErrPlan)
	}
	if s.columns&crlset.Dates == 0 {
		e.Date = 0
	}
	if s.columns&crlset.Reasons == 0 && !e.OnHold() {
		e.Reason = crlset.Unspecified
	}
	return nil
}
