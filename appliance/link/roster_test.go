package link_test

import (
	"testing"
	"time"

	"kazashi.example/sync/rule"
)

// Central's roster is offered with the polls, once; a poll says which one is held.
func TestTheRosterIsOffered(t *testing.T) {
	onLine(t, func(t *testing.T, c *central, b *box) {
		c.change(func() { c.rosterN = 4 })
		b.until(time.Minute, func() bool { return b.rosters.Version().N == 4 })
		<-time.After(time.Minute) // of the bubble
		c.mu.Lock()
		defer c.mu.Unlock()
		if got, want := c.polls[len(c.polls)-1].Roster, (rule.Version{CentralEpoch: 1, N: 4}); got != want {
			t.Errorf("the last poll says that roster %v is held, want %v", got, want)
		}
		if n := len(c.polls); n > 12 {
			t.Errorf("%d polls in a minute: a roster that is held is news again and again", n)
		}
	})
}

// A new bundle has the rosters looked at anew: one whose key it does not name is out of force at once (P9).
func TestP9RosterIsReviewedWithANewBundle(t *testing.T) {
	onLine(t, func(t *testing.T, c *central, b *box) {
		before := b.rosters.reviews()
		c.change(func() { c.sign, c.bundle = newKey(t), 2 })
		b.until(time.Minute, func() bool { return b.rosters.reviews() > before })
	})
}
