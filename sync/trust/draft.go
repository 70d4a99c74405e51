package trust

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/sign"
)

// Errors of drafts.
var (
	// ErrDraft says that a draft contradicts itself, or that two are not copies of one.
	ErrDraft = errors.New("not a trust proposal, or not a copy of the same one")
	// ErrHolder says that a key is none of those that are asked to sign.
	ErrHolder = errors.New("this key is not one that is asked to sign here")
	// ErrSigned says that a key signed already.
	ErrSigned = errors.New("this key has signed already")
)

// Draft is a trust bundle on its way from one holder of a root key to the next: each adds his signature where his key is, on one copy after
// another or on a copy each. Nobody believes a draft; Finish makes of it what a box believes.
//
// With Next the draft also makes that the next root set; without Roots, the first one, and then there is no bundle.
type Draft struct {
	Version      uint8    `cbor:"1,keyasint"`
	Roots        [][]byte `cbor:"2,keyasint"`           // chain of signed root sets in force
	Next         []byte   `cbor:"3,keyasint,omitempty"` // payload of the next root set
	NextSigned   []byte   `cbor:"4,keyasint,omitempty"` // signed by those who have
	Bundle       []byte   `cbor:"5,keyasint,omitempty"` // payload
	BundleSigned []byte   `cbor:"6,keyasint,omitempty"`
}

// NewDraft proposes a bundle. roots is the chain in force; next, if not nil, the root set that is to follow it. Without roots next is the
// first set and b is left out. ErrBundle, ErrRoot.
func NewDraft(roots [][]byte, next *RootSet, b Bundle) (Draft, error) {
	d := Draft{Version: 1, Roots: roots}
	var err error
	if next != nil {
		if d.Next, err = canon.Encode(*next); err != nil {
			return Draft{}, err
		}
	}
	if len(roots) > 0 {
		b.Version = 1
		if err := b.check(); err != nil {
			return Draft{}, err
		}
		if d.Bundle, err = canon.Encode(b); err != nil {
			return Draft{}, err
		}
	}
	_, err = d.levels()
	return d, err
}

// DecodeDraft reads a draft that somebody carried. ErrDraft, ErrRoot, ErrBundle, or an error of packages canon and sign.
func DecodeDraft(b []byte) (Draft, error) {
	var d Draft
	if err := canon.Decode(b, &d, MaxBundle); err != nil {
		return Draft{}, fmt.Errorf("%w: %w", ErrDraft, err)
	}
	if _, err := d.levels(); err != nil {
		return Draft{}, err
	}
	return d, nil
}

// Encode is the inverse of DecodeDraft.
func (d Draft) Encode() ([]byte, error) { return canon.Encode(d) }

// Level is one of the signatures that a draft needs: Threshold of Holders.
type Level struct {
	What      string // "root set 2 by set 1", "bundle 7"
	Threshold int
	Holders   []sign.KeyID
	Signed    []sign.KeyID // those whose signatures verify

	set     RootSet
	purpose sign.Purpose
	payload []byte
	signed  *[]byte
}

// Enough reports whether the threshold is reached.
func (l Level) Enough() bool { return len(l.Signed) >= l.Threshold }

// Levels says who is asked to sign what, and who has.
func (d Draft) Levels() []Level {
	levels, err := d.levels()
	if err != nil {
		return nil
	}
	return levels
}

// Content is the bundle proposed; zero where there is none.
func (d Draft) Content() (b Bundle, err error) {
	if len(d.Bundle) > 0 {
		err = canon.Decode(d.Bundle, &b, MaxBundle)
	}
	return b, err
}

