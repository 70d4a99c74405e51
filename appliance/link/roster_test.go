package link_test

import (
	"testing"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
)

// person is a made-up entry of a roster.
func person(serial byte, enrolled record.TapID) roster.Entry {
	return roster.Entry{
		Hierarchy: certid.HierarchyPractice, Serial: []byte{serial}, Verifier: "kiyose", Enrolled: enrolled,
		Birth: roster.Birth{Date: "19800412", Form: 1}, Key: []byte{0x30},
	}
}

func (b *box) knows(serial byte) bool {
	b.t.Helper()
	id, err := person(serial, record.NewTapID()).ID()
	must(b.t, err)
	_, ok := b.roster.Find("kiyose", id)
	return ok
}

// Central's roster comes with the polls, once; a poll says which one is held.
func TestTheRosterComesDown(t *testing.T) {
	onLine(t, func(t *testing.T, c *central, b *box) {
		c.change(func() { c.rosterN, c.roster = 4, []roster.Entry{person(1, record.NewTapID())} })
		b.until(time.Minute, func() bool { return b.roster.Version().N == 4 })
		if !b.knows(1) || b.knows(2) {
			t.Errorf("knows %t and %t, want the one that came", b.knows(1), b.knows(2))
		}
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

// A roster that the keys of a new bundle do not vouch for is out of force at once, and asked for again (P9).
func TestP9RosterGoesWithItsKey(t *testing.T) {
	onLine(t, func(t *testing.T, c *central, b *box) {
		c.change(func() { c.rosterN, c.roster = 1, []roster.Entry{person(1, record.NewTapID())} })
		b.until(time.Minute, func() bool { return b.roster.Version().N == 1 })
		c.change(func() { c.sign, c.bundle, c.roster = newKey(t), 2, nil })
		b.until(time.Minute, func() bool { return b.roster.Version().N == 1 && !b.knows(1) })
	})
}

// An enrolment of this run that central refuses for good is none any longer (P6).
func TestP6RefusedEnrolmentLeavesTheRoster(t *testing.T) {
	for verdict, want := range map[record.Verdict]bool{record.VerdictAccepted: true, record.VerdictRefused: false} {
		onLine(t, func(t *testing.T, c *central, b *box) {
			c.change(func() { c.verdict = verdict })
			must(t, b.roster.Add(person(1, tapOf(record.ID{Seq: 1}))))
			b.tap(1)
			b.settled(1, time.Minute)
			if got := b.knows(1); got != want {
				t.Errorf("after the final verdict %s the enrolment is in the roster = %t, want %t", verdict, got, want)
			}
		})
	}
}
