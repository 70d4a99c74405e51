package card

import (
	"crypto"
	"fmt"
)

// KeyID names a key of the card's signing hierarchy: seven digits, 08 05, three digits, four octets (zero here).
type KeyID [16]byte

// Issuer key ids of the practice world. Production numbers begin with 5, the operator's test numbers with 6 and practice numbers with 9.
const (
	FaceIssuer  = "9000023" // signs the certificates of the card-face AP
	InputIssuer = "9000033" // signs the certificates of the input-assist AP
	NextIssuer  = "9000043" // signs both certificates of a next card, on P-384; an assumption, as all of that card
	faceInfoID  = "9000024" // named in the basic information of the card-face AP; what it names is not publicly known
	inputInfoID = "9000034" // the same for the input-assist AP
)

// MakeKeyID builds an id from its seven digits; the group is always 001.
func MakeKeyID(number string) KeyID {
	var id KeyID
	copy(id[:], number)
	copy(id[7:], "\x08\x05001")
	return id
}

// MunicipalKey is the number of the key with which a municipality's cards are signed.
func MunicipalKey(code string, input bool) string {
	if input {
		return "9" + code + "3"
	}
	return "9" + code + "2"
}

// NextMunicipalKey is MunicipalKey for the next card: of its card-face application, or of its attributes.
func NextMunicipalKey(code string, attributes bool) string {
	if attributes {
		return "9" + code + "5"
	}
	return "9" + code + "4"
}

// String is the digits.
func (k KeyID) String() string { return fmt.Sprintf("%s/%s", k[:7], k[9:12]) }

// Certificate makes a card-verifiable certificate, EF 0004 of both applications: 7F21 { 5F4E { issuer id, subject id, key }, 5F37
// signature over the 297 octets of the body }, 568 octets. On P-384 the body has 131 octets and the whole 238.
func Certificate(issuer, subject KeyID, pub crypto.PublicKey, key crypto.Signer) ([]byte, error) {
	enc, err := publicKey(pub)
	if err != nil {
		return nil, err
	}
	body := join(issuer[:], subject[:], enc)
	sig, err := sign(key, body)
	if err != nil {
		return nil, err
	}
	return tlv(0x7F21, join(tlv(0x5F4E, body), tlv(0x5F37, sig))), nil
}
