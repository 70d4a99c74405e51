// Package sitekeys is central's half of K_site: the generations of every site's key, who may hold them, and the grant in which a
// box gets them.
//
// A generation is made here at random, or taken from a box of the site that made it while nobody could be asked. Generations are
// kept sealed under K_row, so that a backup has them and a copy of the database alone opens nothing; a restored central gives the
// same keys, under versions of its own epoch. A box that was taken out of service, or ordered to wipe or lock itself, is no member:
// it gets no grant, and its going makes a new generation. Nor is one in quarantine, which keeps its place. All work is done inside the caller's transaction and is as durable as
// that. [Keys] keeps no state and may be used from any goroutine. What is sealed under site keys is other packages' work.
package sitekeys

import (
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// MaxTaken caps the generations that are taken of one box within takenWithin. It makes one at most in the order of things.
const (
	MaxTaken    = 24
	takenWithin = 30 * 24 * time.Hour
)

// labelKey binds a sealed key to its place: site, a zero octet, generation. It is part of the database's format.
const labelKey = "site_keys.key"

// Errors.
var (
	// ErrNone says that a site has no key yet.
	ErrNone = errors.New("site has no key yet")
	// ErrMade says that a box brought a generation that cannot be taken.
	ErrMade = errors.New("a generation that a box made cannot be taken")
)

// Rows closes columns that must not be read from a copy of the database.
type Rows interface {
	// Seal binds a value to a label and a row.
	Seal(label string, row, plain []byte) []byte
	// Open is the inverse of Seal; an error if anything was changed.
	Open(label string, row, sealed []byte) ([]byte, error)
}

// SealKeys finds C-seal by its id.
type SealKeys interface {
	SealKey(id sign.KeyID) (seal.PrivateKey, error)
}

// Config is what keys work with.
type Config struct {
	Rows     Rows
	SealKeys SealKeys
	Sign     crypto.Signer // C-sign
	Now      func() time.Time
}

// Keys makes, finds and grants site keys.
type Keys struct{ Config }

// New makes keys over nothing but what the transactions hold.
func New(c Config) *Keys { return &Keys{c} }

// Current is the generation that a site seals under now; ErrNone.
func (k *Keys) Current(tx store.Tx, site record.SiteID) (sitekey.Generation, sitekey.Key, error) {
	r, err := k.Ring(tx, site)
	if err != nil {
		return sitekey.Generation{}, sitekey.Key{}, err
	}
	g, key, ok := r.Current()
	if !ok {
		return g, key, fmt.Errorf("%w: %s", ErrNone, site)
	}
	return g, key, nil
}

// Ensure is Current, and makes the first generation of a site that has none. It writes.
func (k *Keys) Ensure(tx store.Tx, site record.SiteID) (sitekey.Generation, sitekey.Key, error) {
	g, key, err := k.Current(tx, site)
	if !errors.Is(err, ErrNone) {
		return g, key, err
	}
	if _, err := k.Rotate(tx, site); err != nil {
		return g, key, err
	}
	return k.Current(tx, site)
}

// Ring is a site's generations, the current one last; empty before there is one. Of very many it holds the newest
// sitekey.MaxGenerations.
func (k *Keys) Ring(tx store.Tx, site record.SiteID) (sitekey.Ring, error) {
	rows, err := tx.SiteKeys(site)
	if err != nil || len(rows) == 0 {
		return sitekey.Ring{}, err
	}
	current, err := tx.CurrentSiteKey(site)
	if err != nil {
		return sitekey.Ring{}, fmt.Errorf("finding the current key of site %s: %w", site, err)
	}
	oldest := max(0, len(rows)-sitekey.MaxGenerations)
	if slices.IndexFunc(rows, func(r store.SiteKey) bool { return r.Generation == current }) < oldest {
		oldest++ // room for the current one
	}
	last := sitekey.Key{}
	var keys []sitekey.Key
	for i, row := range rows {
		if row.Generation != current && i < oldest {
			continue
		}
		key, err := k.open(row)
		if err != nil {
			return sitekey.Ring{}, err
		}
		if row.Generation == current {
			last = key
			continue
		}
		keys = append(keys, key)
	}
	return sitekey.NewRing(append(keys, last)...)
}

func (k *Keys) open(row store.SiteKey) (sitekey.Key, error) {
	b, err := k.Rows.Open(labelKey, place(row.Site, row.Generation), row.Key)
	if err != nil {
		return sitekey.Key{}, fmt.Errorf("opening a key of site %s: %w", row.Site, err)
	}
	defer clear(b)
	key, err := sitekey.ParseKey(b)
	if err == nil && key.Generation() != row.Generation {
		err = sitekey.ErrKey
	}
	return key, err
}

func place(site record.SiteID, g sitekey.Generation) []byte {
	return append(append([]byte(site), 0), g.ID128[:]...)
}

// add keeps one generation; store.ErrTaken if it is there.
func (k *Keys) add(tx store.Tx, site record.SiteID, key sitekey.Key, maker record.BoxID) error {
	secret := key.Reveal()
	defer clear(secret)
	g := key.Generation()
	return tx.AddSiteKey(store.SiteKey{
		Site: site, Generation: g, Key: k.Rows.Seal(labelKey, place(site, g), secret), Maker: maker, Made: k.Now(),
	})
}

// Rotate makes a new generation, current from now on.
func (k *Keys) Rotate(tx store.Tx, site record.SiteID) (sitekey.Generation, error) {
	key := sitekey.NewKey()
	g := key.Generation()
	err := errors.Join(k.add(tx, site, key, record.BoxID{}), tx.SetCurrentSiteKey(site, g), tx.RaiseGrant(site))
	if err != nil {
		return g, fmt.Errorf("making a key for site %s: %w", site, err)
	}
	return g, nil
}

// Joined notes that a box may hold its site's keys from now on: everybody is told of it.
func (k *Keys) Joined(tx store.Tx, b store.Box) error { return tx.RaiseGrant(b.Site) }

// Removed notes that a box may hold its site's keys no more: what comes is sealed under a new generation.
func (k *Keys) Removed(tx store.Tx, b store.Box) error {
	if _, _, err := k.Current(tx, b.Site); errors.Is(err, ErrNone) {
		return nil
	} else if err != nil {
		return err
	}
	_, err := k.Rotate(tx, b.Site)
	return err
}

// Unknown are those of the generations that a box brings which central has not got. It writes nothing.
func (k *Keys) Unknown(tx store.Tx, b store.Box, made []sitekey.Wrapped) (fresh []sitekey.Wrapped, err error) {
	if len(made) == 0 || b.Withheld {
		return nil, nil
	}
	rows, err := tx.SiteKeys(b.Site)
	if err != nil {
		return nil, err
	}
	held := make(map[sitekey.Generation]bool, len(rows))
	for _, r := range rows {
		held[r.Generation] = true
	}
	for _, w := range made {
		if !held[w.Generation] {
			held[w.Generation], fresh = true, append(fresh, w)
		}
	}
	return fresh, nil
}

// Take keeps what a box of the site made while it was alone, as Unknown gave it, one by one: what cannot be taken keeps nothing else from
// being taken, and is said in faults, each an ErrMade: it is of another site, sealed to somebody else, or one too many. The last that is
// taken is current where the site had no key. Otherwise nobody knows who saw it meanwhile, or why it was made, and a new generation is
// made to seal under.
func (k *Keys) Take(tx store.Tx, b store.Box, fresh []sitekey.Wrapped) (taken int, faults, err error) {
	rows, err := tx.SiteKeys(b.Site)
	if err != nil || len(fresh) == 0 {
		return 0, nil, err
	}
	lately, from := 0, k.Now().Add(-takenWithin)
	for _, r := range rows {
		if r.Maker == b.ID && r.Made.After(from) {
			lately++
		}
	}
	var last sitekey.Generation
	for _, w := range fresh {
		key, err := k.made(b, w)
		if err == nil && lately >= MaxTaken {
			err = fmt.Errorf("%w: box %s made %d lately", ErrMade, b.ID, lately)
		}
		if err != nil {
			faults = errors.Join(faults, err)
			continue
		}
		if err := k.add(tx, b.Site, key, b.ID); err != nil {
			return taken, faults, fmt.Errorf("keeping a key of site %s: %w", b.Site, err)
		}
		taken, lately, last = taken+1, lately+1, key.Generation()
	}
	switch {
	case taken == 0:
		return 0, faults, nil
	case len(rows) > 0:
		_, err = k.Rotate(tx, b.Site)
	default:
		err = errors.Join(tx.SetCurrentSiteKey(b.Site, last), tx.RaiseGrant(b.Site))
	}
	return taken, faults, err
}

// made opens a generation that a box made; ErrMade.
func (k *Keys) made(b store.Box, w sitekey.Wrapped) (sitekey.Key, error) {
	if w.Site != b.Site {
		return sitekey.Key{}, fmt.Errorf("%w: it is of site %s", ErrMade, w.Site)
	}
	with, err := k.SealKeys.SealKey(w.Recipient)
	if err != nil {
		return sitekey.Key{}, fmt.Errorf("%w: %w", ErrMade, err)
	}
	key, err := sitekey.Unwrap(with, w)
	if err != nil {
		return sitekey.Key{}, fmt.Errorf("%w: %w", ErrMade, err)
	}
	return key, nil
}

// Due reports whether a box is to have a grant: it may hold the keys, and has an older grant or none, or has locked itself and wants
// them again. It is false while the site has no key.
func (k *Keys) Due(tx store.Tx, b store.Box, held rule.Version, locked bool) (bool, error) {
	if !member(b) {
		return false, nil
	}
	now, err := k.version(tx, b.Site)
	if err != nil || !locked && now.Compare(held) <= 0 {
		return false, err
	}
	_, err = tx.CurrentSiteKey(b.Site)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return err == nil, err
}

func (k *Keys) version(tx store.Tx, site record.SiteID) (v rule.Version, err error) {
	if v.CentralEpoch, err = tx.CentralEpoch(); err != nil {
		return v, err
	}
	v.N, err = tx.GrantNumber(site)
	return v, err
}

// member reports whether a box may hold its site's keys. One that forked may be two, of which one is a thief's: its people are served, and
// it keeps what keys it has open, but is given none until an operator reinstates it.
func member(b store.Box) bool { return b.State == store.BoxActive && !b.Withheld }

// Granted reports whether a box is given its site's keys.
func Granted(b store.Box) bool { return member(b) }

// Grant is every generation of the site wrapped to a box's S, and who else may hold them. The caller asked Due; nobody else is
// ever given one.
func (k *Keys) Grant(tx store.Tx, b store.Box) (g sitekey.Grant, err error) {
	if !member(b) {
		return g, fmt.Errorf("granting site keys: box %s may not hold them", b.ID)
	}
	to, err := seal.ParsePublicKey(b.Sealing)
	if err != nil {
		return g, fmt.Errorf("reading the sealing key of box %s: %w", b.ID, err)
	}
	ring, err := k.Ring(tx, b.Site)
	if err != nil {
		return g, err
	}
	current, _, _ := ring.Current()
	g = sitekey.Grant{Site: b.Site, Box: b.ID, Current: current}
	if g.Version, err = k.version(tx, b.Site); err != nil {
		return g, err
	}
	if g.Keys, err = sitekey.WrapAll(to, b.Site, ring); err != nil {
		return g, err
	}
	g.Members, err = members(tx, b)
	return g, err
}

// members are the boxes that may hold a site's keys, the asking one first, at most sitekey.MaxMembers.
func members(tx store.Tx, b store.Box) ([]sitekey.Member, error) {
	all := []sitekey.Member{{Box: b.ID, Device: b.Device, Sealing: b.Sealing}}
	ids, err := tx.BoxesAt(b.Site)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		o, err := tx.Box(id)
		if err != nil {
			return nil, err
		}
		if id != b.ID && member(o) && len(all) < sitekey.MaxMembers {
			all = append(all, sitekey.Member{Box: o.ID, Device: o.Device, Sealing: o.Sealing})
		}
	}
	return all, nil
}
