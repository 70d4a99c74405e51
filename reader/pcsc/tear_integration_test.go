//go:build integration

package pcsc_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/vpcd"
	"kazashi.example/sync/certid"
)

// P5: whenever in whichever procedure the card is torn away, through the real stack the answer is a typed error and the card's
// counters are as before. As many cards as there are commands lie on as many readers at once.
func TestP5TearAtEveryCommand(t *testing.T) {
	w, p := person(t, "hanako")
	options := mynumber.Options{Authorities: cardAuthorities(t, w)}
	birth := mynumber.BirthDate{Year: p.Birth.Year, Month: p.Birth.Month, Day: p.Birth.Day}
	for _, procedure := range []struct {
		name string
		run  func(context.Context, *mynumber.Card) error
	}{
		{"certificate", func(ctx context.Context, c *mynumber.Card) error {
			_, err := c.ReadAuthCert(ctx)
			return err
		}},
		{"card", func(ctx context.Context, c *mynumber.Card) error {
			if _, err := c.ReadAuthCert(ctx); err != nil {
				return err
			}
			_, err := c.ProveFace(ctx, mynumber.FaceRequest{Birth: birth, Message: []byte("fresh")})
			return err
		}},
		{"pin", func(ctx context.Context, c *mynumber.Card) error {
			pin, err := mynumber.NewPIN(p.AuthPIN)
			if err != nil {
				return err
			}
			_, err = c.SignAuth(ctx, pin, []byte("fresh"))
			return err
		}},
	} {
		t.Run(procedure.name, func(t *testing.T) {
			r := rig(t, pcscd.MaxSlots)
			run := func(slot int) error {
				return with(t, r, slot, func(card *pcsc.Card) error { return procedure.run(t.Context(), mynumber.New(card, options)) })
			}
			insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
			before := count(t, r, 0)
			if err := run(0); err != nil {
				t.Fatalf("undisturbed: %v", err)
			}
			commands := count(t, r, 0) - before
			if commands < 2 || commands > pcscd.MaxSlots-1 {
				t.Fatalf("the procedure takes %d commands, want 2 to %d", commands, pcscd.MaxSlots-1)
			}
			tearEach(t, r, p.Profile, commands, run)
		})
	}
}

// tearEach lays a copy of the card on each reader from 1 on, which leaves after 0, 1, 2, … commands.
func tearEach(t *testing.T, r *pcscd.Rig, profile string, commands int, run func(slot int) error) {
	t.Helper()
	card, err := vcard.LoadProfile(profile)
	if err != nil {
		t.Fatal(err)
	}
	copies := make([]string, commands)
	for n := range commands {
		copies[n] = save(t, card)
		insert(t, r, 1+n, control.InsertRequest{Profile: copies[n], Fault: &control.Fault{Kind: vpcd.Tear, AfterAPDUs: n}})
	}
	var all sync.WaitGroup
	for n := range commands {
		all.Go(func() {
			if err := run(1 + n); !errors.Is(err, mynumber.ErrTorn) {
				t.Errorf("torn after %d of %d commands: %v, want ErrTorn", n, commands, err)
			}
		})
	}
	all.Wait()
	noneLeft(t)
	for n := range commands {
		insert(t, r, 1+n, control.InsertRequest{Profile: copies[n]})
	}
	want := mynumber.Status{
		AuthPIN: open(3), InputPIN: open(3), Password: open(5), Birth: open(10), // as issued: reader/SOURCES.md, Files
	}
	for n := range commands {
		err := with(t, r, 1+n, func(c *pcsc.Card) error {
			got, err := mynumber.New(c, mynumber.Options{}).PINStatus(t.Context())
			if err == nil && got != want {
				t.Errorf("torn after %d of %d commands: tries %v, want %v", n, commands, got, want)
			}
			return err
		})
		if err != nil {
			t.Errorf("asking for the tries: %v", err)
		}
	}
}

func open(left int) mynumber.Tries { return mynumber.Tries{Left: left, State: mynumber.StateOpen} }

// with waits until a card lies on a reader, and hands it to f.
func with(t *testing.T, r *pcscd.Rig, slot int, f func(*pcsc.Card) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	card, err := connectUntil(ctx, r.ReaderName(slot), func(err error) bool { return err == nil })
	if err != nil {
		return err
	}
	return errors.Join(f(card), card.Close())
}

func count(t *testing.T, r *pcscd.Rig, slot int) int {
	t.Helper()
	s, err := r.Control().Slot(t.Context(), slot)
	if err != nil {
		t.Fatal(err)
	}
	return int(s.APDUs)
}

// save writes a profile to a file of its own.
func save(t *testing.T, p *vcard.Profile) string {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "card.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// cardAuthorities are those of the practice world.
func cardAuthorities(t *testing.T, w *world.World) *cvc.Authorities {
	t.Helper()
	anchors, err := w.CardAnchors()
	if err != nil {
		t.Fatal(err)
	}
	var list []cvc.Authority
	for _, a := range anchors {
		key, err := x509.ParsePKIXPublicKey(a.Key)
		if err != nil {
			t.Fatal(fmt.Errorf("key of card authority %s: %w", a.Name, err))
		}
		list = append(list, cvc.Authority{Hierarchy: certid.HierarchyPractice, ID: a.KeyID, Key: key})
	}
	set, err := cvc.NewAuthorities(list)
	if err != nil {
		t.Fatal(err)
	}
	return set
}
