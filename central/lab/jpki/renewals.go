package jpki

import (
	"net/http"
	"strconv"

	"kazashi.example/central/lab/world"
)

// MaxRenewals is how many lines one answer of /renewals has at the most.
const MaxRenewals = 10_000

// RenewalsAnswer is the JSON of /renewals?since=N: the lines after the N-th in the order in which they were added, serials in hex. Lines
// are never changed or taken away. Whoever polls keeps Last and asks with it the next time, at once if More, else later; no line
// is missed and none comes twice. A table that is shorter than N is another one, of a practice world made anew: Last is then below N, and
// the poller begins again at 0.
type RenewalsAnswer struct {
	Renewals []world.RenewalLine `json:"renewals"`
	Last     int                 `json:"last"` // number of the last line given, or N, or what there is
	More     bool                `json:"more"` // there are lines after Last
}

// serveRenewals asks nobody who they are: the practice JPKI stays on loopback. Without since it begins at the first line.
func (s *Service) serveRenewals(rw http.ResponseWriter, r *http.Request) {
	since := 0
	if text := r.URL.Query().Get("since"); text != "" {
		var err error
		if since, err = strconv.Atoi(text); err != nil || since < 0 {
			http.Error(rw, "since is the number of a line, from 0", http.StatusBadRequest)
			return
		}
	}
	all, err := s.world.Renewals()
	if err != nil {
		s.fault(rw, r, "renewals failed", err)
		return
	}
	s.reply(rw, r, renewalsSince(all, since))
}

func renewalsSince(all []world.Renewal, since int) RenewalsAnswer {
	first := min(since, len(all))
	end := min(len(all), first+MaxRenewals)
	out := RenewalsAnswer{Renewals: make([]world.RenewalLine, 0, end-first), Last: end, More: end < len(all)}
	for _, l := range all[first:end] {
		out.Renewals = append(out.Renewals, l.Line())
	}
	return out
}
