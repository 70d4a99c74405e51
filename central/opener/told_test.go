package opener_test

import (
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// What a box keeps until central has decided about it makes a roster that tells of it, whatever else the roster says: somebody enrolled again, a
// later number was known before, the person is on no roster.
func TestWhatChangesNobodyIsToldOfToo(t *testing.T) {
	c := simcentral.New(t)
	one, two := newDesk(t, c), newDesk(t, c)
	p := simbox.Known(t, 0x21, 1)
	said := func(d desk, after time.Duration, number string) {
		r := p.PIN(t, d.box.ID)
		if r.Link = (&content.Link{Number: number}); number == "" {
			r = p.Enrol(t, d.box.ID)
		}
		r.Time += after.Milliseconds()
		p.SignPIN(t, d.box.ID, &r)
		if r.Card != nil {
			p.SignCard(t, d.box.ID, &r)
		}
		if got := d.settled(d.bring(r)); got.Verdict != record.VerdictAccepted {
			t.Fatalf("final = %s %s", got.Verdict, got.Reason)
		}
	}
	told := func(what string, first, second uint64) {
		t.Helper()
		c.World.Pass(time.Minute)
		h := c.Roster(one.box)
		epoch := h.Version.CentralEpoch
		if !h.TellsOf(one.box.ID, simVersion(epoch, first)) || !h.TellsOf(two.box.ID, simVersion(epoch, second)) {
			t.Errorf("%s: tells of %v, want %d of one box and %d of the other", what, h.Through, first, second)
		}
	}
	said(one, time.Hour, "L-1")
	told("a number of somebody on no roster", 1, 0)
	said(one, 2*time.Hour, "")
	told("enrolled", 2, 0)
	said(two, time.Hour, "")
	told("an enrolment of before", 2, 1)
	said(two, 0, "L-0")
	told("a number of before", 2, 2)
	if got := c.Roster(one.box).Entries; len(got) != 1 || got[0].Of(simbox.Service).Number != "L-1" {
		t.Errorf("the roster has %d people, not the one with the latest number", len(got))
	}
}
