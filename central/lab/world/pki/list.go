package pki

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"time"
)

// Reason is a CRLReason (RFC 5280 §5.3.1).
type Reason int

// Reasons that the issuer is known to use, and key compromise.
const (
	KeyCompromise        Reason = 1
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
)

var reasonNames = map[Reason]string{
	KeyCompromise: "keyCompromise", AffiliationChanged: "affiliationChanged", Superseded: "superseded",
	CessationOfOperation: "cessationOfOperation", CertificateHold: "certificateHold",
}

// String is the name of RFC 5280.
func (r Reason) String() string {
	if s, ok := reasonNames[r]; ok {
		return s
	}
	return fmt.Sprintf("reason(%d)", int(r))
}

// Valid reports whether r is one of the constants.
func (r Reason) Valid() bool { return reasonNames[r] != "" }

// ParseReason is the inverse of String; ErrRequest otherwise.
func ParseReason(s string) (Reason, error) {
	for r, n := range reasonNames {
		if n == s {
			return r, nil
		}
	}
	return 0, fmt.Errorf("%w: unknown revocation reason %q", ErrRequest, s)
}

// Entry is one line of a revocation list.
type Entry struct {
	Serial *big.Int
	At     time.Time
	Reason Reason
}

// List makes a revocation list (DER) signed by this generation: version 2, with CRL number, authority key identifier and a reason on
// each entry (RFC 5280 §5). It has no issuing distribution point: it is the whole list of the purpose.
func (a *Authority) List(number int64, thisUpdate, nextUpdate time.Time, entries []Entry) ([]byte, error) {
	t := &x509.RevocationList{
		SignatureAlgorithm: algorithm(a.Key), Number: big.NewInt(number), ThisUpdate: thisUpdate, NextUpdate: nextUpdate,
	}
	for _, e := range entries {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: e.Serial, RevocationTime: e.At, ReasonCode: int(e.Reason)})
	}
	der, err := x509.CreateRevocationList(nil, t, a.Cert, a.Key)
	if err != nil {
		return nil, fmt.Errorf("signing a revocation list: %w", err)
	}
	return der, nil
}
