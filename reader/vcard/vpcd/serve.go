package vpcd

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// Control octets: a frame of one octet (vsmartcard virtualsmartcard/src/vpcd/vpcd.h).
const (
	powerOff = 0
	powerOn  = 1
	reset    = 2
	getATR   = 4
)

const (
	// idleTimeout ends a connection that pcscd left silent; it asks for the ATR every 400 ms.
	idleTimeout = time.Minute
	// writeTimeout bounds one answer.
	writeTimeout = 5 * time.Second
)

// errTorn says that the card left in the middle of a command.
var errTorn = errors.New("card torn away")

// serve answers frames until the connection or the card is gone. Two octets of length, big-endian, precede every payload; messages
// may arrive together.
func (s *Slot) serve(ctx context.Context, in *insertion, conn *net.TCPConn) error {
	r := quickReader{conn}
	in.powered = false
	for {
		payload, err := readFrame(r)
		if err != nil {
			return err
		}
		answer, err := s.react(ctx, in, payload)
		if err != nil {
			return err
		}
		if answer == nil {
			continue
		}
		if err := write(conn, frame(answer)); err != nil {
			return err
		}
		if in.powered || len(payload) > 1 { // before, pcscd only looked whether somebody is there
			s.connected(in, true)
		}
	}
}

// react returns nil where vpcd expects no answer.
func (s *Slot) react(ctx context.Context, in *insertion, payload []byte) ([]byte, error) {
	switch {
	case len(payload) == 0:
		return nil, nil
	case len(payload) > 1:
		return s.transmit(ctx, in, payload)
	}
	switch payload[0] {
	case getATR:
		return in.device.ATR(), in.activate(ctx)
	case powerOn, reset:
		in.cold, in.powered = true, true
		in.device.Reset()
	case powerOff:
		in.device.Reset()
	}
	return nil, nil
}

// noAnswer is one octet, too few for a status word: vpcd takes a frame of none for a card that left (vicc_transmit, vsmartcard
// virtualsmartcard/src/vpcd/vpcd.c).
var noAnswer = []byte{0x00}

// transmit lets one command take the time of the link model.
func (s *Slot) transmit(ctx context.Context, in *insertion, command []byte) ([]byte, error) {
	begun := time.Now()
	answer := in.device.Transmit(command)
	spent := in.model.Time(command, answer)
	s.count(in, len(command), len(answer), spent)
	if err := in.pace.Until(ctx, begun, spent); err != nil {
		return nil, fmt.Errorf("taking the link's time: %w", err)
	}
	switch {
	case answer == nil:
		return nil, errTorn
	case len(answer) == 0:
		return noAnswer, nil
	}
	return answer, nil
}

// activate takes the model's time for the first answer to reset after power; pcscd asks for it again and again as a sign of life.
func (in *insertion) activate(ctx context.Context) error {
	if !in.cold {
		return nil
	}
	in.cold = false
	if err := in.pace.Until(ctx, time.Now(), in.model.Activation); err != nil {
		return fmt.Errorf("activating the card: %w", err)
	}
	return nil
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, fmt.Errorf("reading frame length: %w", err)
	}
	payload := make([]byte, binary.BigEndian.Uint16(head[:]))
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, fmt.Errorf("reading frame: %w", err)
	}
	return payload, nil
}

// frame cuts what two octets of length cannot say.
func frame(payload []byte) []byte {
	payload = payload[:min(len(payload), 0xFFFF)]
	return append(binary.BigEndian.AppendUint16(make([]byte, 0, len(payload)+2), uint16(len(payload))), payload...)
}

func write(conn *net.TCPConn, b []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return fmt.Errorf("setting write deadline: %w", err)
	}
	if _, err := conn.Write(b); err != nil {
		return fmt.Errorf("writing frame: %w", err)
	}
	return nil
}

// quickReader asks for an immediate acknowledgement before every read. vpcd sends a frame's length and its payload in two writes, so
// with delayed acknowledgements every command would cost 44 ms; the kernel forgets the option, hence each time.
type quickReader struct{ conn *net.TCPConn }

func (q quickReader) Read(b []byte) (int, error) {
	if err := quickAck(q.conn); err != nil {
		return 0, err
	}
	if err := q.conn.SetReadDeadline(time.Now().Add(idleTimeout)); err != nil {
		return 0, fmt.Errorf("setting read deadline: %w", err)
	}
	return q.conn.Read(b) //nolint:wrapcheck // io.ReadFull needs io.EOF as it is
}
