package crlset

import (
	"encoding/binary"
	"math"
	"math/bits"

	"kazashi.example/sync/crlset/internal/pack"
)

// quick is what a lookup needs to know of a region as planners make them: no tails, in each block about as many entries as on average,
// a directory of two octets a block. Then the places of everything follow by few steps that wait for one another, all lines that an answer
// hangs on are asked for at once, and no branch is guessed wrong. What is otherwise is unclear, and is looked up the long way (find.go).
type quick struct {
	b         []byte // the file
	keys      uint64 // a key that is less above the start may be looked up quickly; 0 if none
	dir       []byte // the file from the directory on
	directory uint64 // its offset
	first     uint64 // number of the region's first block
	smallest  uint64 // octets of a block
	second    uint64 // octets from the first highs that are looked through to those of a block's second half
	halves    uint64 // all ones if there are such
	least     uint64 // entries of a block: not below least, and below least + spread
	spread    uint64
	zeros     uint64 // among the highs
	each      uint64 // bits of an entry behind the highs
	lanes     lanes
	lowsAt    uint64 // in an average block
	lowPart   uint64 // of what is behind the highs, times 2^16
	fieldPart uint64
	code      *code
	fact      Fact   // of all entries, if there are no fields
	other     *quick // for blocks whose lows have one bit more or less
	shift     uint8
	field     uint8
	nothing   byte // 0, which the compiler does not know
}

// lanes are the lows of entries that follow one another, as many as one load is sure to have whole.
type lanes struct {
	width, most uint64
	ones, tops  uint64 // the lowest bit and the highest of each
}

func lanesOf(width uint) lanes {
	l := lanes{width: uint64(width)}
	for ; l.most < 8 && (l.most+1)*l.width <= 57; l.most++ {
		l.ones |= 1 << (l.most * l.width)
		l.tops |= 1 << (l.most*l.width + l.width - 1)
	}
	return l
}

// groupSize2 is the size of a directory's group of width 2.
const groupSize2 = 8 + 2*(groupBlocks-1)

// quicken prepares the regions that can be looked up quickly.
func (s *Set) quicken() {
	const narrowest, widest = 2, 27
	if s.t.width != 2 || s.layout.blocks == 0 {
		return
	}
	if len(s.layout.regions) == 1 {
		s.layout.sole = &s.layout.regions[0]
	}
	for i := range s.layout.regions {
		r := &s.layout.regions[i]
		each := r.share / max(s.t.entries/uint64(s.layout.blocks), 1)
		width := uint(bits.Len64(each)) // of lows in an average block; one more or less is usual as well
		if r.tail > 0 || r.blocks < 2 || r.start.A == math.MaxUint32 || width <= narrowest || width >= widest {
			continue
		}
		r.quick = s.quick(r, width)
		other := s.quick(r, width+1)
		if each < 3<<(width-2) {
			other = s.quick(r, width-1)
		}
		r.quick.other = &other
	}
}

// quick prepares for a region's blocks with lows of so many bits.
func (s *Set) quick(r *region, width uint) quick {
	least, below := min(r.share>>width, MaxBlock)+1, min(r.share>>(width-1), MaxBlock)+1
	q := quick{
		b: s.b, keys: uint64(r.blocks-1) << r.shift, dir: s.b[s.t.directory:], directory: s.t.directory, first: uint64(r.first),
		least: least, spread: below - least, zeros: uint64(1) << r.shift >> width, lanes: lanesOf(width), each: uint64(width) + uint64(r.code.field),
		code: r.code, fact: Fact{r.code.base, r.code.reasons[0]}, shift: r.shift & 63, field: r.code.field & 63,
	}
	average := min(max(s.t.entries/uint64(s.layout.blocks), least), below-1)
	q.lowsAt = (highsAt + q.zeros + average) / 8
	q.lowPart, q.fieldPart = uint64(width)<<16/q.each, uint64(q.field)<<16/q.each
	if q.lowsAt > highsAt/8+window-spare {
		q.second, q.halves = q.lowsAt+spare-highsAt/8-window, ^uint64(0)
	}
	q.smallest = highsAt/8 + q.second + window
	return q
}

// load64 is the 64 bits from octet i of b on.
func load64(b []byte, i uint64) uint64 { return binary.LittleEndian.Uint64(b[i : i+8 : i+8]) }

