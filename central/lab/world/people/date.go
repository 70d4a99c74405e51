package people

import (
	"errors"
	"fmt"
	"time"
)

// ErrEra says that a date lies before the Meiji era or that its era year has more than two digits.
var ErrEra = errors.New("date has no two-digit era year")

// JST is Asia/Tokyo without a time zone database: UTC+9, no summer time since 1951.
var JST = time.FixedZone("JST", 9*60*60)

// Date is a day of the Gregorian calendar. Day 0 is a day that nobody knows any more, as the resident registers of some old people
// have it; that a card writes it as 00 is inferred.
type Date struct{ Year, Month, Day int }

// Compact is YYYYMMDD, as the card writes it.
func (d Date) Compact() string { return fmt.Sprintf("%04d%02d%02d", d.Year, d.Month, d.Day) }

// eras begin on these days (the Cabinet Office's list of eras; the same limits as soltia48/myna-card src/data.rs).
var eras = []struct {
	letter rune
	number int
	first  Date
}{
	{'R', 5, Date{2019, 5, 1}},
	{'H', 4, Date{1989, 1, 8}},
	{'S', 3, Date{1926, 12, 25}},
	{'T', 2, Date{1912, 7, 30}},
	{'M', 1, Date{1868, 1, 25}},
}

// era finds the era's number (1 Meiji to 5 Reiwa) and the year in it.
func (d Date) era() (number, year int, err error) {
	for _, e := range eras {
		if d.Compact() < e.first.Compact() {
			continue
		}
		if year = d.Year - e.first.Year + 1; year > 99 {
			return 0, 0, ErrEra
		}
		return e.number, year, nil
	}
	return 0, 0, ErrEra
}

// BirthKey is the date as YYMMDD with the year of the Japanese era, the key that opens the card-face AP's age record
// (soltia48/myna-card src/ap/surface.rs). ErrEra for a date without one. See [Person.BirthKey] for foreign residents.
func (d Date) BirthKey() (string, error) {
	_, year, err := d.era()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%02d%02d%02d", year, d.Month, d.Day), nil
}

// EraCompact is EYYYYMMDD, the era's number and the Gregorian date, as the signature certificate writes a birth date.
func (d Date) EraCompact() (string, error) {
	number, _, err := d.era()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d%s", number, d.Compact()), nil
}

// NumberB is 照合番号B: birth key, year of the card's expiry (4 digits, Gregorian) and security code.
func NumberB(birthKey string, expiryYear int, securityCode string) string {
	return fmt.Sprintf("%s%04d%s", birthKey, expiryYear, securityCode)
}

// BirthdayEnd is the last second, in Japan, of the n-th birthday after t (n ≥ 1). A birthday on the day of t is not counted.
// Someone born on 29 February has it on the 28th of a common year here, someone whose day of birth is not known on the last day of
// the month; how the issuer counts these is not published.
func (d Date) BirthdayEnd(t time.Time, n int) time.Time {
	local := t.In(JST)
	year := local.Year()
	day := d.Day
	if day == 0 {
		day = monthEnd(year, d.Month)
	}
	if fmt.Sprintf("%02d%02d", d.Month, day) <= local.Format("0102") {
		year++
	}
	year += n - 1
	if end := monthEnd(year, d.Month); d.Day == 0 || day > end {
		day = end
	}
	return time.Date(year, time.Month(d.Month), day, 23, 59, 59, 0, JST).UTC()
}

// monthEnd is the last day of a month.
func monthEnd(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, JST).Day()
}
