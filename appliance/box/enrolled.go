package box

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/localapi"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/roster"
)

// enrolled answers a technician's questions about the roster.
type enrolled struct{ *Box }

var _ server.People = enrolled{}

// WhoIs looks into central's roster alone: what it does not hold yet is the site book's.
func (e enrolled) WhoIs(ctx context.Context, w localapi.WhoIs) (localapi.OnRoster, error) {
	found, ok, err := e.find(ctx, w)
	if err != nil || !ok {
		return localapi.OnRoster{}, err
	}
	out := localapi.OnRoster{Found: true, Verifier: found.Verifier, Enrolled: found.Enrolled, Renewed: found.Renewed}
	if found.PINDay > 0 {
		out.PINDay = time.Unix(int64(found.PINDay)*24*60*60, 0).UTC().Format(time.DateOnly)
	}
	for _, s := range found.Services {
		out.Services = append(out.Services, localapi.ServiceOnRoster{ID: s.ID, Pseudonym: s.PPID != "", Number: s.Number != ""})
	}
	return out, nil
}

func (e enrolled) find(ctx context.Context, w localapi.WhoIs) (roster.Entry, bool, error) {
	if w.Tap == "" {
		number, err := localapi.CanonNumber(w.Number)
		if err != nil {
			return roster.Entry{}, false, fmt.Errorf("%w: %w", localapi.ErrDeskForm, err)
		}
		return e.rosters.ByNumber(w.Service, number)
	}
	taps, err := e.journal.Taps(ctx, math.MaxInt32)
	if err != nil {
		return roster.Entry{}, false, err
	}
	i := slices.IndexFunc(taps, func(t journal.Row) bool { return t.Code == w.Tap })
	if i < 0 {
		return roster.Entry{}, false, localapi.ErrUnknown
	}
	return e.rosters.ByTap(taps[i].Tap)
}
