package sitebook

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"

	"kazashi.example/localapi"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/sitekey"
)

// refLen is the length of a keyed reference, in octets.
const refLen = 16

// formatVersion stands in what every entry is bound to.
const formatVersion = 1

// errSealed says that an entry does not open under the keys of its generation.
var errSealed = errors.New("an entry of the site book does not open")

// errNoKey says that an entry is sealed under a generation that is not held.
var errNoKey = errors.New("an entry of the site book is sealed under a key that is not here")

type ref [refLen]byte

// ring is what the site's keys derive for the book, the current generation last.
type ring struct {
	of   sitekey.Ring
	gens []generation
}

type generation struct {
	id    sitekey.Generation
	ref   [32]byte
	entry cipher.AEAD
}

// ring asks for the site's keys; localapi.ErrLocked if there are none.
func (b *Book) ring() (*ring, error) {
	held, err := b.o.Ring()
	if err == nil && held.Len() == 0 {
		err = sitekey.ErrKey
	}
	if err != nil {
		b.keys.Store(nil)
		return nil, fmt.Errorf("%w: %w", localapi.ErrLocked, err)
	}
	if r := b.keys.Load(); r != nil && r.of.Equal(held) {
		return r, nil
	}
	r := &ring{of: held}
	for _, k := range held.Keys() {
		g, err := derive(k)
		if err != nil {
			return nil, err
		}
		r.gens = append(r.gens, g)
	}
	b.keys.Store(r)
	if _, err := b.o.Ring(); err != nil {
		b.keys.Store(nil) // they were locked meanwhile
	}
	return r, nil
}

// sealing is the ring to seal an entry with. The caller holds write until the entry is committed, so that [Book.Retire] sees it.
func (b *Book) sealing() (*ring, error) {
	if b.closed {
		return nil, ErrClosed
	}
	return b.ring()
}

func derive(k sitekey.Key) (generation, error) {
	g := generation{id: k.Generation(), ref: k.Derive(sitekey.LabelBookRef)}
	key := k.Derive(sitekey.LabelBookEntry)
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return g, fmt.Errorf("preparing the site book's key: %w", err)
	}
	if g.entry, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return g, fmt.Errorf("preparing the site book's key: %w", err)
	}
	return g, nil
}

func (r *ring) current() generation { return r.gens[len(r.gens)-1] }

func (r *ring) find(id sitekey.Generation) (generation, bool) {
	for _, g := range r.gens {
		if g.id == id {
			return g, true
		}
	}
	return generation{}, false
}

// refOf makes the reference by which an entry is found: what a name of it is keyed to.
func (g generation) refOf(name []any) (f ref, err error) {
	b, err := canon.Encode(name)
	if err != nil {
		return f, fmt.Errorf("encoding a reference: %w", err)
	}
	m := hmac.New(sha256.New, g.ref[:])
	m.Write(b)
	copy(f[:], m.Sum(nil))
	return f, nil
}

// bound is what an entry is sealed with besides its content: deterministic CBOR [1, kind, generation, tap, time, service].
func (e *entry) bound(id sitekey.Generation) ([]byte, error) {
	return canon.Encode([]any{formatVersion, e.kind, id, e.tap, e.at, e.service})
}

// seal closes an entry under the current generation, and makes its references.
func (r *ring) seal(e *entry) error {
	g := r.current()
	e.blur()
	e.refs = e.refs[:0]
	for _, name := range e.row.names(e.kind, e.service) {
		f, err := g.refOf(name)
		if err != nil {
			return err
		}
		e.refs = append(e.refs, f)
	}
	plain, err := e.row.encode(e.kind)
	if err != nil {
		return err
	}
	defer clear(plain)
	aad, err := e.bound(g.id)
	if err != nil {
		return err
	}
	e.generation, e.sealed = g.id, g.entry.Seal(nil, nil, plain, aad)
	return nil
}

// open reads the content of an entry. errNoKey, errSealed, or an error of decodeRow.
func (r *ring) open(e *entry) error {
	g, ok := r.find(e.generation)
	if !ok {
		return errNoKey
	}
	aad, err := e.bound(g.id)
	if err != nil {
		return err
	}
	plain, err := g.entry.Open(nil, nil, e.sealed, aad)
	if err != nil {
		return errSealed
	}
	defer clear(plain)
	e.row, err = decodeRow(e.kind, plain)
	return err
}

// opens reads the content of an entry, where it can be.
func (r *ring) opens(e *entry) bool { return r.open(e) == nil }
