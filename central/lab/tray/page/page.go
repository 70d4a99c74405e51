// Package page serves a [tray.Tray] over HTTP on loopback: a page for people, in Japanese and English, and a small JSON API
// for scripts.
//
// The page works without script; with it, it follows the tray by server-sent events. Nothing inline, nothing from elsewhere:
// everything served is embedded. Against other sites in the same browser stand the Host check (DNS rebinding), the same-origin
// check on everything that changes something (http.CrossOriginProtection) and JSON's own media type on the API. There is no
// login: whoever may run programs on this machine may lay cards. A [Handler] may be used from any goroutine.
package page

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/ledger"
)

//go:embed assets
var assets embed.FS

// Tray is what the page shows and does; *tray.Tray is one.
type Tray interface {
	State() tray.State
	Entries() []ledger.Entry
	Changed() <-chan struct{}
	Lay(ctx context.Context, person string) (ledger.Entry, error)
	Take(ctx context.Context) (ledger.Entry, error)
	SetLine(up bool) (ledger.Entry, error)
	Revoke(ctx context.Context, person, reason string) (ledger.Entry, error)
	Renew(ctx context.Context, person string, newCard bool) (ledger.Entry, error)
	Publish(ctx context.Context) (ledger.Entry, error)
}

var _ Tray = (*tray.Tray)(nil)

// Config is what a page needs beside the tray.
type Config struct {
	Addr    string // host:port that it is served at: the only Host that it answers to, with localhost for a loopback address
	Counter string // URL of the counter page, for a link; may be empty
	Log     *slog.Logger
}

// Handler answers for the page and the API. Make it with [New].
type Handler struct {
	tray    Tray
	counter string
	log     *slog.Logger
	hosts   map[string]bool
	next    http.Handler
}

// New makes a Handler.
func New(t Tray, cfg Config) (*Handler, error) {
	host, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("reading the page's address: %w", err)
	}
	h := &Handler{tray: t, counter: cfg.Counter, log: cfg.Log, hosts: map[string]bool{cfg.Addr: true}}
	if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
		h.hosts[net.JoinHostPort("localhost", port)] = true
	}
	static, err := fs.Sub(assets, "assets")
	if err != nil {
		return nil, fmt.Errorf("opening the embedded assets: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.show)
	mux.HandleFunc("POST /do/{deed}", h.form)
	mux.HandleFunc("GET /v1/state", h.state)
	mux.HandleFunc("GET /v1/ledger", h.ledger)
	mux.HandleFunc("GET /v1/events", h.events)
	mux.HandleFunc("POST /v1/{deed}", h.api)
	for _, name := range []string{"tray.css", "tray.js"} {
		mux.Handle("GET /"+name, http.FileServerFS(static))
	}
	h.next = http.NewCrossOriginProtection().Handler(mux)
	return h, nil
}

// headers go with every answer. The policy allows nothing but this server's own files.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; " +
		"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options":       "nosniff",
	"Referrer-Policy":              "same-origin", // no-referrer would make browsers send "Origin: null" with forms
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Opener-Policy":   "same-origin",
	"Cache-Control":                "no-store",
}

// maxBody is the longest request body, in octets.
const maxBody = 4 << 10

// ServeHTTP checks where a request comes from and passes it on.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	for k, v := range headers {
		w.Header().Set(k, v)
	}
	if !h.hosts[r.Host] {
		h.refuse(w, http.StatusMisdirectedRequest, "host", "this server does not answer to that Host")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h.next.ServeHTTP(w, r)
}

// Serve answers on ln until ctx ends, then lets running requests finish for at most two seconds.
func (h *Handler) Serve(ctx context.Context, ln net.Listener) error {
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, MaxHeaderBytes: 16 << 10,
		BaseContext: func(net.Listener) context.Context { return ctx },
		ErrorLog:    slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		done <- srv.Shutdown(last)
	})
	err := srv.Serve(ln)
	if stop() { // the server ended by itself
		return fmt.Errorf("serving the tray: %w", err)
	}
	if err := <-done; err != nil {
		_ = srv.Close()
	}
	return nil
}
