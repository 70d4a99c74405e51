// Package vpcd lays virtual cards on the reader slots of a real pcscd, through vsmartcard's vpcd driver.
//
// A [Slot] dials the TCP port of one slot while a card lies in it: connecting is insertion, closing is removal (vsmartcard
// virtualsmartcard/src/vpcd/vpcd.c). It keeps dialling while pcscd is not there and comes back when pcscd was restarted.
//
// Concurrency: all methods of a Slot may be called from any goroutine while [Slot.Run] serves it. Nothing is durable here; what a
// card must remember it stores itself. The port has no protection of its own: vpcd listens on every address, so run both ends in a
// network namespace of their own.
package vpcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"kazashi.example/reader/vcard/link"
)

// Errors of a slot.
var (
	// ErrOccupied says that a card lies in the slot already.
	ErrOccupied = errors.New("a card lies in the slot: remove it first")
	// ErrEmpty says that there is no card in the slot.
	ErrEmpty = errors.New("no card lies in the slot")
)

// Device is a card as a slot sees it. Its methods are called by one goroutine at a time.
type Device interface {
	// ATR returns the answer to reset.
	ATR() []byte
	// Reset follows every power on, power off and reset of the reader.
	Reset()
	// Transmit answers one command. A nil answer says that the card was torn away in the middle of it, one of no octets that none came
	// though the card is there.
	Transmit(cmd []byte) []byte
}

// Status is the state of a slot. The counters run from the last insertion and stand still after the removal.
type Status struct {
	// Inserted: a card lies in the slot. Connected: pcscd has given it power and its answer to reset, so that
	// its PC/SC clients hear of it by now.
	Inserted, Connected bool
	// APDUs counts commands that were answered or torn; BytesUp and BytesDown their octets to and from the card.
	APDUs, BytesUp, BytesDown uint64
	// LinkTime is what the link model says that these commands took, and they did take at least so long.
	LinkTime time.Duration
}

// Slot is one slot of a virtual reader.
type Slot struct {
	addr string
	log  *slog.Logger
	wake chan struct{} // a card was inserted

	mu   sync.Mutex // guards the fields below
	in   *insertion // nil: empty
	stat Status

	lost time.Time // when the last connection ended; Run's goroutine alone
}

// insertion is one card from its laying down to its taking away.
type insertion struct {
	device Device
	model  link.Model
	gone   chan struct{} // closed by removal
	// The rest belongs to Run's goroutine. powered: power came on this connection; cold: and no answer to reset since.
	pace          link.Pace
	powered, cold bool
}

// New makes an empty slot that dials addr, a vpcd port such as 127.0.0.1:35963. It starts nothing.
func New(addr string, log *slog.Logger) *Slot {
	return &Slot{addr: addr, log: log.With(slog.String("vpcd", addr)), wake: make(chan struct{}, 1)}
}

// Insert lays a card in the slot; ErrOccupied. It does not wait for pcscd, which takes up to half a second to notice, and after
// another card's removal up to a second.
func (s *Slot) Insert(d Device) error { return s.InsertOver(d, link.Model{}) }

// InsertOver is Insert with a link that takes time: every command as a whole takes what the model says, and so does activation.
func (s *Slot) InsertOver(d Device, m link.Model) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in != nil {
		return ErrOccupied
	}
	s.in = &insertion{device: d, model: m, gone: make(chan struct{})}
	s.stat = Status{Inserted: true}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// Remove takes the card away, also in the middle of a command; ErrEmpty.
func (s *Slot) Remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == nil {
		return ErrEmpty
	}
	s.take()
	return nil
}

// take empties the slot; mu is held.
func (s *Slot) take() {
	close(s.in.gone)
	s.in = nil
	s.stat.Inserted, s.stat.Connected = false, false
}

// torn empties the slot if in still lies there.
func (s *Slot) torn(in *insertion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == in {
		s.take()
	}
}

// Status returns the state of now.
func (s *Slot) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stat
}

// Run serves the slot until ctx ends, then returns nil. It may run once.
func (s *Slot) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		s.mu.Lock()
		in := s.in
		s.mu.Unlock()
		if in != nil {
			s.attend(ctx, in)
			continue
		}
		select {
		case <-ctx.Done():
		case <-s.wake:
		}
	}
	return nil
}

// attend keeps one card connected until it is taken away.
func (s *Slot) attend(ctx context.Context, in *insertion) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer cancel()
		select {
		case <-in.gone:
		case <-ctx.Done():
		}
	}()
	pause(ctx, time.Until(s.lost.Add(removalTime)))
	wait := newBackoff()
	for ctx.Err() == nil {
		conn, err := s.dial(ctx)
		if err != nil {
			s.log.DebugContext(ctx, "no pcscd at the other end", slog.Any("error", err))
			wait.next(ctx)
			continue
		}
		wait = newBackoff()
		s.present(ctx, in, conn)
	}
}

const (
	dialTimeout = 2 * time.Second
	// removalTime passes between a removal and the next card. pcscd looks every 400 ms (PCSCLITE_STATUS_POLL_RATE, pcsc-lite
	// src/PCSC/pcsclite.h); it must once find nobody at the port, or it takes the next card for the last one.
	removalTime = 600 * time.Millisecond
)

func (s *Slot) dial(ctx context.Context) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "tcp", s.addr)
	if err != nil {
		return nil, fmt.Errorf("dialling vpcd: %w", err)
	}
	return conn.(*net.TCPConn), nil //nolint:forcetypeassert // a tcp dialer makes nothing else
}

// present serves one connection to its end.
func (s *Slot) present(ctx context.Context, in *insertion, conn *net.TCPConn) {
	defer func() {
		_ = conn.Close()
		s.lost = time.Now()
	}()
	// A reset, not an orderly end: vpcd hands an orderly end to the client as an empty answer, a reset as a failed transmission.
	if err := conn.SetLinger(0); err != nil {
		s.log.WarnContext(ctx, "cannot set linger", slog.Any("error", err))
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	defer s.connected(in, false)
	err := s.serve(ctx, in, conn)
	if errors.Is(err, errTorn) {
		s.torn(in)
	}
	s.log.InfoContext(ctx, "reader lost the card", slog.Any("reason", err))
}

func (s *Slot) connected(in *insertion, yes bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == in {
		s.stat.Connected = yes
	}
}

func (s *Slot) count(in *insertion, up, down int, spent time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in == in {
		s.stat.APDUs++
		s.stat.BytesUp += uint64(up)
		s.stat.BytesDown += uint64(down)
		s.stat.LinkTime += spent
	}
}

// backoff waits ever longer between two dials: pcscd may start after us.
type backoff struct{ delay time.Duration }

const (
	firstDelay = 20 * time.Millisecond
	lastDelay  = 500 * time.Millisecond
)

func newBackoff() *backoff { return &backoff{delay: firstDelay} }

func (b *backoff) next(ctx context.Context) {
	pause(ctx, b.delay)
	b.delay = min(2*b.delay, lastDelay)
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
