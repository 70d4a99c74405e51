package sitekey

import (
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// infoPurpose and wrapVersion begin the HPKE info of every wrapped key.
const (
	infoPurpose = "kazashi/site-key/v1"
	wrapVersion = 1
)

// MaxWrapped caps one encoded Wrapped, in octets.
const MaxWrapped = 2 << 10

// Wrapped is one site key closed to one recipient: a box's S, or C-seal. It may be kept and carried by anybody.
type Wrapped struct {
	Site       record.SiteID `cbor:"1,keyasint"`
	Generation Generation    `cbor:"2,keyasint"`
	Recipient  sign.KeyID    `cbor:"3,keyasint"`
	Enc        []byte        `cbor:"4,keyasint"` // seal.EncLen octets
	Sealed     []byte        `cbor:"5,keyasint"` // the key and its tag
}

// info is deterministic CBOR ["kazashi/site-key/v1", 1, site, generation, recipient].
func (w Wrapped) info() ([]byte, error) {
	return canon.Encode([]any{infoPurpose, wrapVersion, w.Site, w.Generation, w.Recipient})
}

// Check returns ErrWrapped unless the lengths and the site's name are in order.
func (w Wrapped) Check() error {
	if record.CheckName(w.Site) != nil || w.Generation.IsZero() || len(w.Enc) != seal.EncLen || len(w.Sealed) != KeyLen+seal.TagLen {
		return ErrWrapped
	}
	return nil
}

// Wrap closes the key k of a site to one recipient.
func Wrap(to seal.PublicKey, site record.SiteID, k Key) (Wrapped, error) {
	if to.IsZero() || k.IsZero() {
		return Wrapped{}, ErrKey
	}
	w := Wrapped{Site: site, Generation: k.Generation(), Recipient: to.ID()}
	info, err := w.info()
	if err != nil {
		return Wrapped{}, err
	}
	secret := k.Reveal()
	defer clear(secret)
	if w.Enc, w.Sealed, err = seal.Wrap(to, info, secret); err != nil {
		return Wrapped{}, fmt.Errorf("wrapping a site key: %w", err)
	}
	return w, w.Check()
}

// Unwrap opens w with the recipient's key. ErrWrapped, ErrRecipient, ErrKey when the key is not the one that its generation names, or
// an error of package seal.
func Unwrap(with seal.PrivateKey, w Wrapped) (Key, error) {
	if err := w.Check(); err != nil {
		return Key{}, err
	}
	if w.Recipient != with.Public().ID() {
		return Key{}, ErrRecipient
	}
	info, err := w.info()
	if err != nil {
		return Key{}, err
	}
	secret, err := seal.Unwrap(with, info, w.Enc, w.Sealed)
	if err != nil {
		return Key{}, fmt.Errorf("opening a site key: %w", err)
	}
	defer clear(secret)
	k, err := ParseKey(secret)
	if err == nil && k.Generation() != w.Generation {
		err = ErrKey
	}
	if err != nil {
		return Key{}, err
	}
	return k, nil
}

// WrapAll wraps every key of a ring to one recipient, oldest first.
func WrapAll(to seal.PublicKey, site record.SiteID, r Ring) ([]Wrapped, error) {
	all := make([]Wrapped, 0, r.Len())
	for _, k := range r.Keys() {
		w, err := Wrap(to, site, k)
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

// UnwrapAll opens keys of one site into a ring, in their order. One that is wrapped for another generation of the recipient's key is an
// error like any other: nothing is taken by halves. ErrSite, or an error of Unwrap and NewRing.
func UnwrapAll(with seal.PrivateKey, site record.SiteID, all []Wrapped) (Ring, error) {
	return unwrapAll(with, site, all, Ring{})
}

func unwrapAll(with seal.PrivateKey, site record.SiteID, all []Wrapped, held Ring) (Ring, error) {
	if len(all) > MaxRing {
		return Ring{}, ErrFull
	}
	keys := make([]Key, 0, len(all))
	for _, w := range all {
		if w.Site != site {
			return Ring{}, ErrSite
		}
		k, known := held.Find(w.Generation) // a generation names one key
		if !known {
			var err error
			if k, err = Unwrap(with, w); err != nil {
				return Ring{}, err
			}
		}
		keys = append(keys, k)
	}
	return NewRing(keys...)
}

// Encode is the form in which a Wrapped is kept by itself.
func (w Wrapped) Encode() ([]byte, error) { return canon.Encode(w) }

// DecodeWrapped is the inverse of Encode. ErrWrapped, or an error of package canon.
func DecodeWrapped(b []byte) (Wrapped, error) {
	var w Wrapped
	if err := canon.Decode(b, &w, MaxWrapped); err != nil {
		return Wrapped{}, err
	}
	return w, w.Check()
}
