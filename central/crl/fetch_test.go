package crl_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/crl/scan"
	"kazashi.example/reader/jpki"
)

func TestFetch(t *testing.T) {
	r := newRig(t, crl.Expect{})
	list := r.list(r.by[4], "", 7, -10, entry{5, -20, 1})
	status, body, tag := http.StatusOK, list, `"one"`
	sent := 0
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		rw.Header().Set("ETag", tag)
		if status != http.StatusOK {
			rw.WriteHeader(status)
			return
		}
		sent++
		http.ServeContent(rw, q, "", day, bytes.NewReader(body))
	}))
	defer server.Close()
	try := func(name string, fresh bool, want error) {
		t.Helper()
		got, err := r.store.Fetch(t.Context(), server.Client(), server.URL, crl.IngestOptions{Scope: auth})
		if got.Fresh != fresh || !errors.Is(err, want) {
			t.Errorf("Fetch(%s) = fresh %v, %v, want %v, %v", name, got.Fresh, err, fresh, want)
		}
	}
	try("a new list", true, nil)
	r.open()
	try("a list that the server knows to be held", false, nil)
	if r.build(); !r.look(5).Listed {
		t.Error("the list fetched does not count")
	}
	tag = `"two"`
	try("the same list under another tag", false, nil)
	body = r.list(r.by[4], "", 8, -9)
	try("another list under the same tag", false, nil)
	tag = `"three"`
	try("a newer list", true, nil)
	tag, body = `"four"`, []byte("<html>")
	try("a page", false, jpki.ErrNotCRL)
	status = http.StatusNotModified
	r.forget(4)
	r.open()
	try("nothing new, to one who cannot use what is held", false, crl.ErrFetch)
	status = http.StatusNotFound
	try("not found", false, crl.ErrFetch)
	server.Close()
	try("from where nobody listens", false, crl.ErrFetch)
}

// A list that is refused is not downloaded again and again; but an override counts at once, and after an hour it is looked at anew.
func TestFetchAsksOnceForWhatIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	body, tag, whole := r.list(r.by[4], "", 7, -10), `"one"`, 0
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		if got := q.Header.Get("Accept-Encoding"); got != "identity" {
			t.Errorf("Fetch asks for %q, want what can be measured", got)
		}
		rw.Header().Set("ETag", tag)
		if q.Header.Get("If-None-Match") == "" || q.Header.Get("If-None-Match") != tag {
			whole++
		}
		http.ServeContent(rw, q, "", time.Time{}, bytes.NewReader(body))
	}))
	defer server.Close()
	try := func(name string, sent int, want error) {
		t.Helper()
		whole = 0
		if _, err := r.store.Fetch(t.Context(), server.Client(), server.URL, crl.IngestOptions{Scope: auth}); !errors.Is(err, want) || whole != sent {
			t.Errorf("Fetch(%s) = %v after %d downloads, want %v after %d", name, err, whole, want, sent)
		}
	}
	try("a list", 1, nil)
	body, tag = r.list(r.by[4], "", 7, -9, entry{5, -20, 1}), `"two"`
	try("one with its number", 1, crl.ErrSameNumber)
	try("the same again", 0, crl.ErrSameNumber)
	r.now = r.now.Add(time.Hour)
	try("an hour later", 1, crl.ErrSameNumber)
	key := jpki.KeyIDOf(r.by[4].Cert)
	signed, err := crl.SignOverride(r.key, crl.Override{
		Hierarchy: auth.Hierarchy, Purpose: auth.Purpose, Key: key[:], From: 7, Reason: "forgot to count", By: "operator on duty",
		Made: day.Unix(), Expires: day.Add(24 * time.Hour).Unix(),
	})
	must(t, err)
	_, err = crl.PlaceOverride(r.dir, signed)
	must(t, err)
	try("under an override", 1, nil)
	body, tag = r.list(r.by[4], "", 6, -8), `"three"`
	try("a lower number", 1, crl.ErrLowNumber)
	body, tag = r.list(r.by[4], "", 8, -8), `"four"`
	try("a better one", 1, nil)
	try("and again", 0, nil)
	body, tag = bytes.Clone(body), `"five"`
	body[len(body)-1] ^= 1
	try("a spoilt one", 1, jpki.ErrCRLSignature)
	try("which may have been the line's fault", 1, jpki.ErrCRLSignature)
	if !strings.Contains(tree(t, r.dir), ".override.used:") {
		t.Error("the used override is not marked as such")
	}
}

