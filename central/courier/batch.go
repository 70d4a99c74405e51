package courier

import (
	"context"
	"fmt"

	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// batch is what intake gets next of a parcel.
type batch struct {
	*Courier

	carrier sign.KeyID
	own     record.BoxID // who signed the parcel, if that is known; records of others are opened before they are kept
	push    wire.Push
	ids     []record.ID // of the envelopes
	octets  int
	taken   *Taken
	epochs  map[record.EpochID]bool
	last    record.EpochID // whose header was put into push last
}

// run adds a run of records.
func (b *batch) run(ctx context.Context, r parcel.Run, s epoch.Signed) error {
	envelopes, err := r.Envelopes()
	if err != nil {
		return &Refusal{err}
	}
	id := s.Header.Epoch
	b.epochs[id] = true
	b.taken.Records += len(envelopes)
	if s.Header.Box != b.own {
		if envelopes, err = b.genuine(s, r, envelopes); err != nil {
			return err
		}
	}
	if err := b.header(ctx, id, r.Header); err != nil {
		return err
	}
	for i, e := range envelopes {
		if e == nil {
			continue
		}
		if len(b.push.Envelopes) == wire.MaxPushed || b.octets+len(e) > wire.MaxPush {
			if err := b.flush(ctx); err != nil {
				return err
			}
		}
		b.push.Envelopes = append(b.push.Envelopes, e)
		b.ids = append(b.ids, record.ID{Epoch: id, Seq: r.First + record.Seq(i)}) //nolint:gosec // an index
		b.octets += len(e)
	}
	return nil
}

// genuine drops the records of a run that do not open under their epoch's key: nobody answers for who carried them, and whoever has seen a
// header could make up any number.
func (b *batch) genuine(s epoch.Signed, r parcel.Run, envelopes [][]byte) ([][]byte, error) {
	if len(envelopes) == 0 {
		return nil, nil
	}
	key, err := b.SealKeys.SealKey(s.Header.Recipient)
	if err != nil {
		return nil, &Refusal{ErrCentral}
	}
	open, err := epoch.NewOpener(s.Header, key)
	if err != nil {
		return nil, &Refusal{err}
	}
	kept := make([][]byte, len(envelopes))
	for i, raw := range envelopes {
		e, err := epoch.DecodeEnvelope(raw)
		if err == nil {
			_, err = open.Open(e)
		}
		if err != nil {
			b.taken.refuse("record %s: %v", record.ID{Epoch: s.Header.Epoch, Seq: r.First + record.Seq(i)}, err) //nolint:gosec // an index
			continue
		}
		kept[i] = raw
	}
	return kept, nil
}

// header adds an epoch's header, unless the push has it.
func (b *batch) header(ctx context.Context, id record.EpochID, message []byte) error {
	if b.last == id && len(b.push.Headers) > 0 {
		return nil
	}
	if len(b.push.Headers) == wire.MaxPushed || b.octets+len(message) > wire.MaxPush {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	b.push.Headers, b.last = append(b.push.Headers, message), id
	b.octets += len(message)
	return nil
}

// correction adds a correction of a clock.
func (b *batch) correction(ctx context.Context, message []byte) error {
	if len(b.push.Corrections) == wire.MaxCorrected || b.octets+len(message) > wire.MaxPush {
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	b.taken.Corrections++
	b.push.Corrections = append(b.push.Corrections, message)
	b.octets += len(message)
	return nil
}

// flush has what was gathered kept. Done twice it finds its own.
func (b *batch) flush(ctx context.Context) error {
	p, ids := b.push, b.ids
	b.push, b.ids, b.octets = wire.Push{}, nil, 0
	if len(p.Headers)+len(p.Envelopes)+len(p.Corrections) == 0 {
		return nil
	}
	got, err := b.Intake.Carry(ctx, b.carrier, p)
	if err != nil {
		return fmt.Errorf("keeping what parcel %d of box %s brings: %w", b.taken.N, b.taken.Box, err)
	}
	if len(got.Boxes) > 0 {
		b.Bells.Came()
	}
	t := b.taken
	t.Fresh, t.Held, t.Known = t.Fresh+got.Fresh, t.Held+got.Held, t.Known+got.Known
	for _, r := range got.Refused {
		i := int(r.Index)
		switch {
		case i < len(p.Headers):
			t.refuse("header: %s", r.Reason)
		case i < len(p.Headers)+len(ids):
			t.refuse("record %s: %s", ids[i-len(p.Headers)], r.Reason)
		default:
			t.refuse("correction of a clock: %s", r.Reason)
		}
	}
	return nil
}
