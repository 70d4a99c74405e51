package person

import (
	"errors"
	"fmt"

	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// roomOf is what an entry takes of roster.MaxSet at most, beside its key: names, ids and dates.
const roomOf = 192

// Listed is who stands on a site's roster. It names people: Entries print as REDACTED.
type Listed struct {
	Entries []roster.Entry
	Left    int // people for whom there is no room: the longest enrolled
	Damaged int // rows that cannot be read, whose people are missing
}

// Listed is what the boxes of a site are to know of the people enrolled there with a card key, for verifiers that are served; others stand in
// no roster. Who needs more room than a set has, or comes after roster.MaxEntries others, is left out and counted, the longest
// enrolled first; so is whose row is damaged. Who is found by a renewed certificate stands under the new serial number, unless somebody
// enrolled with that one. store.ErrDamaged if nothing at all can be read, so that a lost key does not empty a roster.
func (p *People) Listed(tx store.Tx, site record.SiteID, served func(record.VerifierID) bool) (l Listed, err error) {
	verifiers, err := tx.VerifiersAt(site)
	if err != nil {
		return l, err
	}
	var of []record.VerifierID
	for _, v := range verifiers {
		if served(v) {
			of = append(of, v)
		}
	}
	all, count, err := tx.EnrolmentsAt(site, of, roster.MaxEntries)
	if err != nil {
		return l, err
	}
	var own, renewed []roster.Entry
	for _, e := range all {
		entry, err := p.entry(tx, e)
		switch {
		case errors.Is(err, store.ErrDamaged):
			l.Damaged++
		case err != nil:
			return l, err
		case entry.Renewed:
			renewed = append(renewed, entry)
		default:
			own = append(own, entry)
		}
	}
	if len(all) > 0 && l.Damaged == len(all) {
		return l, fmt.Errorf("reading the enrolments of site %s: %w", site, store.ErrDamaged)
	}
	l.Entries, l.Left = fitting(append(own, renewed...))
	l.Left += count - len(all)
	return l, nil
}

// entry is store.ErrDamaged for an enrolment that no box could use.
func (p *People) entry(tx store.Tx, e store.Enrolment) (roster.Entry, error) {
	k, err := p.Kept(e)
	if err != nil {
		return roster.Entry{}, err
	}
	id, err := k.cert()
	if err != nil || k.Birth == nil {
		return roster.Entry{}, fmt.Errorf("reading enrolment %s: %w", e.Tap, errors.Join(err, store.ErrDamaged))
	}
	_, since, err := p.renewals(tx, id)
	if err != nil {
		return roster.Entry{}, err
	}
	if since, err = p.undisputed(tx, e, since); err != nil {
		return roster.Entry{}, err
	}
	if len(since) > 0 {
		id = since[len(since)-1]
	}
	entry := roster.Entry{
		Hierarchy: k.Hierarchy, Serial: id.Serial.Bytes(), Verifier: e.Verifier, Enrolled: e.Tap, Birth: *k.Birth, Key: k.Key,
		Renewed: len(since) > 0,
	}
	if err := entry.Check(); err != nil {
		return roster.Entry{}, fmt.Errorf("reading enrolment %s: %w", e.Tap, errors.Join(err, store.ErrDamaged))
	}
	return entry, nil
}

// undisputed cuts off what took a certificate's place from where somebody with another birth date enrolled with it.
func (p *People) undisputed(tx store.Tx, e store.Enrolment, since []certid.CertID) ([]certid.CertID, error) {
	for i, id := range since {
		l, err := tx.LinkOf(p.Index(e.Verifier, id))
		if errors.Is(err, store.ErrNone) || err == nil && l.Person == e.Person {
			continue
		}
		if err != nil {
			return nil, err
		}
		if parted, err := tx.Parted(e.Person, l.Person); err != nil || parted {
			return since[:i], err
		}
	}
	return since, nil
}

// fitting takes the first of each certificate, as many as a set has room for.
func fitting(entries []roster.Entry) (taken []roster.Entry, left int) {
	type place struct {
		verifier  record.VerifierID
		hierarchy certid.Hierarchy
		serial    string
	}
	seen := map[place]bool{}
	size := 0
	for _, e := range entries {
		at := place{e.Verifier, e.Hierarchy, string(e.Serial)}
		switch size += roomOf + len(e.Key); {
		case seen[at]:
		case size > roster.MaxSet:
			left++
		default:
			seen[at] = true
			taken = append(taken, e)
		}
	}
	return taken, left
}
