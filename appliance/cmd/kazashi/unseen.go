package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

var errAllOrOne = errors.New("name a code, or say --all")

func newUnseen(s *settings) *cobra.Command {
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "unseen",
		Short: "List verdicts that perhaps nobody saw before a restart, and say that they were seen",
		Long: `unseen lists taps that were written down right before the box stopped without an end in order, as at a power cut, so that
perhaps nobody saw what became of them. Each stays, over reloads and restarts and whatever taps follow, until somebody makes sure that the
person was told, and says so here or at the counter's page. It names nobody: each is told by time, desk and the spoken code.`,
		Example: `  kazashi unseen list
  kazashi unseen done 7KMR
  kazashi unseen done --all`,
	}
	list := &cobra.Command{
		Use: "list", Short: "List what perhaps nobody saw", Example: "  kazashi unseen list --json", Args: cobra.NoArgs,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			taps, err := client.Unseen(c.Context())
			if err != nil || asJSON {
				return printOr(c, taps, err)
			}
			return table(c.OutOrStdout(), "TIME\tCODE\tDESK\tSERVICE\tVERDICT\tTAP", taps, func(t localapi.Tap) []string {
				return []string{command.Stamp(t.Time), t.Spoken, string(t.Desk), string(t.Service), outcome(t.First), t.Tap.String()}
			})
		}),
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	done := &cobra.Command{
		Use: "done [CODE|TAP]", Short: "Say that somebody has seen one, or all", Example: "  kazashi unseen done 7KMR\n  kazashi unseen done --all",
		Args: cobra.MaximumNArgs(1),
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
			if all == (len(args) == 1) {
				return command.WrongUsage(c, errAllOrOne)
			}
			return seen(c.Context(), client, args)
		}),
	}
	done.Flags().BoolVar(&all, "all", false, "all that are listed now")
	c.AddCommand(list, done)
	return c
}

// seen says so of the tap that is named, or of all that are listed now.
func seen(ctx context.Context, client *localapi.Client, args []string) error {
	if len(args) == 1 {
		tap, err := named(ctx, args[0], client.Unseen, func(t localapi.Tap) (record.TapID, string) { return t.Tap, t.Spoken })
		if err != nil {
			return err
		}
		return client.Seen(ctx, tap)
	}
	taps, err := client.Unseen(ctx)
	if err != nil {
		return err
	}
	for _, t := range taps {
		if err := client.Seen(ctx, t.Tap); err != nil && !errors.Is(err, localapi.ErrUnknown) {
			return err
		}
	}
	return nil
}
