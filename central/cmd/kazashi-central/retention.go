package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
)

func newRetention(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "retention",
		Short: "See what is kept of taps and for how long, and erase what is over",
		Long: `retention is about keep_records and keep_attributes of each service. Days count from the tap, by the rule that was in force
then or the one in force now, whichever is shorter. When they are over, a record loses its content, the keyed serial and the pseudonym, and
the envelope that it came in; what numbers it, proves that it came and says what was decided stays. An enrolment loses its attributes and
stays, and so does who a pseudonym belongs to.

Days are over only once a revocation list is dated so, which its authority signed: a clock that jumps ahead erases nothing. Nothing is erased
within a day of being applied.`,
		Example: `  kazashi-central retention show
  kazashi-central retention run`,
	}
	c.AddCommand(newRetentionShow(s), newRetentionRun(s))
	return c
}

func newRetentionShow(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show",
		Short: "Show what is kept of each service, and when something was erased last",
		Long: `show counts, of each service, records with their contents, those of them with attributes, and those that were erased; beside it the
days of the rule in force, and since when the oldest is kept. Below stand the backups that were made before something was erased, and hold it:
automatic ones go by themselves, those with a name when somebody removes them.`,
		Example: `  kazashi-central retention show
  kazashi-central retention show --json | jq .services`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			r, err := client.Retention(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), r)
			}
			return printRetention(c.OutOrStdout(), r)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printRetention(w io.Writer, r admin.Retention) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "SERVICE\tKEEP RECORDS\tKEEP ATTRIBUTES\tRECORDS\tWITH ATTRIBUTES\tERASED\tOLDEST")
	for _, s := range r.Services {
		name := command.Plain(string(s.Service))
		if s.Service == "" {
			name = "unreadable"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t%d\t%s\n", name, days(s.KeepRecords, s.InForce, "no end"),
			days(s.KeepAttributes, s.InForce, "as records"), s.Records, s.Attributes, s.Erased, stamp(s.Oldest, ""))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(w, "last round     %s, as of %s\n", stamp(r.Round, "none yet"), stamp(r.AsOf, "no time: there was no list"))
	fmt.Fprintf(w, "last erased    %s, of %d records\n", stamp(r.Erased, "never"), r.Records)
	for _, b := range r.Backups {
		if _, err := fmt.Fprintf(w, "still in backup %s of %s\n", command.Plain(b.Name), command.Stamp(b.Made)); err != nil {
			return err
		}
	}
	return nil
}

func days(n uint32, inForce bool, none string) string {
	switch {
	case !inForce:
		return "no rule now"
	case n == 0:
		return none
	default:
		return fmt.Sprintf("%d days", n)
	}
}

func stamp(at time.Time, none string) string {
	if at.IsZero() {
		return none
	}
	return command.Stamp(at)
}

func newRetentionRun(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "run",
		Short: "Erase now what is kept for long enough",
		Long: `run does at once what the running central does at its start and then every retention.every: it erases what is over, and makes an
automatic backup without it. It waits for a round that is under way. There is no way back but a backup, and what one brings back is erased
again.`,
		Example: `  kazashi-central retention run
  kazashi-central retention run --json | jq .records`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			e, err := client.Erase(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), e)
			}
			if e.AsOf.IsZero() {
				_, err = fmt.Fprintln(c.OutOrStdout(), "nothing was looked at: there is no list yet that says what time it is")
				return err
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "erased: contents of %d records, attributes alone of %d; over by %s\n", e.Records, e.Attributes, command.Stamp(e.AsOf))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
