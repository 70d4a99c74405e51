package crlgen_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/crlset"
)

var (
	rsaAuthority   = sync.OnceValues(func() (*pki.Authority, error) { return crlgen.NewAuthority(false) })
	curveAuthority = sync.OnceValues(func() (*pki.Authority, error) { return crlgen.NewAuthority(true) })
)

func newList(t *testing.T, s crlgen.Spec) *crlgen.List {
	t.Helper()
	l, err := crlgen.New(s)
	if err != nil {
		t.Fatalf("New(%+v) = %v", s, err)
	}
	return l
}

// TestReadBack compares what is written with what crypto/x509 reads.
func TestReadBack(t *testing.T) {
	for name, s := range map[string]crlgen.Spec{
		"empty":     {},
		"one":       {Entries: 1, Universe: 1},
		"all":       {Entries: 300, Universe: 300},
		"uniform":   {Entries: 3000, Universe: 1 << 20, Seed: 7},
		"dense":     {Entries: 3000, Universe: 9000, First: 250, Seed: 7},
		"clustered": {Entries: 3000, Universe: 1 << 30, Shape: crlgen.Clustered, Seed: 3},
		"random":    {Entries: 500, Shape: crlgen.Random, Octets: 20},
		"eight":     {Entries: 500, Shape: crlgen.Random, Octets: 8},
		"short":     {Entries: 40, Shape: crlgen.Random, Octets: 1},
		"shuffled":  {Entries: 3000, Universe: 1 << 20, Shuffled: true, Generalized: true},
		"mixed": {
			Entries: 800, Shape: crlgen.Random, Octets: 16, NoReason: .3, Invalidity: .3, Duplicates: .2, Shuffled: true,
			Point: []byte{0x30, 0}, Number: 1 << 40,
		},
	} {
		for _, signer := range []func() (*pki.Authority, error){rsaAuthority, curveAuthority} {
			a, err := signer()
			if err != nil {
				t.Fatal(err)
			}
			readBack(t, name, newList(t, s), a)
		}
	}
}

func readBack(t *testing.T, name string, l *crlgen.List, a *pki.Authority) {
	t.Helper()
	var b bytes.Buffer
	n, err := l.Write(&b, a)
	if err != nil || n != int64(b.Len()) {
		t.Fatalf("%s: Write = %d, %v, want %d octets", name, n, err, b.Len())
	}
	got, err := x509.ParseRevocationList(b.Bytes())
	if err != nil {
		t.Fatalf("%s: ParseRevocationList = %v", name, err)
	}
	if err := got.CheckSignatureFrom(a.Cert); err != nil {
		t.Errorf("%s: CheckSignatureFrom = %v", name, err)
	}
	s := l.Spec()
	if got.Number.Uint64() != s.Number || !got.ThisUpdate.Equal(s.ThisUpdate) || !got.NextUpdate.Equal(s.NextUpdate) {
		t.Errorf("%s: number %v, %v to %v, want those of the spec", name, got.Number, got.ThisUpdate, got.NextUpdate)
	}
	want := slices.Collect(l.Entries())
	if len(want) != len(got.RevokedCertificateEntries) {
		t.Fatalf("%s: %d entries, want %d", name, len(got.RevokedCertificateEntries), len(want))
	}
	for i, g := range got.RevokedCertificateEntries {
		serial, err := want[i].Key.Serial()
		if err != nil || g.SerialNumber.Cmp(serial.Int()) != 0 || g.RevocationTime.Unix() != want[i].Date || g.ReasonCode != int(want[i].Reason) {
			t.Fatalf("%s: entry %d is not what was written", name, i)
		}
	}
}

