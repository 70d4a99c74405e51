package courier_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	central "kazashi.example/central/courier"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
)

var errCrash = errors.New("the machine stops here")

// failing stands between central and its database and stops at one update: before its commit, or after it.
type failing struct {
	store.Store

	at    int64
	after bool
	n     atomic.Int64
}

func (f *failing) Update(ctx context.Context, do func(store.Tx) error) error {
	n := f.n.Add(1)
	switch {
	case n < f.at:
		return f.Store.Update(ctx, do)
	case n == f.at && f.after:
		return errors.Join(f.Store.Update(ctx, do), errCrash)
	default:
		return f.Store.Update(ctx, func(tx store.Tx) error { return errors.Join(do(tx), errCrash) })
	}
}

// P2: a stop between any two batches of a parcel, before or after a commit, and then the same parcel again: as if nothing had been.
func TestP2AStopBetweenBatches(t *testing.T) {
	t.Parallel()
	k := simcentral.NewKeys(t)
	b := simbox.New(t, k.Seal.Public())
	dir := t.TempDir()
	made := simcentral.Open(t, t.TempDir(), k, simcentral.NewWorld(t, k), nil)
	defer func() { check(t, made.DB.Close()) }()
	writer := newBox(t, made, b)
	writer.taps(515)
	file := writer.export(dir, writer.runs(200), true)[0]
	octets, err := os.ReadFile(file)
	check(t, err)
	whole, updates := takeAndStop(t, k, b, octets, 1<<40, false)
	if updates < 4 {
		t.Fatalf("%d updates, want two batches and the box's word", updates)
	}
	for at := int64(2); at <= updates; at++ { // the first is not the parcel's
		for _, after := range []bool{false, true} {
			got, _ := takeAndStop(t, k, b, octets, at, after)
			same(t, "a stop and then the same", whole, got)
		}
	}
}

// takeAndStop takes a parcel until the store stops, and then again with a new process. It returns the tables, and how many updates there were.
func takeAndStop(t *testing.T, k *simcentral.Keys, b *simbox.Box, octets []byte, at int64, after bool) (all map[string]string, updates int64) {
	t.Helper()
	dir := t.TempDir()
	f := &failing{at: at, after: after}
	c := simcentral.Open(t, dir, k, simcentral.NewWorld(t, k), func(db store.Store) store.Store { f.Store = db; return f })
	c.Register(b)
	_, err := c.Courier.Take(t.Context(), bytes.NewReader(octets), int64(len(octets)))
	if err != nil && !errors.Is(err, errCrash) || (err == nil) != (at > f.n.Load()) {
		t.Fatalf("Take(stopped at %d) = %v", at, err)
	}
	var refused *central.Refusal
	if errors.As(err, &refused) {
		t.Error("a stop is told as the parcel's fault")
	}
	check(t, c.DB.Close())
	updates = f.n.Load()
	c = simcentral.Open(t, dir, k, simcentral.NewWorld(t, k), nil)
	defer func() { check(t, c.DB.Close()) }()
	got, err := c.Courier.Take(t.Context(), bytes.NewReader(octets), int64(len(octets)))
	if err != nil || got.Fresh+got.Known != 515 || len(got.Refused) > 0 {
		t.Errorf("Take(again) = %+v, %v", got, err)
	}
	all = tables(t, c)
	return all, updates
}
