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
	aimed       = 256      // entries of a block; a block of 2^shift keys comes within √2 of it
	drifted     = 4        // times more or fewer entries than aimed make a new region
	driftBlocks = 16       // over so many blocks
	emptyRun    = 256      // more empty blocks than this make a new region
	freeRegions = 64       // and one more each
	regionCost  = 1 << 16  // entries; past that, regions are as coarse as the look-ahead
	coarse      = 128      // blocks for a whole look-ahead
	plainCost   = 4000     // bits that a block becomes longer by, about
)

// PlanningWriter makes a set's file and its plan from entries as they come. It holds twice the look-ahead in memory and four octets
// a block. It belongs to one goroutine, and an error is final.
type PlanningWriter struct {
	columns Columns
	out     *appender
	layout  Layout // of the regions so far, the open one included
	code    *code
	window  []Entry // those that are written and not yet overwritten included
	gone    int     // of the window, written
	last    Key
	any     bool
	done    uint64 // entries written
	stay    uint64 // until so many are written, the open region stays
	octets  []byte
	offsets *[MaxBlock]uint64 // of the block that is being written
	err     error
}

// NewPlanningWriter begins a file of these columns.
func NewPlanningWriter(w io.Writer, c Columns) *PlanningWriter {
	return &PlanningWriter{columns: c, out: newAppender(w)}
}

// Add takes the next entry: ErrOrder if it does not rise, ErrPlan if it is more than any set can tell.
func (w *PlanningWriter) Add(e Entry) error { return w.AddBatch([]Entry{e}) }

