package canon

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// Major types of RFC 8949 §3.1.
const (
	majorUint   = 0
	majorNegint = 1
	majorBytes  = 2
	majorText   = 3
	majorArray  = 4
	majorMap    = 5
	majorSimple = 7
)

// check reports whether b is one item in the deterministic form. The library accepts longer forms of the same number; two
// forms of one signed or chained message would be two identities of one thing.
func check(b []byte) error {
	rest, err := item(b, 0)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return fmt.Errorf("%w: %d octets after the end", ErrForm, len(rest))
	}
	return nil
}

func item(b []byte, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, fmt.Errorf("%w: nested deeper than %d", ErrForm, MaxDepth)
	}
	major, n, rest, err := head(b)
	if err != nil {
		return nil, err
	}
	switch major {
	case majorUint, majorNegint:
		return rest, nil
	case majorBytes, majorText:
		if n > uint64(len(rest)) {
			return nil, fmt.Errorf("%w: string cut short", ErrForm)
		}
		if major == majorText && !utf8.Valid(rest[:n]) { // the library looks only at text that it decodes
			return nil, fmt.Errorf("%w: text is not UTF-8", ErrForm)
		}
		return rest[n:], nil
	case majorArray:
		return items(rest, n, depth)
	case majorMap:
		return pairs(rest, n, depth)
	case majorSimple:
		if n < 20 || n > 22 { // false, true, null
			return nil, fmt.Errorf("%w: floats and other simple values are not used", ErrForm)
		}
		return rest, nil
	default:
		return nil, fmt.Errorf("%w: tags are not used", ErrForm)
	}
}

func items(b []byte, n uint64, depth int) ([]byte, error) {
	if n > maxElements {
		return nil, fmt.Errorf("%w: %d elements", ErrForm, n)
	}
	var err error
	for range n {
		if b, err = item(b, depth+1); err != nil {
			return nil, err
		}
	}
	return b, nil
}

func pairs(b []byte, n uint64, depth int) ([]byte, error) {
	if n > maxElements {
		return nil, fmt.Errorf("%w: %d pairs", ErrForm, n)
	}
	var last []byte
	for i := range n {
		after, err := item(b, depth+1)
		if err != nil {
			return nil, err
		}
		key := b[:len(b)-len(after)]
		if key[0]>>5 > majorText {
			return nil, fmt.Errorf("%w: map key is neither a number nor a string", ErrForm)
		}
		if i > 0 && bytes.Compare(last, key) >= 0 {
			return nil, fmt.Errorf("%w: map keys repeated or out of order", ErrForm)
		}
		last = key
		if b, err = item(after, depth+1); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// head reads an item's first octets (RFC 8949 §3) and refuses arguments that fit a shorter form.
func head(b []byte) (major byte, n uint64, rest []byte, err error) {
	if len(b) == 0 {
		return 0, 0, nil, fmt.Errorf("%w: cut short", ErrForm)
	}
	major, info := b[0]>>5, b[0]&0x1f
	if info < 24 {
		return major, uint64(info), b[1:], nil
	}
	if info > 27 || major == majorSimple {
		return 0, 0, nil, fmt.Errorf("%w: indefinite, reserved or floating", ErrForm)
	}
	size := 1 << (info - 24)
	if len(b) < 1+size {
		return 0, 0, nil, fmt.Errorf("%w: cut short", ErrForm)
	}
	var wide [8]byte
	copy(wide[8-size:], b[1:1+size])
	n = binary.BigEndian.Uint64(wide[:])
	least := [...]uint64{24, 1 << 8, 1 << 16, 1 << 32}[info-24]
	if n < least {
		return 0, 0, nil, fmt.Errorf("%w: number not in its shortest form", ErrForm)
	}
	return major, n, b[1+size:], nil
}
