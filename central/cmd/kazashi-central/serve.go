package main

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/backup"
	"kazashi.example/central/daemon"
	"kazashi.example/central/keys"
	"kazashi.example/firmware/command"
	"kazashi.example/firmware/manifest"
	"kazashi.example/sync/trust"
)

func newInit(s *settings) *cobra.Command {
	var root string
	c := &cobra.Command{
		Use:   "init",
		Short: "Make the data directory and every key, once",
		Long: `init makes the data directory and the key directory. Keys are never overwritten. Copy the key
directory to a place that burns down separately: without it neither database nor backups open.

With --root the root keys are held elsewhere from the first day: FILE is what "trust root --first" proposed and enough
holders signed. Central has no trust bundle then until one is made, signed and published.`,
		Example: `  kazashi-central init
  kazashi-central init --root first.proposal
  kazashi-central init --config ./central.toml --data-dir ./data`,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := s.load()
			if err != nil {
				return err
			}
			if err := os.MkdirAll(conf.DataDir, 0o700); err != nil {
				return fmt.Errorf("making the data directory: %w", err)
			}
			if err := createKeys(conf.KeysDir, root); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "keys are in %s\ncopy them to a place that burns down separately, then: kazashi-central serve\n", conf.KeysDir)
			return nil
		},
	}
	c.Flags().StringVar(&root, "root", "", "file of a first root set that its holders signed")
	return c
}

// createKeys makes every key, under a root set of others if there is a file of one.
func createKeys(dir, root string) error {
	if root == "" {
		return keys.Create(dir)
	}
	d, err := readDraft(root)
	if err != nil {
		return err
	}
	chain, travelling, err := d.Finish()
	if err != nil {
		return err
	}
	if travelling != nil {
		return fmt.Errorf("%w: %s is no first root set", trust.ErrDraft, root)
	}
	return keys.CreateUnder(dir, chain)
}

func newServe(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Serve boxes and operator until stopped",
		Long: `serve is the daemon. Boxes come in at uplink.listen by mutual TLS; health (/healthz), status and metrics
are at http.listen, for this machine alone; the operator's commands use central.sock in the data
directory, which its owner alone can open. Logs go to standard error as JSON; they name no person
and no card.

SIGTERM and SIGINT end it in order with exit status 0; a second one ends it at once.`,
		Example: `  kazashi-central serve
  kazashi-central serve --config ./central.toml`,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := s.load()
			if err != nil {
				return err
			}
			log := slog.New(slog.NewJSONHandler(c.ErrOrStderr(), nil))
			d, err := daemon.Open(c.Context(), conf, manifest.Current().Version, log)
			if err != nil {
				return err
			}
			defer func() {
				if err := d.Close(); err != nil {
					log.ErrorContext(c.Context(), "closing the database failed", slog.Any("error", err))
				}
			}()
			return d.Run(c.Context())
		},
	}
}

func newBackup(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "backup NAME",
		Short: "Make a named backup of the running central; everything in it becomes safe",
		Long: `backup copies the database of the running central into the backup folder, checks the copy, and prints the
path of its manifest. The boxes may then delete what is inside it. NAME is 1 to 63 of a-z, 0-9, '.'
and '-'. Backups with a name stay until somebody removes them.`,
		Example: `  kazashi-central backup monday
  kazashi-central backup before-upgrade-1.2`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			b, err := client.Backup(c.Context(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), b.File)
			return nil
		},
	}
}

func newRestore(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "restore MANIFEST",
		Short: "Put a backup in the place of the database; central must not run",
		Long: `restore checks a backup from end to end, puts it in the place of the database and raises
central's epoch, so that every box sends again what the backup does not hold. The database from
before is kept beside it. Restore the newest backup: what boxes have deleted as safe is in it.

Boxes that were revoked and codes that were used after the backup are as they were then: look at
"box list", and revoke again what was revoked since. "box show" says what a box cannot send again.`,
		Example: `  kazashi-central restore /srv/backups/monday.json`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			conf, err := s.load()
			if err != nil {
				return err
			}
			r, err := backup.Restore(c.Context(), conf.DataDir, args[0], time.Now())
			if err != nil {
				return err
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "restored %s; central epoch is now %d\n", r.Manifest.Name, r.CentralEpoch)
			if r.Aside != "" {
				fmt.Fprintf(out, "the database from before is in %s\n", r.Aside)
			}
			fmt.Fprintf(c.ErrOrStderr(), "warning: boxes revoked and codes used after this backup was made (%s) are as they were then; look at them "+
				"with `kazashi-central box list`, and revoke again what was revoked since\n", command.Stamp(r.Manifest.Made))
			if n := len(r.Newer); n > 0 {
				fmt.Fprintf(c.ErrOrStderr(), "warning: %s is newer than %s, and boxes may have deleted what only it holds; "+
					"if it can be used, restore it now, before central starts\n", r.Newer[n-1], r.Manifest.Name)
			}
			return nil
		},
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  kazashi-central version",
		RunE: func(c *cobra.Command, _ []string) error {
			fmt.Fprintln(c.OutOrStdout(), "kazashi-central", manifest.Current().Version)
			return nil
		},
	}
}
