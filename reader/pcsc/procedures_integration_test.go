//go:build integration

package pcsc_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/token"
	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/sync/certid"
)

// procedure is one exported procedure with what its holder knows. It looks at what came of it, too.
type procedure struct {
	name string
	run  func(context.Context, *mynumber.Card, holder) error
}

var fresh = []byte("fresh")

// What the counter does with a card. certificate stands first in the two proofs of the face, as in a tap; a phone does not give it.
var (
	certificate = procedure{"certificate", func(ctx context.Context, c *mynumber.Card, h holder) error {
		got, err := c.ReadAuthCert(ctx)
		if err != nil {
			return err
		}
		return sameFile(got.DER(), h.Auth.Path)
	}}
	cardBound = procedure{"card-bound", func(ctx context.Context, c *mynumber.Card, h holder) error {
		if err := certificate.run(ctx, c, h); err != nil && !errors.Is(err, mynumber.ErrPINNeeded) {
			return err
		}
		signature, err := c.SignFace(ctx, fresh)
		if err != nil {
			return err
		}
		key, err := h.cardKey()
		if err != nil {
			return err
		}
		return jpki.VerifySignature(key, fresh, signature)
	}}
	card = procedure{"card", func(ctx context.Context, c *mynumber.Card, h holder) error {
		if err := certificate.run(ctx, c, h); err != nil && !errors.Is(err, mynumber.ErrPINNeeded) {
			return err
		}
		face, err := c.ProveFace(ctx, mynumber.FaceRequest{Birth: h.birth, Form: h.form, Message: fresh})
		if err != nil {
			return err
		}
		return h.owns(face)
	}}
	pin = procedure{"pin", func(ctx context.Context, c *mynumber.Card, h holder) error {
		signature, err := c.SignAuth(ctx, h.pin, fresh)
		if err != nil {
			return err
		}
		return h.signed(signature)
	}}
	attributes = procedure{"attributes", func(ctx context.Context, c *mynumber.Card, h holder) error {
		a, err := c.ReadAttributes(ctx, h.input)
		if err != nil {
			return err
		}
		return h.describedBy(a)
	}}
	enrol = procedure{"enrol", func(ctx context.Context, c *mynumber.Card, h holder) error {
		return enrolled(ctx, c, h, mynumber.EnrolRequest{
			PIN: h.pin, InputPIN: h.input, Attributes: true, AuthMessage: fresh, FaceMessage: fresh,
		})
	}}
	enrolBare = procedure{"enrol without attributes", func(ctx context.Context, c *mynumber.Card, h holder) error {
		return enrolled(ctx, c, h, mynumber.EnrolRequest{PIN: h.pin, Birth: h.birth, AuthMessage: fresh, FaceMessage: fresh})
	}}
	signCertificate = procedure{"sign-certificate", func(ctx context.Context, c *mynumber.Card, h holder) error {
		got, err := c.ReadSignCert(ctx, h.password)
		if err != nil {
			return err
		}
		return sameFile(got.DER(), h.Sign.Path)
	}}
	pinStatus = procedure{"pin-status", func(ctx context.Context, c *mynumber.Card, _ holder) error {
		_, err := c.PINStatus(ctx)
		return err
	}}
	info = procedure{"info", func(ctx context.Context, c *mynumber.Card, h holder) error {
		got, err := c.Info(ctx)
		want := map[vcard.Kind]mynumber.Token{
			vcard.Next: mynumber.TokenNext, vcard.Phone: mynumber.TokenAndroid, "": mynumber.TokenCard,
		}[h.profile.Kind]
		if err == nil && got.Token != want {
			return fmt.Errorf("card says it is %s, want %s", got.Token, want)
		}
		return err
	}}
	changePIN      = changing("change of the PIN", mynumber.RefAuthPIN, func(h holder) mynumber.Secret { return h.pin })
	changeInput    = changing("change of the input-assist PIN", mynumber.RefInputPIN, func(h holder) mynumber.Secret { return h.input })
	changePassword = changing("change of the password", mynumber.RefPassword, func(h holder) mynumber.Secret { return h.password })
)

