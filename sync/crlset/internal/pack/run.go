package pack

import (
	"encoding/binary"
	"slices"
)

// PutAll appends the low width bits of each value; width at most 64.
func (w *Writer) PutAll(values []uint64, width uint) {
	if width == 0 {
		return
	}
	w.buf = slices.Grow(w.buf, len(values)*int(width)/8+8)
	per, mask := int(64/width), Mask(width)
	for ; len(values) > per; values = values[per:] {
		w.Put(together(values[:per], width, mask), uint(per)*width)
	}
	w.Put(together(values, width, mask), uint(len(values))*width)
}

// together is values of so many bits in one number, the first lowest.
func together(values []uint64, width uint, mask uint64) (all uint64) {
	at := uint(0)
	for _, v := range values {
		all |= v & mask << (at & 63)
		at += width
	}
	return all
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
