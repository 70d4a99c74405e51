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

// Link keeps what a tap says of a person's number at a service: the latest counts. It returns the sites whose roster changed.
func (p *People) Link(tx store.Tx, who store.Person, s Said) ([]record.SiteID, error) {
	old, err := tx.NumberAt(who.Row, s.Service)
	none := errors.Is(err, store.ErrNone)
	if err != nil && !none {
		return nil, err
	}
	if !none && !s.later(old.At, old.Tap) {
		return nil, nil
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
			return nil, err
		}
	}
	if n.Index == nil {
		n.Index = []byte{} // nobody ever had a number
	}
	return p.setNumber(tx, n)
}

// setNumber keeps a word, and counts the change of whose rosters tell of it.
func (p *People) setNumber(tx store.Tx, n store.ServiceNumber) ([]record.SiteID, error) {
	if err := tx.SetNumber(n); err != nil {
		return nil, err
	}
	var out Outcome
	err := raise(tx, n.Person, &out)
	return out.Sites, err
}

// TakeBack keeps that a number was taken back without a card, from whoever has it by an earlier word. It returns the sites whose roster changed.
func (p *People) TakeBack(tx store.Tx, s Said) (sites []record.SiteID, err error) {
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
	for _, n := range theirs {
		if !s.later(n.At, n.Tap) {
			continue
		}
		n.Number, n.Tap, n.At = nil, s.Tap, s.At
		changed, err := p.setNumber(tx, n)
		if err != nil {
			return nil, err
		}
		sites = append(sites, changed...)
	}
	return sites, nil
}

// mergeNumbers gives the numbers of one person to another, where theirs were said later or there are none.
func (p *People) mergeNumbers(tx store.Tx, gone, kept int64) error {
	theirs, err := tx.NumbersOf([]int64{gone})
	if err != nil {
		return err
	}
	for _, n := range theirs {
		old, err := tx.NumberAt(kept, n.Service)
		if err != nil && !errors.Is(err, store.ErrNone) {
			return err
		}
		if err == nil && !(Said{Tap: n.Tap, At: n.At}).later(old.At, old.Tap) {
			continue
		}
		number, err := p.number(n)
		if err != nil {
			return err
		}
		var sealed []byte
		if n.Number != nil {
			sealed = p.rows.Seal(labelNumber, numberRow(kept, n.Service), []byte(number))
		}
		if err := tx.MoveNumber(n, kept, sealed); err != nil {
			return err
		}
	}
	return nil
}
