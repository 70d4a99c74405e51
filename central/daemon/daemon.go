// Package daemon puts the parts of central together and runs them: the uplink for boxes, the opener, the lists, the backups
// and the operator's socket.
//
// Open reads and checks everything and starts nothing; Run blocks until its context ends or a part fails. What is durable,
// and when, is said by the parts.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"kazashi.example/central/admin"
	"kazashi.example/central/backup"
	"kazashi.example/central/boxline"
	"kazashi.example/central/config"
	"kazashi.example/central/intake"
	"kazashi.example/central/keys"
	"kazashi.example/central/opener"
	"kazashi.example/central/policy"
	"kazashi.example/central/ppid"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/central/store/notice"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/record"
	"kazashi.example/sync/uplink"
)

// Socket is where the operator reaches a running central, inside the data directory.
const Socket = "central.sock"

// Timeouts of the HTTP servers. A poll may be held open for wire.MaxWait seconds.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 30 * time.Second
	writeTimeout  = 90 * time.Second
	idleTimeout   = 2 * time.Minute
	stopTimeout   = 5 * time.Second
)

// Daemon is a central that is ready to run.
type Daemon struct {
	conf     config.Config
	log      *slog.Logger
	release  string
	now      func() time.Time
	started  time.Time
	db       *sqlite.DB
	keys     *keys.Keys
	wanted   wanted
	bells    *notice.Bells
	registry *registry.Registry
	line     *boxline.Line
	opener   *opener.Opener
	keeper   *backup.Keeper
	status   *authorities
	metrics  *prometheus.Registry
}

// Open reads keys, database, anchors and kept lists. Errors name the file at fault and what to do.
func Open(ctx context.Context, conf config.Config, release string, log *slog.Logger) (_ *Daemon, err error) {
	d := &Daemon{conf: conf, log: log, release: release, now: time.Now, started: time.Now(), bells: &notice.Bells{}}
	if d.keys, err = keys.Open(conf.KeysDir); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%w; run `kazashi-central init` first", err)
		}
		return nil, err
	}
	if d.db, err = sqlite.Open(ctx, conf.DataDir, d.now()); err != nil {
		return nil, err
	}
	if err := d.assemble(ctx); err != nil {
		return nil, errors.Join(err, d.db.Close())
	}
	return d, nil
}

func (d *Daemon) assemble(ctx context.Context) error {
	var centralEpoch uint64
	if err := d.db.View(ctx, func(tx store.Tx) (err error) { centralEpoch, err = tx.CentralEpoch(); return err }); err != nil {
		return err
	}
	made, err := policy.Make(d.conf, d.keys, centralEpoch, d.now())
	if err != nil {
		return err
	}
	if d.status, err = newAuthorities(ctx, d.conf, made, d.now, d.log); err != nil {
		return err
	}
	d.wanted = wanted{policy: made, lists: d.status.lists, scopes: d.status.scopes}
	taking := intake.New(d.db, intake.Limits{}, d.now)
	if err := d.register(taking); err != nil {
		return err
	}
	d.line = boxline.New(boxline.Config{
		Store: d.db, Registry: d.registry, Intake: taking, Acks: intake.NewAcks(d.db, d.keys.Sign, d.now), Rows: d.keys.Rows,
		Desired: d.wanted, Bells: d.bells, Sign: d.keys.Sign, Now: d.now, Log: d.log,
	})
	if err := d.settle(made); err != nil {
		return err
	}
	d.keeper = backup.New(backup.Config{
		Database: d.db, Dir: d.conf.Backup.Dir, Every: time.Duration(*d.conf.Backup.Every), Keep: d.conf.Backup.Keep,
		Safe: d.bells.RingAll, Now: d.now, Log: d.log,
	})
	d.metrics = newMetrics(d)
	return nil
}

func (d *Daemon) register(taking *intake.Intake) error {
	root, err := d.keys.Fingerprint()
	if err != nil {
		return err
	}
	shown, err := tlsKeys(d.keys)
	if err != nil {
		return err
	}
	d.registry = registry.New(registry.Config{
		Store: d.db, Sealer: d.keys.Rows, Trust: d.wanted, Adopter: taking, Root: root, TLS: shown, Now: d.now,
	})
	return nil
}

// ppidEpoch numbers the one PPID key of the key directory.
const ppidEpoch = 1

func (d *Daemon) settle(made *policy.Policy) error {
	names, err := ppid.NewDeriver(d.keys.Handle, d.keys.PPID, ppidEpoch)
	if err != nil {
		return err
	}
	sectors := make(map[record.ServiceID]string, len(d.conf.Service))
	for _, s := range d.conf.Service {
		sectors[record.ServiceID(s.ID)] = s.Sector
	}
	d.opener = opener.New(opener.Config{
		Store: d.db, SealKeys: sealKeys{d.keys.Seal}, Rows: d.keys.Rows, Identity: names,
		Services: services{rules: made.Rules, sectors: sectors}, Validity: d.status, Examiner: made.Anchors, Bells: d.bells,
		Now: d.now, Log: d.log,
	})
	return nil
}

// Close closes the database. Run has ended.
func (d *Daemon) Close() error { return d.db.Close() }

// Run serves until ctx ends, which is no error.
func (d *Daemon) Run(ctx context.Context) error {
	tlsConf, err := uplink.ServerConfig(d.keys.TLS)
	if err != nil {
		return err
	}
	up, err := listen(ctx, "tcp", d.conf.Uplink.Listen)
	if err != nil {
		return err
	}
	web, err := listen(ctx, "tcp", d.conf.HTTP.Listen)
	if err != nil {
		return errors.Join(err, up.Close())
	}
	sock, err := d.socket(ctx)
	if err != nil {
		return errors.Join(err, up.Close(), web.Close())
	}
	g, ctx := errgroup.WithContext(ctx)
	uplinkServer := server(uplink.Handler(d.line, d.log), d.log)
	uplinkServer.TLSConfig = tlsConf
	serve(ctx, g, uplinkServer, func(s *http.Server) error { return s.ServeTLS(up, "", "") })
	serve(ctx, g, server(admin.ReadOnly(d, metricsHandler(d.metrics), d.log), d.log), func(s *http.Server) error { return s.Serve(web) })
	serve(ctx, g, server(admin.Handler(d, d.log), d.log), func(s *http.Server) error { return s.Serve(sock) })
	g.Go(func() error { return d.opener.Run(ctx) })
	g.Go(func() error { return d.keeper.Run(ctx) })
	g.Go(func() error { return d.status.fetch(ctx, d.bells.RingAll) })
	d.log.InfoContext(ctx, "central serves", slog.String("uplink", up.Addr().String()), slog.String("http", web.Addr().String()),
		slog.String("release", d.release))
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// socket makes the operator's socket. The database's lock keeps two daemons apart, so one that is there is a dead one's.
func (d *Daemon) socket(ctx context.Context) (net.Listener, error) {
	path := filepath.Join(d.conf.DataDir, Socket)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing a dead central's socket: %w", err)
	}
	l, err := listen(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return l, os.Chmod(path, 0o600)
}

func listen(ctx context.Context, network, address string) (net.Listener, error) {
	var c net.ListenConfig
	l, err := c.Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; is another central running, or the address taken?", address, err)
	}
	return l, nil
}

func server(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// serve runs a server until ctx ends, and then gives what is under way a moment.
func serve(ctx context.Context, g *errgroup.Group, s *http.Server, run func(*http.Server) error) {
	s.BaseContext = func(net.Listener) context.Context { return ctx }
	g.Go(func() error {
		if err := run(s); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		return errors.Join(s.Shutdown(stopping), s.Close())
	})
}
