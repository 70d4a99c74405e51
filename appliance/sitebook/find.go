package sitebook

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// maxFound is how many of the latest entries one name finds. More than that nobody asks of one person at one service.
const maxFound = 64

// of calls do with each entry that counts and is found by one of the names under any generation of the keys, the newest first, until do
// returns false. An entry that does not open is passed over: it is reported once, where the book is sealed anew.
func (b *Book) of(ctx context.Context, r *ring, names [][]any, do func(*entry) (bool, error)) error {
	list, err := b.found(ctx, r, names)
	if err != nil {
		return err
	}
	for _, e := range list {
		if !b.counts(e.tap) || !r.opens(e) {
			continue
		}
		if more, err := do(e); err != nil || !more {
			return err
		}
	}
	return nil
}

// found looks up sealed entries, the newest first and each once.
func (b *Book) found(ctx context.Context, r *ring, names [][]any) (list []*entry, err error) {
	st := b.store()
	for _, g := range r.gens {
		for _, name := range names {
			f, err := g.refOf(name)
			if err != nil {
				return nil, err
			}
			more, err := st.latest(ctx, f)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		}
	}
	slices.SortFunc(list, func(x, y *entry) int { return cmp.Compare(y.id, x.id) })
	return slices.CompactFunc(list, func(x, y *entry) bool { return x.id == y.id }), nil
}

// Enrolled finds the latest enrolment made here by a certificate that central has not settled. localapi.ErrLocked.
func (b *Book) Enrolled(ctx context.Context, v record.VerifierID, id certid.CertID) (e roster.Entry, ok bool, err error) {
	r, err := b.ring()
	if err != nil {
		return e, false, err
	}
	name := []any{refEnrolment, v, id.Scope.Hierarchy, id.Serial.Bytes()}
	err = b.of(ctx, r, [][]any{name}, func(x *entry) (bool, error) {
		e, ok = *x.row.Enrolment, true
		return false, nil
	})
	return e, ok, err
}

// Used is when a person was last served by a service, as far as this book knows; zero for never. A use from later than before counts for none:
// the clock stood wrong then, and the one before it is the latest that anybody knows of. localapi.ErrLocked.
func (b *Book) Used(ctx context.Context, service record.ServiceID, p Person, before time.Time) (at time.Time, err error) {
	r, err := b.ring()
	if err != nil {
		return at, err
	}
	err = b.of(ctx, r, p.names(refUse, service), func(e *entry) (bool, error) {
		if e.kind == kindUse && !e.time().After(before) {
			at = e.time()
		}
		return at.IsZero(), nil
	})
	return at, err
}

// Linking is what the book knows of a number.
type Linking uint8

// What the book knows.
const (
	LinkUnknown Linking = 0 // nothing: central's roster says
	Linked      Linking = 1
	Unlinked    Linking = 2 // it was taken back here, whatever central's roster still says
)

// Number is the number by which a service knows a person, where something was linked or taken back here. localapi.ErrLocked.
func (b *Book) Number(ctx context.Context, service record.ServiceID, p Person) (number string, known Linking, err error) {
	r, err := b.ring()
	if err != nil {
		return "", LinkUnknown, err
	}
	err = b.of(ctx, r, p.names(refLink, service), func(e *entry) (bool, error) {
		number, known = linking(e)
		return false, nil
	})
	return number, known, err
}

func linking(e *entry) (string, Linking) {
	if e.kind == kindUnlink {
		return e.row.Number, Unlinked
	}
	return e.row.Number, Linked
}

// ByNumber is whose number it is, where it was linked or taken back here. localapi.ErrLocked.
func (b *Book) ByNumber(ctx context.Context, service record.ServiceID, number string) (p Person, known Linking, err error) {
	r, err := b.ring()
	if err != nil {
		return p, LinkUnknown, err
	}
	err = b.of(ctx, r, [][]any{{refNumber, service, number}}, func(e *entry) (bool, error) {
		p = *e.row.Person
		_, known = linking(e)
		return false, nil
	})
	return p, known, err
}

// People counts the enrolments made here that central has not settled. It needs no keys.
func (b *Book) People(ctx context.Context) (n int, err error) {
	err = b.store().r.QueryRowContext(ctx, `SELECT count(*) FROM entry WHERE kind = ?`, int64(kindEnrolment)).Scan(&n)
	return n, err
}

// readBatch is how many entries are in memory at once while many are read.
const readBatch = 256

// ofKinds calls do with each entry of some kinds that counts, the oldest first.
func (b *Book) ofKinds(ctx context.Context, r *ring, do func(*entry) error, kinds ...kind) error {
	st := b.store()
	var list []int64
	for _, k := range kinds {
		more, err := ids(ctx, st.r, `kind = ?`, int64(k))
		if err != nil {
			return err
		}
		list = append(list, more...)
	}
	slices.Sort(list)
	return b.read(ctx, r, list, do)
}

// read calls do with each of some entries that counts.
func (b *Book) read(ctx context.Context, r *ring, list []int64, do func(*entry) error) error {
	for part := range slices.Chunk(list, readBatch) {
		entries, err := byID(ctx, b.store().r, part)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !b.opens(ctx, r, e) {
				continue
			}
			if err := do(e); err != nil {
				return err
			}
		}
	}
	return nil
}

// opens reads the content of an entry that counts. One that should open and does not is reported.
func (b *Book) opens(ctx context.Context, r *ring, e *entry) bool {
	if !b.counts(e.tap) {
		return false
	}
	err := r.open(e)
	if err != nil && !errors.Is(err, errNoKey) {
		b.o.Log.ErrorContext(ctx, "an entry of the site book does not open", slog.Int64("entry", e.id), slog.Any("error", err))
	}
	return err == nil
}
