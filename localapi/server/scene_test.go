package server_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
)

var discard = slog.New(slog.DiscardHandler)

// serving is a server of one box.
type serving struct {
	addr, url string
	stop      func() // stops it and waits until it has stopped; a second call does nothing
}

// serveTCP serves box on addr until the test ends or stop is called.
func serveTCP(t *testing.T, box *scene.Box, addr string) serving {
	t.Helper()
	l, err := server.ListenTCP(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, box, l)
}

// serveHandler serves h on a free port, as serveTCP serves a box.
func serveHandler(t *testing.T, h http.Handler) serving {
	t.Helper()
	l, err := server.ListenTCP(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveOn(t, h, l)
}

func serve(t *testing.T, box *scene.Box, l net.Listener) serving {
	t.Helper()
	return serveOn(t, handler(box), l)
}

func serveOn(t *testing.T, h http.Handler, l net.Listener) serving {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ctx, h, discard, l); err != nil {
			t.Errorf("Serve = %v, want nil", err)
		}
	}()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	addr := l.Addr().String()
	return serving{addr: addr, url: "http://" + addr, stop: stop}
}

func handler(box *scene.Box) *server.Handler {
	return server.New(server.Config{
		Box: box, Log: discard, Hosts: []string{"counter.example", "elsewhere.example:8080"},
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("kazashi_up 1\n")) }),
	})
}
