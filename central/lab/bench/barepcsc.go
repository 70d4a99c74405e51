package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// barePCSC is the least that can speak to a card through pcscd: pcscd's own socket, one process, nothing looked at. What it takes beyond
// the link model is the price of pcscd, vpcd and the virtual card, which any reader software pays.
type barePCSC struct {
	conn          net.Conn
	context, card uint32
	protocol      uint32
}

// Messages of pcscd's protocol 4.4 (pcsc-lite src/winscard_msg.h): a header of length and command, then a structure in host order whose
// last field is the result; the answer is the structure alone.
const (
	pcscMajor, pcscMinor = 4, 4

	cmdEstablish  = 0x01
	cmdConnect    = 0x04
	cmdDisconnect = 0x06
	cmdTransmit   = 0x09
	cmdVersion    = 0x11

	readerName  = 128 // MAX_READERNAME, pcsc-lite src/PCSC/pcsclite.h
	maxTransmit = 264 + 1<<16
	bothT0T1    = 3
	exclusive   = 1
	resetCard   = 1
)

// pcscWithin bounds one exchange with pcscd.
const pcscWithin = 20 * time.Second

var errPCSC = errors.New("pcscd refuses")

// connectBare connects to the card on a reader.
func connectBare(ctx context.Context, socket, reader string) (*barePCSC, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, fmt.Errorf("dialling pcscd: %w", err)
	}
	b := &barePCSC{conn: conn}
	if err := b.open(reader); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return b, nil
}

func (b *barePCSC) open(reader string) error {
	if _, err := b.call(cmdVersion, words(pcscMajor, pcscMinor, 0)); err != nil {
		return err
	}
	got, err := b.call(cmdEstablish, words(0, 0, 0))
	if err != nil {
		return err
	}
	b.context = word(got, 1)
	name := make([]byte, readerName)
	copy(name, reader)
	got, err = b.call(cmdConnect, append(append(words(b.context), name...), words(exclusive, bothT0T1, 0, 0, 0)...))
	if err != nil {
		return err
	}
	rest := got[4+readerName:]
	b.card, b.protocol = word(rest, 2), word(rest, 3)
	return nil
}

func words(list ...uint32) []byte {
	var b []byte
	for _, w := range list {
		b = binary.NativeEndian.AppendUint32(b, w)
	}
	return b
}

func word(b []byte, n int) uint32 { return binary.NativeEndian.Uint32(b[4*n:]) }

// call sends one structure and takes it back.
func (b *barePCSC) call(command uint32, body []byte, data ...byte) ([]byte, error) {
	if err := b.conn.SetDeadline(time.Now().Add(pcscWithin)); err != nil {
		return nil, fmt.Errorf("asking pcscd: %w", err)
	}
	message := append(append(words(uint32(len(body)), command), body...), data...) //nolint:gosec // some hundred octets
	if _, err := b.conn.Write(message); err != nil {
		return nil, fmt.Errorf("asking pcscd: %w", err)
	}
	got := make([]byte, len(body))
	if _, err := io.ReadFull(b.conn, got); err != nil {
		return nil, fmt.Errorf("hearing pcscd: %w", err)
	}
	if code := word(got, len(got)/4-1); code != 0 {
		return nil, fmt.Errorf("%w: %08X", errPCSC, code)
	}
	return got, nil
}

// transmit passes one command and takes its answer, which is dropped but for its last two octets.
func (b *barePCSC) transmit(command []byte) (sw uint16, err error) {
	const pci = 8                                                                                 // SCARD_IO_REQUEST: protocol and length
	body := words(b.card, b.protocol, pci, uint32(len(command)), b.protocol, pci, maxTransmit, 0) //nolint:gosec // a command
	got, err := b.call(cmdTransmit, body, command...)
	if err != nil {
		return 0, err
	}
	answer := make([]byte, min(word(got, 6), maxTransmit))
	if _, err := io.ReadFull(b.conn, answer); err != nil || len(answer) < 2 {
		return 0, fmt.Errorf("hearing pcscd: %w: %w", errPCSC, err)
	}
	return binary.BigEndian.Uint16(answer[len(answer)-2:]), nil
}

// close resets the card, as the reader does.
func (b *barePCSC) close() error {
	_, err := b.call(cmdDisconnect, words(b.card, resetCard, 0))
	return errors.Join(err, b.conn.Close())
}
