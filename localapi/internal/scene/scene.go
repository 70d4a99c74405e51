// Package scene is a made-up counter for the tests of the local API: a box in memory whose taps, status and events a test sets.
// It stands in for the appliance, which may not be imported here; its feed is the real one. Safe for concurrent use, nothing is
// durable.
package scene

import (
	"context"
	"encoding/binary"
	"sync"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/localapi/feed"
	"kazashi.example/sync/record"
)

// Noon is when every scene plays: 2026-11-22 12:00 in Japan.
var Noon = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// Box is a server.Box.
type Box struct {
	*feed.Feed

	mu     sync.Mutex // guards the rest
	status localapi.Status
	taps   []localapi.Tap // newest first
	err    error
	next   localapi.NextCardRequest
}

// New makes a box that is on-line, practises, and has seen no tap.
func New() *Box {
	return &Box{Feed: feed.New(), status: localapi.Status{
		Software: "v0.1.0", Box: record.BoxID{ID128: id(7)}, Site: "chuo-library", Desk: "counter-1",
		Service: localapi.Service{ID: "library-card", Basis: record.BasisDrill, Practice: true, Attributes: localapi.Attributes(), Consent: &localapi.Consent{
			JA: "練習のため、氏名・住所・生年月日・性別を受付簿に書き写します。", EN: "For this practice, name, address, birth date and sex are copied into the register.",
		}},
		Mode:    localapi.ModeOnline,
		Line:    localapi.Line{Up: true, Since: Noon.Add(-3 * time.Hour), Heard: Noon.Add(-5 * time.Second)},
		List:    localapi.List{Number: 4711, ThisUpdate: Noon.Add(-5 * time.Hour), AgeSeconds: 5 * 3600},
		Clock:   localapi.Clock{Now: Noon, Confidence: record.ConfidenceChecked},
		Readers: []localapi.Reader{{Name: "Virtual PCD 00 00"}},
		Roster:  localapi.Roster{Number: 12, People: 340},
	}}
}

// Status is the status as last set.
func (b *Box) Status(context.Context) (localapi.Status, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.err
}

// Taps lists the taps as last set.
func (b *Box) Taps(_ context.Context, limit int) ([]localapi.Tap, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]localapi.Tap(nil), b.taps[:min(limit, len(b.taps))]...), b.err
}

// Fail makes Status and Taps return err from now on.
func (b *Box) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// NextCard sets Status.Next until Noon and localapi.NextLasts, and keeps what was asked for. localapi.ErrNextBusy, or what Fail set.
func (b *Box) NextCard(_ context.Context, r localapi.NextCardRequest) (localapi.NextCard, error) {
	b.mu.Lock()
	err, busy, now := b.err, b.status.Next != nil, b.status.Clock.Now
	b.mu.Unlock()
	if err != nil {
		return localapi.NextCard{}, err
	}
	if busy {
		return localapi.NextCard{}, localapi.ErrNextBusy
	}
	next := localapi.NextCard{Kind: r.Kind, Attributes: r.Attributes, Until: now.Add(localapi.NextLasts), Reader: r.Reader}
	b.Change(func(s *localapi.Status) { s.Next = &next; b.next = r })
	return next, nil
}

// CancelNextCard clears Status.Next and forgets what was asked for.
func (b *Box) CancelNextCard(context.Context) error {
	b.mu.Lock()
	err := b.err
	b.mu.Unlock()
	if err == nil {
		b.Change(func(s *localapi.Status) { s.Next = nil; b.next = localapi.NextCardRequest{} })
	}
	return err
}

// Asked returns what NextCard was last asked for; zero after CancelNextCard.
func (b *Box) Asked() localapi.NextCardRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.next
}

// Change changes the status and tells the feed.
func (b *Box) Change(change func(*localapi.Status)) {
	b.mu.Lock()
	change(&b.status)
	s := b.status
	b.mu.Unlock()
	b.Publish(localapi.Event{Type: localapi.EventStatus, Time: s.Clock.Now, Status: &s})
}

// Keep stores taps, given newest first, in front of those already there.
func (b *Box) Keep(taps ...localapi.Tap) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taps = append(append([]localapi.Tap(nil), taps...), b.taps...)
}

// Say stores a tap and publishes its verdict.
func (b *Box) Say(t localapi.Tap) {
	b.Keep(t)
	b.mu.Lock()
	s := b.status
	b.mu.Unlock()
	b.Publish(localapi.Event{Type: localapi.EventVerdict, Time: t.Time, Tap: &t, Rests: &localapi.Rests{
		Basis: s.Service.Basis, Evidence: record.EvidenceCertificate, Answer: record.AnswerNotRevoked, Rule: 1,
		List: s.List, Confidence: s.Clock.Confidence,
	}})
}

// Settle gives the stored tap its final verdict and publishes it.
func (b *Box) Settle(tap record.TapID, final localapi.Outcome, ppid record.Subject) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.taps {
		t := &b.taps[i]
		if t.Tap != tap {
			continue
		}
		t.Final, t.State, t.Corrected = &final, localapi.StateSettled, t.First.CorrectedBy(final)
		settled := *t
		b.Publish(localapi.Event{Type: localapi.EventSettled, Time: t.Time, Tap: &settled, Subject: ppid})
	}
}

// Tap makes the n-th tap of the day, n minutes after Noon, waiting.
func Tap(n uint64, v record.Verdict, r record.Reason) localapi.Tap {
	tap := record.TapID{ID128: id(n * 0x9e3779b97f4a7c15)}
	return localapi.Tap{
		Tap: tap, Record: localapi.RecordID{Epoch: record.EpochID{ID128: id(1)}, Seq: record.Seq(n)},
		Time: Noon.Add(time.Duration(n) * time.Minute), Desk: "counter-1", Service: "library-card",
		Spoken: localapi.SpokenCode(tap), First: localapi.Outcome{Verdict: v, Reason: r}, State: localapi.StateWaiting,
	}
}

func id(n uint64) (i record.ID128) {
	binary.BigEndian.PutUint64(i[:8], n)
	return i
}
