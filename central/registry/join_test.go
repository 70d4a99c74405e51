package registry_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

func code(t *testing.T, c *simcentral.Central) wire.JoinCode {
	t.Helper()
	j, err := c.Boxes.NewCode(t.Context(), "honmachi", "counter 1", 0)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func request(t *testing.T, c *simcentral.Central, b *simbox.Box, j wire.JoinCode, change func(*wire.JoinRequest)) wire.JoinRequest {
	t.Helper()
	q := wire.JoinRequest{
		Box: b.ID, Device: b.Public(t).DER(), Sealing: b.Sealing, Release: "v0.0.0-test",
		Server: sha256.Sum256(simcentral.Public(t, c.Keys.TLS).DER()),
	}
	if change != nil {
		change(&q)
	}
	q, err := q.Prove(j)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestJoinOnceAndAgainAfterALostAnswer(t *testing.T) {
	c := simcentral.New(t)
	j, b := code(t, c), simbox.New(t, c.Keys.Seal.Public())
	q := request(t, c, b, j, nil)
	first, err := c.Boxes.Join(t.Context(), b.Public(t), q)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Verify(j, q); err != nil || first.Site != "honmachi" || first.Name != "counter 1" || len(first.Bundle) == 0 {
		t.Errorf("answer = %+v %v, want proved, with site, name and bundle", first, err)
	}
	c.World.Pass(48 * time.Hour)
	again, err := c.Boxes.Join(t.Context(), b.Public(t), q)
	if err != nil || again.Proof != first.Proof {
		t.Errorf("the same request again = %v, want the same answer", err)
	}
	other := simbox.New(t, c.Keys.Seal.Public())
	if _, err := c.Boxes.Join(t.Context(), other.Public(t), request(t, c, other, j, nil)); !errors.Is(err, registry.ErrUsed) {
		t.Errorf("another box with the used code = %v, want %v", err, registry.ErrUsed)
	}
	if err := c.Boxes.Revoke(t.Context(), b.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Boxes.Join(t.Context(), b.Public(t), q); !errors.Is(err, registry.ErrTaken) {
		t.Errorf("a revoked box again = %v, want %v", err, registry.ErrTaken)
	}
}

func TestJoinRefusals(t *testing.T) {
	c := simcentral.New(t)
	old := c.Box()
	stranger := simbox.New(t, c.Keys.Seal.Public())
	cases := []struct {
		name   string
		change func(*wire.JoinRequest)
		code   func(wire.JoinCode) wire.JoinCode
		want   error
	}{
		{"unknown code", nil, func(wire.JoinCode) wire.JoinCode { return wire.JoinCode{Secret: [16]byte{9}, Root: simcentral.Root} }, registry.ErrCode},
		{"another server's key", func(q *wire.JoinRequest) { q.Server[0] ^= 1 }, nil, registry.ErrServer},
		{"device key of another connection", func(q *wire.JoinRequest) { q.Device = old.Public(t).DER() }, nil, registry.ErrKeys},
		{"no sealing key", func(q *wire.JoinRequest) { q.Sealing = []byte{1} }, nil, registry.ErrKeys},
		{"no box id", func(q *wire.JoinRequest) { q.Box = record.BoxID{} }, nil, registry.ErrKeys},
		{"box id in use", func(q *wire.JoinRequest) { q.Box = old.ID }, nil, registry.ErrTaken},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			j := code(t, c)
			if k.code != nil {
				j = k.code(j)
			}
			_, err := c.Boxes.Join(t.Context(), stranger.Public(t), request(t, c, stranger, j, k.change))
			if !errors.Is(err, k.want) {
				t.Errorf("Join = %v, want %v", err, k.want)
			}
		})
	}
	if _, err := c.Boxes.Join(t.Context(), old.Public(t), request(t, c, old, code(t, c), nil)); !errors.Is(err, registry.ErrTaken) {
		t.Errorf("a registered device key = %v, want %v", err, registry.ErrTaken)
	}
	j := code(t, c)
	q := request(t, c, stranger, j, nil)
	q.Proof[0] ^= 1
	if _, err := c.Boxes.Join(t.Context(), stranger.Public(t), q); !errors.Is(err, registry.ErrCode) {
		t.Errorf("without the proof = %v, want %v: the same as for no code at all", err, registry.ErrCode)
	}
	c.World.Pass(registry.DefaultTTL + time.Second)
	if _, err := c.Boxes.Join(t.Context(), stranger.Public(t), request(t, c, stranger, j, nil)); !errors.Is(err, registry.ErrExpired) {
		t.Errorf("an old code = %v, want %v", err, registry.ErrExpired)
	}
}

// The uplink tells a box the code of the refusal, and takes up what others brought of it before.
func TestJoinOverTheLine(t *testing.T) {
	c := simcentral.New(t)
	carrier, b := c.Box(), simbox.New(t, c.Keys.Seal.Public())
	b.Start(t, epoch.CauseStart).Tap(t, simbox.Card(0x12))
	c.Push(carrier, b.Push())
	var r *uplink.Refusal
	if _, err := c.Line.Poll(t.Context(), b.Public(t), wire.Poll{}); !errors.As(err, &r) || r.Code != wire.CodeUnknownBox {
		t.Errorf("Poll before joining = %v, want %s", err, wire.CodeUnknownBox)
	}
	lost := wire.JoinCode{Secret: [16]byte{1}}
	if _, err := c.Line.Join(t.Context(), b.Public(t), request(t, c, b, lost, nil)); !errors.As(err, &r) || r.Code != wire.CodeJoinRefused {
		t.Errorf("Join without a code = %v, want %s", err, wire.CodeJoinRefused)
	}
	if _, err := c.Line.Join(t.Context(), b.Public(t), request(t, c, b, code(t, c), nil)); err != nil {
		t.Fatal(err)
	}
	c.Drain()
	if n := c.Counts(); n.Records != 1 {
		t.Errorf("counts = %+v, want the record that waited for the box", n)
	}
}

// design §5.4: out of service, told nothing, nothing dropped.
func TestRule4RevokedAndReinstated(t *testing.T) {
	c := simcentral.New(t)
	b := c.Box()
	e := b.Start(t, epoch.CauseStart)
	e.Tap(t, simbox.Card(0x12))
	c.Push(b, e.Push())
	c.Check(c.Boxes.Revoke(t.Context(), b.ID))
	e.Tap(t, simbox.Card(0x13))
	if got := c.Push(b, e.Push()); len(got.Refused) != 0 {
		t.Errorf("Refused = %v, want none: a revoked box may still hand over", got.Refused)
	}
	c.Drain()
	var r *uplink.Refusal
	if _, err := c.Line.Poll(t.Context(), b.Public(t), wire.Poll{}); !errors.As(err, &r) || r.Code != wire.CodeRevokedBox {
		t.Errorf("Poll = %v, want %s", err, wire.CodeRevokedBox)
	}
	if n := c.Counts(); n.Records != 0 || n.Held != 2 {
		t.Errorf("counts = %+v, want 2 held and none applied", n)
	}
	c.Check(c.Boxes.Reinstate(t.Context(), b.ID))
	c.Drain()
	if n := c.Counts(); n.Records != 2 || c.State(b) != store.BoxActive {
		t.Errorf("counts = %+v, want both applied", n)
	}
	if err := c.Boxes.Revoke(t.Context(), record.NewBoxID()); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("Revoke(no such box) = %v, want %v", err, registry.ErrUnknown)
	}
	if _, err := c.Boxes.NewCode(t.Context(), "Not A Name", "x", 0); !errors.Is(err, record.ErrName) {
		t.Errorf("NewCode = %v, want %v", err, record.ErrName)
	}
	if _, err := c.Boxes.NewCode(t.Context(), "honmachi", "", 0); !errors.Is(err, registry.ErrName) {
		t.Errorf("NewCode without a name = %v, want %v", err, registry.ErrName)
	}
}

