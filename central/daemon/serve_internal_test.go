package daemon

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// pipes is a listener in memory, so that the time of a test is the test's own.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.done:
	default:
		close(p.done)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// ask sends one request and returns the answer's status, or 0 if it was cut off.
func (p *pipes) ask() <-chan int {
	status := make(chan int, 1)
	near, far := net.Pipe()
	p.conns <- far
	go func() {
		defer near.Close()
		_, _ = io.WriteString(near, "GET / HTTP/1.1\r\nHost: central\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(near), nil)
		if err != nil {
			status <- 0
			return
		}
		_ = resp.Body.Close()
		status <- resp.StatusCode
	}()
	return status
}

func TestWhatIsUnderWayMayFinish(t *testing.T) {
	for _, c := range []struct {
		name   string
		needs  time.Duration
		takes  time.Duration // of the end
		status int
	}{
		{"a second", time.Second, time.Second, 200},
		{"just in time", stopTimeout - time.Second, stopTimeout - time.Second, 200},
		{"too long", time.Hour, stopTimeout, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &Daemon{log: slog.New(slog.DiscardHandler)}
				begun, running := make(chan struct{}), false
				s := d.server(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					running = true
					defer func() { running = false }()
					close(begun)
					select {
					case <-time.After(c.needs):
					case <-r.Context().Done():
					}
				}))
				ctx, cancel := context.WithCancel(t.Context())
				g, run := errgroup.WithContext(ctx)
				l := newPipes()
				d.serve(run, g, s, func() error { return s.Serve(l) })
				status := l.ask()
				<-begun
				cancel()
				at := time.Now()
				if err := g.Wait(); err != nil {
					t.Errorf("serve ended with %v, want nil", err)
				}
				if running {
					t.Error("a handler outlived the server")
				}
				if took := time.Since(at); took < c.takes || took > c.takes+time.Second {
					t.Errorf("the end took %s, want %s", took, c.takes)
				}
				if got := <-status; got != c.status {
					t.Errorf("the request ended with %d, want %d", got, c.status)
				}
			})
		})
	}
}

func TestServeReportsAFailedListener(t *testing.T) {
	d := &Daemon{log: slog.New(slog.DiscardHandler)}
	s := d.server(http.NotFoundHandler())
	g, ctx := errgroup.WithContext(t.Context())
	broken := errors.New("listener broke")
	d.serve(ctx, g, s, func() error { return broken })
	if err := g.Wait(); !errors.Is(err, broken) {
		t.Errorf("serve ended with %v, want %v", err, broken)
	}
}

func TestComplaints(t *testing.T) {
	for in, level := range map[string]string{
		"http: TLS handshake error from 192.0.2.1:1: EOF\n": "DEBUG",
		"http: panic serving 192.0.2.1:1: boom\n":           "ERROR",
	} {
		var b bytes.Buffer
		c := complaints{slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}))}
		if n, err := c.Write([]byte(in)); n != len(in) || err != nil {
			t.Errorf("Write(%q) = %d, %v, want %d, nil", in, n, err, len(in))
		}
		if !strings.Contains(b.String(), "level="+level) {
			t.Errorf("Write(%q) logs %q, want level %s", in, b.String(), level)
		}
	}
}

// files is a service that has one.
type files struct {
	uplink.Service

	path string
}

func (f files) Blob(context.Context, sign.PublicKey, wire.BlobID) (io.ReadSeekCloser, error) {
	return os.Open(f.path)
}

// A box on a thin line may read a file for minutes; central's end does not wait for it.
func TestStoppingEndsFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "set")
	if err := os.WriteFile(path, []byte("octets"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	f, err := leaving{files{path: path}, stop}.Blob(t.Context(), sign.PublicKey{}, wire.BlobID{})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 3)
	if n, err := f.Read(p); n != 3 || err != nil {
		t.Errorf("Read = %d, %v, want 3", n, err)
	}
	close(stop)
	if n, err := f.Read(p); n != 0 || !errors.Is(err, errStopping) {
		t.Errorf("Read after the stop = %d, %v, want errStopping", n, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if _, err := (leaving{files{path: path + "-gone"}, stop}).Blob(t.Context(), sign.PublicKey{}, wire.BlobID{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Blob of nothing = %v, want the service's error", err)
	}
}
