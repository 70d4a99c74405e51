//go:build integration

package pcsc_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard/control"
)

// A counter's day: no service, it is started, a card comes and goes, the service is restarted with more readers.
func TestWatchThroughAServicesLife(t *testing.T) {
	_, p := person(t, "hanako")
	events := watch(t)
	expect(t, events, pcsc.Event{Kind: pcsc.ServiceLost})

	r := rig(t, 2)
	expect(t, events, settled(r, 2)...)
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	expect(t, events, pcsc.Event{Kind: pcsc.CardArrived, Reader: r.ReaderName(0)})
	remove(t, r, 0)
	expect(t, events, pcsc.Event{Kind: pcsc.CardRemoved, Reader: r.ReaderName(0)})
	insert(t, r, 1, control.InsertRequest{Profile: p.Profile})
	expect(t, events, pcsc.Event{Kind: pcsc.CardArrived, Reader: r.ReaderName(1)})

	stop(t, r)
	expect(
		t, events,
		pcsc.Event{Kind: pcsc.ReaderRemoved, Reader: r.ReaderName(0)},
		pcsc.Event{Kind: pcsc.CardRemoved, Reader: r.ReaderName(1)},
		pcsc.Event{Kind: pcsc.ReaderRemoved, Reader: r.ReaderName(1)},
	)
	lost := next(t, events)
	if lost.Kind != pcsc.ServiceLost || !errors.Is(lost.Err, pcsc.ErrNoService) {
		t.Fatalf("event = %v, %v, want ServiceLost with ErrNoService", lost.Kind, lost.Err)
	}
	r = rig(t, 4)
	expect(t, events, settled(r, 4)...)
}

func TestWatchFindsACardThatLiesThere(t *testing.T) {
	_, p := person(t, "hanako")
	r := rig(t, 2)
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	if err := r.Control().Connected(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	events := watch(t)
	expect(t, events, settled(r, 2)...)
	e := next(t, events)
	for e.Kind != pcsc.CardArrived { // pcscd may take another moment to power it
		e = next(t, events)
	}
	if !e.Already || e.Reader != r.ReaderName(0) {
		t.Errorf("event = %v %q already=%v, want a card that lay there already", e.Kind, e.Reader, e.Already)
	}
}

// While the handler is busy one card is exchanged for another: both are reported.
func TestWatchReportsAnExchange(t *testing.T) {
	_, p := person(t, "hanako")
	r := rig(t, 2)
	busy, events := make(chan struct{}), make(chan pcsc.Event, 64)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- pcsc.Watch(ctx, func(e pcsc.Event) {
			events <- e
			if e.Kind == pcsc.CardArrived {
				<-busy
			}
		})
	}()
	expect(t, events, settled(r, 2)...)
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	arrived := pcsc.Event{Kind: pcsc.CardArrived, Reader: r.ReaderName(0)}
	expect(t, events, arrived)
	remove(t, r, 0)
	absent(t, r.ReaderName(0))
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	if err := r.Control().Connected(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	present(t, r.ReaderName(0))
	close(busy)
	expect(t, events, pcsc.Event{Kind: pcsc.CardRemoved, Reader: r.ReaderName(0)}, arrived)
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch = %v, want nil", err)
	}
}

// absent and present wait until the service itself says so to somebody who connects.
func absent(t testing.TB, reader string) {
	t.Helper()
	await(t, reader, func(err error) bool { return errors.Is(err, pcsc.ErrNoCard) })
}

func present(t testing.TB, reader string) {
	t.Helper()
	await(t, reader, func(err error) bool { return err == nil })
}

func await(t testing.TB, reader string, ok func(error) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	card, err := connectUntil(ctx, reader, ok)
	if err == nil {
		err = card.Close()
	}
	if !ok(err) {
		t.Fatalf("Connect(%q) = %v in the end", reader, err)
	}
}

