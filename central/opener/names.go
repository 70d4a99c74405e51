package opener

import (
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// names writes down whom an accepted record is about: the person, the pseudonym, and what an enrolment leaves. It names the boxes whose
// roster changes. A person begins with a PIN that was verified here; a weaker tap finds one who is known, or nobody.
func (o *Opener) names(tx store.Tx, e store.Epoch, v store.Envelope, f finding, r *store.Record) ([]record.BoxID, error) {
	if f.decision.Verdict != record.VerdictAccepted || !f.ruled {
		return nil, nil
	}
	who, err := o.who(tx, f, r.Applied)
	if errors.Is(err, store.ErrNone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if r.Subject, err = o.subject(tx, who, f.record.Service, r.Applied); err != nil {
		return nil, err
	}
	if !f.pin || f.record.Enrolment == nil {
		return nil, nil
	}
	return o.enrol(tx, e, v, f, who)
}

func (o *Opener) who(tx store.Tx, f finding, now time.Time) (store.Person, error) {
	if f.pin {
		return o.people.Meet(tx, f.rule.Verifier, f.cert, now)
	}
	return o.people.Find(tx, f.rule.Verifier, f.cert)
}

// subject finds or makes a person's pseudonym; 0 if the service issues none.
func (o *Opener) subject(tx store.Tx, who store.Person, service record.ServiceID, now time.Time) (int64, error) {
	sector, named := o.Services.Sector(service)
	if !named {
		return 0, nil
	}
	old, err := tx.Subject(who.Row, sector)
	if err == nil {
		return old.Row, nil
	}
	if !errors.Is(err, store.ErrNone) {
		return 0, err
	}
	handle, err := o.people.Handle(who)
	if err != nil {
		return 0, err
	}
	p, err := o.Identity.PPID(sector, handle)
	if err != nil {
		return 0, fmt.Errorf("deriving a pseudonym: %w", err)
	}
	return tx.AddSubject(store.Subject{
		Person: who.Row, Sector: sector, KeyEpoch: o.Identity.Epoch(), Made: now,
		PPID: o.Rows.Seal(labelPPID, SubjectRow(who.Row, sector), []byte(p.Reveal())),
	})
}

// enrol keeps what an enrolment leaves. It is ordered among the person's others by the latest moment at which it can have been: by its
// arrival, unless the clock was checked. A time after the arrival is wrong, and the arrival counts.
func (o *Opener) enrol(tx store.Tx, e store.Epoch, v store.Envelope, f finding, who store.Person) ([]record.BoxID, error) {
	box, err := tx.Box(e.Box)
	if err != nil {
		return nil, err
	}
	left := f.record.Enrolment
	sites, err := o.people.Enrol(tx, store.Enrolment{
		Tap: f.tap, Verifier: f.rule.Verifier, Person: who.Row, Box: box.ID, Site: box.Site, At: earlier(spanOf(f.record, v.Received).to, v.Received),
	}, person.Kept{
		Hierarchy: f.cert.Scope.Hierarchy, Serial: f.cert.Serial.Bytes(), Birth: &left.Birth, Key: f.bound, Attributes: left.Attributes,
	})
	if err != nil {
		return nil, fmt.Errorf("keeping an enrolment: %w", err)
	}
	var ring []record.BoxID
	for _, site := range sites {
		at, err := tx.BoxesAt(site)
		if err != nil {
			return nil, err
		}
		ring = append(ring, at...)
	}
	return ring, nil
}
