package scan_test

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"kazashi.example/central/crl/scan"
	"kazashi.example/sync/crlset"
)

// common draws an entry of the common shape: a serial of 1 to 20 octets, UTCTime, and a reason or none.
func common(r *rand.Rand) []byte {
	serial := make([]byte, 1+r.IntN(20))
	for i := range serial {
		serial[i] = byte(r.Uint32())
	}
	if serial[0] |= 1; serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	from := time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	to := time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	when := utc(time.Unix(from+r.Int64N(to-from), 0).UTC())
	reasons := []crlset.Reason{0, 1, 2, 3, 4, 5, 6, 9, 10}
	if r.IntN(4) == 0 {
		return entry(integer(serial...), when)
	}
	return entry(integer(serial...), when, reason(byte(reasons[r.IntN(len(reasons))])))
}

// P7: the quick way reads every common entry, and says of each what the rules say.
func TestP7QuickWayAgrees(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	after := bytes.Repeat([]byte{0x30}, scan.CommonReach)
	for range 100_000 {
		raw := common(r)
		got, n := scan.ReadCommon(append(raw, after...))
		want, size, err := scan.ReadEntry(raw)
		if err != nil || n != size || got != want {
			t.Fatalf("ReadCommon(%x) = %d octets, want %d, %v, and the same entry", raw, n, size, err)
		}
	}
}

// P7: what the quick way takes, the rules take, and say the same of.
func TestP7QuickWayTakesNothingMore(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	taken := 0
	for range 150_000 {
		raw := common(r)
		for range 1 + r.IntN(2) {
			raw[r.IntN(len(raw))] = spoil(r)
		}
		raw = append(raw, common(r)...)
		raw = append(raw, make([]byte, scan.CommonReach)...)
		if agreesWithRules(t, raw) {
			taken++
		}
	}
	if taken < 1000 {
		t.Errorf("only %d spoiled entries were still read the quick way", taken)
	}
}

// spoil is some octet, often one that means something.
func spoil(r *rand.Rand) byte {
	if meant := []byte("\x00\x01\x02\x06\x0a\x0d\x30\x17\x18\x7f\x80\xff09:/Z"); r.IntN(2) == 0 {
		return meant[r.IntN(len(meant))]
	}
	return byte(r.Uint32())
}

// agreesWithRules reports whether the quick way took the entry.
func agreesWithRules(t *testing.T, raw []byte) bool {
	t.Helper()
	got, n := scan.ReadCommon(raw)
	if n == 0 {
		return false
	}
	if want, size, err := scan.ReadEntry(raw); err != nil || n != size || got != want {
		t.Fatalf("ReadCommon(%x) took %d octets, ReadEntry says %d, %v", raw, n, size, err)
	}
	return true
}

func FuzzQuickWay(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add(common(r))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		agreesWithRules(t, append(raw, make([]byte, scan.CommonReach)...))
	})
}
