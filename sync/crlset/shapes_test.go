package crlset_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
)

// shape is a kind of list: how keys lie, and how reasons and dates come.
type shape struct {
	name string
	key  func(*rand.Rand, int) crlset.Key // of the i-th draw
}

func wide(r *rand.Rand) crlset.Key {
	return crlset.Key{A: r.Uint32() >> 1, B: r.Uint64(), C: r.Uint64()}
}

// shapes are made so that each kind of region comes up: dense, sparse, clustered, far apart, with and without tails.
var shapes = []shape{
	{"uniform in 32 bits", func(r *rand.Rand, _ int) crlset.Key { return crlset.Key{C: r.Uint64N(1 << 32)} }},
	{"one in thirty", func(r *rand.Rand, _ int) crlset.Key { return crlset.Key{C: r.Uint64N(60_000)} }},
	{"nearly all", func(r *rand.Rand, _ int) crlset.Key { return crlset.Key{C: 1<<40 + r.Uint64N(2500)} }},
	{"sequential", func(_ *rand.Rand, i int) crlset.Key { return crlset.Key{C: uint64(i) + 1} }},
	{"random 64 bits", func(r *rand.Rand, _ int) crlset.Key { return crlset.Key{C: r.Uint64()} }},
	{"random 159 bits", func(r *rand.Rand, _ int) crlset.Key { return wide(r) }},
	{"one prefix of 12 octets", func(r *rand.Rand, _ int) crlset.Key { return crlset.Key{0xc0ffee01, 0xdeadbeef, r.Uint64()} }},
	{"exponential", func(r *rand.Rand, i int) crlset.Key {
		var k crlset.Key
		n := i % 160
		switch {
		case n < 64:
			k.C = 1 << n
		case n < 128:
			k.B = 1 << (n - 64)
		default:
			k.A = 1 << (n - 128)
		}
		return k.Add(crlset.Key{C: r.Uint64N(2)})
	}},
	{"clusters", func(r *rand.Rand, i int) crlset.Key {
		return crlset.Key{C: uint64(i/40) * 0x9e3779b97f4a7c15}.Add(crlset.Key{C: r.Uint64N(100)})
	}},
	{"clusters in 160 bits", func(r *rand.Rand, i int) crlset.Key {
		c := rand.New(rand.NewPCG(uint64(i/40), 1))
		return wide(c).Add(crlset.Key{C: r.Uint64N(3000)})
	}},
	{"short and long serials", func(r *rand.Rand, i int) crlset.Key {
		if i%2 == 0 {
			return crlset.Key{C: uint64(i)*7 + 1}
		}
		return wide(r)
	}},
	{"ends", func(r *rand.Rand, i int) crlset.Key {
		if i%2 == 0 {
			return crlset.Key{C: r.Uint64N(300)}
		}
		top := crlset.Key{A: 1<<32 - 1, B: 1<<64 - 1, C: 1<<64 - 1}
		return top.Sub(crlset.Key{C: r.Uint64N(3000)})
	}},
	{"stretches of several densities with holes", func(r *rand.Rand, i int) crlset.Key {
		n := uint64(i) % 7
		k := crlset.Key{B: n << 50, C: 1 + uint64(i)/7<<(3*n)}
		return k.Add(crlset.Key{C: uint64(i) / 700 << (3*n + 14)})
	}},
}

// list draws n entries of a shape, in order.
func (s shape) list(r *rand.Rand, n int) []crlset.Entry {
	seen := make(map[crlset.Key]bool, n)
	out := make([]crlset.Entry, 0, n)
	strange := r.IntN(3) == 0
	for i := range n {
		k := s.key(r, i)
		if seen[k] {
			continue
		}
		seen[k] = true
		e := crlset.Entry{Key: k, Date: 1_600_000_000 + r.Int64N(150_000_000), Reason: reasons[r.IntN(4)]}
		if strange && r.IntN(500) == 0 {
			e.Date, e.Reason = r.Int64N(1<<39)-1<<38, reasons[r.IntN(len(reasons))]
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return out
}

var reasons = []crlset.Reason{
	crlset.Unspecified, crlset.KeyCompromise, crlset.CertificateHold, crlset.Superseded, crlset.CessationOfOperation,
	crlset.AffiliationChanged, crlset.CACompromise, crlset.PrivilegeWithdrawn, crlset.AACompromise,
}

// as is what a set of columns tells of e.
func as(e crlset.Entry, c crlset.Columns) crlset.Entry {
	if c&crlset.Dates == 0 {
		e.Date = 0
	}
	if c&crlset.Reasons == 0 && !e.OnHold() {
		e.Reason = crlset.Unspecified
	}
	return e
}

// build writes a set by its own plan.
func build(t testing.TB, entries []crlset.Entry, c crlset.Columns) (*crlset.Set, crlset.Summary, []byte) {
	t.Helper()
	var file bytes.Buffer
	w := crlset.NewPlanningWriter(&file, c)
	if err := w.AddBatch(entries); err != nil {
		t.Fatalf("AddBatch() = %v", err)
	}
	sum, err := w.Close()
	if err != nil {
		t.Fatalf("Close() = %v", err)
	}
	s, err := crlset.Open(file.Bytes())
	if err != nil {
		t.Fatalf("Open() = %v", err)
	}
	return s, sum, file.Bytes()
}

// by writes a set by a given plan.
func by(t testing.TB, p crlset.Plan, entries []crlset.Entry) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := crlset.NewWriter(&file, p)
	if err != nil {
		t.Fatalf("NewWriter() = %v", err)
	}
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			t.Fatalf("Add() = %v", err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatalf("Close() = %v", err)
	}
	return file.Bytes()
}
