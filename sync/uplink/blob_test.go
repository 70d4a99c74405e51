package uplink_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// file is a blob in memory that says when it was closed. With gate, reading past half waits for it.
type file struct {
	*bytes.Reader

	gate   <-chan struct{}
	closed func()
}

func (f *file) Read(p []byte) (int, error) {
	if f.gate != nil && int64(f.Len()) <= f.Size()/2 {
		<-f.gate
	}
	return f.Reader.Read(p)
}

func (f *file) Close() error { f.closed(); return nil }

// puts makes a blob of so many octets that nobody could guess from its beginning.
func (c *central) puts(size int, gate <-chan struct{}) (id wire.BlobID, content []byte) {
	for i := 0; len(content) < size; i++ {
		sum := sha256.Sum256(fmt.Append(nil, size, i))
		content = append(content, sum[:]...)
	}
	content = content[:size]
	id = sha256.Sum256(content)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.blobs == nil {
		c.blobs = map[wire.BlobID]func() io.ReadSeekCloser{}
	}
	c.blobs[id] = func() io.ReadSeekCloser {
		c.files.Add(1)
		return &file{bytes.NewReader(content), gate, sync.OnceFunc(c.files.Done)}
	}
	return id, content
}

// read takes a blob from an octet on.
func read(ctx context.Context, cl *uplink.Client, id wire.BlobID, from uint64) ([]byte, error) {
	r, err := cl.Blob(ctx, id, from)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestBlobFromAnyOctet(t *testing.T) {
	c, address := joined(t, discard)
	id, want := c.puts(200_001, nil)
	cl := client(t, knows(t, address, centralTLS))
	for _, from := range []uint64{0, 1, 65_536, 200_000} {
		if got, err := read(t.Context(), cl, id, from); err != nil || !bytes.Equal(got, want[from:]) {
			t.Errorf("Blob(from %d) = %d octets, %v, want %d", from, len(got), err, len(want)-int(from))
		}
	}
	c.files.Wait() // each was closed
}

func TestBlobRefusals(t *testing.T) {
	c, address := joined(t, discard)
	id, _ := c.puts(1000, nil)
	stranger := knows(t, address, centralTLS)
	stranger.Device = byhand.Key("nobody's device")
	for _, w := range []struct {
		name string
		conf uplink.Config
		id   wire.BlobID
		from uint64
		want string
	}{
		{"unknown blob", knows(t, address, centralTLS), wire.BlobID{9}, 0, wire.CodeUnknownBlob},
		{"unknown box", stranger, id, 0, wire.CodeUnknownBox},
		{"behind the end", knows(t, address, centralTLS), id, 1000, wire.CodeBadRange},
		{"far behind the end", knows(t, address, centralTLS), id, 1 << 62, wire.CodeBadRange},
		{"beyond any file", knows(t, address, centralTLS), id, 1 << 63, wire.CodeBadMessage},
	} {
		_, err := client(t, w.conf).Blob(t.Context(), w.id, w.from)
		var refused *uplink.Refusal
		if !errors.As(err, &refused) || refused.Code != w.want {
			t.Errorf("%s: Blob = %v, want %s", w.name, err, w.want)
		}
	}
	if _, err := client(t, knows(t, address, byhand.Key("another central"))).Blob(t.Context(), id, 0); !errors.Is(err, uplink.ErrIntercepted) {
		t.Errorf("Blob from somebody else = %v, want ErrIntercepted", err)
	}
	c.files.Wait()
}

// What no client of ours sends is refused or answered as RFC 9110 has it.
func TestBlobRequestsOfOthers(t *testing.T) {
	c, address := joined(t, discard)
	id, content := c.puts(1000, nil)
	raw, _ := rawClient(t, device, nil)
	for _, w := range []struct {
		method, name, ranges string
		status               int
		code, content        string
	}{
		{http.MethodGet, id.String(), "", http.StatusOK, "", ""},
		{http.MethodGet, id.String(), "bytes=990-", http.StatusPartialContent, "", "bytes 990-999/1000"},
		{http.MethodGet, id.String(), "bytes=1000-", http.StatusRequestedRangeNotSatisfiable, wire.CodeBadRange, "bytes */1000"},
		{http.MethodGet, id.String(), "bytes=0-9", http.StatusBadRequest, wire.CodeBadMessage, ""},
		{http.MethodGet, id.String(), "bytes=-9", http.StatusBadRequest, wire.CodeBadMessage, ""},
		{http.MethodGet, id.String(), "bytes=+1-", http.StatusBadRequest, wire.CodeBadMessage, ""},
		{http.MethodGet, id.String(), "bytes=1-,3-", http.StatusBadRequest, wire.CodeBadMessage, ""},
		{http.MethodGet, id.String()[:62], "", http.StatusBadRequest, wire.CodeBadMessage, ""},
		{http.MethodGet, id.String() + "00", "", http.StatusBadRequest, wire.CodeBadMessage, ""},
		{http.MethodGet, "..%2f..%2fetc", "", http.StatusBadRequest, wire.CodeBadMessage, ""},
		{http.MethodPost, id.String(), "", http.StatusBadRequest, wire.CodeBadMessage, ""},
		{http.MethodGet, "", "", http.StatusNotFound, wire.CodeUnknownRoute, ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), w.method, "https://"+address+"/uplink/v1/blob/"+w.name, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if w.ranges != "" {
			req.Header.Set("Range", w.ranges)
		}
		resp, err := raw.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		var f wire.Failure
		if w.code != "" {
			err = errors.Join(err, canon.Decode(body, &f, wire.MaxErrorBody))
		} else if !bytes.HasSuffix(content, body) || len(body) == 0 {
			t.Errorf("%s %s %q: %d octets that are no end of the file", w.method, w.name, w.ranges, len(body))
		}
		if err != nil || resp.StatusCode != w.status || f.Code != w.code || resp.Header.Get("Content-Range") != w.content {
			t.Errorf("%s %s %q = %d %q %q, %v, want %d %q %q", w.method, w.name, w.ranges,
				resp.StatusCode, f.Code, resp.Header.Get("Content-Range"), err, w.status, w.code, w.content)
		}
	}
}

// A box cannot hold more than its share, and is told when to come again; what it gives back it may take again.
func TestBlobStreamsOfOneBoxAreBounded(t *testing.T) {
	c, address := joined(t, discard)
	gate := make(chan struct{})
	id, want := c.puts(8<<20, gate)
	var open []io.ReadCloser
	for range 2 {
		r, err := client(t, knows(t, address, centralTLS)).Blob(t.Context(), id, 0)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r)
	}
	third := client(t, knows(t, address, centralTLS))
	_, err := third.Blob(t.Context(), id, 0)
	var refused *uplink.Refusal
	if !errors.As(err, &refused) || refused.Code != wire.CodeUnavailable || refused.After != 15*time.Second {
		t.Errorf("Blob of a third stream = %v, want %s and when to come again", err, wire.CodeUnavailable)
	}
	close(gate)
	for _, r := range open {
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
			t.Errorf("the first two got %d octets, %v, want all %d", len(got), err, len(want))
		}
		_ = r.Close()
	}
	c.files.Wait()
	if _, err := read(t.Context(), third, id, 8<<20-1); err != nil {
		t.Errorf("Blob after the others = %v, want nil", err)
	}
}

