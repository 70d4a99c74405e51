package crlset

import (
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"sort"
)

// How regions are chosen. None of it is part of the format: the plan that comes of it travels in the file.
const (
	lookAhead   = MaxBlock // entries
	fewEntries  = 1 << 13  // up to which memory grows with them
	someEntries = 1 << 12  // come between two times at which blocks are written
	aimed       = 256      // entries of a block; a block of 2^shift keys comes within √2 of it
	drifted     = 4        // times more or fewer entries than aimed make a new region
	driftBlocks = 16       // over so many blocks
	emptyRun    = 256      // more empty blocks than this make a new region
	freeRegions = 64       // and one more each
	regionCost  = 1 << 16  // entries; past that, regions are as coarse as the look-ahead
	coarse      = 128      // blocks for a whole look-ahead
	plainCost   = 4000     // bits that a block becomes longer by, about
)

// PlanningWriter makes a set's file and its plan from entries as they come. It writes what no later entry can change. It holds twice the
// look-ahead in memory and four octets a block. It belongs to one goroutine, and an error is final.
type PlanningWriter struct {
	columns Columns
	out     *appender
	layout  Layout // of the regions so far, the open one included
	code    *code
	window  []Entry // those that are written and not yet overwritten included
	gone    int     // of the window, written
	due     int     // entries of the window at which to write
	last    Key
	any     bool
	done    uint64 // entries written
	stay    uint64 // until so many are written, the open region stays
	octets  []byte
	scratch *table // of write
	err     error
}

// NewPlanningWriter begins a file of these columns.
func NewPlanningWriter(w io.Writer, c Columns) *PlanningWriter {
	return &PlanningWriter{columns: c, out: newAppender(w), due: 2 * lookAhead}
}

// Add takes the next entry: ErrOrder if it does not rise, ErrPlan if it is more than any set can tell.
func (w *PlanningWriter) Add(e Entry) error { return w.AddBatch([]Entry{e}) }

// AddBatch takes the next entries; see Add. The slice may be used again afterwards.
func (w *PlanningWriter) AddBatch(entries []Entry) error {
	for len(entries) > 0 && w.err == nil {
		n := min(len(entries), w.due-len(w.window))
		w.makeRoom(n)
		if w.err = w.take(entries[:n]); w.err != nil {
			break
		}
		if entries = entries[n:]; len(w.window) >= w.due {
			w.err = w.write(false)
		}
	}
	return w.err
}

// makeRoom makes room for n entries, at once for all that there may be: growing by and by would leave as much again behind.
func (w *PlanningWriter) makeRoom(n int) {
	switch {
	case len(w.window)+n <= cap(w.window):
	case len(w.window)+n > fewEntries:
		w.window = append(make([]Entry, 0, 2*lookAhead), w.window...)
	default:
		w.window = slices.Grow(w.window, n)
	}
}

// take moves entries to the window, for which there is room, if they rise. A few at a time are nearer.
func (w *PlanningWriter) take(entries []Entry) error {
	for len(entries) > 0 {
		some := entries[:min(len(entries), aimed)]
		if w.any && !above(&some[0].Key, &w.last) || !rises(some) {
			return ErrOrder
		}
		w.window = append(w.window, some...)
		w.last, w.any = some[len(some)-1].Key, true
		entries = entries[len(some):]
	}
	return nil
}

// rises reports whether each is above the one before.
func rises(entries []Entry) bool {
	k := &entries[0].Key
	for i := range entries[1:] {
		next := &entries[1+i].Key
		if !above(next, k) {
			return false
		}
		k = next
	}
	return true
}

// above is k.Compare(l) > 0 for a loop that does little else.
func above(k, l *Key) bool {
	if k.B == l.B && k.A == l.A {
		return k.C > l.C
	}
	return k.A > l.A || k.A == l.A && k.B > l.B
}

