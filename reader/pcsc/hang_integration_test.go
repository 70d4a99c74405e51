//go:build integration

package pcsc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard/control"
)

// patience bounds what must happen.
const patience = time.Minute

// A service that hangs in the middle of a command: the tap gets its deadline, the connection is dead, nothing is left behind,
// and when the service goes on the next tap is as any other.
func TestP1TransmitKeepsItsDeadline(t *testing.T) {
	_, p := person(t, "hanako")
	card, slot := laid(t, control.InsertRequest{Profile: p.Profile})
	thaw := freeze(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := mynumber.New(card, mynumber.Options{}).ReadAuthCert(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, mynumber.ErrTorn) {
		t.Errorf("ReadAuthCert = %v, want DeadlineExceeded", err)
	}
	noneLeft(t)
	if _, err := card.Transmit(t.Context(), []byte{0, 0xA4, 4, 0}); !errors.Is(err, pcsc.ErrDead) {
		t.Errorf("Transmit after a missed deadline = %v, want ErrDead", err)
	}
	reader := "Virtual PCD 00 00"
	if _, err := connectWithin(t, 200*time.Millisecond, reader); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Connect to a hanging service = %v, want DeadlineExceeded", err)
	}
	noneLeft(t)
	thaw()
	present(t, reader) // exclusive again: the dead connections were released
	next, err := pcsc.Connect(t.Context(), reader, pcsc.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	before := slot().APDUs
	if _, err := mynumber.New(next, mynumber.Options{}).ReadAuthCert(t.Context()); err != nil || slot().APDUs != before+2 {
		t.Errorf("ReadAuthCert after the hang = %v in %d commands, want 2", err, slot().APDUs-before)
	}
	if err := next.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func connectWithin(t *testing.T, limit time.Duration, reader string) (*pcsc.Card, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	return pcsc.Connect(ctx, reader, pcsc.Exclusive)
}

// Cancelling is as good as a deadline, also while nothing answers; and Close does not wait for ever.
func TestCancelAndCloseWhileTheServiceHangs(t *testing.T) {
	_, p := person(t, "hanako")
	r := rig(t, 2)
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	present(t, r.ReaderName(0))
	card, err := pcsc.Connect(t.Context(), r.ReaderName(0), pcsc.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	thaw := freeze(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := pcsc.Connect(ctx, r.ReaderName(1), pcsc.Exclusive)
		done <- err
	}()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Connect, cancelled = %v, want Canceled", err)
	}
	if err := card.Close(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Close = %v, want DeadlineExceeded", err)
	}
	if err := card.Close(); err != nil {
		t.Errorf("second Close = %v, want nil", err)
	}
	noneLeft(t)
	thaw()
	present(t, r.ReaderName(0))
}

// Watch says that the service hangs, and finds it again.
func TestWatchThroughAHang(t *testing.T) {
	_, p := person(t, "hanako")
	r := rig(t, 2)
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	present(t, r.ReaderName(0))
	events := watchBy(t, func(ctx context.Context, handle func(pcsc.Event)) error {
		pcsc.WatchImpatiently(ctx, time.Second, handle)
		return nil
	})
	expect(t, events, settled(r, 2)...)
	expect(t, events, pcsc.Event{Kind: pcsc.CardArrived, Reader: r.ReaderName(0), Already: true})
	thaw := freeze(t)
	expect(
		t, events,
		pcsc.Event{Kind: pcsc.CardRemoved, Reader: r.ReaderName(0)},
		pcsc.Event{Kind: pcsc.ReaderRemoved, Reader: r.ReaderName(0)},
		pcsc.Event{Kind: pcsc.ReaderRemoved, Reader: r.ReaderName(1)},
	)
	lost := next(t, events)
	if lost.Kind != pcsc.ServiceLost || !errors.Is(lost.Err, pcsc.ErrNoService) || !errors.Is(lost.Err, pcsc.ErrHung) {
		t.Fatalf("event = %v, %v, want ServiceLost with ErrNoService and ErrHung", lost.Kind, lost.Err)
	}
	thaw()
	expect(t, events, settled(r, 2)...)
	expect(t, events, pcsc.Event{Kind: pcsc.CardArrived, Reader: r.ReaderName(0), Already: true})
}

// pcscd is killed in the middle of everything and comes back with other readers.
func TestServiceKilledAndRestartedWithOtherReaders(t *testing.T) {
	_, p := person(t, "hanako")
	r := rig(t, 4)
	insert(t, r, 3, control.InsertRequest{Profile: p.Profile})
	present(t, r.ReaderName(3))
	events := watch(t)
	expect(t, events, settled(r, 4)...)
	expect(t, events, pcsc.Event{Kind: pcsc.CardArrived, Reader: r.ReaderName(3), Already: true})
	gone := r.ReaderName(3)
	card, err := pcsc.Connect(t.Context(), gone, pcsc.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pidOfPCSCD(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := card.Transmit(t.Context(), []byte{0, 0xA4, 4, 0}); !errors.Is(err, pcsc.ErrNoService) {
		t.Errorf("Transmit to a killed service = %v, want ErrNoService", err)
	}
	if err := card.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	<-r.Done()
	stop(t, r)
	if _, err := pcsc.Connect(t.Context(), gone, pcsc.Exclusive); !errors.Is(err, pcsc.ErrNoService) {
		t.Errorf("Connect without a service = %v, want ErrNoService", err)
	}
	for e := next(t, events); e.Kind != pcsc.ServiceLost; e = next(t, events) {
		if e.Kind != pcsc.CardRemoved && e.Kind != pcsc.ReaderRemoved {
			t.Errorf("event = %v, want cards and readers to go", e.Kind)
		}
	}
	r = rig(t, 2)
	expect(t, events, settled(r, 2)...)
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	expect(t, events, pcsc.Event{Kind: pcsc.CardArrived, Reader: r.ReaderName(0)})
	if _, err := pcsc.Connect(t.Context(), gone, pcsc.Exclusive); !errors.Is(err, pcsc.ErrNoReader) {
		t.Errorf("Connect to a reader that did not come back = %v, want ErrNoReader", err)
	}
	card, err = pcsc.Connect(t.Context(), r.ReaderName(0), pcsc.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mynumber.New(card, mynumber.Options{}).ReadAuthCert(t.Context()); err != nil {
		t.Errorf("ReadAuthCert after the restart = %v", err)
	}
	if err := card.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

// A worker that dies is told from a card that went away, and the next connection has another.
func TestWorkerKilled(t *testing.T) {
	_, p := person(t, "hanako")
	card, _ := laid(t, control.InsertRequest{Profile: p.Profile})
	kill := func() {
		for _, pid := range workers(t) {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
		}
	}
	kill()
	if _, err := card.Transmit(t.Context(), []byte{0, 0xA4, 4, 0}); !errors.Is(err, pcsc.ErrWorker) {
		t.Errorf("Transmit by a killed worker = %v, want ErrWorker", err)
	}
	present(t, "Virtual PCD 00 00") // the service gave the card back
	kill()                          // the idle one
	next, err := pcsc.Connect(t.Context(), "Virtual PCD 00 00", pcsc.Exclusive)
	if err != nil {
		t.Fatalf("Connect with a dead idle worker = %v, want another worker", err)
	}
	if err := next.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	noneLeft(t)
}

// noneLeft waits until no goroutine is inside this package's calls and no child of ours is a zombie.
func noneLeft(t *testing.T) {
	t.Helper()
	deadline := time.After(5 * time.Second)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		buf := make([]byte, 1<<20)
		stacks := string(buf[:runtime.Stack(buf, true)])
		if !strings.Contains(stacks, "pcsc.(*worker)") && !strings.Contains(stacks, "pcsc.(*Card)") {
			break
		}
		select {
		case <-deadline:
			t.Fatalf("goroutines left behind:\n%s", stacks)
		case <-again.C:
		}
	}
	unreaped(t)
}

// workers are the children of this process that are workers.
func workers(t *testing.T) []int {
	t.Helper()
	var list []int
	for _, pid := range children(t) {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && bytes.HasSuffix(line, []byte("\x00pcsc-worker\x00")) {
			list = append(list, pid)
		}
	}
	return list
}
