package sitebook

import (
	"context"
	"fmt"
	"slices"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Present lists who was served and has not left, the latest first: each person once for each service, with the tap and the time of the
// first use since the last leaving. localapi.ErrLocked.
func (b *Book) Present(ctx context.Context) ([]localapi.Presence, error) {
	here, err := b.present(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]localapi.Presence, 0, len(here))
	for _, e := range slices.Backward(here) {
		list = append(list, localapi.Presence{
			Tap: e.tap, Spoken: localapi.SpokenCode(e.tap), Service: e.service, Since: e.time(),
		})
	}
	return list, nil
}

// present is the entries of the first uses, the oldest first.
func (b *Book) present(ctx context.Context) ([]*entry, error) {
	r, err := b.ring()
	if err != nil {
		return nil, err
	}
	at := newCrowd()
	err = b.ofKinds(ctx, r, func(e *entry) error {
		at.see(e)
		return nil
	}, kindUse, kindLeave)
	if err != nil {
		return nil, err
	}
	return at.here(), nil
}

// crowd is who is present, each under every name by which a later entry may find them.
type crowd struct {
	by   map[string]*entry
	of   map[record.TapID]*entry // by the tap of each use: what a new enrolment copied is the same person
	list []*entry
	// What by and of hold of each first use, so that a leaving finds it.
	names map[*entry][]string
	taps  map[*entry][]record.TapID
}

func newCrowd() crowd {
	return crowd{
		by: map[string]*entry{}, of: map[record.TapID]*entry{}, names: map[*entry][]string{}, taps: map[*entry][]record.TapID{},
	}
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
		first = e
		c.list = append(c.list, e)
	}
	c.of[e.tap] = first
	c.taps[first] = append(c.taps[first], e.tap)
	for _, name := range names { // also those that are new with a later certificate
		if c.by[name] != first {
			c.by[name] = first
			c.names[first] = append(c.names[first], name)
		}
	}
}

// leave forgets a person under every name.
func (c *crowd) leave(first *entry) {
	if first == nil {
		return
	}
	for _, name := range c.names[first] {
		if c.by[name] == first {
			delete(c.by, name)
		}
	}
	for _, tap := range c.taps[first] {
		delete(c.of, tap)
	}
	delete(c.names, first)
}

func (c *crowd) here() (list []*entry) {
	for _, e := range c.list {
		if c.names[e] != nil {
			list = append(list, e)
		}
	}
	return list
}

// Leave notes that the person whom Present lists by a tap has left. localapi.ErrUnknown, localapi.ErrLocked.
func (b *Book) Leave(ctx context.Context, tap record.TapID) error {
	here, err := b.present(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(here, func(e *entry) bool { return e.tap == tap })
	if i < 0 {
		return fmt.Errorf("noting that somebody left: %w", localapi.ErrUnknown)
	}
	staff, _ := b.SignedIn()
	e := &entry{kind: kindLeave, tap: tap, at: b.o.Now().UnixMilli(), service: here[i].service}
	e.row = row{Person: here[i].row.Person, Staff: record.StaffID(staff.ID)}
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
