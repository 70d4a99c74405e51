package pcsc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ebfe/scard"
)

func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, 250, firstRead - headLen, firstRead, maxBody} {
		var pipe bytes.Buffer
		c := conn{in: &pipe, out: &pipe}
		want := bytes.Repeat([]byte{0xA5}, n)
		if err := c.send(opTransmit, want[:n/2], want[n/2:]); err != nil {
			t.Fatalf("send(%d octets) = %v", n, err)
		}
		what, got, err := c.receive()
		if err != nil || what != opTransmit || !bytes.Equal(got, want) {
			t.Errorf("receive() = %d, %d octets, %v, want %d, %d octets", what, len(got), err, opTransmit, n)
		}
	}
}

// P3: what went through, a PIN for one, is not left in the buffers.
func TestP3FramesLeaveNothingBehind(t *testing.T) {
	var pipe bytes.Buffer
	c := conn{in: &pipe, out: &pipe}
	secret := []byte("7391")
	for _, n := range []int{1, 700, 40} {
		if err := c.send(opTransmit, bytes.Repeat(secret, n)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.receive(); err != nil {
			t.Fatal(err)
		}
		for name, buf := range map[string][]byte{"out": c.outBuf, "in": c.inBuf} {
			if bytes.ContainsAny(buf[:cap(buf)], "7391") {
				t.Errorf("buffer %s still holds the PIN", name)
			}
		}
	}
}

func TestFramesRefused(t *testing.T) {
	if err := (&conn{out: io.Discard}).send(opTransmit, make([]byte, maxBody+1)); !errors.Is(err, errFrame) {
		t.Errorf("send(too long) = %v, want errFrame", err)
	}
	tests := []struct {
		name string
		in   string
		want error
	}{
		{"nothing", "", io.EOF},
		{"half a head", "\x00\x00", io.ErrUnexpectedEOF},
		{"half a body", "\x00\x00\x00\x02\x01a", io.ErrUnexpectedEOF},
		{"no body", "\x00\x00\x00\x02\x01", io.ErrUnexpectedEOF},
		{"too long", "\x00\x02\x00\x00\x01", errFrame},
		{"all of memory", "\xff\xff\xff\xff\x01", errFrame},
		{"more than a frame", "\x00\x00\x00\x01\x01ab", errFrame},
		{"what a program prints", "hello, world\n", errFrame},
	}
	for _, tt := range tests {
		if _, _, err := (&conn{in: strings.NewReader(tt.in)}).receive(); !errors.Is(err, tt.want) {
			t.Errorf("%s: receive() = %v, want %v", tt.name, err, tt.want)
		}
	}
}

func TestErrorsCrossTheBorder(t *testing.T) {
	for _, gone := range []bool{false, true} {
		for _, code := range []scard.Error{scard.ErrNoSmartcard, scard.ErrSharingViolation, scard.ErrTimeout, 0} {
			_, back, err := decodeAnswer(encodeError(wrap("doing", code), gone))
			if !errors.Is(err, code) || back != gone {
				t.Errorf("decodeAnswer(encodeError(%v, %v)) = %v, %v", code, gone, err, back)
			}
		}
	}
	_, _, err := decodeAnswer(encodeError(errors.New(strings.Repeat("x", 1000)), false))
	if !errors.Is(err, ErrWorker) || len(err.Error()) > 2*maxWords {
		t.Errorf("decodeAnswer(long words) = %v, want ErrWorker and few of them", err)
	}
	for name, bad := range map[string][]byte{"short": {0x80, 0x10}, "long": make([]byte, 6), "no yes or no": {0, 0, 0, 1, 2}} {
		if _, _, err := decodeAnswer(answerCode, bad); !errors.Is(err, errFrame) {
			t.Errorf("decodeAnswer(%s) = %v, want errFrame", name, err)
		}
	}
	if _, _, err := decodeAnswer(9, nil); !errors.Is(err, errFrame) {
		t.Errorf("decodeAnswer(unknown kind) = %v, want errFrame", err)
	}
}

func TestStatesCrossTheBorder(t *testing.T) {
	states := []scard.ReaderState{{Reader: "a", CurrentState: scard.StatePresent | 7<<16}, {Reader: pnpReader}}
	got, err := decodeStates(appendStates(nil, states))
	if err != nil || len(got) != 2 || got[0].Reader != "a" || got[0].CurrentState != states[0].CurrentState || got[1].Reader != pnpReader {
		t.Fatalf("decodeStates(appendStates(%v)) = %v, %v", states, got, err)
	}
	got[0].EventState, got[1].EventState = 5, 0xFFFF0002
	if err := decodeEvents(appendEvents(nil, got), states); err != nil || states[0].EventState != 5 || states[1].EventState != 0xFFFF0002 {
		t.Errorf("decodeEvents = %v, %v", states, err)
	}
	if err := decodeEvents(make([]byte, 4), states); !errors.Is(err, errFrame) {
		t.Errorf("decodeEvents(too few) = %v, want errFrame", err)
	}
	names := []string{"Virtual PCD 00 00", "リーダー", strings.Repeat("x", maxName)}
	back, err := decodeNames(appendNames(nil, append(names, strings.Repeat("y", maxName+1))))
	if err != nil || !slices.Equal(back, names) {
		t.Errorf("decodeNames = %q, %v, want %q", back, err, names)
	}
}

// P3: the worker gets nothing of our environment but what libpcsclite and the loader look at.
func TestP3EnvironmentOfAWorker(t *testing.T) {
	t.Setenv("KAZASHI_SECRET", "planted")
	t.Setenv("PCSCLITE_CSOCK_NAME", "/run/x")
	env := environment()
	if !slices.Contains(env, "PCSCLITE_CSOCK_NAME=/run/x") || !slices.Contains(env, workerEnv+"=1") {
		t.Errorf("environment() = %d entries without the socket or the mark", len(env))
	}
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		if !strings.HasPrefix(name, "PCSCLITE_") && !slices.Contains([]string{workerEnv, "LD_LIBRARY_PATH", "GOCOVERDIR"}, name) {
			t.Errorf("environment() holds %s", name)
		}
	}
}

