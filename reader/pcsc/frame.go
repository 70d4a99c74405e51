package pcsc

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ebfe/scard"

	"kazashi.example/reader/apdu"
)

// What a program and its worker say to each other: four octets of length, one that says what it is, and a body. One question
// at a time, and one answer to each. Both ends are the same executable, so that nothing here needs a version.
const (
	opConnect    byte = 1 // body: share, name of the reader
	opTransmit   byte = 2 // body: command; answer: that of the card
	opDisconnect byte = 3 // resets the card
	opList       byte = 4 // answer: names of the readers, each ended by a zero octet
	opWait       byte = 5 // body: timeout in ms, then states; answer: their new states

	answerOK    byte = 0
	answerCode  byte = 1 // body: libpcsclite's error, and 1 if the card is no longer there
	answerError byte = 2 // body: what went wrong, in words
)

const (
	headLen   = 5
	firstRead = 2048                     // octets asked for at once: a certificate, and most else
	maxBody   = apdu.MaxResponseLen + 64 // the longest of all is an answer of the card
	maxName   = 128                      // MAX_READERNAME (pcsc-lite src/PCSC/pcsclite.h)
	maxState  = 64                       // readers in one wait; pcsc-lite holds 16
	maxWords  = 256                      // octets of an error in words
)

var errFrame = errors.New("malformed frame")

// conn is one end of the two pipes. Its buffers hold what may be a PIN or a name, and are wiped after use.
type conn struct {
	in     io.Reader
	out    io.Writer
	outBuf []byte // grows to the longest frame there was
	inBuf  []byte
}

// send writes one frame in one piece, so that the other end is woken once.
func (c *conn) send(what byte, body ...[]byte) error {
	n := 0
	for _, b := range body {
		n += len(b)
	}
	if n > maxBody {
		return fmt.Errorf("%w: %d octets", errFrame, n)
	}
	c.outBuf = slices.Grow(c.outBuf[:0], headLen+n) // now, so that appending leaves no copy behind
	frame := append(binary.BigEndian.AppendUint32(c.outBuf, uint32(n)), what)
	for _, b := range body {
		frame = append(frame, b...)
	}
	_, err := c.out.Write(frame)
	clear(frame)
	return err
}

// receive reads one frame, mostly in one piece. Its body is a fresh slice that the caller wipes if need be. What follows a
// frame unasked in the same piece is an error; a pipe's next piece is looked at when it is read.
func (c *conn) receive() (what byte, body []byte, err error) {
	if c.inBuf == nil {
		c.inBuf = make([]byte, firstRead)
	}
	got, err := io.ReadAtLeast(c.in, c.inBuf, headLen)
	defer clear(c.inBuf[:got])
	if err != nil {
		return 0, nil, err
	}
	n := binary.BigEndian.Uint32(c.inBuf)
	if n > maxBody || got > headLen+int(n) {
		return 0, nil, fmt.Errorf("%w: %d octets", errFrame, n)
	}
	body = make([]byte, n)
	if _, err = io.ReadFull(c.in, body[copy(body, c.inBuf[headLen:got]):]); err == nil {
		return c.inBuf[4], body, nil
	}
	clear(body)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return 0, nil, err
}

// encodeError is the answer that says err.
func encodeError(err error, gone bool) (what byte, body []byte) {
	var code scard.Error
	if !errors.As(err, &code) {
		words := err.Error()
		return answerError, []byte(words[:min(len(words), maxWords)])
	}
	body = binary.BigEndian.AppendUint32(nil, uint32(code))
	if gone {
		return answerCode, append(body, 1)
	}
	return answerCode, append(body, 0)
}

// decodeAnswer returns the body of a good answer, and otherwise the error that the other end met.
func decodeAnswer(what byte, body []byte) (answer []byte, gone bool, err error) {
	switch {
	case what == answerOK:
		return body, false, nil
	case what == answerCode && len(body) == headLen && body[4] <= 1:
		return nil, body[4] == 1, scard.Error(binary.BigEndian.Uint32(body))
	case what == answerError && len(body) <= maxWords:
		return nil, false, fmt.Errorf("%w: %q", ErrWorker, body)
	}
	return nil, false, errFrame
}

// appendStates encodes what to wait for: name and state as seen last.
func appendStates(b []byte, states []scard.ReaderState) []byte {
	for i := range states {
		b = append(b, byte(len(states[i].Reader)))
		b = append(b, states[i].Reader...)
		b = binary.BigEndian.AppendUint32(b, uint32(states[i].CurrentState))
	}
	return b
}

func decodeStates(b []byte) ([]scard.ReaderState, error) {
	var states []scard.ReaderState
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || n > maxName || len(b) < 1+n+4 || len(states) == maxState {
			return nil, errFrame
		}
		current := scard.StateFlag(binary.BigEndian.Uint32(b[1+n:]))
		states = append(states, scard.ReaderState{Reader: string(b[1 : 1+n]), CurrentState: current})
		b = b[1+n+4:]
	}
	return states, nil
}

// appendEvents encodes the outcome of a wait, in the order of the question.
func appendEvents(b []byte, states []scard.ReaderState) []byte {
	for i := range states {
		b = binary.BigEndian.AppendUint32(b, uint32(states[i].EventState))
	}
	return b
}

// decodeEvents puts the outcome into the states that were asked about.
func decodeEvents(b []byte, states []scard.ReaderState) error {
	if len(b) != 4*len(states) {
		return errFrame
	}
	for i := range states {
		states[i].EventState = scard.StateFlag(binary.BigEndian.Uint32(b[4*i:]))
	}
	return nil
}

// appendNames encodes reader names; one that is longer than pcsc-lite allows is none.
func appendNames(b []byte, names []string) []byte {
	for _, n := range names {
		if len(n) <= maxName {
			b = append(append(b, n...), 0)
		}
	}
	return b
}

func decodeNames(b []byte) ([]string, error) {
	var names []string
	for len(b) > 0 {
		n := 0
		for n < len(b) && b[n] != 0 {
			n++
		}
		if n == 0 || n == len(b) || n > maxName || len(names) == maxState-1 { // one state is for readers that come and go
			return nil, errFrame
		}
		names = append(names, string(b[:n]))
		b = b[n+1:]
	}
	return names, nil
}
