// Command vcard puts virtual My Number Cards into the reader slots of a pcscd with the vpcd driver.
//
// It serves the control socket of package control and runs until SIGINT or SIGTERM. Only PIN counters are kept, beside each profile.
// It is a tool of the practice world: a profile holds a made-up person's secrets in the clear.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/vpcd"
)

const usage = `Usage: vcard --control PATH [--vpcd ADDRESS]... [--insert SLOT=PROFILE]...

Puts virtual My Number Cards into the slots of a pcscd with the vpcd driver. Every --vpcd is one slot, numbered from 0.
Run it in the network namespace of pcscd: vpcd listens on every address.

  --control PATH         unix socket to steer it by (needed)
  --vpcd ADDRESS         vpcd port of the next slot (default 127.0.0.1:35963)
  --insert SLOT=PROFILE  lay this card there at once
  --verbose              log more

Examples:
  vcard --control /tmp/vcard.sock --insert 0=alice.json
  vcard --control /tmp/vcard.sock --vpcd 127.0.0.1:35963 --vpcd 127.0.0.1:35964
  curl --unix-socket /tmp/vcard.sock http://x/v1/slots
  curl --unix-socket /tmp/vcard.sock -d '{"profile":"/tmp/alice.json"}' http://x/v1/slots/0/insert
  curl --unix-socket /tmp/vcard.sock -d '{"profile":"/tmp/alice.json","fault":{"kind":"tear","after_apdus":1}}' http://x/v1/slots/0/insert
  curl --unix-socket /tmp/vcard.sock -X POST http://x/v1/slots/0/remove
  curl --unix-socket /tmp/vcard.sock -X POST http://x/v1/slots/0/reset-counts

Fault kinds: tear, nonsense, not-a-my-number-card (without a profile).
`

const defaultVPCD = "127.0.0.1:35963"

type options struct {
	control string
	vpcd    []string
	insert  []string
	verbose bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "vcard:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		_, err := io.WriteString(stdout, usage)
		return err //nolint:wrapcheck // nothing to add about standard output
	}
	if err != nil {
		return err
	}
	level := slog.LevelInfo
	if o.verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	return serve(ctx, o, log)
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("vcard", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.control, "control", "", "")
	fs.BoolVar(&o.verbose, "verbose", false, "")
	fs.Func("vpcd", "", func(s string) error { o.vpcd = append(o.vpcd, s); return nil })
	fs.Func("insert", "", func(s string) error { o.insert = append(o.insert, s); return nil })
	switch err := fs.Parse(args); {
	case err != nil:
		return o, fmt.Errorf("%w (see vcard --help)", err)
	case fs.NArg() > 0:
		return o, fmt.Errorf("%q is not an option (see vcard --help)", fs.Arg(0))
	case o.control == "":
		return o, errors.New("--control is needed (see vcard --help)")
	}
	if len(o.vpcd) == 0 {
		o.vpcd = []string{defaultVPCD}
	}
	return o, nil
}

func serve(ctx context.Context, o options, log *slog.Logger) error {
	var slots []*vpcd.Slot
	for _, addr := range o.vpcd {
		slots = append(slots, vpcd.New(addr, log))
	}
	h := control.NewHandler(slots...)
	if err := insertAll(h, o.insert); err != nil {
		return err
	}
	l, err := control.Listen(ctx, o.control)
	if err != nil {
		return err //nolint:wrapcheck // it names the socket and what to do
	}
	const slow = 10 * time.Second
	srv := &http.Server{Handler: h, ReadHeaderTimeout: slow, ReadTimeout: slow, WriteTimeout: slow}
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range slots {
		g.Go(func() error { return s.Run(ctx) })
	}
	g.Go(func() error {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving control: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		return srv.Close()
	})
	log.InfoContext(ctx, "serving virtual cards", slog.String("control", o.control), slog.Int("slots", len(slots)))
	return g.Wait() //nolint:wrapcheck // each part has said what it is
}

func insertAll(h *control.Handler, cards []string) error {
	for _, card := range cards {
		slot, profile, ok := strings.Cut(card, "=")
		n, err := strconv.Atoi(slot)
		if err != nil || !ok {
			return fmt.Errorf("--insert %q is not SLOT=PROFILE (see vcard --help)", card)
		}
		if err := h.Insert(n, control.InsertRequest{Profile: profile}); err != nil {
			return fmt.Errorf("inserting into slot %d: %w", n, err)
		}
	}
	return nil
}
