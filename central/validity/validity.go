// Package validity answers whether a certificate was revoked at the time of a tap: by OCSP (RFC 6960), and by the day's
// list where no responder answers.
//
// It never says "valid": the best answer is not_revoked. An answer always names its source and the time it is from; when
// nobody can answer, that is an error and not an answer, and the caller asks again later. [Authority] may be used from any
// goroutine. Package crl keeps the lists; OCSP answers are not kept.
package validity

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Errors of StatusAt.
var (
	// ErrNobody says that neither a responder nor a list can answer now.
	ErrNobody = errors.New("neither the responder nor a list answers")
	// ErrIssuer says that the issuer key is none of the anchors'.
	ErrIssuer = errors.New("issuer key is not known here")
)

// Status is an answer with what it rests on.
type Status struct {
	Answer     record.Answer
	Source     wire.Source
	ThisUpdate time.Time
}

// Authority asks for one hierarchy.
type Authority struct {
	Anchors *jpki.Anchors
	Lists   *crl.Store
	OCSP    string // responder's URL; empty: lists only
	HTTP    *http.Client
	Now     func() time.Time
	Log     *slog.Logger

	mu    sync.Mutex // guards what follows
	quiet time.Time  // until then the responder is not asked, because it did not answer
}

// quietFor is how long a responder that did not answer is let alone: a backlog of thousands must not wait for it tap by tap.
const quietFor = ocspTimeout

// StatusAt answers as of a time. ErrIssuer, or ErrNobody when it must be asked again later.
func (a *Authority) StatusAt(ctx context.Context, id certid.CertID, issuer content.Issuer, at time.Time) (Status, error) {
	cert := a.issuer(id.Scope, issuer)
	if cert == nil {
		return Status{}, fmt.Errorf("%w: %s", ErrIssuer, id.Scope)
	}
	if !a.speaks() {
		return a.fromLists(ctx, id, cert, at)
	}
	s, err := a.ask(ctx, cert, id.Serial, at)
	switch {
	case err == nil:
		return a.withList(ctx, s, id, at), nil
	case ctx.Err() != nil:
		return Status{}, fmt.Errorf("%w: %w", ErrNobody, err)
	case errors.Is(err, errUnknown):
		if s := a.withList(ctx, Status{Answer: record.AnswerNotRevoked}, id, at); s.Answer != record.AnswerNotRevoked {
			return s, nil
		}
		return Status{}, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	a.silent(ctx, err)
	return a.fromLists(ctx, id, cert, at)
}

// speaks reports whether the responder is to be asked now.
func (a *Authority) speaks() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.OCSP != "" && !a.Now().Before(a.quiet)
}

func (a *Authority) silent(ctx context.Context, err error) {
	a.Log.WarnContext(ctx, "the responder did not answer; asking the list", slog.Any("error", err))
	if errors.Is(err, errResponder) || errors.Is(err, errStale) {
		return // it answers, only not to this question
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.quiet = a.Now().Add(quietFor)
}

// issuer finds the generation that signed: with the key of another one a responder answers "unknown".
func (a *Authority) issuer(scope certid.Scope, short content.Issuer) *x509.Certificate {
	for _, c := range a.Anchors.IssuerCerts(scope) {
		if content.IssuerOf(jpki.KeyIDOf(c)) == short {
			return c
		}
	}
	return nil
}

// withList adds what a responder cannot say: it knows the present, and a hold that was lifted since the tap is gone there. What
// the set in force at the tap said against the certificate stands.
func (a *Authority) withList(ctx context.Context, s Status, id certid.CertID, at time.Time) Status {
	if s.Answer != record.AnswerNotRevoked {
		return s
	}
	if inForce, ok := a.inForce(ctx, id, at); ok {
		if answer := inForce.AnswerAt(at); answer != record.AnswerNotRevoked {
			return Status{Answer: answer, Source: wire.SourceCRL, ThisUpdate: inForce.ThisUpdate}
		}
	}
	return s
}

// inForce is what the set in force at a time said, if it can be told.
func (a *Authority) inForce(ctx context.Context, id certid.CertID, at time.Time) (crl.State, bool) {
	s, err := a.Lists.AsOf(id.Scope, id.Serial, at)
	if err != nil && !errors.Is(err, crl.ErrNone) {
		a.Log.ErrorContext(ctx, "what the revocation set in force at a tap said cannot be told", slog.Any("error", err))
	}
	return s, err == nil
}

// fromLists answers from the newest set, which knows most, and from the one in force at the tap, which knows holds since
// lifted. A set whose nextUpdate had passed by the tap cannot vouch for it, nor one whose signer is older than the issuer.
func (a *Authority) fromLists(ctx context.Context, id certid.CertID, issuer *x509.Certificate, at time.Time) (Status, error) {
	newest, err := a.Lists.Lookup(id.Scope, id.Serial)
	if err != nil {
		return Status{}, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	said := []crl.State{newest}
	if s, ok := a.inForce(ctx, id, at); ok {
		said = append(said, s)
	}
	for _, s := range said {
		if answer := s.AnswerAt(at); answer != record.AnswerNotRevoked {
			return Status{Answer: answer, Source: wire.SourceCRL, ThisUpdate: s.ThisUpdate}, nil
		}
	}
	switch {
	case newest.NextUpdate.Before(at):
		return Status{}, fmt.Errorf("%w: the newest list of %s was over before the tap", ErrNobody, id.Scope)
	case !newest.Covers(jpki.KeyIDOf(issuer)):
		return Status{}, fmt.Errorf("%w: the newest list of %s does not speak of this issuer key", ErrNobody, id.Scope)
	default:
		return Status{Answer: record.AnswerNotRevoked, Source: wire.SourceCRL, ThisUpdate: newest.ThisUpdate}, nil
	}
}
