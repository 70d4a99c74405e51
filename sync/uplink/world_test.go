package uplink_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

var (
	device     = byhand.Key("uplink device")
	centralTLS = byhand.Key("uplink C-tls")
	joinCode   = wire.JoinCode{Secret: [16]byte{1, 2, 3}, Root: trust.Fingerprint{4}}
)

// central is a service that does what the interface promises, in memory.
type central struct {
	tls sign.PublicKey

	mu     sync.Mutex // guards what follows
	joined map[sign.KeyID]record.BoxID
	pushed int
	fail   error
	lookup error // of Known
	blobs  map[wire.BlobID]func() io.ReadSeekCloser
	files  sync.WaitGroup // blobs that are open
}

func (c *central) Join(_ context.Context, device sign.PublicKey, r wire.JoinRequest) (wire.JoinAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	refused := &uplink.Refusal{Code: wire.CodeJoinRefused, Message: "this code does not let this box in"}
	own := wire.MAC(sha256.Sum256(c.tls.DER()))
	if r.Code != joinCode.ID() || r.Verify(joinCode) != nil || r.Server != own || device.ID() != sign.KeyIDOf(r.Device) {
		return wire.JoinAnswer{}, refused
	}
	c.joined[device.ID()] = r.Box
	return wire.JoinAnswer{Site: "branch-1", Name: "counter", Bundle: []byte("bundle")}.Prove(joinCode, r)
}

func (c *central) Known(_ context.Context, device sign.PublicKey) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.joined[device.ID()]; !ok {
		return &uplink.Refusal{Code: wire.CodeUnknownBox, Message: "join first"}
	}
	return c.lookup
}

func (c *central) Push(_ context.Context, _ sign.PublicKey, p wire.Push) (wire.Pushed, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushed += len(p.Envelopes)
	return wire.Pushed{Ack: []byte("acknowledgement")}, c.fail
}

func (c *central) Poll(ctx context.Context, _ sign.PublicKey, p wire.Poll) (wire.Polled, error) {
	if p.Wait > 0 {
		<-ctx.Done() // as long as the box stays
	}
	return wire.Polled{CentralEpoch: 3}, nil
}

// Blob opens a blob that the test put here.
func (c *central) Blob(ctx context.Context, device sign.PublicKey, id wire.BlobID) (io.ReadSeekCloser, error) {
	if err := c.Known(ctx, device); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	open, ok := c.blobs[id]
	if !ok {
		return nil, &uplink.Refusal{Code: wire.CodeUnknownBlob, Message: "not here"}
	}
	return open(), nil
}

// server runs the uplink of a service under a TLS key on loopback and returns its address.
func server(t *testing.T, key crypto.Signer, s uplink.Service, log io.Writer) string {
	t.Helper()
	conf, err := uplink.ServerConfig(key)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(uplink.Handler(s, slog.New(slog.NewTextHandler(log, nil))))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	srv.TLS = conf
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func newCentral(t *testing.T) *central {
	t.Helper()
	return &central{tls: testkey.Public(t, centralTLS), joined: map[sign.KeyID]record.BoxID{}}
}

// knows is the configuration of a box that recognises these keys.
func knows(t *testing.T, address string, keys ...*ecdsa.PrivateKey) uplink.Config {
	t.Helper()
	var known []sign.PublicKey
	for _, k := range keys {
		known = append(known, testkey.Public(t, k))
	}
	return uplink.Config{Address: address, Device: device, Central: func() []sign.PublicKey { return known }}
}

func client(t *testing.T, c uplink.Config) *uplink.Client {
	t.Helper()
	cl, err := uplink.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func request(t *testing.T) wire.JoinRequest {
	t.Helper()
	return wire.JoinRequest{Box: record.NewBoxID(), Device: testkey.Public(t, device).DER(), Sealing: []byte("S"), Release: "v1"}
}

// joined runs a central that the device has joined.
func joined(t *testing.T, log io.Writer) (*central, string) {
	t.Helper()
	c := newCentral(t)
	c.joined[testkey.Public(t, device).ID()] = record.NewBoxID()
	return c, server(t, centralTLS, c, log)
}

// rawClient is an HTTP client that shows a key and believes anything.
func rawClient(t *testing.T, key crypto.Signer, cache tls.ClientSessionCache) (*http.Client, *tls.Config) {
	t.Helper()
	conf := &tls.Config{InsecureSkipVerify: true, ClientSessionCache: cache, MinVersion: tls.VersionTLS12}
	if key != nil {
		cert, err := uplink.WrapKey(key)
		if err != nil {
			t.Fatal(err)
		}
		conf.Certificates = []tls.Certificate{cert}
	}
	tr := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}, conf
}

// proxy is an HTTP CONNECT proxy (RFC 9110 §9.3.6) that takes every tunnel to one place, and counts them.
func proxy(t *testing.T, to string) (*url.URL, func() int) {
	t.Helper()
	var mu sync.Mutex
	tunnels := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		mu.Lock()
		tunnels++
		mu.Unlock()
		tunnel(w, to)
	}))
	t.Cleanup(srv.Close)
	u, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	return u, func() int { mu.Lock(); defer mu.Unlock(); return tunnels }
}

func tunnel(w http.ResponseWriter, to string) {
	far, err := net.Dial("tcp", to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer far.Close()
	w.WriteHeader(http.StatusOK)
	near, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer near.Close()
	go func() {
		_, _ = io.Copy(far, rw)
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
}

// discard is a log that nobody reads.
var discard = io.Discard

// post sends octets to a method and returns status and body.
func post(t *testing.T, c *http.Client, method, address, path, mediaType string, body io.Reader) (int, []byte) {
	t.Helper()
	req, err := http.NewRequest(method, "https://"+address+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", mediaType)
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, b
}

func zeros(n int) io.Reader { return strings.NewReader(strings.Repeat("\x00", n)) }
