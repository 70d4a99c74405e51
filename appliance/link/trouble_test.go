package link_test

import (
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/link"
	"kazashi.example/sync/record"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// A silent line and one on which somebody answers who does not serve this box are told apart, until central serves it again.
func TestTheTroubleOfALine(t *testing.T) { // P6
	inTime(t, func(t *testing.T) {
		var says error // read by the loops between two Waits only
		c := newCentral(t)
		b := newBox(t, c, direct{c, func() error { return says }}, quiet)
		defer b.close()
		stop := b.run()
		defer stop()
		revoked := &uplink.Refusal{Code: wire.CodeRevokedBox, Message: "out of service"}
		for _, step := range []struct {
			name    string
			says    error
			up      bool
			trouble string
			answers bool
		}{
			{"central answers", nil, true, "", true},
			{"silence", errLine, false, "", false},
			{"interception", uplink.ErrIntercepted, false, link.Intercepted, false},
			{"a refusal", revoked, false, wire.CodeRevokedBox, true},
			{"silence after a refusal", errLine, false, wire.CodeRevokedBox, false},
			{"interception after a refusal", uplink.ErrIntercepted, false, wire.CodeRevokedBox, false},
			{"central serves again", nil, true, "", true},
		} {
			says = step.says
			before, _ := b.link.Heard()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			at, trouble := b.link.Heard()
			if up, _ := b.link.Line(); up != step.up || trouble != step.trouble {
				t.Errorf("after %s: up %v, trouble %q, want %v, %q", step.name, up, trouble, step.up, step.trouble)
			}
			// A poll that was held when the line went may have been answered still.
			if answered := at.After(before.Add(time.Minute)); answered != step.answers {
				t.Errorf("after %s: last answer %s, before it %s", step.name, at, before)
			}
		}
	})
}

// A box that was replaced has a line, and says that it was; it delivers what it has.
func TestAReplacedBoxSaysSoOverALineThatIsUp(t *testing.T) {
	inTime(t, func(t *testing.T) {
		c := newCentral(t)
		c.spoilPoll = func(p *wire.Polled) error { p.ReplacedBy = record.NewBoxID(); return nil }
		b := newBox(t, c, direct{c, nil}, quiet)
		defer b.close()
		b.tap(1)
		stop := b.run()
		defer stop()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, trouble := b.link.Heard(); trouble != link.Replaced {
			t.Errorf("trouble %q, want %q", trouble, link.Replaced)
		}
		if up, _ := b.link.Line(); !up {
			t.Error("the line is down, want it up")
		}
		if n, err := b.journal.Waiting(t.Context()); err != nil || n != 0 {
			t.Errorf("%d records wait, %v, want none", n, err)
		}
	})
}
