package person

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// labelWaiting binds the number of somebody whom nobody has met to its place. It is part of the database's format.
const labelWaiting = "links_waiting.number"

func waitingRow(serial []byte, s record.ServiceID) []byte { return append(slices.Clone(serial), s...) }

// LinkLater keeps what a tap says of the number of somebody whom the verifier has not met, until it meets them: a PIN, or a renewal, may lead
// there later. The latest word counts.
func (p *People) LinkLater(tx store.Tx, v record.VerifierID, id certid.CertID, s Said) error {
	serial := p.Index(v, id)
	all, err := tx.WaitingLinks(serial)
	if err != nil {
		return err
	}
	for _, w := range all {
		if w.Service == s.Service && !s.later(w.At, w.Tap) {
			return nil
		}
	}
	w := store.WaitingLink{Serial: serial, Service: s.Service, Unlink: s.Unlink, Tap: s.Tap, At: s.At}
	if s.Number != "" {
		w.Number = p.rows.Seal(labelWaiting, waitingRow(serial, s.Service), []byte(s.Number))
	}
	return tx.SetWaitingLink(w)
}

// arrived applies what was said of somebody's numbers before anybody met them, under any of these certificates that lead to them. It returns
// the sites whose roster changed.
func (p *People) arrived(tx store.Tx, who store.Person, line []certid.CertID, now time.Time) (sites []record.SiteID, err error) {
	for _, id := range line {
		serial := p.Index(who.Verifier, id)
		all, err := tx.WaitingLinks(serial)
		if err != nil {
			return nil, err
		}
		if len(all) == 0 {
			continue
		}
		if theirs, err := p.Find(tx, who.Verifier, id); err != nil || theirs.Row != who.Row {
			return nil, err
		}
		for _, w := range all {
			s := Said{Service: w.Service, Unlink: w.Unlink, Tap: w.Tap, At: w.At}
			if w.Number != nil {
				b, err := p.rows.Open(labelWaiting, waitingRow(serial, w.Service), w.Number)
				if err != nil {
					return nil, fmt.Errorf("opening a number of service %s: %w", w.Service, errors.Join(err, store.ErrDamaged))
				}
				s.Number = string(b)
			}
			l, err := p.Link(tx, who, s, now)
			if err != nil {
				return nil, err
			}
			sites = append(sites, l.Sites...)
		}
		if err := tx.DropWaitingLinks(serial); err != nil {
			return nil, err
		}
	}
	return sites, nil
}
