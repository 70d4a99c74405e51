package person

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// labelNumber binds a service's number to its place. It is part of the database's format.
const labelNumber = "links.number"

// NumberIndex is the keyed number under which a service knows somebody.
func (p *People) NumberIndex(s record.ServiceID, number string) []byte {
	return p.rows.Index(labelNumber+"/"+string(s), []byte(number))
}

// numberRow names a person's number at a service in the sealed columns.
func numberRow(person int64, s record.ServiceID) []byte {
	return append(binary.BigEndian.AppendUint64(nil, uint64(person)), s...) //nolint:gosec // row numbers are positive
}

// number opens what a service calls somebody; empty: nothing any more.
func (p *People) number(n store.ServiceNumber) (string, error) {
	if n.Number == nil {
		return "", nil
	}
	b, err := p.rows.Open(labelNumber, numberRow(n.Person, n.Service), n.Number)
	if err != nil {
		return "", fmt.Errorf("opening a number of service %s: %w", n.Service, errors.Join(err, store.ErrDamaged))
	}
	return string(b), nil
}

// Said is one record's word about a number.
type Said struct {
	Service record.ServiceID
	Number  string // with Unlink, empty: whichever it is
	Unlink  bool
	Tap     record.TapID
	At      time.Time
}

// later orders words about a number by their times, in whatever order they come; by tap id where both were at once.
func (s Said) later(at time.Time, tap record.TapID) bool {
	if !s.At.Equal(at) {
		return s.At.After(at)
	}
	return bytes.Compare(s.Tap.ID128[:], tap.ID128[:]) > 0
}

// Numbered is what became of a word about a number.
type Numbered struct {
	Sites  []record.SiteID // whose roster changed, or where a record has another last word now
	Barred bool            // the number was linked to somebody else before, so that this link does not count
}

// Link keeps what a tap says of a person's number at a service: the latest counts. A number is that person's to whom it was linked first, in
// whatever order the words come: the records of whoever comes later are refused, for as long as that stands, and a conflict is kept.
func (p *People) Link(tx store.Tx, who store.Person, s Said, now time.Time) (l Numbered, err error) {
	old, err := tx.NumberAt(who.Row, s.Service)
	none := errors.Is(err, store.ErrNone)
	if err != nil && !none {
		return l, err
	}
	if !none && !s.later(old.At, old.Tap) {
		return l, nil
	}
	n := store.ServiceNumber{Person: who.Row, Service: s.Service, Tap: s.Tap, At: s.At}
	if n.Index = p.NumberIndex(s.Service, s.Number); s.Unlink && s.Number == "" {
		n.Index = old.Index
	}
	if !s.Unlink {
		taken, err := tx.TakenAt(s.Service, n.Index)
		switch {
		case err == nil && !s.later(taken.At, taken.Tap):
			n.Tap, n.At = taken.Tap, taken.At // taken back since, by a record that came before this one
		case err == nil || errors.Is(err, store.ErrNone):
			n.Number = p.rows.Seal(labelNumber, numberRow(who.Row, s.Service), []byte(s.Number))
		default:
			return l, err
		}
	}
	if n.Index == nil {
		n.Index = []byte{} // nobody ever had a number
	}
	c := claims{tx: tx, now: now, tap: s.Tap}
	if err := c.say(n, old.Index); err != nil {
		return l, err
	}
	return Numbered{c.out.Sites, c.barred}, nil
}

// TakeBack keeps that a number was taken back without a card, from whoever has it by an earlier word. It returns the sites whose roster changed,
// or where a record has another last word.
func (p *People) TakeBack(tx store.Tx, s Said, now time.Time) (sites []record.SiteID, err error) {
	index := p.NumberIndex(s.Service, s.Number)
	taken, err := tx.TakenAt(s.Service, index)
	switch {
	case err == nil && !s.later(taken.At, taken.Tap):
		return nil, nil
	case err != nil && !errors.Is(err, store.ErrNone):
		return nil, err
	}
	if err := tx.SetTaken(store.Taken{Service: s.Service, Index: index, Tap: s.Tap, At: s.At}); err != nil {
		return nil, err
	}
	theirs, err := tx.NumbersTo(s.Service, index)
	if err != nil {
		return nil, err
	}
	c := claims{tx: tx, now: now}
	for _, n := range theirs {
		if !s.later(n.At, n.Tap) {
			continue
		}
		n.Number, n.Tap, n.At = nil, s.Tap, s.At
		if err := c.say(n, index); err != nil {
			return nil, err
		}
	}
	return c.out.Sites, nil
}

// mergeNumbers gives the numbers of one person to another, where theirs were said later or there are none.
func (p *People) mergeNumbers(tx store.Tx, gone, kept int64, now time.Time) ([]record.SiteID, error) {
	theirs, err := tx.NumbersOf([]int64{gone})
	if err != nil {
		return nil, err
	}
	c := claims{tx: tx, now: now}
	for _, n := range theirs {
		old, err := tx.NumberAt(kept, n.Service)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return nil, err
		}
		loses := err == nil && !(Said{Tap: n.Tap, At: n.At}).later(old.At, old.Tap)
		number, err := p.number(n)
		if err != nil {
			return nil, err
		}
		ended, moved := n, n
		if ended.Number = nil; n.Number != nil {
			moved.Number = p.rows.Seal(labelNumber, numberRow(kept, n.Service), []byte(number))
		}
		if err := c.say(ended, n.Index); err != nil {
			return nil, err
		}
		if moved.Person = kept; loses {
			continue
		}
		if err := c.say(moved, old.Index); err != nil {
			return nil, err
		}
	}
	return c.out.Sites, nil
}