// P1: while a file comes that never ends, records and held polls go their way, and a second file waits without a connection.
func TestP1BlobsDoNotStarveRecords(t *testing.T) {
	c, address := joined(t, discard)
	gate := make(chan struct{})
	id, _ := c.puts(8<<20, gate)
	cl := client(t, knows(t, address, centralTLS))
	r, err := cl.Blob(t.Context(), id, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var waiting sync.WaitGroup
	for range 6 {
		waiting.Go(func() {
			if _, err := read(ctx, cl, id, 0); !errors.Is(err, context.Canceled) {
				t.Errorf("a second file = %v, want it to wait", err)
			}
		})
	}
	waiting.Go(func() {
		if _, err := cl.Poll(ctx, wire.Poll{Wait: wire.MaxWait}); !errors.Is(err, context.Canceled) {
			t.Errorf("a held poll = %v, want it held", err)
		}
	})
	for range 20 {
		if _, err := cl.Push(t.Context(), wire.Push{Envelopes: [][]byte{{1}}}); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	waiting.Wait()
	_ = r.Close()
	close(gate)
	c.files.Wait()
}

// What ends in the middle is an error, and goes on from the next octet.
func TestBlobGoesOnWhereItWasCut(t *testing.T) {
	c, address := joined(t, discard)
	id, want := c.puts(1<<20, nil)
	through := &cutter{to: address, after: 150_000}
	cl := client(t, knows(t, through.listen(t), centralTLS))
	var got []byte
	cuts := 0
	for len(got) < len(want) && cuts < 100 {
		b, err := read(t.Context(), cl, id, uint64(len(got)))
		got = append(got, b...)
		if err != nil {
			cuts++
		}
	}
	if !bytes.Equal(got, want) || cuts < 5 {
		t.Errorf("%d octets after %d cuts, want all %d after some", len(got), cuts, len(want))
	}
}
