// Package relay is the practice line between a box and central: a TCP relay that stands outside both programs and can be
// cut the way lines are cut in earnest, without a word.
//
// While the line is cut ([Relay.Cut]) open connections stay open and no octet passes in either direction; new connections are
// accepted and then ignored: no answer, no FIN, no RST. [Relay.Restore] drops every connection that lived through the cut and
// lets new ones pass. [Relay.BreakAfter] breaks connections off in the middle. All methods may be called from any goroutine.
// Nothing is stored. It does not delay, reorder or lose single packets, and it does not look into what it carries.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// dialTimeout bounds the connection to the target; both ends are on one machine.
const dialTimeout = 5 * time.Second

// Stats is a moment of a relay: octets since New, connections now.
type Stats struct {
	ToTarget   uint64 // octets written to the target; counted before they can arrive
	FromTarget uint64 // octets written back to those who connected
	Live       int    // connections that pass octets
	Held       int    // connections in the black hole
}

// Relay passes TCP connections from its own address to a target. Make it with [New].
type Relay struct {
	target string
	ln     net.Listener
	log    *slog.Logger

	toTarget, fromTarget atomic.Uint64
	breakAfter           atomic.Uint64 // octets back on one connection; 0 is no limit

	mu     sync.Mutex // guards what follows
	down   bool
	closed bool
	live   map[*link]struct{}
	held   map[*link]struct{}
	links  sync.WaitGroup // every link's goroutines
}

// New binds listen ("127.0.0.1:0" takes a free port) and serves nothing before [Relay.Run]. The line is up.
func New(listen, target string, log *slog.Logger) (*Relay, error) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("binding the relay: %w", err)
	}
	return &Relay{
		target: target, ln: ln, log: log,
		live: map[*link]struct{}{}, held: map[*link]struct{}{},
	}, nil
}

// Addr is the address that the relay listens at.
func (r *Relay) Addr() string { return r.ln.Addr().String() }

// Up reports whether octets pass.
func (r *Relay) Up() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.down
}

// Stats returns the counters.
func (r *Relay) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{
		ToTarget: r.toTarget.Load(), FromTarget: r.fromTarget.Load(),
		Live: len(r.live), Held: len(r.held),
	}
}

// Run accepts connections until ctx ends, then closes everything and waits for its goroutines. It is called once.
func (r *Relay) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = r.ln.Close() })
	defer stop()
	defer r.links.Wait()
	defer r.close()
	for {
		c, err := r.ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accepting a connection: %w", err)
		}
		r.links.Go(func() { r.serve(ctx, c) })
	}
}

// Cut turns the line into a black hole. When it has returned, no octet passes.
func (r *Relay) Cut() {
	r.mu.Lock()
	r.down = true
	cut := make([]*link, 0, len(r.live))
	for l := range r.live {
		cut = append(cut, l)
		r.held[l] = struct{}{}
		l.interrupt()
	}
	clear(r.live)
	r.mu.Unlock()
	for _, l := range cut {
		<-l.idle
	}
	r.log.Info("line cut", slog.Int("held", len(cut)))
}

// Restore drops what the black hole swallowed and lets new connections pass.
func (r *Relay) Restore() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = false
	n := len(r.held)
	for l := range r.held {
		l.close()
	}
	clear(r.held)
	r.log.Info("line restored", slog.Int("dropped", n))
}

// BreakAfter makes every connection break once so many octets have come back on it from the target, as on a line that never holds
// for long; 0 ends that. It counts for octets that pass from now on.
func (r *Relay) BreakAfter(octets uint64) { r.breakAfter.Store(octets) }

// close ends every connection; links that register later are refused.
func (r *Relay) close() {
	_ = r.ln.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for l := range r.live {
		l.close()
	}
	for l := range r.held {
		l.close()
	}
	clear(r.held)
}

// serve carries one connection from its acceptance to its end or to the black hole.
func (r *Relay) serve(ctx context.Context, c net.Conn) {
	l := &link{near: c, idle: make(chan struct{})}
	defer close(l.idle)
	if !r.Up() {
		r.admit(l)
		return
	}
	d := net.Dialer{Timeout: dialTimeout}
	far, err := d.DialContext(ctx, "tcp", r.target)
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			r.log.WarnContext(ctx, "target not reached", slog.String("target", r.target), slog.String("error", err.Error()))
		}
		_ = c.Close()
		return
	}
	l.far = far
	if !r.admit(l) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { r.pump(l, far, c, &r.fromTarget) })
	r.pump(l, c, far, &r.toTarget)
	back.Wait()
	r.release(l)
}

// admit registers a link and reports whether octets may pass on it.
func (r *Relay) admit(l *link) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		l.close()
	case r.down:
		r.held[l] = struct{}{}
	case l.far == nil: // came while the line was down, which is up again: dropped like the others
		l.close()
	default:
		r.live[l] = struct{}{}
		return true
	}
	return false
}

// release closes a link that ended by itself; one that was cut stays open in the black hole.
func (r *Relay) release(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.live[l]; ok {
		delete(r.live, l)
		l.close()
	}
}

// halfClose passes the end of one direction on, unless the line was cut meanwhile.
func (r *Relay) halfClose(l *link, dst net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.live[l]; !ok {
		return
	}
	if t, ok := dst.(*net.TCPConn); ok {
		_ = t.CloseWrite()
	}
}

// fail ends both directions of a live link after an error, so that the other pump returns too.
func (r *Relay) fail(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.live[l]; ok {
		l.close()
	}
}
