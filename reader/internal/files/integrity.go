package files

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"

	"kazashi.example/reader/jpki"
	"kazashi.example/reader/tlv"
)

// Tags of the integrity record, EF 0003 of 券面事項入力補助AP (soltia48/myna-card src/ap/text.rs).
const (
	tagIntegrity          = tlv.Tag(0xFF30)
	tagNumberDigest       = tlv.Tag(0xDF31) // of the Individual Number's file: never compared with anything, never copied
	tagAttributesDigest   = tlv.Tag(0xDF32)
	tagIntegritySignature = tlv.Tag(0xDF33)
)

// VerifyIntegrity says whether signer vouches for the attributes: the record holds the digest of the attributes file's outer value with
// DF21 skipped, and signer's signature over everything before the signature. An RSA signer's record is FF30 { DF31, DF32, DF33 } with
// SHA-256. A signer on P-384 has the practice form FF30 { DF32, DF33 } with SHA-384; nothing of the next card's files is public.
//
// integrityFile is overwritten with zeros before VerifyIntegrity returns, whatever it returns, and no error holds anything of it
// (promise P4). Both files may end in filler. ErrFile, ErrDigest, jpki.ErrSignature, jpki.ErrKeyKind.
func VerifyIntegrity(attributesFile, integrityFile []byte, signer crypto.PublicKey) error {
	defer clear(integrityFile)
	outer, list, err := attributeFields(attributesFile)
	if err != nil {
		return fmt.Errorf("reading the attributes: %w", err)
	}
	covered := outer.Value[len(list[0].Raw):]
	record, err := object(integrityFile, tagIntegrity)
	if err != nil {
		return fmt.Errorf("reading the integrity record: %w", err)
	}
	var digest []byte
	tags, sigLen := []tlv.Tag{tagAttributesDigest, tagIntegritySignature}, ecdsaSignature
	switch signer.(type) {
	case *rsa.PublicKey:
		tags, sigLen = append([]tlv.Tag{tagNumberDigest}, tags...), rsaSignature
		sum := sha256.Sum256(covered)
		digest = sum[:]
	case *ecdsa.PublicKey:
		sum := sha512.Sum384(covered)
		digest = sum[:]
	default:
		return fmt.Errorf("verifying the integrity record: %w", jpki.ErrKeyKind)
	}
	return compare(record, tags, digest, sigLen, signer)
}

// compare checks lengths, digest and signature of a record whose last two parts are the attributes' digest and the signature.
func compare(record tlv.Element, tags []tlv.Tag, digest []byte, sigLen int, signer crypto.PublicKey) error {
	list, err := fields(record, tags...)
	if err != nil {
		return fmt.Errorf("reading the integrity record: %w", err)
	}
	last := len(list) - 1
	sig := list[last]
	for _, d := range list[:last] {
		if len(d.Value) != len(digest) {
			return fmt.Errorf("%w: length of a digest in the integrity record", ErrFile)
		}
	}
	if len(sig.Value) != sigLen {
		return fmt.Errorf("%w: length of the integrity record's signature", ErrFile)
	}
	if err := checkSignature("the integrity record", signer, before(record, sig), sig.Value); err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(list[last-1].Value, digest) != 1 {
		return ErrDigest
	}
	return nil
}
