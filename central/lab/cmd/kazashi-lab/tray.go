package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"kazashi.example/central/lab/relay"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/cast"
	"kazashi.example/central/lab/tray/hands"
	"kazashi.example/central/lab/tray/ledger"
	"kazashi.example/central/lab/tray/page"
	"kazashi.example/central/lab/world"
)

// trayOptions says around what a tray is set up. Addresses are host:port.
type trayOptions struct {
	World, Keys string // folders; Keys may be empty
	Ledger      string // file
	Socket      string // control socket of the virtual cards
	Slot        int
	JPKI        string // base URL of the practice JPKI
	Listen      string // of the page
	LineListen  string // where the box finds central
	LineTarget  string // where central really is
	Counter     string // URL of the counter page, may be empty
	Desk        string
	Service     string
	Hold, Gap   time.Duration // as tray.Config
	Enrols      bool          // as tray.Config
}

// trayRig is a tray with its page and its line, ready to run.
type trayRig struct {
	Tray *tray.Tray
	Line *relay.Relay

	page   *page.Handler
	ln     net.Listener
	ledger *ledger.Ledger
}

// URL is the page's.
func (r *trayRig) URL() string { return "http://" + r.ln.Addr().String() + "/" }

// Run serves page and line until ctx ends and closes the ledger.
func (r *trayRig) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return r.Line.Run(ctx) })
	g.Go(func() error { return r.page.Serve(ctx, r.ln) })
	return errors.Join(g.Wait(), r.ledger.Close())
}

// openTray binds the page's and the line's ports and opens the ledger; nothing is served before Run.
func openTray(ctx context.Context, o trayOptions, log *slog.Logger) (*trayRig, error) {
	w, err := world.Open(ctx, o.World, world.Config{Keys: o.Keys})
	if err != nil {
		return nil, fmt.Errorf("opening practice world: %w", err)
	}
	people := func() ([]tray.Person, error) { return cast.Cards(w) }
	cards, err := people()
	if err != nil {
		return nil, err
	}
	for what, addr := range map[string]string{"card tray": o.Listen, "line to central": o.LineListen} {
		if err := stage.PortFree(ctx, what, addr); err != nil {
			return nil, err
		}
	}
	r := &trayRig{}
	if r.Line, err = relay.New(o.LineListen, o.LineTarget, log); err != nil {
		return nil, err
	}
	if r.ln, err = new(net.ListenConfig).Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("binding the tray's page: %w", err)
	}
	if r.ledger, err = ledger.Open(o.Ledger, time.Now); err != nil {
		return nil, err
	}
	r.Tray, err = tray.New(tray.Config{
		People: cards, Slot: hands.NewSlot(o.Socket, o.Slot), Line: r.Line, PKI: hands.NewPKI(o.JPKI), Ledger: r.ledger,
		Desk: o.Desk, Service: o.Service, Hold: o.Hold, Gap: o.Gap, Reload: people, Enrols: o.Enrols,
	})
	if err != nil {
		return nil, err
	}
	r.page, err = page.New(r.Tray, page.Config{Addr: r.ln.Addr().String(), Counter: o.Counter, Log: log})
	return r, err
}

func newTrayCommand() *cobra.Command {
	o := trayOptions{Hold: tray.DefaultHold, Gap: tray.DefaultGap}
	c := &cobra.Command{
		Use:   "tray --world DIR --cards SOCKET --line-target HOST:PORT",
		Short: "Lay made-up cards on a virtual reader, cut the line, keep the ledger",
		Long: `Serve the card tray until interrupted: a page where made-up cards are laid on a virtual reader and taken away, where the line
between box and central is cut and restored, and where certificates are revoked at the practice JPKI alone. Each deed stands
in the ledger before it is done. The same by JSON: POST /v1/lay {"person":"hanako"}, /v1/take, /v1/line {"up":false},
/v1/revoke {"person":"jiro"}, /v1/renew {"person":"hanako","card":"same"} (or "new"), /v1/publish; GET /v1/state, /v1/ledger, /v1/events.`,
		Example: `  kazashi-lab tray --world .demo/world --cards .demo/vcard.sock --line-target 127.0.0.1:17441
  curl -H 'Content-Type: application/json' -d '{"person":"hanako"}' http://127.0.0.1:7444/v1/lay`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := openTray(cmd.Context(), o, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
			if err != nil {
				return fmt.Errorf("setting up the tray: %w", err)
			}
			tell(cmd.OutOrStdout(), r, o)
			return r.Run(cmd.Context())
		},
	}
	f := c.Flags()
	f.StringVar(&o.World, "world", "", "folder of the world")
	f.StringVar(&o.Keys, "keys", "", "folder of private keys; default DIR/keys")
	f.StringVar(&o.Ledger, "ledger", "ledger.jsonl", "file of the ledger")
	f.StringVar(&o.Socket, "cards", "", "control socket of the virtual cards")
	f.IntVar(&o.Slot, "slot", 0, "slot of the virtual reader")
	f.StringVar(&o.JPKI, "jpki", "http://127.0.0.1:7443", "practice JPKI")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:7444", "address of the page; port 0 takes a free one")
	f.StringVar(&o.LineListen, "line-listen", "127.0.0.1:7441", "where the box finds central")
	f.StringVar(&o.LineTarget, "line-target", "", "where central's uplink listens")
	f.StringVar(&o.Counter, "counter", "", "URL of the counter page, for a link")
	f.StringVar(&o.Desk, "desk", "desk-1", "desk of the reader, for the ledger")
	f.BoolVar(&o.Enrols, "enrols", false, "the service takes enrolled people alone")
	f.StringVar(&o.Service, "service", "library", "service of the desk, for the ledger")
	mustRequire(c, "world")
	mustRequire(c, "cards")
	mustRequire(c, "line-target")
	return c
}

func tell(out io.Writer, r *trayRig, o trayOptions) {
	fmt.Fprintf(out, "card tray on %s\n", r.URL())
	fmt.Fprintf(out, "line from %s to %s\n", r.Line.Addr(), o.LineTarget)
}
