package opener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// ReviewFor is for how long after a tap a refusal for a hold is looked at again.
const ReviewFor = 90 * day

// How refusals for a hold are looked at: so many at a time; and those of which nothing could be said once more after a pause.
const (
	reviewBatch = 128
	reviewAgain = time.Hour
)

// errUnsettled says that what is needed to decide a record anew is not to be had now.
var errUnsettled = errors.New("it cannot be decided anew now")

// Holds says what the lists that came since say of a hold; an error means that nobody can say now.
type Holds interface {
	Lift(ctx context.Context, id certid.CertID, issuer content.Issuer, h validity.Held) (validity.Lift, error)
}

// RunReviews looks at refusals for a hold now, whenever a set came, and whenever this opener added one, until the context ends, which is its
// only error.
func (o *Opener) RunReviews(ctx context.Context, came <-chan struct{}) error {
	for {
		left, err := o.Review(ctx)
		if err != nil && ctx.Err() == nil {
			o.Log.ErrorContext(ctx, "looking again at refusals for a hold failed; trying again", slog.Any("error", err))
		}
		var again <-chan time.Time
		if err != nil || left > 0 {
			again = time.After(reviewAgain)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-came:
		case <-o.held:
		case <-again:
		}
	}
}

// Review looks once at every record of the last [ReviewFor] whose last word is a refusal for a hold, and returns of how many nothing could be
// said now. A record gets another word at most once: refused still, because the hold was lifted since; or what it would have come to at first,
// where the hold was over by the tap. Which of them were looked at is kept nowhere: what was not given another word is looked at again.
func (o *Opener) Review(ctx context.Context) (left int, err error) {
	if o.Holds == nil {
		return 0, nil
	}
	since, after := o.Now().Add(-ReviewFor), record.ID{}
	for {
		var batch []store.Record
		err := o.Store.View(ctx, func(tx store.Tx) (err error) { batch, err = tx.OnHold(since, after, reviewBatch); return err })
		if err != nil {
			return left, fmt.Errorf("looking for refusals for a hold: %w", err)
		}
		if len(batch) == 0 {
			return left, nil
		}
		for _, r := range batch {
			err := o.review(ctx, r)
			if ctx.Err() != nil {
				return left, ctx.Err()
			}
			if err != nil {
				left++
				o.Log.WarnContext(ctx, "a refusal for a hold could not be looked at again", slog.String("record", r.ID.String()), slog.Any("error", err))
			}
		}
		since, after = batch[len(batch)-1].Since, batch[len(batch)-1].ID
	}
}

// refusal is a record that is looked at again.
type refusal struct {
	was   store.Record
	epoch store.Epoch
	plain []byte
}

// as is the envelope that the record came in, as far as deciding asks.
func (r refusal) as() store.Envelope {
	return store.Envelope{Row: r.was.Envelope, ID: r.was.ID, Received: r.was.Arrived, Tries: 1}
}

func (o *Opener) review(ctx context.Context, r store.Record) error {
	plain, err := Content(o.Rows, r.ID, r.Content)
	if err != nil {
		return fmt.Errorf("opening its content: %w", err)
	}
	defer clear(plain)
	again := refusal{was: r, plain: plain}
	if err := o.Store.View(ctx, func(tx store.Tx) (err error) { again.epoch, err = tx.Epoch(r.ID.Epoch); return err }); err != nil {
		return fmt.Errorf("finding its epoch: %w", err)
	}
	f, l, err := o.lift(ctx, again)
	if err != nil {
		return err
	}
	// What a responder said of the tap no later list takes back.
	if l.Never && r.Source == wire.SourceCRL {
		done, err := o.reopen(ctx, again)
		if done || err != nil && !l.Lifted {
			return err
		}
	}
	if !l.Lifted {
		return nil
	}
	f.decision = gate.Decision{Verdict: record.VerdictRefused, Reason: record.ReasonHoldLifted}
	f.answer, f.source = r.Final.Answer, r.Source
	return o.reword(ctx, again, f)
}

// lift asks what became of the hold.
func (o *Opener) lift(ctx context.Context, r refusal) (f finding, l validity.Lift, err error) {
	c, err := content.Decode(r.plain)
	if err != nil {
		return f, l, fmt.Errorf("reading its content: %w", err)
	}
	f = finding{record: c, readable: true, tap: c.Tap, cert: c.CertID()}
	shown, issuer := o.shown(&f)
	var confidence record.Confidence
	if f.when, confidence, err = o.when(ctx, r.was.Box, r.as(), c); err != nil {
		return f, l, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	l, err = o.Holds.Lift(ctx, f.cert, issuer, validity.Held{
		From: f.when.clock(confidence, shown).Now, To: f.when.to, Answered: r.was.Answered, NotAfter: shown.NotAfter,
	})
	return f, l, err
}

// reopen decides a record anew, and reports whether its person is served.
func (o *Opener) reopen(ctx context.Context, r refusal) (bool, error) {
	f, settled, err := o.examine(ctx, r.epoch, r.as(), r.plain)
	if err == nil && settled {
		settled, err = o.newcomer(ctx, r.as(), f)
	}
	switch {
	case err != nil:
		return false, err
	case !settled:
		return false, errUnsettled
	case !f.decision.Verdict.Served():
		return false, nil
	}
	return true, o.reword(ctx, r, f)
}

// reword gives a record another last word, with everything that follows from it, in one transaction.
func (o *Opener) reword(ctx context.Context, r refusal, f finding) error {
	var n news
	err := o.Store.Update(ctx, func(tx store.Tx) (err error) { n, err = o.amend(tx, r, f); return err })
	if err != nil {
		return fmt.Errorf("giving it another word: %w", err)
	}
	o.Log.InfoContext(ctx, "a refusal for a hold was given another word", slog.String("record", r.was.ID.String()),
		slog.String("reason", f.decision.Reason.String()))
	o.warn(ctx, n)
	for _, b := range append(n.ring, r.was.Box) {
		o.Bells.Ring(b)
	}
	return nil
}

// amend writes it, unless the record was given another word or was erased since it was read.
func (o *Opener) amend(tx store.Tx, r refusal, f finding) (n news, err error) {
	is, err := tx.Record(r.was.ID)
	if err != nil || is.Verdict != r.was.Verdict || !is.Erased.IsZero() {
		return n, err
	}
	now := o.Now()
	if f.decision.Verdict.Served() {
		is.Applied = now // what begins with it begins now
		if n, err = o.serve(tx, r, f, &is); err != nil || n.barred {
			return n, err // whoever keeps numbers gave it the word that its number is another's
		}
	}
	_, err = tx.AddVerdict(is.Box, wire.Verdict{
		Epoch: is.ID.Epoch, Seq: is.ID.Seq, Tap: is.Tap, Verdict: f.decision.Verdict, Reason: f.decision.Reason, Answer: f.answer,
		Source: f.source, Settled: now.UnixMilli(),
	})
	return n, err
}

// serve writes down what a record that is accepted after all was found to be, and whom it is about.
func (o *Opener) serve(tx store.Tx, r refusal, f finding, is *store.Record) (n news, err error) {
	a := store.Amendment{Proved: f.proved, Answer: f.answer, Source: f.source, Answered: f.answered}
	if err := tx.AmendRecord(is.ID, a); err != nil { // a word that is given on the way repeats the answer
		return n, err
	}
	if n, err = o.names(tx, r.epoch, r.as(), f, is); err != nil {
		return n, err
	}
	a.Subject = is.Subject
	return n, errors.Join(tx.AmendRecord(is.ID, a), mark(tx, r.epoch, f))
}
