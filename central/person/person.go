// Package person knows who is who: which person of a verifier a certificate leads to, over every renewal, and what a person's
// enrolments left for later taps.
//
// A person begins with a tap whose PIN central verified, and with nothing less. Serial numbers lead to persons by keyed indexes;
// pairs of old and new serial numbers are kept whether or not anybody was met with either, so that pairs and taps may come in any
// order. [People] holds nothing but keys and may be used from any goroutine; everything happens inside a transaction of the caller,
// who sees all of it committed or nothing. What names a person is sealed or keyed before it reaches the store. The package decides
// no tap but one: who links a number that was linked to another before is refused. It asks nobody and logs nothing.
package person

import (
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/ppid"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// Labels bind keyed and sealed columns to their place. They are part of the database's format.
const (
	labelHandle    = "persons.handle"
	labelEnrolment = "enrolments.kept"
	labelPair      = "renewals.pair"
)

// labelSerial keeps the look-ups of verifiers apart: one card has another index at each, and serials of different scopes never
// meet.
func labelSerial(v record.VerifierID, s certid.Scope) string {
	return "records.serial/" + string(v) + "/" + s.String()
}

// labelRenewal is of no verifier: a renewal is the same for all.
func labelRenewal(s certid.Scope) string { return "renewals.serial/" + s.String() }

// Rows keys and closes columns that name people.
type Rows interface {
	// Index is equal for equal values under one label, and tells nothing else.
	Index(label string, value []byte) []byte
	// Seal closes a value for one row.
	Seal(label string, row, plain []byte) []byte
	// Open is the inverse of Seal; an error if anything was changed.
	Open(label string, row, sealed []byte) ([]byte, error)
}

// Identity derives handles; deterministic.
type Identity interface {
	Handle(v record.VerifierID, first certid.CertID) (ppid.Handle, error)
}

// People finds and makes persons.
type People struct {
	rows     Rows
	identity Identity
}

// New makes a People over central's keys.
func New(rows Rows, identity Identity) *People { return &People{rows, identity} }

// Index is the keyed serial under which a verifier finds a certificate.
func (p *People) Index(v record.VerifierID, id certid.CertID) []byte {
	return p.rows.Index(labelSerial(v, id.Scope), id.Serial.Bytes())
}

// Find says whom a certificate leads to: by itself, or by one that it took the place of, or by one that took its place, the nearest
// first. store.ErrNone if the verifier has met nobody with any of them.
func (p *People) Find(tx store.Tx, v record.VerifierID, id certid.CertID) (store.Person, error) {
	who, err := tx.PersonBySerial(p.Index(v, id))
	if !errors.Is(err, store.ErrNone) {
		return who, err
	}
	before, after, err := p.renewals(tx, id)
	if err != nil {
		return store.Person{}, err
	}
	for _, other := range append(before, after...) {
		if who, err = tx.PersonBySerial(p.Index(v, other)); !errors.Is(err, store.ErrNone) {
			return who, err
		}
	}
	return store.Person{}, store.ErrNone
}

// Met is whom a verified PIN leads to.
type Met struct {
	store.Person
	// Parted is set if renewals led to somebody else, who has another birth date: this is a new person then.
	Parted *store.Conflict
	// Sites are those whose roster changed over that, or over numbers that were linked before anybody met the person.
	Sites []record.SiteID
}

// Meet is Find after a verified PIN: it makes the person if there is none, and lets the certificate lead there from now on. born is the
// birth date with which somebody enrols, nil if nobody does. Where the certificate leads to a person over renewals alone, and that person
// enrolled with another birth date, a renewal is false: nothing of that person is handed over.
func (p *People) Meet(tx store.Tx, v record.VerifierID, id certid.CertID, born *roster.Birth, now time.Time) (m Met, err error) {
	if m, err = p.meet(tx, v, id, born, now); err != nil {
		return m, err
	}
	before, after, err := p.renewals(tx, id)
	if err != nil {
		return m, err
	}
	sites, err := p.arrived(tx, m.Person, append(append(before, id), after...), now)
	m.Sites = append(m.Sites, sites...)
	return m, err
}

func (p *People) meet(tx store.Tx, v record.VerifierID, id certid.CertID, born *roster.Birth, now time.Time) (m Met, err error) {
	index := p.Index(v, id)
	way := store.WayRenewal
	switch l, err := tx.LinkOf(index); {
	case err == nil && l.Way != store.WayRenewal:
		m.Person, err = tx.Person(l.Person)
		return m, err
	case err != nil && !errors.Is(err, store.ErrNone):
		return m, err
	}
	m.Person, err = p.Find(tx, v, id)
	switch {
	case errors.Is(err, store.ErrNone):
		if m.Person, err = p.add(tx, v, id, now); err != nil {
			return m, err
		}
		way = store.WayShown
	case err != nil:
		return m, err
	case born != nil:
		differs, err := p.bornOtherwise(tx, m.Person, *born)
		if err != nil {
			return m, err
		}
		if differs {
			return p.part(tx, v, id, m.Person, now)
		}
		way = store.WayEnrolled
	}
	return m, relink(tx, index, store.SerialLink{Person: m.Row, Way: way})
}

func relink(tx store.Tx, index []byte, l store.SerialLink) error {
	if err := tx.UnlinkSerial(index); err != nil {
		return err
	}
	return tx.LinkSerial(index, l)
}

// bornOtherwise reports whether a person enrolled with birth dates, and none of them is this one.
func (p *People) bornOtherwise(tx store.Tx, who store.Person, born roster.Birth) (bool, error) {
	all, err := tx.CurrentEnrolments(who.Row)
	if err != nil {
		return false, err
	}
	differs := false
	for _, e := range all {
		k, err := p.Kept(e)
		switch {
		case errors.Is(err, store.ErrDamaged) || err == nil && k.Birth == nil:
		case err != nil:
			return false, err
		case k.Birth.Date == born.Date:
			return false, nil
		default:
			differs = true
		}
	}
	return differs, nil
}

// part makes a new person for a certificate that renewals join to somebody else's, and reports both. What took the certificate's place
// since, and nobody enrolled with, goes along.
func (p *People) part(tx store.Tx, v record.VerifierID, id certid.CertID, from store.Person, now time.Time) (m Met, err error) {
	if m.Person, err = p.add(tx, v, id, now); err != nil {
		return m, err
	}
	_, after, err := p.renewals(tx, id)
	if err != nil {
		return m, err
	}
	for _, next := range after {
		index := p.Index(v, next)
		l, err := tx.LinkOf(index)
		if errors.Is(err, store.ErrNone) || err == nil && l != (store.SerialLink{Person: from.Row, Way: store.WayRenewal}) {
			continue
		}
		if err != nil {
			return m, err
		}
		if err := relink(tx, index, store.SerialLink{Person: m.Row, Way: store.WayRenewal}); err != nil {
			return m, err
		}
	}
	m.Parted = &store.Conflict{Kind: store.ConflictBirth, Verifier: v, Person: from.Row, Other: m.Row, At: now}
	if _, err := tx.AddConflict(*m.Parted); err != nil {
		return m, err
	}
	var out Outcome
	if err := raise(tx, from.Row, &out); err != nil {
		return m, err
	}
	m.Sites = out.Sites
	return m, relink(tx, p.Index(v, id), store.SerialLink{Person: m.Row, Way: store.WayShown})
}

// Same reports whether a certificate that leads to a person is that of an enrolment's person: they are one, or renewals join them and
// nothing is known against it.
func (p *People) Same(tx store.Tx, who store.Person, id certid.CertID, e store.Enrolment, k Kept) (bool, error) {
	if who.Row == e.Person {
		return true, nil
	}
	kept, err := k.cert()
	if err != nil {
		return false, fmt.Errorf("reading enrolment %s: %w", e.Tap, errors.Join(err, store.ErrDamaged))
	}
	if same, err := p.SameLine(tx, id, kept); err != nil || !same {
		return false, err
	}
	parted, err := tx.Parted(who.Row, e.Person)
	return !parted, err
}

// Awaited names a certificate of which a renewal may be told, for store.Tx.Await; Renew makes due what waits for it.
func (p *People) Awaited(id certid.CertID) []byte { return p.renewalIndex(id) }

func (p *People) add(tx store.Tx, v record.VerifierID, first certid.CertID, now time.Time) (store.Person, error) {
	h, err := p.identity.Handle(v, first)
	if err != nil {
		return store.Person{}, fmt.Errorf("deriving a handle: %w", err)
	}
	index := p.rows.Index(labelHandle, h[:])
	who := store.Person{Verifier: v, Index: index, Handle: p.rows.Seal(labelHandle, index, h[:]), Made: now}
	who.Row, err = tx.AddPerson(who)
	return who, err
}

// Handle opens a person's handle.
func (p *People) Handle(who store.Person) (h ppid.Handle, err error) {
	b, err := p.rows.Open(labelHandle, who.Index, who.Handle)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("opening the handle of person %d: %w", who.Row, errors.Join(err, store.ErrDamaged))
	}
	copy(h[:], b)
	return h, nil
}
