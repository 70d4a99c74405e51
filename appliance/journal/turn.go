package journal

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// prepared is the slow part of opening an epoch, made before it is needed: a key and its encapsulation for one recipient.
type prepared struct {
	id    record.EpochID
	nonce epoch.Nonce
	to    sign.KeyID
	enc   []byte
	key   *seal.Key
}

func prepareFor(box record.BoxID, to seal.PublicKey) (prepared, error) {
	id, nonce := epoch.NewID(box)
	enc, key, err := seal.Encapsulate(to, seal.Info{Suite: seal.Suite1, Box: box, Epoch: id})
	return prepared{id, nonce, to.ID(), enc, key}, err
}

// prepare makes the next epoch's key in the background. Where that fails, turn makes it inline and reports.
func (j *Journal) prepare() {
	j.spawn(func(context.Context) {
		to, err := j.o.Recipient()
		if err != nil {
			return
		}
		p, err := prepareFor(j.o.Box, to)
		if err != nil {
			return
		}
		select {
		case j.next <- p:
		default:
			p.key.Wipe()
		}
	})
}

// take returns a prepared key for the recipient, made just now if there is none.
func (j *Journal) take(to seal.PublicKey) (prepared, error) {
	select {
	case p := <-j.next:
		if p.to == to.ID() {
			return p, nil
		}
		p.key.Wipe()
	default:
	}
	return prepareFor(j.o.Box, to)
}

// turn makes sure that there is a writer. If it had to make one, the header is returned: it becomes durable with the first record.
func (j *Journal) turn(now time.Time) (*epoch.Signed, error) {
	to, err := j.o.Recipient()
	stretch := j.o.Stretch()
	if j.writer != nil {
		switch {
		case stretch != j.within:
			j.discard(epoch.CauseClock)
		case j.goesOn(now, to, err == nil):
			return nil, nil //nolint:nilnil // no new header
		default:
			j.discard(epoch.CauseRotation)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("finding the key to seal to: %w", err)
	}
	before, err := j.predecessor()
	if err != nil {
		return nil, err
	}
	p, err := j.take(to)
	if err != nil {
		return nil, err
	}
	s, err := epoch.Header{
		Version: epoch.Version, Suite: seal.Suite1, Box: j.o.Box, Epoch: p.id, Nonce: p.nonce, Recipient: p.to, Enc: p.enc,
		Predecessor: before, Cause: j.cause,
	}.Sign(j.o.Device)
	if err != nil {
		p.key.Wipe()
		return nil, fmt.Errorf("opening an epoch: %w", err)
	}
	j.writer, j.opened, j.within = epoch.NewWriter(s, p.key), now, stretch
	return &s, nil
}

// goesOn reports whether the open epoch takes one more record: its time is not over, and it is sealed to the key in force as
// far as that is known.
func (j *Journal) goesOn(now time.Time, to seal.PublicKey, known bool) bool {
	age := now.Sub(j.opened)
	if age >= j.o.MaxEpochAge || age < 0 {
		return false
	}
	return !known || j.writer.Header().Header.Recipient == to.ID()
}

// turned follows an epoch whose header and first record have become durable.
func (j *Journal) turned(s epoch.Signed) {
	j.o.Log.InfoContext(context.Background(), "epoch opened", slog.String("epoch", s.Header.Epoch.String()),
		slog.String("cause", s.Header.Cause.String()), slog.Bool("lineage_known", s.Header.Predecessor.Lineage == epoch.LineageKnown))
	j.cause = epoch.CauseStart
	j.prepare()
}

// discard gives the open epoch up: its key is forgotten, and the next record opens another one. Causes that say more than a
// rotation outlive further failures until an epoch that names them is durable.
func (j *Journal) discard(cause epoch.Cause) {
	if j.writer != nil {
		j.writer.Close()
		j.writer = nil
	}
	if j.cause == epoch.CauseStart {
		j.cause = cause
	}
}

// Renew gives the open epoch up and lets the next record open one with this cause: after a repair of the clock, or when the
// box learns that it was restored.
func (j *Journal) Renew(cause epoch.Cause) {
	j.write.Lock()
	defer j.write.Unlock()
	if cause.Valid() {
		j.discard(cause)
	}
}

// predecessor names the last epoch on the disk and its end on the disk.
func (j *Journal) predecessor() (epoch.Predecessor, error) {
	last := j.book.last()
	if last == nil {
		return epoch.Predecessor{Lineage: j.book.birth.lineage}, nil
	}
	p := epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: last.id, LastSeq: last.last, Head: last.root}
	if last.last == 0 {
		return p, nil
	}
	head, err := j.store().chain(context.Background(), pack(last.n, last.last))
	if err != nil {
		return epoch.Predecessor{}, fmt.Errorf("reading the last epoch's end: %w", err)
	}
	p.Head = head
	return p, nil
}
