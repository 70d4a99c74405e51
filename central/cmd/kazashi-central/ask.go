package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/central/daemon"
	"kazashi.example/central/registry"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/record"
)

func newBox(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "box",
		Short: "Join, replace, list, look at, order about and revoke boxes",
		Long: `box is about the fleet: codes with which boxes join, what was last heard of each, which are served, and orders.
A BOX is named by its id, 32 hexadecimal digits, as "box list" prints it.`,
		Example: `  kazashi-central box code --site branch-1 --name "Counter 1"
  kazashi-central box list`,
	}
	c.AddCommand(newCode(s), newSwap(s), newLost(s), newList(s), newShow(s),
		newState(s, "revoke", "revoked", "Take a box out of service", `revoke tells a box nothing more from now on, and a connection that is open learns it at once. What
the box or others still bring of it is held: stored, not opened and never dropped. Its taps go on
locally until somebody switches it off.`),
		newState(s, "reinstate", "active", "Put a box back into full service", `reinstate ends a revocation or a quarantine. What was held of the box is opened and settled. It gets the
site's keys again, and an order to wipe or lock itself that is still open is withdrawn.`),
		newState(s, "quarantine", "quarantined", "Flag a box to be looked at", `quarantine flags a box by hand, as a fork report does by itself. It is served and its records are
settled as before.`),
		newState(s, "settle", "settled", "Settle what is held of a box out of service", `settle opens what is held by now of a box that was revoked or lost, and settles it like any other record. The box
stays out of service and gets nothing: no keys, no verdicts. What comes later is held again. Look first whether what came was written at
the counter: whoever has the box's key can write in its name.`),
		newClock(s),
		newKeysOrder(s, "wipe", "Order a box to erase what names people", `wipe orders a box to erase its site book, its roster and the site's keys, and to sign a certificate of that.
Records that are not safe stay on it, sealed to central alone, and still come. The box gets no keys until
"box reinstate", and its site seals under a new one. It works for a box out of service too: revoke a stolen
box as well.`),
		newKeysOrder(s, "lock", "Order a box to forget the site's keys that it has open", `lock orders a box to forget the keys that it has open. Nothing is erased: the operator's code at the box opens
them again. Central gives it none until "box reinstate", and its site seals under a new one.`))
	return c
}

func newCode(s *settings) *cobra.Command {
	var site, name string
	var hours int
	c := &cobra.Command{
		Use:   "code --site SITE --name NAME",
		Short: "Make a one-time code with which a box joins",
		Long: `code prints a one-time code. Type it at the box after "kazashi join". It is shown once, works for
one box, and for a day unless --hours says otherwise.

The site is 1 to 63 of a-z, 0-9, '.' and '-'; boxes of one site stand on one network. The name is
for people. Only the code goes to standard output.`,
		Example: `  kazashi-central box code --site branch-1 --name "Counter 1"
  kazashi-central box code --site shelter-7 --name "Gym" --hours 72`,
		RunE: func(c *cobra.Command, _ []string) error {
			if site == "" || name == "" {
				return command.WrongUsage(c, errors.New("--site and --name are needed"))
			}
			if c.Flags().Changed("hours") && (hours < 1 || hours > daemon.MaxCodeHours) {
				return command.WrongUsage(c, fmt.Errorf("--hours is 1 to %d", daemon.MaxCodeHours))
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			n, err := client.NewCode(c.Context(), admin.Code{Site: record.SiteID(site), Name: name, Hours: hours})
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), n.Code)
			fmt.Fprintf(c.ErrOrStderr(), "works once, until %s\n", command.Stamp(n.Expires))
			return nil
		},
	}
	c.Flags().StringVar(&site, "site", "", "site where the box will stand, for example branch-1")
	c.Flags().StringVar(&name, "name", "", "what people call the box")
	c.Flags().IntVar(&hours, "hours", int(registry.DefaultTTL/time.Hour), "how long the code works")
	return c
}

