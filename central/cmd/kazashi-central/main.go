// Command kazashi-central is the central service: it takes the boxes' sealed records, settles them and names people to
// services.
//
// `kazashi-central serve` is the daemon; the other commands prepare it, or ask it over a unix socket in its data directory.
// Exit status: 0 done, 1 refused or failed, 2 wrong usage. README.md beside this file is the reference.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/central/config"
	"kazashi.example/central/daemon"
	"kazashi.example/firmware/command"
)

func main() { os.Exit(command.Run(newRoot(), os.Args[1:])) }

// settings are the flags that every command has.
type settings struct {
	config  string
	dataDir string
}

// load reads the configuration; --data-dir wins over the file, and takes keys and backups along unless the file places them.
func (s *settings) load() (config.Config, error) {
	dir := s.dataDir
	if dir != "" {
		var err error
		if dir, err = filepath.Abs(dir); err != nil {
			return config.Config{}, fmt.Errorf("reading --data-dir: %w", err)
		}
	}
	c, err := config.LoadAt(s.config, dir)
	switch {
	case errors.Is(err, config.ErrConfig):
		return c, fmt.Errorf("%s: %w", s.config, err)
	case errors.Is(err, fs.ErrNotExist):
		return c, fmt.Errorf("%w; write one, or name another with --config", err)
	}
	return c, err
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
service its own pseudonym (PPID) of a person.

Exit status: 0 done, 1 refused or failed, 2 wrong usage.`,
		Example: `  kazashi-central init                                make the keys, once
  kazashi-central serve                               serve until stopped
  kazashi-central box code --site branch-1 --name "Counter 1"
  kazashi-central backup monday                       everything in it becomes safe
  kazashi-central status`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&s.config, "config", config.DefaultPath, "configuration file")
	root.PersistentFlags().StringVar(&s.dataDir, "data-dir", "", "data directory, instead of the configuration's")
	root.AddCommand(newInit(&s), newServe(&s), newBox(&s), newSite(&s), newAudit(&s), newBackup(&s), newRestore(&s), newStatus(&s), newCRL(&s), newTrust(&s), newRule(&s), newPerson(&s), newLink(&s), newCourier(&s), newRenewal(&s), newRetention(&s), newConfig(&s), newVersion())
	command.Strict(root)
	return root
}
