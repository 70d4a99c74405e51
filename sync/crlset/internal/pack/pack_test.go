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

func TestRadix(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for r := uint64(2); r <= 1024; r++ {
		x := pack.NewRadix(r)
		for _, w := range []uint64{0, 1, r - 1, r, r + 1, 1<<64 - 1, 1<<64 - 2, (1<<64 - 1) / r * r, (1<<64-1)/r*r - 1, rng.Uint64()} {
			if q, d := x.Split(w); q != w/r || d != w%r {
				t.Fatalf("radix %d: Split(%d) = %d, %d", r, w, q, d)
			}
		}
		for n := uint(1); n < 200; n++ {
			at, width, below := x.Place(n-1, n)
			if room := x.Bits(n); at+width != room || below != (n-1)%x.PerMax {
				t.Fatalf("radix %d: digit %d of %d is at %d, %d wide, %d below; all have %d bits", r, n-1, n, at, width, below, room)
			}
		}
		sameDigits(t, rng, x)
	}
}

// sameDigits reads every digit of words with any bits.
func sameDigits(t *testing.T, rng *rand.Rand, x *pack.Radix) {
	t.Helper()
	b := make([]byte, 64+pack.Slack)
	for i := range b {
		b[i] = byte(rng.Uint64() | -(x.R & 1)) // of odd radices, the greatest words
	}
	for n := uint(1); x.Bits(n)+3 <= 64*8; n++ {
		for i := range n {
			at, width, below := x.Place(i, n)
			if got, want := x.At(b, 3, i, n), x.Digit(pack.Get(b, 3+at, width), below); got != want {
				t.Fatalf("radix %d: At(%d of %d) = %d, want %d", x.R, i, n, got, want)
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
