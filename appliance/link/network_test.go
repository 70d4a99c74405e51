package link_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/relay"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
)

// patience bounds what must happen on a real network of one machine.
const patience = 10 * time.Second

// serve puts central behind real TLS, shown by a key, and returns its address.
func serve(t *testing.T, c *central, key *ecdsa.PrivateKey) string {
	t.Helper()
	conf, err := uplink.ServerConfig(key)
	must(t, err)
	plain, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	must(t, err)
	s := &http.Server{Handler: uplink.Handler(c, quiet), ReadHeaderTimeout: patience, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(tls.NewListener(plain, conf)) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
	return plain.Addr().String()
}

// dial makes a client that knows central by the keys of its bundle.
func dial(t *testing.T, c *central, address string) *uplink.Client {
	t.Helper()
	client, err := uplink.NewClient(uplink.Config{
		Address: address, Device: c.device, Central: func() []sign.PublicKey { return []sign.PublicKey{publicOf(t, c.tls)} },
	})
	must(t, err)
	return client
}

// safeBuffer is a log that may be read while it is written.
type safeBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// eventually asks until ok says yes.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(patience); ; {
		if ok() {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

// TestABlackHole is the outage in earnest: nothing answers, nothing is refused. It waits for real deadlines.
func TestABlackHole(t *testing.T) { // P1, P2
	t.Parallel()
	c := newCentral(t)
	r, err := relay.New("127.0.0.1:0", serve(t, c, c.tls), quiet)
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	defer func() { cancel(); must(t, <-ended) }()
	b := newBox(t, c, dial(t, c, r.Addr()), quiet)
	defer b.close()
	stop := b.run()
	defer stop()
	b.tap(2)
	b.settled(2, patience)

	r.Cut()
	at := time.Now()
	b.tap(3)
	if took := time.Since(at); took > time.Second {
		t.Errorf("three taps took %s while the line was cut", took)
	}
	b.until(15*time.Second, func() bool { return len(b.watch.lines) == 2 && !b.watch.lines[1] })
	b.tap(2)
	r.Restore()
	b.settled(7, patience)
	if up, _ := b.link.Line(); !up {
		t.Error("Line = down once everything is settled")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.order) != 7 {
		t.Errorf("central holds %d records, want 7", len(c.order))
	}
}

func TestAnInterceptedLine(t *testing.T) { // P3, P10
	c := newCentral(t)
	var log safeBuffer
	b := newBox(t, c, dial(t, c, serve(t, c, newKey(t))), slog.New(slog.NewTextHandler(&log, nil)))
	defer b.close()
	stop := b.run()
	b.tap(1)
	eventually(t, "the log names it", func() bool { return strings.Count(log.String(), "the uplink is intercepted") == 2 })
	stop()
	if up, _ := b.link.Line(); up || c.pushes+len(c.polls) != 0 {
		t.Errorf("Line = %v, %d requests reached the service behind another key", up, c.pushes+len(c.polls))
	}
}

func TestAnEndLeavesNothingRunning(t *testing.T) {
	c := newCentral(t)
	address := serve(t, c, c.tls)
	before := runtime.NumGoroutine()
	b := newBox(t, c, dial(t, c, address), quiet)
	stop := b.run()
	b.tap(3)
	b.settled(3, patience)
	stop() // in the middle of a held poll
	b.close()
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= before })
}
