package intake

import (
	"errors"
	"sync"

	"kazashi.example/central/store"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
)

// Caps of what is remembered: epochs, and ranges of one.
const (
	maxStood     = 1 << 15 // a thousand boxes with a day of hours that are not safe
	maxStoodRuns = 16
)

// stand remembers how epochs stood, so that a box that asks about twenty epochs of a thousand records each costs twenty rows a look.
type stand struct {
	mu     sync.Mutex // guards what follows
	epochs map[record.EpochID]stood
}

// stood is how an epoch stood at a stamp.
type stood struct {
	stamp  store.EpochStamp
	runs   []ack.Range // nobody changes them
	digest Digest
}

// stood is what central holds of an epoch of a box: nothing where its header is not here, or is another's.
func (a *Acks) stood(tx store.Tx, box record.BoxID, id record.EpochID) (stood, error) {
	stamp, err := tx.EpochStamp(id)
	if errors.Is(err, store.ErrNone) || err == nil && stamp.Box != box {
		return stood{digest: Nothing()}, nil
	}
	if err != nil {
		return stood{}, err
	}
	if s, ok := a.stand.at(id, stamp); ok {
		return s, nil
	}
	s := stood{stamp: stamp}
	if s.runs, err = runsOf(tx, id); err != nil {
		return s, err
	}
	if s.digest, err = digest(s.runs); err != nil {
		return s, err
	}
	a.stand.keep(id, s)
	return s, nil
}

func (s *stand) at(id record.EpochID, stamp store.EpochStamp) (stood, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, ok := s.epochs[id]
	return was, ok && was.stamp == stamp
}

func (s *stand) keep(id record.EpochID, now stood) {
	if len(now.runs) > maxStoodRuns {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.epochs) >= maxStood {
		clear(s.epochs)
	}
	s.epochs[id] = now
}

// runsOf makes the ranges of an epoch, said also up to each of more numbers at which a box may believe that it ends.
func runsOf(tx store.Tx, id record.EpochID, more ...record.Seq) ([]ack.Range, error) {
	links, err := tx.Links(id)
	if err != nil {
		return nil, err
	}
	held := make([]ack.Held, len(links))
	for i, l := range links {
		held[i] = ack.Held{Seq: l.Seq, Previous: l.Previous, Chain: l.Chain, Level: ack.Received}
		if l.Safe {
			held[i].Level = ack.Safe
		}
	}
	ends, err := endsOf(tx, id)
	return ack.Runs(id, held, append(ends, more...)...), err
}

// endsOf are the numbers at which a box may believe that the epoch ends: a box restored from an image stands before the end
// that central knows, and a range speaks to it only if it ends where the box stands.
func endsOf(tx store.Tx, id record.EpochID) ([]record.Seq, error) {
	after, err := tx.Successors(id)
	if err != nil {
		return nil, err
	}
	ends := make([]record.Seq, len(after))
	for i, e := range after {
		ends[i] = e.Signed.Header.Predecessor.LastSeq
	}
	return ends, nil
}
