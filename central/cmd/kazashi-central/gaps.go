package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
)

func newShow(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show BOX",
		Short: "Show one box, and what is missing of it",
		Long: `show prints what "box list" says of a box, its orders, newest first, and its gaps: records that it must have written, because
later ones are here or a later epoch names them, and epochs that never came. The box still has them
and will send them, or they are lost: after the restore of an old backup a box may have deleted
what only a newer one held. Of a box that was replaced or taken out of service it lists the taps that were settled otherwise than was said at the
counter, as no box tells anybody of them. What a box wrote since the newest that is here, nobody can know here.`,
		Example: `  kazashi-central box show 0123456789abcdef0123456789abcdef
  kazashi-central box show 0123456789abcdef0123456789abcdef --json | jq .gaps`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := boxID(c, args[0])
			if err != nil {
				return err
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			b, err := client.Box(c.Context(), id)
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), b)
			}
			if err := printBoxes(c.OutOrStdout(), []admin.Box{b.Box}); err != nil {
				return err
			}
			if err := printOrders(c.OutOrStdout(), b.Orders); err != nil {
				return err
			}
			if err := printUntold(c.OutOrStdout(), b); err != nil {
				return err
			}
			return printGaps(c.OutOrStdout(), b)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// printUntold names no person: who keeps the counter's own records knows who it was.
func printUntold(w io.Writer, b admin.Detail) error {
	for _, u := range b.Untold {
		_, err := fmt.Fprintf(w, "needs a second look: tap of %s at desk %s, service %s: said %s, settled as %s (%s)\n", command.Stamp(u.Tapped),
			command.Plain(string(u.Desk)), command.Plain(string(u.Service)), u.Said, u.Final, u.Reason)
		if err != nil {
			return err
		}
	}
	if b.MoreUntold {
		_, err := fmt.Fprintf(w, "these are the first %d; there may be more\n", len(b.Untold))
		return err
	}
	return nil
}

func printGaps(w io.Writer, b admin.Detail) error {
	if len(b.Gaps) == 0 {
		_, err := fmt.Fprintln(w, "nothing is missing of what is known to exist")
		return err
	}
	for _, g := range b.Gaps {
		if _, err := fmt.Fprintln(w, sentence(g)); err != nil {
			return err
		}
	}
	if b.MoreGaps {
		_, err := fmt.Fprintf(w, "these are the first %d; there may be more\n", len(b.Gaps))
		return err
	}
	return nil
}

// sentence says a gap in plain words.
func sentence(g admin.Gap) string {
	switch epoch := command.Plain(g.Epoch); {
	case g.HeaderMissing:
		return fmt.Sprintf("waiting for the beginning of epoch %s, which never came; the box still has it or it is lost", epoch)
	case g.First == g.Last:
		return fmt.Sprintf("waiting for record %d of epoch %s; the box still has it or it is lost", g.First, epoch)
	default:
		return fmt.Sprintf("waiting for records %d-%d of epoch %s; the box still has them or they are lost", g.First, g.Last, epoch)
	}
}
