package pack

import "slices"

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
