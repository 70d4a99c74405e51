package sitebook

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Present lists who was served and has not left, the latest first: each person once for each service, with the tap and the time of the
// first use since the last leaving. localapi.ErrLocked.
func (b *Book) Present(ctx context.Context) (list []localapi.Presence, err error) {
	err = b.withCrowd(ctx, func(c *crowd) {
		list = make([]localapi.Presence, 0, len(c.here))
		for x := range c.here {
			list = append(list, localapi.Presence{
				Tap: x.tap, Spoken: localapi.SpokenCode(x.tap), Service: x.service, Since: time.UnixMilli(x.since).UTC(),
			})
		}
		slices.SortFunc(list, func(x, y localapi.Presence) int { return cmp.Compare(c.of[y.Tap].id, c.of[x.Tap].id) })
	})
	return list, err
}

// CountPresent is how many Present lists. localapi.ErrLocked.
func (b *Book) CountPresent(ctx context.Context) (n int, err error) {
	err = b.withCrowd(ctx, func(c *crowd) { n = len(c.here) })
	return n, err
}

// withCrowd hands out who is present. They are read once after the keys were opened; afterwards what was added since is.
func (b *Book) withCrowd(ctx context.Context, do func(*crowd)) error {
	upTo := b.seen()
	b.gathering.Lock()
	defer b.gathering.Unlock()
	r, err := b.ring()
	if err != nil {
		b.crowd = nil
		return err
	}
	c := b.crowd
	if c == nil || c.ring != r {
		c = newCrowd(r)
	}
	b.crowd = nil // unless all goes well
	list, err := ids(ctx, b.store().r, `id > ? AND id <= ? AND +kind IN (?, ?)`, c.upTo, upTo, int64(kindUse), int64(kindLeave))
	if err == nil {
		err = b.read(ctx, r, list, func(e *entry) error { c.see(e); return nil })
	}
	if err != nil {
		return err
	}
	c.upTo = max(c.upTo, upTo)
	do(c)
	if again, err := b.ring(); err == nil && again == r {
		b.crowd = c
	}
	return nil
}

// seen is the entry up to which it is known of every visit whether it counts.
func (b *Book) seen() int64 {
	b.write.Lock()
	defer b.write.Unlock()
	b.mu.RLock()
	defer b.mu.RUnlock()
	upTo := b.last
	for tap, f := range b.floors {
		if b.hidden[tap] != importing { // nobody comes with an import
			upTo = min(upTo, f.first-1)
		}
	}
	return upTo
}

// disperse forgets who is present, so that they are read again.
func (b *Book) disperse() {
	b.gathering.Lock()
	defer b.gathering.Unlock()
	b.crowd = nil
}

// crowd is who is present, each under every name by which a later entry may find them.
type crowd struct {
	ring *ring // that opened the entries
	upTo int64 // the last of them
	here map[*someone]bool
	by   map[string]*someone
	of   map[record.TapID]*someone // by the tap of each use: what a new enrolment copied is the same person
}

// someone is a person at a service, by the first use.
type someone struct {
	id      int64
	tap     record.TapID
	since   int64
	service record.ServiceID
	person  Person
	// What by and of hold of them, so that a leaving finds it.
	names []string
	taps  []record.TapID
}

func newCrowd(r *ring) *crowd {
	return &crowd{ring: r, here: map[*someone]bool{}, by: map[string]*someone{}, of: map[record.TapID]*someone{}}
}

func (c *crowd) see(e *entry) {
	var names []string
	first := c.of[e.row.Of]
	for _, n := range e.row.Person.names("", e.service) {
		name := fmt.Sprint(n...)
		names = append(names, name)
		if x := c.by[name]; x != nil && (first == nil || x.id < first.id) {
			first = x
		}
	}
	switch {
	case e.kind == kindLeave:
		c.leave(first)
		return
	case first == nil:
		first = &someone{id: e.id, tap: e.tap, since: e.row.At, service: e.service, person: *e.row.Person}
		c.here[first] = true
	}
	c.of[e.tap] = first
	first.taps = append(first.taps, e.tap)
	for _, name := range names { // also those that are new with a later certificate
		if c.by[name] != first {
			c.by[name] = first
			first.names = append(first.names, name)
		}
	}
}

// leave forgets a person under every name.
func (c *crowd) leave(first *someone) {
	if first == nil {
		return
	}
	for _, name := range first.names {
		if c.by[name] == first {
			delete(c.by, name)
		}
	}
	for _, tap := range first.taps {
		delete(c.of, tap)
	}
	delete(c.here, first)
}

// Leave notes that the person whom Present lists by a tap has left. localapi.ErrUnknown, localapi.ErrLocked.
func (b *Book) Leave(ctx context.Context, tap record.TapID) error {
	staff, _ := b.SignedIn()
	e := &entry{kind: kindLeave, tap: tap, at: b.o.Now().UnixMilli()}
	err := b.withCrowd(ctx, func(c *crowd) {
		if x := c.of[tap]; x != nil && x.tap == tap {
			person := x.person
			e.service, e.row = x.service, row{Person: &person, Staff: record.StaffID(staff.ID)}
		}
	})
	if err != nil {
		return err
	}
	if e.row.Person == nil {
		return fmt.Errorf("noting that somebody left: %w", localapi.ErrUnknown)
	}
	return b.put(ctx, "noting that somebody left", e)
}

// put seals entries that need no record, and makes them durable.
func (b *Book) put(ctx context.Context, doing string, entries ...*entry) error {
	b.write.Lock()
	defer b.write.Unlock()
	r, err := b.sealing()
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := r.seal(e); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
	if err := b.add(ctx, entries); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}
