package sitebook

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"kazashi.example/sync/record"
)

// fate is what has become of a record at central.
type fate uint8

const (
	waits   fate = 0 // central has not decided, or the roster does not tell of it
	takenIn fate = 1 // the roster tells of it, be it that a later one took its place
	refused fate = 2 // it never was
)

// settle drops local enrolments, links and unlinks that central has decided about, and whatever of the same names is older than one that it
// took in; and links that were taken over from a file, of which told says that central knows better. localapi.ErrLocked, or the error of of or told.
func (b *Book) settle(ctx context.Context, of func(record.TapID) (fate, error), told func(*entry) (bool, error)) error {
	r, err := b.ring()
	if err != nil {
		return err
	}
	s := settling{book: b, ring: r, of: of, gone: map[int64]bool{}, here: map[record.TapID]bool{}}
	err = b.ofKinds(ctx, r, func(e *entry) error { return s.enrolment(ctx, e) }, kindEnrolment)
	if err == nil {
		err = b.ofKinds(ctx, r, func(e *entry) error { return s.link(ctx, e) }, kindLink, kindUnlink)
	}
	if err == nil {
		err = b.ofKinds(ctx, r, func(e *entry) error {
			known, err := told(e)
			if known {
				s.gone[e.id] = true
			}
			return err
		}, kindTaken)
	}
	if err == nil {
		err = b.erase(ctx, slices.Sorted(maps.Keys(s.gone)))
	}
	if err != nil {
		return fmt.Errorf("letting go of what central has settled: %w", err)
	}
	return nil
}

// settling is one look through the book.
type settling struct {
	book *Book
	ring *ring
	of   func(record.TapID) (fate, error)
	gone map[int64]bool
	here map[record.TapID]bool // enrolments that stay
}

func (s *settling) enrolment(ctx context.Context, e *entry) error {
	f, err := s.of(e.tap)
	if err != nil {
		return err
	}
	if f == waits {
		s.here[e.tap] = true
		return nil
	}
	s.gone[e.id] = true
	if f == refused {
		return nil
	}
	return s.book.of(ctx, s.ring, e.row.names(e.kind, e.service), func(x *entry) (bool, error) {
		if x.id < e.id {
			s.gone[x.id] = true
			delete(s.here, x.tap)
		}
		return true, nil
	})
}

// link judges what was linked or taken back. As long as the person's enrolment waits here, central's roster cannot name them, and the number
// waits with it.
func (s *settling) link(ctx context.Context, e *entry) error {
	f, err := s.of(e.original())
	if err != nil || f == waits || f == takenIn && s.here[e.row.Person.Enrolled] {
		return err
	}
	s.gone[e.id] = true
	if f == refused {
		return nil
	}
	older, err := s.book.overruled(ctx, s.ring, e)
	for _, x := range older {
		s.gone[x.id] = true
	}
	return err
}

// overruled is what was linked or taken back before an entry that central has settled: of the same person, and what the entry is a copy of.
func (b *Book) overruled(ctx context.Context, r *ring, e *entry) (list []*entry, err error) {
	err = b.of(ctx, r, e.row.Person.names(refLink, e.service), func(x *entry) (bool, error) {
		if x.id < e.id {
			list = append(list, x)
		}
		return true, nil
	})
	if err != nil || e.row.Of.IsZero() {
		return list, err
	}
	err = b.of(ctx, r, [][]any{{refNumber, e.service, e.row.Number}}, func(x *entry) (bool, error) {
		if x.tap == e.row.Of && x.id < e.id {
			list = append(list, x)
		}
		return true, nil
	})
	return list, err
}

// original is the tap whose record an entry stands for.
func (e *entry) original() record.TapID {
	if !e.row.Of.IsZero() {
		return e.row.Of
	}
	return e.tap
}
