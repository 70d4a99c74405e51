package pki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"kazashi.example/sync/certid"
)

// CommonNameLen is the length of a resident's CN: 14 random letters and digits and the 9 of the reception terminal.
const CommonNameLen = 23

// ErrRequest says that a certificate was asked for with a CN that is not 23 characters long.
var ErrRequest = errors.New("certificate request is not usable")

// Resident is what goes into one certificate of a resident.
type Resident struct {
	Serial                   uint32
	CommonName               string // 23 characters of A-Z and 0-9
	NotBefore, NotAfter      time.Time
	Prefecture, Municipality string // Latin letters, for the distribution point and the signature certificate's subject
	OCSP                     string // the responder's URL; the national one has exactly 30 characters, which nothing depends on
	Public                   crypto.PublicKey
	// Personal are, for a signature certificate, name, substitutes in it, sex, birth date, address, substitutes in it.
	Personal [6]string
	// Forger, if set, signs in the authority's stead: the certificate names the authority and does not verify.
	Forger crypto.Signer
}

// Issue makes an authentication or signature certificate, by the authority's purpose.
func (a *Authority) Issue(r Resident) (*x509.Certificate, error) {
	if len(r.CommonName) != CommonNameLen {
		return nil, fmt.Errorf("%w: CN of %d characters", ErrRequest, len(r.CommonName))
	}
	t, err := a.template(r)
	if err != nil {
		return nil, err
	}
	if r.Forger != nil {
		return create(t, forged(a.Cert, r.Forger), r.Public, r.Forger)
	}
	return create(t, a.Cert, r.Public, a.Key)
}

// signer is whose key signs.
func (r Resident) signer(a *Authority) crypto.Signer {
	if r.Forger != nil {
		return r.Forger
	}
	return a.Key
}

func (a *Authority) template(r Resident) (*x509.Certificate, error) {
	subject, err := a.subject(r)
	if err != nil {
		return nil, err
	}
	extra, err := a.extensions(r)
	if err != nil {
		return nil, err
	}
	ski, err := KeyHash(r.Public)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(int64(r.Serial)), RawSubject: subject, NotBefore: r.NotBefore, NotAfter: r.NotAfter,
		SignatureAlgorithm: algorithm(r.signer(a)), KeyUsage: x509.KeyUsageDigitalSignature, SubjectKeyId: ski,
		ExtraExtensions: extra, OCSPServer: []string{r.OCSP},
	}
	if a.Purpose == certid.PurposeSign {
		t.KeyUsage |= x509.KeyUsageContentCommitment
	} else {
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}
	return t, nil
}

func (a *Authority) subject(r Resident) ([]byte, error) {
	if a.Purpose == certid.PurposeSign {
		return name(attr{oidCountry, "JP"}, attr{oidLocality, r.Prefecture}, attr{oidLocality, r.Municipality},
			attr{oidCommonName, r.CommonName})
	}
	return name(attr{oidCountry, "JP"}, attr{oidCommonName, r.CommonName})
}

func (a *Authority) extensions(r Resident) ([]pkix.Extension, error) {
	jp, err := japaneseName(a.Purpose)
	if err != nil {
		return nil, err
	}
	point, err := distributionName(a.Purpose, r.Prefecture, r.Municipality)
	if err != nil {
		return nil, err
	}
	policy := oidAuthPolicy
	switch {
	case a.Purpose == certid.PurposeSign:
		policy = oidSignPolicy
	case a.phone:
		policy = oidPhonePolicy
	}
	makers := []func() (pkix.Extension, error){
		func() (pkix.Extension, error) { return policies(policy) },
		func() (pkix.Extension, error) { return altName(oidIssuerAltName, jp) },
		func() (pkix.Extension, error) { return distributionPoint(point) },
		func() (pkix.Extension, error) { return authorityKeyID(a.Cert) },
	}
	if a.Purpose == certid.PurposeSign {
		makers = append(makers, func() (pkix.Extension, error) { return personal(r.Personal[:]) })
	}
	return together(makers...)
}

// forged is the authority's certificate with another key in it, so that crypto/x509 agrees to sign with that key.
func forged(ca *x509.Certificate, key crypto.Signer) *x509.Certificate {
	c := *ca
	c.PublicKey = key.Public()
	return &c
}
