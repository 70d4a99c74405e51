package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/config"
	"kazashi.example/appliance/vault"
	"kazashi.example/firmware/command"
	"kazashi.example/firmware/manifest"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

func newJoin(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "join CODE",
		Short: "Take a place at a site with the one-time code that central prints",
		Long: `join proves to central that this box was given the code, checks that it is the central which
made the code, and keeps the place and the trust bundle that come back. The code itself is not sent.
Case, blanks and dashes in it do not matter. A lost answer does no harm: the same box may use the
same code again. Stop the daemon first if it runs. With "-" the code is read from standard input,
where no list of processes and no shell history shows it.`,
		Example: `  kazashi join KZ1-8W3KQ-…
  kazashi --config ./kazashi.toml join - < code.txt`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text := strings.Join(args, " ")
			if text == "-" {
				b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxCode))
				if err != nil {
					return fmt.Errorf("reading the code: %w", err)
				}
				text = string(b)
			}
			return join(c, s, text)
		},
	}
}

// maxCode caps what is read of standard input, in octets; a code needs about 100.
const maxCode = 4 << 10

func join(c *cobra.Command, s *settings, text string) error {
	code, err := wire.ParseJoinCode(text)
	if err != nil {
		return command.WrongUsage(c, err)
	}
	conf, err := s.load()
	if err != nil {
		return err
	}
	place, err := box.Join(c.Context(), conf, code, manifest.Current().Version)
	if err != nil {
		return advise(err)
	}
	out := c.OutOrStdout()
	fmt.Fprintf(out, "joined site %s as %q\nbox %s\n", place.Site, place.Name, place.Box)
	if !place.Replaces.IsZero() {
		fmt.Fprintf(out, "in the place of box %s, whose records count on; those that are still on its disk come by `kazashi recover`\n", place.Replaces)
	}
	return warnOfKeys(c, conf)
}

// warnOfKeys says what is weak about where this box keeps its keys.
func warnOfKeys(c *cobra.Command, conf config.Config) error {
	id, err := vault.Open(conf.DataDir, vault.Options{TPM: conf.TPM})
	if err != nil {
		return err
	}
	if weak := id.Weakness(); weak != "" {
		fmt.Fprintf(c.ErrOrStderr(), "warning: %s\n", weak)
	}
	return id.Close()
}

// advise adds what to do to an error that does not say so itself.
func advise(err error) error {
	var network *url.Error
	if errors.As(err, &network) && !errors.Is(err, uplink.ErrIntercepted) {
		return fmt.Errorf("%w; is central running there, and is central.address right? Try again, nothing was used up", err)
	}
	return err
}
