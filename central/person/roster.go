package person

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// Service is one that a site's boxes serve, and within whose walls its pseudonyms are the same; no sector: it issues none.
type Service struct {
	ID     record.ServiceID
	Sector string
}

// Terms say what a site's roster tells of people.
type Terms struct {
	// Services are those of a verifier at the site, by id, rising; none: the verifier is not served there, and nobody is listed for it.
	Services func(record.VerifierID) []Service
	// PPID opens a stored pseudonym.
	PPID func(store.Subject) (record.Subject, error)
	// Safe is the newest pseudonym that may leave central.
	Safe int64
}

// Told is what a roster says of some enrolments. It names people: Entries print as REDACTED.
type Told struct {
	Entries []roster.Entry
	Gone    []record.TapID // who do not stand on it
	Damaged int            // rows that cannot be read, of which nothing is said
}

// Told is what the boxes of a site are to know of the people who left these enrolments there: of those that are current and have a card
// key, for verifiers that are served. Who is found by a renewed certificate stands under the new serial number, unless somebody enrolled
// with that one.
func (p *People) Told(tx store.Tx, all []store.Enrolment, t Terms) (l Told, err error) {
	b := batch{p: p, tx: tx, terms: t}
	if err := b.load(all); err != nil {
		return l, err
	}
	for _, e := range all {
		entry, ok, err := b.entry(e)
		switch {
		case errors.Is(err, store.ErrDamaged):
			l.Damaged++
		case err != nil:
			return l, err
		case ok:
			l.Entries = append(l.Entries, entry)
		default:
			l.Gone = append(l.Gone, e.Tap)
		}
	}
	return l, nil
}

// batch is some enrolments with what is asked for all of them at once.
type batch struct {
	p       *People
	tx      store.Tx
	terms   Terms
	ppids   map[int64][]store.Subject
	numbers map[int64][]store.ServiceNumber
	renewed map[string]bool // keyed serials
	kept    map[record.TapID]Kept
}

func (b *batch) load(all []store.Enrolment) error {
	b.ppids, b.numbers = map[int64][]store.Subject{}, map[int64][]store.ServiceNumber{}
	b.renewed, b.kept = map[string]bool{}, map[record.TapID]Kept{}
	var persons []int64
	var serials [][]byte
	for _, e := range all {
		persons = append(persons, e.Person)
		if k, err := b.p.Kept(e); err == nil {
			b.kept[e.Tap] = k
			if id, err := k.cert(); err == nil {
				serials = append(serials, b.p.renewalIndex(id))
			}
		}
	}
	subjects, err := b.tx.SubjectsOf(persons)
	if err != nil {
		return err
	}
	for _, s := range subjects {
		b.ppids[s.Person] = append(b.ppids[s.Person], s)
	}
	numbers, err := b.tx.NumbersOf(persons)
	if err != nil {
		return err
	}
	for _, n := range numbers {
		b.numbers[n.Person] = append(b.numbers[n.Person], n)
	}
	renewed, err := b.tx.RenewedAmong(serials)
	for _, r := range renewed {
		b.renewed[string(r)] = true
	}
	return err
}

// entry is false for whom the roster does not tell of, and store.ErrDamaged for an enrolment that no box could use.
func (b *batch) entry(e store.Enrolment) (entry roster.Entry, ok bool, err error) {
	services := b.terms.Services(e.Verifier)
	if !e.Current || !e.Bound || len(services) == 0 {
		return entry, false, nil
	}
	damaged := func(err error) error {
		return fmt.Errorf("reading enrolment %s: %w", e.Tap, errors.Join(err, store.ErrDamaged))
	}
	k, read := b.kept[e.Tap]
	id, err := k.cert()
	if !read || err != nil || k.Birth == nil {
		return entry, false, damaged(err)
	}
	entry = roster.Entry{
		Hierarchy: k.Hierarchy, Verifier: e.Verifier, Enrolled: e.Tap, Birth: *k.Birth, Key: k.Key, PINDay: e.PINDay,
	}
	if id, entry.Renewed, err = b.now(e, id); err != nil {
		return entry, false, err
	}
	if entry.Renewed {
		if taken, err := b.taken(e, id); err != nil || taken {
			return entry, false, err
		}
	}
	entry.Serial = id.Serial.Bytes()
	if entry.Services, err = b.services(e, services); err != nil {
		return entry, false, err
	}
	if err := entry.Check(); err != nil {
		return entry, false, damaged(err)
	}
	return entry, true, nil
}

// now is the certificate that took the place of an enrolment's, if any did.
func (b *batch) now(e store.Enrolment, id certid.CertID) (certid.CertID, bool, error) {
	if !b.renewed[string(b.p.renewalIndex(id))] {
		return id, false, nil
	}
	_, since, err := b.p.renewals(b.tx, id)
	if err != nil {
		return id, false, err
	}
	if since, err = b.p.undisputed(b.tx, e, since); err != nil || len(since) == 0 {
		return id, false, err
	}
	return since[len(since)-1], true, nil
}

// taken reports whether somebody else enrolled at the site with a certificate that took the place of this enrolment's.
func (b *batch) taken(e store.Enrolment, id certid.CertID) (bool, error) {
	l, err := b.tx.LinkOf(b.p.Index(e.Verifier, id))
	if errors.Is(err, store.ErrNone) || err == nil && l.Person == e.Person {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	theirs, err := b.tx.CurrentEnrolments(l.Person)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(theirs, func(o store.Enrolment) bool {
		if o.Site != e.Site || !o.Bound {
			return false
		}
		k, err := b.p.Kept(o)
		if err != nil {
			return false // damaged: it is no roster's
		}
		own, err := k.cert()
		return err == nil && own == id
	}), nil
}

// services is what services know of the person: pseudonyms that are safe, numbers, and which record said so last.
func (b *batch) services(e store.Enrolment, all []Service) (told []roster.Service, err error) {
	for _, s := range all {
		if len(told) == roster.MaxServices {
			break
		}
		t := roster.Service{ID: s.ID}
		for _, subject := range b.ppids[e.Person] {
			if s.Sector == "" || subject.Sector != s.Sector || subject.Row > b.terms.Safe {
				continue
			}
			p, err := b.terms.PPID(subject)
			if err != nil {
				return nil, errors.Join(err, store.ErrDamaged)
			}
			t.PPID = p.Reveal()
		}
		for _, n := range b.numbers[e.Person] {
			if n.Service != s.ID {
				continue
			}
			if t.Linked = n.Tap; n.Barred {
				continue
			}
			if t.Number, err = b.p.number(n); err != nil {
				return nil, err
			}
		}
		if t != (roster.Service{ID: s.ID}) {
			told = append(told, t)
		}
	}
	return told, nil
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

// japan is where the days of PINs are counted.
var japan = time.FixedZone("JST", 9*60*60)

// DayOf is the day of a time in Japan, in days since 1970-01-01; 0 for a time before.
func DayOf(t time.Time) uint32 {
	_, offset := t.In(japan).Zone()
	return uint32(max(t.Unix()+int64(offset), 0) / (24 * 60 * 60)) //nolint:gosec // not negative, and far below
}
