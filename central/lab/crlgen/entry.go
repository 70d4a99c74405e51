package crlgen

import (
	"math/bits"

	"kazashi.example/sync/crlset"
)

// Entry is one line of a list, and how it is written.
type Entry struct {
	crlset.Entry
	NoReason    bool  // no reasonCode extension; Reason is then crlset.Unspecified
	Generalized bool  // the date as GeneralizedTime, else as UTCTime, which ends with 2049
	Invalidity  int64 // invalidityDate, Unix seconds; 0 for none
}

// teller says what an entry of a serial tells, as a function of seed and serial.
type teller struct {
	seed                             uint64
	first                            int64 // Unix second of the earliest date
	span                             uint64
	reasons                          []crlset.Reason // as often as their weight
	generalized                      bool
	noReason, invalidity, duplicates uint64 // thresholds of a 64-bit draw
}

func (s Spec) teller() *teller {
	t := &teller{
		seed: s.Seed, first: s.ThisUpdate.Add(-s.Span).Unix(), span: uint64(s.Span.Seconds()), generalized: s.Generalized,
		noReason: threshold(s.NoReason), invalidity: threshold(s.Invalidity), duplicates: threshold(s.Duplicates),
	}
	t.reasons = s.Mix.table()
	return t
}

func (m Mix) table() []crlset.Reason {
	var all []crlset.Reason
	for _, w := range m {
		for range w.Weight {
			all = append(all, w.Reason)
		}
	}
	return all
}

// threshold is what a draw of 64 bits stays below in that share of cases.
func threshold(share float64) uint64 {
	if share >= 1 {
		return ^uint64(0)
	}
	return uint64(share * (1 << 64))
}

// Purposes of draws: each attribute of a serial has its own.
const (
	drawDate uint64 = iota + 1
	drawReason
	drawNoReason
	drawInvalidity
	drawDuplicate
	drawChange
)

// chance is a draw of 64 bits for a serial: the finisher of splitmix64 over its words.
func chance(seed uint64, k crlset.Key, purpose uint64) uint64 {
	h := mix(seed + purpose*0x9e3779b97f4a7c15)
	h = mix(h ^ k.C)
	if k.B != 0 || k.A != 0 {
		h = mix(mix(h^k.B) ^ uint64(k.A))
	}
	return h
}

// mix is the output function of splitmix64 (G. Steele, D. Lea, C. Flood, OOPSLA 2014).
func mix(z uint64) uint64 {
	z += 0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below turns a draw of 64 bits into a number below n.
func below(draw, n uint64) uint64 {
	hi, _ := bits.Mul64(draw, n)
	return hi
}

// tell is what the list says of a serial; again is its second entry.
func (t *teller) tell(k crlset.Key, again bool) Entry {
	seed := t.seed
	if again {
		seed = ^seed
	}
	e := Entry{Entry: crlset.Entry{Key: k}, Generalized: t.generalized}
	e.Date = t.first + int64(below(chance(seed, k, drawDate), t.span))
	if t.noReason == 0 || chance(seed, k, drawNoReason) >= t.noReason {
		e.Reason = t.reasons[below(chance(seed, k, drawReason), uint64(len(t.reasons)))]
	} else {
		e.NoReason = true
	}
	if t.invalidity != 0 {
		if h := chance(seed, k, drawInvalidity); h < t.invalidity {
			e.Invalidity = e.Date - 1 - int64(h%(400*86400))
		}
	}
	return e
}

// twice reports whether the serial has a second entry.
func (t *teller) twice(k crlset.Key) bool {
	return t.duplicates != 0 && chance(t.seed, k, drawDuplicate) < t.duplicates
}
