package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/firmware/manifest"
	"kazashi.example/localapi"
)

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this program",
		Example: "  kazashi version",
		RunE: func(c *cobra.Command, _ []string) error {
			fmt.Fprintln(c.OutOrStdout(), "kazashi", manifest.Current().Version)
			return nil
		},
	}
}

func newStatus(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Ask the running box how it is",
		Long: `status asks the daemon over the socket in the data directory. The mode is online, offline (taps go on) or
stopped (no tap can be taken; the problem says why). Records that wait are durable here and not yet
held by central; those that are not safe would be lost with this disk. The disk is said to be low before it is
full; when it is full no tap is taken, so that no record can be lost. A journal that was found damaged is set
aside and read for whole records, while taps go on.`,
		Example: `  kazashi status
  kazashi status --json | jq .waiting.records`,
		RunE: func(c *cobra.Command, _ []string) error {
			client, err := dial(s)
			if err != nil {
				return err
			}
			defer client.Close()
			st, err := client.Status(c.Context())
			if err != nil {
				return unreachable(err)
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), st)
			}
			printStatus(c.OutOrStdout(), st)
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newTaps(s *settings) *cobra.Command {
	var asJSON bool
	var n int
	c := &cobra.Command{
		Use:   "taps",
		Short: "List the latest taps with first and final verdict",
		Long: `taps asks the daemon for the latest taps, newest first. A tap is waiting (durable on this box), received (by
central), safe (in a backup of central's) or settled (the final verdict is durable here). CORRECTED
marks a final verdict that takes back what the counter did, UNSEEN one from before a restart that perhaps nobody saw.
It names nobody.`,
		Example: `  kazashi taps
  kazashi taps -n 100 --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			if n < 1 || n > localapi.MaxTaps {
				return command.WrongUsage(c, fmt.Errorf("-n is 1 to %d", localapi.MaxTaps))
			}
			client, err := dial(s)
			if err != nil {
				return err
			}
			defer client.Close()
			taps, err := client.Taps(c.Context(), n)
			if err != nil {
				return unreachable(err)
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), taps)
			}
			return printTaps(c.OutOrStdout(), taps)
		},
	}
	c.Flags().IntVarP(&n, "number", "n", localapi.DefaultTaps, "how many")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func dial(s *settings) (*localapi.Client, error) {
	conf, err := s.load()
	if err != nil {
		return nil, err
	}
	return localapi.NewClient("unix:" + conf.Socket())
}

// unreachable says what to do about a socket that this user may not open.
func unreachable(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("this user may not ask the box; run the command as the user that the box runs as: %w", err)
	}
	return err
}

func printStatus(w io.Writer, s localapi.Status) {
	row := func(name, format string, a ...any) { fmt.Fprintf(w, "%-10s %s\n", name, fmt.Sprintf(format, a...)) }
	row("box", "%s at site %s, desk %s", s.Box, s.Site, s.Desk)
	row("software", "%s", s.Software)
	practice := ""
	if s.Service.Practice {
		practice = "  PRACTICE - not real"
	}
	row("service", "%s (basis %s)%s", s.Service.ID, s.Service.Basis, practice)
	row("mode", "%s", s.Mode)
	if s.Problem != "" {
		row("problem", "%s", s.Problem)
	}
	row("line", "%s since %s%s", map[bool]string{true: "up", false: "down"}[s.Line.Up], command.Stamp(s.Line.Since), answered(s.Line))
	if s.List.ThisUpdate.IsZero() {
		row("list", "none")
	} else {
		row("list", "number %d of %s, %s old", s.List.Number, command.Stamp(s.List.ThisUpdate), time.Duration(s.List.AgeSeconds)*time.Second)
	}
	row("clock", "%s, confidence %s", command.Stamp(s.Clock.Now), s.Clock.Confidence)
	row("waiting", "%d records, %d not safe at central", s.Waiting.Records, s.Waiting.Unsafe)
	printJournal(row, s.Journal)
	if s.Unseen > 0 {
		row("unseen", "%d verdicts from before a restart: \"kazashi unseen list\"", s.Unseen)
	}
	if s.Work > 0 {
		row("work", "%d corrected verdicts that nobody has looked at: \"kazashi work list\"", s.Work)
	}
	for _, r := range s.Readers {
		row("reader", "%s%s", command.Plain(r.Name), map[bool]string{true: ", a card lies on it"}[r.Card])
	}
	if len(s.Readers) == 0 {
		row("reader", "none")
	}
}

// printJournal says how the records stand on the box's own disk.
func printJournal(row func(name, format string, a ...any), j localapi.Journal) {
	row("disk", "%s", map[localapi.DiskState]string{
		localapi.DiskOK: "room for records", localapi.DiskLow: "LOW: make room soon", localapi.DiskFull: "FULL: no tap is taken until there is room",
	}[j.Disk])
	if j.Checked < j.ToCheck {
		row("checked", "%d of %d records looked through since the start", j.Checked, j.ToCheck)
	}
	for _, a := range j.SetAside {
		state := "read"
		if a.Reading {
			state = "being read"
		}
		row("set aside", "%s %s: %d records taken over, %d damaged", command.Plain(a.File), state, a.Records, a.Damaged)
		if a.Unreadable > 0 {
			row("disk", "FAILS: %d pages of %s cannot be read; replace it", a.Unreadable, command.Plain(a.File))
		}
	}
}

// answered is what is known of the other end.
func answered(l localapi.Line) (s string) {
	if !l.Heard.IsZero() {
		s = ", last answer " + command.Stamp(l.Heard)
	}
	if l.Trouble != "" {
		s += ", trouble " + string(l.Trouble)
	}
	return s
}

func printTaps(w io.Writer, taps []localapi.Tap) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "TIME\tCODE\tSERVICE\tFIRST\tSTATE\tFINAL\t")
	for _, p := range taps {
		final := "-"
		if p.Final != nil {
			final = outcome(*p.Final)
		}
		mark := ""
		if p.Corrected {
			mark = "CORRECTED"
		}
		if p.Restored {
			mark = strings.TrimSpace(mark + " UNSEEN")
		}
		fmt.Fprintln(t, strings.Join([]string{command.Stamp(p.Time), p.Spoken, string(p.Service), outcome(p.First), string(p.State), final, mark}, "\t"))
	}
	return t.Flush()
}

func outcome(o localapi.Outcome) string { return fmt.Sprintf("%s (%s)", o.Verdict, o.Reason) }
