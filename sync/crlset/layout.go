package crlset

import (
	"fmt"
	"math/bits"
	"sort"

	"kazashi.example/sync/crlset/internal/pack"
)

// Bounds of plans and blocks. They are part of the format.
const (
	// MaxBlock is the most entries of a block.
	MaxBlock = 1 << 15
	// MaxRegions is the most regions of a plan.
	MaxRegions = 8000

	maxTail  = 96
	maxShift = 63
	dateBias = 1 << 39 // a date is at least −2^39 and below 2^39 seconds
	dateBits = 40
)

// Layout is a plan ready for use: it finds the block of a key, and codes the entries of a block. It may be used from any goroutine.
type Layout struct {
	plan    Plan
	regions []region
	blocks  int
	sole    *region // if there is only one, in a set's layout
}

// region is a Region ready for use.
type region struct {
	start  Key
	end    Key    // the start of the next region; 0 if this is the last
	size   uint64 // of the region in units of 2^tail keys; 0 is 2^64
	first  int    // number of its first block
	blocks int
	tail   uint8
	shift  uint8
	share  uint64 // pack.Share of shift
	code   *code
	quick  quick // in a set's layout
}

// Layout checks a plan; ErrPlan if it contradicts itself.
func (p Plan) Layout() (*Layout, error) {
	c, err := newCode(p.Columns, p.Reasons, p.DateBase, p.DateSpan)
	if err != nil {
		return nil, err
	}
	if len(p.Regions) > MaxRegions {
		return nil, fmt.Errorf("%w: %d regions", ErrPlan, len(p.Regions))
	}
	l := &Layout{plan: p, regions: make([]region, 0, len(p.Regions))}
	for i := range p.Regions {
		if err := l.add(p.Regions[i], c); err != nil {
			return nil, fmt.Errorf("region %d: %w", i, err)
		}
	}
	return l, nil
}

// add appends a region behind those that are there.
func (l *Layout) add(g Region, c *code) error {
	if len(g.Start) > 20 || len(g.Start) > 0 && g.Start[0] == 0 || g.Tail > maxTail || g.Shift > maxShift || g.Blocks == 0 {
		return fmt.Errorf("%w: region out of range", ErrPlan)
	}
	r := region{start: keyOf(g.Start), first: l.blocks, blocks: int(g.Blocks), tail: g.Tail, shift: g.Shift, share: pack.Share(g.Shift), code: c}
	if hi, lo := bits.Mul64(uint64(g.Blocks), 1<<g.Shift); hi > 1 || hi == 1 && lo > 0 {
		return fmt.Errorf("%w: region of more than 64 bits", ErrPlan)
	} else {
		r.size = lo
	}
	if r.base(r.blocks-1).Compare(r.start) < 0 {
		return fmt.Errorf("%w: region beyond 160 bits", ErrPlan)
	}
	if n := len(l.regions); n > 0 && r.start.Compare(l.regions[n-1].start) <= 0 {
		return fmt.Errorf("%w: regions out of order", ErrPlan)
	} else if n > 0 {
		l.regions[n-1].end = r.start
	}
	if l.blocks += r.blocks; l.blocks > 1<<32-1 {
		return fmt.Errorf("%w: too many blocks", ErrPlan)
	}
	l.regions = append(l.regions, r)
	return nil
}

// Blocks is how many blocks there are, empty ones included. They are numbered from 0 in the order of their keys.
func (l *Layout) Blocks() int { return l.blocks }

// Moderate reports whether there are no more blocks than so many entries may have in a plan that travels in a delta: what a delta costs
// must follow from its size.
func (l *Layout) Moderate(entries uint64) bool { return uint64(l.blocks) <= 1<<16+4*entries }

// Block finds the block in which a key has its place.
func (l *Layout) Block(k Key) (int, bool) {
	r := l.region(k)
	if r == nil {
		return 0, false
	}
	b, ok := r.block(k)
	return r.first + b, ok
}

// region is the last one that starts at or below k.
func (l *Layout) region(k Key) *region {
	if len(l.regions) == 1 && l.regions[0].start.Compare(k) <= 0 {
		return &l.regions[0]
	}
	n := sort.Search(len(l.regions), func(i int) bool { return l.regions[i].start.Compare(k) > 0 })
	if n == 0 {
		return nil
	}
	return &l.regions[n-1]
}

// regionOf is the one that holds block i.
func (l *Layout) regionOf(i int) *region {
	n := sort.Search(len(l.regions), func(j int) bool { return l.regions[j].first > i })
	return &l.regions[n-1]
}

// block is the number within r of the block of k, which is not below the start.
func (r *region) block(k Key) (int, bool) {
	hi, ok := r.high(k.Sub(r.start))
	return int(hi >> r.shift), ok
}

// ends reports whether k belongs to the next region already.
func (r *region) ends(k Key) bool { return r.end != Key{} && k.Compare(r.end) >= 0 }

// high is a distance from the start without its tail.
func (r *region) high(d Key) (uint64, bool) {
	if r.tail > 0 {
		d = shr(d, r.tail)
	}
	return d.C, d.A == 0 && d.B == 0 && d.C <= r.size-1
}

// base is the first key of block i of r.
func (r *region) base(i int) Key { return r.start.Add(shl(uint64(i)<<r.shift, r.tail)) }

// code is how reasons and dates are told in the blocks that need no plain form.
type code struct {
	columns Columns
	reasons []Reason
	index   [16]int8 // of what is told of a reason in reasons, or −1
	base    int64
	span    uint64
	facts   uint64 // so many can be told of an entry
	field   uint8  // bits that tell them apart
	inverse uint64 // 2^63 / reasons, rounded up
}

