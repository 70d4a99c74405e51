package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/central/loss"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/durable"
)

// endPeople is what the list of people is called after the report.
const endPeople = ".people.csv"

func newLost(s *settings) *cobra.Command {
	var report string
	var yes bool
	var days int
	c := &cobra.Command{
		Use:   "lost BOX --yes",
		Short: "Take a lost box out of service, and write the report on it",
		Long: `lost takes a box out of service that was lost or stolen, and has its site seal under a new key. It writes two files that only their owner
reads: a report for the person in charge of data protection, in Japanese and English, with counts and no names; and beside it, ending in
.people.csv, the people concerned by the pseudonyms of each service: who ever enrolled at the site, and who tapped at the box (within --days, or ever).

Said again it changes nothing and writes the files anew, with the first time of the loss. "box reinstate" ends it when the box was found.
Without --yes it says whom the loss would concern, and does nothing. "box wipe" besides orders the box to erase what names people, in case it
is ever on the line again.`,
		Example: `  kazashi-central box lost 0123456789abcdef0123456789abcdef
  kazashi-central box lost 0123456789abcdef0123456789abcdef --yes --report loss.md`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := boxID(c, args[0])
			if err != nil {
				return err
			}
			if days < 0 {
				return command.WrongUsage(c, errors.New("--days is 1 or more"))
			}
			q := admin.Lose{Box: id, Do: yes}
			if days > 0 {
				q.Since = time.Now().Add(-time.Duration(days) * 24 * time.Hour).UTC()
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			l, err := client.Lost(c.Context(), q)
			if err != nil {
				return err
			}
			if !yes {
				printConcerned(c.OutOrStdout(), l.Facts)
				return command.WrongUsage(c, errors.New("nothing was done; say --yes to take the box out of service and to write the report"))
			}
			if report == "" {
				report = fmt.Sprintf("lost-%s.md", id)
			}
			if err := writeLoss(report, l); err != nil {
				return fmt.Errorf("the box is out of service, and the report could not be written; say the same again with another --report: %w", err)
			}
			return sayLost(c, report, l)
		},
	}
	c.Flags().StringVar(&report, "report", "", "where to write the report; default lost-BOX.md here")
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	c.Flags().IntVar(&days, "days", 0, "list who tapped at the box in that many days alone")
	return c
}

func sayLost(c *cobra.Command, report string, l admin.Lost) error {
	out := c.OutOrStdout()
	was := "is lost, and out of service, since"
	if l.Known {
		was = "was said to be lost before, and is out of service, since"
	}
	fmt.Fprintf(out, "box %s %s %s\n", l.Facts.Box, was, command.Stamp(l.Facts.Lost))
	if l.Facts.Key != "" {
		fmt.Fprintf(out, "site %s seals under %s, made %s\n", l.Facts.Site, l.Facts.Key, command.Stamp(l.Facts.KeyMade))
	}
	printConcerned(out, l.Facts)
	_, err := fmt.Fprintf(out, "report: %s\npeople: %s\n", report, peopleFile(report))
	return err
}

func printConcerned(w io.Writer, f loss.Facts) {
	fmt.Fprintf(w, "people concerned  %d: %d ever enrolled at %s, %d tapped at this box\n", f.People.All, f.People.Enrolled, f.Site, f.People.Tapped)
	for _, s := range f.Services {
		fmt.Fprintf(w, "service           %s: %d\n", s.Service, s.People)
	}
	if f.People.Unsafe > 0 {
		fmt.Fprintf(w, "not listed        %d pseudonyms are in no backup yet; run `kazashi-central backup NAME` and say it again\n", f.People.Unsafe)
	}
	fmt.Fprintf(w, "records           %d settled, %d held, %d waiting; %d in no backup\n", f.Held.Records, f.Held.Held, f.Held.Ready, f.Held.Unsafe)
	if f.Seen.IsZero() {
		fmt.Fprintln(w, "on the box        not known: nothing was heard of it since central was started")
		return
	}
	fmt.Fprintf(w, "on the box        %d records not delivered when it was heard last, %s; since then not known\n", f.Waiting, command.Stamp(f.Seen))
}

func peopleFile(report string) string { return strings.TrimSuffix(report, ".md") + endPeople }

// writeLoss writes both files; the list first, so that a report is never without it.
func writeLoss(report string, l admin.Lost) error {
	var list, text bytes.Buffer
	w := csv.NewWriter(&list)
	rows := [][]string{{"service", "ppid", "enrolled", "tapped"}}
	for _, p := range l.People {
		rows = append(rows, []string{string(p.Service), p.PPID, yesNo(p.Enrolled), yesNo(p.Tapped)})
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	if err := loss.Report(&text, l.Facts); err != nil {
		return err
	}
	if err := durable.WriteFile(peopleFile(report), list.Bytes(), 0o600); err != nil {
		return err
	}
	return durable.WriteFile(report, text.Bytes(), 0o600)
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
