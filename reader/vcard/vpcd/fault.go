package vpcd

import (
	"errors"
	"fmt"
	"math/rand/v2"
)

// Kind names how a card misbehaves.
type Kind string

// Faults.
const (
	// Tear: the card leaves in the middle of a command.
	Tear Kind = "tear"
	// Nonsense: the card answers random-looking octets of random lengths.
	Nonsense Kind = "nonsense"
	// Stranger: not a My Number Card from the start; AfterAPDUs is of no meaning.
	Stranger Kind = "not-a-my-number-card"
)

// ErrFault says that a fault is not one of the kinds above, or its count is negative.
var ErrFault = errors.New(`fault kind is not one of "tear", "nonsense", "not-a-my-number-card", or its count is negative`)

// Fault is a misbehaviour that starts after so many commands were answered truly.
type Fault struct {
	Kind       Kind
	AfterAPDUs int
}

// Faulty gives a card a fault; ErrFault.
func Faulty(d Device, f Fault) (Device, error) {
	if f.AfterAPDUs < 0 {
		return nil, fmt.Errorf("%w: after %d", ErrFault, f.AfterAPDUs)
	}
	switch f.Kind {
	case Tear:
		return &faulty{Device: d, left: f.AfterAPDUs, then: func() []byte { return nil }}, nil
	case Nonsense:
		return &faulty{Device: d, left: f.AfterAPDUs, then: newNoise().next}, nil
	case Stranger:
		return stranger{}, nil
	}
	return nil, fmt.Errorf("%w: %.40q", ErrFault, string(f.Kind))
}

// faulty answers truly as long as commands are left, then lets then answer.
type faulty struct {
	Device
	left int
	then func() []byte
}

func (f *faulty) Transmit(cmd []byte) []byte {
	if f.left > 0 {
		f.left--
		return f.Device.Transmit(cmd)
	}
	return f.then()
}

// noise is the same in every run, so that a failure can be repeated.
type noise struct{ r *rand.Rand }

func newNoise() *noise { return &noise{rand.New(rand.NewPCG(0x6B61, 0x7A61))} }

// next gives 1 to 300 octets; every third time it ends in 9000 all the same.
func (n *noise) next() []byte {
	b := make([]byte, 1+n.r.IntN(300))
	for i := range b {
		b[i] = byte(n.r.Uint32())
	}
	if n.r.IntN(3) == 0 {
		b = append(b, 0x90, 0x00)
	}
	return b
}

// stranger is what a transport card looks like to PC/SC: a FeliCa ATR (PC/SC part 3 supplement, storage cards) and no application.
type stranger struct{}

func (stranger) ATR() []byte {
	return []byte{
		0x3B, 0x8F, 0x80, 0x01, 0x80, 0x4F, 0x0C, 0xA0, 0x00, 0x00, 0x03, 0x06, 0x11, 0x00, 0x3B, 0x00, 0x00, 0x00, 0x00, 0x42,
	}
}

func (stranger) Reset() {}

// Transmit finds no file and knows no other instruction.
func (stranger) Transmit(cmd []byte) []byte {
	const selectFile = 0xA4
	if len(cmd) > 1 && cmd[1] == selectFile {
		return []byte{0x6A, 0x82}
	}
	return []byte{0x6D, 0x00}
}
