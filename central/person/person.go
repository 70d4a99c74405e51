// Package person knows who is who: which person of a verifier a certificate leads to, over every renewal, and what a person's
// enrolments left for later taps.
//
// A person begins with a tap whose PIN central verified, and with nothing less. Serial numbers lead to persons by keyed indexes;
// pairs of old and new serial numbers are kept whether or not anybody was met with either, so that pairs and taps may come in any
// order. [People] holds nothing but keys and may be used from any goroutine; everything happens inside a transaction of the caller,
// who sees all of it committed or nothing. What names a person is sealed or keyed before it reaches the store. The package decides
// no tap, asks nobody and logs nothing.
package person

import (
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/ppid"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
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

// Meet is Find after a verified PIN: it makes the person if there is none, and lets the certificate lead there from now on.
func (p *People) Meet(tx store.Tx, v record.VerifierID, id certid.CertID, now time.Time) (store.Person, error) {
	who, err := p.Find(tx, v, id)
	if errors.Is(err, store.ErrNone) {
		who, err = p.add(tx, v, id, now)
	}
	if err != nil {
		return store.Person{}, err
	}
	return who, p.link(tx, p.Index(v, id), who.Row)
}

// link lets a keyed serial lead to a person unless it leads somewhere already.
func (p *People) link(tx store.Tx, index []byte, person int64) error {
	if _, err := tx.PersonBySerial(index); !errors.Is(err, store.ErrNone) {
		return err
	}
	return tx.LinkSerial(index, person)
}

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
