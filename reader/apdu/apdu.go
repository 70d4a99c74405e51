// Package apdu encodes and decodes the command and response units of ISO/IEC 7816-4.
//
// All types are values without hidden state and safe to use from any goroutine once built. Nothing here talks to a card or
// touches a disk. Data fields may hold a PIN or a certificate, so a [Command] and a [Response] print their shape and never
// their octets. The package knows short and extended lengths; it does not chain commands, does no secure messaging and does
// not follow 61xx or 6Cxx by itself.
package apdu

import (
	"errors"
	"fmt"
	"log/slog"
)

// Limits of a command and a response (ISO/IEC 7816-4 §5.1).
const (
	MaxShortData    = 255       // octets of data that one-octet Lc can say
	MaxShortNe      = 256       // octets of answer that one-octet Le can ask for
	MaxExtendedData = 65535     // octets of data that extended Lc can say
	MaxExtendedNe   = 65536     // octets of answer that extended Le can ask for
	MaxCommandLen   = 65544     // header, extended Lc, the longest data, extended Le
	MaxResponseLen  = 65536 + 2 // the longest answer and its status word
)

// Errors of this package.
var (
	// ErrCommand says that octets are no command of cases 1 to 4.
	ErrCommand = errors.New("malformed command APDU")
	// ErrLength says that a command's data or expected length is out of range.
	ErrLength = errors.New("command length out of range")
	// ErrResponse says that an answer is shorter than a status word, longer than MaxResponseLen, or ends with octets that are none.
	ErrResponse = errors.New("malformed response APDU")
	// ErrNoAnswer is what a way to the card wraps when it brought no answer to one command, and the card is still there: a
	// reader may refuse a length that it does not support. Another command may get an answer.
	ErrNoAnswer = errors.New("reader brought no answer to this command")
)

// Header is the four octets that every command begins with. They carry no secret.
type Header struct{ CLA, INS, P1, P2 byte }

// String is the four octets in hex.
func (h Header) String() string { return fmt.Sprintf("%02X %02X %02X %02X", h.CLA, h.INS, h.P1, h.P2) }

// Command is a command APDU. Ne is the number of octets expected in answer: 0 for none, at most MaxExtendedNe.
type Command struct {
	CLA, INS, P1, P2 byte
	Data             []byte
	Ne               int
}

// Header returns the command without data and lengths.
func (c Command) Header() Header { return Header{c.CLA, c.INS, c.P1, c.P2} }

// Extended reports whether the command needs extended lengths: more data than 255 octets or more answer than 256.
func (c Command) Extended() bool { return len(c.Data) > MaxShortData || c.Ne > MaxShortNe }

// Bytes encodes the command in its shortest form: cases 1 to 4, short lengths where they reach, extended otherwise
// (ISO/IEC 7816-4 §5.1). ErrLength when data or Ne is out of range. The result is a fresh slice.
func (c Command) Bytes() ([]byte, error) {
	if len(c.Data) > MaxExtendedData || c.Ne < 0 || c.Ne > MaxExtendedNe {
		return nil, fmt.Errorf("%w: %d octets of data, %d expected", ErrLength, len(c.Data), c.Ne)
	}
	b := make([]byte, 0, 9+len(c.Data))
	b = append(b, c.CLA, c.INS, c.P1, c.P2)
	if c.Extended() {
		return c.appendExtended(b), nil
	}
	if len(c.Data) > 0 {
		b = append(b, byte(len(c.Data)))
		b = append(b, c.Data...)
	}
	if c.Ne > 0 {
		b = append(b, byte(c.Ne)) // 256 is written 00
	}
	return b, nil
}

func (c Command) appendExtended(b []byte) []byte {
	b = append(b, 0) // one octet of zero says: extended lengths follow
	if len(c.Data) > 0 {
		b = append(b, byte(len(c.Data)>>8), byte(len(c.Data)))
		b = append(b, c.Data...)
	}
	if c.Ne > 0 {
		b = append(b, byte(c.Ne>>8), byte(c.Ne)) // 65536 is written 0000
	}
	return b
}

