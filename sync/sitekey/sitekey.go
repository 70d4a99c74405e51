// Package sitekey is K_site: the keys under which a site seals its roster entries and its site book, how they are wrapped for those who
// may hold them, and the grant in which central hands them to a box.
//
// A site has a ring of generations: everything new is sealed under the current one, older ones open what was sealed before. A generation
// is named by its own key, so that a name never stands for two keys. Keys travel only wrapped (HPKE, suite 1's KEM) to a box's sealing
// key or to central's. All types are values; a [Key] and a [Ring] are immutable, print as REDACTED and may be used from any goroutine.
// Nothing here is durable, and nothing promises that a forgotten key has left memory: Go cannot.
package sitekey

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/sync/record"
)

// KeyLen is the length of a site key, in octets.
const KeyLen = 32

// Caps.
const (
	MaxGenerations = 64                 // keys of a grant, and of an answer
	MaxRing        = 2 * MaxGenerations // keys of a ring: those of a grant, and those that a box needs beside them
)

// Labels for Key.Derive. Strings are reserved for ever.
const (
	LabelRosterRef   = "roster/ref"
	LabelRosterEntry = "roster/entry"
	LabelBookRef     = "sitebook/ref"
	LabelBookEntry   = "sitebook/entry"

	labelGeneration = "generation"
)

// Errors of this package.
var (
	// ErrKey says that octets are no site key, or not the one that their generation names.
	ErrKey = errors.New("not the site key that its generation names")
	// ErrWrapped says that a wrapped key is not in its form.
	ErrWrapped = errors.New("wrapped site key is not in its form")
	// ErrRecipient says that a key was wrapped for somebody else.
	ErrRecipient = errors.New("site key is wrapped for another recipient")
	// ErrSite says that a key or grant is of another site.
	ErrSite = errors.New("site key is of another site")
	// ErrGrant says that a grant is well signed but contradicts itself.
	ErrGrant = errors.New("grant of site keys contradicts itself")
	// ErrFull says that a ring holds MaxRing.
	ErrFull = fmt.Errorf("ring holds %d generations", MaxRing)
)

// Generation names one key of a site: the first 16 octets of what the key derives for that purpose. It says nothing about the key.
type Generation struct{ record.ID128 }

// Key is one generation of K_site. Copies share the octets, which nobody changes; the zero value is no key.
type Key struct{ octets *[KeyLen]byte } // behind a pointer, since fmt's %p prints what lies in a struct

// NewKey makes a random key.
func NewKey() Key {
	var k [KeyLen]byte
	_, _ = rand.Read(k[:]) // crypto/rand.Read never fails (Go 1.24)
	return Key{&k}
}

// ParseKey takes a copy of KeyLen octets; ErrKey otherwise.
func ParseKey(b []byte) (Key, error) {
	if len(b) != KeyLen {
		return Key{}, fmt.Errorf("%w: %d octets", ErrKey, len(b))
	}
	k := [KeyLen]byte(b)
	return Key{&k}, nil
}

// Reveal returns a copy of the octets, for whoever seals the key itself. The caller clears it.
func (k Key) Reveal() []byte {
	if k.IsZero() {
		return nil
	}
	return slices.Clone(k.octets[:])
}

// IsZero reports whether there is no key.
func (k Key) IsZero() bool { return k.octets == nil }

// Equal compares in constant time.
func (k Key) Equal(o Key) bool {
	return !k.IsZero() && !o.IsZero() && subtle.ConstantTimeCompare(k.octets[:], o.octets[:]) == 1
}

// Derive makes the key of one purpose: HKDF-Expand with SHA-256 (RFC 5869 §2.3), the key as PRK and "kazashi/site-key/v1/" and the
// label as info. It panics on the zero Key, which a caller must never use.
func (k Key) Derive(label string) (d [32]byte) {
	b, err := hkdf.Expand(sha256.New, k.octets[:], "kazashi/site-key/v1/"+label, len(d))
	if err != nil {
		panic(err) // fixed lengths
	}
	copy(d[:], b)
	return d
}

// Generation is the key's name.
func (k Key) Generation() (g Generation) {
	d := k.Derive(labelGeneration)
	copy(g.ID128[:], d[:])
	return g
}

const redacted = "REDACTED"

// String prints REDACTED.
func (Key) String() string { return redacted }

// GoString prints REDACTED.
func (Key) GoString() string { return redacted }

// Format prints REDACTED for every verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }
