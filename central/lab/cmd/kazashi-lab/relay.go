package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"kazashi.example/central/lab/relay"
)

func newRelayCommand() *cobra.Command {
	var listen, target string
	c := &cobra.Command{
		Use:   "relay --target HOST:PORT",
		Short: "Pass TCP connections on, and cut them without a word",
		Long: `Pass TCP connections on to a target until interrupted. Lines on standard input steer it:

  cut      from now on nothing passes, nothing answers and nothing closes, as when a line fails
  restore  what was cut is dropped, new connections pass
  stats    print octets and connections

Each is answered by one line on standard output.`,
		Example: `  kazashi-lab relay --listen 127.0.0.1:7441 --target 127.0.0.1:17441`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := relay.New(listen, target, slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), nil)))
			if err != nil {
				return fmt.Errorf("%w; choose another --listen", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "relay from %s to %s\n", r.Addr(), target)
			ctx, cancel := context.WithCancel(cmd.Context())
			defer cancel()
			var g errgroup.Group
			g.Go(func() error { return r.Run(ctx) })
			go steer(r, cmd.InOrStdin(), cmd.OutOrStdout()) // ends with the program: reading standard input cannot be interrupted
			return g.Wait()
		},
	}
	c.Flags().StringVar(&listen, "listen", "127.0.0.1:7441", "address to listen on; port 0 takes a free one")
	c.Flags().StringVar(&target, "target", "", "where connections are passed on to")
	mustRequire(c, "target")
	return c
}

// steer obeys lines until in ends; the relay goes on.
func steer(r *relay.Relay, in io.Reader, out io.Writer) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		switch word := strings.TrimSpace(lines.Text()); word {
		case "cut":
			r.Cut()
			fmt.Fprintln(out, "cut")
		case "restore":
			r.Restore()
			fmt.Fprintln(out, "restored")
		case "stats":
			s := r.Stats()
			fmt.Fprintf(out, "up=%t to_target=%d from_target=%d live=%d held=%d\n", r.Up(), s.ToTarget, s.FromTarget, s.Live, s.Held)
		default:
			fmt.Fprintf(out, "unknown word %q: cut, restore or stats\n", word)
		}
	}
}