// TestDraw looks at what a uniform draw must be: exact, rising, and even to within what chance allows.
func TestDraw(t *testing.T) {
	for _, tc := range []struct{ entries, universe uint64 }{{100_000, 3_000_000}, {100_000, 400_000}, {20_000, 1 << 61}} {
		l := newList(t, crlgen.Spec{Seed: 5, Entries: tc.entries, Universe: tc.universe})
		var halves [2]uint64
		var last crlset.Key
		for e := range l.Entries() {
			if last.Compare(e.Key) >= 0 || e.Key.C > tc.universe {
				t.Fatal("serials are not rising within the universe")
			}
			last = e.Key
			halves[(e.Key.C-1)*2/tc.universe]++
		}
		if halves[0]+halves[1] != tc.entries {
			t.Errorf("%d of %d: %d entries", tc.entries, tc.universe, halves[0]+halves[1])
		}
		if off := math.Abs(float64(halves[0]) - float64(tc.entries)/2); off > 5*math.Sqrt(float64(tc.entries))/2 {
			t.Errorf("%d of %d: %d in the lower half, beyond five standard deviations", tc.entries, tc.universe, halves[0])
		}
	}
}

// TestGaps compares the gaps of a sparse draw with the geometric distribution that they must nearly have.
func TestGaps(t *testing.T) {
	const n, mean = 200_000, 30
	l := newList(t, crlgen.Spec{Seed: 9, Entries: n, Universe: n * mean})
	var counts [mean]float64
	last := uint64(0)
	for e := range l.Entries() {
		if gap := e.Key.C - last; gap <= mean {
			counts[gap-1]++
		}
		last = e.Key.C
	}
	for i, got := range counts {
		want := n * math.Pow(1-1.0/mean, float64(i)) / mean
		if math.Abs(got-want) > 6*math.Sqrt(want) {
			t.Errorf("%v gaps of %d, want about %.0f", got, i+1, want)
		}
	}
}

func TestShuffledSaysTheSame(t *testing.T) {
	s := crlgen.Spec{Seed: 2, Entries: 5000, Universe: 100_000, Invalidity: .5}
	for _, duplicates := range []float64{0, .1} {
		s.Duplicates, s.Shuffled = duplicates, false
		rising := slices.Collect(newList(t, s).Entries())
		s.Shuffled = true
		shuffled := slices.Collect(newList(t, s).Entries())
		if slices.Equal(rising, shuffled) {
			t.Error("the shuffled list is in order")
		}
		slices.SortStableFunc(shuffled, func(a, b crlgen.Entry) int { return a.Key.Compare(b.Key) })
		count := map[crlgen.Entry]int{}
		for i := range rising {
			count[rising[i]]++
			count[shuffled[i]]--
		}
		for _, n := range count {
			if n != 0 {
				t.Fatalf("duplicates %v: the shuffled list says other things", duplicates)
			}
		}
	}
}

// TestDays walks through days and compares each list with the one before.
func TestDays(t *testing.T) {
	for _, s := range []crlgen.Spec{
		{Seed: 1, Entries: 3000, Universe: 50_000},
		{Seed: 1, Entries: 500, Shape: crlgen.Random},
	} {
		l := newList(t, s)
		for range 4 {
			next, err := l.NextDay(crlgen.Changes{Additions: 60, Removals: 50, Reasons: 40})
			if err != nil {
				t.Fatalf("NextDay = %v", err)
			}
			checkDay(t, l, next)
			l = next
		}
	}
}

