package jpki

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"kazashi.example/central/lab/world"
)

// MaxRenewals is how many lines one answer of /renewals has, but that it never ends between two lines of one time.
const MaxRenewals = 10_000

var errSince = errors.New("since is a time (RFC 3339) or the number of a line, from 0")

// RenewalsAnswer is the JSON of /renewals, serials in hex. Lines are never changed or taken away, and without since all are given.
//
// since=TIME (RFC 3339) gives the lines of that time and later, in order of time: whoever polls asks the next time with the time of the last
// line it was given, at once if More, and takes what it has already for no news. A line may be added later than its time says.
//
// since=N gives the lines after the N-th in the order in which they were added. Whoever polls keeps Last and asks with it the next time:
// no line is missed and none comes twice. A table that is shorter than N is another one, of a world made anew: Last is then below
// N, and the poller begins again at 0.
type RenewalsAnswer struct {
	Renewals []world.RenewalLine `json:"renewals"`
	More     bool                `json:"more"`           // there are lines after the last one given
	Last     int                 `json:"last,omitempty"` // number of the last line given, or N, or what there is; not after a TIME
}

// serveRenewals asks nobody who they are: the practice JPKI stays on loopback.
func (s *Service) serveRenewals(rw http.ResponseWriter, r *http.Request) {
	all, err := s.world.Renewals()
	if err != nil {
		s.fault(rw, r, "renewals failed", err)
		return
	}
	out, err := renewals(all, r.URL.Query().Get("since"))
	if err != nil {
		http.Error(rw, err.Error(), http.StatusBadRequest)
		return
	}
	s.reply(rw, r, out)
}

func renewals(all []world.Renewal, since string) (RenewalsAnswer, error) {
	if since == "" {
		return renewalsAfter(all, 0), nil
	}
	if n, err := strconv.Atoi(since); err == nil && n >= 0 {
		return renewalsAfter(all, n), nil
	}
	t, err := time.Parse(time.RFC3339Nano, since)
	if err != nil {
		return RenewalsAnswer{}, errSince
	}
	return renewalsFrom(all, t), nil
}

func renewalsAfter(all []world.Renewal, n int) RenewalsAnswer {
	first := min(n, len(all))
	end := min(len(all), first+MaxRenewals)
	return RenewalsAnswer{Renewals: lines(all[first:end]), Last: end, More: end < len(all)}
}

func renewalsFrom(all []world.Renewal, t time.Time) RenewalsAnswer {
	var later []world.Renewal
	for _, r := range all {
		if !r.At.Before(t) {
			later = append(later, r)
		}
	}
	slices.SortStableFunc(later, func(a, b world.Renewal) int { return cmp.Or(a.At.Compare(b.At), a.N-b.N) })
	end := min(len(later), MaxRenewals)
	for end > 0 && end < len(later) && later[end].At.Equal(later[end-1].At) {
		end++
	}
	return RenewalsAnswer{Renewals: lines(later[:end]), More: end < len(later)}
}

func lines(all []world.Renewal) []world.RenewalLine {
	out := make([]world.RenewalLine, 0, len(all))
	for _, r := range all {
		out = append(out, r.Line())
	}
	return out
}
