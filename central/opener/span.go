package opener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/central/validity"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
)

// span is when a tap can have happened, both ends included.
type span struct{ from, to time.Time }

// spanOf believes a checked clock, and a correction that the box measured later as much. Another clock may be late by any amount, and the
// record came after the tap: it was somewhere between the two. A time after the arrival is wrong, and the arrival takes its place.
func spanOf(r content.Record, received time.Time, c *store.Correction) span {
	switch {
	case r.Said.Clock == record.ConfidenceChecked:
		return span{r.At(), r.At()}
	case c != nil:
		at := r.At().Add(c.Offset)
		return span{earlier(at.Add(-measuredWithin), received), earlier(at.Add(measuredWithin), received)}
	default:
		return span{earlier(r.At(), received), received}
	}
}

// measuredWithin is how far a corrected time may still be wrong: what passes between central's answer and its being read, and what a
// running clock strays in the weeks before (100 ppm are two minutes in a fortnight).
const measuredWithin = 2 * time.Minute

// when is the span of a record's tap, and how far its clock can be trusted: one that was corrected, as far as one with a floor.
func (o *Opener) when(ctx context.Context, box record.BoxID, v store.Envelope, r content.Record) (span, record.Confidence, error) {
	if r.Said.Clock == record.ConfidenceChecked {
		return spanOf(r, v.Received, nil), r.Said.Clock, nil
	}
	var c store.Correction
	err := o.Store.View(ctx, func(tx store.Tx) (err error) { c, err = tx.Correction(box, v.ID.Epoch); return err })
	switch {
	case errors.Is(err, store.ErrNone):
		return spanOf(r, v.Received, nil), r.Said.Clock, nil
	case err != nil:
		return span{}, 0, fmt.Errorf("looking for the correction of a clock: %w", err)
	default:
		return spanOf(r, v.Received, &c), record.ConfidenceFloor, nil
	}
}

// clock is the time by which the gate judges the certificate's dates: the earliest in the span at which it was valid. Where even the
// floor is missing and it had expired on arrival, nothing says that it had not at the tap: then the end.
func (s span) clock(c record.Confidence, shown gate.Shown) gate.Clock {
	now := s.from
	switch {
	case c == record.ConfidenceNone && s.to.After(shown.NotAfter):
		now = s.to
	case now.Before(shown.NotBefore):
		now = earlier(shown.NotBefore, s.to)
	}
	return gate.Clock{Now: now, Confidence: c}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// question is about one record's certificate.
type question struct {
	about  store.Envelope
	card   *finding
	issuer content.Issuer
}

// ask asks about a certificate for the whole span; false when nobody could answer. That an issuer or a hierarchy is not configured here does not mend itself:
// a person must hear of it, at each try.
func (o *Opener) ask(ctx context.Context, q question, when span) (validity.Status, bool) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	s, err := o.Validity.StatusWithin(ctx, q.card.cert, q.issuer, when.from, when.to)
	switch {
	case err == nil:
		return s, true
	case errors.Is(err, validity.ErrIssuer):
		o.Log.WarnContext(ctx, "a record waits: its issuer is not configured here", slog.String("record", q.about.ID.String()), slog.Any("error", err))
	default:
		o.Log.DebugContext(ctx, "nobody answers for a certificate", slog.Any("error", err))
	}
	return validity.Status{}, false
}
