package crlset

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// ErrConflict says that a revision does not fit its set: it adds what is there, or changes an entry to what it is.
var ErrConflict = errors.New("revision does not fit the revocation set")

// Edit is what becomes of one entry of a block.
type Edit struct {
	Place   int // of the entry among those of the block, in rising order of key
	Removed bool
	Told    bool // it has another reason
	Dated   bool // it has another date
	Reason  Reason
	Date    int64
}

// Revision is what becomes of a block: its edits in rising order of place, then the additions in rising order of key.
type Revision struct {
	Edits []Edit
	Added []Entry
}

// Reviser says what becomes of each block of a set.
type Reviser interface {
	// Revise is asked for every block in order, with the number of its entries, in a goroutine of its own. It appends the block's
	// revisions, one after the other, to dst; none leave the block as it is. They must stay as they are until Revise of this package
	// returns.
	Revise(dst []Revision, block, entries int) ([]Revision, error)
}

// Revise writes the set that by makes of base, under the same plan: octet for octet what a Writer makes of the same entries. Blocks
// that are left alone are copied, the others coded anew on all processors. ErrConflict, ErrPlan, and the errors of base, by and w.
func Revise(w io.Writer, base *Set, by Reviser) (Summary, error) {
	r := revising{base: base, by: by, out: newStream(w), stop: make(chan struct{})}
	r.order, r.work = make(chan *batch, batches), make(chan *batch, batches)
	a := &appender{out: r.out, sizes: make([]uint32, 0, base.layout.blocks)}
	_, a.err = io.WriteString(a.out, magic)
	var running sync.WaitGroup
	running.Go(r.plan)
	for range runtime.GOMAXPROCS(0) {
		running.Go(r.code)
	}
	err := r.collect(a)
	close(r.stop)
	running.Wait()
	defer runtime.KeepAlive(base)
	if err != nil {
		r.out.abandon()
		return Summary{}, fmt.Errorf("revising a revocation set: %w", err)
	}
	return a.finish(base.layout)
}

// revising is one run of Revise: plan cuts the base into batches, code makes their octets, collect writes them in order.
type revising struct {
	base        *Set
	by          Reviser
	out         *stream
	order, work chan *batch
	stop        chan struct{}
}

// plan makes batches of consecutive blocks.
func (r *revising) plan() {
	defer close(r.order)
	defer close(r.work)
	for i := 0; i < r.base.layout.blocks; {
		var b *batch
		select {
		case b = <-r.out.free:
		case <-r.stop:
			return
		}
		b.begin(i)
		b.err = r.base.guard(func() error { return b.fill(r.base, r.by) })
		i += len(b.bounds) - 1
		failed := b.err != nil
		r.order <- b // as many places as there are batches
		r.work <- b
		if failed {
			return
		}
	}
}

// code makes the octets of batches.
func (r *revising) code() {
	for b := range r.work {
		if b.err == nil {
			b.err = r.base.guard(func() error { return b.code(r.base) })
		}
		b.done <- struct{}{}
	}
}

// collect writes batches in order.
func (r *revising) collect(a *appender) error {
	for b := range r.order {
		<-b.done
		if err := errors.Join(a.err, b.err); err != nil {
			r.out.free <- b
			return err
		}
		a.sizes = append(a.sizes, b.sizes...)
		a.entries += b.entries
		r.base.release(b.bounds[0], b.bounds[len(b.bounds)-1])
		if a.err = r.out.take(b); a.err != nil {
			return a.err
		}
	}
	return nil
}
