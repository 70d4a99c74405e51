// Package validity answers whether a certificate was revoked at the time of a tap: by OCSP (RFC 6960), which knows the present, and by
// the lists since the tap.
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

// Errors of StatusWithin.
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

// StatusWithin answers for a tap at some moment from from to to, both included: the strictest that holds for any of them. ErrIssuer, or
// ErrNobody when it must be asked again later.
func (a *Authority) StatusWithin(ctx context.Context, id certid.CertID, issuer content.Issuer, from, to time.Time) (Status, error) {
	cert := a.issuer(id.Scope, issuer)
	if cert == nil {
		return Status{}, fmt.Errorf("%w: %s", ErrIssuer, id.Scope)
	}
	if !a.speaks() {
		return a.fromLists(ctx, id, cert, from, to)
	}
	s, err := a.ask(ctx, cert, id.Serial, to) // revoked at a moment is revoked at every later one
	switch {
	case err == nil:
		return a.withLists(ctx, s, id, from, to), nil
	case ctx.Err() != nil:
		return Status{}, fmt.Errorf("%w: %w", ErrNobody, err)
	case errors.Is(err, errUnknown):
		if s := a.withLists(ctx, Status{Answer: record.AnswerNotRevoked}, id, from, to); s.Answer != record.AnswerNotRevoked {
			return s, nil
		}
		return Status{}, fmt.Errorf("%w: %w", ErrNobody, err)
	}
	a.silent(ctx, err)
	return a.fromLists(ctx, id, cert, from, to)
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

// withLists adds what a responder cannot say: it knows the present, and a hold that was lifted since the tap is gone there. What any
// set since the tap said against the certificate stands.
func (a *Authority) withLists(ctx context.Context, s Status, id certid.CertID, from, to time.Time) Status {
	if s.Answer == record.AnswerRevoked {
		return s
	}
	past, err := a.past(ctx, id, from, to)
	if err != nil {
		if !errors.Is(err, crl.ErrNone) {
			a.Log.ErrorContext(ctx, "what the revocation sets since a tap say cannot be told", slog.Any("error", err))
		}
		return s
	}
	if past.Answer == record.AnswerRevoked || past.Answer == record.AnswerOnHold && s.Answer == record.AnswerNotRevoked {
		return ofList(past.Answer, past.By)
	}
	return s
}

// past asks the sets since a tap. Where some cannot be told of any more, the others count.
func (a *Authority) past(ctx context.Context, id certid.CertID, from, to time.Time) (crl.Past, error) {
	past, err := a.Lists.AsOf(id.Scope, id.Serial, from, to)
	if err == nil && past.Gap != nil {
		a.Log.ErrorContext(ctx, "what some of the revocation sets since a tap said cannot be told", slog.Any("error", past.Gap))
	}
	return past, err
}

func ofList(answer record.Answer, by crl.State) Status {
	return Status{Answer: answer, Source: wire.SourceCRL, ThisUpdate: by.ThisUpdate}
}

// fromLists answers from the sets alone. A newest set whose nextUpdate had passed by the tap cannot vouch for it, nor one whose signer is
// older than the issuer; what a set says against a certificate stands all the same.
func (a *Authority) fromLists(ctx context.Context, id certid.CertID, issuer *x509.Certificate, from, to time.Time) (Status, error) {
	past, err := a.past(ctx, id, from, to)
	switch {
	case err != nil:
		return Status{}, fmt.Errorf("%w: %w", ErrNobody, err)
	case past.Answer != record.AnswerNotRevoked:
		return ofList(past.Answer, past.By), nil
	case past.Newest.NextUpdate.Before(to):
		return Status{}, fmt.Errorf("%w: the newest list of %s was over before the tap", ErrNobody, id.Scope)
	case !past.Newest.Covers(jpki.KeyIDOf(issuer)):
		return Status{}, fmt.Errorf("%w: the newest list of %s does not speak of this issuer key", ErrNobody, id.Scope)
	default:
		return ofList(past.Answer, past.Newest), nil
	}
}
