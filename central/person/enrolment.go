package person

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/central/store"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// maxKept bounds a sealed enrolment, in octets.
const maxKept = content.MaxContent

// Kept is what an enrolment keeps of a person. It prints as REDACTED.
type Kept struct {
	Hierarchy  certid.Hierarchy    `cbor:"1,keyasint"`
	Serial     []byte              `cbor:"2,keyasint"` // of the certificate that was shown
	Birth      *roster.Birth       `cbor:"3,keyasint,omitempty"`
	Key        []byte              `cbor:"4,keyasint,omitempty"` // SubjectPublicKeyInfo of the card's key, DER; empty: later taps need the PIN
	Attributes *content.Attributes `cbor:"5,keyasint,omitempty"`
}

// Format prints REDACTED for every verb.
func (Kept) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED.
func (Kept) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (Kept) LogValue() slog.Value { return slog.StringValue("REDACTED") }

func (k Kept) cert() (certid.CertID, error) {
	s, err := certid.ParseSerial(k.Serial)
	return certid.CertID{Scope: certid.Scope{Hierarchy: k.Hierarchy, Purpose: certid.PurposeAuth}, Serial: s}, err
}

// bare is what a superseded enrolment keeps: the key, by which taps that name it are settled.
func (k Kept) bare() Kept { return Kept{Hierarchy: k.Hierarchy, Serial: k.Serial, Key: k.Key} }

// Enrol keeps an enrolment. Of a person's enrolments at one site the latest by its time is current, in whatever order they come; the
// others keep the key alone. One that binds no card key takes nothing from one that does, as long as the certificates are of one line.
// It returns the sites whose roster changed. Current, Bound and Kept of e are set here.
func (p *People) Enrol(tx store.Tx, e store.Enrolment, k Kept) ([]record.SiteID, error) {
	e.Current, e.Bound, e.PINDay = true, len(k.Key) > 0, DayOf(e.At)
	all, err := tx.CurrentEnrolments(e.Person)
	if err != nil {
		return nil, err
	}
	for _, old := range all {
		if old.Site != e.Site {
			continue
		}
		if e.Current, err = p.prevails(tx, e, k, old); err != nil {
			return nil, err
		}
		if e.Current {
			if err := errors.Join(p.supersede(tx, old), tx.ChangeRoster(old.Site, old.Tap)); err != nil {
				return nil, err
			}
		}
	}
	if !e.Current {
		k = k.bare()
	}
	if e.Kept, err = p.seal(e.Tap, k); err != nil {
		return nil, err
	}
	if err := tx.AddEnrolment(e); err != nil || !e.Current {
		return nil, err
	}
	if err := tx.ChangeRoster(e.Site, e.Tap); err != nil {
		return nil, err
	}
	out := Outcome{Sites: []record.SiteID{e.Site}}
	err = p.raiseLine(tx, e, k, &out)
	return out.Sites, err
}

// raiseLine counts changes for others whose renewed certificates led to the one that somebody enrolled with: they stand under it no more.
func (p *People) raiseLine(tx store.Tx, e store.Enrolment, k Kept, out *Outcome) error {
	id, err := k.cert()
	if err != nil {
		return err
	}
	before, _, err := p.renewals(tx, id)
	if err != nil {
		return err
	}
	for _, b := range before {
		l, err := tx.LinkOf(p.Index(e.Verifier, b))
		if errors.Is(err, store.ErrNone) || err == nil && l.Person == e.Person {
			continue
		}
		if err != nil {
			return err
		}
		if err := raise(tx, l.Person, out); err != nil {
			return err
		}
	}
	return nil
}

// prevails reports whether an enrolment takes the place of the current one: the later, or the one with a card key where only one of the two
// has one and their certificates are of one line.
func (p *People) prevails(tx store.Tx, e store.Enrolment, k Kept, old store.Enrolment) (bool, error) {
	if e.Bound == old.Bound {
		return after(e, old), nil
	}
	same, err := p.joined(tx, k, old)
	if err != nil || !same {
		return after(e, old), err
	}
	return e.Bound, nil
}

// joined reports whether two enrolments' certificates are of one line; they are not where the older cannot be read.
func (p *People) joined(tx store.Tx, k Kept, old store.Enrolment) (bool, error) {
	was, err := p.Kept(old)
	if errors.Is(err, store.ErrDamaged) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	one, err := k.cert()
	if err != nil {
		return false, err
	}
	other, err := was.cert()
	if err != nil {
		return false, err
	}
	return p.SameLine(tx, one, other)
}

// after orders enrolments by their times; by tap id where both were at once.
func after(a, b store.Enrolment) bool {
	if !a.At.Equal(b.At) {
		return a.At.After(b.At)
	}
	return bytes.Compare(a.Tap.ID128[:], b.Tap.ID128[:]) > 0
}

func (p *People) supersede(tx store.Tx, old store.Enrolment) error {
	k, err := p.Kept(old)
	if errors.Is(err, store.ErrDamaged) {
		return tx.Supersede(old.Tap, old.Kept) // as unreadable as it is: it must not keep the person from enrolling anew
	}
	if err != nil {
		return err
	}
	sealed, err := p.seal(old.Tap, k.bare())
	if err != nil {
		return err
	}
	return tx.Supersede(old.Tap, sealed)
}

func (p *People) seal(tap record.TapID, k Kept) ([]byte, error) {
	b, err := canon.Encode(k)
	if err != nil {
		return nil, fmt.Errorf("writing an enrolment: %w", err)
	}
	return p.rows.Seal(labelEnrolment, tap.ID128[:], b), nil
}

// Kept opens what an enrolment keeps.
func (p *People) Kept(e store.Enrolment) (k Kept, err error) {
	b, err := p.rows.Open(labelEnrolment, e.Tap.ID128[:], e.Kept)
	if err != nil {
		return k, fmt.Errorf("opening enrolment %s: %w", e.Tap, errors.Join(err, store.ErrDamaged))
	}
	if err := canon.Decode(b, &k, maxKept); err != nil {
		return k, fmt.Errorf("reading enrolment %s: %w", e.Tap, errors.Join(err, store.ErrDamaged))
	}
	return k, nil
}
