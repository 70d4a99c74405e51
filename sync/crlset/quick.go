package crlset

import (
	"encoding/binary"
	"math"
	"math/bits"

	"kazashi.example/sync/crlset/internal/pack"
)

// quick is what a lookup needs to know of a region as planners make them: no tails, in each block about as many entries as on average,
// a directory of two octets a block. Then the places of everything follow by few instructions, and no branch hangs on what they
// read, so that a processor has the next lookup's lines on the way before it is done with this one. What is otherwise is unclear, and is
// looked up the long way (find.go).
type quick struct {
	b         []byte // the file
	keys      uint64 // a key that is less above the start may be looked up quickly; 0 if none
	dir       []byte // the file from the directory on
	directory uint64 // its offset
	first     uint64 // number of the region's first block
	least     uint64 // entries of a block less one: not below least, and below least + spread
	spread    uint64
	narrow    uint64 // below that, lows are those of widths[1]
	widths    [2]lanes
	code      *code
	fact      Fact // of all entries, if there are no digits
	shift     uint8
	low       uint8 // bits of a low date
	digits    bool
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
		if r.tail > 0 || r.blocks < 2 || r.start.A == math.MaxUint32 || width < narrowest || width > widest {
			continue
		}
		if each < 3<<(width-2) {
			width--
		}
		least, below := min(r.share>>(width+1), MaxBlock), min(r.share>>(width-1), MaxBlock)
		r.quick = quick{
			b: s.b, keys: uint64(r.blocks-1) << r.shift, dir: s.b[s.t.directory:], directory: s.t.directory, first: uint64(r.first),
			least: least, spread: below - least, narrow: r.share >> width, widths: [2]lanes{lanesOf(width), lanesOf(width + 1)},
			code: r.code, fact: Fact{r.code.base, r.code.reasons[0]}, shift: r.shift & 63, low: r.code.low & 63, digits: r.code.radix.R > 1,
		}
	}
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
	if from-1 >= q.directory || from+size > q.directory || size == 0 || (binary.LittleEndian.Uint64(group[groupSize2:])^(from+size))&last != 0 {
		return f, false, false
	}
	if q.digits && q.code.touch(b[from:], uint(size), uint(offset<<((63-q.shift)&63)>>47))&q.nothing != 0 {
		return f, false, false
	}
	n := uint64(binary.LittleEndian.Uint16(b[from:from+2:from+2])) + 1
	if n-1-q.least >= q.spread {
		return f, false, false // or the plain form
	}
	x := &q.widths[(n-1-q.narrow)>>63]
	k := x.width & 31
	room, digits := n*(k+uint64(q.low)), uint64(0)
	if q.digits {
		digits = uint64(q.code.radix.Bits(uint(n)))
		room += digits
	}
	lows := size*8 - room
	high, want := offset>>k, offset&(1<<k-1)
	zeros := lows - highsAt - n // and padding
	if zeros >= size*8 {
		return f, false, false
	}
	// Highs are looked through from the start or from the end: eight words, more than half of them.
	late := uint64(int64(zeros-2*high)>>63) & uint64(int64(highsAt+512-lows)>>63)
	at = highsAt/8 + ((lows+7)/8-highsAt/8-64)&late
	place, clear := selectZero64(b[from+at:from+at+64:from+at+64], high-1, late, ^uint64(0)>>(-lows&late&7), at*8-highsAt-n)
	place += at*8 - highsAt + 1
	i := place - high
	if !clear || i > n || highsAt+place >= lows {
		return f, false, false
	}
	at = from*8 + highsAt + place
	streak := min(uint64(bits.TrailingZeros64(^(load64(b, at/8) >> (at & 7)))), n-i)
	if streak > x.most {
		return f, false, false
	}
	// The lows of all entries that share the high are compared at once: lanes with the wanted one become 0, those of others all ones.
	at = from*8 + lows + i*k
	differ := (load64(b, at/8)>>(at&7) ^ want*x.ones) | ^uint64(0)<<(streak*k&63)
	zero := (differ - x.ones) &^ differ & x.tops
	ok = zero != 0
	if !q.digits {
		return q.fact.where(zero), ok, true
	}
	i = min(i+uint64(bits.OnesCount64((zero-1)&^zero&x.tops)), n-1)
	f = q.code.fact(q.code.radix.At(b[from:], uint(lows+n*k), uint(i), uint(n)))
	if q.low > 0 {
		f.Date += int64(pack.Get(b[from:], uint(lows+n*k+digits+i*uint64(q.low)), uint(q.low)))
	}
	return f.where(zero), ok, true
}

// Lanes of 16 bits.
const (
	laneOnes  = 0x0001000100010001
	laneTops  = 0x8000800080008000
	firstBits = 64 | 128<<16 | 192<<32 | 256<<48 // up to the ends of eight words
	lastBits  = 320 | 384<<16 | 448<<32 | 512<<48
)

// selectZero64 is the place of the n-th zero of b; clear is false if it is not there. If late is all ones, n counts from where there are
// fewer zeros: as many as skipped and the one bits of b together; last is what counts of the last word.
func selectZero64(octets []byte, n, late, last, skipped uint64) (place uint64, clear bool) {
	b := (*[64]byte)(octets)
	p := uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[0:])))
	p += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[8:]))) << 16
	p += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[16:]))) << 32
	p += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[24:]))) << 48
	q := uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[32:])))
	q += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[40:]))) << 16
	q += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[48:]))) << 32
	q += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(b[56:])&last)) << 48
	p *= laneOnes // the one bits up to the end of each word
	q = (q + p>>48) * laneOnes
	n -= (skipped + q>>48) & late
	p, q = firstBits-p, lastBits-q // the zeros
	if n >= q>>48 {
		return 0, false
	}
	i := uint64(bits.OnesCount64((n*laneOnes+laneTops-p)&laneTops) + bits.OnesCount64((n*laneOnes+laneTops-q)&laneTops))
	before := p<<16 ^ (p<<16^(q<<16|p>>48))&-(i>>2) // the zeros up to the start of each word of i's half
	n -= before >> (i & 3 * 16) & 0xffff
	return i*64 + uint64(pack.Select(^binary.LittleEndian.Uint64(b[i&7*8:]), uint(n))), true
}

// fact is what a digit tells.
func (c *code) fact(digit uint64) Fact {
	h := digit * c.perReason >> 16
	return Fact{c.base + int64(h<<(c.low&63)), c.reasons[digit-h*uint64(len(c.reasons))]}
}

// where is f if zero is not 0, and nothing otherwise.
func (f Fact) where(zero uint64) Fact {
	yes := uint64(int64(zero|-zero) >> 63)
	return Fact{f.Date & int64(yes), f.Reason & Reason(yes)}
}

// touch reads an octet of each line in which low, digit and date are if keys lie evenly, so that all are on the way at once and not
// one after the other; part is how much of the block's keys are before the entry, times 2^16.
func (c *code) touch(b []byte, size, part uint) byte {
	dates, digits, rest := size*c.datePart>>16, size*c.digitPart>>16, 1<<16-part
	return b[64] | b[size*c.highPart>>16+(size*c.lowPart>>16*part)>>16] | b[size-1-dates*rest>>16] | b[size-1-dates-digits*rest>>16]
}