// newCode checks what a plan says of reasons and dates.
func newCode(columns Columns, reasons []Reason, base int64, span uint64) (*code, error) {
	c := &code{columns: columns, reasons: reasons, base: base, span: span, facts: uint64(len(reasons))}
	for i := range c.index {
		c.index[i] = -1
	}
	for i, r := range reasons {
		if !r.Valid() || i > 0 && reasons[i-1] >= r || columns&Reasons == 0 && r != Unspecified && r != CertificateHold {
			return nil, fmt.Errorf("%w: reasons", ErrPlan)
		}
		c.index[r] = int8(i)
	}
	for r := range c.index {
		c.index[r] = c.index[c.told(Reason(r))]
	}
	if columns&^Full != 0 || len(reasons) == 0 || columns&Reasons == 0 && reasons[0] != Unspecified {
		return nil, fmt.Errorf("%w: columns or reasons", ErrPlan)
	}
	if columns&Dates == 0 {
		if base != 0 || span != 0 {
			return nil, fmt.Errorf("%w: dates without their column", ErrPlan)
		}
		return c.ready(), nil
	}
	if base < -dateBias || base >= dateBias || span == 0 || span > uint64(dateBias-base) {
		return nil, fmt.Errorf("%w: range of dates", ErrPlan)
	}
	c.facts *= span
	return c.ready(), nil
}

// ready computes what follows from the facts and the reasons, of which there is one at least.
func (c *code) ready() *code {
	c.field = uint8(bits.Len64(c.facts - 1)) //nolint:gosec // below 2^44
	c.inverse = (1<<63-1)/uint64(len(c.reasons)) + 1
	return c
}

// number is what a field has for an entry that the code covers.
func (c *code) number(e *Entry) uint64 {
	v := uint64(c.index[c.told(e.Reason)]) //nolint:gosec // not below 0
	if c.columns&Dates != 0 {
		v += uint64(e.Date-c.base) * uint64(len(c.reasons)) //nolint:gosec // within the span
	}
	return v
}

// fact is what a number tells that is below facts.
func (c *code) fact(v uint64) Fact {
	date, _ := bits.Mul64(2*v, c.inverse)                                       // v / reasons, right for numbers below 2^59
	return Fact{c.base + int64(date), c.reasons[v-date*uint64(len(c.reasons))]} //nolint:gosec // below 2^40
}

// covers reports whether the code can tell e without the plain form.
func (c *code) covers(e *Entry) bool {
	return e.Reason < Reason(len(c.index)) && c.index[c.told(e.Reason)] >= 0 && (c.columns&Dates == 0 || uint64(e.Date-c.base) < c.span)
}

// tells reports whether the plain form can tell e.
func (c *code) tells(e *Entry) bool {
	return e.Reason.Valid() && (c.columns&Dates == 0 || uint64(e.Date+dateBias) < 1<<dateBits)
}

// told is what the set will tell of a reason.
func (c *code) told(r Reason) Reason {
	if c.columns&Reasons != 0 {
		return r
	}
	if r == CertificateHold {
		return r
	}
	return Unspecified
}

// plainBits is the room of a reason or hold flag in the plain form.
func (c *code) plainBits() uint {
	if c.columns&Reasons != 0 {
		return 4
	}
	return 1
}

// plainField is the room of reason and date in the plain form.
func (c *code) plainField() uint {
	if c.columns&Dates != 0 {
		return c.plainBits() + dateBits
	}
	return c.plainBits()
}

// keyOf takes at most 20 octets, big-endian.
func keyOf(b []byte) (k Key) {
	for _, o := range b {
		k.A = k.A<<8 | uint32(k.B>>56)
		k.B = k.B<<8 | k.C>>56
		k.C = k.C<<8 | uint64(o)
	}
	return k
}

// octets is the inverse of keyOf, without leading zero octets.
func (k Key) octets() []byte {
	b := make([]byte, 0, 20)
	for i := 24; i >= 0; i -= 8 {
		b = append(b, byte(k.A>>i))
	}
	for _, w := range []uint64{k.B, k.C} {
		for i := 56; i >= 0; i -= 8 {
			b = append(b, byte(w>>i))
		}
	}
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return b
}

// shl is v << n within 160 bits.
func shl(v uint64, n uint8) Key {
	switch {
	case n == 0:
		return Key{C: v}
	case n < 64:
		return Key{B: v >> (64 - n), C: v << n}
	case n < 128:
		return Key{A: uint32(v >> (128 - n)), B: v << (n - 64)}
	default:
		return Key{A: uint32(v << (n - 128))}
	}
}

// shr is k >> n, n at least 1.
func shr(k Key, n uint8) Key {
	a := uint64(k.A)
	switch {
	case n < 64:
		return Key{uint32(a >> n), k.B>>n | a<<(64-n), k.C>>n | k.B<<(64-n)}
	case n == 64:
		return Key{0, a, k.B}
	case n < 128:
		return Key{0, a >> (n - 64), k.B>>(n-64) | a<<(128-n)}
	default:
		return Key{0, 0, a >> (n - 128)}
	}
}

// low is the low n bits of k in two words; n at most 128.
func (k Key) low(n uint8) (hi, lo uint64) {
	if n <= 64 {
		return 0, k.C & pack.Mask(uint(n))
	}
	return k.B & pack.Mask(uint(n-64)), k.C
}
