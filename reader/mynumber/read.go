package mynumber

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/tlv"
)

// Bounds of one file read. A certificate takes eight short reads; a card that needs more than maxRounds is not one.
const (
	maxFileLen = 8192 // octets of a certificate
	maxRounds  = 80   // commands for one file
	minHeader  = 4    // octets that tell a certificate's length: 30 82 hh ll
	derSeq     = tlv.Tag(0x30)
)

// readFile reads the file's leading DER SEQUENCE, leaving out what follows it.
func (c *Card) readFile(ctx context.Context, ef EF) ([]byte, error) {
	rounds := maxRounds
	buf, err := c.readHead(ctx, ef, &rounds)
	if err != nil {
		return nil, err
	}
	total, err := fileLen(buf)
	if err != nil {
		return nil, err
	}
	for len(buf) < total {
		more, err := c.read(ctx, readAt(len(buf), min(total-len(buf), apdu.MaxShortNe)), &rounds)
		if err != nil {
			return nil, err
		}
		if len(more) == 0 {
			return nil, fmt.Errorf("%w: file ends after %d of %d octets", ErrNonsense, len(buf), total)
		}
		buf = append(buf, more...)
	}
	return buf[:total:total], nil
}

// readHead reads from the file's beginning: all of it with one extended read, or 256 octets where those do not work.
func (c *Card) readHead(ctx context.Context, ef EF, rounds *int) ([]byte, error) {
	if !c.short {
		buf, err := c.read(ctx, readSFI(ef, apdu.MaxExtendedNe), rounds)
		if err == nil && len(buf) >= minHeader || err != nil && !refusesExtended(err) {
			return buf, err
		}
		c.short = true
	}
	return c.read(ctx, readSFI(ef, apdu.MaxShortNe), rounds)
}

// refusesExtended reports whether the same read with short lengths may fare better: the reader brought no answer, or the card
// gave a status word that does not speak of the file itself.
func refusesExtended(err error) bool {
	var se *apdu.StatusError
	if errors.As(err, &se) {
		return !errors.Is(err, ErrNoCertificate) && !errors.Is(err, ErrPINNeeded)
	}
	return errors.Is(err, apdu.ErrNoAnswer)
}

// readSFI reads from a file's beginning by its short identifier, which makes it current (soltia48/myna-card src/card.rs).
func readSFI(ef EF, ne int) apdu.Command {
	return apdu.Command{INS: apdu.InsReadBinary, P1: 0x80 | byte(ef), Ne: ne}
}

// readAt reads the current file from an offset of 15 bits.
func readAt(offset, ne int) apdu.Command {
	return apdu.Command{INS: apdu.InsReadBinary, P1: byte(offset >> 8), P2: byte(offset), Ne: ne}
}

// read sends one READ BINARY and follows 6Cxx once and 61xx as long as the bounds allow.
func (c *Card) read(ctx context.Context, cmd apdu.Command, rounds *int) ([]byte, error) {
	r, err := c.round(ctx, cmd, rounds)
	if err != nil {
		return nil, err
	}
	if le, again := r.SW.ExactLe(); again {
		cmd.Ne = le
		if r, err = c.round(ctx, cmd, rounds); err != nil {
			return nil, err
		}
	}
	data := r.Data
	for {
		n, more := r.SW.More()
		if !more {
			return data, readStatus(r, cmd)
		}
		if r, err = c.round(ctx, apdu.Command{INS: apdu.InsResponse, Ne: n}, rounds); err != nil {
			return nil, err
		}
		if data = append(data, r.Data...); len(data) > apdu.MaxExtendedNe {
			return nil, fmt.Errorf("%w: more than %d octets in one answer", ErrNonsense, apdu.MaxExtendedNe)
		}
	}
}

func (c *Card) round(ctx context.Context, cmd apdu.Command, rounds *int) (apdu.Response, error) {
	if *rounds == 0 {
		return apdu.Response{}, fmt.Errorf("%w: more than %d commands for one file", ErrNonsense, maxRounds)
	}
	*rounds--
	return c.send(ctx, cmd)
}

// readStatus turns a READ BINARY's status word into one of this package's errors, the *apdu.StatusError below it.
func readStatus(r apdu.Response, cmd apdu.Command) error {
	switch r.SW {
	case apdu.SWOK, apdu.SWEndOfFile:
		return nil
	case apdu.SWSecurityNotSatisfied:
		return fmt.Errorf("%w: %w", ErrPINNeeded, r.Err(cmd))
	case apdu.SWNotFound:
		return fmt.Errorf("%w: %w", ErrNoCertificate, r.Err(cmd))
	default:
		return fmt.Errorf("%w: %w", ErrNonsense, r.Err(cmd))
	}
}

// fileLen learns the certificate's length from the file's first octets.
func fileLen(head []byte) (int, error) {
	if blank(head) {
		return 0, fmt.Errorf("%w: file holds %d octets of filler", ErrNoCertificate, len(head))
	}
	total, err := tlv.TotalLen(head)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrNonsense, err)
	}
	if tlv.Tag(head[0]) != derSeq || total > maxFileLen {
		return 0, fmt.Errorf("%w: file begins with %02X and %d octets", ErrNonsense, head[0], total)
	}
	return total, nil
}

// blank reports a file that was never written: nothing, or one filler octet all through (FF or 00).
func blank(b []byte) bool {
	for _, o := range b {
		if o != b[0] || o != 0xFF && o != 0x00 {
			return false
		}
	}
	return true
}
