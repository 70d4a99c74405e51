package delta_test

import (
	"fmt"
	"math/big"
	"testing"

	"kazashi.example/sync/crlset"
)

// byHand decodes a section with whole numbers of any size: the octets are one fraction, low is never shortened, and each probability is
// found by the name of its place.
type byHand struct {
	head  clear
	value *big.Int // the octets as a number, followed by zeros
	low   *big.Int
	width uint64
	scale uint // how many bits of low are below a step of width
	used  int
	size  int
	odds  map[string][2]int64 // x and n of DESIGN.md
}

const spare = 1 << 14 // octets of zeros that are enough behind a vector's section

func newByHand(b []byte, h clear) *byHand {
	padded := append(append([]byte{}, b...), make([]byte, spare)...)
	return &byHand{
		head: h, value: new(big.Int).SetBytes(padded), low: new(big.Int), width: 1<<32 - 1, scale: uint(len(padded)-4) * 8, used: 4,
		size: len(b), odds: map[string][2]int64{},
	}
}

func (*byHand) zero() *big.Int { return new(big.Int) }
func (*byHand) one() *big.Int  { return big.NewInt(1) }

// above reports whether the value is at or above low + n steps.
func (r *byHand) above(n uint64) (*big.Int, bool) {
	at := new(big.Int).Add(r.low, new(big.Int).Lsh(new(big.Int).SetUint64(n), r.scale))
	return at, r.value.Cmp(at) >= 0
}

func (r *byHand) shorten() {
	for r.width < 1<<24 {
		r.width <<= 8
		r.scale -= 8
		r.used++
	}
}

func (r *byHand) bit(place string) uint64 {
	o := r.odds[place]
	p := min(max(o[0]>>15+1<<15, 32), 65504)
	bound := r.width >> 16 * uint64(p)
	to, width := int64(1<<30), r.width
	at, one := r.above(bound)
	r.width = bound
	if one {
		r.low, r.width, to = at, width-bound, -to
	}
	o[0] += (to - o[0]) * (1 << 17 / (2*o[1] + 3)) >> 16
	o[1] = min(o[1]+1, 1023)
	r.odds[place] = o
	r.shorten()
	if one {
		return 1
	}
	return 0
}

func (r *byHand) raw(n int) uint64 {
	var v uint64
	for n > 0 {
		k := min(n, 12)
		n -= k
		r.width >>= k
		step := new(big.Int).Lsh(new(big.Int).SetUint64(r.width), r.scale)
		q := new(big.Int).Sub(r.value, r.low)
		q.Div(q, step)
		r.low.Add(r.low, step.Mul(step, q))
		v = v<<k | q.Uint64()
		r.shorten()
	}
	return v
}

func (r *byHand) tree(place string, n int) uint64 {
	var v uint64
	for i := range n {
		v = v<<1 | r.bit(fmt.Sprintf("%s after %0*b of %d", place, i, v, i))
	}
	return v
}

func (r *byHand) number(place string, fine int) *big.Int {
	length := int(r.tree(place+" length", 8))
	if length == 0 {
		return new(big.Int)
	}
	n := min(length-1, fine)
	v := new(big.Int).SetUint64(1<<n | r.tree(fmt.Sprintf("%s of %d bits", place, length), n))
	for rest := length - 1 - n; rest > 0; {
		k := min(rest, 48)
		rest -= k
		v.Lsh(v, uint(k)).Add(v, new(big.Int).SetUint64(r.raw(k)))
	}
	return v
}

func (r *byHand) reason() uint8 {
	if r.head.Columns&crlset.Reasons == 0 {
		return uint8(6 * r.bit("on hold"))
	}
	return uint8(r.tree("reason", 4))
}

func (r *byHand) date() int64 { return r.head.Newest - r.number("date", 5).Int64() }

// change reads what becomes of an entry that stays.
func (r *byHand) change(x *told) {
	dated := true
	if r.bit("another reason") == 1 {
		x.Reason = new(r.reason())
		dated = r.head.Columns&crlset.Dates != 0 && r.bit("another date") == 1
	}
	if dated {
		x.Date = new(r.date())
	}
}

// end wants the section used up, and low to be its octets.
func (r *byHand) end(t *testing.T) {
	t.Helper()
	if r.used != r.size || r.low.Cmp(r.value) != 0 {
		t.Errorf("section of %d octets, %d used", r.size, r.used)
	}
}
