package intake

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/central/store"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Operator is who carries what an operator hands in and no box vouches for. It is the id of no key: those are digests.
var Operator = sign.KeyID([]byte("kazashi/operator"))

// Caps of what an operator may leave here that central cannot attribute.
const (
	MaxCarriedHeaders   = 65_536
	MaxCarriedEnvelopes = 1 << 20
)

// Carry is Receive for what an operator hands in: its caps are wide, and records that are not the carrier's own have been opened.
func (i *Intake) Carry(ctx context.Context, carrier sign.KeyID, p wire.Push) (Taken, error) {
	return i.receive(ctx, carrier, p, true)
}

// End is where a box says that it stands in one of its epochs.
type End struct {
	Epoch record.EpochID
	Last  record.Seq
}

// About says to a box what central holds of many epochs of its own, in as many acknowledgements as that takes; none where there is nothing
// to say. Each is whole by itself. Epochs are passed over as For does.
func (a *Acks) About(ctx context.Context, box record.BoxID, ends []End, yield func(message []byte) error) error {
	at := place{ends: ends}
	for len(at.ends) > 0 {
		out, err := a.fill(ctx, box, &at)
		if err != nil {
			return fmt.Errorf("acknowledging: %w", err)
		}
		if len(out.Ranges) == 0 {
			continue
		}
		msg, err := out.Sign(a.key)
		if err != nil {
			return fmt.Errorf("signing an acknowledgement: %w", err)
		}
		if err := yield(msg); err != nil {
			return err
		}
	}
	return nil
}

// Bare says to a box nothing but in which central epoch it is answered.
func (a *Acks) Bare(ctx context.Context, box record.BoxID) ([]byte, error) {
	held, err := a.For(ctx, box, nil)
	return held.Message, err
}

// place is where the next acknowledgement begins.
type place struct {
	ends []End // of epochs that are not said to their end
	runs int   // ranges of the first of them that are
}

// How much one acknowledgement of About reads: epochs, and records by what the box says of them.
const (
	epochsAtOnce  = 1024
	recordsAtOnce = 100_000
)

// fill fills one acknowledgement from where it begins, and moves on. Its number is taken before the state is read, and nobody else's
// acknowledgement waits for the reading.
func (a *Acks) fill(ctx context.Context, box record.BoxID, at *place) (ack.Ack, error) {
	a.mu.Lock()
	n, err := a.number(ctx)
	a.mu.Unlock()
	if err != nil {
		return ack.Ack{}, err
	}
	out := ack.Ack{Box: box, Issued: a.now().UnixMilli(), Ranges: []ack.Range{}}
	err = a.store.View(ctx, func(tx store.Tx) error {
		central, err := tx.CentralEpoch()
		if err != nil {
			return err
		}
		out.Version.CentralEpoch, out.Version.N = central, n
		for n, records := 0, record.Seq(0); n < epochsAtOnce && records < recordsAtOnce; n++ {
			if len(at.ends) == 0 || len(out.Ranges) == ack.MaxRanges {
				return nil
			}
			records += min(at.ends[0].Last, recordsAtOnce)
			if err := at.fill(tx, &out); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// fill adds what there is room for of one epoch.
func (at *place) fill(tx store.Tx, out *ack.Ack) error {
	end := at.ends[0]
	stamp, err := tx.EpochStamp(end.Epoch)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return err
	}
	var runs []ack.Range
	if err == nil && stamp.Box == out.Box {
		if runs, err = runsOf(tx, end.Epoch, end.Last); err != nil {
			return err
		}
	}
	runs = runs[min(at.runs, len(runs)):]
	room := min(len(runs), ack.MaxRanges-len(out.Ranges))
	out.Ranges = append(out.Ranges, runs[:room]...)
	at.runs += room
	if room == len(runs) {
		at.ends, at.runs = at.ends[1:], 0
	}
	return nil
}
