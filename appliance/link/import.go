package link

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"kazashi.example/appliance/fetch"
	"kazashi.example/appliance/roster"
	"kazashi.example/sync/wire"
)

// Import applies what central gave for this box by another way than the line, as the line would; what it offers is taken from the remote, and
// Import waits for that. What is not news changes nothing. No time in it counts as the time of now, and PPIDs do not come that way. One part at fault
// does not keep the others out: News says what came, the error what did not. It may run beside Run.
func (l *Link) Import(ctx context.Context, got wire.Polled, from fetch.Remote) (News, error) {
	news, err := l.take(ctx, got, true)
	faults := []error{err}
	if len(got.Sets) > 0 {
		before := l.Sets.Held()
		if err := l.Sets.Take(ctx, from, bounded(got.Sets)); err != nil {
			faults = append(faults, fmt.Errorf("taking revocation sets: %w", err))
		}
		news.Sets = !slices.Equal(before, l.Sets.Held())
	}
	if l.Rosters != nil && offers(got.RosterOffer) {
		switch err := l.Rosters.Offer(ctx, from, got.RosterOffer); {
		case err == nil:
			news.Roster = true
		case !errors.Is(err, roster.ErrOlder):
			faults = append(faults, fmt.Errorf("taking a roster: %w", err))
		}
	}
	if news.Sets || news.Roster {
		l.Watch.Changed(ctx)
	}
	return news, errors.Join(faults...)
}

// Trusted applies a trust bundle alone, and reports whether it was news: for whoever must believe a signature by keys that only the bundle
// names.
func (l *Link) Trusted(ctx context.Context, bundle []byte) (bool, error) {
	news, err := l.take(ctx, wire.Polled{Bundle: bundle}, true)
	return news.Trust, err
}

// Told notes that central has outcomes of orders that State said.
func (l *Link) Told(done []wire.OrderDone) error { return l.told(done) }
