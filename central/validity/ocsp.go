package validity

import (
	"bytes"
	"context"
	"crypto"
	_ "crypto/sha1"   // RFC 6960 §4.3: the hash that every responder knows; it only names the issuer
	_ "crypto/sha256" // a responder may name the issuer by it
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
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
	// maxAge is how old an answer may be that does not say until when it holds. The national responder's data is at most 15
	// minutes old (Digital Agency, JPKI page).
	maxAge = time.Hour
)

// reasonHold is certificateHold (RFC 5280 §5.3.1).
const reasonHold = 6

// Errors of asking a responder.
var (
	errResponder = errors.New("responder's answer cannot be used")
	errStale     = errors.New("responder's answer is not of now")
	// errUnknown says that the responder, by its own signature, does not know the certificate. That is an answer, and no list
	// may be asked to give a better one: what was never issued is on no list.
	errUnknown = errors.New("the responder does not know this certificate")
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
	defer resp.Body.Close() // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return Status{}, fmt.Errorf("asking the responder: %w: %s", errResponder, resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxOCSPAnswer+1))
	if err != nil {
		return Status{}, fmt.Errorf("asking the responder: %w", err)
	}
	if len(b) > maxOCSPAnswer {
		return Status{}, fmt.Errorf("asking the responder: %w: larger than %d octets", errResponder, maxOCSPAnswer)
	}
	return a.read(b, issuer, serial, at)
}

// certID names a certificate by its issuer's name and key (RFC 6960 §4.1.1).
type certID struct {
	Hash    pkix.AlgorithmIdentifier
	Name    []byte
	Key     []byte
	Integer *big.Int
}

// hashes are those of an issuer's name and key.
func hashes(h crypto.Hash, issuer *x509.Certificate) (name, key []byte, err error) {
	var spki struct {
		Algorithm pkix.AlgorithmIdentifier
		PublicKey asn1.BitString
	}
	if _, err := asn1.Unmarshal(issuer.RawSubjectPublicKeyInfo, &spki); err != nil {
		return nil, nil, fmt.Errorf("naming the issuer: %w", err)
	}
	n, k := h.New(), h.New()
	n.Write(issuer.RawSubject)
	k.Write(spki.PublicKey.RightAlign())
	return n.Sum(nil), k.Sum(nil), nil
}

func request(issuer *x509.Certificate, serial certid.Serial) ([]byte, error) {
	name, key, err := hashes(crypto.SHA1, issuer)
	if err != nil {
		return nil, err
	}
	r := ocsp.Request{HashAlgorithm: crypto.SHA1, IssuerNameHash: name, IssuerKeyHash: key, SerialNumber: serial.Int()}
	return r.Marshal()
}

// read judges an answer: signed by the issuer or whom it lets answer, about this certificate, and of now.
func (a *Authority) read(b []byte, issuer *x509.Certificate, serial certid.Serial, at time.Time) (Status, error) {
	r, err := ocsp.ParseResponse(b, issuer)
	if err != nil {
		return Status{}, fmt.Errorf("%w: %w", errResponder, err)
	}
	now := a.Now()
	switch {
	case !about(r, issuer, serial):
		return Status{}, fmt.Errorf("%w: it is about another certificate", errResponder)
	case r.Certificate != nil && !r.Certificate.Equal(issuer) && !mayRespond(r.Certificate, now):
		return Status{}, fmt.Errorf("%w: its signer may not answer for the issuer", errResponder)
	case !current(r, now):
		return Status{}, errStale
	}
	s := Status{Source: wire.SourceOCSP, ThisUpdate: r.ThisUpdate.UTC()}
	switch {
	case r.Status == ocsp.Good:
		s.Answer = record.AnswerNotRevoked
	case r.Status != ocsp.Revoked:
		return Status{}, errUnknown
	case r.RevokedAt.After(at):
		s.Answer = record.AnswerNotRevoked
	case r.RevocationReason == reasonHold:
		s.Answer = record.AnswerOnHold
	default:
		s.Answer = record.AnswerRevoked
	}
	return s, nil
}

// about compares the whole name in the answer with the certificate's. The library compares nothing of it, and one responder's
// key may serve several generations.
func about(r *ocsp.Response, issuer *x509.Certificate, serial certid.Serial) bool {
	var data struct { // ResponseData, RFC 6960 §4.2.1, as far as it is needed
		Version   int `asn1:"optional,default:0,explicit,tag:0"`
		Responder asn1.RawValue
		Produced  time.Time `asn1:"generalized"`
		Responses []struct{ ID certID }
	}
	if _, err := asn1.Unmarshal(r.TBSResponseData, &data); err != nil || len(data.Responses) != 1 || !r.IssuerHash.Available() {
		return false
	}
	id := data.Responses[0].ID
	name, key, err := hashes(r.IssuerHash, issuer)
	return err == nil && bytes.Equal(id.Name, name) && bytes.Equal(id.Key, key) && id.Integer != nil && id.Integer.Cmp(serial.Int()) == 0
}

// current holds RFC 6960 §4.2.2.1 and §3.2.
func current(r *ocsp.Response, now time.Time) bool {
	until := r.NextUpdate
	if until.IsZero() {
		until = r.ThisUpdate.Add(maxAge)
	}
	return !r.ThisUpdate.After(now.Add(clockSkew)) && !until.Before(now.Add(-clockSkew))
}

// mayRespond holds the conditions of RFC 6960 §4.2.2.2 that the library leaves to the caller.
func mayRespond(signer *x509.Certificate, now time.Time) bool {
	return slices.Contains(signer.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) && !now.Before(signer.NotBefore) && !now.After(signer.NotAfter)
}
