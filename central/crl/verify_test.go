package crl_test

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/central/crl"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/wire"
)

// spoil changes one octet in the middle of a file, and returns what puts it right.
func spoil(t *testing.T, path string) (mend func()) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	bad := bytes.Clone(b)
	bad[len(bad)/2] ^= 1
	must(t, os.WriteFile(path, bad, 0o600))
	return func() { must(t, os.WriteFile(path, b, 0o600)) }
}

func TestP7VerifyFindsEveryDamage(t *testing.T) {
	r := newRig(t, crl.Expect{})
	var newest manifest.Head
	for n := range int64(3) {
		r.take(r.list(r.by[4], "", n+1, int(n)-10, entry{n + 1, -20, 1}, entry{n + 2, -20, 4}))
		newest = r.build()
	}
	last := r.list(r.by[4], "", 3, -8, entry{3, -20, 1}, entry{4, -20, 4})
	v, err := r.store.Verify(t.Context(), auth)
	if err != nil || v.Entries != 2 || v.Deltas != 2 || v.Steps != 3 {
		t.Errorf("Verify = %+v, %v, want 2 entries, 2 deltas, 3 steps", v, err)
	}
	must(t, r.store.Compare(t.Context(), auth, t.TempDir(), bytes.NewReader(last)))
	for name, der := range map[string][]byte{
		"one more": r.list(r.by[4], "", 3, -8, entry{3, -20, 1}, entry{4, -20, 4}, entry{5, -20, 4}),
		"one less": r.list(r.by[4], "", 3, -8, entry{3, -20, 1}),
		"reason":   r.list(r.by[4], "", 3, -8, entry{3, -20, 1}, entry{4, -20, 5}),
		"date":     r.list(r.by[4], "", 3, -8, entry{3, -20, 1}, entry{4, -21, 4}),
	} {
		if err := r.store.Compare(t.Context(), auth, t.TempDir(), bytes.NewReader(der)); !errors.Is(err, crl.ErrDiffers) || errors.Is(err, crl.ErrDamaged) {
			t.Errorf("Compare with a list that has another %s = %v, want ErrDiffers", name, err)
		}
	}
	must(t, r.store.Close())
	files := 0
	must(t, filepath.WalkDir(filepath.Join(r.dir, "practice-auth"), func(path string, d fs.DirEntry, err error) error {
		end := filepath.Ext(path) // sets and manifests of before are not read any more
		if err != nil || d.IsDir() || (end == ".set" || end == ".manifest") && !strings.Contains(path, crl.Number(newest.Number)) {
			return err
		}
		files++
		mend := spoil(t, path)
		defer mend()
		c := r.config()
		c.ReadOnly = true
		s, err := crl.Open(t.Context(), c)
		must(t, err)
		defer s.Close()
		if v, err := s.Verify(t.Context(), auth); err == nil && v.Steps == 3 && v.Deltas == 2 && v.Lists == 1 && v.Number == newest.Number {
			t.Errorf("Verify over a spoiled %s finds nothing", filepath.Base(path))
		}
		return nil
	}))
	if files != 15 { // state, index, set, manifest, two deltas with heads, three steps, two of them with what was before and after
		t.Errorf("%d files were spoiled, want 15", files)
	}
}

func TestExportIsWholeAndSmall(t *testing.T) {
	r := newRig(t, crl.Expect{})
	dir := filepath.Join(t.TempDir(), "stick")
	if _, err := r.store.Export(t.Context(), auth, dir); !errors.Is(err, crl.ErrNone) {
		t.Errorf("Export of nothing = %v, want ErrNone", err)
	}
	var h manifest.Head
	for n := range int64(3) {
		r.take(r.list(r.by[4], "", n+1, int(n)-10, entry{n + 1, -20, 1}))
		h = r.build()
	}
	files, err := r.store.Export(t.Context(), auth, dir)
	must(t, err)
	if len(files) != 6 || files[5].Name != "practice-auth-"+crl.Number(h.Number)+".manifest" {
		t.Errorf("Export = %+v, want two deltas with heads, a set and its manifest last", files)
	}
	b, err := os.ReadFile(filepath.Join(dir, files[5].Name))
	must(t, err)
	if _, got, err := manifest.Decode(r.keys(), b); err != nil || got.Number != h.Number {
		t.Errorf("the manifest exported is of set %v, %v", got.Number, err)
	}
	set, err := os.ReadFile(filepath.Join(dir, files[4].Name))
	must(t, err)
	if want := r.blob(wire.Blob{ID: wire.BlobID(h.Root), Size: h.Size}); !bytes.Equal(set, want) {
		t.Error("the set exported is not the one in force")
	}
}

// The limit of changes is what perf.md's formulas say; the test has them in another form.
func TestChangesAndTheirLimit(t *testing.T) {
	r := newRig(t, crl.Expect{})
	var list []entry
	for n := range int64(1000) {
		list = append(list, entry{n*5 + 1, -20 - int(n%100), 4})
	}
	r.take(r.list(r.by[4], "", 1, -10, list...))
	r.build()
	list[40].reason = 5
	list = append(list[30:], entry{2, -15, 4}, entry{7, -12, 4})
	r.take(r.list(r.by[4], "", 2, -9, list...))
	h := r.build()
	c, err := r.store.Changes(t.Context(), auth, h.Number)
	must(t, err)
	if c.Removed != 30 || c.Changed != 1 || c.Added != 2 {
		t.Errorf("Changes = %+v, want 30 removed, 1 changed and 2 added", c)
	}
	removed := 0.0 // log2 C(1000, 30)
	for i := range 30 {
		removed += math.Log2(float64(1000-i) / float64(i+1))
	}
	dates := 2 * math.Log2(3*3600+1)
	if c.Limit < (removed+dates)/8 || c.Limit > (removed+dates+10+2*14)/8 {
		t.Errorf("Limit = %.1f octets, want %.1f and what one of 1000 and two serials of at most 2^14 take", c.Limit, (removed+dates)/8)
	}
}
