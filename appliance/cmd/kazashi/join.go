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
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/vault"
	"kazashi.example/firmware/command"
	"kazashi.example/firmware/manifest"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

func newJoin(s *settings) *cobra.Command {
	var stick string
	c := &cobra.Command{
		Use:   "join CODE",
		Short: "Take a place at a site with the one-time code that central prints",
		Long: `join proves to central that this box was given the code, checks that it is the central which
made the code, and keeps the place and the trust bundle that come back. The code itself is not sent.
Case, blanks and dashes in it do not matter. A lost answer does no harm: the same box may use the
same code again. Stop the daemon first if it runs. With "-" the code is read from standard input,
where no list of processes and no shell history shows it.

A box without a line joins by a USB stick: with --courier the request is written to the stick; take it
to central, run "kazashi-central courier import" there, bring it back, and give the same command again,
this time without the code if you like: the box remembers it until it has joined.`,
		Example: `  kazashi join KZ1-8W3KQ-…
  kazashi join --courier /media/usb KZ1-8W3KQ-…
  kazashi --config ./kazashi.toml join - < code.txt`,
		Args: func(c *cobra.Command, args []string) error {
			if stick != "" {
				return nil
			}
			return cobra.MinimumNArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return takeAnswer(c, s, stick)
			}
			text := strings.Join(args, " ")
			if text == "-" {
				b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxCode))
				if err != nil {
					return fmt.Errorf("reading the code: %w", err)
				}
				text = string(b)
			}
			if stick != "" {
				return joinByStick(c, s, stick, text)
			}
			return join(c, s, text)
		},
	}
	c.Flags().StringVar(&stick, "courier", "", "folder of a USB stick by which to join instead of by a line")
	return c
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
	return tellJoined(c, conf, place)
}

// joinByStick is one of the two steps.
func joinByStick(c *cobra.Command, s *settings, stick, text string) error {
	code, err := wire.ParseJoinCode(text)
	if err != nil {
		return command.WrongUsage(c, err)
	}
	conf, err := s.load()
	if err != nil {
		return err
	}
	place, done, err := box.JoinByStick(c.Context(), conf, stick, code, manifest.Current().Version)
	if err != nil {
		return err
	}
	if done {
		return tellJoined(c, conf, place)
	}
	fmt.Fprintln(c.OutOrStdout(), "the request to join is on the stick; take it to central, import it there, bring it back, and give this command again")
	return warnOfKeys(c, conf)
}

// takeAnswer completes a join by the answer that is on a stick.
func takeAnswer(c *cobra.Command, s *settings, stick string) error {
	conf, err := s.load()
	if err != nil {
		return err
	}
	place, err := box.TakeAnswer(c.Context(), conf, stick)
	if err != nil {
		return err
	}
	return tellJoined(c, conf, place)
}

// tellJoined says where the box stands now.
func tellJoined(c *cobra.Command, conf config.Config, place desired.Place) error {
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
