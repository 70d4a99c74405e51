package uplink_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

func serverMAC(t *testing.T) wire.MAC {
	t.Helper()
	return sha256.Sum256(testkey.Public(t, centralTLS).DER())
}

// relay is a man in the middle: a service that passes joins on to central under his own TLS keys.
type relay struct {
	t     *testing.T
	to    string
	forge func(*wire.JoinRequest)
}

func (r relay) Join(_ context.Context, _ sign.PublicKey, req wire.JoinRequest) (wire.JoinAnswer, error) {
	r.forge(&req)
	raw, _ := rawClient(r.t, byhand.Key("middle"), nil)
	body, err := canon.Encode(req)
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	status, b := post(r.t, raw, "POST", r.to, "/uplink/v1/join", "application/cbor", strings.NewReader(string(body)))
	var a wire.JoinAnswer
	var f wire.Failure
	if status != 200 {
		if err := canon.Decode(b, &f, wire.MaxErrorBody); err != nil {
			return wire.JoinAnswer{}, err
		}
		return wire.JoinAnswer{}, &uplink.Refusal{Code: f.Code, Message: f.Message}
	}
	return a, canon.Decode(b, &a, wire.MaxJoin)
}

func (relay) Known(context.Context, sign.PublicKey) error { return nil }

func (relay) Push(context.Context, sign.PublicKey, wire.Push) (wire.Pushed, error) {
	return wire.Pushed{}, errors.New("joins only")
}

func (relay) Poll(context.Context, sign.PublicKey, wire.Poll) (wire.Polled, error) {
	return wire.Polled{}, errors.New("joins only")
}

func (relay) Blob(context.Context, sign.PublicKey, wire.BlobID) (io.ReadSeekCloser, error) {
	return nil, errors.New("joins only")
}

// liar lets every box in without knowing any code.
type liar struct{ relay }

func (liar) Join(_ context.Context, _ sign.PublicKey, r wire.JoinRequest) (wire.JoinAnswer, error) {
	return wire.JoinAnswer{Site: "trap", Proof: r.Proof}, nil
}

// remembering counts the tickets that a server gives.
type remembering struct {
	tls.ClientSessionCache
	mu sync.Mutex // guards n
	n  int
}

func (r *remembering) Put(key string, s *tls.ClientSessionState) {
	r.mu.Lock()
	if s != nil {
		r.n++
	}
	r.mu.Unlock()
	r.ClientSessionCache.Put(key, s)
}

func (r *remembering) puts() int { r.mu.Lock(); defer r.mu.Unlock(); return r.n }

// otherKeys are what a box does not show.
func otherKeys(t *testing.T) map[string]crypto.Signer {
	t.Helper()
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"no key": nil, "P-384": p384, "Ed25519": ed}
}

// lines is a log that may be written from any goroutine.
type lines struct {
	mu sync.Mutex // guards b
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }

func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }
