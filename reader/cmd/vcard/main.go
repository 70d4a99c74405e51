// Command vcard puts virtual cards into the reader slots of a pcscd with the vpcd driver.
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
	"maps"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/fault"
	"kazashi.example/reader/vcard/vpcd"
)

const usage = `Usage: vcard --control PATH [--vpcd ADDRESS]... [--insert SLOT=PROFILE [--fault SLOT=FAULT]... [--link SLOT=MODEL]]...

Puts virtual cards into the slots of a pcscd with the vpcd driver. Every --vpcd is one slot, numbered from 0.
Run it in the network namespace of pcscd: vpcd listens on every address.

  --control PATH         unix socket to steer it by (needed)
  --vpcd ADDRESS         vpcd port of the next slot (default 127.0.0.1:35963)
  --insert SLOT=PROFILE  lay this card there at once
  --fault SLOT=FAULT     let that card misbehave; several strike together, the first is innermost
  --link SLOT=MODEL      let it take the time of a contactless link and a chip
  --verbose              log more

Examples:
  vcard --control /tmp/vcard.sock --insert 0=alice.json
  vcard --control /tmp/vcard.sock --vpcd 127.0.0.1:35963 --vpcd 127.0.0.1:35964
  vcard --control /tmp/vcard.sock --insert 0=alice.json --fault 0=tear-after=3 --link 0=106
  vcard --control /tmp/vcard.sock --insert 0=alice.json --fault 0=relay=bob.json
  curl --unix-socket /tmp/vcard.sock http://x/v1/slots
  curl --unix-socket /tmp/vcard.sock http://x/v1/slots/0/tries
  curl --unix-socket /tmp/vcard.sock -d '{"profile":"/tmp/alice.json"}' http://x/v1/slots/0/insert
  curl --unix-socket /tmp/vcard.sock -d '{"profile":"/tmp/alice.json","faults":["endless-61@2"],"link":"424"}' http://x/v1/slots/0/insert
  curl --unix-socket /tmp/vcard.sock -d '{"profile":"/tmp/alice-renewed.json"}' http://x/v1/slots/0/renew
  curl --unix-socket /tmp/vcard.sock -X POST http://x/v1/slots/0/remove
  curl --unix-socket /tmp/vcard.sock -X POST http://x/v1/slots/0/reset-counts

Profiles: the field "kind" says which card it is, "current" (or none), "next", "phone" or "token"; see package vcard.

Faults; commands are counted from 1, and @FIRST-LAST says which of them are struck (all, if it is left out):
` + "%s" + `
Link models: none, 106, 212, 424, 848 (kbit/s; 5 ms a command, 150 ms an RSA signature, 50 ms of activation) or slow, then perhaps
,NAME=VALUE to change rate, apdu, activation, select, read, verify, rsa, p384 or other: 424,apdu=18ms,rsa=200ms. A card that hangs
is 106,read=1h.
`

const defaultVPCD = "127.0.0.1:35963"

type options struct {
	control string
	vpcd    []string
	insert  []string
	fault   []string
	link    []string
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
		_, err := fmt.Fprintf(stdout, usage, fault.Usage())
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
	for name, list := range map[string]*[]string{"vpcd": &o.vpcd, "insert": &o.insert, "fault": &o.fault, "link": &o.link} {
		fs.Func(name, "", func(s string) error { *list = append(*list, s); return nil })
	}
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
	if err := insertAll(h, o); err != nil {
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

// insertAll lays every card that the options name, in the order of the slots.
func insertAll(h *control.Handler, o options) error {
	cards, err := requests(o)
	if err != nil {
		return err
	}
	for _, n := range slices.Sorted(maps.Keys(cards)) {
		if err := h.Insert(n, *cards[n]); err != nil {
			return fmt.Errorf("inserting into slot %d: %w", n, err)
		}
	}
	return nil
}

// requests gathers what is said of each slot.
func requests(o options) (map[int]*control.InsertRequest, error) {
	cards := map[int]*control.InsertRequest{}
	for _, f := range []struct {
		flag, value string
		given       []string
		add         func(*control.InsertRequest, string) bool
	}{
		{"insert", "PROFILE", o.insert, func(r *control.InsertRequest, v string) bool { return once(&r.Profile, v) }},
		{"fault", "FAULT", o.fault, func(r *control.InsertRequest, v string) bool { r.Faults = append(r.Faults, v); return true }},
		{"link", "MODEL", o.link, func(r *control.InsertRequest, v string) bool { return once(&r.Link, v) }},
	} {
		for _, given := range f.given {
			slot, value, ok := strings.Cut(given, "=")
			n, err := strconv.Atoi(slot)
			if err != nil || !ok || value == "" {
				return nil, fmt.Errorf("--%s %q is not SLOT=%s (see vcard --help)", f.flag, given, f.value)
			}
			if cards[n] == nil {
				cards[n] = &control.InsertRequest{}
			}
			if !f.add(cards[n], value) {
				return nil, fmt.Errorf("--%s is given twice for slot %d", f.flag, n)
			}
		}
	}
	return cards, nil
}

func once(field *string, value string) bool {
	if *field != "" {
		return false
	}
	*field = value
	return true
}
