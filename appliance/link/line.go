package link

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/uplink"
)

// line is what is known of the way to central.
type line struct {
	up       bool
	since    time.Time
	answer   time.Time // when central last answered
	trouble  string    // code of central's refusal to serve this box, or Intercepted; "" when neither
	replaced bool      // another box took this one's place
}

// Replaced is the trouble of a box whose place another one took. The line is up: its records count, and it is told which of them are safe.
const Replaced = "replaced_box"

// replaced notes that another box took this one's place, which is so for good.
func (l *Link) replaced(ctx context.Context, by record.BoxID) {
	l.mu.Lock()
	known := l.line.replaced
	l.line.replaced = true
	l.mu.Unlock()
	if known {
		return
	}
	l.Log.ErrorContext(ctx, "another box took this one's place: its taps still count, but it gets no keys, rules and lists any more",
		slog.String("replaced_by", by.String()))
	l.Watch.Changed(ctx)
}

// Intercepted is the trouble of a line on which something opens the connection (uplink.ErrIntercepted).
const Intercepted = "intercepted"

func (n *line) refused() bool { return n.trouble != "" && n.trouble != Intercepted }

// heard notes how an exchange with central ended. Only central's answers count: a fault of this box's own says nothing of the
// line. A refused push does not either, as long as polls are answered.
func (l *Link) heard(ctx context.Context, polled bool, err error) {
	var refusal *uplink.Refusal
	switch {
	case ctx.Err() != nil:
	case err == nil:
		l.change(ctx, func(n *line) {
			n.answer = l.Now()
			if polled || !n.refused() {
				n.up, n.trouble = true, ""
			}
		})
	case errors.As(err, &refusal):
		l.change(ctx, func(n *line) {
			n.answer = l.Now()
			if polled {
				n.up, n.trouble = false, refusal.Code
			}
		})
	case errors.Is(err, uplink.ErrIntercepted):
		l.change(ctx, func(n *line) {
			if n.up = false; n.trouble == "" {
				n.trouble = Intercepted
			}
		})
	default:
		l.change(ctx, func(n *line) { n.up = false })
	}
}

func (l *Link) change(ctx context.Context, f func(*line)) {
	l.telling.Lock()
	defer l.telling.Unlock()
	l.mu.Lock()
	was := l.line
	f(&l.line)
	up, trouble := l.line.up, l.line.trouble
	if was.up != up {
		l.line.since = l.Now()
	}
	l.mu.Unlock()
	if was.up == up {
		if was.trouble != trouble {
			l.Watch.Changed(ctx)
		}
		return
	}
	l.Watch.LineChanged(ctx, up)
	if up {
		knock(l.pushNow)
		knock(l.pollNow)
	}
}

// report logs a trouble when it begins or changes, not each time that it is met again. It returns what it is to be given next
// time.
func (l *Link) report(ctx context.Context, told string, err error) string {
	var refusal *uplink.Refusal
	var local *localError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		if told != refusal.Code {
			l.Log.ErrorContext(ctx, "central refuses this box", slog.String("code", refusal.Code), slog.Any("error", err))
		}
		return refusal.Code
	case errors.Is(err, uplink.ErrIntercepted):
		if told != Intercepted {
			l.Log.ErrorContext(ctx, "the uplink is intercepted", slog.Any("error", err))
		}
		return Intercepted
	case errors.As(err, &local):
		if told != err.Error() {
			l.Log.ErrorContext(ctx, "syncing with central failed", slog.Any("error", err))
		}
		return err.Error()
	default:
		if told != "line" {
			l.Log.WarnContext(ctx, "central cannot be reached; taps go on", slog.Any("error", err))
		}
		return "line"
	}
}

// localError is a fault on this side of the line: what came could not be used, or what is here could not be read.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// local marks an error, if it is one, as this side's.
func local(err error) error {
	if err == nil {
		return nil
	}
	return &localError{err}
}