// ParseCommand decodes a command of any case. It accepts extended lengths where short ones would do, as ISO/IEC 7816-4
// §5.1 lets a sender choose; then Bytes gives a shorter command of the same meaning. ErrCommand otherwise. The data is
// copied.
func ParseCommand(b []byte) (Command, error) {
	if len(b) < 4 || len(b) > MaxCommandLen {
		return Command{}, fmt.Errorf("%w: %d octets", ErrCommand, len(b))
	}
	c := Command{CLA: b[0], INS: b[1], P1: b[2], P2: b[3]}
	body := b[4:]
	var ok bool
	switch {
	case len(body) == 0:
		return c, nil
	case len(body) == 1:
		c.Ne, ok = shortNe(body[0]), true
	case body[0] != 0:
		c.Data, c.Ne, ok = shortBody(body)
	default:
		c.Data, c.Ne, ok = extendedBody(body[1:])
	}
	if !ok {
		return Command{}, fmt.Errorf("%w: lengths do not agree with %d octets", ErrCommand, len(b))
	}
	return c, nil
}

func shortBody(body []byte) (data []byte, ne int, ok bool) {
	lc, rest := int(body[0]), body[1:]
	switch len(rest) {
	case lc:
		return clone(rest), 0, true
	case lc + 1:
		return clone(rest[:lc]), shortNe(rest[lc]), true
	}
	return nil, 0, false
}

// extendedBody takes what follows the zero octet.
func extendedBody(body []byte) (data []byte, ne int, ok bool) {
	if len(body) < 2 {
		return nil, 0, false
	}
	n, rest := int(body[0])<<8|int(body[1]), body[2:]
	switch {
	case len(rest) == 0:
		return nil, extendedNe(n), true
	case n == 0:
		return nil, 0, false
	case len(rest) == n:
		return clone(rest), 0, true
	case len(rest) == n+2:
		return clone(rest[:n]), extendedNe(int(rest[n])<<8 | int(rest[n+1])), true
	}
	return nil, 0, false
}

func shortNe(le byte) int {
	if le == 0 {
		return MaxShortNe
	}
	return int(le)
}

func extendedNe(le int) int {
	if le == 0 {
		return MaxExtendedNe
	}
	return le
}

func clone(b []byte) []byte { return append([]byte(nil), b...) }

// String prints the header and the lengths, never the data: it may be a PIN.
func (c Command) String() string {
	return fmt.Sprintf("%s data=%d ne=%d", c.Header(), len(c.Data), c.Ne)
}

// Format prints String for every verb, so that %x and %+v do not reach the data.
func (c Command) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// LogValue logs String.
func (c Command) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText writes String.
func (c Command) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// Response is a response APDU: an answer and its status word.
type Response struct {
	Data []byte
	SW   StatusWord
}

// ParseResponse splits an answer from its status word; ErrResponse when there is none, as at the end of an answer that was cut off. The
// data is copied.
func ParseResponse(b []byte) (Response, error) {
	if len(b) < 2 || len(b) > MaxResponseLen {
		return Response{}, fmt.Errorf("%w: %d octets", ErrResponse, len(b))
	}
	n := len(b) - 2
	sw := StatusWord(b[n])<<8 | StatusWord(b[n+1])
	if !sw.Valid() { // these may be octets of a file: not to be told
		return Response{}, fmt.Errorf("%w: %d octets without a status word", ErrResponse, len(b))
	}
	return Response{Data: clone(b[:n]), SW: sw}, nil
}

// Bytes is the answer followed by the status word, as a fresh slice.
func (r Response) Bytes() []byte {
	b := make([]byte, 0, len(r.Data)+2)
	b = append(b, r.Data...)
	return append(b, byte(r.SW>>8), byte(r.SW))
}

// Err is nil for 9000 and a *StatusError naming the command otherwise.
func (r Response) Err(c Command) error {
	if r.SW == SWOK {
		return nil
	}
	return &StatusError{Command: c.Header(), SW: r.SW}
}

// String prints the length and the status word, never the data: it may be a certificate.
func (r Response) String() string { return fmt.Sprintf("data=%d sw=%04X", len(r.Data), uint16(r.SW)) }

// Format prints String for every verb, so that %x and %+v do not reach the data.
func (r Response) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) }

// LogValue logs String.
func (r Response) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalText writes String.
func (r Response) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
