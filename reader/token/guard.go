package token

import (
	"bytes"
	"context"

	"kazashi.example/reader/apdu"
)

// The reader's own command for the identifier of the card on it: GET DATA of class FF, P1-P2 0000 (PC/SC part 3 §3.2.2.1.3).
// It goes to the reader, not to the card.
const (
	claReader  byte = 0xFF
	insGetData byte = 0xCA
)

func getUID() apdu.Command { return apdu.Command{CLA: claReader, INS: insGetData, Ne: apdu.MaxShortNe} }

// myNumberAIDs tell a My Number Card: the JPKI application (OpenSC src/libopensc/card-jpki.c), which phones have too, and the
// authentication application of the next generation's card. The latter is a practice assumption: an identifier of our own
// (category F, ISO/IEC 7816-4 §8.2.1.2), since the real one is not public.
var myNumberAIDs = [...][]byte{
	{0xD3, 0x92, 0xF0, 0x00, 0x26, 0x01, 0x00, 0x00, 0x00, 0x01},
	{0xF0, 0x4B, 0x41, 0x5A, 0x41, 0x53, 0x48, 0x49, 0x00, 0x01},
}

// selectApplication names an application completely and asks for no answer (ISO/IEC 7816-4 §11.2.2).
func selectApplication(aid []byte) apdu.Command {
	return apdu.Command{INS: apdu.InsSelect, P1: 0x04, P2: 0x0C, Data: aid}
}

// guard lets the three commands of Read pass, octet by octet, and nothing else.
type guard struct{ out Transmitter }

var _ Transmitter = guard{}

// Guard puts the guard of this package in front of t. A command that Read does not send ends with ErrForbidden, and reaches
// neither reader nor card.
func Guard(t Transmitter) Transmitter { return guard{t} }

// Transmit passes an allowed command on.
func (g guard) Transmit(ctx context.Context, raw []byte) ([]byte, error) {
	if !allowed(raw) {
		return nil, ErrForbidden
	}
	return g.out.Transmit(ctx, raw)
}

func allowed(raw []byte) bool {
	cmds := []apdu.Command{getUID()}
	for _, aid := range myNumberAIDs {
		cmds = append(cmds, selectApplication(aid))
	}
	for _, c := range cmds {
		if b, err := c.Bytes(); err == nil && bytes.Equal(b, raw) {
			return true
		}
	}
	return false
}
