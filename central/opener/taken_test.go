package opener_test

import (
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// P6: two boxes off-line link one number to two people. The later link is refused, whichever came first, its box is told, and the roster
// names one; once the first is taken back the later counts.
func TestP6ANumberOfTwoReachesTheDesk(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	one, two := newDesk(t, c), newDesk(t, c)
	people := []*simbox.Person{simbox.Known(t, 0x22, 1), simbox.Known(t, 0x22, 2)}
	for _, p := range people {
		one.bring(p.Enrol(t, one.box.ID))
	}
	link := func(d desk, p *simbox.Person, after time.Duration, l content.Link) record.ID {
		r := p.PIN(t, d.box.ID)
		r.Time, r.Link = r.Time+after.Milliseconds(), &l
		p.SignPIN(t, d.box.ID, &r)
		return d.bring(r)
	}
	named := func(what string, want int) {
		t.Helper()
		c.World.Pass(time.Minute)
		for _, e := range c.Roster(one.box).Entries {
			number := e.Of(simbox.Service).Number
			if mine := string(e.Serial) == string(people[want].Serial); mine != (number == "B-1") || !mine && number != "" {
				t.Errorf("%s: number %q of a person, who is the one: %t", what, number, mine)
			}
		}
	}
	last := func(d desk) wire.Verdict {
		t.Helper()
		_, _, v := c.Poll(d.box, wire.Poll{})
		return v.Verdicts[len(v.Verdicts)-1]
	}
	later := link(two, people[1], time.Hour, content.Link{Number: "B-1"})
	if got := two.settled(later); got != inOrder {
		t.Fatalf("the only link = %s %s", got.Verdict, got.Reason)
	}
	named("alone", 1)
	link(one, people[0], 0, content.Link{Number: "B-1"})
	if got, v := two.settled(later), last(two); got != refused(record.ReasonNumberTaken) || v.Verdict != got.Verdict || v.Reason != got.Reason {
		t.Errorf("the later link = %s %s, told %s %s; want it refused as somebody else's", got.Verdict, got.Reason, v.Verdict, v.Reason)
	}
	named("linked to two", 0)
	if n := c.Counts(); n.Conflicts != 1 {
		t.Errorf("%d conflicts, want the one", n.Conflicts)
	}
	third := link(one, people[1], 2*time.Hour, content.Link{Number: "B-1"})
	if got := one.settled(third); got != refused(record.ReasonNumberTaken) {
		t.Errorf("a link that comes later = %s %s", got.Verdict, got.Reason)
	}
	link(one, people[0], 30*time.Minute, content.Link{Unlink: true})
	if got := one.settled(third); got != inOrder {
		t.Errorf("once it was taken back = %s %s, want it to count", got.Verdict, got.Reason)
	}
	named("taken back", 1)
	if n := c.Counts(); n.Conflicts != 0 {
		t.Errorf("%d conflicts stand", n.Conflicts)
	}
}
