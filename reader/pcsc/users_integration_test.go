//go:build integration

package pcsc_test

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/ebfe/scard"

	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard/control"
)

// other is another program that uses the service.
func other(t *testing.T, reader string, mode scard.ShareMode) *scard.Card {
	t.Helper()
	service, err := scard.EstablishContext()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Release() })
	card, err := service.Connect(reader, mode, scard.ProtocolAny)
	if err != nil {
		t.Fatal(err)
	}
	return card
}

func TestSecondUserOfACard(t *testing.T) {
	_, p := person(t, "hanako")
	r := rig(t, 2)
	reader := r.ReaderName(0)
	insert(t, r, 0, control.InsertRequest{Profile: p.Profile})
	present(t, reader)
	for _, tt := range []struct {
		name string
		mode scard.ShareMode
		ours pcsc.Share
		want error
	}{
		{"theirs alone, ours alone", scard.ShareExclusive, pcsc.Exclusive, pcsc.ErrInUse},
		{"theirs alone, ours shared", scard.ShareExclusive, pcsc.Shared, pcsc.ErrInUse},
		{"theirs shared, ours alone", scard.ShareShared, pcsc.Exclusive, pcsc.ErrInUse},
		{"both shared", scard.ShareShared, pcsc.Shared, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			theirs := other(t, reader, tt.mode)
			ours, err := pcsc.Connect(t.Context(), reader, tt.ours)
			if !errors.Is(err, tt.want) || err != nil && tt.want == nil {
				t.Errorf("Connect = %v, want %v", err, tt.want)
			}
			if err == nil {
				if err := ours.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			}
			if err := theirs.Disconnect(scard.ResetCard); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// While the box holds a card no other program gets at it.
func TestOursAloneKeepsOthersAway(t *testing.T) {
	_, p := person(t, "hanako")
	card, _ := laid(t, control.InsertRequest{Profile: p.Profile})
	service, err := scard.EstablishContext()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Release() })
	if _, err := service.Connect("Virtual PCD 00 00", scard.ShareShared, scard.ProtocolAny); !errors.Is(err, scard.ErrSharingViolation) {
		t.Errorf("another program's Connect = %v, want a sharing violation", err)
	}
	if _, err := mynumber.New(card, mynumber.Options{}).ReadAuthCert(t.Context()); err != nil {
		t.Errorf("ReadAuthCert = %v", err)
	}
}

// Two people at two readers at the same time: each gets their own certificate, again and again.
func TestTwoCardsAtOnce(t *testing.T) {
	w, hanako := person(t, "hanako")
	everybody, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	second := everybody[1]
	for _, p := range everybody[1:] {
		if p.Key != hanako.Key && p.Kind == "" {
			second = p
			break
		}
	}
	r := rig(t, 2)
	insert(t, r, 0, control.InsertRequest{Profile: hanako.Profile})
	insert(t, r, 1, control.InsertRequest{Profile: second.Profile})
	var both sync.WaitGroup
	for slot, path := range []string{hanako.Auth.Path, second.Auth.Path} {
		reader := r.ReaderName(slot)
		present(t, reader)
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		both.Go(func() {
			for range 20 {
				card, err := pcsc.Connect(t.Context(), reader, pcsc.Exclusive)
				if err != nil {
					t.Errorf("Connect(%q) = %v", reader, err)
					return
				}
				got, err := mynumber.New(card, mynumber.Options{}).ReadAuthCert(t.Context())
				if err != nil || !bytes.Equal(got.DER(), want) {
					t.Errorf("ReadAuthCert on %q = %d octets, %v, want the card's own", reader, len(got.DER()), err)
				}
				if err := card.Close(); err != nil {
					t.Errorf("Close = %v", err)
				}
			}
		})
	}
	both.Wait()
	noneLeft(t)
}

// A card is exchanged for another in the middle of a procedure: the connection does not speak to the new one.
func TestExchangedCardIsNotSpokenTo(t *testing.T) {
	w, hanako := person(t, "hanako")
	taro, err := w.Person("taro")
	if err != nil {
		t.Fatal(err)
	}
	r := rig(t, 2)
	events := watch(t)
	expect(t, events, settled(r, 2)...)
	arrived := pcsc.Event{Kind: pcsc.CardArrived, Reader: r.ReaderName(0)}
	insert(t, r, 0, control.InsertRequest{Profile: hanako.Profile})
	expect(t, events, arrived)
	card, err := pcsc.Connect(t.Context(), r.ReaderName(0), pcsc.Exclusive)
	if err != nil {
		t.Fatal(err)
	}
	remove(t, r, 0)
	insert(t, r, 0, control.InsertRequest{Profile: taro.Profile})
	expect(t, events, pcsc.Event{Kind: pcsc.CardRemoved, Reader: r.ReaderName(0)}, arrived)
	if _, err := mynumber.New(card, mynumber.Options{}).ReadAuthCert(t.Context()); !errors.Is(err, mynumber.ErrTorn) || !errors.Is(err, pcsc.ErrNoCard) {
		t.Errorf("ReadAuthCert through the old connection = %v, want ErrTorn and ErrNoCard", err)
	}
	if s, err := r.Control().Slot(t.Context(), 0); err != nil || s.APDUs != 0 {
		t.Errorf("the new card was sent %d commands, %v, want none", s.APDUs, err)
	}
	if err := card.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}
