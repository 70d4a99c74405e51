package box_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// tapped lays a card and returns its tap.
func (k *counter) tapped(t *testing.T, events <-chan localapi.Event) record.TapID {
	t.Helper()
	k.hand.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	e := next(t, events, localapi.EventVerdict, nil)
	k.remove(t, events)
	return e.Tap.Tap
}

// cut is the same counter after a power cut: what its disk holds now. The old one must not be used any more.
func (k *counter) cut(t *testing.T) *counter {
	t.Helper()
	after := newCounter(t)
	after.conf.Central, after.hand.card = k.conf.Central, k.hand.card
	must(t, os.Mkdir(after.conf.DataDir, 0o700))
	entries, err := os.ReadDir(k.conf.DataDir)
	must(t, err)
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue // the socket
		}
		b, err := os.ReadFile(filepath.Join(k.conf.DataDir, e.Name()))
		must(t, errors.Join(err, os.WriteFile(filepath.Join(after.conf.DataDir, e.Name()), b, 0o600)))
	}
	return after
}

// unseen asks over the socket for what perhaps nobody saw, and wants those taps, newest first, in the list of taps too.
func (k *counter) unseen(t *testing.T, want ...record.TapID) *localapi.Client {
	t.Helper()
	c, err := localapi.NewClient("unix:" + k.conf.Socket())
	must(t, err)
	t.Cleanup(c.Close)
	got, err := c.Unseen(t.Context())
	must(t, err)
	for i := range got {
		if i >= len(want) || got[i].Tap != want[i] || !got[i].Restored || got[i].Desk != "counter-1" || !got[i].First.Valid() {
			t.Errorf("Unseen()[%d] = %+v, want one of %v", i, got[i], want)
		}
	}
	s, err := c.Status(t.Context())
	must(t, err)
	taps, err := c.Taps(t.Context(), localapi.MaxTaps)
	must(t, err)
	restored := 0
	for _, one := range taps {
		if one.Restored {
			restored++
		}
	}
	if len(got) != len(want) || s.Unseen != len(want) || restored != len(want) {
		t.Errorf("unseen: %d listed, %d in the status, %d among the taps, want %d", len(got), s.Unseen, restored, len(want))
	}
	return c
}

// design.md §5.8: what was committed and perhaps never seen is shown after a power cut, over further restarts and whatever taps follow, until
// somebody says that it was seen; and never again after that.
func TestP1UnseenVerdictsStayUntilSomebodyHasSeenThem(t *testing.T) {
	k := joined(t, newCentral(t, nil))
	card, _ := practiceCard(t)
	k.hand.card = func(context.Context) (tap.Connection, error) { return card, nil }
	b, stop := k.run(t)
	first := k.tapped(t, at(t, k, b))
	k.unseen(t)
	after := k.cut(t)
	must(t, stop())

	b, stop = after.run(t)
	events := at(t, after, b)
	after.unseen(t, first)
	second := after.tapped(t, events) // pushes nothing away
	after.unseen(t, first)
	must(t, stop())
	b, stop = after.run(t) // an end in order takes nothing away either
	at(t, after, b)
	c := after.unseen(t, first)
	if err := c.Seen(t.Context(), record.NewTapID()); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("Seen(no such tap) = %v, want ErrUnknown", err)
	}
	must(t, c.Seen(t.Context(), first))
	after.unseen(t)
	if err := c.Seen(t.Context(), first); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("Seen(what was seen) = %v, want ErrUnknown", err)
	}
	must(t, stop())

	b, stop = after.run(t)
	third := after.tapped(t, at(t, after, b))
	again := after.cut(t)
	must(t, stop())
	b, stop = again.run(t)
	at(t, again, b)
	again.unseen(t, third, second) // within seconds of the last; the first was answered for
	must(t, stop())

	must(t, os.WriteFile(filepath.Join(again.conf.DataDir, "unseen.cbor"), []byte("not a list"), 0o600))
	b, stop = again.run(t) // begun anew
	at(t, again, b)
	again.unseen(t)
	must(t, stop())
}
