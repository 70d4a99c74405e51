package crl_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/crl/scan"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// tree lists a folder's files with their sizes.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			all = append(all, fmt.Sprintf("%s:%d", strings.TrimPrefix(path, dir), info.Size()))
		}
		return err
	})
	must(t, err)
	return strings.Join(all, " ")
}

func TestP7OnlyNewerListsAreTaken(t *testing.T) {
	r := newRig(t, crl.Expect{})
	g2, g3 := r.by[2], r.by[3]
	r.take(r.list(g3, "", 7, -10))
	held := r.list(g3, "", 8, -9, entry{100, -20, 1})
	r.take(held)
	spoilt := r.list(g3, "", 9, -8)
	spoilt[len(spoilt)-1] ^= 1
	for _, try := range []struct {
		name string
		der  []byte
		want error
	}{
		{"bad signature", spoilt, jpki.ErrCRLSignature},
		{"cut", r.list(g3, "", 9, -8)[:300], scan.ErrTruncated},
		{"another scope", r.list(r.sign, "", 9, -8), crl.ErrScope},
		{"the same number", r.list(g3, "", 8, -8), crl.ErrSameNumber},
		{"the same number and time", r.list(g3, "", 8, -9, entry{101, -20, 1}), crl.ErrSameNumber},
		{"an older number", r.list(g3, "", 7, -8), crl.ErrLowNumber},
		{"a newer number, made before", r.list(g3, "", 9, -11), crl.ErrOlder},
		{"another generation's, made before", r.list(g2, "", 99, -11), crl.ErrOlder},
		{"made in the future", r.list(g3, "", 9, 1), scan.ErrFuture},
		{"a partition", r.list(g3, "kiyose", 9, -8), crl.ErrPartition},
	} {
		r.refuse(try.name, try.der, try.want)
	}
	if res, err := r.ingest(held); err != nil || res.Fresh || res.Row.Number != 8 || res.Entries != 1 {
		t.Errorf("Ingest(the list held) = %+v, %v, want it held already", res, err)
	}
	r.open()
	r.refuse("an older number after a restart", r.list(g3, "", 7, -8), crl.ErrOlder)
	r.take(r.list(g2, "", 2, -7))
	r.refuse("the first key's numbers go on", r.list(g3, "", 8, -6), crl.ErrSameNumber)
	r.take(r.list(g3, "", 9, -6))
}

func TestP7OverridesLetOneListIn(t *testing.T) {
	r := newRig(t, crl.Expect{Count: 2})
	g3, key := r.by[3], jpki.KeyIDOf(r.by[3].Cert)
	r.take(r.list(g3, "kiyose", 700, -10))
	r.take(r.list(g3, "higashi", 700, -10))
	good := crl.Override{
		Hierarchy: auth.Hierarchy, Purpose: auth.Purpose, Point: point(t, "kiyose"), Key: key[:], From: 3, Reason: "the authority moved house",
		By: "operator on duty", Made: day.Add(-time.Hour).Unix(), Expires: day.Add(time.Hour).Unix(),
	}
	low := r.list(g3, "kiyose", 5, -9)
	place := func(signed []byte) {
		t.Helper()
		_, err := crl.PlaceOverride(r.dir, signed)
		must(t, err)
	}
	signed := func(change func(*crl.Override)) []byte {
		t.Helper()
		o := good
		change(&o)
		b, err := crl.SignOverride(r.key, o)
		must(t, err)
		return b
	}
	forger := newRig(t, crl.Expect{})
	forged, err := crl.SignOverride(forger.key, good)
	must(t, err)
	for name, b := range map[string][]byte{
		"forged":            forged,
		"expired":           signed(func(o *crl.Override) { o.Made -= 7200; o.Expires -= 7200 }),
		"of later":          signed(func(o *crl.Override) { o.Made += 7200; o.Expires += 7200 }),
		"another partition": signed(func(o *crl.Override) { o.Point = point(t, "higashi") }),
		"another key":       signed(func(o *crl.Override) { k := jpki.KeyIDOf(r.by[2].Cert); o.Key = k[:] }),
		"another scope":     signed(func(o *crl.Override) { o.Purpose = certid.PurposeSign }),
		"higher numbers":    signed(func(o *crl.Override) { o.From = 6 }),
		"no override":       []byte("let me in"),
	} {
		place(b)
		r.refuse(name, low, crl.ErrOlder)
	}
	place(signed(func(*crl.Override) {}))
	r.refuse("older by its time, whatever its number", r.list(g3, "kiyose", 6, -11), crl.ErrOlder)
	res, err := r.ingest(low)
	if err != nil || !res.Fresh || res.Override == nil || res.Override.By != good.By {
		t.Errorf("Ingest under an override = %+v, %v, want it taken", res, err)
	}
	r.open()
	r.refuse("a second list under it", r.list(g3, "kiyose", 4, -8), crl.ErrOlder)
	r.take(r.list(g3, "kiyose", 6, -8))
	for name, change := range map[string]func(*crl.Override){
		"no reason": func(o *crl.Override) { o.Reason = " " }, "nobody": func(o *crl.Override) { o.By = "" },
		"for ever": func(o *crl.Override) { o.Expires = o.Made + int64(crl.MaxOverride/time.Second) + 1 },
	} {
		o := good
		change(&o)
		if _, err := crl.SignOverride(r.key, o); !errors.Is(err, crl.ErrOverride) {
			t.Errorf("SignOverride(%s) = %v, want ErrOverride", name, err)
		}
	}
}