var everyProcedure = []procedure{
	certificate, cardBound, card, pin, attributes, enrol, enrolBare, signCertificate, pinStatus, info, changePIN, changeInput, changePassword,
}

// changing gives a reference the value that it has, so that whatever becomes of the change, the holder knows it.
func changing(name string, ref mynumber.Reference, of func(holder) mynumber.Secret) procedure {
	return procedure{name, func(ctx context.Context, c *mynumber.Card, h holder) error {
		return c.ChangePIN(ctx, ref, of(h), of(h))
	}}
}

func enrolled(ctx context.Context, c *mynumber.Card, h holder, r mynumber.EnrolRequest) error {
	e, err := c.Enrol(ctx, r)
	if err != nil {
		return err
	}
	err = errors.Join(e.FaceErr, e.AttributesErr, sameFile(e.Cert.DER(), h.Auth.Path), h.signed(e.AuthSignature))
	if e.FaceErr == nil {
		err = errors.Join(err, h.owns(e.Face))
		if e.Form != h.form {
			err = errors.Join(err, fmt.Errorf("birth key fitted in form %d, want %d", e.Form, h.form))
		}
	}
	if e.Attributes != nil {
		err = errors.Join(err, h.describedBy(*e.Attributes))
	}
	if r.Attributes && e.Attributes == nil && e.AttributesErr == nil {
		err = errors.Join(err, errors.New("no attributes, and no reason"))
	}
	return err
}

func sameFile(got []byte, path string) error {
	want, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%d octets, want the %d that were issued", len(got), len(want))
	}
	return err
}

// owns looks whether it is the holder's card that proved itself.
func (h holder) owns(face mynumber.Face) error {
	key, err := h.cardKey()
	if err != nil {
		return err
	}
	spki, err := x509.MarshalPKIXPublicKey(key)
	if err == nil && (!bytes.Equal(face.Key, spki) || face.Hierarchy != certid.HierarchyPractice) {
		err = fmt.Errorf("proof by another key, or of hierarchy %v", face.Hierarchy)
	}
	return errors.Join(err, jpki.VerifySignature(key, fresh, face.Signature))
}

func (h holder) signed(signature []byte) error {
	cert, err := h.Auth.X509()
	if err != nil {
		return err
	}
	return jpki.VerifySignature(cert.PublicKey, fresh, signature)
}

func (h holder) describedBy(a mynumber.Attributes) error {
	if a.Name() != h.FullName() || a.Address() != h.Address || a.BirthDate() != h.birth || a.Sex() != byte(h.Sex) {
		return errors.New("attributes are not the holder's")
	}
	return nil
}

// anyCard is a kind of card, by whoever of the practice world has one, with what it refuses and why.
type anyCard struct {
	who     string
	refuses map[string][]error
}

var cards = []anyCard{
	{"hanako", nil}, // national
	{"tomas", nil},  // national, Gregorian birth key
	{"mirai", map[string][]error{changeInput.name: {mynumber.ErrNoInput}}}, // next generation
	{"sora", map[string][]error{ // a child's
		signCertificate.name: {mynumber.ErrNoSignCert, mynumber.ErrBlocked}, changePassword.name: {mynumber.ErrBlocked},
	}},
	{"tsuru", map[string][]error{ // without PINs
		pin.name: noPINs, attributes.name: noPINs, enrol.name: noPINs, enrolBare.name: noPINs,
		signCertificate.name: {mynumber.ErrNoSignCert, mynumber.ErrBlocked},
		changePIN.name:       {mynumber.ErrBlocked}, changeInput.name: {mynumber.ErrBlocked}, changePassword.name: {mynumber.ErrBlocked},
	}},
	{"sumire", map[string][]error{ // phone
		certificate.name: {mynumber.ErrPINNeeded}, cardBound.name: {mynumber.ErrNoFace}, card.name: {mynumber.ErrNoFace},
		attributes.name: {mynumber.ErrNoInput}, enrol.name: {mynumber.ErrNoInput, mynumber.ErrNoFace}, enrolBare.name: {mynumber.ErrNoFace},
		signCertificate.name: {mynumber.ErrNoSignCert}, changeInput.name: {mynumber.ErrNoInput}, changePassword.name: {mynumber.ErrBlocked},
	}},
}