// writes counts the turns at the connection that writes.
type writes struct {
	store.Store
	n atomic.Int64
}

func (w *writes) Update(ctx context.Context, f func(store.Tx) error) error {
	w.n.Add(1)
	return w.Store.Update(ctx, f)
}

// Anybody can reach the port: guesses at a code must not queue before the boxes' records.
func TestGuessesAtACodeNeverWrite(t *testing.T) {
	k := simcentral.NewKeys(t)
	var w *writes
	c := simcentral.Open(t, t.TempDir(), k, simcentral.NewWorld(t, k), func(s store.Store) store.Store { w = &writes{Store: s}; return w })
	defer func() { c.Check(c.DB.Close()) }()
	j, b := code(t, c), simbox.New(t, c.Keys.Seal.Public())
	unknown, unproved := request(t, c, b, wire.JoinCode{}, nil), request(t, c, b, j, nil)
	unproved.Proof[0] ^= 1
	before := w.n.Load()
	for _, q := range []wire.JoinRequest{unknown, unproved} {
		if _, err := c.Boxes.Join(t.Context(), b.Public(t), q); !errors.Is(err, registry.ErrCode) {
			t.Errorf("Join(guess) = %v, want %v", err, registry.ErrCode)
		}
	}
	if n := w.n.Load() - before; n != 0 {
		t.Errorf("guesses began %d writing transactions, want 0", n)
	}
	if _, err := c.Boxes.Join(t.Context(), b.Public(t), request(t, c, b, j, nil)); err != nil || w.n.Load() == before {
		t.Errorf("Join(proved) = %v after %d writes, want it written", err, w.n.Load()-before)
	}
}
