// Package ack is central's signed word about what it holds: ranges of an epoch's records, each with the chain value after
// its last, received or safe.
//
// A box accepts a range only if the chain value is its own, so a word about somebody else's bytes does nothing. Ranges and
// not a cursor: live records go before backlog, and couriers arrive in any order. Values and pure functions.
package ack

import (
	"crypto"
	"errors"
	"fmt"
	"slices"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// Caps.
const (
	MaxAck    = 1 << 20 // octets of a signed acknowledgement
	MaxRanges = 4096
)

// ErrAck says that an acknowledgement is well signed but contradicts itself.
var ErrAck = errors.New("acknowledgement contradicts itself")

// Level says what central did with a range. Numbers are reserved for ever.
type Level uint8

// Levels.
const (
	Received Level = 1 // durably stored: stop sending
	Safe     Level = 2 // inside a named backup: may be deleted
)

// String names the level.
func (l Level) String() string {
	switch l {
	case Received:
		return "received"
	case Safe:
		return "safe"
	default:
		return "unknown"
	}
}

// Range is a run of records that link to each other, First to Last, inclusive.
type Range struct {
	Epoch record.EpochID `cbor:"1,keyasint"`
	First record.Seq     `cbor:"2,keyasint"`
	Last  record.Seq     `cbor:"3,keyasint"`
	Chain epoch.Hash     `cbor:"4,keyasint"` // value after Last
	Level Level          `cbor:"5,keyasint"`
}

// Ack is what central says to one box at one time.
type Ack struct {
	Version rule.Version `cbor:"1,keyasint"`
	Box     record.BoxID `cbor:"2,keyasint"`
	Issued  int64        `cbor:"3,keyasint"` // Unix milliseconds
	Ranges  []Range      `cbor:"4,keyasint"`
}

func (a Ack) check() error {
	if a.Version.CentralEpoch == 0 || a.Box.IsZero() || len(a.Ranges) > MaxRanges {
		return fmt.Errorf("%w: no version or box, or too many ranges", ErrAck)
	}
	for _, r := range a.Ranges {
		if r.Epoch.IsZero() || r.First == 0 || r.Last < r.First || r.Chain.IsZero() || r.Level < Received || r.Level > Safe {
			return fmt.Errorf("%w: range of epoch %s", ErrAck, r.Epoch)
		}
	}
	return nil
}

// Sign closes the acknowledgement with C-sign.
func (a Ack) Sign(key crypto.Signer) ([]byte, error) {
	if err := a.check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(a)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeAck, b)
}

// Open verifies and checks a signed acknowledgement.
func Open(keys sign.Keys, msg []byte) (Ack, error) {
	payload, _, err := sign.Open(keys, sign.PurposeAck, msg)
	if err != nil {
		return Ack{}, err
	}
	var a Ack
	if err := canon.Decode(payload, &a, MaxAck); err != nil {
		return Ack{}, err
	}
	return a, a.check()
}

// Held is one envelope as central holds it, for Runs.
type Held struct {
	Seq      record.Seq
	Previous epoch.Hash
	Chain    epoch.Hash // value after it, by its own previous
	Level    Level
}

// Runs makes the ranges of one epoch from everything held of it, sorted by Seq. A broken link splits a range; where two
// envelopes claim one number, each continues only the run it links to, so that a forged one never joins the true chain.
//
// A range speaks to those boxes alone that know the value after its last record. A box that was restored from an image knows
// less than central holds, and would wait for ever; so a range is also said up to each of ends, which are the last numbers
// that headers name of this epoch as their predecessor, and those of the push that is being answered.
func Runs(id record.EpochID, held []Held, ends ...record.Seq) []Range {
	var done, open []Range
	var seq record.Seq
	for i := 0; i < len(held); {
		if held[i].Seq != seq+1 {
			done, open = append(done, open...), nil
		}
		seq = held[i].Seq
		var next []Range
		continued := make([]bool, len(open))
		find := finder(open)
		for ; i < len(held) && held[i].Seq == seq; i++ {
			next = append(next, extend(id, open, find, continued, held[i]))
		}
		for j, r := range open {
			if !continued[j] || slices.Contains(ends, r.Last) {
				done = append(done, r)
			}
		}
		open = next
	}
	return append(done, open...)
}

// end is by what an envelope finds the run that it continues.
type end struct {
	chain epoch.Hash
	level Level
}

// few is how many open runs are looked through; of more, which only forgers make, there is a table.
const few = 8

// finder finds the first of the open runs that ends so; -1 for none.
func finder(open []Range) func(end) int {
	if len(open) <= few {
		return func(e end) int {
			return slices.IndexFunc(open, func(r Range) bool { return r.Chain == e.chain && r.Level == e.level })
		}
	}
	all := make(map[end]int, len(open))
	for j, r := range slices.Backward(open) {
		all[end{r.Chain, r.Level}] = j
	}
	return func(e end) int {
		if j, ok := all[e]; ok {
			return j
		}
		return -1
	}
}

// extend continues the open run whose end the envelope names, or begins a new one. A change of level also splits, but the
// part before stays: both are true.
func extend(id record.EpochID, open []Range, find func(end) int, continued []bool, h Held) Range {
	if j := find(end{h.Previous, h.Level}); j >= 0 {
		continued[j] = true
		return Range{Epoch: id, First: open[j].First, Last: h.Seq, Chain: h.Chain, Level: h.Level}
	}
	return Range{Epoch: id, First: h.Seq, Last: h.Seq, Chain: h.Chain, Level: h.Level}
}
