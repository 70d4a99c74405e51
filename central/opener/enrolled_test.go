package opener_test

import (
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/record"
)

// design §2: which of two enrolments is the later does not hang on a clock that nobody checked: one that was not counts as it arrived. A
// checked one may bring Monday's enrolment on Friday, and none is later than its arrival.
func TestTheLaterEnrolmentIsNoMatterOfPoorClocks(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for _, k := range []struct {
		name   string
		first  time.Duration // what the clock of the first to arrive says, from then
		clock  record.Confidence
		second time.Duration // what that of the second says, from the first one's arrival; it arrives after 30 days
		checks record.Confidence
		want   int
	}{
		{"both in order", 0, record.ConfidenceChecked, 30 * day, record.ConfidenceChecked, 2},
		{"the second box's clock stands at its floor", 0, record.ConfidenceChecked, -90 * day, record.ConfidenceFloor, 2},
		{"the second box has no clock", 0, record.ConfidenceChecked, -90 * day, record.ConfidenceNone, 2},
		{"the second one was under way for long", 0, record.ConfidenceChecked, -day, record.ConfidenceChecked, 1},
		{"the first box's clock is ahead", 60 * day, record.ConfidenceFloor, 30 * day, record.ConfidenceChecked, 2},
		{"the first box's checked clock is ahead", 60 * day, record.ConfidenceChecked, 30 * day, record.ConfidenceChecked, 2},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			d := newDesk(t, c)
			p := simbox.Known(t, 0x1b, 1)
			began := c.World.Now()
			var taps [3]record.TapID
			bring := func(n int, at time.Duration, clock record.Confidence) {
				r := p.Enrol(t, d.box.ID)
				r.Time, r.Said.Clock = began.Add(at).UnixMilli(), clock
				p.SignPIN(t, d.box.ID, &r)
				p.SignCard(t, d.box.ID, &r)
				if got := d.settled(d.bring(r)); got != inOrder {
					t.Fatalf("enrolment %d = %s %s, want accepted", n, got.Verdict, got.Reason)
				}
				taps[n] = r.Tap
			}
			bring(1, k.first, k.clock)
			c.World.Pass(30 * day)
			bring(2, k.second, k.checks)
			set := c.Roster(d.box)
			if len(set.Entries) != 1 || set.Entries[0].Enrolled != taps[k.want] {
				t.Errorf("the roster of %d does not name enrolment %d", len(set.Entries), k.want)
			}
		})
	}
}
