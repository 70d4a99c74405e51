package uplink

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// dripping gives one octet every pause, total of them, and then stays silent until ctx ends.
type dripping struct {
	ctx   context.Context
	pause time.Duration
	total int
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.total == 0 {
		<-d.ctx.Done()
		return 0, context.Cause(d.ctx)
	}
	select {
	case <-d.ctx.Done():
		return 0, context.Cause(d.ctx)
	case <-time.After(d.pause):
	}
	d.total--
	p[0] = 'x'
	return 1, nil
}

func TestSlowIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, w, stop := watched(t.Context(), requestTimeout)
		defer stop()
		got, err := io.ReadAll(w.moving(&dripping{ctx, requestTimeout - time.Second, 30}, requestTimeout))
		if len(got) != 30 || !errors.Is(err, ErrStalled) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ReadAll = %d octets, %v, want 30 and the silence after them", len(got), err)
		}
		if want := 30*(requestTimeout-time.Second) + requestTimeout; time.Since(began) != want {
			t.Errorf("took %v, want %v", time.Since(began), want)
		}
	})
}

func TestNothingLastsForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		ctx, w, stop := watched(t.Context(), requestTimeout)
		defer stop()
		_, err := io.ReadAll(w.moving(&dripping{ctx, time.Second, 1 << 20}, requestTimeout))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != longest {
			t.Errorf("ReadAll = %v after %v, want the end after %v", err, time.Since(began), longest)
		}
	})
}

// pipes is a listener whose connections are made in memory, on the bubble's time.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// serve answers requests by what readAll made of them, holding each for hold.
func serve(t *testing.T, hold, whole time.Duration) (dial func() net.Conn) {
	t.Helper()
	l := &pipes{make(chan net.Conn), make(chan struct{})}
	s := &http.Server{ReadTimeout: 30 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := readAll(w, r, terms{limit: 1 << 20, whole: whole})
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-time.After(hold):
		}
		_, _ = newPaced(w).Write(b)
	})}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		if err := errors.Join(s.Close(), <-ended); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return func() net.Conn {
		mine, its := net.Pipe()
		l.conns <- its
		return mine
	}
}

func TestServerWaitsForASlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, 0, longest)()
		defer c.Close()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\nConnection: close\r\n\r\n")
			d := &dripping{ctx, stallTimeout - time.Second, 12}
			for range 12 {
				var p [1]byte
				_, _ = d.Read(p[:])
				_, _ = c.Write(p[:])
			}
		}()
		if got, _ := io.ReadAll(c); !bytes.HasSuffix(got, []byte("\r\n\r\nxxxxxxxxxxxx")) {
			t.Errorf("answer = %q, want the twelve octets back", got)
		}
	})
}

// What anybody may send is not waited for, however it moves.
func TestServerEndsASlowBodyOfAnybody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, 0, shortest)()
		defer c.Close()
		began := time.Now()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\nConnection: close\r\n\r\n")
			d := &dripping{ctx, time.Second, 60}
			for range 60 {
				var p [1]byte
				if _, err := d.Read(p[:]); err != nil {
					return
				}
				_, _ = c.Write(p[:])
			}
		}()
		got, _ := io.ReadAll(c)
		if took := time.Since(began); !bytes.Contains(got, []byte("400 Bad Request")) || took > shortest+time.Second {
			t.Errorf("answer = %q after %v, want 400 after %v", got, took, shortest)
		}
	})
}

func TestServerEndsASilentBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, 0, longest)()
		defer c.Close()
		began := time.Now()
		go func() { _, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nxx") }()
		got, _ := io.ReadAll(c)
		if !bytes.Contains(got, []byte("400 Bad Request")) || time.Since(began) > 2*stallTimeout {
			t.Errorf("answer = %q after %v, want 400 within %v", got, time.Since(began), 2*stallTimeout)
		}
	})
}

// A held poll outlives every deadline that its request was read under.
func TestServerHoldsAPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := serve(t, time.Minute, longest)()
		defer c.Close()
		go func() {
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx")
		}()
		if got, _ := io.ReadAll(c); !bytes.HasSuffix(got, []byte("\r\n\r\nx")) {
			t.Errorf("answer = %q, want the octet back after a minute", got)
		}
	})
}
