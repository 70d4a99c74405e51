// Package pack is the bit-level codec under revocation sets and their deltas: bits least significant first, unary numbers,
// and digits of a fixed radix in words. Pure functions and values; a [Writer] belongs to one goroutine. Nothing here reads or
// writes a disk, and nothing checks what the octets mean.
package pack

import (
	"encoding/binary"
	"math/bits"
)

// Slack is how many octets Get may touch after the one in which its field begins.
const Slack = 9

// Get returns the width bits at bit position at, width at most 64. b must go on for Slack octets from the octet of at.
func Get(b []byte, at, width uint) uint64 {
	i, s := at>>3, at&7
	v := binary.LittleEndian.Uint64(b[i:]) >> s
	if s+width > 64 {
		v |= uint64(b[i+8]) << (64 - s)
	}
	return v & Mask(width)
}

// Mask is the low width bits, width at most 64.
func Mask(width uint) uint64 { return 1<<width - 1 }

// Writer packs bits behind the octets that it was given.
type Writer struct {
	buf  []byte
	acc  uint64
	fill uint
}

// NewWriter continues dst at its end.
func NewWriter(dst []byte) Writer { return Writer{buf: dst} }

// Put appends v, which must be below 2^width; width at most 64.
func (w *Writer) Put(v uint64, width uint) {
	w.acc |= v << w.fill
	if w.fill+width < 64 {
		w.fill += width
		return
	}
	w.buf = binary.LittleEndian.AppendUint64(w.buf, w.acc)
	w.acc = v >> (64 - w.fill)
	w.fill += width - 64
}

// Unary appends q zero bits and a one.
func (w *Writer) Unary(q uint64) {
	for ; q >= 63; q -= 63 {
		w.Put(0, 63)
	}
	w.Put(1<<q, uint(q)+1)
}

// Align pads with zero bits to an octet.
func (w *Writer) Align() {
	for ; w.fill > 0; w.fill -= min(w.fill, 8) {
		w.buf = append(w.buf, byte(w.acc))
		w.acc >>= 8
	}
	w.acc = 0
}

// Pad appends as few zero bits as let n more bits end with an octet.
func (w *Writer) Pad(n uint) { w.Put(0, -(w.fill+n)&7) }

// Bytes aligns and returns everything written, with what it began with.
func (w *Writer) Bytes() []byte {
	w.Align()
	return w.buf
}

// Share is floor(2^shift · 123/256), shift at most 63.
func Share(shift uint8) uint64 {
	hi, lo := bits.Mul64(1<<shift, 123)
	return hi<<56 | lo>>8
}

// LowBits is how many bits of an offset stand apart where n entries share 2^shift keys (DESIGN.md, Region and block): the bit length of
// share/n, for the Share of shift and n at least 1.
func LowBits(n, share uint64) uint {
	// Without the division: it is the bit length of share less that of n, or one more.
	less := max(bits.Len64(share)-bits.Len64(n), 0)
	return uint(less) + uint((n-1-share>>(less&63))>>63)
}

// Radix is digits of one radix in words of at most 64 bits.
type Radix struct {
	R       uint64
	PerMax  uint      // digits of a full word
	Width   [65]uint8 // bits of a word of so many digits
	Power   [65]uint64
	inverse [65]uint64 // of powers, rounded down
	magic   uint64
	words   uint64 // reciprocal of PerMax
}

// NewRadix makes the words of a radix from 1 to 2^32. Radix 1 takes no room.
func NewRadix(r uint64) *Radix {
	x := &Radix{R: r}
	x.Power[0] = 1
	if r < 2 {
		return x
	}
	for p := uint64(1); x.PerMax < 64; {
		hi, lo := bits.Mul64(p, r)
		if hi > 1 || hi == 1 && lo > 0 {
			break
		}
		x.PerMax++
		x.Width[x.PerMax] = uint8(width(hi, lo))
		x.Power[x.PerMax] = lo // 0 stands for 2^64
		if hi == 1 {
			break
		}
		p = lo
	}
	for i := range x.PerMax {
		x.inverse[i] = ^uint64(0) / x.Power[i]
	}
	x.words = (1<<32-1)/uint64(x.PerMax) + 1
	x.magic = ^uint64(0)/r + 1 // ceil(2^64 / r), but for r a power of two exactly 2^64 / r
	return x
}

// width is the number of bits that tell hi:lo values apart.
func width(hi, lo uint64) int {
	if hi == 1 {
		return 64
	}
	return bits.Len64(lo - 1)
}

// Bits is the room of n digits, n at most 2^16.
func (x *Radix) Bits(n uint) uint {
	if x.PerMax == 0 {
		return 0
	}
	words := uint(uint64(n) * x.words >> 32)
	return words*uint(x.Width[x.PerMax]) + uint(x.Width[n-words*x.PerMax])
}

// Fits reports whether w is a word of n digits.
func (x *Radix) Fits(w uint64, n uint) bool { return x.Power[n] == 0 || w < x.Power[n] }

// Split takes the least significant digit off a word.
func (x *Radix) Split(w uint64) (rest, digit uint64) {
	q, _ := bits.Mul64(w, x.magic)
	r := w - q*x.R
	if int64(r) < 0 { // the reciprocal is rounded up, so q is right or one too many
		q--
		r += x.R
	}
	return q, r
}

// Place says where digit i of n stands: the first bit of its word, the word's width and how many digits are below it.
func (x *Radix) Place(i, n uint) (at, width, below uint) {
	word := i / x.PerMax
	return word * uint(x.Width[x.PerMax]), uint(x.Width[min(x.PerMax, n-word*x.PerMax)]), i - word*x.PerMax
}

// Digit takes the digit out of its word that has so many below it.
func (x *Radix) Digit(w uint64, below uint) uint64 {
	if below > 0 {
		w /= x.Power[below]
	}
	return w % x.R
}

// At reads digit i of n, of words that begin at bit position at of b. The radix must be at least 2.
func (x *Radix) At(b []byte, at, i, n uint) uint64 {
	word := uint(uint64(i) * x.words >> 32)
	below := i - word*x.PerMax
	w := Get(b, at+word*uint(x.Width[x.PerMax]), uint(x.Width[min(x.PerMax, n-word*x.PerMax)]))
	w = divide(w, x.inverse[below], x.Power[below])
	return w - divide(w, x.inverse[1], x.R)*x.R
}

// divide is w / by, of which inverse is the reciprocal: its product with w is right or one too few.
func divide(w, inverse, by uint64) uint64 {
	q, _ := bits.Mul64(w, inverse)
	_, less := bits.Sub64(w-q*by, by, 0)
	return q + 1 - less
}
