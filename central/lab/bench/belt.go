package bench

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/world"
	"kazashi.example/reader/apdu"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/vcard"
)

// beltReader is the name of the reader that a belt plays.
const beltReader = "belt"

// belt is a reader without a chip: it lays one certificate after the other, and each is read in no time. What a tap takes with
// it is the box's own time.
type belt struct {
	certs [][]byte
	cards []*vcard.Card // laid instead, if there are any
	next  atomic.Uint64
	lay   chan struct{}  // asks for one laying
	start chan time.Time // gets when the laying began, if there is room
	read  chan struct{}  // hears of each reading, if there is room
}

var _ tap.Cards = (*belt)(nil)

func newBelt(certs [][]byte) *belt {
	return &belt{certs: certs, lay: make(chan struct{}), start: make(chan time.Time, 1), read: make(chan struct{}, 1)}
}

// Watch lays a card whenever it is asked to.
func (b *belt) Watch(ctx context.Context, handle func(tap.Event)) error {
	handle(tap.Event{Kind: tap.ReaderAdded, Reader: beltReader})
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-b.lay:
		}
		select {
		case b.start <- time.Now():
		default:
		}
		handle(tap.Event{Kind: tap.CardArrived, Reader: beltReader})
	}
}

// Open connects to the next card.
func (b *belt) Open(context.Context, string) (tap.Connection, error) {
	n := b.next.Add(1) - 1
	if len(b.cards) > 0 {
		return plastic{b.cards[n%uint64(len(b.cards))]}, nil
	}
	return &chip{b, b.certs[n%uint64(len(b.certs))]}, nil
}

// chip is a card that has one application with one file, and answers at once.
type chip struct {
	belt *belt
	cert []byte
}

// Transmit answers SELECT and READ BINARY.
func (c *chip) Transmit(_ context.Context, command []byte) ([]byte, error) {
	if len(command) < 2 || command[1] != apdu.InsReadBinary {
		return []byte{0x90, 0x00}, nil
	}
	select {
	case c.belt.read <- struct{}{}:
	default:
	}
	return append(bytes.Clone(c.cert), 0x90, 0x00), nil
}

// Close has nothing to let go.
func (*chip) Close() error { return nil }

// plastic is a whole virtual card in this process, with all that it reckons.
type plastic struct{ *vcard.Card }

// Transmit hands a command to the card.
func (p plastic) Transmit(_ context.Context, command []byte) ([]byte, error) {
	return p.Card.Transmit(command), nil
}

// Close resets it.
func (p plastic) Close() error { p.Reset(); return nil }

var errNobody = errors.New("practice world has nobody whose certificate is in order")

// residents are the practice people whose certificate is in date, not revoked and of a known issuer.
func residents(w *world.World) ([]resident, error) {
	anchors, err := anchorsOf(w)
	if err != nil {
		return nil, err
	}
	people, err := w.People()
	if err != nil {
		return nil, err
	}
	var good []resident
	for _, p := range people {
		der, err := os.ReadFile(p.Auth.Path)
		if err != nil {
			return nil, fmt.Errorf("reading a practice certificate: %w", err)
		}
		cert, err := anchors.Examine(der)
		if err != nil {
			return nil, fmt.Errorf("examining a practice certificate: %w", err)
		}
		st, err := w.Status(p.Auth.ID, p.Auth.Generation)
		if err != nil {
			return nil, err
		}
		if cert.Chain == jpki.ChainVerified && cert.Profile == nil && st.Known && !st.Revoked && time.Now().Before(cert.NotAfter) {
			good = append(good, resident{der, p})
		}
	}
	if len(good) == 0 {
		return nil, errNobody
	}
	return good, nil
}

// resident is somebody whose card is in order.
type resident struct {
	cert []byte // authentication certificate, DER
	world.Person
}

func certsOf(all []resident) [][]byte {
	certs := make([][]byte, 0, len(all))
	for _, p := range all {
		certs = append(certs, p.cert)
	}
	return certs
}

func anchorsOf(w *world.World) (*jpki.Anchors, error) {
	var list []jpki.Anchor
	for _, a := range w.Anchors() {
		cert, err := x509.ParseCertificate(a.Cert)
		if err != nil {
			return nil, fmt.Errorf("parsing a practice root: %w", err)
		}
		list = append(list, jpki.Anchor{Cert: cert, Hierarchy: a.Scope.Hierarchy, Purpose: a.Scope.Purpose})
	}
	return jpki.NewAnchors(list...)
}
