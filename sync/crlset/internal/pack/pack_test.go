package pack_test

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"kazashi.example/sync/crlset/internal/pack"
)

func TestSelect(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for round := range 3000 {
		x := rng.Uint64() & (rng.Uint64() | -uint64(round%2))
		if round < 65 {
			x = pack.Mask(uint(round))
		}
		n := uint(0)
		for i := range uint(64) {
			if x>>i&1 == 1 {
				if got := pack.Select(x, n); got != i {
					t.Fatalf("Select(%x, %d) = %d, want %d", x, n, got, i)
				}
				n++
			}
		}
	}
}

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

func TestPutAndMove(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		type field struct {
			v     uint64
			width uint
		}
		var fields []field
		w := pack.NewWriter(nil)
		for range rng.IntN(60) {
			width := uint(rng.IntN(65))
			fields = append(fields, field{rng.Uint64() & pack.Mask(width), width})
			w.Put(fields[len(fields)-1].v, width)
		}
		b := append(w.Bytes(), make([]byte, 2*pack.Slack)...)
		lead := uint(rng.IntN(64))
		moved := pack.NewWriter(nil)
		moved.Put(0, lead)
		at := uint(0)
		for _, f := range fields {
			if got := pack.Get(b, at, f.width); got != f.v {
				t.Fatalf("Get() of %d bits = %x, want %x", f.width, got, f.v)
			}
			at += f.width
		}
		moved.Move(b, 0, at)
		c := append(moved.Bytes(), make([]byte, 2*pack.Slack)...)
		for at := lead; len(fields) > 0; fields = fields[1:] {
			if got := pack.Get(c, at, fields[0].width); got != fields[0].v {
				t.Fatalf("Get() of %d bits after Move = %x, want %x", fields[0].width, got, fields[0].v)
			}
			at += fields[0].width
		}
	}
}
