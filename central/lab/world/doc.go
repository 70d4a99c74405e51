// Package world keeps a practice world in a folder: made-up residents, the authorities that issued their certificates, their cards, and a
// ledger of what was revoked and renewed since.
//
// From one seed and one day come the same people, serials, dates and (with the same keys) the same octets. RSA keys cannot be made from
// a seed with crypto/rsa, so they are made once and kept in a key folder; several worlds may share one. Authorities of generation 4
// and next-generation cards are on P-384 with deterministic signatures (RFC 6979). Nothing here is real, and all
// of it says so: every issuer is O=JPKI-PRACTICE (NOT REAL), the scope is certid.HierarchyPractice, and a program that trusts the
// national hierarchy knows none of these roots.
//
// Concurrency: a [World] may be used from any goroutine, and several processes may open one folder; changes are made under a file lock
// and seen by the others at their next call.
//
// Durability: every change is a whole new world.json, synced and renamed into place; a crash leaves the old one or the new one. A
// crash while a world is being made leaves no world.json, and the next [Open] starts again with the keys that are there.
//
// It is no security product: private keys and PINs lie in the folder in the clear.
package world

import (
	"errors"
	"time"

	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// Errors.
var (
	// ErrOther says that the folder holds a world of another seed or size, or of another format.
	ErrOther = errors.New("folder holds another practice world")
	// ErrUnknown says that no person or certificate of this world has that name or serial.
	ErrUnknown = errors.New("not in this practice world")
	// ErrState says that the ledger does not allow the change: revoked already, not on hold, not renewable.
	ErrState = errors.New("ledger does not allow that")
)

// Defaults of [Config].
const (
	DefaultSeed uint64 = 1
	DefaultOCSP        = "http://127.0.0.1:7443/ocsp"
)

// Config says which world to open. The zero value is the default world of today, made if it is not there.
type Config struct {
	// Seed chooses the people; 0 is whatever the folder holds, or DefaultSeed for a new world.
	Seed uint64
	// People is how many; 0 is whatever the folder holds, or all that have a name (21).
	People int
	// Now is the day around which a new world is built, in any zone; zero is the real day. A world that is there keeps its own.
	Now time.Time
	// OCSP is the responder's URL in new certificates; empty is DefaultOCSP. Length and form are free: the national one's 30
	// characters mean nothing to a verifier. It may change between opens; certificates issued already keep theirs.
	OCSP string
	// Keys is the folder of the private keys; empty is DIR/keys.
	Keys string
	// Progress, if set, hears of each key that is made or found; it is called from several goroutines.
	Progress func(done, total int)
}

// Certificate is a line of the ledger.
type Certificate struct {
	ID         certid.CertID
	Generation int    // of the issuing key
	Person     string // key of the holder
	Path       string // X.509 DER
	NotBefore  time.Time
	NotAfter   time.Time
	// Listed is false for certificates that the practice CA never issued: the responder does not know them.
	Listed bool
	// Current is false once the certificate was renewed.
	Current bool
}

// Person is a resident with the certificates on the card now.
type Person struct {
	people.Person
	Auth    Certificate
	Sign    Certificate // zero without one
	Profile string      // file of a vcard.Profile
}

// Status is what the issuer knows of a certificate.
type Status struct {
	Known   bool // issued by the generation asked about
	Revoked bool // on hold included
	Reason  pki.Reason
	At      time.Time
}

// Renewal is one pair of the old→new service (対応する発行の番号).
type Renewal struct {
	N        int // place in the table, from 1
	Old, New certid.CertID
	Person   string
	At       time.Time
}

// Anchor is a root for a trust bundle.
type Anchor struct {
	Scope      certid.Scope
	Generation int
	Cert       []byte // X.509 DER, self-signed
}

// CardAnchor is an issuer key of card-verifiable certificates; it is not on the card.
type CardAnchor struct {
	Name      string // face, input or next
	Hierarchy certid.Hierarchy
	KeyID     [16]byte // as in the certificate's first 16 octets
	Input     bool     // the input-assist AP's; the next card's is for both its applications
	Key       []byte   // SubjectPublicKeyInfo DER
	Path      string   // the same as PEM; ca/card-cas.toml beside it says hierarchy, id and file of each
}

// scope of a purpose in the practice hierarchy.
func scope(p certid.Purpose) certid.Scope {
	return certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: p}
}
