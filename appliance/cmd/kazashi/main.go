// Command kazashi is the box: the daemon that reads cards at a counter, and the tools beside it.
//
// `kazashi run` is the daemon; every other command either prepares it or asks it over a unix socket in its data directory.
// Exit status: 0 done, 1 refused or failed, 2 wrong usage. README.md beside this file is the reference.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/config"
)

// Exit statuses.
const (
	exitFailed = 1 // refused or failed
	exitUsage  = 2 // the command line cannot be understood
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main without the exit. The first SIGINT or SIGTERM ends the command in order, a second one at once.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "kazashi: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// settings are the flags that every command has.
type settings struct {
	config  string
	dataDir string
}

// load reads the configuration; --data-dir wins over the file.
func (s *settings) load() (config.Config, error) {
	c, err := config.Load(s.config)
	switch {
	case errors.Is(err, config.ErrConfig):
		return c, fmt.Errorf("%s: %w", s.config, err)
	case errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("%w; write one, or name another with --config", err)
	case err == nil && s.dataDir != "":
		if c.DataDir, err = filepath.Abs(s.dataDir); err != nil {
			return c, fmt.Errorf("reading --data-dir: %w", err)
		}
		if err := c.Validate(); err != nil {
			return c, fmt.Errorf("using --data-dir: %w", err)
		}
	}
	return c, err
}

func newRoot() *cobra.Command {
	var s settings
	root := &cobra.Command{
		Use:   "kazashi",
		Short: "Reads My Number Cards at a counter, also while there is no line",
		Long: `kazashi is one box: it reads cards over PC/SC, checks them against what it holds, writes a
sealed record of every tap before anyone sees a verdict, and settles with central when
there is a line.

A new box is told where central is in its configuration, joins with a code that central
prints, and then runs.

Exit status: 0 done, 1 refused or failed, 2 wrong usage.`,
		Example: `  kazashi join KZ1-XXXXX-…      take a place at a site, once
  kazashi run                   read cards until stopped
  kazashi status                is the line up, what waits, how old is the list
  kazashi taps -n 5             the latest taps with first and final verdict`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&s.config, "config", config.DefaultPath, "configuration file")
	root.PersistentFlags().StringVar(&s.dataDir, "data-dir", "", "data directory, instead of the configuration's")
	root.AddCommand(newRun(&s), newJoin(&s), newStatus(&s), newTaps(&s), newConfig(&s), newVersion())
	strict(root)
	return root
}
