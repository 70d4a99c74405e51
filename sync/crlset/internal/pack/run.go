package pack

import (
	"encoding/binary"
	"slices"
)

// PutAll appends the low width bits of each value; width at most 64.
func (w *Writer) PutAll(values []uint64, width uint) {
	words := int((w.fill + uint(len(values))*width) / 64)
	w.buf = slices.Grow(w.buf, words*8)
	to := w.buf[len(w.buf) : len(w.buf)+words*8]
	w.buf = w.buf[:len(w.buf)+len(to)]
	acc, fill, mask := w.acc, w.fill, Mask(width)
	for _, v := range values {
		v &= mask
		acc |= v << (fill & 63)
		if fill += width; fill >= 64 && len(to) >= 8 {
			binary.LittleEndian.PutUint64(to, acc)
			to = to[8:]
			fill -= 64
			acc = v >> (width - fill)
		}
	}
	w.acc, w.fill = acc, fill
}

// PutHighs appends what is left of the values, which must not fall, without their low k bits: for each a one bit, behind as many zero bits
// as it is more than the one before. There must be a value.
func (w *Writer) PutHighs(values []uint64, k uint) {
	buf, acc, end := w.buf, w.acc, uint64(64) // of acc, in bits from its first
	next, one := uint64(w.fill), uint64(0)
	for _, v := range values {
		for one = next + v>>k; one >= end; end += 64 {
			buf = binary.LittleEndian.AppendUint64(buf, acc)
			acc = 0
		}
		acc |= 1 << (one & 63)
		next++
	}
	w.buf, w.acc, w.fill = buf, acc, uint(one&63)
	w.Put(0, 1)
}
