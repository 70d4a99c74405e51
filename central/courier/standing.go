package courier

import (
	"context"
	"errors"
	"time"

	"kazashi.example/central/store"
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

func word(tx store.Tx, b store.Box, now time.Time) (w Word, err error) {
	kept, err := tx.CourierState(b.ID)
	if err != nil {
		return w, err
	}
	s, err := DecodeState(kept.State)
	if err != nil {
		return w, err
	}
	w = Word{Box: b, N: kept.N, Made: kept.Made, Received: kept.Received, Waiting: s.Poll.Waiting, Open: len(s.Ends)}
	if w.Due, err = tx.DueOf(b.ID, now); err != nil {
		return w, err
	}
	central, err := tx.CentralEpoch()
	if err != nil {
		return w, err
	}
	if w.Verdicts, err = tx.LastVerdict(b.ID); err == nil && s.Poll.Verdicts.CentralEpoch == central {
		w.Verdicts -= min(w.Verdicts, s.Poll.Verdicts.N)
	}
	return w, err
}
