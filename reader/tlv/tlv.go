// Package tlv reads and writes the BER-TLV objects that a My Number Card holds: tags of one to three octets, definite
// lengths of up to three octets.
//
// Decoding never copies: an [Element] points into the octets it was decoded from, which must not change while it is used.
// Memory is bounded by the input. All functions are safe to use from any goroutine. The package knows no ASN.1 types, and
// refuses indefinite lengths. It takes a length that is longer than it need be, as BER does, and keeps the octets as written
// so that a signature over them can be checked.
package tlv

import (
	"errors"
	"fmt"
)

// Limits of decoding.
const (
	MaxTagLen   = 3        // octets of a tag (ISO/IEC 7816-4 §5.2.2.1)
	MaxLength   = 0xFFFFFF // octets of a value: what length octets 83 xx xx xx can say (ISO/IEC 7816-4 §5.2.2.2)
	MaxChildren = 256      // elements directly inside one constructed element; the card's largest record has 9
)

// Errors of decoding.
var (
	// ErrShort says that the octets end before the element does: more of them may make it whole.
	ErrShort = errors.New("TLV ends too early")
	// ErrTag says that a tag is longer than MaxTagLen, zero, or not what was looked for in its place.
	ErrTag = errors.New("unusable TLV tag")
	// ErrLength says that a length is indefinite or longer than MaxLength.
	ErrLength = errors.New("unusable TLV length")
	// ErrNotFound says that no element on the path has the wanted tag.
	ErrNotFound = errors.New("TLV tag not found")
)

// Tag is a tag as its octets read, big-endian: 0x30, 0x5F4E, 0xFF10. The card writes numbers below 31 in two octets (DF11),
// which X.690 §8.1.2.4 does not; so does this package.
type Tag uint32

// String is the tag in hex.
func (t Tag) String() string { return fmt.Sprintf("%02X", uint32(t)) }

// Constructed reports whether the value of t is itself made of elements (bit 6 of the first octet, X.690 §8.1.2.5).
func (t Tag) Constructed() bool { return t.first()&0x20 != 0 }

func (t Tag) first() byte {
	for t > 0xFF {
		t >>= 8
	}
	return byte(t)
}

// Element is one decoded object. Value and Raw point into the input.
type Element struct {
	Tag   Tag
	Value []byte
	Raw   []byte // tag, length and value as they were written
}

// Decode takes the first element of b and returns what follows it. ErrShort, ErrTag or ErrLength otherwise.
func Decode(b []byte) (e Element, rest []byte, err error) {
	tag, head, n, err := header(b)
	if err != nil {
		return Element{}, nil, err
	}
	if n > len(b)-head {
		return Element{}, nil, fmt.Errorf("%w: %s needs %d octets, has %d", ErrShort, tag, n, len(b)-head)
	}
	end := head + n
	return Element{Tag: tag, Value: b[head:end:end], Raw: b[:end:end]}, b[end:], nil
}

// TotalLen returns how long the element that begins with head is, tag and length octets included. Seven octets of head are
// always enough; ErrShort asks for more of them. It is how a reader learns a file's length from its first octets.
func TotalLen(head []byte) (int, error) {
	_, n, err := Peek(head)
	return n, err
}

// Peek is TotalLen, and the element's tag.
func Peek(head []byte) (tag Tag, total int, err error) {
	tag, h, n, err := header(head)
	return tag, h + n, err
}

// Children decodes the elements inside e, which have to fill it exactly. ErrTag when e is primitive or has more than
// MaxChildren.
func (e Element) Children() ([]Element, error) {
	if !e.Tag.Constructed() {
		return nil, fmt.Errorf("%w: %s is primitive", ErrTag, e.Tag)
	}
	var list []Element
	for rest := e.Value; len(rest) > 0; {
		if len(list) == MaxChildren {
			return nil, fmt.Errorf("%w: more than %d elements in %s", ErrTag, MaxChildren, e.Tag)
		}
		var c Element
		var err error
		if c, rest, err = Decode(rest); err != nil {
			return nil, fmt.Errorf("decoding element %d of %s: %w", len(list), e.Tag, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// Find follows a path: the first element of b has to carry the first tag, and each further tag is the first of its kind
// directly inside the one before. ErrNotFound when a tag is missing. What follows the first element is not looked at: files
// of the card end in filler.
func Find(b []byte, path ...Tag) (Element, error) {
	e, _, err := Decode(b)
	if err != nil {
		return Element{}, err
	}
	if len(path) == 0 || e.Tag != path[0] {
		return Element{}, fmt.Errorf("%w: first element is %s, want path %v", ErrNotFound, e.Tag, path)
	}
	for _, want := range path[1:] {
		if e, err = e.child(want); err != nil {
			return Element{}, err
		}
	}
	return e, nil
}

func (e Element) child(want Tag) (Element, error) {
	list, err := e.Children()
	if err != nil {
		return Element{}, err
	}
	for _, c := range list {
		if c.Tag == want {
			return c, nil
		}
	}
	return Element{}, fmt.Errorf("%w: %s in %s", ErrNotFound, want, e.Tag)
}

// header decodes tag and length; head is how many octets they take.
func header(b []byte) (tag Tag, head, length int, err error) {
	tag, t, err := decodeTag(b)
	if err != nil {
		return 0, 0, 0, err
	}
	length, l, err := decodeLength(b[t:])
	if err != nil {
		return 0, 0, 0, fmt.Errorf("decoding length of %s: %w", tag, err)
	}
	return tag, t + l, length, nil
}

func decodeTag(b []byte) (Tag, int, error) {
	if len(b) == 0 {
		return 0, 0, ErrShort
	}
	if b[0] == 0 {
		return 0, 0, fmt.Errorf("%w: 00", ErrTag)
	}
	if b[0]&0x1F != 0x1F {
		return Tag(b[0]), 1, nil
	}
	tag := Tag(b[0])
	for i := 1; i < MaxTagLen; i++ {
		if i == len(b) {
			return 0, 0, ErrShort
		}
		tag = tag<<8 | Tag(b[i])
		if b[i]&0x80 == 0 {
			return tag, i + 1, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: longer than %d octets", ErrTag, MaxTagLen)
}

func decodeLength(b []byte) (length, n int, err error) {
	if len(b) == 0 {
		return 0, 0, ErrShort
	}
	if b[0] < 0x80 {
		return int(b[0]), 1, nil
	}
	n = int(b[0] & 0x7F)
	if n == 0 || n > 3 {
		return 0, 0, fmt.Errorf("%w: first length octet %02X", ErrLength, b[0])
	}
	if len(b) < 1+n {
		return 0, 0, ErrShort
	}
	for _, o := range b[1 : 1+n] {
		length = length<<8 | int(o)
	}
	return length, 1 + n, nil
}
