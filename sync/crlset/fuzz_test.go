package crlset_test

import (
	"bytes"
	"encoding/binary"
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
	f.Add([]byte("KZCRLS\x00\x01"))
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

// FuzzRoundTrip makes entries of any octets: three for a step of the key, one for its scale, one for reason and date.
func FuzzRoundTrip(f *testing.F) {
	rng := rand.New(rand.NewPCG(2, 2))
	for c := range 4 {
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(uint8(c), b)
		f.Add(uint8(c), make([]byte, 400))
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

func fromOctets(b []byte) (out []crlset.Entry) {
	seen := map[crlset.Key]bool{}
	var k crlset.Key
	for ; len(b) >= 5 && len(out) < 2000; b = b[5:] {
		step := uint64(binary.LittleEndian.Uint16(b)) + 1
		switch n := b[2] % 160; {
		case n < 64:
			k = k.Add(crlset.Key{C: step << (n % 48)})
		case n < 128:
			k = k.Add(crlset.Key{B: step << (n - 64)})
		default:
			k = k.Add(crlset.Key{A: uint32(step) << (n - 128)})
		}
		if seen[k] {
			continue
		}
		seen[k] = true
		date := int64(1_700_000_000) + int64(b[3])<<(b[4]%20)
		out = append(out, crlset.Entry{Key: k, Reason: reasons[int(b[4])%len(reasons)], Date: date})
	}
	slices.SortFunc(out, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return out
}
