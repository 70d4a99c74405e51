package jpki

import (
	"bytes"
	"crypto/sha1" // RFC 6960 §4.1.1: clients may identify the issuer by SHA-1; nothing rests on its strength
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// Media types of RFC 6960 appendix A.
const (
	typeOCSPRequest  = "application/ocsp-request"
	typeOCSPResponse = "application/ocsp-response"
)

// issuer is one authority as a CertID may name it: both hash algorithms, and the responders that answer for it.
type issuer struct {
	authority *pki.Authority
	names     map[string][2][]byte // hash OID → name hash, key hash
	by        responder
}

func newIssuer(w *world.World, a *pki.Authority, direct bool) (*issuer, error) {
	bits, err := pki.KeyBits(a.Cert.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("hashing an issuer's key: %w", err)
	}
	n1, k1 := sha1.Sum(a.Cert.RawSubject), sha1.Sum(bits) // identifiers, see above
	n2, k2 := sha256.Sum256(a.Cert.RawSubject), sha256.Sum256(bits)
	out := &issuer{authority: a, names: map[string][2][]byte{
		oidSHA1.String(): {n1[:], k1[:]}, oidSHA256.String(): {n2[:], k2[:]},
	}}
	if direct {
		out.by = responder{cert: a.Cert, key: a.Key}
		return out, nil
	}
	cert, key, err := w.Responder(a)
	if err != nil {
		return nil, fmt.Errorf("taking a responder key: %w", err)
	}
	out.by = responder{cert: cert, key: key, delegate: true}
	return out, nil
}

// matches reports whether a CertID names this issuer.
func (i *issuer) matches(hash asn1.ObjectIdentifier, name, key []byte) bool {
	h, ok := i.names[hash.String()]
	return ok && bytes.Equal(h[0], name) && bytes.Equal(h[1], key)
}

// serveOCSP answers POST and GET. Protocol faults are OCSP statuses with HTTP 200, as clients expect.
func (s *Service) serveOCSP(rw http.ResponseWriter, r *http.Request) {
	body, ok := ocspBody(rw, r)
	if !ok {
		return
	}
	out, err := s.answer(body)
	if err != nil {
		s.cfg.Log.LogAttrs(r.Context(), slog.LevelError, "ocsp answer failed", slog.String("error", err.Error()))
		out = failure(statusInternalError)
	}
	rw.Header().Set("Content-Type", typeOCSPResponse)
	rw.Header().Set("Cache-Control", "no-store")
	_, _ = rw.Write(out)
}

// ocspBody takes the request's octets; an oversized or undecodable one comes back as what ParseRequest refuses.
func ocspBody(rw http.ResponseWriter, r *http.Request) ([]byte, bool) {
	switch r.Method {
	case http.MethodPost:
		if r.Header.Get("Content-Type") != typeOCSPRequest {
			http.Error(rw, "want "+typeOCSPRequest, http.StatusUnsupportedMediaType)
			return nil, false
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, MaxRequestLen+1))
		return body, err == nil
	case http.MethodGet:
		return pathRequest(r.URL), true
	default:
		rw.Header().Set("Allow", "GET, POST")
		http.Error(rw, "GET or POST", http.StatusMethodNotAllowed)
		return nil, false
	}
}

// pathRequest is the base64 after /ocsp/, percent-encoded or not (RFC 6960 appendix A.1.1). Standard base64 has slashes, double ones
// too, so the path is taken as it came. nil if it is no base64.
func pathRequest(u *url.URL) []byte {
	text := strings.TrimPrefix(u.EscapedPath(), "/ocsp/")
	if len(text) > 4*MaxRequestLen {
		return nil
	}
	text, err := url.PathUnescape(text)
	if err != nil {
		return nil
	}
	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return out
}

// answer is the responder: every CertID gets its line. With certificates of several generations in one request the answer is signed for
// the first one's generation, and a strict client will refuse the others: it should ask once per issuer.
func (s *Service) answer(body []byte) ([]byte, error) {
	req, err := ParseRequest(body)
	if err != nil {
		return failure(statusMalformedRequest), nil //nolint:nilerr // the fault is the client's and this status tells it
	}
	var by *issuer
	answers := make([]answer, 0, len(req.Certs))
	for _, id := range req.Certs {
		a := answer{id: id}
		if i := s.issuerOf(id); i != nil {
			if by == nil {
				by = i
			}
			if a.status, err = s.status(i, id); err != nil {
				return nil, err
			}
		}
		answers = append(answers, a)
	}
	if by == nil {
		by = s.current
	}
	now := s.cfg.Now().UTC().Truncate(time.Second)
	return encodeResponse(answers, req.nonce, by.by, now, now.Add(s.cfg.AnswerLife))
}

func (s *Service) issuerOf(id CertID) *issuer {
	for _, i := range s.issuers {
		if i.matches(id.hash, id.nameHash, id.keyRef) {
			return i
		}
	}
	return nil
}

func (s *Service) status(i *issuer, id CertID) (world.Status, error) {
	if id.serial.IsZero() {
		return world.Status{}, nil
	}
	a := i.authority
	st, err := s.world.Status(certid.CertID{Scope: practice(a.Purpose), Serial: id.serial}, a.Generation)
	if err != nil {
		return world.Status{}, fmt.Errorf("looking up a certificate: %w", err)
	}
	return st, nil
}

func practice(p certid.Purpose) certid.Scope {
	return certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: p}
}