// AddBatch takes the next entries; see Add. The slice may be used again afterwards.
func (w *PlanningWriter) AddBatch(entries []Entry) error {
	for len(entries) > 0 && w.err == nil {
		n := min(len(entries), 2*lookAhead-len(w.window))
		w.makeRoom(n)
		if w.err = w.take(entries[:n]); w.err != nil {
			break
		}
		if entries = entries[n:]; w.code != nil || len(w.window) == 2*lookAhead {
			w.err = w.write(lookAhead)
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

// take moves entries to the window, for which there is room, if they rise.
func (w *PlanningWriter) take(entries []Entry) error {
	if !w.any {
		w.window, w.last, w.any = append(w.window, entries[0]), entries[0].Key, true
		entries = entries[1:]
	}
	last, to := w.last, w.window[len(w.window):len(w.window)+len(entries)]
	for i := range to {
		e := &entries[i]
		if !above(&e.Key, &last) {
			return ErrOrder
		}
		to[i], last = *e, e.Key
	}
	w.window, w.last = w.window[:len(w.window)+len(to)], last
	return nil
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
		w.err = w.write(0)
	}
	if w.err != nil {
		return Summary{}, w.err
	}
	w.err = errClosed
	return w.out.close(w.layout.plan)
}

// write writes blocks until no more than keep entries are left in the window.
func (w *PlanningWriter) write(keep int) (err error) {
	if w.code == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.offsets = offsets.Get().(*[MaxBlock]uint64)
	defer offsets.Put(w.offsets)
	for len(w.window)-w.gone > keep {
		n, err := w.block(w.window[w.gone:])
		if err != nil {
			return err
		}
		w.gone += n
	}
	if len(w.window) == 2*lookAhead {
		w.window, w.gone = w.window[:copy(w.window, w.window[w.gone:])], 0
	}
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

// block writes the block of the first entry, and returns how many entries it has.
func (w *PlanningWriter) block(rest []Entry) (int, error) {
	b, n, plain, err := w.next(rest)
	if err == nil && n == 0 {
		b, n, plain, err = w.open(rest)
	}
	if err != nil {
		return 0, err
	}
	r := w.current()
	for r.first+b > w.out.blocks() {
		if err := w.out.put(nil); err != nil {
			return 0, err
		}
	}
	if w.octets, err = r.put(w.octets[:0], w.offsets, r.base(b), rest[:n], plain); err != nil {
		return 0, err
	}
	r.blocks = b + 1
	w.layout.blocks = r.first + r.blocks
	w.layout.plan.Regions[len(w.layout.regions)-1].Blocks = uint32(r.blocks)
	w.done += uint64(n)
	return n, w.out.put(w.octets)
}

// current is the region that blocks are written to.
func (w *PlanningWriter) current() *region { return &w.layout.regions[len(w.layout.regions)-1] }

// next is the block of the first entry, how many entries it has and whether it must be plain. No entries: the open region does not suit.
func (w *PlanningWriter) next(rest []Entry) (b, n int, plain bool, err error) {
	if len(w.layout.regions) == 0 {
		return 0, 0, false, nil
	}
	r := w.current()
	hi, ok := r.reach(rest[0].Key)
	if !ok || hi>>r.shift >= math.MaxUint32 || int(hi>>r.shift)-r.blocks > emptyRun {
		return 0, 0, false, nil
	}
	b = int(hi >> r.shift)
	n, plain, err = r.gather(w.offsets, r.base(b), rest)
	if n > MaxBlock || !w.suits(rest, b, n) {
		n = 0
	}
	return b, n, plain, err
}

// suits reports whether the open region goes on to have the density that it was laid out for, from block b with n entries on.
func (w *PlanningWriter) suits(rest []Entry, b, n int) bool {
	if w.done < w.stay || n > aimed/drifted && n < aimed*drifted {
		return true
	}
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

// open begins a region at the first entry; see next.
func (w *PlanningWriter) open(rest []Entry) (b, n int, plain bool, err error) {
	if len(w.layout.regions) == MaxRegions {
		return 0, 0, false, fmt.Errorf("%w: more than %d regions", ErrPlan, MaxRegions)
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
	if err := w.layout.add(g, w.code); err != nil {
		return 0, 0, false, err
	}
	n, plain, err = w.current().gather(w.offsets, start, rest)
	return 0, n, plain, err
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

// expectedReasons are those seen more than once in the look-ahead: one that is rarer costs less in plain blocks.
func expectedReasons(window []Entry, c Columns) []Reason {
	var seen [16]int
	for i := range window {
		seen[window[i].Reason&15]++
	}
	if c == 0 || c == Dates && seen[CertificateHold] < 2 {
		return []Reason{Unspecified} // without dates, the plain form has a hold flag at no more than the digits would cost
	}
	if c == Dates {
		return []Reason{Unspecified, CertificateHold}
	}
	var out []Reason
	for r, n := range seen {
		if n > 1 || n > 0 && len(window) < lookAhead {
			out = append(out, Reason(r))
		}
	}
	if len(out) == 0 {
		out = append(out, Unspecified)
	}
	return out
}

// expectedDates is the range of the look-ahead, widened by what later entries and the next weeks' will need.
func expectedDates(window []Entry, reasons int) (base int64, span uint64) {
	if len(window) == 0 {
		return 0, 1
	}
	first, last := usualDates(window)
	seen := last - first
	first = max(first-seen/512, -dateBias)
	last = min(last+seen/64, dateBias-1)
	span = uint64(last - first + 1)
	low := lowBits(span, reasons)
	return first, min(((span-1)>>low+1)<<low, uint64(dateBias-first)) // up to here digits cost no more
}

// usualDates is the range of dates without the few that would cost all others more than the plain form costs their blocks.
func usualDates(window []Entry) (first, last int64) {
	most := len(window) / 2048 // that may be left out at either end
	early, late := extremes{most: most + 1}, extremes{most: most + 1}
	for i := range window {
		early.add(window[i].Date)
		late.add(^window[i].Date)
	}
	least := math.Inf(1)
	for a := 0; a <= most; a = 2*a + 1 {
		for b := 0; b <= most; b = 2*b + 1 {
			from, to := early.dates[a], ^late.dates[b]
			if cost := float64(len(window))*math.Log2(float64(to-from+1)) + float64(a+b)*plainCost; cost < least {
				first, last, least = from, to, cost
			}
		}
	}
	return first, last
}

// extremes are the least of the dates that were added, so many at most, rising.
type extremes struct {
	dates []int64
	most  int
}

func (x *extremes) add(date int64) {
	switch end := len(x.dates) - 1; {
	case len(x.dates) < x.most:
		x.dates = append(x.dates, date)
	case date < x.dates[end]:
		x.dates[end] = date
	default:
		return
	}
	for i := len(x.dates) - 1; i > 0 && x.dates[i] < x.dates[i-1]; i-- {
		x.dates[i], x.dates[i-1] = x.dates[i-1], x.dates[i]
	}
}
