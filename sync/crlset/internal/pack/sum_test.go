package pack_test

import (
	"math/rand/v2"
	"testing"

	"kazashi.example/sync/crlset/internal/pack"
)

func TestSum(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, 4096)
	for k := range uint(63) {
		for round := range 60 {
			for i := range b {
				if b[i] = byte(rng.Uint32()); round%3 == 0 {
					b[i] = 0xff
				}
			}
			at, n := uint(8*rng.IntN(9)), uint(rng.IntN(300))
			want := uint64(0)
			for i := range n {
				want += pack.Get(b, at+i*k, k)
			}
			if got := pack.Sum(b, at, k, n); got != want {
				t.Fatalf("Sum(%d fields of %d bits) = %d, want %d", n, k, got, want)
			}
		}
	}
}