// Close writes the rest of the file. The writer below stays open.
func (w *PlanningWriter) Close() (Summary, error) {
	if w.err == nil {
		w.err = w.write(true)
	}
	if w.err != nil {
		return Summary{}, w.err
	}
	w.err = errClosed
	return w.out.close(w.layout.plan)
}

// write writes the blocks that it can tell from what has come; all: nothing more comes.
func (w *PlanningWriter) write(all bool) (err error) {
	if w.code == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.scratch = tables.Get().(*table)
	defer tables.Put(w.scratch)
	for rest := w.window[w.gone:]; len(rest) > 0; rest = w.window[w.gone:] {
		n, err := w.block(rest, all || len(rest) > lookAhead)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		w.gone += n
	}
	left := len(w.window) - w.gone
	if w.gone >= left || len(w.window) == 2*lookAhead {
		w.window, w.gone = w.window[:copy(w.window, w.window[w.gone:])], 0
	}
	w.due = min(len(w.window)+max(someEntries, left/4), 2*lookAhead)
	return nil
}

// begin fixes reasons and dates from the first look-ahead.
func (w *PlanningWriter) begin() (err error) {
	p := &w.layout.plan
	p.Columns = w.columns
	p.Reasons = expectedReasons(w.window, w.columns)
	if w.columns&Dates != 0 {
		p.DateBase, p.DateSpan = expectedDates(w.window, len(p.Reasons))
	}
	w.code, err = newCode(p.Columns, p.Reasons, p.DateBase, p.DateSpan)
	return err
}

// block writes the block of the first entry, and returns how many entries it has; 0 if that or its region depend on what comes next. sure:
// the whole look-ahead is there, or all that ever comes.
func (w *PlanningWriter) block(rest []Entry, sure bool) (n int, err error) {
	b, ok := w.place(rest[0].Key)
	if ok {
		if err := w.current().gather(w.scratch, w.current().base(b), rest); err != nil {
			return 0, err
		}
		n = w.scratch.n
		if n == len(rest) && !sure {
			return 0, nil
		}
		ok = n <= MaxBlock && (w.usual(n) || sure && w.goesOn(rest, b))
	}
	if !ok && !sure {
		return 0, nil
	}
	if !ok {
		if err := w.open(rest); err != nil {
			return 0, err
		}
		b = 0
		if err := w.current().gather(w.scratch, rest[0].Key, rest); err != nil {
			return 0, err
		}
		n = w.scratch.n
	}
	return n, w.put(b, rest[:n])
}

// put writes block b of the open region, whose offsets were gathered.
func (w *PlanningWriter) put(b int, entries []Entry) (err error) {
	r := w.current()
	for r.first+b > w.out.blocks() {
		if err := w.out.put(nil); err != nil {
			return err
		}
	}
	if w.octets, err = r.put(w.octets[:0], w.scratch, r.base(b), entries); err != nil {
		return err
	}
	r.blocks = b + 1
	w.layout.blocks = r.first + r.blocks
	w.layout.plan.Regions[len(w.layout.regions)-1].Blocks = uint32(r.blocks)
	w.done += uint64(len(entries))
	return w.out.put(w.octets)
}

// current is the region that blocks are written to.
func (w *PlanningWriter) current() *region { return &w.layout.regions[len(w.layout.regions)-1] }

// place is the block of a key in the open region; false if the region ends before.
func (w *PlanningWriter) place(k Key) (b int, ok bool) {
	if len(w.layout.regions) == 0 {
		return 0, false
	}
	r := w.current()
	hi, ok := r.reach(k)
	if !ok || hi>>r.shift >= math.MaxUint32 || int(hi>>r.shift)-r.blocks > emptyRun {
		return 0, false
	}
	return int(hi >> r.shift), true
}

// usual reports whether a block of n entries needs no look at what comes next.
func (w *PlanningWriter) usual(n int) bool {
	return w.done < w.stay || n > aimed/drifted && n < aimed*drifted
}

