package crl

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/sync/crlset"
)

// check reads the new set back, wants of it exactly what the lists say, and writes down what differs from the one before.
func (m *making) check(ctx context.Context, sum crlset.Summary) error {
	f := m.draft.files[m.sc.set(m.draft.head.Number, endSet)]
	next, err := openSet(f.Name(), sum.Size, sum.Digests)
	if err != nil {
		return fmt.Errorf("reading the set back: %w", err)
	}
	defer next.Close() // was read only
	if next.Len() != sum.Entries {
		return fmt.Errorf("%w: the set has %d entries instead of %d", ErrDamaged, next.Len(), sum.Entries)
	}
	if err := same(ctx, m.entries(), next.Source()); err != nil {
		return err
	}
	m.draft.step.Newest = m.sc.pub.newest(m.rows)
	if m.base == nil {
		return nil
	}
	m.draft.step.Base, m.draft.step.BaseRoot = m.sc.pub.head.Number, m.sc.pub.head.Root
	if err := m.remember(ctx, next); err != nil {
		return fmt.Errorf("writing the history: %w", err)
	}
	return nil
}

// same wants two sources to tell the same.
func same(ctx context.Context, want, got crlset.Source) error {
	n := 0
	return abreast(ctx, want, got, func(w, g *crlset.Entry) error {
		if n++; w == nil || g == nil || *w != *g {
			return fmt.Errorf("%w: %w", ErrDamaged, difference(n))
		}
		return nil
	})
}

// difference is the place of the first entry that two sources tell otherwise.
type difference int

// Error names the place, and not the serial.
func (d difference) Error() string {
	return fmt.Sprintf("entry %d of the set is not what the lists say", int(d))
}

// remember writes what the step removed, changed and added, as it was and as it is.
func (m *making) remember(ctx context.Context, next *crlset.Set) error {
	before, after := &past{m: m, end: endBefore}, &past{m: m, end: endAfter}
	err := abreast(ctx, m.base.Source(), next.Source(), func(b, n *crlset.Entry) error {
		if b != nil && n != nil && *b == *n {
			return nil
		}
		return errors.Join(before.add(b), after.add(n))
	})
	if err != nil {
		return err
	}
	st := &m.draft.step
	if st.Before, err = before.close(); err != nil {
		return err
	}
	st.After, err = after.close()
	return err
}

// past writes entries to a file of the history, which is made for the first.
type past struct {
	m   *making
	end string
	w   *crlset.PlanningWriter
}

func (p *past) add(e *crlset.Entry) error {
	if e == nil {
		return nil
	}
	if p.w == nil {
		f, err := p.m.draft.place(p.m.sc, dirHistory, p.end)
		if err != nil {
			return err
		}
		p.w = crlset.NewPlanningWriter(f, p.m.s.Columns)
	}
	return p.w.Add(*e)
}

func (p *past) close() (changes, error) {
	if p.w == nil {
		return changes{}, nil
	}
	sum, err := p.w.Close()
	return changes{Entries: sum.Entries, Size: sum.Size, Digests: sum.Digests}, err
}

// abreast goes through two sources in step. Where only one has a key, the other's entry is nil.
func abreast(ctx context.Context, a, b crlset.Source, use func(a, b *crlset.Entry) error) error {
	x, y := ahead{from: a}, ahead{from: b}
	for n := 0; ; n++ {
		if n%lookEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := x.fill(); err != nil {
			return err
		}
		if err := y.fill(); err != nil {
			return err
		}
		var left, right *crlset.Entry
		order := order(&x, &y)
		if order <= 0 && x.there {
			left, x.taken = &x.entry, true
		}
		if order >= 0 && y.there {
			right, y.taken = &y.entry, true
		}
		if left == nil && right == nil {
			return nil
		}
		if err := use(left, right); err != nil {
			return err
		}
	}
}

// ahead is a source with its next entry.
type ahead struct {
	from  crlset.Source
	entry crlset.Entry
	there bool
	begun bool
	taken bool
}

// fill takes the next entry if the last was used.
func (a *ahead) fill() (err error) {
	if a.begun && !a.taken {
		return nil
	}
	a.begun, a.taken = true, false
	a.there, err = a.from.Next(&a.entry)
	return err
}

// order says which of two sources comes first; one that has ended comes last.
func order(x, y *ahead) int {
	switch {
	case x.there && y.there:
		return x.entry.Key.Compare(y.entry.Key)
	case x.there:
		return -1
	case y.there:
		return 1
	default:
		return 0
	}
}
