package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/box"
	"kazashi.example/appliance/tap/cards"
	"kazashi.example/firmware/manifest"
)

func newRun(s *settings) *cobra.Command {
	var verbose bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Read cards until stopped",
		Long: `run is the daemon: it watches every card reader of the PC/SC service, takes taps, serves the
counter's page on a loopback address and settles with central when there is a line. Without a
PC/SC service, a reader or a line it runs all the same, and shows what is missing. Logs go to
standard error as JSON; they name no person and no card.

SIGTERM and SIGINT end it in order with exit status 0: a tap under way is finished first. A second
one ends it at once, which loses nothing either.`,
		Example: `  kazashi run
  kazashi run --config ./kazashi.toml`,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := s.load()
			if err != nil {
				return err
			}
			level := slog.LevelInfo
			if verbose {
				level = slog.LevelDebug
			}
			log := slog.New(slog.NewJSONHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: level}))
			b, err := box.Open(c.Context(), conf, cards.PCSC{}, manifest.Current().Version, manifest.Current().Built, log)
			if errors.Is(err, context.Canceled) && c.Context().Err() != nil {
				return nil // told to stop before it ran
			}
			if err != nil {
				return err
			}
			defer func() {
				if err := b.Close(); err != nil {
					log.ErrorContext(c.Context(), "closing failed", slog.Any("error", err))
				}
			}()
			return b.Run(c.Context())
		},
	}
	c.Flags().BoolVar(&verbose, "verbose", false, "log details too")
	return c
}
