package uplink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Whoever verifies and writes between two reads is not taken for a dead line; a line that is silent while he reads is.
func TestOnlyTheLineStalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, w, stop := watched(t.Context(), requestTimeout)
		w.timer.Stop()
		closed := false
		s := &stream{ctx: ctx, life: w, body: io.NopCloser(&dripping{ctx, time.Second, 3}), done: func() { stop(); closed = true }}
		for i := range 3 {
			time.Sleep(3 * stallTimeout) // the reader's own affairs
			if n, err := s.Read(make([]byte, 8)); n != 1 || err != nil {
				t.Fatalf("read %d = %d, %v, want an octet", i, n, err)
			}
		}
		began := time.Now()
		if _, err := s.Read(make([]byte, 8)); !errors.Is(err, ErrStalled) || time.Since(began) != stallTimeout {
			t.Errorf("Read of a silent line = %v after %v, want ErrStalled after %v", err, time.Since(began), stallTimeout)
		}
		if err := s.Close(); err != nil || !closed {
			t.Errorf("Close = %v, done %v, want the place given back", err, closed)
		}
	})
}

// sends serves a file of so many octets to everybody, and tells when it has done so.
func sends(t *testing.T, size int64) (dial func() net.Conn, sent <-chan time.Time) {
	t.Helper()
	b, ended := &blobs{log: slog.New(slog.DiscardHandler)}, make(chan time.Time, 1)
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	s := &http.Server{ReadTimeout: 30 * time.Second, WriteTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.send(w, r, wire.BlobID{}, bytes.NewReader(make([]byte, size)), 0, size)
		ended <- time.Now()
	})}
	over := make(chan error, 1)
	go func() { over <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-over); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return func() net.Conn {
		mine, its := net.Pipe()
		l.conns <- its
		return mine
	}, ended
}

const getBlob = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

func TestServerEndsABlobThatNobodyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial, sent := sends(t, 1<<20)
		c := dial()
		defer c.Close()
		began := time.Now()
		go func() { _, _ = io.WriteString(c, getBlob) }()
		if end := <-sent; end.Sub(began) > 2*stallTimeout {
			t.Errorf("ended after %v, want within %v", end.Sub(began), 2*stallTimeout)
		}
	})
}

// A slow reader gets everything, but one that would take for ever is sent to come again.
func TestServerAndASlowReader(t *testing.T) {
	for _, c := range []struct {
		size  int64
		whole bool
	}{{20 * chunk, true}, {1000 * chunk, false}} {
		synctest.Test(t, func(t *testing.T) {
			dial, sent := sends(t, c.size)
			conn := dial()
			defer conn.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			go func() { _, _ = io.WriteString(conn, getBlob) }()
			began, got := time.Now(), int64(0)
			for p := make([]byte, 4<<10); ctx.Err() == nil; {
				time.Sleep(time.Second)
				n, err := conn.Read(p)
				if got += int64(n); err != nil {
					break
				}
			}
			if took := (<-sent).Sub(began); (got >= c.size) != c.whole || !c.whole && took != longest {
				t.Errorf("%d of %d octets in %v, want all: %v", got, c.size, took, c.whole)
			}
		})
	}
}

// The fleet as a whole is bounded, and no box leaves a trace.
func TestStreamsOfAllAreBounded(t *testing.T) {
	s := &streams{each: map[sign.KeyID]int{}}
	var leave []func()
	for i := range maxStreams {
		l, ok := s.enter(sign.KeyID{byte(i), byte(i >> 8)})
		if !ok {
			t.Fatalf("stream %d of %d was refused", i, maxStreams)
		}
		leave = append(leave, l)
	}
	if _, ok := s.enter(sign.KeyID{0xff}); ok {
		t.Errorf("stream %d was let in", maxStreams+1)
	}
	leave[7]()
	if l, ok := s.enter(sign.KeyID{0xff}); !ok {
		t.Error("the place that was given back is not there")
	} else {
		leave[7] = l
	}
	for _, l := range leave {
		l()
	}
	if s.all != 0 || len(s.each) != 0 {
		t.Errorf("%d streams of %d boxes remain, want none", s.all, len(s.each))
	}
}

// Of a range only one spelling is taken.
func FuzzRange(f *testing.F) {
	for _, s := range []string{"", "bytes=0-", "bytes=65536-", "bytes=9223372036854775807-", "bytes=01-", "bytes=+1-", "bytes=1-2", "bytes=-5", "octets=1-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		from, ok := first(header)
		if ok && header != "" && header != fmt.Sprintf("bytes=%d-", from) || ok && from < 0 || header == "" && !ok {
			t.Errorf("first(%q) = %d, %v", header, from, ok)
		}
	})
}
