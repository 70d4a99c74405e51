package courier

import (
	"context"
	"errors"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// Standing is what the ways by stick have brought so far.
type Standing struct {
	Boxes []Word // of boxes that ever said anything by courier, oldest first
	Held  store.Waiting
}

// Word is what a box said last by courier.
type Word struct {
	Box      store.Box
	N        uint64
	Made     time.Time // by the box's clock
	Received time.Time
	Waiting  uint64 // records that it had not delivered
	Open     int    // epochs that were not wholly safe
	Verdicts uint64 // that were not on the box then
	Due      uint64 // records that came and are being opened
	Damaged  bool   // what it said is kept damaged: its newest stick is to be taken again; until then Waiting, Open and Verdicts are not known
}

// Standing says what came, and for whom central holds records that it may not open yet.
func (c *Courier) Standing(ctx context.Context) (s Standing, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error {
		boxes, err := tx.AllBoxes()
		if err != nil {
			return err
		}
		for _, b := range boxes {
			w, err := word(tx, b, c.Now())
			if errors.Is(err, store.ErrNone) {
				continue
			}
			if err != nil {
				return err
			}
			s.Boxes = append(s.Boxes, w)
		}
		s.Held, err = tx.HeldFor()
		return err
	})
	return s, err
}

// Due counts the records of a box that came and are being opened.
func (c *Courier) Due(ctx context.Context, box record.BoxID) (n uint64, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) error { n, err = tx.DueOf(box, c.Now()); return err })
	return n, err
}

func word(tx store.Tx, b store.Box, now time.Time) (w Word, err error) {
	kept, err := tx.CourierState(b.ID)
	if err != nil {
		return w, err
	}
	w = Word{Box: b, N: kept.N, Made: kept.Made, Received: kept.Received}
	if w.Due, err = tx.DueOf(b.ID, now); err != nil {
		return w, err
	}
	s, err := DecodeState(kept.State)
	if errors.Is(err, ErrState) {
		w.Damaged = true
		return w, nil
	}
	if err != nil {
		return w, err
	}
	w.Waiting, w.Open = s.Poll.Waiting, len(s.Ends)
	central, err := tx.CentralEpoch()
	if err != nil {
		return w, err
	}
	if w.Verdicts, err = tx.LastVerdict(b.ID); err == nil && s.Poll.Verdicts.CentralEpoch == central {
		w.Verdicts -= min(w.Verdicts, s.Poll.Verdicts.N)
	}
	return w, err
}
