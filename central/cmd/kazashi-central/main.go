// Command kazashi-central is the central service: it takes the boxes' sealed records, settles them and names people to
// services.
//
// `kazashi-central serve` is the daemon; the other commands prepare it, or ask it over a unix socket in its data directory.
// Exit status: 0 done, 1 refused or failed, 2 wrong usage.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/central/config"
	"kazashi.example/central/daemon"
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main without the exit, for the script tests.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "kazashi-central: %v\n", err)
	var usage *usageError
	if errors.As(err, &usage) {
		return 2
	}
	return 1
}

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() + " (see `kazashi-central --help`)" }
func (e *usageError) Unwrap() error { return e.err }

// settings are the flags that every command has.
type settings struct {
	config  string
	dataDir string
}

// load reads the configuration; --data-dir wins over the file, and takes keys and backups along unless the file places them.
func (s *settings) load() (config.Config, error) {
	return config.LoadAt(s.config, s.dataDir)
}

// client is the operator's way to a running central.
func (s *settings) client() (*admin.Client, error) {
	c, err := s.load()
	if err != nil {
		return nil, err
	}
	return admin.NewClient(filepath.Join(c.DataDir, daemon.Socket)), nil
}

func newRoot() *cobra.Command {
	var s settings
	root := &cobra.Command{
		Use:   "kazashi-central",
		Short: "Takes the boxes' sealed records, settles them, and names people to services",
		Long: `kazashi-central is the service behind the boxes. It stores what they bring before it
acknowledges, opens it apart from that, asks the national PKI as of each tap, and gives every
service its own pseudonym (PPID) of a person.`,
		Example: `  kazashi-central init                                make the keys, once
  kazashi-central serve                               serve until stopped
  kazashi-central box code --site branch-1 --name "Counter 1"
  kazashi-central backup monday                       everything in it becomes safe
  kazashi-central status`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.PersistentFlags().StringVar(&s.config, "config", config.DefaultPath, "configuration file")
	root.PersistentFlags().StringVar(&s.dataDir, "data-dir", "", "data directory, instead of the configuration's")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(newInit(&s), newServe(&s), newBox(&s), newBackup(&s), newRestore(&s), newStatus(&s), newVersion())
	strictArgs(root)
	return root
}

// strictArgs makes a complaint about arguments wrong usage, in every command.
func strictArgs(c *cobra.Command) {
	check := c.Args
	if check == nil {
		check = cobra.NoArgs
	}
	c.Args = func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
	for _, sub := range c.Commands() {
		strictArgs(sub)
	}
}
