package link

import (
	"context"
	"time"

	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// meetWithin bounds how long the first records wait for the first poll, which measures the clock: central then has the correction before
// the records that it corrects.
const meetWithin = 2 * time.Second

// bring adds to a poll what the box has for central of site keys, orders and its clock.
func (l *Link) bring(p *wire.Poll) {
	if l.Keys != nil {
		made := l.Keys.Made()
		p.Made, p.Locked, p.Grant = made[:min(len(made), wire.MaxMade)], l.Keys.Wants(), l.Keys.Version()
	}
	if l.Orders != nil {
		p.Done = l.Orders.Done()
	}
	if l.Repair != nil {
		p.Nonce = order.Nonce{ID128: record.ID128(l.Repair.Nonce())}
	}
	if l.Rosters != nil {
		p.Roster = l.Rosters.Version()
	}
}

// told notes that central has the outcomes that it was told.
func (l *Link) told(done []wire.OrderDone) error {
	if l.Orders == nil || len(done) == 0 {
		return nil
	}
	return l.Orders.Told(done)
}

// correct keeps how wrong the clock was, once central's time has told.
func (l *Link) correct(ctx context.Context) error {
	if l.Repair == nil {
		return nil
	}
	for _, c := range l.Repair.Corrections() {
		fresh, err := l.Journal.Correct(ctx, c.Stretch, c.Offset, c.Measured)
		if err != nil {
			return err
		}
		if fresh {
			l.Wake()
		}
	}
	return nil
}

// meetFirst waits for the end of the first poll of this run, whatever it came to, and not for long.
func (l *Link) meetFirst(ctx context.Context) {
	if l.Repair == nil {
		return
	}
	t := time.NewTimer(meetWithin)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-l.met:
	case <-t.C:
	}
}
