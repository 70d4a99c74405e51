package mynumber

import (
	"fmt"
	"log/slog"
	"time"
)

// BirthDate is a day of the Gregorian calendar. Month and Day are 0 where they are not known; a day without its month is none. It
// prints as REDACTED.
type BirthDate struct{ Year, Month, Day int }

// ParseBirthDate takes YYYYMMDD, with 00 for a month and day or a day that are not known. ErrFormat for anything else: a day that the
// calendar does not have, one before the Meiji era, one that has not come yet.
func ParseBirthDate(s string) (BirthDate, error) {
	if len(s) != len("YYYYMMDD") || !allDigits([]byte(s)) {
		return BirthDate{}, fmt.Errorf("%w: a birth date has 8 digits", ErrFormat)
	}
	n := 0
	for _, o := range []byte(s) {
		n = 10*n + int(o-'0')
	}
	b := BirthDate{Year: n / 10000, Month: n / 100 % 100, Day: n % 100}
	if err := b.check(); err != nil {
		return BirthDate{}, err
	}
	return b, nil
}

// Digits is the date as the card writes it, YYYYMMDD.
func (b BirthDate) Digits() string { return fmt.Sprintf("%04d%02d%02d", b.Year, b.Month, b.Day) }

// IsZero reports whether b is no date.
func (b BirthDate) IsZero() bool { return b == BirthDate{} }

// String prints REDACTED.
func (BirthDate) String() string { return redacted }

// GoString prints REDACTED.
func (BirthDate) GoString() string { return redacted }

// Format prints REDACTED for every verb.
func (BirthDate) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue logs REDACTED.
func (BirthDate) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes REDACTED.
func (BirthDate) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Form is how the birth key of a card writes the year. The numbers are kept in rosters and are never reused.
type Form uint8

// Forms.
const (
	FormEra       Form = 1 // year of the Japanese era (soltia48/myna-card src/ap/surface.rs)
	FormGregorian Form = 2 // last two digits of the Gregorian year; whether any card has it is not known
)

// Era is a Japanese era; 0 is none. The numbers are those of the signature certificate's birth date.
type Era uint8

// Eras.
const (
	Meiji  Era = 1
	Taisho Era = 2
	Showa  Era = 3
	Heisei Era = 4
	Reiwa  Era = 5
)

// eras begin on these days, YYYYMMDD (Cabinet Office, list of eras; soltia48/myna-card src/data.rs): Meiji from its first lunar new year,
// to which the edict of 1868-10-23 went back.
var eras = []struct {
	era   Era
	first int
}{
	{Meiji, 1868_01_25},
	{Taisho, 1912_07_30},
	{Showa, 1926_12_25},
	{Heisei, 1989_01_08},
	{Reiwa, 2019_05_01},
}

// jst is Asia/Tokyo without a time zone database: UTC+9, no summer time since 1951.
var jst = time.FixedZone("JST", 9*60*60)

// writtenOn is when this was written: a box whose clock stands before it knows at least this day.
var writtenOn = time.Date(2026, time.November, 22, 0, 0, 0, 0, jst)

func today() int {
	now := time.Now().In(jst)
	if now.Before(writtenOn) {
		now = writtenOn
	}
	return number(now.Year(), int(now.Month()), now.Day())
}

func number(year, month, day int) int { return 10000*year + 100*month + day }

// span is the earliest and the latest day that b can be.
func (b BirthDate) span() (earliest, latest int) {
	switch {
	case b.Month == 0:
		return number(b.Year, 1, 1), number(b.Year, 12, 31)
	case b.Day == 0:
		return number(b.Year, b.Month, 1), number(b.Year, b.Month, daysIn(b.Year, b.Month))
	}
	n := number(b.Year, b.Month, b.Day)
	return n, n
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, jst).Day()
}

// check is ErrFormat for what is no birth date of a living person.
func (b BirthDate) check() error {
	switch {
	case b.Month < 0 || b.Month > 12 || b.Month == 0 && b.Day != 0,
		b.Year < eras[0].first/10000 || b.Year > 9999, b.Day < 0 || b.Month != 0 && b.Day > daysIn(b.Year, b.Month):
		return fmt.Errorf("%w: no such day", ErrFormat)
	}
	switch earliest, latest := b.span(); {
	case latest < eras[0].first:
		return fmt.Errorf("%w: birth date before the Meiji era", ErrFormat)
	case earliest > today():
		return fmt.Errorf("%w: birth date in the future", ErrFormat)
	}
	return nil
}

// eraOn is the place in eras of the one that a day belongs to; the first for days before all.
func eraOn(day int) int {
	i := len(eras) - 1
	for i > 0 && day < eras[i].first {
		i--
	}
	return i
}

// key is the 6 digits that open the card-face application: the year as the form has it, month, day. said is needed only where the date
// can lie in two eras. ErrFormat, ErrEraUnclear.
func (b BirthDate) key(form Form, said Era) ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	year := b.Year % 100
	switch form {
	case FormEra:
		i, err := b.era(said)
		if err != nil {
			return nil, err
		}
		year = b.Year - eras[i].first/10000 + 1
	case FormGregorian:
	default:
		return nil, fmt.Errorf("%w: birth key of form %d", ErrFormat, form)
	}
	return fmt.Appendf(nil, "%02d%02d%02d", year, b.Month, b.Day), nil
}

// era is the place of b's era in eras.
func (b BirthDate) era(said Era) (int, error) {
	earliest, latest := b.span()
	first, last := eraOn(earliest), eraOn(min(latest, today()))
	if said == 0 {
		if first != last {
			return 0, fmt.Errorf("birth date with unknown parts: %w", ErrEraUnclear)
		}
		return first, nil
	}
	for i := first; i <= last; i++ {
		if eras[i].era == said {
			return i, nil
		}
	}
	return 0, fmt.Errorf("%w: birth date is not of that era", ErrFormat)
}
