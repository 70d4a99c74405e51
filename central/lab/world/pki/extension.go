package pki

import (
	"crypto/sha1" // RFC 5280 §4.2.1.2 method 1 identifies a key by SHA-1; nothing rests on its strength
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"
)

// Context tags of GeneralName (RFC 5280 §4.2.1.6).
const (
	tagOtherName     = 0
	tagDirectoryName = 4
)

// extension wraps what fill writes.
func extension(oid asn1.ObjectIdentifier, critical bool, fill func(*cryptobyte.Builder)) (pkix.Extension, error) {
	var b cryptobyte.Builder
	fill(&b)
	value, err := b.Bytes()
	if err != nil {
		return pkix.Extension{}, fmt.Errorf("encoding extension %v: %w", oid, err)
	}
	return pkix.Extension{Id: oid, Critical: critical, Value: value}, nil
}

// altName is a GeneralNames of one directoryName.
func altName(oid asn1.ObjectIdentifier, dn []byte) (pkix.Extension, error) {
	return extension(oid, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { addDirectoryName(b, dn) })
	})
}

// addDirectoryName writes [4] EXPLICIT Name.
func addDirectoryName(b *cryptobyte.Builder, dn []byte) {
	b.AddASN1(der.Tag(tagDirectoryName).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(dn) })
}

// distributionPoint is a cRLDistributionPoints with one directoryName and no URI (RFC 5280 §4.2.1.13).
func distributionPoint(dn []byte) (pkix.Extension, error) {
	return extension(oidCRLDistribution, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // CRLDistributionPoints
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // DistributionPoint
				b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { // distributionPoint
					b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { // fullName
						addDirectoryName(b, dn)
					})
				})
			})
		})
	})
}

// policies is a critical certificatePolicies of one policy with a CPS qualifier (RFC 5280 §4.2.1.4).
func policies(policy asn1.ObjectIdentifier) (pkix.Extension, error) {
	return extension(oidCertificatePolicies, true, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // PolicyInformation
				b.AddASN1ObjectIdentifier(policy)
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // PolicyQualifierInfo
						b.AddASN1ObjectIdentifier(oidQualifierCPS)
						b.AddASN1(der.IA5String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(cpsURI)) })
					})
				})
			})
		})
	})
}

// authorityKeyID is the long form: key identifier, issuer and serial (RFC 5280 §4.2.1.1).
func authorityKeyID(issuer *x509.Certificate) (pkix.Extension, error) {
	return extension(oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1(der.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(issuer.SubjectKeyId) })
			b.AddASN1(der.Tag(1).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
				addDirectoryName(b, issuer.RawIssuer)
			})
			b.AddASN1(der.Tag(2).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(integer(issuer.SerialNumber)) })
		})
	})
}

// integer is the content of a positive DER INTEGER.
func integer(i *big.Int) []byte {
	b := i.Bytes()
	if len(b) == 0 || b[0]&0x80 != 0 {
		b = append([]byte{0}, b...)
	}
	return b
}

// personal is the subjectAltName of a signature certificate: one otherName for each attribute that is not empty, the last arc of its
// OID being the place in attrs, from 1.
func personal(attrs []string) (pkix.Extension, error) {
	return extension(oidSubjectAltName, false, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for i, v := range attrs {
				if v != "" {
					addOtherName(b, append(append(asn1.ObjectIdentifier{}, oidPersonal...), i+1), v)
				}
			}
		})
	})
}

// addOtherName writes [0] { type-id, [0] EXPLICIT UTF8String }.
func addOtherName(b *cryptobyte.Builder, oid asn1.ObjectIdentifier, v string) {
	b.AddASN1(der.Tag(tagOtherName).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(der.UTF8String, func(b *cryptobyte.Builder) { b.AddBytes([]byte(v)) })
		})
	})
}

// KeyHash is the SHA-1 of a public key's BIT STRING (RFC 5280 §4.2.1.2 method 1), the subject key identifier of all certificates here.
func KeyHash(pub any) ([]byte, error) {
	bits, err := KeyBits(pub)
	if err != nil {
		return nil, err
	}
	sum := sha1.Sum(bits) // an identifier, see above
	return sum[:], nil
}

// KeyBits is the content of the subjectPublicKey BIT STRING, which RFC 6960 §4.1.1 hashes into issuerKeyHash.
func KeyBits(pub any) ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, fmt.Errorf("encoding a public key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(spki, &info); err != nil {
		return nil, fmt.Errorf("decoding a public key: %w", err)
	}
	return info.Key.RightAlign(), nil
}

// together collects extensions and stops at the first error.
func together(makers ...func() (pkix.Extension, error)) ([]pkix.Extension, error) {
	var out []pkix.Extension
	for _, m := range makers {
		e, err := m()
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}