// refusesOf is what somebody's card refuses.
func refusesOf(who string) map[string][]error {
	return cards[slices.IndexFunc(cards, func(c anyCard) bool { return c.who == who })].refuses
}

var noPINs = []error{mynumber.ErrNoPINs, mynumber.ErrBlocked}

// commands of a national card that is new here (DESIGN.md, "Procedures and their commands").
var commands = map[string]int{
	certificate.name: 2, cardBound.name: 4, card.name: 8, pin.name: 5, attributes.name: 8, enrol.name: 17, signCertificate.name: 5,
	pinStatus.name: 7, info.name: 5, changePIN.name: 7, changeInput.name: 7, changePassword.name: 7,
}

// Every procedure through pcscd, with every kind of card, what it refuses, and tears at every command: on one rig.
func TestProceduresThroughPCSC(t *testing.T) {
	d := newDesk(t, pcscd.MaxSlots)
	t.Run("P5 every procedure on every card", func(t *testing.T) { everyCard(t, d) })
	t.Run("changed PINs", func(t *testing.T) { changedPINs(t, d) })
	t.Run("token", func(t *testing.T) { noMyNumberCard(t, d) })
	t.Run("P5 refusals", func(t *testing.T) { refusals(t, d) })
	t.Run("P5 tear at every command", func(t *testing.T) { tears(t, d) })
	t.Run("P5 lost answers", func(t *testing.T) { lostAnswers(t, d) })
	noneLeft(t)
}

// everyCard: each procedure does what it is for, or says why not; no counter moves.
func everyCard(t *testing.T, d *desk) {
	type person struct {
		holder
		refuses map[string][]error
	}
	var all []person
	for _, c := range cards {
		all = append(all, person{d.holder(t, c.who), c.refuses})
	}
	each(t, d, all, func(h person, s spot) error {
		if err := s.lay(control.InsertRequest{Profile: h.Profile}); err != nil {
			return err
		}
		for _, p := range everyProcedure {
			sent, err := s.unharmed(p, h.holder, d.options(t, nil), h.refuses[p.name])
			if err != nil {
				t.Errorf("%s with %s's card: %v", p.name, h.Key, err)
			}
			if want, listed := commands[p.name]; listed && h.Key == "hanako" && sent != want {
				t.Errorf("%s with %s's card took %d commands, want %d", p.name, h.Key, sent, want)
			}
		}
		return s.statusIsTheCards()
	}, func(h person) string { return h.Key })
}

// unharmed runs a procedure that is to end with all of want, or without an error, and to leave every counter as it was.
func (s spot) unharmed(p procedure, h holder, o mynumber.Options, want []error) (sent int, err error) {
	before, err := s.tries()
	if err != nil {
		return 0, err
	}
	first, err := s.commands()
	if err != nil {
		return 0, err
	}
	got := s.run(p, h, o)
	for _, w := range want {
		if !errors.Is(got, w) {
			return 0, fmt.Errorf("ended with %w, want %w", got, w)
		}
	}
	if want == nil && got != nil {
		return 0, got
	}
	after, err := s.tries()
	if err == nil && !maps.Equal(before, after) {
		err = fmt.Errorf("tries %v became %v", before, after)
	}
	last, cerr := s.commands()
	return last - first, errors.Join(err, cerr)
}

