// Package files reads the contents of a My Number Card's files: the age record, the attributes, the integrity record over them, and
// what the JPKI application says about itself.
//
// All functions are safe to use from any goroutine; what they return holds copies. Nothing is kept on disk and nothing is logged.
// What names somebody prints as REDACTED, and no error holds a single octet of a file. The package reads no card, and it does not
// know who may sign a file: the caller hands the signer's key in, and says where that key is from.
//
// Of the integrity record of 券面事項入力補助AP nothing comes out at all (promise P4): it holds a digest that the Individual Number can
// be found from, and a signature over it. [VerifyIntegrity] says yes or no, and overwrites it.
package files

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/reader/jpki"
	"kazashi.example/reader/tlv"
)

// Errors of this package. A signature that does not verify is jpki.ErrSignature.
var (
	// ErrFile says that octets are not the file they are taken for; the message names the part that is wrong.
	ErrFile = errors.New("card file is not of its form")
	// ErrDigest says that the integrity record is about other attributes.
	ErrDigest = errors.New("attributes are not those of the integrity record")
)

const redacted = "REDACTED"

// filler is what the card puts behind a file's contents, and the only thing that may stand there.
const filler = 0xFF

// Lengths of signatures in octets, by RSA-2048 and as r and s on P-384.
const (
	rsaSignature   = 256
	ecdsaSignature = 96
)

// object takes the one element that a file holds, without what fills the file up behind it.
func object(b []byte, tag tlv.Tag) (tlv.Element, error) {
	e, rest, err := tlv.Decode(b)
	switch {
	case err != nil || e.Tag != tag:
		return tlv.Element{}, fmt.Errorf("%w: it does not begin with a whole %s", ErrFile, tag)
	case len(bytes.TrimLeft(rest, string([]byte{filler}))) > 0:
		return tlv.Element{}, fmt.Errorf("%w: something stands behind its contents", ErrFile)
	}
	return e, nil
}

// fields takes the elements inside e, which have to carry these tags in this order and no others. The error of package tlv is
// dropped: it quotes tags and lengths out of the file.
func fields(e tlv.Element, tags ...tlv.Tag) ([]tlv.Element, error) {
	list, err := e.Children()
	if err != nil || len(list) != len(tags) {
		return nil, fmt.Errorf("%w: %s is not made of %d parts", ErrFile, e.Tag, len(tags))
	}
	for i, tag := range tags {
		if list[i].Tag != tag {
			return nil, fmt.Errorf("%w: part %d of %s is not %s", ErrFile, i+1, e.Tag, tag)
		}
	}
	return list, nil
}

// before is what a signature at the end of e covers: its value as written, up to the last of its parts.
func before(e tlv.Element, last tlv.Element) []byte { return e.Value[:len(e.Value)-len(last.Raw)] }

// checkSignature adds to jpki's error what was signed.
func checkSignature(what string, signer crypto.PublicKey, message, signature []byte) error {
	if err := jpki.VerifySignature(signer, message, signature); err != nil {
		return fmt.Errorf("verifying %s: %w", what, err)
	}
	return nil
}

func redact(f fmt.State) { _, _ = f.Write([]byte(redacted)) }

func redactedValue() slog.Value { return slog.StringValue(redacted) }
