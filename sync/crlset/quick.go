package crlset

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// quick is what a lookup needs to know of a region as planners make them: no tails, highs by the hundred in each block, a directory of two
// octets a block. What is otherwise is unclear, and is looked up the long way (find.go).
type quick struct {
	b         []byte // the file
	keys      uint64 // a key that is less above the start may be looked up quickly; 0 if none
	dir       []byte // the file from the directory on
	directory uint64 // its offset
	first     uint64 // number of the region's first block
	least     uint64 // octets of a block: not below least, and below least + spread
	spread    uint64
	edge      uint64 // below so many there are half of quickHighs, else quickHighs
	each      uint64 // bits of an entry, with quickHighs
	fieldPart uint64 // of what is behind the marks of highs, times 2^16
	lowFrom   uint64 // where lows begin in what is between those and the fields
	lowPart   uint64 // and the part of it that the lows of firsts are, times 2^16
	firsts    uint64 // of the entries, those that are the first of their highs, times 2^16
	code      *code
	fact      Fact // of all entries, if there are no fields
	shift     uint8
	lows      uint8 // bits of a low, with quickHighs
	field     uint8
	nothing   byte // 0, which the compiler does not know
}

// spread is how many octets a field may be from where it is if keys lie evenly.
const spread = 16

// quickHighs is how many highs a block has for 247 to 492 entries, of 2^13 keys for example. From 124 on there are half as many.
const quickHighs = 512

// ladder from word 8-i on is a mask of the first i of eight words.
var ladder = [16]uint64{^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0), ^uint64(0)}

// groupSize2 is the size of a directory's group of width 2.
const groupSize2 = 8 + 2*(groupBlocks-1)

// quicken prepares the regions that can be looked up quickly.
func (s *Set) quicken() {
	if s.t.width != 2 || s.layout.blocks == 0 {
		return
	}
	if len(s.layout.regions) == 1 {
		s.layout.sole = &s.layout.regions[0]
	}
	for i := range s.layout.regions {
		r := &s.layout.regions[i]
		if lows := int(r.shift) - bits.Len(quickHighs-1); r.tail == 0 && r.start.A < math.MaxUint32 && lows > 0 {
			r.quick = s.quick(r, uint8(lows))
		}
	}
}

// quick prepares for a region's blocks with quickHighs, whose lows have so many bits, or half as many.
func (s *Set) quick(r *region, lows uint8) quick {
	per := float64(min(max(s.t.entries/uint64(s.layout.blocks), r.share>>(lows+1)+1), r.share>>(lows-1))) / quickHighs // entries for each high
	if per <= float64(r.share>>lows)/quickHighs {
		per *= 2
	}
	q := quick{
		b: s.b, keys: uint64(r.blocks-1) << r.shift, dir: s.b[s.t.directory:], directory: s.t.directory, first: uint64(r.first),
		firsts: uint64((1 << 16) * -math.Expm1(-per) / per), code: r.code, fact: Fact{r.code.base, r.code.reasons[0]},
		shift: r.shift & 63, lows: lows, field: r.code.field & 63,
	}
	q.each = 1 + uint64(lows) + uint64(q.field)
	size := func(n uint64) uint64 {
		var f frame
		r.measure(&f, uint16(n-1))
		return uint64(f.end+7) / 8
	}
	q.least, q.edge = size(r.share>>(lows+1)+1), size(r.share>>lows+1)
	q.fieldPart = uint64(q.field) << 16 / q.each
	q.lowFrom = 1 << 16 / (1 + uint64(lows))
	q.lowPart = (1<<16 - q.lowFrom) * q.firsts >> 16
	q.spread = size(r.share>>(lows-1)) + 1 - q.least
	return q
}

// load64 is the 64 bits from octet i of b on.
func load64(b []byte, i uint64) uint64 { return binary.LittleEndian.Uint64(b[i : i+8 : i+8]) }

