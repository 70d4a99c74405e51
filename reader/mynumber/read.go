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
	maxRounds = 80 // commands for one file or signature
	minHeader = 7  // octets that tell every object's length (package tlv)
)

// readFile reads the one object that a file of the selected application holds, leaving out what follows it. Whatever was read of a
// file that cannot be used is overwritten.
func (c *Card) readFile(ctx context.Context, f file) ([]byte, error) {
	rounds := maxRounds
	buf, err := c.readHead(ctx, f, &rounds)
	if err != nil {
		return nil, err
	}
	total, err := f.length(buf)
	if err == nil {
		buf, err = c.readRest(ctx, f, buf, total, &rounds)
	}
	if err != nil {
		clear(buf)
		return nil, err
	}
	clear(buf[total:])
	return buf[:total:total], nil
}

// readRest goes on where buf ends, until there are total octets.
func (c *Card) readRest(ctx context.Context, f file, buf []byte, total int, rounds *int) ([]byte, error) {
	for len(buf) < total {
		more, err := c.read(ctx, f, readAt(len(buf), min(total-len(buf), apdu.MaxShortNe)), rounds)
		if err != nil {
			return buf, err
		}
		if len(more) == 0 {
			return buf, fmt.Errorf("%w: file ends after %d of %d octets", ErrNonsense, len(buf), total)
		}
		buf = join(buf, more)
	}
	return buf, nil
}

// join puts b behind a in octets of their own, and overwrites both.
func join(a, b []byte) []byte {
	all := make([]byte, 0, len(a)+len(b))
	all = append(append(all, a...), b...)
	clear(a)
	clear(b)
	return all
}

// readHead reads from the file's beginning: all of it with one extended read, or 256 octets where those do not work.
func (c *Card) readHead(ctx context.Context, f file, rounds *int) ([]byte, error) {
	if !c.asked {
		c.asked, c.short = true, c.memory.short(c.options.Reader)
	}
	if !c.short {
		buf, err := c.read(ctx, f, readSFI(f.ef, apdu.MaxExtendedNe), rounds)
		if err == nil && len(buf) >= minHeader {
			c.memory.lengths(c.options.Reader, true)
			return buf, nil
		}
		if err != nil && !f.refusesExtended(err) {
			return nil, err
		}
		clear(buf)
	}
	buf, err := c.read(ctx, f, readSFI(f.ef, apdu.MaxShortNe), rounds)
	if err == nil && len(buf) >= minHeader && !c.short {
		c.short = true // and not the card's or the file's own fault
		c.memory.lengths(c.options.Reader, false)
	}
	return buf, err
}

// refusesExtended reports whether the same read with short lengths may fare better: the reader brought no answer, or the card
// gave a status word that does not speak of the file itself, or none: an answer that was cut off.
func (f file) refusesExtended(err error) bool {
	var se *apdu.StatusError
	if errors.As(err, &se) {
		return se.SW != apdu.SWSecurityNotSatisfied && se.SW != apdu.SWNotFound
	}
	return errors.Is(err, apdu.ErrNoAnswer) || errors.Is(err, errUnnamed) || errors.Is(err, apdu.ErrResponse)
}

// readSFI reads from a file's beginning by its short identifier, which makes it current (soltia48/myna-card src/card.rs).
func readSFI(ef EF, ne int) apdu.Command {
	return apdu.Command{INS: apdu.InsReadBinary, P1: 0x80 | byte(ef), Ne: ne}
}

// readAt reads the current file from an offset of 15 bits.
func readAt(offset, ne int) apdu.Command {
	return apdu.Command{INS: apdu.InsReadBinary, P1: byte(offset >> 8), P2: byte(offset), Ne: ne}
}

// read sends one READ BINARY and takes its answer whole.
func (c *Card) read(ctx context.Context, f file, cmd apdu.Command, rounds *int) ([]byte, error) {
	r, err := c.exchange(ctx, cmd, rounds)
	if err == nil {
		err = f.status(r, cmd)
	}
	if err != nil {
		clear(r.Data)
		return nil, err
	}
	return r.Data, nil
}

// exchange sends one command that has an answer, and follows 6Cxx once and 61xx as long as the bounds allow.
func (c *Card) exchange(ctx context.Context, cmd apdu.Command, rounds *int) (apdu.Response, error) {
	r, err := c.round(ctx, cmd, rounds)
	if err != nil {
		return apdu.Response{}, err
	}
	if le, again := r.SW.ExactLe(); again {
		cmd.Ne = le
		clear(r.Data)
		if r, err = c.round(ctx, cmd, rounds); err != nil {
			return apdu.Response{}, err
		}
	}
	data := r.Data
	for {
		n, more := r.SW.More()
		if !more {
			return apdu.Response{Data: data, SW: r.SW}, nil
		}
		if r, err = c.round(ctx, apdu.Command{INS: apdu.InsResponse, Ne: n}, rounds); err == nil {
			if data = join(data, r.Data); len(data) > apdu.MaxExtendedNe {
				err = fmt.Errorf("%w: more than %d octets in one answer", ErrNonsense, apdu.MaxExtendedNe)
			}
		}
		if err != nil {
			clear(data)
			return apdu.Response{}, err
		}
	}
}

func (c *Card) round(ctx context.Context, cmd apdu.Command, rounds *int) (apdu.Response, error) {
	if *rounds == 0 {
		return apdu.Response{}, fmt.Errorf("%w: more than %d commands for one answer", ErrNonsense, maxRounds)
	}
	*rounds--
	return c.send(ctx, cmd)
}

// errUnnamed is a status word, after data, that no list has. It may be octets of a file that was cut off, so it is not told (P3, P4).
var errUnnamed = errors.New("answer ends with no status word that is known")

// said is r's *apdu.StatusError after a command that is answered with data.
func said(r apdu.Response, cmd apdu.Command) error {
	if !r.SW.Named() {
		return errUnnamed
	}
	return r.Err(cmd)
}

// status turns a READ BINARY's status word into one of this package's errors, the *apdu.StatusError below it.
func (f file) status(r apdu.Response, cmd apdu.Command) error {
	switch r.SW {
	case apdu.SWOK, apdu.SWEndOfFile:
		return nil
	case apdu.SWSecurityNotSatisfied:
		return fmt.Errorf("%w: %w", f.locked, said(r, cmd))
	case apdu.SWNotFound:
		return fmt.Errorf("%w: %w", f.missing, said(r, cmd))
	default:
		return fmt.Errorf("%w: %w", ErrNonsense, said(r, cmd))
	}
}

// length learns how long a file's object is from the file's first octets.
func (f file) length(head []byte) (int, error) {
	if blank(head) {
		return 0, fmt.Errorf("%w: file holds %d octets of filler", f.missing, len(head))
	}
	tag, total, err := tlv.Peek(head)
	if err != nil {
		return 0, fmt.Errorf("%w: length of the file", ErrNonsense)
	}
	if tag != f.tag || total > f.max {
		return 0, fmt.Errorf("%w: file does not begin with %s of up to %d octets", ErrNonsense, f.tag, f.max)
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