// goesOn reports whether the open region has from block b on the density that it was laid out for.
func (w *PlanningWriter) goesOn(rest []Entry, b int) bool {
	r := w.current()
	limit := uint64(b+driftBlocks) << r.shift
	if limit>>r.shift != uint64(b+driftBlocks) {
		limit = math.MaxUint64
	}
	c := r.within(rest, limit)
	return c < driftBlocks*aimed*drifted && (c > driftBlocks*aimed/drifted || c == len(rest))
}

// reach is the distance of k from the start without its tail; false if it has more than 64 bits.
func (r *region) reach(k Key) (uint64, bool) {
	d := k.Sub(r.start)
	if r.tail > 0 {
		d = shr(d, r.tail)
	}
	return d.C, d.A == 0 && d.B == 0
}

// count is how many entries from the first on are in block b.
func (r *region) count(rest []Entry, b int) int {
	base := r.base(b)
	for i := range rest {
		d := rest[i].Key.Sub(base)
		if r.tail > 0 {
			d = shr(d, r.tail)
		}
		if uint64(d.A)|d.B|d.C>>r.shift != 0 {
			return i
		}
	}
	return len(rest)
}

// within is how many entries are less than limit from the start.
func (r *region) within(rest []Entry, limit uint64) int {
	return sort.Search(len(rest), func(i int) bool {
		hi, ok := r.reach(rest[i].Key)
		return !ok || hi >= limit
	})
}

// open begins a region at the first entry.
func (w *PlanningWriter) open(rest []Entry) error {
	if len(w.layout.regions) == MaxRegions {
		return fmt.Errorf("%w: more than %d regions", ErrPlan, MaxRegions)
	}
	start := rest[0].Key
	g := Region{Start: start.octets(), Blocks: 1}
	if allowed := freeRegions + w.done/regionCost; uint64(len(w.layout.regions)) < allowed {
		g.Tail, g.Shift = geometry(rest, even(rest), aimed)
	} else {
		n := min(len(rest), lookAhead)
		g.Tail, g.Shift = geometry(rest, n, max(n/coarse, 1))
		w.stay = w.done + lookAhead
	}
	w.layout.plan.Regions = append(w.layout.plan.Regions, g)
	return w.layout.add(g, w.code)
}

// even is how many entries from the first on have one density, as far as doubling tells.
func even(rest []Entry) int {
	n := min(len(rest), aimed/drifted/4)
	for n < min(len(rest), lookAhead) {
		twice := min(2*n, len(rest))
		if ratio := gap(rest, twice) / gap(rest, n); ratio > 2*drifted || ratio < 1.0/(2*drifted) {
			break
		}
		n = twice
	}
	return n
}

// gap is the mean distance of the first n entries.
func gap(rest []Entry, n int) float64 {
	if n < 2 {
		return 1
	}
	return float(rest[n-1].Key.Sub(rest[0].Key)) / float64(n-1)
}

func float(k Key) float64 {
	return math.Ldexp(float64(k.A), 128) + math.Ldexp(float64(k.B), 64) + float64(k.C)
}

// geometry lays out blocks of about per entries by the density of the first n, and never more than MaxBlock in the first.
func geometry(rest []Entry, n, per int) (tail, shift uint8) {
	size := int(math.Round(math.Log2(gap(rest, n) * float64(per))))
	if len(rest) > MaxBlock {
		size = min(size, rest[MaxBlock].Key.Sub(rest[0].Key).len()-1)
	}
	size = min(max(size, 0), maxTail+maxShift)
	space := Key{1<<32 - 1, math.MaxUint64, math.MaxUint64}.Sub(rest[0].Key)
	if beyond := min(space.len()-64, size-2*bits.Len(aimed)); beyond > 0 {
		tail = uint8(beyond)
	}
	if size-int(tail) > maxShift {
		tail = uint8(size - maxShift)
	}
	return tail, uint8(size) - tail
}

// len is the number of bits of k.
func (k Key) len() int {
	switch {
	case k.A != 0:
		return 128 + bits.Len32(k.A)
	case k.B != 0:
		return 64 + bits.Len64(k.B)
	default:
		return bits.Len64(k.C)
	}
}