// find looks for the entry that is d above the start, d below q.keys. Where it is not clear, it has found nothing.
func (q *quick) find(d uint64) (f Fact, ok, clear bool) {
	b, offset := q.b, d&(1<<(q.shift&63)-1)
	block := q.first + d>>(q.shift&63)
	at := block / groupBlocks * groupSize2
	group := (*[groupSize2 + 8]byte)(q.dir[at : at+groupSize2+8 : at+groupSize2+8])
	// The relative offsets of the block and of the next. In a group, the top of its offset, which is 0, stands before them and the bottom
	// of the next group's offset behind them.
	pair := binary.LittleEndian.Uint32(group[6+2*(block%groupBlocks):])
	from := binary.LittleEndian.Uint64(group[:])
	last := -((block%groupBlocks + 1) / groupBlocks) // all ones for a group's last block
	size := uint64(uint16(pair>>16 - pair&0xffff - uint32(from&last)))
	from += uint64(pair & 0xffff)
	if from-1 >= q.directory || from+size > q.directory || (binary.LittleEndian.Uint64(group[groupSize2:])^(from+size))&last != 0 {
		return f, false, false
	}
	if size < q.smallest {
		return q.again(d)
	}
	// Everything is on the way at once: the head, the highs of the first or the second half, and, if keys lie evenly, low and field. A
	// block without fields is short enough to come whole, which serves whoever asks for its other keys.
	late := -(offset >> ((q.shift - 1) & 63)) & q.halves
	part := offset << ((63 - q.shift) & 63) >> 47 // of the block before the entry, times 2^16
	touched := b[from+size-1-((size-q.lowsAt)*q.fieldPart>>16)*(1<<16-part)>>16]
	if q.field > 0 {
		touched |= b[from+q.lowsAt+((size-q.lowsAt)*q.lowPart>>16)*part>>16]
	} else {
		touched |= b[from+size/4] | b[from+size/2] | b[from+size/4*3]
	}
	n := uint64(binary.LittleEndian.Uint16(b[from:from+2:from+2])) + 1
	lows := highsAt + q.zeros + n
	at = highsAt/8 + q.second&late
	cut := ((at+window)*8 - lows) & late
	if n-q.least >= q.spread || (lows+n*q.each+7)/8 != size || cut >= 2*64 || touched&q.nothing != 0 {
		return q.again(d) // or the plain form
	}
	k := q.lanes.width & 31
	high, want := offset>>k, offset&(1<<k-1)
	place, clear := pickZero((*[window]byte)(b[from+at:from+at+window:from+at+window]), high-1, late, cut, at*8-highsAt-n)
	place += at*8 - highsAt + 1
	i := place - high
	if !clear || i > n {
		return f, false, false
	}
	at = from*8 + highsAt + place
	streak := uint64(bits.TrailingZeros64(^(load64(b, at/8) >> (at & 7))))
	if streak > q.lanes.most {
		return f, false, false
	}
	// The lows of all entries that share the high are compared at once: lanes with the wanted one become 0, those of others all ones.
	at = from*8 + lows + i*k
	differ := (load64(b, at/8)>>(at&7) ^ want*q.lanes.ones) | ^uint64(0)<<(streak*k&63)
	zero := (differ - q.lanes.ones) &^ differ & q.lanes.tops
	ok = zero != 0
	if q.field == 0 {
		return q.fact.where(zero), ok, true
	}
	i = min(i+uint64(bits.OnesCount64((zero-1)&^zero&q.lanes.tops)), n-1)
	at = from*8 + lows + n*k + i*uint64(q.field)
	v := load64(b, at/8) >> (at & 7) & (1<<(q.field&63) - 1)
	if v >= q.code.facts {
		return f, false, false
	}
	return q.code.fact(v).where(zero), ok, true
}

// again is find for blocks with other lows.
func (q *quick) again(d uint64) (f Fact, ok, clear bool) {
	if q.other == nil {
		return f, false, false
	}
	return q.other.find(d)
}

const (
	window = 64 // octets of highs that are looked through
	spare  = 8  // octets that a block's highs may be longer or shorter than in an average block

	// Lanes of 16 bits.
	laneOnes = 0x0001000100010001
	laneTops = 0x8000800080008000
	laneEnds = 64 | 128<<16 | 192<<32 | 256<<48 // bits up to the end of each of four words
)

// pickZero is the place of the n-th zero of b; clear is false if it is not there. If late is all ones, n counts from where there are
// fewer zeros: as many as skipped and the one bits of b together, without its last cut bits, which count as zeros.
func pickZero(b *[window]byte, n, late, cut, skipped uint64) (place uint64, clear bool) {
	p := uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[0:])))
	p += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[8:]))) << 16
	p += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[16:]))) << 32
	p += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[24:]))) << 48
	q := uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[32:])))
	q += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[40:]))) << 16
	q += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[48:])&(^uint64(0)>>(max(cut, 64)-64)))) << 32
	q += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[56:])&(^uint64(0)>>cut))) << 48
	p, q = p*laneOnes, q*laneOnes // the one bits up to the end of each word of a half
	n -= (skipped + p>>48 + q>>48) & late
	p, q = laneEnds-p, laneEnds-q // the zeros
	second := ^uint64(int64(n-p>>48) >> 63)
	n -= p >> 48 & second
	if p ^= (p ^ q) & second; n >= p>>48 {
		return 0, false
	}
	i := uint64(bits.OnesCount64((n*laneOnes + laneTops - p) & laneTops))
	n -= p << 16 >> (i & 3 * 16) & 0xffff // those before the word
	i += 4 & second
	return i*64 + uint64(pack.Select(^binary.LittleEndian.Uint64(b[i&7*8:]), uint(n))), true
}

// where is f if zero is not 0, and nothing otherwise.
func (f Fact) where(zero uint64) Fact {
	yes := uint64(int64(zero|-zero) >> 63)
	return Fact{f.Date & int64(yes), f.Reason & Reason(yes)}
}