func TestTheFolderIsHeld(t *testing.T) {
	r := newRig(t, crl.Expect{})
	if _, err := crl.Open(t.Context(), r.config()); !errors.Is(err, crl.ErrHeld) {
		t.Errorf("Open of a held store = %v, want ErrHeld", err)
	}
	look := r.config()
	look.ReadOnly = true
	s, err := crl.Open(t.Context(), look)
	must(t, err)
	if _, err := s.Build(t.Context(), auth); !errors.Is(err, crl.ErrReadOnly) {
		t.Errorf("Build of a store opened for reading = %v, want ErrReadOnly", err)
	}
	must(t, s.Close())
}

// What a crash leaves counts for nothing and goes with the next start.
func TestLeftoversAreClearedAway(t *testing.T) {
	r := newRig(t, crl.Expect{})
	r.take(r.list(r.by[3], "", 7, -10, entry{100, -20, 1}))
	h := r.build()
	want := tree(t, r.dir)
	dir := filepath.Join(r.dir, "practice-auth")
	next := fmt.Sprintf("%d-%d", h.Number.CentralEpoch, h.Number.N+1)
	for _, name := range []string{
		"lists/.new-1", "lists/9.idx", "sets/.new-2", "sets/" + next + ".set", "sets/" + next + ".delta", "sets/" + next + ".head",
		"history/.new-3", "history/" + next + ".before", "history/" + next + ".step",
	} {
		must(t, os.WriteFile(filepath.Join(dir, name), []byte("cut short"), 0o600))
	}
	r.open()
	if got := tree(t, r.dir); got != want {
		t.Errorf("after a crash the folder holds %s, want %s", got, want)
	}
	if got := r.build(); got.Number != h.Number {
		t.Errorf("Build = number %v, want %v still", got.Number, h.Number)
	}
}

func FuzzOpenOverride(f *testing.F) {
	r := newRig(f, crl.Expect{})
	key := jpki.KeyIDOf(r.by[3].Cert)
	signed, err := crl.SignOverride(r.key, crl.Override{
		Hierarchy: auth.Hierarchy, Purpose: auth.Purpose, Key: key[:], From: 3, Reason: "the authority moved house", By: "operator on duty",
		Made: day.Unix(), Expires: day.Add(time.Hour).Unix(),
	})
	must(f, err)
	f.Add(signed)
	f.Add(signed[:len(signed)-1])
	f.Add([]byte{})
	keys := r.keys()
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, err := crl.OpenOverride(keys, b); err == nil && (o.By != "operator on duty" || o.From != 3) {
			t.Errorf("OpenOverride(%x) = %+v, which nobody signed", b, o)
		} else if err != nil && !errors.Is(err, crl.ErrOverride) {
			t.Errorf("OpenOverride(%x) = %v, want ErrOverride", b, err)
		}
	})
}
