//go:build integration

package pcsc_test

import (
	"testing"

	"github.com/ebfe/scard"

	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard/control"
)

// What a worker costs beside a call in this process, on the same virtual card. DESIGN.md holds the figures.
func BenchmarkTransmit(b *testing.B) {
	_, p := person(b, "hanako")
	r := rig(b, 2)
	insert(b, r, 0, control.InsertRequest{Profile: p.Profile})
	present(b, r.ReaderName(0))
	selectJPKI := []byte{0, 0xA4, 4, 0x0C, 10, 0xD3, 0x92, 0xF0, 0, 0x26, 1, 0, 0, 0, 1}
	readCertificate := []byte{0, 0xB0, 0x8A, 0, 0, 0, 0}
	b.Run("worker", func(b *testing.B) {
		card, err := pcsc.Connect(b.Context(), r.ReaderName(0), pcsc.Exclusive)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = card.Close() }()
		transmit(b, selectJPKI, readCertificate, func(cmd []byte) ([]byte, error) { return card.Transmit(b.Context(), cmd) })
	})
	b.Run("in process", func(b *testing.B) {
		service, err := scard.EstablishContext()
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = service.Release() }()
		card, err := service.Connect(r.ReaderName(0), scard.ShareExclusive, scard.ProtocolAny)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = card.Disconnect(scard.ResetCard) }()
		transmit(b, selectJPKI, readCertificate, card.Transmit)
	})
}

func transmit(b *testing.B, first, again []byte, send func([]byte) ([]byte, error)) {
	b.Helper()
	if _, err := send(first); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if answer, err := send(again); err != nil || len(answer) < 1000 {
			b.Fatalf("answer = %d octets, %v, want a certificate", len(answer), err)
		}
	}
}

// A connection with a worker at hand: the price of a tap before its first command.
func BenchmarkConnect(b *testing.B) {
	_, p := person(b, "hanako")
	r := rig(b, 2)
	insert(b, r, 0, control.InsertRequest{Profile: p.Profile})
	present(b, r.ReaderName(0))
	connect := func(b *testing.B) *pcsc.Card {
		card, err := pcsc.Connect(b.Context(), r.ReaderName(0), pcsc.Exclusive)
		if err != nil {
			b.Fatal(err)
		}
		return card
	}
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			if err := connect(b).Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("in process", func(b *testing.B) {
		for b.Loop() {
			service, err := scard.EstablishContext()
			if err != nil {
				b.Fatal(err)
			}
			card, err := service.Connect(r.ReaderName(0), scard.ShareExclusive, scard.ProtocolAny)
			if err != nil {
				b.Fatal(err)
			}
			_ = card.Disconnect(scard.ResetCard)
			_ = service.Release()
		}
	})
}
