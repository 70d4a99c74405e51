package index_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/crl/index"
	"kazashi.example/central/crl/scan"
	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
)

var authority = sync.OnceValue(func() *pki.Authority {
	from := crlgen.DefaultThisUpdate.AddDate(-1, 0, 0)
	return must(pki.NewAuthority(certid.PurposeAuth, 1, 1, from, from.AddDate(10, 0, 0), must(rsa.GenerateKey(rand.Reader, 2048))))
})

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func options() index.Options {
	return index.Options{
		Anchors: must(jpki.NewAnchors(jpki.Anchor{Cert: authority().Cert, Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth})),
		Now:     crlgen.DefaultThisUpdate.Add(time.Hour),
	}
}

func head() crlgen.Head {
	return crlgen.Head{Number: 3, ThisUpdate: crlgen.DefaultThisUpdate, NextUpdate: crlgen.DefaultThisUpdate.Add(24 * time.Hour)}
}

// listOf is a signed list of these entries, as they stand.
func listOf(t testing.TB, entries []crlset.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	_, err := crlgen.Write(&b, authority(), head(), func(yield func(crlgen.Entry) bool) {
		for _, e := range entries {
			if !yield(crlgen.Entry{Entry: e}) {
				return
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// drawn are the entries of a made-up list, in its order.
func drawn(s crlgen.Spec) []crlset.Entry {
	var list []crlset.Entry
	for e := range must(crlgen.New(s)).Entries() {
		list = append(list, e.Entry)
	}
	return list
}

// resolved is what a set should hold of these entries, worked out the slow way.
func resolved(entries []crlset.Entry) []crlset.Entry {
	held := map[crlset.Key]crlset.Entry{}
	for _, e := range entries {
		if old, twice := held[e.Key]; twice {
			e = crlset.Resolve(old, e)
		}
		held[e.Key] = e
	}
	list := make([]crlset.Entry, 0, len(held))
	for _, e := range held {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return list
}

// empty is a new file in a folder of its own.
func empty(t testing.TB) *os.File {
	t.Helper()
	f := must(os.Create(filepath.Join(t.TempDir(), "set")))
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func held(t *testing.T, f *os.File) []crlset.Entry {
	t.Helper()
	s, err := crlset.OpenFile(f.Name(), nil)
	if err != nil {
		t.Fatalf("OpenFile = %v", err)
	}
	defer func() { _ = s.Close() }()
	var list []crlset.Entry
	for from := s.Source(); ; {
		var e crlset.Entry
		ok, err := from.Next(&e)
		if err != nil {
			t.Fatalf("Next = %v", err)
		}
		if !ok {
			return list
		}
		list = append(list, e)
	}
}

// builds makes a set of entries in their order and compares it with what it should hold.
func builds(t *testing.T, name string, entries []crlset.Entry) crlset.Summary {
	t.Helper()
	f, want := empty(t), resolved(entries)
	list, sum, err := index.Build(t.Context(), bytes.NewReader(listOf(t, entries)), f, options())
	if err != nil || list.Entries != uint64(len(entries)) || sum.Entries != uint64(len(want)) {
		t.Fatalf("%s: Build = %d entries, %d in the set, %v, want %d and %d", name, list.Entries, sum.Entries, err, len(entries), len(want))
	}
	if got := held(t, f); !slices.Equal(got, want) {
		t.Errorf("%s: the set holds %d entries, want these %d", name, len(got), len(want))
	}
	if info := must(f.Stat()); uint64(info.Size()) != sum.Size {
		t.Errorf("%s: the file has %d octets, summary says %d", name, info.Size(), sum.Size)
	}
	alone(t, name, f)
	return sum
}

// alone checks that nothing else lies in the folder.
func alone(t *testing.T, name string, f *os.File) {
	t.Helper()
	if files := must(os.ReadDir(filepath.Dir(f.Name()))); len(files) != 1 {
		t.Errorf("%s: %d files in the folder, want the set alone", name, len(files))
	}
}

// P7: a set holds what its list says, in whatever order the list says it, and the order leaves no trace.
func TestP7BuildHoldsTheList(t *testing.T) {
	for name, s := range map[string]crlgen.Spec{
		"empty": {}, "one": {Entries: 1}, "two": {Entries: 2, Universe: 2}, "some": {Entries: 5000, NoReason: .2},
		"twice": {Entries: 10_000, Duplicates: .3}, "clustered": {Entries: 12_000, Shape: crlgen.Clustered},
		"random": {Entries: 10_000, Shape: crlgen.Random, Octets: 20, Duplicates: .1}, "nine": {Entries: 3000, Shape: crlgen.Random, Octets: 9},
		"eight": {Entries: 5000, Shape: crlgen.Random, Octets: 8},
	} {
		rising := builds(t, name, drawn(s))
		s.Shuffled = true
		if shuffled := builds(t, name+" shuffled", drawn(s)); shuffled.Root != rising.Root {
			t.Errorf("%s: shuffled, the set is another one", name)
		}
	}
}

// P7: what stands in order before the disorder begins is not lost, nor resolved differently.
func TestP7BuildTakesBackWhatWasInOrder(t *testing.T) {
	rising := drawn(crlgen.Spec{Entries: 36_000})
	later := rising[7]
	later.Date, later.Reason = later.Date+100, crlset.CertificateHold
	earlier := rising[35_999]
	earlier.Date -= 100
	mixed := drawn(crlgen.Spec{Entries: 100, Shape: crlgen.Random, Octets: 20})
	for name, entries := range map[string][]crlset.Entry{
		"one at the end":            append(slices.Clone(rising), rising[0]),
		"an older one at the end":   append(slices.Clone(rising), later),
		"the last again":            append(slices.Clone(rising), earlier, earlier, rising[35_999]),
		"the last again, and on":    append(slices.Clone(rising), earlier, rising[3]),
		"the first again and again": slices.Concat(slices.Repeat(rising[:1], 9000), rising[:10]),
		"swapped":                   {rising[1], rising[0]},
		"two lists":                 append(slices.Clone(rising), rising...),
		"falling":                   slices.SortedFunc(slices.Values(rising), func(a, b crlset.Entry) int { return b.Key.Compare(a.Key) }),
		"long before short":         append(slices.Clone(mixed), rising...),
		"short before long":         slices.Concat(rising, mixed, rising[:1]),
		"by date":                   slices.SortedFunc(slices.Values(rising), func(a, b crlset.Entry) int { return cmp.Compare(a.Date, b.Date) }),
	} {
		builds(t, name, entries)
	}
}

// Two runs that lie between each other, and one serial that stands in both more often than a window of the merge has room for.
func TestP7BuildMergesRuns(t *testing.T) {
	entries := drawn(crlgen.Spec{Entries: 80_000, Shuffled: true})
	again := slices.Repeat(entries[:1], 270_000)
	for i := range again {
		again[i].Date += int64(i)
	}
	builds(t, "many", slices.Concat(entries[:40_000], again, entries[40_000:]))
}

func TestBuildKeepsNothingOfWhatFails(t *testing.T) {
	rising := drawn(crlgen.Spec{Entries: 50_000})
	shuffled := drawn(crlgen.Spec{Entries: 50_000, Shuffled: true})
	broken := errors.New("broken")
	for name, entries := range map[string][]crlset.Entry{"rising": rising, "shuffled": shuffled} {
		der := listOf(t, entries)
		forged := bytes.Clone(der)
		forged[len(forged)-1] ^= 1
		for what, tt := range map[string]struct {
			r    io.Reader
			want error
		}{
			"cut":    {bytes.NewReader(der[:len(der)/2]), scan.ErrTruncated},
			"forged": {bytes.NewReader(forged), jpki.ErrCRLSignature},
			"broken": {io.MultiReader(bytes.NewReader(der[:len(der)-9]), failing{broken}), broken},
		} {
			f := empty(t)
			synctest.Test(t, func(t *testing.T) { // which does not end while a goroutine is left
				if _, sum, err := index.Build(t.Context(), tt.r, f, options()); !errors.Is(err, tt.want) || sum.Size != 0 {
					t.Errorf("Build of a %s list, %s = %v, want %v", name, what, err, tt.want)
				}
			})
			alone(t, name+", "+what, f)
		}
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestBuildStopsWhenCancelled(t *testing.T) {
	for _, shuffled := range []bool{false, true} {
		der := listOf(t, drawn(crlgen.Spec{Entries: 50_000, Shuffled: shuffled}))
		f := empty(t)
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := options()
			o.Progress = func(octets, of int64) {
				if octets > of/2 {
					cancel()
				}
			}
			if _, _, err := index.Build(ctx, bytes.NewReader(der), f, o); !errors.Is(err, context.Canceled) {
				t.Errorf("Build, cancelled half way = %v, want context.Canceled", err)
			}
		})
		alone(t, "cancelled", f)
	}
}

func TestBuildTellsOfAFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = full.Close() }()
	der := listOf(t, drawn(crlgen.Spec{Entries: 200_000}))
	if _, _, err := index.Build(t.Context(), bytes.NewReader(der), full, options()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Build on a full disk = %v, want ENOSPC", err)
	}
}
