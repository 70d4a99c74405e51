package server_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/localapi/feed"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

// liveStream reads the blocks of one event stream.
type liveStream struct{ r *bufio.Reader }

func openStream(t *testing.T, url string, headers ...string) liveStream {
	t.Helper()
	return openStreamWith(t, http.DefaultTransport, url, headers...)
}

func openStreamWith(t *testing.T, rt http.RoundTripper, url string, headers ...string) liveStream {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/v1/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := rt.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "text/event-stream" {
		t.Fatalf("GET /v1/events = %d %s, want 200 text/event-stream", resp.StatusCode, got)
	}
	s := liveStream{bufio.NewReader(resp.Body)}
	if got := s.next(t); got != "retry: 1000\n" {
		t.Fatalf("the stream begins with %q, want a retry hint", got)
	}
	return s
}

// next returns the next block, without the empty line that ends it.
func (s liveStream) next(t *testing.T) string {
	t.Helper()
	block, err := s.tryNext()
	if err != nil {
		t.Fatalf("the stream ended: %v", err)
	}
	return block
}

func (s liveStream) tryNext() (string, error) {
	var block strings.Builder
	for {
		line, err := s.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if line == "\n" {
			return block.String(), nil
		}
		block.WriteString(line)
	}
}

func TestStreamTellsWhatHappens(t *testing.T) {
	box := scene.New()
	s := serveTCP(t, box, "127.0.0.1:0")
	live := openStream(t, s.url, "Last-Event-ID", "0123456789ab-17")
	if got := live.next(t); !strings.HasPrefix(got, "event: status\ndata: {") || !strings.Contains(got, `"mode":"online"`) {
		t.Errorf("first event = %q, want the status", got)
	}
	tap := scene.Tap(1, record.VerdictProvisional, record.ReasonListOld)
	box.Publish(localapi.Event{Type: localapi.EventReadFailed, Failure: localapi.FailureTorn})
	box.Say(tap)
	for i, want := range []string{`"failure":"torn"`, `"spoken":"` + tap.Spoken + `"`} {
		got := live.next(t)
		if !strings.HasPrefix(got, "id: ") || !strings.Contains(got, want) {
			t.Errorf("event %d = %q, want an id and %s", i, got, want)
		}
	}
}

func TestStreamsAreBounded(t *testing.T) {
	s := serveTCP(t, scene.New(), "127.0.0.1:0")
	for range server.MaxStreams {
		openStream(t, s.url)
	}
	check(t, "one stream too many", send(t, http.MethodGet, s.url+"/v1/events"), http.StatusServiceUnavailable, localapi.CodeTooManyStreams)
	check(t, "the status meanwhile", send(t, http.MethodGet, s.url+"/v1/status"), http.StatusOK, "")
	check(t, "HEAD of the stream", send(t, http.MethodHead, s.url+"/v1/events"), http.StatusMethodNotAllowed, "")
}

// A silent stream outlives every timeout of the server, and says that it is alive.
func TestStreamHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := scene.New()
		p := servePipe(t, box)
		live := openStreamWith(t, p, "http://localhost")
		live.next(t)
		start := time.Now()
		for n := 1; n <= 20; n++ {
			if got := live.next(t); got != ": alive\n" {
				t.Fatalf("got %q, want a heartbeat", got)
			}
			if got, want := time.Since(start), time.Duration(n)*15*time.Second; got != want {
				t.Errorf("heartbeat %d came after %v, want %v", n, got, want)
			}
		}
		box.Publish(localapi.Event{Type: localapi.EventReading})
		if got := live.next(t); !strings.Contains(got, "event: reading\n") {
			t.Errorf("got %q after five minutes of silence, want the event", got)
		}
	})
}

// P1: a client that takes nothing off the line loses its stream, and holds up neither the box nor another client.
func TestSlowClientIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := scene.New()
		p := servePipe(t, box)
		lazy, err := p.dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lazy.Write([]byte("GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")); err != nil {
			t.Fatal(err)
		}
		if err := lazy.SetReadDeadline(time.Now().Add(7 * time.Second)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the server now waits for lazy to read
		brisk := openStreamWith(t, p, "http://localhost")
		brisk.next(t)
		for range 3 * feed.Buffer {
			box.Publish(localapi.Event{Type: localapi.EventReading})
			if got := brisk.next(t); !strings.Contains(got, "event: reading\n") {
				t.Fatalf("the brisk client got %q, want the event", got)
			}
		}
		<-time.After(6 * time.Second) // by the bubble's clock
		if _, err := io.Copy(io.Discard, lazy); err != nil {
			t.Errorf("reading the lazy client's connection = %v, want its end", err)
		}
	})
}

func TestServeEndsStreamsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := scene.New()
		p := servePipe(t, box)
		live := openStreamWith(t, p, "http://localhost")
		live.next(t)
		start := time.Now()
		ended := make(chan error, 1) // a pipe has no buffer: somebody must take the last bytes
		go func() { _, err := live.tryNext(); ended <- err }()
		p.stop()
		if err := <-ended; err == nil {
			t.Error("the stream goes on after the server stopped")
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("stopping took %v, want at once", took)
		}
	})
}

// pipe is a server inside a synctest bubble, and the way to it.
type pipe struct {
	conns chan net.Conn
	done  chan struct{}
	tr    *http.Transport
	stop  func()
}

func servePipe(t *testing.T, box *scene.Box) *pipe {
	t.Helper()
	p := &pipe{conns: make(chan net.Conn), done: make(chan struct{})}
	p.tr = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) }}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(ctx, handler(box), discard, p); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}()
	p.stop = func() { cancel(); <-ended }
	t.Cleanup(func() { p.tr.CloseIdleConnections(); p.stop() })
	return p
}

func (p *pipe) RoundTrip(r *http.Request) (*http.Response, error) { return p.tr.RoundTrip(r) }

func (p *pipe) dial(ctx context.Context) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipe) Close() error {
	select {
	case <-p.done:
		return errors.New("closed twice")
	default:
		close(p.done)
		return nil
	}
}

func (p *pipe) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

// fuzzRequest is a request for the taps as it would come in on 127.0.0.1:7440.
func fuzzRequest(host, origin, query string) (*http.Request, *httptest.ResponseRecorder) {
	r := httptest.NewRequest(http.MethodGet, "/v1/taps", http.NoBody)
	r.Host, r.URL.RawQuery = host, query
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	local := net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:7440"))
	return r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, local)), httptest.NewRecorder()
}

// loopbackOr is the test's own word on which hosts are ours.
func loopbackOr(host string, names []string) bool {
	if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, host) }) {
		return true
	}
	ap, err := netip.ParseAddrPort(host)
	return err == nil && ap.Addr().IsLoopback() && ap.Port() == 7440
}