// statusIsTheCards compares what PINStatus says with the card's own counters, by the names of either kind of card.
func (s spot) statusIsTheCards() error {
	var got mynumber.Status
	err := s.connected(func(c *pcsc.Card) (err error) {
		got, err = mynumber.New(c, mynumber.Options{Next: true}).PINStatus(s.t.Context())
		return err
	})
	if err != nil {
		return err
	}
	counters, err := s.tries()
	want := func(names ...string) mynumber.Tries {
		for _, name := range names {
			switch left, there := counters[name]; {
			case there && left == 0:
				return mynumber.Tries{State: mynumber.StateBlocked}
			case there:
				return mynumber.Tries{State: mynumber.StateOpen, Left: int(left)}
			}
		}
		return mynumber.Tries{State: mynumber.StateAbsent}
	}
	if err == nil && got != (mynumber.Status{
		AuthPIN: want("jpki/0018", "auth/0018"), InputPIN: want("input/0011"), Password: want("jpki/001B", "auth/001B"), Birth: want("face/0011"),
	}) {
		err = fmt.Errorf("PINStatus = %v, the card's counters are %v", got, counters)
	}
	return err
}

// changedPINs: a new PIN and a new password are in force, through the whole stack, also for the next power-up.
func changedPINs(t *testing.T, d *desk) {
	next := newPIN(t, "8317")
	word, err := mynumber.NewPassword("NEW4WORD")
	if err != nil {
		t.Fatal(err)
	}
	type person struct {
		holder
		path string
	}
	var who []person
	for _, key := range []string{"hanako", "mirai"} {
		h := d.holder(t, key)
		who = append(who, person{h, save(t, h.profile)})
	}
	change := procedure{"change", func(ctx context.Context, c *mynumber.Card, h holder) error {
		return errors.Join(c.ChangePIN(ctx, mynumber.RefAuthPIN, h.pin, next), c.ChangePIN(ctx, mynumber.RefPassword, h.password, word))
	}}
	each(t, d, who, func(p person, s spot) error {
		if err := s.lay(control.InsertRequest{Profile: p.path}); err != nil {
			return err
		}
		o := d.options(t, mynumber.NewMemory())
		if _, err := s.unharmed(change, p.holder, o, nil); err != nil {
			return err
		}
		if err := errors.Join(s.lift(), s.lay(control.InsertRequest{Profile: p.path})); err != nil {
			return err
		}
		renamed := p.holder
		renamed.pin, renamed.password = next, word
		for _, use := range []procedure{pin, signCertificate} {
			if _, err := s.unharmed(use, renamed, o, nil); err != nil {
				return fmt.Errorf("%s with the new value: %w", use.name, err)
			}
			if err := s.run(use, p.holder, o); !errors.Is(err, mynumber.ErrWrongPIN) {
				return fmt.Errorf("%s with the old value = %w, want ErrWrongPIN", use.name, err)
			}
		}
		return nil
	}, func(p person) string { return p.Key })
}

// noMyNumberCard: every procedure says of another card that it is none, and a token says its identifier.
func noMyNumberCard(t *testing.T, d *desk) {
	type lent struct {
		token.UID
		path string
	}
	var all []lent
	for _, uid := range []string{"01020304", "04112233445566", "0101060112345678", "04112233445566778899"} {
		octets, err := hex.DecodeString(uid)
		if err != nil {
			t.Fatal(err)
		}
		want, err := token.Parse(octets)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, lent{want, save(t, &vcard.Profile{Label: "lent", Kind: vcard.Token, UID: uid})})
	}
	h := d.holder(t, "hanako")
	each(t, d, all, func(want lent, s spot) error {
		if err := s.lay(control.InsertRequest{Profile: want.path}); err != nil {
			return err
		}
		for _, p := range everyProcedure {
			if _, err := s.unharmed(p, h, d.options(t, nil), []error{mynumber.ErrNotMyNumber}); err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
		}
		return s.connected(func(c *pcsc.Card) error {
			got, err := token.Read(t.Context(), c)
			if err == nil && got != want.UID {
				err = fmt.Errorf("another identifier, of %v", got.Kind())
			}
			return err
		})
	}, func(l lent) string { return l.Kind().String() })
}
