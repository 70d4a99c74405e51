package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/world"
)

// Deadlines of the HTTP service: a connection that says nothing costs one goroutine for this long and holds up nobody.
const (
	headerTimeout   = 5 * time.Second
	exchangeTimeout = 30 * time.Second
	idleTimeout     = 60 * time.Second
	shutdownTimeout = 3 * time.Second
)

func newJPKICommand() *cobra.Command {
	c := &cobra.Command{Use: "jpki", Short: "Practice JPKI: revocation lists, OCSP, renewals"}
	c.AddCommand(newJPKIServe())
	return c
}

func newJPKIServe() *cobra.Command {
	var dir, keys, listen string
	var direct, former bool
	c := &cobra.Command{
		Use:   "serve --world DIR",
		Short: "Serve the practice JPKI over HTTP until interrupted",
		Long: `Serve lists at /crl/auth.crl and /crl/sign.crl, OCSP at /ocsp, the old-to-new table at /renewals, roots at /anchors/,
and changes at /admin/ (loopback only). A list is a snapshot: it learns of a revocation at the next publication.`,
		Example: `  kazashi-lab jpki serve --world .demo/world --listen 127.0.0.1:7443
  curl -d '{"person":"jiro","reason":"keyCompromise"}' http://127.0.0.1:7443/admin/revoke
  curl -X POST http://127.0.0.1:7443/admin/publish
  openssl ocsp -issuer auth-g3.pem -cert hanako.pem -url http://127.0.0.1:7443/ocsp -CAfile auth-g3.pem`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := world.Open(cmd.Context(), dir, world.Config{Keys: keys})
			if err != nil {
				return fmt.Errorf("opening practice world: %w", err)
			}
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil))
			service, err := jpki.NewService(w, jpki.Config{Log: log, DirectOCSP: direct, Former: former})
			if err != nil {
				return fmt.Errorf("starting practice JPKI: %w", err)
			}
			return serve(cmd.Context(), listen, service, cmd.OutOrStdout())
		},
	}
	c.Flags().StringVar(&dir, "world", "", "folder of the world")
	c.Flags().StringVar(&keys, "keys", "", "folder of private keys; default DIR/keys")
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:7443", "address to listen on; port 0 takes a free one")
	c.Flags().BoolVar(&direct, "direct-ocsp", false, "sign OCSP answers by the CA itself, not by a delegated responder")
	c.Flags().BoolVar(&former, "former", false, "list a thousand more certificates, which nobody holds")
	mustRequire(c, "world")
	return c
}

// serve listens until ctx ends, then lets running requests finish. It prints the URL once it listens.
func serve(ctx context.Context, addr string, h http.Handler, out io.Writer) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listening on %s: %w; choose another --listen", addr, err)
	}
	srv := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: exchangeTimeout, WriteTimeout: exchangeTimeout,
		IdleTimeout: idleTimeout,
	}
	fmt.Fprintf(out, "practice JPKI on http://%s\n", l.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if srv.Shutdown(end) == nil {
			return nil
		}
		if err := srv.Close(); err != nil {
			return fmt.Errorf("closing connections: %w", err)
		}
		return nil
	})
	return g.Wait()
}