// A list comes over a line that anybody may speak on, and is kept on the disk until its end is known.
func TestFetchBoundsWhatReplacesAList(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	body := r.list(r.by[4], "", 7, -10)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(body) }))
	defer server.Close()
	fetch := func() error {
		_, err := r.store.Fetch(t.Context(), server.Client(), server.URL, crl.IngestOptions{Scope: auth})
		return err
	}
	must(t, fetch())
	body = bytes.Clone(body[:100]) // says that it has 65 MiB
	body = append([]byte{0x30, 0x84, 0x04, 0x10, 0, 0}, body[4:]...)
	if err := fetch(); !errors.Is(err, scan.ErrTooLarge) {
		t.Errorf("Fetch of a list of 65 MiB in place of an empty one = %v, want ErrTooLarge", err)
	}
}

// trips answers requests without a network.
type trips func(*http.Request) *http.Response

func (f trips) RoundTrip(q *http.Request) (*http.Response, error) { return f(q), nil }

// pipe is a body that hands out its pieces with pauses between them, and then hangs or ends.
type pipe struct {
	ctx    context.Context
	pieces [][]byte
	pause  time.Duration
	hangs  bool
}

func (p *pipe) Read(b []byte) (int, error) {
	wait := p.pause
	if len(p.pieces) == 0 && p.hangs {
		wait = time.Hour
	}
	select {
	case <-p.ctx.Done():
		return 0, context.Cause(p.ctx)
	case <-time.After(wait):
	}
	if len(p.pieces) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.pieces[0])
	if p.pieces[0] = p.pieces[0][n:]; len(p.pieces[0]) == 0 {
		p.pieces = p.pieces[1:]
	}
	return n, nil
}

func (*pipe) Close() error { return nil }

// A thin line may take its time; a dead one may not.
func TestFetchEndsWhatStalls(t *testing.T) {
	r := newRig(t, crl.Expect{})
	list := r.list(r.by[4], "", 7, -10, entry{5, -20, 1})
	synctest.Test(t, func(t *testing.T) {
		var pieces [][]byte
		hangs := true
		client := &http.Client{Transport: trips(func(q *http.Request) *http.Response {
			return &http.Response{StatusCode: http.StatusOK, Body: &pipe{q.Context(), pieces, 20 * time.Second, hangs}}
		})}
		pieces = [][]byte{list[:100]}
		began := time.Now()
		if _, err := r.store.Fetch(t.Context(), client, "http://stalls.example/", crl.IngestOptions{Scope: auth}); !errors.Is(err, crl.ErrStalled) {
			t.Errorf("Fetch of what stalls = %v, want ErrStalled", err)
		}
		if took := time.Since(began); took != 50*time.Second {
			t.Errorf("Fetch gave up after %v, want 20 s and half a minute", took)
		}
		pieces, hangs = nil, false
		for i := range list {
			pieces = append(pieces, list[i:i+1])
		}
		if res, err := r.store.Fetch(t.Context(), client, "http://slow.example/", crl.IngestOptions{Scope: auth}); err != nil || !res.Fresh {
			t.Errorf("Fetch of a slow list = %v, want it taken", err)
		}
	})
}

func TestListsAreCapped(t *testing.T) {
	r := newRig(t, crl.Expect{})
	c := r.config()
	must(t, r.store.Close())
	c.MaxList = 300
	var err error
	r.store, err = crl.Open(t.Context(), c)
	must(t, err)
	r.refuse("too large", r.list(r.by[4], "", 7, -10, entry{5, -20, 1}), scan.ErrTooLarge)
}
