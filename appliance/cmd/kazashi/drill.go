package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"kazashi.example/appliance/config"
	"kazashi.example/appliance/drill"
	"kazashi.example/appliance/vault"
	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
)

// statusPartly is the exit status where not everything could be looked at.
const statusPartly = 2

var (
	errNames  = errors.New("switched off and without the code, this box tells a thief who people are")
	errPartly = errors.New("not everything here is known, or could be looked at")
	errLang   = errors.New("--lang is ja or en")
)

// askWithin is how long the running box may take to say whether its keys are open.
const askWithin = 5 * time.Second

func newDrill(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:     "drill",
		Short:   "Try out what you hope never happens",
		Example: "  kazashi drill lost-box",
	}
	c.AddCommand(newDrillLostBox(s))
	return c
}

func newDrillLostBox(s *settings) *cobra.Command {
	var asJSON bool
	var lang string
	c := &cobra.Command{
		Use:   "lost-box",
		Short: "Say what a thief gets from this box, item by item, from what is really on its disk",
		Long: `lost-box looks into every file of the data directory and says what a thief gets who has the whole box, its TPM included: switched off
or running, without or with the operator's code. It counts, and prints no value. The last sentence is for the data-protection officer.

  READS   he reads it                       use     he can use it while he has the box, and cannot copy it
  guess   he may try codes on machines      tries   he may try codes at the TPM, which counts: ten, then 144 a day
          of his own                        MAYBE   it may be there; nobody can tell by looking

In red, or behind a "!": what he must not get without the code, as where a signed rule lets the keys open by the TPM alone or by a file alone;
and whatever is unknown: a file, a table, a column that this release does not write, or a value that has not the form of its place. Nothing
is passed over.

It needs no code, opens no key and changes nothing. It runs beside the daemon, which is asked whether the site's keys are open, and
without it. With --data-dir it looks at a copy of a box's disk; swap, core files and sticks of the machine are then not looked at. Run it as the
user that the box runs as, else much cannot be read.

It knows this one disk. It knows nothing of copies that were made of it, of older files that flash keeps where nobody reaches them, of the
service manager's logs, or of what the box's people wrote down.

Exit status: 0 switched off and without the code the box names nobody; 1 it does (or could not be looked at at all); 2 not everything could
be looked at, or wrong usage.`,
		Example: `  kazashi drill lost-box
  kazashi drill lost-box --lang ja >report.txt
  kazashi drill lost-box --json | jq -r .sentence.ja
  kazashi drill lost-box --data-dir /mnt/old/var/lib/kazashi     a copy, or the disk of a box that is no more`,
		RunE: func(c *cobra.Command, _ []string) error {
			if lang != "ja" && lang != "en" {
				return command.WrongUsage(c, errLang)
			}
			o, err := drillOptions(c.Context(), s)
			if err != nil {
				return err
			}
			r, err := drill.Look(c.Context(), o)
			if err != nil {
				return err
			}
			if asJSON {
				err = command.PrintJSON(c.OutOrStdout(), r)
			} else {
				err = r.Print(c.OutOrStdout(), drill.Style{Lang: drill.Lang(lang), Color: colors(c.OutOrStdout())})
			}
			return errors.Join(err, drillStatus(r))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, with the sentence in both languages")
	c.Flags().StringVar(&lang, "lang", langOf(os.Getenv), "language of the report: ja or en; default from the environment")
	return c
}

// drillStatus turns the answer into an exit status.
func drillStatus(r drill.Report) error {
	switch r.Answer {
	case drill.NamesPeople:
		return errNames
	case drill.NotKnown:
		return command.Exit(statusPartly, errPartly)
	default:
		return nil
	}
}

// drillOptions says where to look. A data directory that was named and that no configuration of this machine names is a copy, for which no
// configuration is needed.
func drillOptions(ctx context.Context, s *settings) (o drill.Options, err error) {
	conf, err := config.Load(s.config)
	switch {
	case s.dataDir == "" && err != nil:
		_, err = s.load()
		return o, err
	case s.dataDir != "" && err != nil && !errors.Is(err, fs.ErrNotExist):
		return o, fmt.Errorf("%s: %w", s.config, err)
	}
	own := err == nil
	o = drill.Options{Dir: conf.DataDir, Config: s.config, AllowSwap: conf.AllowSwap, Sticks: conf.Courier.Sticks, Measure: true, Now: time.Now()}
	if s.dataDir != "" {
		if o.Dir, err = filepath.Abs(s.dataDir); err != nil {
			return o, fmt.Errorf("reading --data-dir: %w", err)
		}
	}
	o.Copy = !own || filepath.Clean(o.Dir) != filepath.Clean(conf.DataDir)
	if o.Copy {
		o.Config, o.Sticks, o.AllowSwap = "", "", false
		return o, nil
	}
	o.Open, o.Swap, o.Cores = keysOf(ctx, conf.Socket()), vault.Swaps(), drill.CoreFolders()
	return o, nil
}

// keysOf asks the running box whether its keys are open; "" if none answers.
func keysOf(ctx context.Context, socket string) string {
	client, err := localapi.NewClient("unix:" + socket)
	if err != nil {
		return ""
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	st, err := client.Status(ctx)
	switch {
	case err != nil:
		return ""
	case st.Keys.State == localapi.KeysOpen:
		return "open"
	default:
		return "locked"
	}
}

// langOf is the language that the environment asks for (locale(7)), of the two that there are.
func langOf(env func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := env(name); v != "" {
			if strings.HasPrefix(v, "ja") {
				return "ja"
			}
			return "en"
		}
	}
	return "en"
}

// colors reports whether red may be printed in red: at a terminal, and unless NO_COLOR is set.
func colors(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && term.IsTerminal(int(f.Fd())) //nolint:gosec // a descriptor
}
