package scan

import (
	"encoding/binary"

	"kazashi.example/sync/crlset"
)

// The common entry: a serial, UTCTime, and at most a reason, not marked critical:
//
//	30 LL 02 nn serial… 17 0D YYMMDDHHMMSSZ [30 0C 30 0A 06 03 55 1D 15 04 03 0A 01 rr]
//
// It is compared eight octets at a time. All else, wrong or only rare, is left to readEntry, which would say the same of these.
const (
	entryBase   = 2 + 2 + 2 + utcTimeLen // without the serial and the reason
	leastEntry  = entryBase + 1
	reasonLen   = 14
	maxSerial   = 21                                     // octets of an INTEGER, with a zero octet before the sign
	commonReach = entryBase + maxSerial + reasonLen + 10 // octets that may be touched

	timeHead   = 0x0D17
	reasonMid  = 0x151D_5503_060A_300C // after the tag of the extensions
	reasonEnd  = 0x010A_0304
	reasonMask = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<9 | 1<<10 // crlset.Reason.Valid

	sixOctets = 0xFFFF_FFFF_FFFF
	zeros     = 0x3030_3030_3030
	sixes     = 0x0606_0606_0606
	highHalfs = 0xF0F0_F0F0_F0F0
	lowHalfs  = 0x0F0F_0F0F_0F0F
	pairs     = 0x00FF_00FF_00FF
	tooLate   = (128-60)<<32 | (128-60)<<16 | (128 - 24) // makes bit 7 of each pair of HHMMSS that there is not
	highBits  = 0x0080_0080_0080
)

// common reads entries of the common shape into batch until one is not, b ends, or batch is full. It returns the octets read.
func common(b []byte, batch []crlset.Entry) ([]crlset.Entry, int) {
	at, n := 0, len(batch)
	out := batch[:cap(batch)]
	for n < len(out) && len(b)-at >= commonReach {
		size := commonEntry((*[commonReach]byte)(b[at:]), &out[n])
		if size == 0 {
			break
		}
		at += size
		n++
	}
	return out[:n], at
}

// commonEntry returns the length of the entry, or 0 if it is not of the common shape. What is wrong gathers in odd.
func commonEntry(b *[commonReach]byte, e *crlset.Entry) int {
	n := uint(b[3])
	if n-1 >= maxSerial || b[0] != 0x30 || b[2] != 0x02 {
		return 0
	}
	if n > 8 {
		if !wideSerial(b, n, &e.Key) {
			return 0
		}
	} else { // a positive INTEGER in its shortest form: of its first nine bits the first is 0 and another is not
		v := binary.BigEndian.Uint64(b[4:12])
		if v>>55 == 0 && n > 1 || int64(v) < 0 || v>>56 == 0 && n == 1 {
			return 0
		}
		e.Key = crlset.Key{C: v >> ((64 - 8*n) & 63)}
	}
	t := (*[2 + utcTimeLen + reasonLen]byte)(b[4+n:])
	day, clock := binary.LittleEndian.Uint64(t[:8]), binary.LittleEndian.Uint64(t[8:16])
	odd := (day&0xFFFF ^ timeHead) | (clock>>48&0xFF ^ 'Z')
	size := entryBase + n
	e.Reason = crlset.Unspecified
	if uint(b[1])+2 != size { // then it must be one with a reason
		r := t[2+utcTimeLen+reasonLen-1]
		odd |= (clock>>56 ^ 0x30) | (binary.LittleEndian.Uint64(t[16:24]) ^ reasonMid) |
			uint64(binary.LittleEndian.Uint32(t[24:28])^reasonEnd) | (1 - reasonMask>>(r&63)&1) | uint64(r>>6)
		size += reasonLen
		odd |= uint64(uint(b[1]) + 2 ^ size)
		e.Reason = crlset.Reason(r)
	}
	d, c := day>>16, clock&sixOctets
	odd |= (d&highHalfs ^ zeros) | ((d+sixes)&highHalfs ^ zeros) | (c&highHalfs ^ zeros) | ((c+sixes)&highHalfs ^ zeros)
	d, c = d&lowHalfs, c&lowHalfs
	d, c = (d*10+d>>8)&pairs, (c*10+c>>8)&pairs // three numbers of two digits each, the first lowest
	m := months[d&0x7F<<4|d>>16&0xF]
	dom := d>>32 - 1
	odd |= (c+tooLate)&highBits | d>>16&0xF0
	if odd != 0 || dom >= uint64(m&0x1F) {
		return 0
	}
	e.Date = (int64(m>>5)+int64(dom))*secondsOfDay + int64(c&0xFF*3600+c>>16&0xFF*60+c>>32)
	return int(size)
}

// wideSerial reads n octets, nine or more, as a positive INTEGER in its shortest form.
func wideSerial(b *[commonReach]byte, n uint, key *crlset.Key) bool {
	if b[4]&0x80 != 0 || b[4] == 0 && b[5]&0x80 == 0 || n == maxSerial && b[4] != 0 {
		return false
	}
	s := b[4 : 4+n]
	key.C = binary.BigEndian.Uint64(s[n-8:])
	if n <= 16 {
		key.A, key.B = 0, binary.BigEndian.Uint64(s)>>(128-8*n)
		return true
	}
	key.B = binary.BigEndian.Uint64(s[n-16:])
	key.A = 0
	for _, o := range s[:n-16] { // at most five, of which the first may be the zero octet
		key.A = key.A<<8 | uint32(o)
	}
	return true
}
