package person

import (
	"fmt"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// Listed is a site's roster as one message.
type Listed struct {
	Entries []roster.Entry
	Left    int // people for whom there is no room
	Damaged int // rows that cannot be read, whose people are missing
}

// Listed is what the boxes of a site are to know of the people enrolled there with a card key, for verifiers that are served, as far as one
// message has room. store.ErrDamaged if nothing at all can be read, so that a lost key does not empty a roster.
func (p *People) Listed(tx store.Tx, site record.SiteID, served func(record.VerifierID) bool) (l Listed, err error) {
	all, err := tx.EnrolmentsAt(site, record.TapID{}, roster.MaxEntries+1)
	if err != nil {
		return l, err
	}
	told, err := p.Told(tx, all, Terms{
		PPID: func(store.Subject) (record.Subject, error) { return record.Subject{}, nil },
		Services: func(v record.VerifierID) []Service {
			if !served(v) {
				return nil
			}
			return []Service{{ID: "any"}}
		},
	})
	if err == nil && told.Damaged > 0 && told.Damaged == len(all) {
		err = fmt.Errorf("reading the enrolments of site %s: %w", site, store.ErrDamaged)
	}
	l.Entries, l.Damaged = told.Entries, told.Damaged
	for i := range l.Entries {
		l.Entries[i].Services = nil
	}
	if n := len(l.Entries); n > roster.MaxEntries {
		l.Entries, l.Left = l.Entries[:roster.MaxEntries], n-roster.MaxEntries
	}
	return l, err
}
