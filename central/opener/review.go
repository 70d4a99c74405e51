package opener

import (
	"cmp"
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

// RunReviews looks at all refusals for a hold now, whenever a set came, and an hour after one could not be looked at, until the context ends,
// which is its only error. One that this opener adds is looked at by itself, as it is added.
func (o *Opener) RunReviews(ctx context.Context, came <-chan struct{}) error {
	for {
		left, err := o.Review(ctx)
		if err != nil && ctx.Err() == nil {
			o.Log.ErrorContext(ctx, "looking again at refusals for a hold failed; trying again", slog.Any("error", err))
		}
		if err := o.rest(ctx, came, err != nil || left > 0); err != nil {
			return err
		}
	}
}

// rest returns when a set came, or an hour after there was something to look at once more; the context's error when it ends.
func (o *Opener) rest(ctx context.Context, came <-chan struct{}, left bool) error {
	var again <-chan time.Time
	for {
		if left && again == nil {
			again = time.After(reviewAgain)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-came:
			return nil
		case <-again:
			return nil
		case <-o.missed:
			left = true
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
	var why error
	defer func() {
		if left > 0 && ctx.Err() == nil { // one line, however many they are: it comes again with every look
			o.Log.WarnContext(ctx, "refusals for a hold could not be looked at again", slog.Int("records", left), slog.Any("first", why))
		}
	}()
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
				why = cmp.Or(why, fmt.Errorf("record %s: %w", r.ID, err))
			}
		}
		since, after = batch[len(batch)-1].Since, batch[len(batch)-1].ID
	}
}

// reviewNew looks at a record that was refused for a hold just now: the hold may have been lifted after the tap and before the record came.
func (o *Opener) reviewNew(ctx context.Context, id record.ID) {
	if o.Holds == nil {
		return
	}
	var r store.Record
	err := o.Store.View(ctx, func(tx store.Tx) (err error) { r, err = tx.Record(id); return err })
	if err == nil && r.Final.Reason == record.ReasonOnHold && r.Since.After(o.Now().Add(-ReviewFor)) {
		err = o.review(ctx, r)
	}
	if err != nil {
		select {
		case o.missed <- struct{}{}:
		default: // it will be looked at with others
		}
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
	// What a responder said of the tap no later list takes back. What is refused anew for another reason keeps its first word: the hold is not
	// why any more, and nobody is to be told that the next tap may succeed.
	if l.Never && r.Source == wire.SourceCRL {
		return o.reopen(ctx, again)
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

// reopen decides a record anew, and gives it that word if its person is served.
func (o *Opener) reopen(ctx context.Context, r refusal) error {
	f, settled, err := o.examine(ctx, r.epoch, r.as(), r.plain)
	if err == nil && settled {
		settled, err = o.newcomer(ctx, r.as(), f)
	}
	switch {
	case err != nil:
		return err
	case !settled:
		return errUnsettled
	case !f.decision.Verdict.Served():
		return nil
	}
	return o.reword(ctx, r, f)
}

// reword gives a record another last word, with everything that follows from it, in one transaction.
func (o *Opener) reword(ctx context.Context, r refusal, f finding) error {
	var n news
	err := o.Store.Update(ctx, func(tx store.Tx) (err error) { n, err = o.amend(tx, r, f); return err })
	if err != nil {
		return fmt.Errorf("giving it another word: %w", err)
	}
	if !n.worded {
		return nil
	}
	o.Log.InfoContext(ctx, "a refusal for a hold was given another word", slog.String("record", r.was.ID.String()))
	o.warn(ctx, n)
	for _, b := range append(n.ring, r.was.Box) {
		o.Bells.Ring(b)
	}
	return nil
}

// amend writes it, unless the record was given another word or was erased since it was read. Whether its box was revoked meanwhile does not
// matter: that holds what was not opened by then, and takes back nothing that was.
func (o *Opener) amend(tx store.Tx, r refusal, f finding) (n news, err error) {
	is, err := tx.Record(r.was.ID)
	if err != nil || is.Verdict != r.was.Verdict || !is.Erased.IsZero() {
		return n, err
	}
	now := o.Now()
	defer func() { n.worded = err == nil }()
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