func newState(s *settings, verb, state, short, long string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " BOX",
		Short:   short,
		Long:    long,
		Example: "  kazashi-central box " + verb + " 0123456789abcdef0123456789abcdef",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := boxID(c, args[0])
			if err != nil {
				return err
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			if err := client.SetState(c.Context(), id, state); err != nil {
				return err
			}
			if state == "settled" {
				fmt.Fprintf(c.OutOrStdout(), "what was held of box %s is being settled; it stays out of service\n", id)
				return nil
			}
			fmt.Fprintf(c.OutOrStdout(), "box %s is now %s\n", id, state)
			return nil
		},
	}
}

func boxID(c *cobra.Command, text string) (record.BoxID, error) {
	id, err := record.ParseID(text)
	if err != nil {
		return record.BoxID{}, command.WrongUsage(c, fmt.Errorf("BOX: %w", err))
	}
	return record.BoxID{ID128: id}, nil
}

func newList(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List every box, and what must be looked at",
		Long: `list prints every box with its state, when it was last heard, and how many records it says it has not
delivered. Below a box stands whose place it took, or who took its place, and the reports about it: forks and damage, oldest first.`,
		Example: `  kazashi-central box list
  kazashi-central box list --json | jq -r '.[] | select(.reports) | .name'`,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			boxes, err := client.Boxes(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), boxes)
			}
			return printBoxes(c.OutOrStdout(), boxes)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printBoxes(w io.Writer, boxes []admin.Box) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BOX\tSITE\tNAME\tSTATE\tLAST SEEN\tWAITING\tRELEASE")
	for _, b := range boxes {
		seen := "not since central started"
		if !b.Seen.IsZero() {
			seen = command.Stamp(b.Seen)
		}
		if b.Stick.After(b.Seen) {
			seen = command.Stamp(b.Stick) + " by stick"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", b.ID, b.Site, command.Plain(b.Name), b.State, seen, b.Waiting, command.Plain(b.Release))
		if b.ReplacedBy != "" {
			fmt.Fprintf(t, "\treplaced by box %s\n", b.ReplacedBy)
		}
		if b.Replaces != "" {
			fmt.Fprintf(t, "\tin the place of box %s\n", b.Replaces)
		}
		for _, r := range b.Reports {
			fmt.Fprintf(t, "\t%s: %s, epoch %s, %s\n", r.Kind, command.Plain(r.Reason), r.Epoch, command.Stamp(r.At))
		}
	}
	return t.Flush()
}

func newStatus(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Ask the running central how it is, in numbers",
		Long: `status counts. Records are applied once they were opened and judged, settled once the box holds the final
verdict durably, corrected where that verdict differs from the first; waiting ones are not applied yet;
awaiting are those that name an enrolment or stand for a renewal which did not come; and set aside are
envelopes that do not open. Gaps are epochs of which records or the beginning are missing:
"box show" says which.`,
		Example: `  kazashi-central status
  kazashi-central status --json | jq .records`,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			st, err := client.Status(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), st)
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "release        %s, since %s\n", st.Release, command.Stamp(st.Started))
			fmt.Fprintf(out, "central epoch  %d\n", st.CentralEpoch)
			fmt.Fprintf(out, "boxes          %d, %d quarantined\n", st.Boxes, st.Quarantined)
			fmt.Fprintf(out, "records        %d applied, %d settled, %d corrected; %d waiting, %d awaiting others, %d set aside\n",
				st.Records, st.Settled, st.Corrected, st.Waiting, st.Awaiting, st.SetAside)
			fmt.Fprintf(out, "proved         %d by PIN, %d by card, %d by bound key alone, %d by certificate\n",
				st.Proved.PIN, st.Proved.Card, st.Proved.CardBound, st.Proved.Certificate)
			fmt.Fprintf(out, "erased         %d records, as of %s; %d have attributes\n", st.Erased, stamp(st.RetentionAsOf, "not yet"), st.Attested)
			fmt.Fprintf(out, "persons        %d\n", st.Persons)
			fmt.Fprintf(out, "enrolments     %d\n", st.Enrolments)
			fmt.Fprintf(out, "renewals       %d, last asked %s\n", st.Renewals, command.Stamp(st.RenewalsAsked))
			fmt.Fprintf(out, "conflicts      %d\n", st.Conflicts)
			fmt.Fprintf(out, "reports        %d\n", st.Reports)
			fmt.Fprintf(out, "gaps           %d epochs of which something is missing\n", st.Gaps)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
