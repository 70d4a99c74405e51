package pack_test

import (
	"bytes"
	"math/big"
	"math/rand/v2"
	"testing"

	"kazashi.example/sync/crlset/internal/pack"
)

func TestLowBits(t *testing.T) {
	for shift := range uint8(64) {
		for n := uint64(1); n <= 1<<15; n += 1 + n/50 {
			q := new(big.Int).Lsh(big.NewInt(123), uint(shift))
			want := q.Div(q, new(big.Int).SetUint64(256*n)).BitLen()
			if got := pack.LowBits(n, pack.Share(shift)); got != uint(want) {
				t.Fatalf("LowBits(%d, %d) = %d, want %d", n, shift, got, want)
			}
		}
	}
}

// TestPutMoveAndSet: what was put behind any number of bits is what is there.
func TestPutMoveAndSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		values, widths := make([]uint64, rng.IntN(60)), make([]uint, 60)
		w := pack.NewWriter([]byte{1, 2, 3})
		for i := range values {
			widths[i] = uint(rng.IntN(65))
			values[i] = rng.Uint64() & pack.Mask(widths[i])
			w.Put(values[i], widths[i])
		}
		b, at := append(w.Bytes(), make([]byte, pack.Slack)...), uint(24)
		for i, want := range values {
			if got := pack.Get(b, at, widths[i]); got != want {
				t.Fatalf("Get() of %d bits at %d = %x, want %x", widths[i], at, got, want)
			}
			at += widths[i]
		}
		lead := uint(rng.IntN(64))
		moved := pack.NewWriter(nil)
		moved.Put(0, lead)
		moved.Move(b, 24, at-24)
		c := append(moved.Bytes(), make([]byte, pack.Slack)...)
		at = lead
		for i, v := range values {
			if got := pack.Get(c, at, widths[i]); got != v {
				t.Fatalf("Get() of %d bits at %d after Move = %x, want %x", widths[i], at, got, v)
			}
			before := bytes.Clone(c)
			pack.Set(c, at, widths[i], ^v&pack.Mask(widths[i]))
			if got := pack.Get(c, at, widths[i]); got != ^v&pack.Mask(widths[i]) {
				t.Fatalf("Get() of %d bits at %d after Set = %x, want %x", widths[i], at, got, ^v)
			}
			pack.Set(c, at, widths[i], v)
			if !bytes.Equal(c, before) {
				t.Fatalf("Set() of %d bits at %d and back changed others", widths[i], at)
			}
			at += widths[i]
		}
	}
}
