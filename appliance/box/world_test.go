package box_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/config"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// waitLimit is how long a test waits for anything.
const waitLimit = 20 * time.Second

// central is just enough of one to join: real keys, a real bundle and a real connection.
type central struct {
	uplink.Service // Push and Poll are not asked for in these tests

	code   wire.JoinCode
	shows  *ecdsa.PrivateKey // its TLS key
	signs  *ecdsa.PrivateKey // C-sign
	bundle []byte

	mu     sync.Mutex // guards the fields below
	spoils func(*wire.JoinAnswer)
	joined []wire.JoinRequest
	refuse string           // code with which a poll is refused; "" does not answer
	rules  []byte           // given to whoever holds none
	acks   chan []byte      // given one by one; nil for none
	sets   *settest.Central // its newest set is offered to whoever holds another
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

func public(t *testing.T, k crypto.Signer) []byte {
	t.Helper()
	p, err := sign.PublicKeyOf(k.Public())
	must(t, err)
	return p.DER()
}

// newCentral makes a central whose bundle vouches for the TLS key vouched, or, if that is nil, for the one that it shows.
func newCentral(t *testing.T, vouched *ecdsa.PrivateKey, change ...func(*trust.Bundle)) *central {
	t.Helper()
	c := &central{shows: newKey(t), signs: newKey(t)}
	if vouched == nil {
		vouched = c.shows
	}
	root := newKey(t)
	rootKey, err := sign.PublicKeyOf(root.Public())
	must(t, err)
	set, err := trust.NewRootSet(1, 1, []sign.PublicKey{rootKey}).Sign([]crypto.Signer{root})
	must(t, err)
	s, err := seal.GenerateKey()
	must(t, err)
	b := trust.Bundle{Number: 1, Issued: 1, Suites: []seal.Suite{seal.Suite1}, Keys: []trust.Key{
		{Purposes: []sign.Purpose{sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules, sign.PurposeSet, sign.PurposeDelta}, Public: public(t, c.signs)},
		{Purposes: []sign.Purpose{trust.UseTLS}, Public: public(t, vouched)},
		{Purposes: []sign.Purpose{trust.UseSeal}, Public: s.Public().Bytes()},
	}}
	for _, change := range change {
		change(&b)
	}
	c.bundle, err = b.Sign([][]byte{set}, []crypto.Signer{root})
	must(t, err)
	c.code.Root, err = trust.FingerprintOf(set)
	must(t, err)
	_, _ = rand.Read(c.code.Secret[:])
	return c
}

// replaced is whose place everybody takes who joins.
var replaced = record.BoxID{ID128: record.ID128{7}}

// Join lets everybody in who has the code.
func (c *central) Join(_ context.Context, _ sign.PublicKey, q wire.JoinRequest) (wire.JoinAnswer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := q.Verify(c.code); err != nil {
		return wire.JoinAnswer{}, &uplink.Refusal{Code: wire.CodeJoinRefused, Message: err.Error()}
	}
	c.joined = append(c.joined, q)
	a, err := wire.JoinAnswer{Site: "branch-1", Name: "one", Bundle: c.bundle, Replaces: replaced}.Prove(c.code, q)
	if c.spoils != nil {
		c.spoils(&a)
	}
	return a, err
}

// Known lets everybody speak.
func (*central) Known(context.Context, sign.PublicKey) error { return nil }

// Push does not answer in this life.
func (*central) Push(ctx context.Context, _ sign.PublicKey, _ wire.Push) (wire.Pushed, error) {
	<-ctx.Done()
	return wire.Pushed{}, ctx.Err()
}

// Blob opens a file of the sets.
func (c *central) Blob(_ context.Context, _ sign.PublicKey, id wire.BlobID) (io.ReadSeekCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.sets.Blobs[id]
	if !ok {
		return nil, &uplink.Refusal{Code: wire.CodeUnknownBlob, Message: "not here"}
	}
	return blob{bytes.NewReader(b)}, nil
}

type blob struct{ *bytes.Reader }

func (blob) Close() error { return nil }

// Poll does not answer in this life, unless it is to refuse, to give rules or to offer a set.
func (c *central) Poll(ctx context.Context, _ sign.PublicKey, p wire.Poll) (wire.Polled, error) {
	c.mu.Lock()
	refuse, rules, sets, acks := c.refuse, c.rules, c.sets, c.acks
	c.mu.Unlock()
	if acks != nil {
		select {
		case msg := <-acks:
			return wire.Polled{CentralEpoch: 1, Ack: msg}, nil
		case <-ctx.Done():
			return wire.Polled{}, ctx.Err()
		}
	}
	if rules != nil && p.Rules.N == 0 {
		return wire.Polled{CentralEpoch: 1, Rules: rules}, nil
	}
	if n := uint64(len(p.Sets)); sets != nil && (n == 0 || p.Sets[0].Number != sets.All[len(sets.All)-1].Head.Number) {
		return wire.Polled{CentralEpoch: 1, Sets: []wire.SetOffer{sets.Offer(n)}}, nil
	}
	if refuse != "" {
		return wire.Polled{}, &uplink.Refusal{Code: refuse, Message: "not you"}
	}
	<-ctx.Done()
	return wire.Polled{}, ctx.Err()
}

// listen serves c at addr until the test ends.
func (c *central) listen(t *testing.T, addr string) {
	t.Helper()
	conf, err := uplink.ServerConfig(c.shows)
	must(t, err)
	l, err := tls.Listen("tcp", addr, conf)
	must(t, err)
	s := &http.Server{Handler: uplink.Handler(c, slog.New(slog.DiscardHandler)), ReadHeaderTimeout: time.Second}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close(); <-done })
}

