package scan

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

const (
	utcTimeLen         = 13 // YYMMDDHHMMSSZ
	generalizedTimeLen = 15 // YYYYMMDDHHMMSSZ
	firstYear          = 1950
	secondsOfDay       = 24 * 60 * 60
)

// months are, for the year's last two digits and the month, 16 to a year, the days from 1970-01-01 to its first, and in the lowest five
// bits how many days it has; none where there is no such month. UTCTime gives the years 1950 to 2049 (RFC 5280 §5.1.2.4).
var months = func() (t [128 * 16]int32) {
	for year := firstYear; year < firstYear+100; year++ {
		for month := time.January; month <= time.December; month++ {
			first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
			last := first.AddDate(0, 1, -1)
			t[year%100*16+int(month)] = int32(first.Unix()/secondsOfDay)<<5 | int32(last.Day())
		}
	}
	return t
}()

// readTime reads UTCTime or GeneralizedTime in the one form that RFC 5280 §4.1.2.5 allows for each, as Unix seconds. ErrTime.
func readTime(s *cryptobyte.String) (int64, error) {
	var v cryptobyte.String
	tag, digits := asn1.UTCTime, utcTimeLen-1
	if s.PeekASN1Tag(asn1.GeneralizedTime) {
		tag, digits = asn1.GeneralizedTime, generalizedTimeLen-1
	}
	if !s.ReadASN1(&v, tag) || len(v) != digits+1 || v[digits] != 'Z' {
		return 0, ErrTime
	}
	var pairs [7]int
	for i := range digits {
		if v[i] < '0' || v[i] > '9' {
			return 0, ErrTime
		}
		pairs[i/2] = pairs[i/2]*10 + int(v[i]-'0')
	}
	if tag == asn1.GeneralizedTime {
		return seconds(pairs[0]*100+pairs[1], pairs[2:])
	}
	year := pairs[0] + 2000
	if year >= firstYear+100 {
		year -= 100
	}
	return seconds(year, pairs[1:])
}

// seconds takes year and month, day, hour, minute, second.
func seconds(year int, rest []int) (int64, error) {
	at := time.Date(year, time.Month(rest[0]), rest[1], rest[2], rest[3], rest[4], 0, time.UTC)
	if at.Year() != year || int(at.Month()) != rest[0] || at.Day() != rest[1] || at.Hour() != rest[2] ||
		at.Minute() != rest[3] || at.Second() != rest[4] { // time.Date carries over what there is not
		return 0, ErrTime
	}
	return at.Unix(), nil
}
