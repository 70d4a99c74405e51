package boxline

import (
	"context"
	"fmt"

	"kazashi.example/central/intake"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// errReplaced is what a box is told that asks for files although another one took its place.
var errReplaced = &uplink.Refusal{Code: wire.CodeReplacedBox, Message: "another box took this one's place; it is given no files"}

// replaced answers a box whose place another one took: with who that is, its open orders, and what central holds of its records, which is
// news as for any box. It is told nothing else.
func (l *Line) replaced(ctx context.Context, b store.Box, p wire.Poll) (out wire.Polled, news bool, err error) {
	var now map[record.EpochID]intake.Digest
	err = l.Store.View(ctx, func(tx store.Tx) error {
		if out.CentralEpoch, err = tx.CentralEpoch(); err != nil {
			return err
		}
		by, err := tx.Replacement(b.ID)
		if err != nil {
			return err
		}
		out.ReplacedBy = by.ID
		now, err = l.Acks.Digests(tx, b.ID, p.Epochs)
		return err
	})
	if err != nil {
		return wire.Polled{}, false, fmt.Errorf("looking for what box %s, which was replaced, lacks: %w", b.ID, err)
	}
	if l.changed(b.ID, now) || before(p.Acks, out.CentralEpoch) {
		held, err := l.Acks.For(ctx, b.ID, p.Epochs)
		if err != nil {
			return wire.Polled{}, false, err
		}
		out.Ack = held.Message
		l.with(b.ID, func(p *peer) { p.told.learn(held) })
	}
	if out.Orders, err = l.orders(ctx, b, p); err != nil {
		return wire.Polled{}, false, err
	}
	out.Time = l.Now().UnixMilli()
	return out, out.Ack != nil || out.Orders != nil, nil
}
