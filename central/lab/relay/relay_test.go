package relay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/relay"
)

// silence is how long a test listens to a black hole before it believes it.
const silence = 200 * time.Millisecond

// patience bounds what must happen.
const patience = 10 * time.Second

// echo is a target that sends back what it gets and counts its connections.
type echo struct {
	ln net.Listener

	mu    sync.Mutex // guards conns and got
	conns int
	got   bytes.Buffer
}

func startEcho(t *testing.T) *echo {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &echo{ln: ln}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			e.mu.Lock()
			e.conns++
			e.mu.Unlock()
			go e.serve(c)
		}
	}()
	return e
}

func (e *echo) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	buf := make([]byte, 4096)
	for {
		n, err := c.Read(buf)
		e.mu.Lock()
		e.got.Write(buf[:n])
		e.mu.Unlock()
		if _, werr := c.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}

func (e *echo) seen() (int, string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.conns, e.got.String()
}

func start(t *testing.T, target string) *relay.Relay {
	t.Helper()
	r, err := relay.New("127.0.0.1:0", target, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		case <-time.After(patience):
			t.Error("Run did not return after its context ended")
		}
	})
	return r
}

func dial(t *testing.T, r *relay.Relay) net.Conn {
	t.Helper()
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func send(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatalf("sending %q: %v", s, err)
	}
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	buf := make([]byte, len(want))
	if _, err := io.ReadFull(c, buf); err != nil || string(buf) != want {
		t.Fatalf("received %q, %v, want %q", buf, err, want)
	}
}

// quiet fails unless c neither brings an octet nor is seen to end.
func quiet(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(silence))
	var b [1]byte
	if n, err := c.Read(b[:]); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read on a cut line = %d, %v, want nothing but the deadline", n, err)
	}
}

// ended fails unless c is seen to end.
func ended(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var b [1]byte
	if n, err := c.Read(b[:]); n != 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read on a dropped connection = %d, %v, want its end", n, err)
	}
}

func TestOctetsFlow(t *testing.T) {
	e := startEcho(t)
	r := start(t, e.ln.Addr().String())
	c := dial(t, r)
	send(t, c, "かざし")
	receive(t, c, "かざし")
	n := uint64(len("かざし"))
	if s := r.Stats(); s.ToTarget != n || s.FromTarget != n || s.Live != 1 || s.Held != 0 {
		t.Errorf("Stats = %+v, want %d octets each way on one live connection", s, n)
	}
	if !r.Up() {
		t.Error("Up = false on a new relay, want true")
	}
}

func TestHalfClosePasses(t *testing.T) {
	e := startEcho(t)
	r := start(t, e.ln.Addr().String())
	c := dial(t, r)
	send(t, c, "last")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	receive(t, c, "last")
	ended(t, c)
}

func TestCutIsABlackHole(t *testing.T) {
	e := startEcho(t)
	r := start(t, e.ln.Addr().String())
	old := dial(t, r)
	send(t, old, "before")
	receive(t, old, "before")

	r.Cut()
	if r.Up() {
		t.Error("Up = true after Cut, want false")
	}
	send(t, old, "swallowed")
	young := dial(t, r) // a handshake still succeeds, as with a middlebox that answers SYN and forwards nothing
	send(t, young, "swallowed too")
	quiet(t, old)
	quiet(t, young)
	if conns, got := e.seen(); conns != 1 || got != "before" {
		t.Errorf("target saw %d connections and %q, want 1 and %q", conns, got, "before")
	}
	if s := r.Stats(); s.Live != 0 || s.Held != 2 {
		t.Errorf("Stats = %+v, want two held and none live", s)
	}
}

func TestRestoreDropsTheOldAndPassesTheNew(t *testing.T) {
	e := startEcho(t)
	r := start(t, e.ln.Addr().String())
	old := dial(t, r)
	send(t, old, "before")
	receive(t, old, "before")
	r.Cut()
	send(t, old, "swallowed")
	young := dial(t, r)
	quiet(t, young) // the relay has accepted it: what follows drops it

	r.Restore()
	ended(t, old)
	ended(t, young)
	next := dial(t, r)
	send(t, next, "after")
	receive(t, next, "after")
	if _, got := e.seen(); got != "beforeafter" {
		t.Errorf("target saw %q, want %q: what was swallowed must not come later", got, "beforeafter")
	}
}

// TestEndDuringCutIsNotSeen is the FIN that a real outage swallows: the peer that went away looks alive until the line is back.
func TestEndDuringCutIsNotSeen(t *testing.T) {
	far, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	r := start(t, far.Addr().String())
	near := dial(t, r)
	c, err := far.Accept()
	if err != nil {
		t.Fatal(err)
	}
	r.Cut()
	_ = near.Close()
	quiet(t, c)
	r.Restore()
	ended(t, c)
}

// TestCutInterruptsABlockedWrite: a target that does not read must not hold up the cut.
func TestCutInterruptsABlockedWrite(t *testing.T) {
	far, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	r := start(t, far.Addr().String())
	near := dial(t, r)
	_ = near.SetWriteDeadline(time.Now().Add(patience))
	full := make(chan struct{})
	go func() {
		defer close(full)
		for block := make([]byte, 1<<20); ; { // writes until the cut and the deadline below stop it
			if _, err := near.Write(block); err != nil {
				return
			}
		}
	}()
	waitStill(t, r)
	cut := make(chan struct{})
	go func() { r.Cut(); close(cut) }()
	select {
	case <-cut:
	case <-time.After(patience):
		t.Fatal("Cut hangs behind a write that nobody reads")
	}
	_ = near.Close()
	<-full
}

// waitStill returns when octets have flowed and stopped flowing: every buffer on the way is full.
func waitStill(t *testing.T, r *relay.Relay) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	var last uint64
	for {
		select {
		case <-tick.C:
			now := r.Stats().ToTarget
			if now > 0 && now == last {
				return
			}
			last = now
		case <-deadline:
			t.Fatal("octets never stopped flowing to a target that reads none")
		}
	}
}

func TestCutAndRestoreManyTimesUnderLoad(t *testing.T) {
	e := startEcho(t)
	r := start(t, e.ln.Addr().String())
	for range 20 {
		for range 5 {
			c := dial(t, r)
			send(t, c, "x")
		}
		r.Cut()
		at := r.Stats()
		dial(t, r)
		if s := r.Stats(); s.ToTarget != at.ToTarget || s.FromTarget != at.FromTarget {
			t.Fatalf("octets passed after Cut: %+v, then %+v", at, s)
		}
		r.Restore()
	}
	c := dial(t, r)
	send(t, c, "end")
	receive(t, c, "end")
}

func TestTargetDown(t *testing.T) {
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	_ = ln.Close()
	r := start(t, addr)
	ended(t, dial(t, r))
}

func TestNewOnAPortInUse(t *testing.T) {
	e := startEcho(t)
	if _, err := relay.New(e.ln.Addr().String(), "127.0.0.1:1", slog.New(slog.DiscardHandler)); err == nil {
		t.Error("New on a port in use = nil error, want one")
	}
}
