package mynumber

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"kazashi.example/reader/cvc"
)

// answers is a card that answers one thing to every command.
type answers []byte

func (a answers) Transmit(context.Context, []byte) ([]byte, error) {
	if len(a) == 0 {
		return nil, errors.New("card was removed")
	}
	return append([]byte(nil), a...), nil
}

// P4: the integrity record can be read while it is being verified, and not after it, however that ended; nor can more of an answer be
// fetched that was announced then.
func TestP4IntegrityRecordIsClosedAgain(t *testing.T) {
	for name, answer := range map[string]answers{
		"read": {0xFF, 0x30, 0x03, 1, 2, 3, 0xFF, 0xFF, 0x90, 0x00}, "refused": {0x69, 0x82}, "nonsense": {0x12}, "torn": nil,
		"more for ever": {0xAA, 0x61, 0x10},
	} {
		c := New(answer, Options{})
		c.layout, c.guard.app = national, InputAssist
		b, err := c.readIntegrity(t.Context())
		if (err == nil) != (name == "read") || (len(b) > 0) != (err == nil) {
			t.Fatalf("%s: readIntegrity = %d octets, %v", name, len(b), err)
		}
		for _, cmd := range [][]byte{{0, 0xB0, 0x83, 0, 0}, {0, 0xB0, 0, 1, 0}, {0, 0xC0, 0, 0, 0x10}} {
			if _, err := c.guard.Transmit(t.Context(), cmd); !errors.Is(err, ErrForbidden) {
				t.Errorf("%s: Transmit(%X) after it = %v, want ErrForbidden", name, cmd, err)
			}
		}
	}
}

// A process that runs for years meets many cards, readers and municipalities.
func TestMemoryIsBounded(t *testing.T) {
	m := NewMemory()
	by := &cvc.Authorities{}
	first := tryKey{m.nameCard([]byte("first")), RefAuthPIN, false}
	for i := range maxRemembered + 10 {
		k := tryKey{m.nameCard(fmt.Append(nil, i)), RefAuthPIN, false}
		if i == 0 {
			k = first
		}
		m.sending(k, []byte("1234"), 3)
		m.told(k, 2)
		m.lengths(fmt.Sprint("reader ", i), false)
		m.keepSigner(signer{by: by, app: CardFace, id: cvc.KeyID{byte(i), byte(i >> 8)}})
	}
	if len(m.tries) != maxRemembered || len(m.readers) > maxReaders || len(m.signers) != maxSigners {
		t.Errorf("memory of %d cards holds %d, %d readers, %d signers", maxRemembered+10, len(m.tries), len(m.readers), len(m.signers))
	}
	last := tryKey{m.nameCard(fmt.Append(nil, maxRemembered+9)), RefAuthPIN, false}
	if m.wrongBefore(first, []byte("1234"), 2) || !m.wrongBefore(last, []byte("1234"), 2) {
		t.Error("the oldest card is remembered, or the newest forgotten")
	}
	for i := range 40 {
		m.sending(last, fmt.Appendf(nil, "%04d", i), 15)
		m.told(last, 14)
	}
	if n := len(m.tries[last].wrong); n > maxWrong {
		t.Errorf("%d wrong values of one card are remembered, want at most %d", n, maxWrong)
	}
	for i := range maxNameless + 10 {
		k := tryKey{m.nameConnection(), RefPassword, true}
		m.sending(k, fmt.Append(nil, i), 5)
		m.told(k, 4)
	}
	if n := len(m.nameless); n != maxNameless {
		t.Errorf("%d values of cards without a name are remembered, want %d", n, maxNameless)
	}
	m.keepSigner(signer{by: &cvc.Authorities{}, app: CardFace})
	if len(m.signers) != 1 {
		t.Errorf("%d signers after the authorities changed, want 1", len(m.signers))
	}
}