func checkDay(t *testing.T, before, after *crlgen.List) {
	t.Helper()
	old := map[crlset.Key]crlgen.Entry{}
	for e := range before.Entries() {
		old[e.Key] = e
	}
	from := before.Spec().ThisUpdate.Unix()
	added, changed, count := 0, 0, uint64(0)
	var last crlset.Key
	for e := range after.Entries() {
		was, held := old[e.Key]
		delete(old, e.Key)
		switch {
		case !held && e.Date >= from && e.Date < from+86400:
			added++
		case held && was.Date == e.Date && was.Reason != e.Reason:
			changed++
		case !held || was != e:
			t.Fatal("an entry changed in another way")
		}
		if count++; last.Compare(e.Key) >= 0 {
			t.Fatal("serials are not rising")
		}
		last = e.Key
	}
	if added != 60 || len(old) != 50 || changed != 40 || count != after.Len() || after.Len() != before.Len()+10 {
		t.Errorf("%d added, %d removed, %d changed, %d of %d entries", added, len(old), changed, count, after.Len())
	}
	if s := after.Spec(); s.Number != before.Spec().Number+1 || s.ThisUpdate.Sub(before.Spec().ThisUpdate) != 24*time.Hour {
		t.Errorf("number %d at %v", s.Number, s.ThisUpdate)
	}
}

func TestRefuses(t *testing.T) {
	for _, s := range []crlgen.Spec{
		{Entries: 11, Universe: 10},
		{Entries: 65, Shape: crlgen.Random, Octets: 1},
		{Octets: 21},
		{Shape: 9},
		{Span: time.Millisecond},
		{NoReason: 1.5},
		{Invalidity: -1},
		{Duplicates: math.NaN()},
		{First: math.MaxUint64},
		{Universe: math.MaxUint64},
		{Mix: crlgen.Mix{{Reason: 7, Weight: 1}}},
		{Mix: crlgen.Mix{{Reason: 1}}},
	} {
		if _, err := crlgen.New(s); !errors.Is(err, crlgen.ErrSpec) {
			t.Errorf("New(%+v) = %v, want ErrSpec", s, err)
		}
	}
	l := newList(t, crlgen.Spec{Entries: 5, Universe: 100})
	if _, err := l.NextDay(crlgen.Changes{Removals: 4, Reasons: 2}); !errors.Is(err, crlgen.ErrSpec) {
		t.Errorf("NextDay with more changes than entries = %v, want ErrSpec", err)
	}
	a, err := rsaAuthority()
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("full")
	if _, err := l.Write(refusing{full}, a); !errors.Is(err, full) {
		t.Errorf("Write to a full disk = %v", err)
	}
}

type refusing struct{ err error }

func (r refusing) Write([]byte) (int, error) { return 0, r.err }

func TestOpenAuthority(t *testing.T) {
	for _, curve := range []bool{false, true} {
		dir := filepath.Join(t.TempDir(), "ca")
		made, err := crlgen.OpenAuthority(dir, curve)
		if err != nil {
			t.Fatalf("OpenAuthority = %v", err)
		}
		again, err := crlgen.OpenAuthority(dir, !curve)
		if err != nil || !again.Cert.Equal(made.Cert) || again.Generation != made.Generation {
			t.Errorf("OpenAuthority of a folder that is there = %v, want the same authority", err)
		}
		readBack(t, "of a folder", newList(t, crlgen.Spec{Entries: 3}), again)
		if err := os.WriteFile(filepath.Join(dir, crlgen.CertFile), []byte("no PEM"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := crlgen.OpenAuthority(dir, curve); !errors.Is(err, crlgen.ErrSpec) {
			t.Errorf("OpenAuthority of a damaged folder = %v, want ErrSpec", err)
		}
	}
}

func TestEntropy(t *testing.T) {
	if got := crlgen.DefaultMix().Entropy(); math.Abs(got-2.05) > .01 {
		t.Errorf("DefaultMix().Entropy() = %.3f, want about 2.05", got)
	}
	if got := (crlgen.Mix{{1, 1}, {3, 1}}).Entropy(); got != 1 {
		t.Errorf("Entropy of two even reasons = %v, want 1", got)
	}
}

func BenchmarkWrite(b *testing.B) {
	a, err := rsaAuthority()
	if err != nil {
		b.Fatal(err)
	}
	l, err := crlgen.New(crlgen.Spec{Seed: 1, Entries: 1_000_000})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		n, err := l.Write(io.Discard, a)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(n)
	}
}