// levels checks the draft whole.
func (d *Draft) levels() ([]Level, error) {
	var levels []Level
	var last *RootSet
	if d.Version != 1 || len(d.Roots) == 0 && len(d.Next) == 0 || (len(d.Roots) == 0) != (len(d.Bundle) == 0) {
		return nil, fmt.Errorf("%w: version or parts", ErrDraft)
	}
	if len(d.Roots) > 0 {
		first, err := FingerprintOf(d.Roots[0])
		if err != nil {
			return nil, err
		}
		set, _, err := walk(first, d.Roots)
		if err != nil {
			return nil, err
		}
		last = &set
	}
	if len(d.Next) > 0 {
		next, err := parseRootSet(d.Next)
		if err != nil {
			return nil, err
		}
		if last != nil {
			levels = append(levels, Level{What: fmt.Sprintf("root set %d by set %d", next.N, last.N), set: *last, purpose: sign.PurposeRoot})
		}
		if last == nil && next.N != 1 || last != nil && next.N != last.N+1 {
			return nil, fmt.Errorf("%w: set %d does not follow", ErrRoot, next.N)
		}
		levels = append(levels, Level{What: fmt.Sprintf("root set %d by itself", next.N), set: next, purpose: sign.PurposeRoot})
		for i := range levels {
			levels[i].payload, levels[i].signed = d.Next, &d.NextSigned
		}
		last = &next
	}
	if len(d.Bundle) > 0 {
		b, err := d.Content()
		if err != nil {
			return nil, err
		}
		if err := b.check(); err != nil {
			return nil, err
		}
		levels = append(levels, Level{
			What: fmt.Sprintf("bundle %d", b.Number), set: *last, purpose: sign.PurposeTrust, payload: d.Bundle, signed: &d.BundleSigned,
		})
	}
	for i := range levels {
		if err := levels[i].count(); err != nil {
			return nil, err
		}
	}
	return levels, nil
}

// count fills in what the message shows.
func (l *Level) count() error {
	l.Threshold = int(l.set.Threshold)
	for _, der := range l.set.Keys {
		l.Holders = append(l.Holders, sign.KeyIDOf(der))
	}
	if len(*l.signed) == 0 {
		return nil
	}
	payload, by, err := sign.OpenMany(l.set, l.purpose, *l.signed)
	if err != nil {
		return fmt.Errorf("%s: %w", l.What, err)
	}
	if !bytes.Equal(payload, l.payload) {
		return fmt.Errorf("%w: what was signed is not what is proposed", ErrDraft)
	}
	l.Signed = by
	return nil
}

// Sign adds a key's signature to everything that asks for it, and names that. ErrHolder, ErrSigned.
func (d *Draft) Sign(key crypto.Signer) (what []string, err error) {
	pub, err := sign.PublicKeyOf(key.Public())
	if err != nil {
		return nil, err
	}
	levels, err := d.levels()
	if err != nil {
		return nil, err
	}
	asked, id := false, pub.ID()
	done := map[*[]byte]bool{}
	for _, l := range levels {
		if !slices.Contains(l.Holders, id) {
			continue
		}
		asked = true
		if slices.Contains(l.Signed, id) {
			continue
		}
		if !done[l.signed] { // one message may serve two levels
			if *l.signed, err = sign.CoSign(*l.signed, key, l.purpose, l.payload); err != nil {
				return nil, err
			}
			done[l.signed] = true
		}
		what = append(what, l.What)
	}
	switch {
	case !asked:
		return nil, fmt.Errorf("%w: %s", ErrHolder, id)
	case len(what) == 0:
		return nil, fmt.Errorf("%w: %s", ErrSigned, id)
	default:
		return what, nil
	}
}

// Join adds the signatures of another copy. ErrDraft unless it is one.
func (d *Draft) Join(o Draft) error {
	if !slices.EqualFunc(d.Roots, o.Roots, bytes.Equal) || !bytes.Equal(d.Next, o.Next) || !bytes.Equal(d.Bundle, o.Bundle) {
		return ErrDraft
	}
	var err error
	if d.NextSigned, err = sign.Join(d.NextSigned, o.NextSigned); err != nil {
		return err
	}
	d.BundleSigned, err = sign.Join(d.BundleSigned, o.BundleSigned)
	return err
}

// Finish makes the chain of root sets and the travelling form of the bundle; the latter is nil where the draft has none. ErrThreshold names
// what is not signed by enough.
func (d Draft) Finish() (chain [][]byte, travelling []byte, err error) {
	levels, err := d.levels()
	if err != nil {
		return nil, nil, err
	}
	for _, l := range levels {
		if !l.Enough() {
			return nil, nil, fmt.Errorf("%w: %s: %d of %d", ErrThreshold, l.What, len(l.Signed), l.Threshold)
		}
	}
	chain = slices.Clone(d.Roots)
	if len(d.Next) > 0 {
		chain = append(chain, d.NextSigned)
	}
	if len(d.Bundle) == 0 {
		return chain, nil, nil
	}
	travelling, err = canon.Encode(file{Roots: chain, Bundle: d.BundleSigned})
	return chain, travelling, err
}
