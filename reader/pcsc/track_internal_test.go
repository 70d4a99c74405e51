package pcsc

import (
	"slices"
	"testing"

	"github.com/ebfe/scard"
)

// state is what the service answers: flags, and the number of cards that came and went so far.
func state(flags scard.StateFlag, count int) scard.StateFlag {
	return flags | scard.StateChanged | scard.StateFlag(count)<<16
}

func answers(reader string, s scard.StateFlag) []scard.ReaderState {
	return []scard.ReaderState{{Reader: reader, EventState: s}, {Reader: pnpReader, EventState: scard.StateChanged}}
}

func TestTracker(t *testing.T) {
	const (
		empty   = scard.StateEmpty
		present = scard.StatePresent
		mute    = scard.StatePresent | scard.StateMute
	)
	type step struct {
		list  []string
		state scard.StateFlag
		want  []Event
	}
	added := step{list: []string{"r"}, want: []Event{{Kind: ReaderAdded, Reader: "r"}}}
	arrived, removed := Event{Kind: CardArrived, Reader: "r"}, Event{Kind: CardRemoved, Reader: "r"}
	tests := []struct {
		name  string
		steps []step
	}{
		{"held on and taken away", []step{
			added,
			{state: state(empty, 0)},
			{state: state(present, 1), want: []Event{arrived}},
			{state: state(empty, 2), want: []Event{removed}},
		}},
		{"lay there already", []step{
			added,
			{state: state(present, 1), want: []Event{{Kind: CardArrived, Reader: "r", Already: true}}},
			{state: state(empty, 2), want: []Event{removed}},
		}},
		{"exchanged while nobody looked", []step{
			added,
			{state: state(empty, 0)},
			{state: state(present, 1), want: []Event{arrived}},
			{state: state(present, 3), want: []Event{removed, arrived}},
		}},
		{"our own connection changes nothing", []step{
			added,
			{state: state(empty, 0)},
			{state: state(present, 1), want: []Event{arrived}},
			{state: state(present|scard.StateExclusive|scard.StateInuse, 1)},
			{state: state(present|scard.StateUnpowered, 1)},
			{state: state(present, 1)},
		}},
		{"mute, then turned over", []step{
			added,
			{state: state(empty, 0)},
			{state: state(mute, 1), want: []Event{{Kind: CardMute, Reader: "r"}}},
			{state: state(empty, 2), want: []Event{removed}},
			{state: state(present, 3), want: []Event{arrived}},
		}},
		{"answers after all", []step{
			added,
			{state: state(empty, 0)},
			{state: state(mute, 1), want: []Event{{Kind: CardMute, Reader: "r"}}},
			{state: state(present, 1), want: []Event{arrived}},
		}},
		{"reader pulled out with a card on it", []step{
			added,
			{state: state(empty, 0)},
			{state: state(present, 1), want: []Event{arrived}},
			{state: state(scard.StateUnknown|scard.StateUnavailable, 1)},
			{list: []string{}, want: []Event{removed, {Kind: ReaderRemoved, Reader: "r"}}},
			{list: []string{"r", "s"}, want: []Event{{Kind: ReaderAdded, Reader: "r"}, {Kind: ReaderAdded, Reader: "s"}}},
		}},
		{"no answer yet", []step{added, {state: scard.StateUnaware}, {state: state(empty, 0)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var tr tracker
			for i, s := range tt.steps {
				var got []Event
				if s.list != nil {
					got = tr.list(s.list)
				} else {
					got = tr.update(answers("r", s.state))
				}
				if !slices.Equal(got, s.want) {
					t.Fatalf("step %d: events = %v, want %v", i, got, s.want)
				}
			}
		})
	}
}

func TestTrackerWaitsFromWhatItKnows(t *testing.T) {
	var tr tracker
	tr.list([]string{"a", "b"})
	tr.update(answers("b", state(scard.StatePresent, 7)))
	got := tr.states()
	if len(got) != 3 || got[2].Reader != pnpReader {
		t.Fatalf("states() = %v, want two readers and the notification", got)
	}
	if got[0].CurrentState != scard.StateUnaware || got[1].CurrentState != scard.StatePresent|7<<16 {
		t.Errorf("states() = %x and %x, want unaware and present with count 7", got[0].CurrentState, got[1].CurrentState)
	}
}

// A wait takes as many readers as the service holds; the list of readers is waited for while there is room.
func TestWaitForManyReaders(t *testing.T) {
	for readers, want := range map[int]int{0: 1, 1: 2, 15: 16, 16: 16} {
		names := make([]string, readers)
		for i := range names {
			names[i] = string(rune('a' + i))
		}
		var tr tracker
		tr.list(names)
		states := tr.states()
		pnp := slices.ContainsFunc(states, func(s scard.ReaderState) bool { return s.Reader == pnpReader })
		if len(states) != want || pnp != (readers < 16) {
			t.Errorf("states of %d readers = %d, the list among them: %t; want %d, %t", readers, len(states), pnp, want, readers < 16)
		}
	}
}
