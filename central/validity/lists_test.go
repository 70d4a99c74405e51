package validity_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// listRig is lists without a responder.
type listRig struct {
	t       *testing.T
	dir     string
	anchors *jpki.Anchors
	g2, g3  *pki.Authority
	sign    *pki.Authority
	now     time.Time
}

func newListRig(t *testing.T) *listRig {
	t.Helper()
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	r := &listRig{t: t, dir: filepath.Join(t.TempDir(), "lists [1]"), now: day} // a pattern, if names were looked for by pattern
	var own []jpki.Anchor
	for _, a := range w.Authorities() {
		own = append(own, jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: a.Purpose})
		switch {
		case a.Purpose == certid.PurposeSign:
			r.sign = a
		case a.Generation == 2:
			r.g2 = a
		case a.Generation == 3:
			r.g3 = a
		}
	}
	var err error
	r.anchors, err = jpki.NewAnchors(own...)
	must(t, err)
	return r
}

func (r *listRig) open() *validity.Lists {
	r.t.Helper()
	l, err := validity.OpenLists(r.t.Context(), r.dir, r.anchors, func() time.Time { return r.now }, quiet)
	must(r.t, err)
	return l
}

// list is number n, made so many hours after the day began to count, with these entries.
func (r *listRig) list(by *pki.Authority, n int64, hours int, entries ...pki.Entry) []byte {
	r.t.Helper()
	at := day.Add(time.Duration(hours) * time.Hour)
	der, err := by.List(n, at, at.Add(24*time.Hour), entries)
	must(r.t, err)
	return der
}

func (r *listRig) files() (names []string) {
	r.t.Helper()
	files, err := os.ReadDir(r.dir)
	must(r.t, err)
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

func TestAddTakesOnlyNewerLists(t *testing.T) { // P7
	r := newListRig(t)
	l := r.open()
	must(t, l.Add(t.Context(), auth, r.list(r.g3, 7, -10)))
	spoilt := r.list(r.g3, 8, -9)
	spoilt[len(spoilt)-1] ^= 1
	for name, try := range map[string]struct {
		der  []byte
		want error
	}{
		"bad signature":                 {spoilt, jpki.ErrCRLSignature},
		"cut":                           {r.list(r.g3, 8, -9)[:300], jpki.ErrNotCRL},
		"another scope":                 {r.list(r.sign, 8, -9), validity.ErrScope},
		"the same number":               {r.list(r.g3, 7, -9), validity.ErrOlder},
		"an older number":               {r.list(r.g3, 6, -9), validity.ErrOlder},
		"a newer number, made before":   {r.list(r.g3, 8, -11), validity.ErrOlder},
		"made in the future":            {r.list(r.g3, 8, 1), validity.ErrFuture},
		"made in the future, of an old": {r.list(r.g2, 8, 1), validity.ErrFuture},
	} {
		if err := l.Add(t.Context(), auth, try.der); !errors.Is(err, try.want) {
			t.Errorf("Add(%s) = %v, want %v", name, err, try.want)
		}
		if n := l.Newest(auth); n == nil || n.Number != 7 {
			t.Fatalf("after %s: Newest = %v, want 7", name, n)
		}
	}
	if got := strings.Join(r.files(), " "); got != "practice-auth-7.crl" {
		t.Errorf("files = %s, want the one list", got)
	}
	must(t, l.Add(t.Context(), auth, r.list(r.g3, 9, -9)))
	if again := r.open(); again.Newest(auth).Number != 9 {
		t.Errorf("after a restart: Newest = %d, want 9", again.Newest(auth).Number)
	}
	if l.Newest(certid.Scope{Hierarchy: 1, Purpose: 1}) != nil {
		t.Error("Newest of a scope without lists is not nil")
	}
}

// What lies in the folder is judged as strictly as what comes over the line, and keeps nothing else from being used.
func TestDamagedListsAreNotUsed(t *testing.T) { // P7
	r := newListRig(t)
	must(t, r.open().Add(t.Context(), auth, r.list(r.g3, 7, -10)))
	must(t, os.WriteFile(filepath.Join(r.dir, "practice-auth-8.crl"), r.list(r.g3, 8, -9)[:100], 0o600))
	must(t, os.WriteFile(filepath.Join(r.dir, "copy of 9.crl"), r.list(r.g3, 9, -9), 0o600))
	must(t, os.Mkdir(filepath.Join(r.dir, "practice-auth-10.crl"), 0o700))
	must(t, os.WriteFile(filepath.Join(r.dir, "notes.txt"), nil, 0o600))
	l := r.open()
	if n := l.Newest(auth); n == nil || n.Number != 7 {
		t.Errorf("Newest = %v, want 7", n)
	}
	must(t, l.Add(t.Context(), auth, r.list(r.g3, 8, -9)))
	if n := r.open().Newest(auth); n.Number != 8 {
		t.Errorf("Newest = %d, want 8: a damaged file is written over", n.Number)
	}
}

func TestAMonthOfListsIsKept(t *testing.T) { // P6: as of any tap of it
	r := newListRig(t)
	l := r.open()
	for n := range int64(validity.KeepLists + 5) {
		must(t, l.Add(t.Context(), auth, r.list(r.g3, n+1, int(n)*24-5000)))
	}
	for range 2 {
		if got := len(r.files()); got != validity.KeepLists {
			t.Errorf("%d files, want %d", got, validity.KeepLists)
		}
		l = r.open()
		if got := l.Newest(auth).Number; got != validity.KeepLists+5 {
			t.Errorf("Newest = %d, want %d", got, validity.KeepLists+5)
		}
	}
}

func TestFetch(t *testing.T) {
	r := newListRig(t)
	l := r.open()
	list := r.list(r.g3, 7, -1)
	status, body := http.StatusOK, list
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		rw.WriteHeader(status)
		_, _ = rw.Write(body)
	}))
	defer server.Close()
	try := func(name string, fresh bool, fails bool) {
		t.Helper()
		got, err := l.Fetch(t.Context(), server.Client(), auth, server.URL)
		if got != fresh || (err != nil) != fails {
			t.Errorf("Fetch(%s) = %v, %v, want %v, error %v", name, got, err, fresh, fails)
		}
	}
	try("a new list", true, false)
	try("the same list", false, false)
	body = []byte("<html>")
	try("a page", false, true)
	status, body = http.StatusNotFound, list
	try("not found", false, true)
	status, body = http.StatusOK, make([]byte, validity.MaxList+1)
	try("too much", false, true)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Fetch(ctx, server.Client(), auth, server.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("Fetch with an ended context = %v, want context.Canceled", err)
	}
	if _, err := l.Fetch(t.Context(), server.Client(), auth, "http://127.0.0.1:1/"); err == nil {
		t.Error("Fetch from where nobody listens = nil, want an error")
	}
}

func TestListsAddedAtOnce(t *testing.T) {
	r := newListRig(t)
	l := r.open()
	var all sync.WaitGroup
	for n := range int64(12) {
		der := r.list(r.g3, n+1, int(n)-100)
		all.Go(func() {
			if err := l.Add(t.Context(), auth, der); err != nil && !errors.Is(err, validity.ErrOlder) {
				t.Errorf("Add = %v", err)
			}
		})
	}
	all.Wait()
	if l.Newest(auth).Number != 12 || r.open().Newest(auth).Number != 12 {
		t.Errorf("Newest = %d, want 12", l.Newest(auth).Number)
	}
}
