package card

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
)

// Holder is what the card says about its holder.
type Holder struct {
	Name         string // family, U+3000, given
	Address      string
	Birth        string // YYYYMMDD
	Sex          byte   // digit of JIS X 0303
	Expiry       string // YYYYMMDD, the card's own
	SecurityCode string // 4 digits
	Municipality string // 5 digits
	Number       string // 個人番号
}

// AgeRecord is EF 0001 of the card-face AP: FF10 { DF11 birth, DF12 card key, DF13 signature over both as written }, 547 octets.
//
// On P-384 it is the practice form of the next card's, 216 octets.
func AgeRecord(h Holder, card crypto.PublicKey, issuer crypto.Signer) ([]byte, error) {
	enc, err := publicKey(card)
	if err != nil {
		return nil, err
	}
	return signed(0xFF10, 0xDF13, join(tlv(0xDF11, []byte(h.Birth)), tlv(0xDF12, enc)), issuer)
}

// FaceRecord is EF 0002 of the card-face AP: FF20 with an offset table, birth, sex, card key, pictures of name, address and face, the
// signature, and after it expiry and a picture of the security code. The signature is PKCS #1 v1.5 over a DigestInfo with three SHA-256
// digests in one (DF22-24, DF25-26, DF27), so DF29 and DF2A are not covered.
//
// All pictures are PNG. The face is JPEG 2000 on a real card; the practice world has no faces and draws a pattern instead.
func FaceRecord(h Holder, card *rsa.PublicKey, issuer *rsa.PrivateKey) ([]byte, error) {
	enc, err := publicKey(card)
	if err != nil {
		return nil, err
	}
	pics, err := pictures(h)
	if err != nil {
		return nil, err
	}
	plain := [][]byte{tlv(0xDF22, []byte(h.Birth)), tlv(0xDF23, []byte{h.Sex}), tlv(0xDF24, enc)}
	text := [][]byte{tlv(0xDF25, pics.name), tlv(0xDF26, pics.address)}
	photo := tlv(0xDF27, pics.face)
	sig, err := signThree(issuer, join(plain...), join(text...), photo)
	if err != nil {
		return nil, err
	}
	fields := concat(plain, text, [][]byte{photo, tlv(0xDF28, sig), tlv(0xDF29, []byte(h.Expiry)), tlv(0xDF2A, pics.code)})
	return withOffsets(0xFF20, 0xDF21, fields)
}

func concat(groups ...[][]byte) [][]byte {
	var out [][]byte
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}

// signThree puts the digests of three segments into one DigestInfo (soltia48/myna-card src/data.rs, sha256_digest_info).
func signThree(key *rsa.PrivateKey, segments ...[]byte) ([]byte, error) {
	var digests []byte
	for _, s := range segments {
		sum := sha256.Sum256(s)
		digests = append(digests, sum[:]...)
	}
	algorithm := []byte{0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00}
	sig, err := rsa.SignPKCS1v15(nil, key, crypto.Hash(0), tlv(0x30, join(algorithm, tlv(0x04, digests))))
	if err != nil {
		return nil, fmt.Errorf("signing the card face: %w", err)
	}
	return sig, nil
}

// FaceInfo is EF 0003 of the card-face AP: FF30 { DF31 layout, DF32 key id, DF33 version, DF34 municipality, DF35 key id and 256
// octets whose meaning is not publicly known }.
func FaceInfo(h Holder) []byte {
	id := MakeKeyID(faceInfoID)
	return tlv(0xFF30, join(
		tlv(0xDF31, []byte{0x06, 0x03, 0x0E, 0x01}), tlv(0xDF32, id[:]), tlv(0xDF33, []byte{0x01}),
		tlv(0xDF34, []byte(h.Municipality)), tlv(0xDF35, join(id[:], opaque("face", h, modulusLen)))))
}

// opaque stands where real cards have octets nobody outside can read: stable per holder, of the right length.
func opaque(what string, h Holder, n int) []byte {
	var out []byte
	for i := 0; len(out) < n; i++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "practice %s %d %s %s", what, i, h.Birth, h.Expiry))
		out = append(out, sum[:]...)
	}
	return out[:n]
}

// withOffsets writes fields behind a table of their 16-bit offsets from the beginning of the file. The outer length may have one to three
// octets, and the table depends on it.
func withOffsets(outer, table uint32, fields [][]byte) ([]byte, error) {
	body := join(fields...)
	tableLen := 2*len(fields) + 3
	head := len(tlv(outer, make([]byte, tableLen+len(body)))) - len(body)
	if head+len(body) > 0x7FFF {
		return nil, fmt.Errorf("%w: file of %d octets", ErrField, head+len(body))
	}
	var offsets []byte
	at := head
	for _, f := range fields {
		offsets = append(offsets, byte(at>>8), byte(at))
		at += len(f)
	}
	return tlv(outer, join(tlv(table, offsets), body)), nil
}
