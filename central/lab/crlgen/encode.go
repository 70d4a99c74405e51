package crlgen

import (
	"encoding/binary"
	"time"

	"kazashi.example/sync/crlset"
)

// Tags of X.690 §8.
const (
	tagInteger         = 0x02
	tagBitString       = 0x03
	tagOctetString     = 0x04
	tagEnumerated      = 0x0a
	tagUTCTime         = 0x17
	tagGeneralizedTime = 0x18
	tagSequence        = 0x30
)

// maxEntry is more than any entry has.
const maxEntry = 128

// Extensions of an entry up to their value: reasonCode (RFC 5280 §5.3.1) and invalidityDate (§5.3.2).
var (
	reasonHead     = []byte{tagSequence, 10, 0x06, 3, 0x55, 0x1d, 0x15, tagOctetString, 3, tagEnumerated, 1}
	invalidityHead = []byte{tagSequence, 24, 0x06, 3, 0x55, 0x1d, 0x18, tagOctetString, 17}
)

// appendHeader is tag and length (X.690 §10.1: as short as can be).
func appendHeader(b []byte, tag byte, n uint64) []byte {
	if n < 0x80 {
		return append(b, tag, byte(n))
	}
	var octets [8]byte
	binary.BigEndian.PutUint64(octets[:], n)
	skip := 0
	for octets[skip] == 0 {
		skip++
	}
	return append(append(b, tag, 0x80|byte(8-skip)), octets[skip:]...)
}

// appendEntry is one element of revokedCertificates. It has fewer than 128 octets, so that its length is one.
func appendEntry(b []byte, e Entry) []byte {
	start := len(b)
	b = append(b, tagSequence, 0)
	b = appendSerial(b, e.Key)
	b = appendTime(b, e.Date, e.Generalized)
	if !e.NoReason || e.Invalidity != 0 {
		extensions := len(b)
		b = append(b, tagSequence, 0)
		if !e.NoReason {
			b = append(append(b, reasonHead...), byte(e.Reason))
		}
		if e.Invalidity != 0 {
			b = appendTime(append(b, invalidityHead...), e.Invalidity, true)
		}
		b[extensions+1] = byte(len(b) - extensions - 2)
	}
	b[start+1] = byte(len(b) - start - 2)
	return b
}

// appendSerial is a positive INTEGER.
func appendSerial(b []byte, k crlset.Key) []byte {
	var octets [21]byte
	binary.BigEndian.PutUint32(octets[1:], k.A)
	binary.BigEndian.PutUint64(octets[5:], k.B)
	binary.BigEndian.PutUint64(octets[13:], k.C)
	skip := 0
	if k.A == 0 && k.B == 0 {
		skip = 12
	}
	for skip < 20 && octets[skip] == 0 && octets[skip+1] < 0x80 {
		skip++
	}
	return append(append(b, tagInteger, byte(21-skip)), octets[skip:]...)
}

// appendTime is a UTCTime or GeneralizedTime in seconds and Z (RFC 5280 §4.1.2.5).
func appendTime(b []byte, unix int64, generalized bool) []byte {
	year, month, day, second := civil(unix)
	if generalized {
		b = append(b, tagGeneralizedTime, 15)
		b = appendTwo(b, year/100)
	} else {
		b = append(b, tagUTCTime, 13)
	}
	b = appendTwo(b, year%100)
	b = appendTwo(b, month)
	b = appendTwo(b, day)
	b = appendTwo(b, second/3600)
	b = appendTwo(b, second/60%60)
	return append(appendTwo(b, second%60), 'Z')
}

func appendTwo(b []byte, n int) []byte { return append(b, '0'+byte(n/10), '0'+byte(n%10)) }

// civil is the date and the second of the day.
func civil(unix int64) (year, month, dayOfMonth, second int) {
	t := time.Unix(unix, 0).UTC()
	y, m, d := t.Date()
	return y, int(m), d, int(((unix % 86400) + 86400) % 86400)
}
