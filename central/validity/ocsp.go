package validity

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha1" //nolint:gosec // RFC 6960 §4.3: the hash that every responder knows; it only names the issuer
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Limits of asking a responder.
const (
	ocspTimeout   = 5 * time.Second
	maxOCSPAnswer = 64 << 10
	clockSkew     = 5 * time.Minute // between central's and the responder's clock
)

// reasonHold is certificateHold (RFC 5280 §5.3.1).
const reasonHold = 6

// Errors of asking a responder.
var (
	errResponder = errors.New("responder's answer cannot be used")
	errStale     = errors.New("responder's answer is not of now")
)

// ask sends one request (RFC 6960 §4.1) naming the issuer by the key of its own generation.
func (a *Authority) ask(ctx context.Context, issuer *x509.Certificate, serial certid.Serial, at time.Time) (Status, error) {
	ctx, cancel := context.WithTimeout(ctx, ocspTimeout)
	defer cancel()
	body, err := request(issuer, serial)
	if err != nil {
		return Status{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.OCSP, bytes.NewReader(body))
	if err != nil {
		return Status{}, fmt.Errorf("asking the responder: %w", err)
	}
	req.Header.Set("Content-Type", "application/ocsp-request")
	resp, err := a.HTTP.Do(req)
	if err != nil {
		return Status{}, fmt.Errorf("asking the responder: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxOCSPAnswer))
	if err != nil {
		return Status{}, fmt.Errorf("asking the responder: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return Status{}, fmt.Errorf("asking the responder: %w: %s", errResponder, resp.Status)
	}
	return a.read(b, issuer, serial, at)
}

func request(issuer *x509.Certificate, serial certid.Serial) ([]byte, error) {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil, fmt.Errorf("naming the issuer: %w", err)
	}
	name := sha1.Sum(issuer.RawSubject)          //nolint:gosec // see the import
	key := sha1.Sum(spki.PublicKey.RightAlign()) //nolint:gosec // see the import
	r := ocsp.Request{HashAlgorithm: crypto.SHA1, IssuerNameHash: name[:], IssuerKeyHash: key[:], SerialNumber: serial.Int()}
	return r.Marshal()
}

func (a *Authority) read(b []byte, issuer *x509.Certificate, serial certid.Serial, at time.Time) (Status, error) {
	r, err := ocsp.ParseResponse(b, issuer)
	if err != nil {
		return Status{}, fmt.Errorf("%w: %w", errResponder, err)
	}
	now := a.Now()
	switch {
	case r.SerialNumber == nil || r.SerialNumber.Cmp(serial.Int()) != 0:
		return Status{}, fmt.Errorf("%w: it is about another certificate", errResponder)
	case r.Certificate != nil && !mayRespond(r.Certificate, now):
		return Status{}, fmt.Errorf("%w: its signer may not answer for the issuer", errResponder)
	case r.ThisUpdate.After(now.Add(clockSkew)), !r.NextUpdate.IsZero() && r.NextUpdate.Before(now.Add(-clockSkew)):
		return Status{}, errStale
	}
	s := Status{Source: wire.SourceOCSP, ThisUpdate: r.ThisUpdate.UTC()}
	switch {
	case r.Status == ocsp.Unknown:
		return Status{}, fmt.Errorf("%w: unknown to it", errResponder)
	case r.Status == ocsp.Good || r.RevokedAt.After(at):
		s.Answer = record.AnswerNotRevoked
	case r.RevocationReason == reasonHold:
		s.Answer = record.AnswerOnHold
	default:
		s.Answer = record.AnswerRevoked
	}
	return s, nil
}

// mayRespond holds the conditions of RFC 6960 §4.2.2.2 that the library leaves to the caller.
func mayRespond(signer *x509.Certificate, now time.Time) bool {
	return slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) && !now.Before(signer.NotBefore) && !now.After(signer.NotAfter)
}
