package box

import (
	"context"
	"errors"
	"log/slog"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

var _ link.Watcher = (*Box)(nil)

// LineChanged tells the counter.
func (b *Box) LineChanged(ctx context.Context, up bool) {
	b.metrics.line(up)
	b.log.InfoContext(ctx, "line to central changed", slog.Bool("up", up))
	b.changed()
}

// Changed tells the counter that rules, roster, trust or acknowledgements moved.
func (b *Box) Changed(context.Context) { b.believed() }

// Settled tells the counter each final verdict, now durable here, and asks for the PPIDs of the accepted.
func (b *Box) Settled(ctx context.Context, verdicts []wire.Verdict) {
	b.noted(ctx)
	for _, v := range verdicts {
		if v.Verdict == record.VerdictAccepted {
			b.link.Want(v.Tap)
		}
		b.publishSettled(ctx, record.ID{Epoch: v.Epoch, Seq: v.Seq}, v.Tap, record.Subject{})
	}
}

// Named tells the counter the PPIDs that came. They are not kept.
func (b *Box) Named(ctx context.Context, subjects []wire.Subject) {
	taps, err := b.journal.Taps(ctx, localapi.MaxTaps)
	if err != nil {
		b.log.ErrorContext(ctx, "reading taps to name failed", slog.Any("error", err))
		return
	}
	ids := make(map[record.TapID]record.ID, len(taps))
	for _, r := range taps {
		ids[r.Tap] = r.ID
	}
	for _, s := range subjects {
		if id, ok := ids[s.Tap]; ok {
			b.publishSettled(ctx, id, s.Tap, record.NewSubject(s.PPID))
		}
	}
}

// publishSettled sends one tap's final state. A record that has left the journal has nobody waiting for it at the counter.
func (b *Box) publishSettled(ctx context.Context, id record.ID, tap record.TapID, subject record.Subject) {
	row, err := b.journal.Row(ctx, id)
	if errors.Is(err, journal.ErrNoRow) || err == nil && row.Tap != tap {
		b.log.WarnContext(ctx, "a final verdict is for a tap that is not listed here", slog.String("record", id.String()))
		return
	}
	if err != nil {
		b.log.ErrorContext(ctx, "finding a settled tap failed", slog.Any("error", err))
		return
	}
	t, err := b.tap(ctx, row)
	if err != nil {
		b.log.ErrorContext(ctx, "reading a settled tap failed", slog.Any("error", err))
		return
	}
	b.feed.Publish(localapi.Event{Type: localapi.EventSettled, Tap: &t, Subject: subject})
}

func (b *Box) publishStatus(ctx context.Context) {
	s, err := b.Status(ctx)
	if ctx.Err() != nil {
		return // nobody is left to be told
	}
	if err != nil {
		b.log.ErrorContext(ctx, "reading the box's state failed", slog.Any("error", err))
		return
	}
	b.metrics.status(s)
	b.feed.Publish(localapi.Event{Type: localapi.EventStatus, Status: &s})
}
