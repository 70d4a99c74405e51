package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/revocation"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// push hands over one portion and notes central's word about it.
func (l *Link) push(ctx context.Context) (more bool, err error) {
	p, err := l.Journal.Unsent(ctx, journal.Limits{})
	if err != nil {
		return false, fmt.Errorf("reading what to send: %w", err)
	}
	if len(p.Headers)+len(p.Envelopes) == 0 {
		return false, nil
	}
	out, err := l.Client.Push(ctx, p)
	if err != nil {
		return false, err
	}
	for _, r := range out.Refused {
		l.Log.ErrorContext(ctx, "central refused a record of this box", slog.Uint64("index", uint64(r.Index)), slog.String("reason", r.Reason))
	}
	before, err := l.Journal.Waiting(ctx)
	if err != nil {
		return false, err
	}
	if err := l.acknowledge(ctx, out.Ack); err != nil {
		return false, err
	}
	after, err := l.Journal.Waiting(ctx)
	if err != nil {
		return false, err
	}
	if after >= before && len(p.Envelopes) > 0 {
		return false, fmt.Errorf("%w: pushed %d records", errNoProgress, len(p.Envelopes))
	}
	l.Watch.Changed(ctx)
	return after > 0, nil
}

// errNoProgress makes the loop slow down when central answers and yet holds no more than before.
var errNoProgress = errors.New("central answered without acknowledging anything")

func (l *Link) acknowledge(ctx context.Context, msg []byte) error {
	a, err := ack.Open(l.Desired.Trust(), msg)
	if err != nil {
		return fmt.Errorf("reading an acknowledgement: %w", err)
	}
	return l.Journal.Accept(ctx, a)
}

// poll asks once for what the box lacks and applies it.
func (l *Link) poll(ctx context.Context) (more bool, err error) {
	ask, err := l.question(ctx)
	if err != nil {
		return false, err
	}
	got, err := l.Client.Poll(ctx, ask)
	if err != nil {
		return false, err
	}
	if got.Time > 0 {
		l.Clock.Check(time.UnixMilli(got.Time))
	}
	return true, l.apply(ctx, got)
}

func (l *Link) question(ctx context.Context) (wire.Poll, error) {
	held, err := l.Desired.Held(ctx)
	if err != nil {
		return wire.Poll{}, err
	}
	epochs, err := l.Journal.Epochs(ctx)
	if err != nil {
		return wire.Poll{}, err
	}
	waiting, err := l.Journal.Waiting(ctx)
	if err != nil {
		return wire.Poll{}, err
	}
	subjects, wait := l.subjects(), uint16(pollWait/time.Second)
	if len(subjects) > 0 {
		wait = uint16(askAgain / time.Second) // a PPID comes only when it is safe, and nothing else announces that
	}
	return wire.Poll{
		Verdicts: held, Acks: l.Journal.Version(), Rules: l.Desired.Rules(), Trust: l.Desired.Trust().Number, Lists: l.Lists.Held(),
		Epochs: epochs[:min(len(epochs), wire.MaxEpochs)], Subjects: subjects, Wait: wait,
		Time: l.Now().UnixMilli(), Waiting: waiting, Release: l.Release,
	}, nil
}

func (l *Link) subjects() []record.TapID {
	l.mu.Lock()
	defer l.mu.Unlock()
	taps := make([]record.TapID, 0, len(l.wanted))
	for tap := range l.wanted {
		taps = append(taps, tap)
	}
	return taps
}

// apply takes every part that came. One part at fault does not keep the others out; trust goes first, because the others
// are verified against it.
func (l *Link) apply(ctx context.Context, got wire.Polled) error {
	var faults []error
	note := func(what string, err error) {
		switch {
		case err == nil, errors.Is(err, desired.ErrOlder), errors.Is(err, revocation.ErrOlder):
		default:
			faults = append(faults, fmt.Errorf("applying %s: %w", what, err))
		}
	}
	if len(got.Bundle) > 0 {
		note("the trust bundle", l.applyTrust(ctx, got.Bundle))
	}
	if len(got.Rules) > 0 {
		note("the rules", l.Desired.ApplyRules(got.Rules))
	}
	for _, list := range got.Lists {
		note("a revocation list", l.Lists.Apply(list))
	}
	if len(got.Ack) > 0 {
		note("an acknowledgement", l.acknowledge(ctx, got.Ack))
		l.Wake() // after a restore of central there may be something to send again
	}
	if len(got.Verdicts) > 0 {
		fresh, err := l.Desired.ApplyVerdicts(ctx, got.Verdicts)
		note("final verdicts", err)
		l.Watch.Settled(ctx, fresh)
	}
	l.named(ctx, got.Subjects)
	l.Watch.Changed(ctx)
	return errors.Join(faults...)
}

func (l *Link) applyTrust(ctx context.Context, bundle []byte) error {
	if err := l.Desired.ApplyTrust(bundle); err != nil {
		return err
	}
	return l.Lists.Trust(ctx, l.Desired.Anchors())
}

func (l *Link) named(ctx context.Context, subjects []wire.Subject) {
	if len(subjects) == 0 {
		return
	}
	l.mu.Lock()
	for _, s := range subjects {
		delete(l.wanted, s.Tap)
	}
	l.mu.Unlock()
	l.Watch.Named(ctx, subjects)
}
