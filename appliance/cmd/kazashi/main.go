// Command kazashi is the box: the daemon that reads cards at a counter, and the tools beside it.
//
// `kazashi run` is the daemon; every other command either prepares it or asks it over a unix socket in its data directory.
// Exit status: 0 done, 1 refused or failed, 2 wrong usage. README.md beside this file is the reference.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/config"
	"kazashi.example/firmware/command"
	"kazashi.example/reader/pcsc"
)

func main() {
	pcsc.Main()
	undumpable(slog.New(slog.NewJSONHandler(os.Stderr, nil)))
	os.Exit(command.Run(newRoot(), os.Args[1:]))
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
	root.AddCommand(newRun(&s), newJoin(&s), newStatus(&s), newTaps(&s), newCard(&s), newCRL(&s), newRoster(&s), newTrust(&s), newRule(&s), newStaff(&s), newDesk(&s), newPresence(&s), newWork(&s), newLink(&s), newUnlink(&s), newUnlock(&s), newLock(&s), newOperatorCode(&s), newKeys(&s), newClose(&s), newCourier(&s), newUnseen(&s), newRecover(&s), newDrill(&s), newConfig(&s), newVersion())
	command.Strict(root)
	return root
}
