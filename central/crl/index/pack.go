package index

import (
	"math/bits"

	"kazashi.example/sync/crlset"
)

// reasonBits is what a reason takes.
const reasonBits = 4

// A packing puts entries of some range into 64 bits each, the key highest, so that they are compared, moved and stored as numbers.
type packing struct {
	low, high   crlset.Key // the lowest key and the highest
	first, last int64      // the earliest date and the latest
	keyBits     int
	dateBits    int
}

// packingOf is a packing for these entries; false if they need more than 64 bits.
func packingOf(entries []crlset.Entry) (packing, bool) {
	var p packing
	p.widen(entries)
	return p, p.fits()
}

// widen takes more entries in. The zero packing has none.
func (p *packing) widen(entries []crlset.Entry) {
	if len(entries) == 0 {
		return
	}
	if *p == (packing{}) {
		p.low, p.high, p.first, p.last = entries[0].Key, entries[0].Key, entries[0].Date, entries[0].Date
	}
	low, high, first, last := p.low, p.high, p.first, p.last
	for i := range entries {
		k := &entries[i].Key
		if above(&low, k) {
			low = *k
		}
		if above(k, &high) {
			high = *k
		}
		first, last = min(first, entries[i].Date), max(last, entries[i].Date)
	}
	p.low, p.high, p.first, p.last = low, high, first, last
	p.keyBits, p.dateBits = bitLen(high.Sub(low)), bits.Len64(uint64(last-first))
}

// fits reports whether 64 bits are enough.
func (p *packing) fits() bool { return p.keyBits+p.dateBits+reasonBits <= 64 }

// below is how many bits stand below the key.
func (p *packing) below() int { return p.dateBits + reasonBits }

func (p *packing) pack(e *crlset.Entry) uint64 {
	return (e.Key.C-p.low.C)<<p.below() | uint64(e.Date-p.first)<<reasonBits | uint64(e.Reason) // the difference has no more than keyBits
}

func (p *packing) unpack(v uint64, e *crlset.Entry) {
	e.Key = p.low.Add(crlset.Key{C: v >> p.below()})
	e.Date = p.first + int64(v>>reasonBits&(1<<p.dateBits-1))
	e.Reason = crlset.Reason(v & (1<<reasonBits - 1))
}

// repack is what the number of another packing is in this one, which takes in all that the other does.
func (p *packing) repack(from *packing, v uint64) uint64 {
	key, date := v>>from.below()+(from.low.C-p.low.C), v>>reasonBits&(1<<from.dateBits-1)+uint64(from.first-p.first)
	return key<<p.below() | date<<reasonBits | v&(1<<reasonBits-1)
}

// resolve resolves two of one key.
func (p *packing) resolve(v, w uint64) uint64 {
	var a, b crlset.Entry
	p.unpack(v, &a)
	p.unpack(w, &b)
	a = crlset.Resolve(a, b)
	return p.pack(&a)
}

func bitLen(k crlset.Key) int {
	switch {
	case k.A != 0:
		return 128 + bits.Len32(k.A)
	case k.B != 0:
		return 64 + bits.Len64(k.B)
	default:
		return bits.Len64(k.C)
	}
}
