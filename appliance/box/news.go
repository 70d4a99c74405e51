package box

import (
	"context"
	"log/slog"
	"sync"

	"kazashi.example/appliance/link"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

var _ link.Watcher = (*Box)(nil)

// LineChanged tells the counter. The context is the box's own: the news outlives the exchange that brought it.
func (b *Box) LineChanged(ctx context.Context, up bool) {
	b.metrics.line(up)
	b.log.InfoContext(ctx, "line to central changed", slog.Bool("up", up))
	b.publishStatus(ctx)
}

// Changed tells the counter that lists, rules, trust or acknowledgements moved.
func (b *Box) Changed(ctx context.Context) { b.publishStatus(ctx) }

// Settled tells the counter each final verdict, now durable here, and asks for the PPIDs of the accepted.
func (b *Box) Settled(ctx context.Context, verdicts []wire.Verdict) {
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
	if err != nil || row.Tap != tap {
		b.log.WarnContext(ctx, "a final verdict is for a tap that is not listed here", slog.String("record", id.String()))
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
	if err != nil {
		b.log.ErrorContext(ctx, "reading the box's state failed", slog.Any("error", err))
		return
	}
	b.metrics.status(s)
	b.feed.Publish(localapi.Event{Type: localapi.EventStatus, Status: &s})
}

// readers is which readers are there, what lies on them and what stands in the way. Its zero value is ready.
type readers struct {
	mu      sync.Mutex // guards what follows
	list    []localapi.Reader
	problem localapi.ReadFailure
}

func (r *readers) now() ([]localapi.Reader, localapi.ReadFailure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]localapi.Reader{}, r.list...), r.problem
}

// change runs f under the lock.
func (r *readers) change(f func(*readers)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(r)
}

func (r *readers) set(name string, present, card bool) {
	for i, known := range r.list {
		if known.Name != name {
			continue
		}
		if present {
			r.list[i].Card = card
			return
		}
		r.list = append(r.list[:i], r.list[i+1:]...)
		return
	}
	if present {
		r.list = append(r.list, localapi.Reader{Name: name, Card: card})
	}
}
