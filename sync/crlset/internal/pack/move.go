package pack

import (
	"encoding/binary"
	"slices"
)

// Move appends n bits of b from bit position at. b must go on for Slack octets from the last octet of them.
func (w *Writer) Move(b []byte, at, n uint) {
	words := n / 64
	w.buf = slices.Grow(w.buf, int(words)*8)
	to := w.buf[len(w.buf) : len(w.buf)+int(words)*8]
	w.buf = w.buf[:len(w.buf)+len(to)]
	acc, fill, shift := w.acc, w.fill&63, at&7
	for from := b[at>>3:]; len(to) >= 8 && len(from) >= 9; to, from = to[8:], from[8:] {
		v := binary.LittleEndian.Uint64(from)>>shift | uint64(from[8])<<(63-shift)<<1
		binary.LittleEndian.PutUint64(to, acc|v<<fill)
		acc = v >> (63 - fill) >> 1
	}
	w.acc = acc
	if rest := n % 64; rest > 0 {
		w.Put(Get(b, at+words*64, rest), rest)
	}
}

// Set makes v, which must be below 2^width, of the width bits at bit position at of b.
func Set(b []byte, at, width uint, v uint64) {
	for width > 0 {
		shift := at & 7
		n := min(8-shift, width)
		octet := &b[at>>3]
		*octet = *octet&^byte(Mask(n)<<shift) | byte(v<<shift)&byte(Mask(n)<<shift)
		v, at, width = v>>n, at+n, width-n
	}
}
