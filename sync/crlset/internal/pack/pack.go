// Package pack is the bit-level codec under revocation sets: bits least significant first.
// Pure functions and values; a [Writer] belongs to one goroutine. Nothing here reads or
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

// Align pads with zero bits to an octet.
func (w *Writer) Align() {
	for ; w.fill > 0; w.fill -= min(w.fill, 8) {
		w.buf = append(w.buf, byte(w.acc))
		w.acc >>= 8
	}
	w.acc = 0
}

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
