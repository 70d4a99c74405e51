package crl_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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
