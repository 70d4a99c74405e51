package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
)

// maxPair bounds what is read of standard input: two serial numbers of 20 octets with room for zeroes.
const maxPair = 256

func newPerson(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "person",
		Short: "See who turned out to be two, and put it right",
		Long: `person is about people by the numbers of their rows, which name nobody outside the database.
What is done here is kept: "person acts" lists it.`,
		Example: `  kazashi-central person conflicts
  kazashi-central person merge 17 42`,
	}
	c.AddCommand(newConflicts(s), newMerge(s), newActs(s))
	return c
}

func newConflicts(s *settings) *cobra.Command {
	return listing(s, "conflicts", "List persons who seem to be one, or have one number", `conflicts lists, oldest first, pairs of persons whose certificates renewals join. "two": a PIN with
the new certificate made a person before the renewal was known; merge them. "birth": who enrolled with
the new certificate has another birth date, so that a renewal may be false; ask the service that told
it, and withdraw it. "number": one number of a service was linked to both; the desk of the later link
was told that it does not count, and there is nothing to do here.`, (*admin.Client).Conflicts, func(w io.Writer, all []admin.Conflict) {
		fmt.Fprintln(w, "KIND\tVERIFIER\tPERSON\tOTHER\tFOUND")
		for _, a := range all {
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", a.Kind, a.Verifier, a.Person, a.Other, command.Stamp(a.At))
		}
	})
}

func newActs(s *settings) *cobra.Command {
	return listing(s, "acts", "List what operators did to people, renewals and links", `acts lists mergers, withdrawals and imports of links, newest first, by numbers that name nobody.`,
		(*admin.Client).Acts, func(w io.Writer, all []admin.Act) {
			fmt.Fprintln(w, "WHEN\tWHAT\tDETAIL")
			for _, a := range all {
				fmt.Fprintf(w, "%s\t%s\t%s\n", command.Stamp(a.At), command.Plain(a.What), command.Plain(a.Detail))
			}
		})
}

// listing is a command that prints a list as a table or JSON.
func listing[T any](s *settings, verb, short, long string, ask func(*admin.Client, context.Context) ([]T, error), table func(io.Writer, []T)) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: verb, Short: short, Long: long,
		Example: "  kazashi-central person " + verb + "\n  kazashi-central person " + verb + " --json",
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			all, err := ask(client, c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), all)
			}
			t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
			table(t, all)
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newMerge(s *settings) *cobra.Command {
	var keep int64
	c := &cobra.Command{
		Use:   "merge PERSON OTHER",
		Short: "Make one person of two who are one",
		Long: `merge lets everything that leads to the younger of two persons lead to the older: certificates,
enrolments, and pseudonyms in sectors where the older has none. Handle and pseudonyms of the older go
on. Where both have a pseudonym in one sector it refuses, because one of them must end: say with --keep
whose go on, and tell the services of that verifier. It cannot be undone.`,
		Example: `  kazashi-central person merge 17 42
  kazashi-central person merge 17 42 --keep 42`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			q := admin.Merge{Keep: keep}
			var errA, errB error
			q.Person, errA = strconv.ParseInt(args[0], 10, 64)
			q.Other, errB = strconv.ParseInt(args[1], 10, 64)
			if errA != nil || errB != nil || q.Person < 1 || q.Other < 1 || c.Flags().Changed("keep") && keep != q.Person && keep != q.Other {
				return command.WrongUsage(c, errors.New("PERSON and OTHER are numbers from `person conflicts`, and --keep is one of them"))
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			m, err := client.Merge(c.Context(), q)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "person %d is now person %d; pseudonyms: %d moved, %d ended; enrolments superseded: %d\n",
				m.Gone, m.Kept, m.Moved, m.Ended, m.Enrolments)
			return nil
		},
	}
	c.Flags().Int64Var(&keep, "keep", 0, "person whose pseudonyms go on where both have one")
	return c
}

func newRenewal(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:     "renewal",
		Short:   "Take back a renewal that is not true",
		Long:    `renewal is about what the service of renewals told.`,
		Example: "  kazashi-central renewal withdraw < pair.txt",
	}
	c.AddCommand(newWithdraw(s))
	return c
}

func newWithdraw(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "withdraw",
		Short: "Take back a renewal, for good",
		Long: `withdraw reads two serial numbers in hexadecimal from standard input, the old certificate's and the
new one's, so that they stand in no list of processes and no history of a shell. Certificates that led to
a person over that renewal alone lead to nobody since; enrolments made with them end, and whoever shows
one with the PIN is a new person. The renewal counts no more however often the service tells it. What was
told of past taps stays.`,
		Example: "  kazashi-central renewal withdraw < pair.txt",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			b, err := io.ReadAll(io.LimitReader(c.InOrStdin(), maxPair))
			if err != nil {
				return fmt.Errorf("reading standard input: %w", err)
			}
			serials := strings.Fields(string(b))
			if len(serials) != 2 {
				return command.WrongUsage(c, errors.New("standard input is to hold two serial numbers, the old and the new"))
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			m, err := client.Withdraw(c.Context(), admin.Pair{Old: serials[0], New: serials[1]})
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "withdrawn; certificates that lead to nobody since: %d; enrolments ended: %d\n", m.Certificates, m.Enrolments)
			return nil
		},
	}
}
