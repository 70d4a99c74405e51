package crlset_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
)

// FuzzOpen takes any octets for a set: what comes of it is an error, or entries in rising order, each of which is found.
func FuzzOpen(f *testing.F) {
	for i, s := range shapes {
		_, _, file := build(f, s.list(rand.New(rand.NewPCG(uint64(i), 5)), 60), crlset.Columns(i%4))
		f.Add(file)
	}
	f.Add([]byte("KZCRLS\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := crlset.Open(b)
		if err != nil {
			if !errors.Is(err, crlset.ErrFormat) {
				t.Errorf("Open() = %v, want ErrFormat", err)
			}
			return
		}
		rng := rand.New(rand.NewPCG(1, uint64(len(b))))
		for range 20 {
			for _, k := range []crlset.Key{wide(rng), {C: rng.Uint64()}, {C: rng.Uint64N(1 << 20)}} {
				_, _, _ = s.Find(k) // in blocks that contradict themselves any answer will do, but one must come
			}
		}
		var last crlset.Entry
		src := s.Source()
		for n := uint64(0); ; n++ {
			var e crlset.Entry
			ok, err := src.Next(&e)
			if err != nil || !ok {
				if err == nil && n != s.Len() {
					t.Errorf("%d entries, want %d", n, s.Len())
				}
				return
			}
			if n > 0 && e.Key.Compare(last.Key) <= 0 {
				t.Fatal("entries do not rise")
			}
			if got, ok, err := s.Find(e.Key); !ok || err != nil || got != e {
				t.Fatalf("Find() of an entry that Next gave = %v, %v", ok, err)
			}
			last = e
		}
	})
}

// FuzzRoundTrip makes stretches of entries of any octets; see fromOctets.
func FuzzRoundTrip(f *testing.F) {
	rng := rand.New(rand.NewPCG(2, 2))
	for c := range 4 {
		b := make([]byte, 120)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(uint8(c), b)
		f.Add(uint8(c), make([]byte, 400))
		f.Add(uint8(c), []byte{255, 0, 40, 3, 0, 0, 255, 0, 70, 12, 1, 1, 255, 9, 22, 12, 2, 2, 0, 1, 20, 0, 3, 3, 200, 7, 16, 12, 4, 4})
	}
	f.Fuzz(func(t *testing.T, c uint8, b []byte) {
		columns := crlset.Columns(c) & crlset.Full
		entries := fromOctets(b)
		set, sum, file := build(t, entries, columns)
		sameSource(t, set.Source(), entries, columns)
		sameFound(t, set, entries, columns)
		for range 2 {
			if !bytes.Equal(by(t, sum.Plan, entries), file) {
				t.Error("the same plan and entries gave other octets")
			}
		}
	})
}

// fromOctets makes a stretch of each six octets: how many entries, a jump to the first and its scale, the scale of the gaps, and two for
// dates and reasons.
func fromOctets(b []byte) (out []crlset.Entry) {
	seen := map[crlset.Key]bool{}
	var k crlset.Key
	for ; len(b) >= 6 && len(out) < 5000; b = b[6:] {
		rng := rand.New(rand.NewPCG(uint64(b[3]), uint64(b[5])))
		k = k.Add(scaled(uint64(b[1])+1, b[2]%160))
		for range 1 + 4*int(b[0]) {
			if !seen[k] {
				seen[k] = true
				date := int64(1_700_000_000) + int64(b[4])<<(b[5]%20)
				out = append(out, crlset.Entry{Key: k, Reason: reasons[(len(out)&int(b[4])+int(b[5]))%len(reasons)], Date: date})
			}
			k = k.Add(crlset.Key{C: 1 + rng.Uint64N(1<<(b[3]%44))})
		}
	}
	slices.SortFunc(out, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return out
}

// scaled is v << n, v below 2^17.
func scaled(v uint64, n byte) crlset.Key {
	switch {
	case n < 64:
		return crlset.Key{B: v >> (64 - n), C: v << n}
	case n < 128:
		return crlset.Key{A: uint32(v >> (128 - n)), B: v << (n - 64)}
	default:
		return crlset.Key{A: uint32(v << (n - 128))}
	}
}
