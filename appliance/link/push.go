package link

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/wire"
)

// errNoProgress makes the loop slow down when central answers and yet holds no more than before.
var errNoProgress = errors.New("central answered without taking anything")

// pushAll hands over everything there is, portion by portion, and then waits for a record.
func (l *Link) pushAll(ctx context.Context) error {
	l.meetFirst(ctx)
	p, err := l.unsent(ctx)
	for err == nil && !empty(p) {
		p, err = l.push(ctx, p)
	}
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-l.pending:
	}
	return nil
}

func (l *Link) unsent(ctx context.Context) (wire.Push, error) {
	p, err := l.Journal.Unsent(ctx, journal.Limits{})
	if err != nil {
		return wire.Push{}, local(fmt.Errorf("reading what to send: %w", err))
	}
	return p, nil
}

func empty(p wire.Push) bool { return len(p.Headers)+len(p.Envelopes)+len(p.Corrections) == 0 }

// push hands over one portion, notes central's word about it and returns the next.
func (l *Link) push(ctx context.Context, p wire.Push) (next wire.Push, err error) {
	out, err := l.Client.Push(ctx, p)
	l.heard(ctx, false, err)
	if err != nil {
		return next, err
	}
	for _, r := range out.Refused {
		l.Log.ErrorContext(ctx, "central refused a record of this box", slog.Uint64("index", uint64(r.Index)), slog.String("reason", r.Reason))
	}
	if err := l.acknowledge(ctx, out.Ack); err != nil {
		return next, local(err)
	}
	if err := l.Journal.Corrected(ctx, taken(p, out.Refused)); err != nil {
		return next, local(err)
	}
	if next, err = l.unsent(ctx); err != nil {
		return next, err
	}
	if !lessOf(p, next) {
		return next, local(errNoProgress)
	}
	l.Watch.Changed(ctx)
	return next, nil
}

// taken are the corrections of a portion that were not refused.
func taken(p wire.Push, refused []wire.Refused) (all [][]byte) {
	before := len(p.Headers) + len(p.Envelopes)
	for i, msg := range p.Corrections {
		if !slices.ContainsFunc(refused, func(r wire.Refused) bool { return int(r.Index) == before+i }) {
			all = append(all, msg)
		}
	}
	return all
}

// lessOf reports whether anything of a portion that was handed over is gone from the next one.
func lessOf(p, next wire.Push) bool {
	left := map[string]bool{}
	for _, b := range slices.Concat(next.Headers, next.Envelopes, next.Corrections) {
		left[string(b)] = true
	}
	for _, b := range slices.Concat(p.Headers, p.Envelopes, p.Corrections) {
		if !left[string(b)] {
			return true
		}
	}
	return false
}

func (l *Link) acknowledge(ctx context.Context, msg []byte) error {
	a, err := ack.Open(l.Desired.Trust(), msg)
	if err != nil {
		return fmt.Errorf("reading an acknowledgement: %w", err)
	}
	l.Clock.Learn(time.UnixMilli(a.Issued))
	if err := l.Journal.Accept(ctx, a); err != nil {
		return fmt.Errorf("accepting an acknowledgement: %w", err)
	}
	return nil
}
