package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/sync/record"
)

func newBox(s *settings) *cobra.Command {
	c := &cobra.Command{Use: "box", Short: "Join, list and revoke boxes", RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newCode(s), newList(s),
		newState(s, "revoke", "revoked", "Take a box out of service; what it sends is held, never dropped"),
		newState(s, "reinstate", "active", "Put a box back into full service"),
		newState(s, "quarantine", "quarantined", "Flag a box; it is served as before"))
	return c
}

func newCode(s *settings) *cobra.Command {
	var site, name string
	var hours int
	c := &cobra.Command{
		Use:   "code --site SITE --name NAME",
		Short: "Make a one-time code with which a box joins",
		Long: `code prints a one-time code. Type it at the box after "kazashi join". It is shown once, works for
one box, and for a day unless --hours says otherwise.`,
		Example: `  kazashi-central box code --site branch-1 --name "Counter 1"`,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			n, err := client.NewCode(c.Context(), admin.Code{Site: record.SiteID(site), Name: name, Hours: hours})
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), n.Code)
			fmt.Fprintf(c.ErrOrStderr(), "works once, until %s\n", n.Expires.Format(time.RFC3339))
			return nil
		},
	}
	c.Flags().StringVar(&site, "site", "", "site where the box will stand, for example branch-1")
	c.Flags().StringVar(&name, "name", "", "what people call the box")
	c.Flags().IntVar(&hours, "hours", 0, "how long the code works (default 24)")
	return c
}

func newState(s *settings, verb, state, short string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " BOX",
		Short:   short,
		Example: "  kazashi-central box " + verb + " 0123456789abcdef0123456789abcdef",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := record.ParseID(args[0])
			if err != nil {
				return &usageError{err}
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			return client.SetState(c.Context(), record.BoxID{ID128: id}, state)
		},
	}
}

func newList(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "list",
		Short: "List every box, and what must be looked at",
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
				return printJSON(c.OutOrStdout(), boxes)
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
			seen = b.Seen.Format(time.RFC3339)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", b.ID, b.Site, b.Name, b.State, seen, b.Waiting, b.Release)
		for _, r := range b.Reports {
			fmt.Fprintf(t, "\t%s: %s, epoch %s, %s\n", r.Kind, r.Reason, r.Epoch, r.At.Format(time.RFC3339))
		}
	}
	return t.Flush()
}

func newStatus(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Ask the running central how it is, in numbers",
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
				return printJSON(c.OutOrStdout(), st)
			}
			out := c.OutOrStdout()
			fmt.Fprintf(out, "release        %s, since %s\n", st.Release, st.Started.Format(time.RFC3339))
			fmt.Fprintf(out, "central epoch  %d\n", st.CentralEpoch)
			fmt.Fprintf(out, "boxes          %d, %d quarantined\n", st.Boxes, st.Quarantined)
			fmt.Fprintf(out, "records        %d applied, %d settled, %d corrected; %d waiting, %d set aside\n",
				st.Records, st.Settled, st.Corrected, st.Waiting, st.SetAside)
			fmt.Fprintf(out, "persons        %d\n", st.Persons)
			fmt.Fprintf(out, "reports        %d\n", st.Reports)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
