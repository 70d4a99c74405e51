package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"kazashi.example/sync/certid"
)

// Authority is one key generation of one purpose's CA.
type Authority struct {
	Purpose    certid.Purpose
	Generation int // 1, 2, 3 …; all share one name
	Cert       *x509.Certificate
	Key        crypto.Signer

	phone bool // issues for telephones
}

// NewAuthority makes a self-signed root: RSA-2048 with SHA-256 or P-384 with SHA-384 by its key, keyUsage keyCertSign and cRLSign, no path length, the Japanese name as alternative
// name and its own name as distribution point, as the national roots have them.
func NewAuthority(p certid.Purpose, generation int, serial uint32, from, to time.Time, key crypto.Signer) (*Authority, error) {
	dn, err := AuthorityName(p)
	if err != nil {
		return nil, err
	}
	return selfSigned(p, generation, dn, serial, from, to, key)
}

// NewPhone makes the root of a telephone's certificates (移動端末設備用), generation 0, which no trust bundle names. The name of the national one is not public.
func NewPhone(serial uint32, from, to time.Time, key crypto.Signer) (*Authority, error) {
	dn, err := PhoneName()
	if err != nil {
		return nil, err
	}
	a, err := selfSigned(certid.PurposeAuth, 0, dn, serial, from, to, key)
	if err != nil {
		return nil, err
	}
	a.phone = true
	return a, nil
}

// NewStranger makes a root that no trust bundle names.
func NewStranger(serial uint32, from, to time.Time, key crypto.Signer) (*Authority, error) {
	dn, err := StrangerName()
	if err != nil {
		return nil, err
	}
	return selfSigned(certid.PurposeAuth, 0, dn, serial, from, to, key)
}

func selfSigned(p certid.Purpose, gen int, dn []byte, serial uint32, from, to time.Time, key crypto.Signer) (*Authority, error) {
	ski, err := KeyHash(key.Public())
	if err != nil {
		return nil, err
	}
	jp, err := japaneseName(p)
	if err != nil {
		return nil, err
	}
	extra, err := together(
		func() (pkix.Extension, error) { return altName(oidSubjectAltName, jp) },
		func() (pkix.Extension, error) { return distributionPoint(dn) },
	)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(int64(serial)), RawSubject: dn, NotBefore: from, NotAfter: to,
		SignatureAlgorithm: algorithm(key), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true, IsCA: true, MaxPathLen: -1, SubjectKeyId: ski, ExtraExtensions: extra,
	}
	cert, err := create(t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making root of generation %d: %w", gen, err)
	}
	return &Authority{Purpose: p, Generation: gen, Cert: cert, Key: key}, nil
}

// Responder makes the certificate of an OCSP responder that the authority lets answer for it (RFC 6960 §4.2.2.2), with
// id-pkix-ocsp-nocheck because nothing says that it is revoked.
func (a *Authority) Responder(serial uint32, pub crypto.PublicKey) (*x509.Certificate, error) {
	dn, err := name(attr{oidCountry, "JP"}, attr{oidOrganization, PracticeMark},
		attr{oidCommonName, fmt.Sprintf("Practice OCSP responder, generation %d", a.Generation)})
	if err != nil {
		return nil, err
	}
	ski, err := KeyHash(pub)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(int64(serial)), RawSubject: dn, NotBefore: a.Cert.NotBefore, NotAfter: a.Cert.NotAfter,
		SignatureAlgorithm: algorithm(a.Key), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, SubjectKeyId: ski,
		ExtraExtensions: []pkix.Extension{{Id: oidOCSPNoCheck, Value: []byte{0x05, 0x00}}},
	}
	return create(t, a.Cert, pub, a.Key)
}

// algorithm is what a key signs with: ecdsa-with-SHA384 for elliptic curves, else sha256WithRSAEncryption.
func algorithm(key crypto.Signer) x509.SignatureAlgorithm {
	if _, ok := key.Public().(*ecdsa.PublicKey); ok {
		return x509.ECDSAWithSHA384
	}
	return x509.SHA256WithRSA
}

func create(t, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	raw, err := x509.CreateCertificate(nil, t, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("signing a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("reading back a certificate: %w", err)
	}
	return cert, nil
}
