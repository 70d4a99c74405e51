package crlset

import (
	"fmt"
	"io"
)

// Writer makes a set's file by a plan that is given. It belongs to one goroutine, and an error is final.
type Writer struct {
	layout  *Layout
	out     *appender
	region  *region // of the block that is being filled; nil before the first entry
	block   int     // its number
	base    Key     // its first key
	pending []Entry
	octets  []byte
	err     error
}

// NewWriter begins a file; ErrPlan if the plan contradicts itself.
func NewWriter(w io.Writer, p Plan) (*Writer, error) {
	l, err := p.Layout()
	if err != nil {
		return nil, err
	}
	return &Writer{layout: l, out: newAppender(w)}, nil
}

// Add takes the next entry: ErrOrder if it does not rise, ErrPlan if the plan has no place for it.
func (w *Writer) Add(e Entry) error { return w.AddBatch([]Entry{e}) }

// AddBatch takes the next entries; see Add. The slice may be used again afterwards.
func (w *Writer) AddBatch(entries []Entry) error {
	for len(entries) > 0 && w.err == nil {
		n := w.fits(entries)
		if len(w.pending)+n > MaxBlock {
			w.err = fmt.Errorf("%w: more than %d entries in a block", ErrPlan, MaxBlock)
			break
		}
		w.pending = append(w.pending, entries[:n]...)
		if entries = entries[n:]; len(entries) > 0 {
			w.err = w.turn(entries[0].Key)
		}
	}
	return w.err
}

// fits is how many of the entries have their place in the block that is being filled.
func (w *Writer) fits(entries []Entry) int {
	if w.region == nil {
		return 0
	}
	for i := range entries {
		if w.region.ends(entries[i].Key) {
			return i
		}
		d := entries[i].Key.Sub(w.base)
		if w.region.tail > 0 {
			d = shr(d, w.region.tail)
		}
		if uint64(d.A)|d.B|d.C>>w.region.shift != 0 {
			return i
		}
	}
	return len(entries)
}

// turn ends the block and goes on to that of k.
func (w *Writer) turn(k Key) error {
	if w.region != nil && k.Compare(w.base) < 0 {
		return ErrOrder
	}
	if err := w.end(); err != nil {
		return err
	}
	r := w.layout.region(k)
	if r == nil {
		return fmt.Errorf("%w: no region", ErrPlan)
	}
	b, ok := r.block(k)
	if !ok {
		return fmt.Errorf("%w: no region", ErrPlan)
	}
	w.region, w.block, w.base = r, r.first+b, r.base(b)
	return w.skip(w.block)
}

// skip writes empty blocks up to number to.
func (w *Writer) skip(to int) error {
	for w.out.blocks() < to {
		if err := w.out.put(nil); err != nil {
			return err
		}
	}
	return nil
}

// end writes the block that is being filled.
func (w *Writer) end() (err error) {
	if w.region == nil {
		return nil
	}
	if w.octets, err = w.region.encode(w.octets[:0], w.base, w.pending); err != nil {
		return err
	}
	w.pending = w.pending[:0]
	return w.out.put(w.octets)
}

// Close writes the rest of the file. The writer below stays open.
func (w *Writer) Close() (Summary, error) {
	if w.err == nil {
		w.err = w.end()
	}
	if w.err == nil {
		w.err = w.skip(w.layout.blocks)
	}
	if w.err != nil {
		return Summary{}, w.err
	}
	w.err = errClosed
	return w.out.finish(w.layout)
}
