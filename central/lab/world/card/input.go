package card

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
)

// Attributes is EF 0002 of the input-assist AP: FF20 { DF21 offsets, DF22 name, DF23 address, DF24 birth, DF25 sex }.
func Attributes(h Holder) ([]byte, error) {
	return withOffsets(0xFF20, 0xDF21, attributeFields(h))
}

func attributeFields(h Holder) [][]byte {
	return [][]byte{
		tlv(0xDF22, []byte(h.Name)), tlv(0xDF23, []byte(h.Address)), tlv(0xDF24, []byte(h.Birth)), tlv(0xDF25, []byte{h.Sex}),
	}
}

// Integrity is EF 0003 of the input-assist AP, 336 octets: FF30 { DF31 SHA-256 of EF 0001 with its two filler octets, DF32 SHA-256 of the
// attributes without their offset table, DF33 signature over both as written }.
func Integrity(h Holder, issuer *rsa.PrivateKey) ([]byte, error) {
	number := sha256.Sum256(join(tlv(0xFF10, []byte(h.Number)), []byte{0xFF, 0xFF}))
	attrs := sha256.Sum256(join(attributeFields(h)...))
	return signed(0xFF30, 0xDF33, join(tlv(0xDF31, number[:]), tlv(0xDF32, attrs[:])), issuer)
}

// NextIntegrity is the integrity record of the practice form of the next card: FF30 { DF32 SHA-384 of the attributes without their offset table,
// DF33 signature over it as written }. Nothing in it comes from the Individual Number.
func NextIntegrity(h Holder, issuer *ecdsa.PrivateKey) ([]byte, error) {
	attrs := sha512.Sum384(join(attributeFields(h)...))
	return signed(0xFF30, 0xDF33, tlv(0xDF32, attrs[:]), issuer)
}

// InputInfo is EF 0005 of the input-assist AP: FF40 { DF41 version and vendor, DF42 key id, DF43 32 octets and 96 filler }.
func InputInfo(h Holder) []byte {
	id := MakeKeyID(inputInfoID)
	trailing := opaque("input", h, 32)
	for len(trailing) < 128 {
		trailing = append(trailing, 0xFF)
	}
	return tlv(0xFF40, join(tlv(0xDF41, []byte{0x01, 0x03, 0x0E, 0x01}), tlv(0xDF42, id[:]), tlv(0xDF43, trailing)))
}

// InputPublic is EF 0007 of the input-assist AP: FF50 { DF51 public half of its signing key, DF52 signature over that }.
func InputPublic(pub *rsa.PublicKey, issuer *rsa.PrivateKey) ([]byte, error) {
	enc, err := publicKey(pub)
	if err != nil {
		return nil, err
	}
	return signed(0xFF50, 0xDF52, tlv(0xDF51, enc), issuer)
}