// find looks for the entry that is d above the start, d below q.keys. Where it is not clear, it has found nothing. It branches as soon as
// it can: whoever asks next waits for less if what the processor guesses does not hang on what comes from memory.
func (q *quick) find(d uint64) (f Fact, ok, clear bool) {
	block, offset := q.first+d>>(q.shift&63), d&(1<<(q.shift&63)-1)
	at := block / groupBlocks * groupSize2
	group := (*[groupSize2 + 8]byte)(q.dir[at : at+groupSize2+8 : at+groupSize2+8])
	// The relative offsets of the block and of the next. In a group, the top of its offset, which is 0, stands before them and the bottom
	// of the next group's offset behind them.
	pair := binary.LittleEndian.Uint32(group[6+2*(block%groupBlocks):])
	from := binary.LittleEndian.Uint64(group[:])
	last := -((block%groupBlocks + 1) / groupBlocks) // all ones for a group's last block
	size := uint64(uint16(pair>>16 - pair&0xffff - uint32(from&last)))
	from += uint64(pair & 0xffff)
	if from-1 >= q.directory || from+size > q.directory || size-q.least >= q.spread || (binary.LittleEndian.Uint64(group[groupSize2:])^(from+size))&last != 0 {
		return f, false, false
	}
	// What an answer hangs on is asked for at once: where low and field are if keys lie evenly. A block without fields is short enough to
	// come whole, which serves whoever asks for its other keys.
	b := q.b
	var touched byte
	if q.field == 0 {
		touched = b[from+size/4] | b[from+size/2] | b[from+size/4*3] | b[from+size-1]
	} else {
		part := offset << ((63 - q.shift) & 63) >> 47 // of the block before the entry, times 2^16
		lows := from + (marksAt+quickHighs)/8
		fields := (size - (marksAt+quickHighs)/8) * q.fieldPart >> 16
		guess := from + size - fields + (fields*q.firsts>>16)*part>>16
		touched = b[guess-spread] | b[guess+spread] | b[lows+(from+size-fields-lows)*(q.lowFrom+q.lowPart*part>>16)>>16]
	}
	if touched&q.nothing != 0 {
		return f, false, false
	}
	half := (size - q.edge) >> 63
	k, highs := (uint64(q.lows)+half)&63, uint64(quickHighs)>>half
	start := (*[(marksAt + quickHighs) / 8]byte)(b[from : from+(marksAt+quickHighs)/8])
	n := uint64(binary.LittleEndian.Uint16(start[:])) + 1
	if (marksAt+highs+n*(q.each+half)+7)/8 != size {
		return f, false, false // or the plain form
	}
	high := offset >> k
	marks := (*[quickHighs / 8]byte)(start[marksAt/8:])
	i := high / 64 % 8
	word := binary.LittleEndian.Uint64(marks[i*8:])
	if word>>(high&63)&1 == 0 {
		return f, false, true
	}
	before := (*[8]uint64)(ladder[8-i:])
	place := uint64(bits.OnesCount64(word & (1<<(high&63) - 1)))
	place += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(marks[0:]) & before[0]))
	place += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(marks[8:]) & before[1]))
	place += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(marks[16:]) & before[2]))
	place += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(marks[24:]) & before[3]))
	place += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(marks[32:]) & before[4]))
	place += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(marks[40:]) & before[5]))
	place += uint64(bits.OnesCount64(binary.LittleEndian.Uint64(marks[48:]) & before[6]))
	if place >= n {
		return f, false, false
	}
	marked := from*8 + marksAt + highs
	low := offset & (1<<k - 1)
	at = marked + n + place*k
	if is := load64(b, at/8) >> (at & 7) & (1<<k - 1); is != low {
		at = marked + place
		if is > low || b[at/8]>>(at&7)&1 == 0 {
			return f, false, true
		}
		if place, ok = chase(b, marked, n, k, place, low); !ok {
			return f, false, true
		}
	}
	if q.field == 0 {
		return q.fact, true, true
	}
	at = marked + n*(1+k) + place*uint64(q.field)
	v := load64(b, at/8) >> (at & 7) & (1<<(q.field&63) - 1)
	if v >= q.code.facts {
		return f, false, false
	}
	return q.code.fact(v), true, true
}

// chase goes on from an entry to the one with the same high and this low. The marks of n entries begin at bit marked of b, their lows
// behind them.
func chase(b []byte, marked, n, k, place, low uint64) (uint64, bool) {
	for {
		// All ones are n. Those from the mark of the entry on are fewer than those before it.
		next := n
		for at := place; at < n; at += 56 {
			bit := marked + at
			next -= uint64(bits.OnesCount64(load64(b, bit/8) >> (bit & 7) & (1<<min(n-at, 56) - 1)))
		}
		if next <= place {
			return 0, false
		}
		place = next
		at := marked + n + place*k
		if is := load64(b, at/8) >> (at & 7) & (1<<(k&63) - 1); is >= low {
			return place, is == low
		}
		if at = marked + place; b[at/8]>>(at&7)&1 == 0 {
			return 0, false
		}
	}
}
