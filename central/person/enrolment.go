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

// Enrol keeps an enrolment. Of a person's enrolments at one site the latest by its tap is current, in whatever order they come; the
// others keep the key alone. It returns the sites whose roster changed. Current and Kept of e are set here.
func (p *People) Enrol(tx store.Tx, e store.Enrolment, k Kept) ([]record.SiteID, error) {
	e.Current = true
	all, err := tx.CurrentEnrolments(e.Person)
	if err != nil {
		return nil, err
	}
	for _, old := range all {
		if old.Site != e.Site {
			continue
		}
		if e.Current = after(e, old); e.Current {
			if err := p.supersede(tx, old); err != nil {
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
	return []record.SiteID{e.Site}, tx.RaiseRoster(e.Site)
}

// after orders enrolments by their taps; by tap id where both were at once.
func after(a, b store.Enrolment) bool {
	if !a.At.Equal(b.At) {
		return a.At.After(b.At)
	}
	return bytes.Compare(a.Tap.ID128[:], b.Tap.ID128[:]) > 0
}

func (p *People) supersede(tx store.Tx, old store.Enrolment) error {
	k, err := p.Kept(old)
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
		return k, fmt.Errorf("reading enrolment %s: %w", e.Tap, err)
	}
	return k, nil
}

// roomOf is what an entry takes of roster.MaxSet at most, beside its key: names, ids and dates.
const roomOf = 192

// Roster is what a box is to know of the people enrolled at its site for verifiers that are served; others stand in no roster. Its
// number is one more than the changes so far. Who needs more room than a set has is left out, the longest enrolled first, and
// counted. Who is found by a renewed certificate stands under the new serial number, unless somebody enrolled with that one.
func (p *People) Roster(tx store.Tx, b store.Box, served func(record.VerifierID) bool) (s roster.Set, left int, err error) {
	s.Box = b.ID
	if s.Version.CentralEpoch, err = tx.CentralEpoch(); err != nil {
		return s, 0, err
	}
	n, err := tx.RosterNumber(b.Site)
	if err != nil {
		return s, 0, err
	}
	s.Version.N = n + 1
	all, err := tx.EnrolmentsAt(b.Site, roster.MaxEntries)
	if err != nil {
		return s, 0, err
	}
	var own, renewed []roster.Entry
	for _, e := range all {
		entry, err := p.entry(tx, e)
		switch {
		case err != nil:
			return s, 0, err
		case !served(e.Verifier) || len(entry.Key) == 0:
		case entry.Renewed:
			renewed = append(renewed, entry)
		default:
			own = append(own, entry)
		}
	}
	s.Entries, left = fitting(append(own, renewed...))
	return s, left, nil
}

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
	if len(since) > 0 {
		id = since[len(since)-1]
	}
	return roster.Entry{
		Hierarchy: k.Hierarchy, Serial: id.Serial.Bytes(), Verifier: e.Verifier, Enrolled: e.Tap, Birth: *k.Birth, Key: k.Key,
		Renewed: len(since) > 0,
	}, nil
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
