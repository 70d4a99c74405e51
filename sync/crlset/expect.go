package crlset

import (
	"math"
	"math/bits"
)

// expectedReasons are those seen more than once in the look-ahead: one that is rarer costs less in plain blocks.
func expectedReasons(window []Entry, c Columns) []Reason {
	var seen [16]int
	for i := range window {
		seen[window[i].Reason&15]++
	}
	if c == 0 || c == Dates && seen[CertificateHold] < 2 {
		return []Reason{Unspecified} // without dates, the plain form has a hold flag at no more than fields would cost
	}
	if c == Dates {
		return []Reason{Unspecified, CertificateHold}
	}
	var out []Reason
	for r, n := range seen {
		if n > 1 || n > 0 && len(window) < lookAhead {
			out = append(out, Reason(r))
		}
	}
	if len(out) == 0 {
		out = append(out, Unspecified)
	}
	return out
}

// expectedDates is the range of the look-ahead, widened by what later entries and the next weeks' will need.
func expectedDates(window []Entry, reasons int) (base int64, span uint64) {
	if len(window) == 0 {
		return 0, 1
	}
	first, last := usualDates(window)
	seen := last - first
	first = max(first-seen/512, -dateBias)
	last = min(last+seen/64, dateBias-1)
	span = uint64(last - first + 1)
	most := uint64(1) << bits.Len64(span*uint64(reasons)-1) / uint64(reasons) // up to here fields cost no more
	return first, min(most, uint64(dateBias-first))
}

// usualDates is the range of dates without the few that would cost all others more than the plain form costs their blocks.
func usualDates(window []Entry) (first, last int64) {
	most := len(window) / 2048 // that may be left out at either end
	early, late := extremes{most: most + 1}, extremes{most: most + 1}
	for i := range window {
		early.add(window[i].Date)
		late.add(^window[i].Date)
	}
	least := math.Inf(1)
	for a := 0; a <= most; a = 2*a + 1 {
		for b := 0; b <= most; b = 2*b + 1 {
			from, to := early.dates[a], ^late.dates[b]
			if cost := float64(len(window))*math.Log2(float64(to-from+1)) + float64(a+b)*plainCost; cost < least {
				first, last, least = from, to, cost
			}
		}
	}
	return first, last
}

// extremes are the least of the dates that were added, so many at most, rising.
type extremes struct {
	dates []int64
	most  int
}

func (x *extremes) add(date int64) {
	switch end := len(x.dates) - 1; {
	case len(x.dates) < x.most:
		x.dates = append(x.dates, date)
	case date < x.dates[end]:
		x.dates[end] = date
	default:
		return
	}
	for i := len(x.dates) - 1; i > 0 && x.dates[i] < x.dates[i-1]; i-- {
		x.dates[i], x.dates[i-1] = x.dates[i-1], x.dates[i]
	}
}
