package link_test

import (
	"testing"
	"testing/synctest"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// P2: what central gives by a stick settles and acknowledges as by the line, once, and is no word about the time of now.
func TestP2ImportIsTheLineWithoutALine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCentral(t)
		b := newBox(t, c, direct{central: c}, quiet)
		defer b.close()
		b.tap(3)
		push, err := b.journal.Unsent(t.Context(), journal.Limits{})
		must(t, err)
		pushed, err := c.Push(t.Context(), sign.PublicKey{}, push)
		must(t, err)
		state, err := b.link.State(t.Context())
		must(t, err)
		if state.Waiting != 3 || len(state.Epochs)+len(state.Subjects) != 0 {
			t.Errorf("State waits for %d, with %d epochs", state.Waiting, len(state.Epochs))
		}
		got, err := c.Poll(t.Context(), sign.PublicKey{}, state)
		must(t, err)
		got.Ack = pushed.Ack
		got.Sets = []wire.SetOffer{offer(5)}
		got.RosterOffer = wire.RosterOffer{Version: rule.Version{CentralEpoch: 1, N: 9}}
		news, err := b.link.Import(t.Context(), got, nil)
		must(t, err)
		if want := (link.News{Sets: true, Roster: true, Verdicts: 3}); news != want {
			t.Errorf("Import = %+v, want %+v", news, want)
		}
		if n, _ := b.journal.Waiting(t.Context()); n != 0 || len(b.watch.settled) != 3 {
			t.Errorf("%d records wait and %d are settled, want 0 and 3", n, len(b.watch.settled))
		}
		if news, err = b.link.Import(t.Context(), got, nil); err != nil || news != (link.News{}) {
			t.Errorf("Import(again) = %+v, %v, want no news", news, err)
		}
		select {
		case at := <-b.checks:
			t.Errorf("the clock was checked by a stick: %v", at)
		default:
		}
		if up, _ := b.link.Line(); up {
			t.Error("a stick counts as a line")
		}
	})
}