// hand lays made-up cards on a reader.
type hand struct {
	events chan tap.Event
	card   func(ctx context.Context) (tap.Connection, error)
}

func (h *hand) Watch(ctx context.Context, handle func(tap.Event)) error {
	for {
		select {
		case e := <-h.events:
			handle(e)
		case <-ctx.Done():
			return nil
		}
	}
}

func (h *hand) Open(ctx context.Context, _ string) (tap.Connection, error) { return h.card(ctx) }

// counter is a box with what stands around it.
type counter struct {
	conf config.Config
	hand *hand
	log  *diary
}

// diary keeps what was logged.
type diary struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buf.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buf.String()
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	at, err := stage.FreePorts(t.Context(), 2)
	must(t, err)
	conf := config.Config{DataDir: filepath.Join(t.TempDir(), "b"), Desk: "counter-1", Service: "practice.library"}
	conf.Counter.Listen, conf.Central.Address = at[0], at[1]
	return &counter{conf: conf, hand: &hand{events: make(chan tap.Event)}, log: &diary{}}
}

// joined is a counter whose box has joined c.
func joined(t *testing.T, c *central) *counter {
	t.Helper()
	k := newCounter(t)
	c.listen(t, k.conf.Central.Address)
	_, err := box.Join(t.Context(), k.conf, c.code, "v1")
	must(t, err)
	return k
}

func (k *counter) open(t *testing.T) (*box.Box, error) {
	return box.Open(t.Context(), k.conf, k.hand, "v1.2.3", time.Unix(1, 0), slog.New(slog.NewJSONHandler(k.log, nil)))
}

// run runs the box until stop, which returns what Run and Close returned.
func (k *counter) run(t *testing.T) (b *box.Box, stop func() error) {
	t.Helper()
	b, err := k.open(t)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-done, b.Close())
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run() and Close() = %v, want nil", err)
		}
	})
	return b, stop
}

// next waits for an event of a type.
func next(t *testing.T, events <-chan localapi.Event, want localapi.EventType, ok func(localapi.Event) bool) localapi.Event {
	t.Helper()
	for deadline := time.After(waitLimit); ; {
		select {
		case e, open := <-events:
			if !open {
				t.Fatalf("the events ended before %s", want)
			}
			if e.Type == want && (ok == nil || ok(e)) {
				return e
			}
		case <-deadline:
			t.Fatalf("in vain waited for %s", want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
