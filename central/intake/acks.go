package intake

import (
	"context"
	"crypto"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// numbersAtOnce is how many numbers of acknowledgements are reserved in one write; a restart skips the unused ones.
const numbersAtOnce = 4096

// Acks says what central holds. A later acknowledgement has a greater number and was made from a later state, also across
// restarts. It may be used from any goroutine.
type Acks struct {
	store store.Store
	key   crypto.Signer // C-sign
	now   func() time.Time

	mu         sync.Mutex // guards what follows, and that numbers and states rise together
	next, last uint64     // numbers reserved and unused: next ≤ n < last

	stand stand
}

// NewAcks makes acknowledgements signed with C-sign.
func NewAcks(s store.Store, key crypto.Signer, now func() time.Time) *Acks {
	return &Acks{store: s, key: key, now: now, stand: stand{epochs: map[record.EpochID]stood{}}}
}

// Digest tells one state of an epoch's ranges from another.
type Digest [sha256.Size]byte

// Held is a signed acknowledgement and what it covers.
type Held struct {
	Version rule.Version
	Message []byte // ack.Ack, signed
	Epochs  map[record.EpochID]Digest
}

// For says to a box what central holds of some epochs of its own. Epochs whose header central has not verified are passed over:
// without it their records could not be opened, so the box must not stop sending. So are epochs of other boxes: a carrier's word
// about them would be worth nothing to them (design §5.5).
func (a *Acks) For(ctx context.Context, box record.BoxID, epochs []record.EpochID) (Held, error) {
	held, out, err := a.read(ctx, box, epochs)
	if err != nil {
		return Held{}, fmt.Errorf("acknowledging: %w", err)
	}
	if held.Message, err = out.Sign(a.key); err != nil {
		return Held{}, fmt.Errorf("signing an acknowledgement: %w", err)
	}
	return held, nil
}

// read takes the next number and then the state, under one lock.
func (a *Acks) read(ctx context.Context, box record.BoxID, epochs []record.EpochID) (Held, ack.Ack, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n, err := a.number(ctx)
	if err != nil {
		return Held{}, ack.Ack{}, err
	}
	held := Held{Epochs: make(map[record.EpochID]Digest, len(epochs))}
	out := ack.Ack{Box: box, Issued: a.now().UnixMilli(), Ranges: []ack.Range{}}
	err = a.store.View(ctx, func(tx store.Tx) error {
		central, err := tx.CentralEpoch()
		if err != nil {
			return err
		}
		out.Version = rule.Version{CentralEpoch: central, N: n}
		for _, id := range epochs {
			stood, err := a.stood(tx, box, id)
			if err != nil {
				return err
			}
			held.Epochs[id] = stood.digest
			out.Ranges = append(out.Ranges, stood.runs[:min(len(stood.runs), ack.MaxRanges-len(out.Ranges))]...)
		}
		return nil
	})
	held.Version = out.Version
	return held, out, err
}

func (a *Acks) number(ctx context.Context) (uint64, error) {
	if a.next == a.last {
		err := a.store.Update(ctx, func(tx store.Tx) (err error) {
			a.next, err = tx.ReserveAcks(numbersAtOnce)
			return err
		})
		if err != nil {
			a.next = a.last
			return 0, fmt.Errorf("reserving numbers: %w", err)
		}
		a.last = a.next + numbersAtOnce
	}
	a.next++
	return a.next - 1, nil
}

// Digests says what an acknowledgement of these epochs to a box would cover, without making one.
func (a *Acks) Digests(tx store.Tx, box record.BoxID, epochs []record.EpochID) (map[record.EpochID]Digest, error) {
	all := make(map[record.EpochID]Digest, len(epochs))
	for _, id := range epochs {
		stood, err := a.stood(tx, box, id)
		if err != nil {
			return nil, err
		}
		all[id] = stood.digest
	}
	return all, nil
}

// Nothing is the digest of an epoch of which central holds nothing.
func Nothing() Digest { return Digest{} }

func digest(runs []ack.Range) (Digest, error) {
	if len(runs) == 0 {
		return Nothing(), nil
	}
	b, err := canon.Encode(runs)
	return sha256.Sum256(b), err
}
