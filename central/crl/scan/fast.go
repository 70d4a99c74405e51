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

	entryHead  = 0x0002_0030 // less the lengths
	headMask   = 0x00FF_00FF
	timeHead   = 0x0D17
	reasonHead = 0x5503_060A_300C_305A // after the Z, which is the first octet here
	reasonEnd  = 0x01_0A03_0415_1D55   // from the last octet of reasonHead on

	// Of eight digits, one an octet, or of four.
	zeros     = 0x3030_3030_3030_3030
	sixes     = 0x0606_0606_0606_0606
	highHalfs = 0xF0F0_F0F0_F0F0_F0F0
	pairs     = 0x00FF_00FF_00FF_00FF

	// What makes bit 7 of an hour, or of a minute or second, that there is not.
	lateHour, hourBit     = (128 - 24) << 48, 0x80 << 48
	lateMinute, minuteBit = (128-60)<<16 | (128 - 60), 0x80<<16 | 0x80
)

// noReason is 1 for what is no reason of a complete list.
var noReason = func() (t [256]uint8) {
	for r := range t {
		if !crlset.Reason(r).Valid() {
			t[r] = 1
		}
	}
	return t
}()

// common reads entries of the common shape into batch until one is not, b ends, or batch is full. It returns the octets read.
func common(b []byte, batch []crlset.Entry) ([]crlset.Entry, int) {
	have := len(batch)
	n, at := commonEntries(b, batch[have:cap(batch)])
	return batch[:have+n], at
}

// commonEntries returns how many entries it has read, from how many octets. What is wrong with one gathers in odd.
func commonEntries(b []byte, out []crlset.Entry) (read, at int) {
	for read < len(out) && len(b)-at >= commonReach {
		o, e := (*[commonReach]byte)(b[at:]), &out[read]
		head, odd := binary.LittleEndian.Uint32(o[:4]), uint64(0)
		n := uint(head >> 24)
		if n-1 >= maxSerial || head&headMask != entryHead {
			break
		}
		if n > 8 {
			if !wideSerial(o, n, &e.Key) {
				break
			}
		} else { // a positive INTEGER in its shortest form: of its first nine bits the first is 0 and another is not
			v := binary.BigEndian.Uint64(o[4:12])
			if v>>56 == 0 && (n == 1 || v>>55 == 0) {
				break
			}
			odd = v >> 63
			e.Key = crlset.Key{C: v >> ((64 - 8*n) & 63)}
		}
		t := (*[2 + utcTimeLen + reasonLen]byte)(o[4+n:])
		odd |= uint64(binary.LittleEndian.Uint16(t[:2]) ^ timeHead)
		size, said := entryBase+n, uint(head>>8&0xFF)+2
		if said == size {
			odd |= uint64(t[14] ^ 'Z')
			e.Reason = crlset.Unspecified
		} else { // then it must be one with a reason
			size += reasonLen
			last := binary.LittleEndian.Uint64(t[21:29])
			odd |= binary.LittleEndian.Uint64(t[14:22]) ^ reasonHead | (last^reasonEnd)<<8 | uint64(noReason[last>>56]) | uint64(said^size)
			e.Reason = crlset.Reason(last >> 56)
		}
		day, clock := binary.LittleEndian.Uint64(t[2:10])^zeros, uint64(binary.LittleEndian.Uint32(t[10:14])^zeros&(1<<32-1))
		odd |= (day | (day + sixes) | clock | (clock + sixes&(1<<32-1))) & highHalfs
		day, clock = (day*10+day>>8)&pairs, (clock*10+clock>>8)&pairs // numbers of two digits each, the first lowest
		m := months[day&0x7F<<4|day>>16&0xF]
		dom := day>>32&0xFF - 1
		odd |= day>>16&0xF0 | (day+lateHour)&hourBit | (clock+lateMinute)&minuteBit
		if odd != 0 || dom >= uint64(m&0x1F) {
			break
		}
		e.Date = (int64(m>>5)+int64(dom))*secondsOfDay + int64(day>>48*3600+clock&0xFF*60+clock>>16)
		at += int(said)
		read++
	}
	return read, at
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
