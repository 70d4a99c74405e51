//go:build integration

package pcsc_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/sync/certid"
)

// desk is one rig, and the people of the practice world with their cards.
type desk struct {
	rig    *pcscd.Rig
	world  *world.World
	issuer []cvc.Authority
	free   chan int // slots without a card
}

func newDesk(t *testing.T, slots int) *desk {
	t.Helper()
	w, _ := person(t, "hanako")
	d := &desk{rig: rig(t, slots), world: w, issuer: cardIssuers(t, w), free: make(chan int, slots)}
	for n := range slots {
		d.free <- n
	}
	return d
}

// each runs what is to be done for every item, as many at once as there are readers, and fails the test for each error.
func each[T any](t *testing.T, d *desk, items []T, do func(T, spot) error, name func(T) string) {
	t.Helper()
	var all sync.WaitGroup
	for _, item := range items {
		slot := <-d.free
		all.Go(func() {
			defer func() { d.free <- slot }()
			at := spot{t, d, slot}
			if err := errors.Join(do(item, at), at.lift()); err != nil {
				t.Errorf("%s: %v", name(item), err)
			}
		})
	}
	all.Wait()
}

// spot is one reader that a test has to itself for a while. Its methods may be called from any goroutine, since none ends the test.
type spot struct {
	t    *testing.T
	desk *desk
	slot int
}

func (s spot) control() *control.Client { return s.desk.rig.Control() }

// lay puts a card there and waits for the service to see it, but not for ever: one that was late may have missed that the last card left,
// takes this one for it, and gives it no power before somebody connects.
func (s spot) lay(req control.InsertRequest) error {
	if _, err := s.control().Insert(s.t.Context(), s.slot, req); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	if err := s.control().Connected(ctx, s.slot); ctx.Err() == nil {
		return err
	}
	return nil
}

// lift takes away what lies there, if anything does.
func (s spot) lift() error {
	state, err := s.control().Slot(s.t.Context(), s.slot)
	if err == nil && state.Inserted {
		_, err = s.control().Remove(s.t.Context(), s.slot)
	}
	return err
}

// connected hands a connection to f, as soon as there can be one.
func (s spot) connected(f func(*pcsc.Card) error) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	card, err := connectUntil(ctx, s.desk.rig.ReaderName(s.slot), func(err error) bool { return err == nil })
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	return errors.Join(f(card), card.Close())
}

// run runs one procedure on a connection of its own.
func (s spot) run(p procedure, h holder, o mynumber.Options) error {
	return s.connected(func(c *pcsc.Card) error { return p.run(s.t.Context(), mynumber.New(c, o), h) })
}

func (s spot) tries() (map[string]uint8, error) { return s.control().Tries(s.t.Context(), s.slot) }

func (s spot) commands() (int, error) {
	state, err := s.control().Slot(s.t.Context(), s.slot)
	return int(state.APDUs), err
}

// options are for one connection: a memory, and authorities of its own, so that each reads the card-verifiable certificates anew.
func (d *desk) options(t *testing.T, m *mynumber.Memory) mynumber.Options {
	t.Helper()
	set, err := cvc.NewAuthorities(d.issuer)
	if err != nil {
		t.Error(err)
	}
	return mynumber.Options{Memory: m, Authorities: set, Next: true}
}

// cardIssuers are the card authorities of the practice world.
func cardIssuers(t *testing.T, w *world.World) []cvc.Authority {
	t.Helper()
	anchors, err := w.CardAnchors()
	if err != nil {
		t.Fatal(err)
	}
	var list []cvc.Authority
	for _, a := range anchors {
		key, err := x509.ParsePKIXPublicKey(a.Key)
		if err != nil {
			t.Fatalf("key of card authority %s: %v", a.Name, err)
		}
		list = append(list, cvc.Authority{Hierarchy: certid.HierarchyPractice, ID: a.KeyID, Key: key})
	}
	return list
}

// holder is somebody with a card, and what they can type.
type holder struct {
	world.Person
	profile  *vcard.Profile
	pin      mynumber.PIN
	input    mynumber.PIN // opens the attributes: the next card has one PIN for both
	password mynumber.Password
	birth    mynumber.BirthDate
	form     mynumber.Form
}

func (d *desk) holder(t *testing.T, key string) holder {
	t.Helper()
	p, err := d.world.Person(key)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := vcard.LoadProfile(p.Profile)
	if err != nil {
		t.Fatal(err)
	}
	h := holder{
		Person: p, profile: profile, pin: newPIN(t, p.AuthPIN), input: newPIN(t, p.InputPIN),
		birth: mynumber.BirthDate{Year: p.Birth.Year, Month: p.Birth.Month, Day: p.Birth.Day}, form: mynumber.FormEra,
	}
	if profile.Kind == vcard.Next {
		h.input = h.pin
	}
	if p.Gregorian {
		h.form = mynumber.FormGregorian
	}
	if h.password, err = mynumber.NewPassword(p.SignPassword); err != nil {
		t.Fatal(err)
	}
	return h
}

func newPIN(t *testing.T, digits string) mynumber.PIN {
	t.Helper()
	p, err := mynumber.NewPIN(digits)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cardKey is the public half of the card's own key; nil on a phone.
func (h holder) cardKey() (crypto.PublicKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(h.profile.CardKey)
	if err != nil {
		return nil, fmt.Errorf("card's key: %w", err)
	}
	return key.(crypto.Signer).Public(), nil
}
