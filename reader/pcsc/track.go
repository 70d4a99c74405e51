package pcsc

import (
	"slices"

	"github.com/ebfe/scard"
)

// tracker turns what the service says into events. It makes no calls.
type tracker struct{ readers []seen }

// seen is one reader as it was reported last.
type seen struct {
	name  string
	state scard.StateFlag // as the service gave it, without the changed flag; 0 (unaware) before the first answer
	card  Kind            // CardArrived, CardMute, or 0 for none
}

// list takes the names of all readers there are.
func (t *tracker) list(names []string) []Event {
	var events []Event
	t.readers = slices.DeleteFunc(t.readers, func(r seen) bool {
		if slices.Contains(names, r.name) {
			return false
		}
		if r.card != 0 {
			events = append(events, Event{Kind: CardRemoved, Reader: r.name})
		}
		events = append(events, Event{Kind: ReaderRemoved, Reader: r.name})
		return true
	})
	for _, name := range names {
		if !slices.ContainsFunc(t.readers, func(r seen) bool { return r.name == name }) {
			t.readers = append(t.readers, seen{name: name})
			events = append(events, Event{Kind: ReaderAdded, Reader: name})
		}
	}
	return events
}

// maxWait is how many readers one wait takes, and how many the service holds (pcsc-lite PCSCLITE_MAX_READERS_CONTEXTS, src/PCSC/pcsclite.h).
const maxWait = 16

// states is what to wait for: a change of any reader, or of the list of readers. When the service is full, no reader can come, and the list
// finds no place in the wait: a reader that goes is seen by its own state, and at the next listing.
func (t *tracker) states() []scard.ReaderState {
	list := make([]scard.ReaderState, 0, len(t.readers)+1)
	for _, r := range t.readers {
		list = append(list, scard.ReaderState{Reader: r.name, CurrentState: r.state})
	}
	if len(list) >= maxWait {
		return list
	}
	return append(list, scard.ReaderState{Reader: pnpReader})
}

// update takes the answer to a wait for states.
func (t *tracker) update(states []scard.ReaderState) []Event {
	var events []Event
	for i := range states {
		for j := range t.readers {
			if t.readers[j].name == states[i].Reader {
				events = append(events, t.readers[j].update(states[i].EventState)...)
			}
		}
	}
	return events
}

// update compares a reader's new state with the one before. The upper 16 bits count the cards that came and went
// (pcsc-lite SCardGetStatusChange(3)): where they moved and a card lies there as before, it is another card.
func (r *seen) update(now scard.StateFlag) []Event {
	now &^= scard.StateChanged
	if now == scard.StateUnaware || now&(scard.StateUnknown|scard.StateUnavailable|scard.StateIgnore) != 0 {
		return nil // the next listing says more
	}
	first := r.state == scard.StateUnaware
	exchanged := !first && now>>16 != r.state>>16
	card := cardIn(now)
	var events []Event
	if r.card != 0 && (card == 0 || exchanged) {
		events = append(events, Event{Kind: CardRemoved, Reader: r.name})
		r.card = 0
	}
	if card != 0 && card != r.card {
		events = append(events, Event{Kind: card, Reader: r.name, Already: first})
	}
	r.state, r.card = now, card
	return events
}

func cardIn(state scard.StateFlag) Kind {
	switch {
	case state&scard.StatePresent == 0:
		return 0
	case state&scard.StateMute != 0:
		return CardMute
	}
	return CardArrived
}
