package sitekey

import (
	"crypto"
	"fmt"
	"slices"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// Caps.
const (
	MaxGrant   = 256 << 10 // octets of a signed grant
	MaxMembers = 64        // boxes of a site
)

// Member is a box of the site that may hold its keys.
type Member struct {
	Box     record.BoxID `cbor:"1,keyasint"`
	Device  []byte       `cbor:"2,keyasint"` // D, SubjectPublicKeyInfo (DER)
	Sealing []byte       `cbor:"3,keyasint"` // S, seal.PublicLen octets
}

// DeviceKey is D.
func (m Member) DeviceKey() (sign.PublicKey, error) { return sign.ParsePublicKey(m.Device) }

// SealingKey is S.
func (m Member) SealingKey() (seal.PublicKey, error) { return seal.ParsePublicKey(m.Sealing) }

// Grant is what central gives one box: every generation of its site wrapped to the box's S, and who else may hold them.
type Grant struct {
	Version rule.Version  `cbor:"1,keyasint"`
	Site    record.SiteID `cbor:"2,keyasint"`
	Box     record.BoxID  `cbor:"3,keyasint"`
	Keys    []Wrapped     `cbor:"4,keyasint"`
	Current Generation    `cbor:"5,keyasint"`
	Members []Member      `cbor:"6,keyasint"`
}

// Check returns ErrGrant unless the grant is whole: a version, at least one key, each of this site, for one recipient and there once,
// the current one among them, and members that are there once and have keys.
func (g Grant) Check() error {
	fail := func(what string) error { return fmt.Errorf("%w: %s", ErrGrant, what) }
	switch {
	case g.Version.CentralEpoch == 0 || g.Version.N == 0:
		return fail("no version")
	case record.CheckName(g.Site) != nil || g.Box.IsZero():
		return fail("no site or box")
	case len(g.Keys) == 0 || len(g.Keys) > MaxGenerations || len(g.Members) > MaxMembers:
		return fail("number of keys or members")
	}
	seen := map[Generation]bool{}
	for _, w := range g.Keys {
		if w.Check() != nil || w.Site != g.Site || w.Recipient != g.Keys[0].Recipient || seen[w.Generation] {
			return fail("a key")
		}
		seen[w.Generation] = true
	}
	if !seen[g.Current] {
		return fail("the current generation is not among the keys")
	}
	return g.checkMembers(fail)
}

func (g Grant) checkMembers(fail func(string) error) error {
	seen := map[record.BoxID]bool{}
	for _, m := range g.Members {
		if m.Box.IsZero() || seen[m.Box] {
			return fail("a member")
		}
		seen[m.Box] = true
		if _, err := m.DeviceKey(); err != nil {
			return fail("a member's device key")
		}
		if _, err := m.SealingKey(); err != nil {
			return fail("a member's sealing key")
		}
	}
	return nil
}

// Member finds a box among the members.
func (g Grant) Member(box record.BoxID) (Member, bool) {
	i := slices.IndexFunc(g.Members, func(m Member) bool { return m.Box == box })
	if i < 0 {
		return Member{}, false
	}
	return g.Members[i], true
}

// Ring opens the keys with the box's S, the current one last. Those that are held already are not opened again, since a TPM takes its time
// for each. Errors as UnwrapAll.
func (g Grant) Ring(with seal.PrivateKey, held Ring) (Ring, error) {
	r, err := unwrapAll(with, g.Site, g.Keys, held)
	if err != nil {
		return Ring{}, err
	}
	current, ok := r.Find(g.Current)
	if !ok {
		return Ring{}, fmt.Errorf("%w: the current generation is not among the keys", ErrGrant)
	}
	return r.With(current)
}

// Sign closes a grant with C-sign. ErrGrant.
func (g Grant) Sign(key crypto.Signer) ([]byte, error) {
	if err := g.Check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(g)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeSiteKeys, b)
}

// OpenGrant verifies and checks a signed grant. Whether it is for this box and site is the caller's to ask. ErrGrant, or an error of
// packages sign and canon.
func OpenGrant(keys sign.Keys, msg []byte) (Grant, error) {
	if len(msg) > MaxGrant {
		return Grant{}, fmt.Errorf("%w: %d octets, cap %d", canon.ErrSize, len(msg), MaxGrant)
	}
	payload, _, err := sign.Open(keys, sign.PurposeSiteKeys, msg)
	if err != nil {
		return Grant{}, err
	}
	var g Grant
	if err := canon.Decode(payload, &g, MaxGrant); err != nil {
		return Grant{}, err
	}
	return g, g.Check()
}
