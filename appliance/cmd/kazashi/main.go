// Command kazashi is the box: the daemon that reads cards at a counter, and the tools beside it.
//
// `kazashi run` is the daemon; every other command either prepares it or asks it over a unix socket in its data directory.
// Exit status: 0 done, 1 refused or failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/config"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main without the exit, for the script tests.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "kazashi: %v\n", err)
		return 2
	default:
		fmt.Fprintf(os.Stderr, "kazashi: %v\n", err)
		return 1
	}
}

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() + " (see `kazashi --help`)" }
func (e *usageError) Unwrap() error { return e.err }

// settings are the flags that every command has.
type settings struct {
	config  string
	dataDir string
}

// load reads the configuration; --data-dir wins over the file.
func (s *settings) load() (config.Config, error) {
	c, err := config.Load(s.config)
	if err == nil && s.dataDir != "" {
		c.DataDir = s.dataDir
		err = c.Validate()
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
prints, and then runs.`,
		Example: `  kazashi join KZ1-XXXXX-…      take a place at a site, once
  kazashi run                   read cards until stopped
  kazashi status                is the line up, what waits, how old is the list
  kazashi taps -n 5             the latest taps with first and final verdict`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
	}
	root.PersistentFlags().StringVar(&s.config, "config", config.DefaultPath, "configuration file")
	root.PersistentFlags().StringVar(&s.dataDir, "data-dir", "", "data directory, instead of the configuration's")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(newRun(&s), newJoin(&s), newStatus(&s), newTaps(&s), newVersion())
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	root.Args = usageArgs(func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("unknown command %q", args[0])
		}
		return nil
	})
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return root
}

// usageArgs marks complaints about arguments as wrong usage.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if check == nil {
			check = cobra.NoArgs
		}
		if err := check(c, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
}
