package opener

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// names writes down whom an accepted record is about: the person, the pseudonym, and what an enrolment leaves. It names the boxes whose
// roster changes. A person begins with a PIN that was verified here; a weaker tap finds one who is known, or nobody,
// whose number is kept until somebody is.
func (o *Opener) names(tx store.Tx, e store.Epoch, v store.Envelope, f finding, r *store.Record) (n news, err error) {
	if l := f.record.Link; f.readable && f.ruled && l != nil && f.record.Evidence == record.EvidenceNone {
		sites, err := o.people.TakeBack(tx, said(v, f), r.Applied)
		if err != nil {
			return n, fmt.Errorf("keeping that a number was taken back: %w", err)
		}
		n.ring, err = boxesAt(tx, sites)
		return n, err
	}
	if f.decision.Verdict != record.VerdictAccepted || !f.ruled {
		return n, nil
	}
	who, err := o.who(tx, f, r.Applied)
	if errors.Is(err, store.ErrNone) && f.record.Link != nil {
		return n, o.people.LinkLater(tx, f.rule.Verifier, f.cert, said(v, f))
	}
	if errors.Is(err, store.ErrNone) {
		return n, nil
	}
	if err != nil {
		return n, err
	}
	if r.Subject, err = o.subject(tx, who.Person, f.record.Service, r.Applied); err != nil {
		return n, err
	}
	sites := who.Sites
	if f.record.Link != nil {
		l, err := o.people.Link(tx, who.Person, said(v, f), r.Applied)
		if err != nil {
			return n, fmt.Errorf("keeping a person's number: %w", err)
		}
		if sites = append(sites, l.Sites...); l.Barred {
			n.barred, r.Subject = true, 0
		}
	}
	if !f.pin {
		n.ring, err = boxesAt(tx, sites)
		return n, err
	}
	n.parted = who.Parted
	// Whoever waits for a renewal of this certificate is looked at again: it leads to somebody now.
	if _, err := tx.Awaken(o.people.Awaited(f.cert)); err != nil {
		return n, err
	}
	if f.record.Enrolment != nil && !n.barred {
		changed, err := o.enrol(tx, e, v, f, who.Person)
		if err != nil {
			return n, err
		}
		sites = append(sites, changed...)
	}
	if err := tx.SetPINDay(who.Row, person.DayOf(earlier(f.when.to, v.Received))); err != nil {
		return n, err
	}
	n.ring, err = boxesAt(tx, sites)
	return n, err
}

// said is what a record says of a number, at the latest moment at which the tap can have been.
func said(v store.Envelope, f finding) person.Said {
	l := f.record.Link
	return person.Said{Service: f.record.Service, Number: l.Number, Unlink: l.Unlink, Tap: f.tap, At: earlier(f.when.to, v.Received)}
}

func (o *Opener) who(tx store.Tx, f finding, now time.Time) (m person.Met, err error) {
	if !f.pin {
		m.Person, err = o.people.Find(tx, f.rule.Verifier, f.cert)
		return m, err
	}
	var born *roster.Birth
	if e := f.record.Enrolment; e != nil {
		born = &e.Birth
	}
	return o.people.Meet(tx, f.rule.Verifier, f.cert, born, now)
}

// newcomer reports whether a record may be applied: whom nobody met before is made a person only after the service of renewals had its
// say, or a renewed certificate would make a second person of one. While it is silent, the record waits.
func (o *Opener) newcomer(ctx context.Context, v store.Envelope, f finding) (bool, error) {
	if !f.pin || f.decision.Verdict != record.VerdictAccepted || !o.renews(&f) {
		return true, nil
	}
	err := o.Store.View(ctx, func(tx store.Tx) error { _, err := o.people.Find(tx, f.rule.Verifier, f.cert); return err })
	if !errors.Is(err, store.ErrNone) {
		return err == nil, err
	}
	if err := o.Renewals.Current(ctx, f.shown.NotBefore); err != nil {
		if v.Tries == 0 {
			o.Log.WarnContext(ctx, "a record waits: nobody says whether its certificate took another's place", slog.String("record", v.ID.String()),
				slog.Any("error", err))
		}
		return false, ctx.Err()
	}
	return true, nil
}

// renews reports whether renewals of the record's certificate are told.
func (o *Opener) renews(f *finding) bool {
	return o.Renewals != nil && o.Renewals.Tells(f.cert.Scope.Hierarchy)
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
func (o *Opener) enrol(tx store.Tx, e store.Epoch, v store.Envelope, f finding, who store.Person) ([]record.SiteID, error) {
	box, err := tx.Box(e.Box)
	if err != nil {
		return nil, err
	}
	left := f.record.Enrolment
	sites, err := o.people.Enrol(tx, store.Enrolment{
		Tap: f.tap, Verifier: f.rule.Verifier, Person: who.Row, Box: box.ID, Site: box.Site, At: earlier(f.when.to, v.Received),
	}, person.Kept{
		Hierarchy: f.cert.Scope.Hierarchy, Serial: f.cert.Serial.Bytes(), Birth: &left.Birth, Key: f.bound, Attributes: left.Attributes,
	})
	if err != nil {
		return nil, fmt.Errorf("keeping an enrolment: %w", err)
	}
	return sites, nil
}

func boxesAt(tx store.Tx, sites []record.SiteID) (ring []record.BoxID, err error) {
	for _, site := range sites {
		at, err := tx.BoxesAt(site)
		if err != nil {
			return nil, err
		}
		ring = append(ring, at...)
	}
	return ring, nil
}
