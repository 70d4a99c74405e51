package box_test

import (
	"testing"
	"time"

	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/localapi"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
)

// P6, P8: a box fetches what it is offered, shows the set that it answers from and its age by a clock that the set itself has moved, and
// has both again after a restart without a line.
func TestP6TheSetInUseIsShown(t *testing.T) {
	c := newCentral(t, nil)
	c.ruled(t)
	c.sets = settest.New(t, certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, certid.KeyID{7})
	c.sets.Key = c.signs
	day := time.Now().UTC().Truncate(time.Second).Add(1000 * 24 * time.Hour) // this machine's clock is years late
	c.sets.Publish(day, settest.Entry(0x11, crlset.Superseded, day))
	k := joined(t, c)
	b, stop := k.run(t)
	events, err := b.Subscribe(t.Context())
	must(t, err)
	shows := func(n uint64, at time.Time) func(localapi.Event) bool {
		return func(e localapi.Event) bool {
			s := e.Status
			return s.List.Number == n && s.List.ThisUpdate.Equal(at) && s.List.AgeSeconds >= 0 && !s.Clock.Now.Before(at)
		}
	}
	next(t, events, localapi.EventStatus, shows(1, day))
	must(t, stop())
	b, err = k.open(t) // and does not run
	must(t, err)
	defer func() { must(t, b.Close()) }()
	s, err := b.Status(t.Context())
	if must(t, err); !shows(1, day)(localapi.Event{Status: &s}) {
		t.Errorf("after a restart: list %+v, clock %+v, want set 1 of %v", s.List, s.Clock, day)
	}
}
