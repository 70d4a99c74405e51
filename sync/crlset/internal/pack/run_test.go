package pack_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"kazashi.example/sync/crlset/internal/pack"
)

// TestRuns: what is put at once is what is put one by one.
func TestRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for round := range 3000 {
		values := make([]uint64, 1+rng.IntN(1<<rng.IntN(9)))
		for i := range values {
			values[i] = rng.Uint64()
		}
		lead, width := uint(rng.IntN(64)), uint(round%65)
		var all, each pack.Writer
		all.Put(0, lead)
		each.Put(0, lead)
		all.PutAll(values, width)
		for _, v := range values {
			each.Put(v&pack.Mask(width), width)
		}
		if got, want := all.Bytes(), each.Bytes(); !bytes.Equal(got, want) {
			t.Fatalf("%d values behind %d bits, width = %d: %x, want %x", len(values), lead, width, got, want)
		}
	}
}