// A program that forgot Main is told so, instead of running itself a second time.
func TestUnhookedProgram(t *testing.T) {
	hooked.Store(false)
	defer hooked.Store(true)
	cool()
	if _, err := Connect(t.Context(), "any", Exclusive); !errors.Is(err, ErrWorker) || !strings.Contains(err.Error(), "pcsc.Main") {
		t.Errorf("Connect without Main = %v, want ErrWorker that names pcsc.Main", err)
	}
	if err := Watch(t.Context(), func(Event) {}); !errors.Is(err, ErrWorker) {
		t.Errorf("Watch without Main = %v, want ErrWorker", err)
	}
}

// A worker ends when its parent's ends of the pipes close, which happens however a process ends.
func TestWorkerEndsWithItsParent(t *testing.T) {
	w, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.call(t.Context(), opDisconnect); err != nil {
		t.Fatalf("first call = %v", err)
	}
	if err := w.life.Close(); err != nil {
		t.Fatal(err)
	}
	waited(t, w)
	w.end()
}

// waited fails if the worker is not waited for by somebody before long.
func waited(t *testing.T, w *worker) {
	t.Helper()
	select {
	case <-w.ended:
	case <-time.After(time.Minute):
		t.Fatal("worker lives on, or was not waited for")
	}
}

// A worker that ends while it is idle, killed from outside, is no zombie and is not offered to the next card.
func TestIdleWorkerKilled(t *testing.T) {
	cool()
	w, err := start()
	if err != nil {
		t.Fatal(err)
	}
	give(w)
	if err := w.process.Kill(); err != nil {
		t.Fatal(err)
	}
	waited(t, w)
	give(w) // one that is known to be over is not kept either
	next, used, err := take()
	if err != nil || used || next == w {
		t.Fatalf("take() = used: %v, the dead one: %v, %v, want a fresh worker", used, next == w, err)
	}
	defer next.end()
}

// A process that not even a kill ends, as one in uninterruptible sleep, does not hold up whoever wanted its end. Nobody waits for this
// one, which looks the same from here.
func TestEndDoesNotWaitForWhatCannotEnd(t *testing.T) {
	w, err := start()
	if err != nil {
		t.Fatal(err)
	}
	stuck := &worker{process: w.process, to: w.to, from: w.from, life: w.life, ended: make(chan struct{})}
	done := make(chan struct{})
	go func() {
		defer close(done)
		stuck.end()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("end waits for ever")
	}
	waited(t, w) // in truth it did end
}

// What a worker cannot answer ends it or is an error, and never a wait.
func TestWorkerRefusesNonsense(t *testing.T) {
	w, err := start()
	if err != nil {
		t.Fatal(err)
	}
	defer w.end()
	for name, ask := range map[string]struct {
		what byte
		body []byte
	}{
		"unknown question":       {99, nil},
		"command without a card": {opTransmit, []byte{0, 0xA4, 4, 0}},
		"no reader":              {opConnect, nil},
		"long name":              {opConnect, make([]byte, 200)},
		"wait before a list":     {opWait, make([]byte, 4)},
	} {
		if _, _, err := w.call(t.Context(), ask.what, ask.body); !errors.Is(err, ErrWorker) || died(err) {
			t.Errorf("%s: %v, want ErrWorker of a worker that lives", name, err)
		}
	}
	if n, err := w.to.Write([]byte("\xff\xff\xff\xff\x01")); n != headLen || err != nil {
		t.Fatal(err)
	}
	waited(t, w) // after a frame of 4 GiB
	if _, _, err := w.call(t.Context(), opDisconnect); !errors.Is(err, ErrWorker) || !died(err) {
		t.Errorf("call to a worker that ended = %v, want ErrWorker", err)
	}
}

// FuzzFrame: whatever comes, a frame is bounded, and what is taken for one is the octets that came.
func FuzzFrame(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02\x00\x90\x00"))
	f.Add([]byte("\x00\x00\x00\x05\x01\x80\x10\x00\x0c\x01"))
	f.Add([]byte("\xff\xff\xff\xff\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		what, body, err := (&conn{in: bytes.NewReader(in)}).receive()
		if err != nil {
			return
		}
		frame := append(append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), what), body...)
		if len(body) > maxBody || !bytes.HasPrefix(in, frame) {
			t.Fatalf("receive(%X) = %d, %X", in, what, body)
		}
		if len(in) > len(frame) && len(frame) < firstRead { // what a longer frame is followed by is not read with it
			t.Fatalf("receive(%X) = nil, and %d octets follow", in, len(in)-len(frame))
		}
		if answer, _, err := decodeAnswer(what, body); err == nil && !bytes.Equal(answer, body) {
			t.Fatalf("decodeAnswer(%X) = %X", body, answer)
		}
		if states, err := decodeStates(body); err == nil && !bytes.Equal(appendStates(nil, states), body) {
			t.Fatalf("decodeStates(%X) = %v", body, states)
		}
		if names, err := decodeNames(body); err == nil && !bytes.Equal(appendNames(nil, names), body) {
			t.Fatalf("decodeNames(%X) = %q", body, names)
		}
	})
}