// connectUntil connects again and again until the outcome is as wanted.
func connectUntil(ctx context.Context, reader string, ok func(error) bool) (*pcsc.Card, error) {
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		card, err := pcsc.Connect(ctx, reader, pcsc.Exclusive)
		if ok(err) {
			return card, err
		}
		if err == nil {
			err = card.Close()
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-again.C:
		}
	}
}

// laid starts a rig, lays a card on reader 0 and connects to it.
func laid(t *testing.T, req control.InsertRequest) (*pcsc.Card, func() control.Slot) {
	t.Helper()
	r := rig(t, 2)
	insert(t, r, 0, req)
	if err := r.Control().Connected(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	present(t, r.ReaderName(0))
	c, err := pcsc.Connect(t.Context(), r.ReaderName(0), pcsc.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	})
	return c, func() control.Slot {
		s, err := r.Control().Slot(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// The figure that issue and README promise: two commands through the real PC/SC stack, counted by the card.
func TestReadCertificateInTwoCommands(t *testing.T) {
	_, p := person(t, "hanako")
	card, slot := laid(t, control.InsertRequest{Profile: p.Profile})
	want, err := os.ReadFile(p.Auth.Path)
	if err != nil {
		t.Fatal(err)
	}
	before := slot().APDUs
	got, err := mynumber.New(card, mynumber.Options{}).ReadAuthCert(t.Context())
	if err != nil || !bytes.Equal(got.DER(), want) {
		t.Fatalf("ReadAuthCert = %d octets, %v, want the %d of the practice world", len(got.DER()), err, len(want))
	}
	if n := slot().APDUs - before; n != 2 {
		t.Errorf("the card counted %d commands, want 2", n)
	}
}

func TestConnectRefusals(t *testing.T) {
	_, p := person(t, "hanako")
	r := rig(t, 2)
	if _, err := pcsc.Connect(t.Context(), r.ReaderName(0), pcsc.Exclusive); !errors.Is(err, pcsc.ErrNoCard) {
		t.Errorf("Connect to an empty reader = %v, want ErrNoCard", err)
	}
	if _, err := pcsc.Connect(t.Context(), "No Such Reader 00 00", pcsc.Exclusive); !errors.Is(err, pcsc.ErrNoReader) {
		t.Errorf("Connect to no reader = %v, want ErrNoReader", err)
	}
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	present(t, r.ReaderName(0))
	alone, err := pcsc.Connect(t.Context(), r.ReaderName(0), pcsc.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pcsc.Connect(t.Context(), r.ReaderName(0), pcsc.Exclusive); !errors.Is(err, pcsc.ErrInUse) {
		t.Errorf("second exclusive Connect = %v, want ErrInUse", err)
	}
	if err := alone.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// While a transaction is held every other Connect waits, as long as it may and no longer.
func TestConnectWaitsForATransaction(t *testing.T) {
	_, p := person(t, "hanako")
	r := rig(t, 2)
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	present(t, r.ReaderName(0))
	first, err := pcsc.Connect(t.Context(), r.ReaderName(0), pcsc.Shared)
	if err != nil {
		t.Fatal(err)
	}
	for _, share := range []pcsc.Share{pcsc.Shared, pcsc.Exclusive} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if _, err := pcsc.Connect(ctx, r.ReaderName(0), share); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Connect within another's transaction = %v, want DeadlineExceeded", err)
		}
		cancel()
	}
	if err := first.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	present(t, r.ReaderName(0)) // what the deadlines left behind was released
	noneLeft(t)
	if _, err := first.Transmit(t.Context(), []byte{0, 0xA4, 4, 0}); !errors.Is(err, pcsc.ErrDead) {
		t.Errorf("Transmit after Close = %v, want ErrDead", err)
	}
}

func TestTransmitRefusesEmptyCommands(t *testing.T) {
	_, p := person(t, "hanako")
	card, _ := laid(t, control.InsertRequest{Profile: p.Profile})
	if _, err := card.Transmit(t.Context(), nil); !errors.Is(err, pcsc.ErrCommand) {
		t.Errorf("Transmit(nil) = %v, want ErrCommand", err)
	}
}
