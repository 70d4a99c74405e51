package tlv

import "fmt"

// Append adds one element to dst, its value being parts one after the other, with the shortest length that holds it. A tag
// that [Decode] could not read back or a value beyond MaxLength is a mistake in our own program and panics: values from
// outside have no way here.
func Append(dst []byte, tag Tag, parts ...[]byte) []byte {
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	dst = appendLength(appendTag(dst, tag), n)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	return dst
}

func appendTag(dst []byte, tag Tag) []byte {
	b := []byte{byte(tag >> 16), byte(tag >> 8), byte(tag)}
	for len(b) > 1 && b[0] == 0 {
		b = b[1:]
	}
	if t, n, err := decodeTag(b); err != nil || t != tag || n != len(b) {
		panic(fmt.Sprintf("tlv: %s is no tag", tag))
	}
	return append(dst, b...)
}

func appendLength(dst []byte, n int) []byte {
	switch {
	case n < 0x80:
		return append(dst, byte(n))
	case n <= 0xFF:
		return append(dst, 0x81, byte(n))
	case n <= 0xFFFF:
		return append(dst, 0x82, byte(n>>8), byte(n))
	case n <= MaxLength:
		return append(dst, 0x83, byte(n>>16), byte(n>>8), byte(n))
	}
	panic(fmt.Sprintf("tlv: value of %d octets", n))
}
