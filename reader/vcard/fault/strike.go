package fault

import (
	"bytes"
	"fmt"

	"kazashi.example/reader/apdu"
)

// struck counts commands and lets act answer those that the fault strikes.
type struck struct {
	Card
	fault Fault
	count int
	act   func(command []byte) []byte
}

func (s *struck) Transmit(command []byte) []byte {
	s.count++
	if s.count < s.fault.First || (s.fault.Last != 0 && s.count > s.fault.Last) {
		return s.Card.Transmit(command)
	}
	return s.act(command)
}

// strike makes the card of one fault that needs nothing but commands and answers.
func strike(card Card, f Fault) (Card, error) {
	if card == nil {
		return nil, fmt.Errorf("%w: %s without a card", ErrFault, f.Kind)
	}
	s := &struck{Card: card, fault: f}
	switch f.Kind {
	case TearBefore, TearAfter:
		s.act = s.tear
	case TearOctet:
		s.act = tearAt(card, f.N)
	case RefuseExtended:
		s.act = s.extended([]byte{0x67, 0x00})
	case IgnoreExtended:
		s.act = s.extended([]byte{})
	case StatusWord:
		s.act = func([]byte) []byte { return []byte{byte(f.N >> 8), byte(f.N)} }
	case Nonsense:
		n := newNoise()
		s.act = func([]byte) []byte { return n.next() }
	case Endless61, Endless6C, Flood, Bomb:
		s.act = s.endless(f)
	default:
		change, ok := changes[f.Kind]
		if !ok {
			return nil, fmt.Errorf("%w: %s", ErrFault, f)
		}
		s.act = func(command []byte) []byte { return change(f.N, command, card.Transmit(command)) }
	}
	return s, nil
}

// tear is TearBefore and TearAfter; a torn card stays torn.
func (s *struck) tear(command []byte) []byte {
	switch {
	case s.count < s.fault.N:
		return s.Card.Transmit(command)
	case s.count == s.fault.N && s.fault.Kind == TearAfter:
		_ = s.Card.Transmit(command)
	}
	return nil
}

// tearAt is TearOctet: within a command the card does not get it whole, within an answer the card has done it.
func tearAt(card Card, n int) func([]byte) []byte {
	across := 0
	return func(command []byte) []byte {
		across += len(command)
		if across >= n {
			return nil
		}
		answer := card.Transmit(command)
		across += len(answer)
		if across >= n {
			return nil
		}
		return answer
	}
}

func (s *struck) extended(answer []byte) func([]byte) []byte {
	return func(command []byte) []byte {
		if isExtended(command) {
			return bytes.Clone(answer)
		}
		return s.Card.Transmit(command)
	}
}

// isExtended reports extended lengths, also where short ones would do (ISO/IEC 7816-4 §5.1).
func isExtended(command []byte) bool { return len(command) > 5 && command[4] == 0 }

// endless strikes commands that bring data, and those that ask for the rest of it.
func (s *struck) endless(f Fault) func([]byte) []byte {
	answer := map[Kind]func() []byte{
		Endless61: func() []byte { return append(bytes.Repeat([]byte{0xA5}, f.N), 0x61, 0x10) },
		Endless6C: alternate(),
		Flood:     func() []byte { return append(oneTLV(f.N), 0x90, 0x00) },
		Bomb:      func() []byte { return append(nested(f.N), 0x90, 0x00) },
	}[f.Kind]
	return func(command []byte) []byte {
		if len(command) > 1 && command[1] == apdu.InsResponse && f.Kind == Endless61 {
			return answer()
		}
		if honest := s.Card.Transmit(command); !bringsData(honest) {
			return honest
		}
		return answer()
	}
}

// alternate never says the Le that was just asked with.
func alternate() func() []byte {
	le := byte(0x10)
	return func() []byte {
		le ^= 0x01
		return []byte{0x6C, le}
	}
}

// nested is as many SEQUENCEs inside each other as n octets hold, each as long as what is left.
func nested(n int) []byte {
	var b []byte
	for len(b) < n {
		b = append(b, sequence(n-len(b))...)
	}
	return b[:n]
}

// oneTLV is a well-formed SEQUENCE of n octets in all, or what of it fits.
func oneTLV(n int) []byte {
	b := sequence(n)
	return append(b, bytes.Repeat([]byte{0xA5}, max(0, n-len(b)))...)[:n]
}

// sequence is tag and length field of a SEQUENCE of n octets in all, the shortest of which has nothing inside.
func sequence(n int) []byte {
	const header = 5
	inside := max(0, n-header)
	return []byte{0x30, 0x83, byte(inside >> 16), byte(inside >> 8), byte(inside)}
}

// bringsData reports an answer that ends in 9000 and has more.
func bringsData(answer []byte) bool {
	return len(answer) > 2 && answer[len(answer)-2] == 0x90 && answer[len(answer)-1] == 0x00
}
