package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/central/admin"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// Bounds on what one client can take of a server. A poll may be held open for wire.MaxWait seconds.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 90 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10 // octets
	stopTimeout   = 5 * time.Second
)

// ErrInUse says that something listens at an address already.
var ErrInUse = errors.New("address is in use")

// Run serves until ctx ends, which is no error.
func (d *Daemon) Run(ctx context.Context) error {
	tlsConf, err := uplink.ServerConfig(d.keys.TLS)
	if err != nil {
		return err
	}
	at, err := d.listen(ctx)
	if err != nil {
		return err
	}
	g, run := errgroup.WithContext(ctx)
	boxes := d.server(uplink.Handler(leaving{d.line, run.Done()}, d.log))
	boxes.TLSConfig = tlsConf
	guarded := limited(at.uplink, d.conf.Uplink.Connections, d.conf.Uplink.ConnectionsPerAddress, d.log)
	d.serve(run, g, boxes, func() error { return boxes.ServeTLS(guarded, "", "") })
	web := d.server(admin.ReadOnly(d, d.metrics.handler(d), d.log))
	d.serve(run, g, web, func() error { return web.Serve(at.http) })
	operator := d.server(admin.Handler(d, d.log))
	operator.WriteTimeout = admin.BackupTimeout
	d.serve(run, g, operator, func() error { return operator.Serve(at.socket) })
	g.Go(func() error { return d.renewals.Run(run) })
	g.Go(func() error { return d.open(run) })
	g.Go(func() error { return d.keeper.Run(run) })
	g.Go(func() error { return d.eraser.Run(run) })
	g.Go(func() error { return d.wanted.people.Run(run) })
	newer := make(chan struct{}, 1) // a set came since refusals for a hold were looked at
	g.Go(func() error { return d.opener.RunReviews(run, newer) })
	g.Go(func() error { return d.status.fetch(run, func() { d.bells.RingAll(); knock(newer) }) })
	d.log.InfoContext(ctx, "central serves", slog.String("uplink", at.uplink.Addr().String()),
		slog.String("http", at.http.Addr().String()), slog.String("release", d.release))
	err = g.Wait()
	d.log.InfoContext(ctx, "central has stopped")
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// knock never waits: one knock that nobody heard yet is as good as two.
func knock(door chan<- struct{}) {
	select {
	case door <- struct{}{}:
	default:
	}
}

// renewedFirst is how long settling waits at a start for the first answer about renewals: central may have lost what it knew of them in a
// restore, and a renewed certificate would make a second person. A service that is silent does not hold it up longer.
const renewedFirst = 10 * time.Second

// open opens and settles.
func (d *Daemon) open(ctx context.Context) error {
	t := time.NewTimer(renewedFirst)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-d.renewals.Asked():
	case <-t.C:
	}
	return d.opener.Run(ctx)
}

// listeners is where central can be reached.
type listeners struct{ uplink, http, socket net.Listener }

// listen takes every place or none.
func (d *Daemon) listen(ctx context.Context) (at listeners, err error) {
	if at.uplink, err = listenTCP(ctx, d.conf.Uplink.Listen, "uplink.listen"); err != nil {
		return at, err
	}
	if at.http, err = listenTCP(ctx, d.conf.HTTP.Listen, "http.listen"); err != nil {
		return at, errors.Join(err, at.uplink.Close())
	}
	if at.socket, err = admin.Listen(ctx, filepath.Join(d.conf.DataDir, Socket)); err != nil {
		return at, errors.Join(err, at.uplink.Close(), at.http.Close())
	}
	return at, nil
}

func listenTCP(ctx context.Context, address, key string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: %s; stop the program that listens there (`ss -ltnp` names it), or change %s in the configuration",
			ErrInUse, address, key)
	}
	if err != nil {
		return nil, fmt.Errorf("listening on %s (%s in the configuration): %w", address, key, err)
	}
	return l, nil
}

func (d *Daemon) server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader, ErrorLog: log.New(complaints{d.log}, "", 0),
	}
}

// complaints takes what net/http has to say. Handshakes that fail are the business of whoever knocks; the rest, a panic above
// all, is ours.
type complaints struct{ log *slog.Logger }

// Write logs one complaint.
func (c complaints) Write(p []byte) (int, error) {
	text, level := strings.TrimSpace(string(p)), slog.LevelError
	if strings.Contains(text, "TLS handshake error") {
		level = slog.LevelDebug
	}
	c.log.Log(context.Background(), level, "http server complains", slog.String("complaint", text)) // net/http hands over no context
	return len(p), nil
}

// serve runs a server until ctx ends. What is under way then may finish within stopTimeout, and is cut off after that; no
// handler runs any more when g has ended.
func (d *Daemon) serve(ctx context.Context, g *errgroup.Group, s *http.Server, run func() error) {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	s.BaseContext = func(net.Listener) context.Context { return base }
	var busy sync.RWMutex // held for reading by each request
	h := s.Handler
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !busy.TryRLock() {
			http.Error(w, "central is stopping", http.StatusServiceUnavailable)
			return
		}
		defer busy.RUnlock()
		h.ServeHTTP(w, r)
	})
	g.Go(func() error {
		if err := run(); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving HTTP: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		defer cut()
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := s.Shutdown(grace); err != nil {
			d.log.WarnContext(ctx, "cutting off requests that did not end in time", slog.Any("error", err))
			cut()
			_ = s.Close() // the listener is closed already, and whoever is cut off asks again
		}
		busy.Lock() // waits for the last handler
		return nil
	})
}

// leaving ends what would last when central stops: it answers polls that are held, so that no box has to find out by itself, and
// cuts files short.
type leaving struct {
	uplink.Service

	stop <-chan struct{}
}

// Blob is the service's; what is still to come of it when central stops is not waited for.
func (l leaving) Blob(ctx context.Context, device sign.PublicKey, id wire.BlobID) (io.ReadSeekCloser, error) {
	f, err := l.Service.Blob(ctx, device, id)
	if err != nil {
		return nil, err
	}
	return left{f, l.stop}, nil
}

// errStopping is why a blob ends early.
var errStopping = errors.New("central is stopping")

type left struct {
	io.ReadSeekCloser

	stop <-chan struct{}
}

func (l left) Read(p []byte) (int, error) {
	select {
	case <-l.stop:
		return 0, errStopping
	default:
		return l.ReadSeekCloser.Read(p)
	}
}

// Poll is the service's, and does not wait any longer once central stops.
func (l leaving) Poll(ctx context.Context, device sign.PublicKey, p wire.Poll) (wire.Polled, error) {
	held, end := context.WithCancel(ctx)
	defer end()
	go func() {
		select {
		case <-l.stop:
			end()
		case <-held.Done():
		}
	}()
	out, err := l.Service.Poll(held, device, p)
	if err != nil && held.Err() != nil && ctx.Err() == nil {
		p.Wait = 0
		return l.Service.Poll(ctx, device, p)
	}
	return out, err
}
