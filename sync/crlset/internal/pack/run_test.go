package pack_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/crlset/internal/pack"
)

// TestRuns: what is put at once is what is put one by one.
func TestRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for round := range 3000 {
		values := make([]uint64, 1+rng.IntN(1<<rng.IntN(9)))
		k := uint(rng.IntN(64))
		for i := range values {
			values[i] = rng.Uint64() >> (63 - k) >> rng.IntN(8)
		}
		if round%8 == 0 { // far apart
			k, values[0] = 0, values[0]%1000
			for i := range values[1:] {
				values[i+1] = values[i] + rng.Uint64N(200)
			}
		}
		slices.Sort(values)
		lead, width := uint(rng.IntN(64)), uint(round%65)
		var all, each pack.Writer
		all.Put(0, lead)
		each.Put(0, lead)
		all.PutHighs(values, k)
		high := uint64(0)
		for _, v := range values {
			each.Unary(v>>k - high)
			high = v >> k
		}
		all.Zeros(3 * width)
		for range 3 {
			each.Put(0, width)
		}
		all.PutAll(values, width)
		for _, v := range values {
			each.Put(v&pack.Mask(width), width)
		}
		if got, want := all.Bytes(), each.Bytes(); !bytes.Equal(got, want) {
			t.Fatalf("%d values behind %d bits, k = %d, width = %d: %x, want %x", len(values), lead, k, width, got, want)
		}
	}
}
