package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
)

func newCourierStatus(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [FOLDER]",
		Short: "Say which sticks are there and what was done last, or what is on one",
		Long: `status asks the running box for the sticks that are mounted where courier.sticks says, what was done with one last, and how
many records wait. With FOLDER it reads what is on that stick by itself, whether the box runs or not: of each box how many files go up to
central, come down from it, or were recovered from a dead box, when the newest was made, and what is wrong with one. It changes nothing.`,
		Example: `  kazashi courier status
  kazashi courier status /media/usb --json | jq -r '.[] | select(.problem) | .file'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return lookAtStick(c.OutOrStdout(), args[0], asJSON)
			}
			return asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
				v, err := client.Courier(c.Context())
				if err != nil || asJSON {
					return printOr(c, v, err)
				}
				return printCourier(c.OutOrStdout(), v)
			})(c, nil)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func printCourier(w io.Writer, v localapi.Courier) error {
	fmt.Fprintf(w, "waiting    %d records, %d not safe at central\n", v.Waiting, v.Unsafe)
	if j := v.Job; j != nil {
		state := "ended " + command.Stamp(j.Ended)
		if j.Ended.IsZero() {
			state = fmt.Sprintf("under way, %d of %d", j.Done, j.Total)
		}
		fmt.Fprintf(w, "%-10s %s, %s\n", j.What, command.Plain(j.Stick), state)
		if j.Summary != nil {
			printSummary(w, j.What, *j.Summary)
		}
		if j.Failed != nil {
			fmt.Fprintf(w, "%-10s %s: %s\n", "failed", j.Failed.Code, j.Failed.MessageEN)
		}
	}
	if !v.Folder {
		fmt.Fprintln(w, "sticks     courier.sticks names no folder; give the stick's folder to export and import")
		return nil
	}
	return table(w, "STICK\tFREE\tUP\tDOWN\tPROBLEM", v.Sticks, func(s localapi.Stick) []string {
		problem := map[bool]string{true: "-", false: string(localapi.CodeStickReadOnly)}[s.Writable]
		if s.Problem != nil {
			problem = string(s.Problem.Code)
		}
		return []string{command.Plain(s.Path), fmt.Sprintf("%d MB", s.Free/1e6), fmt.Sprint(s.Up), fmt.Sprint(s.Down), problem}
	})
}

// onStick is one file on a stick.
type onStick struct {
	File    string       `json:"file"`
	Kind    string       `json:"kind"`
	Box     record.BoxID `json:"box"`
	Made    time.Time    `json:"made,omitzero"`
	Octets  int64        `json:"octets,omitempty"`
	Records uint64       `json:"records,omitempty"` // that it says it carries
	Problem string       `json:"problem,omitempty"`
}

// lookAtStick lists what is on a stick. It believes no file: central and the boxes verify what they take.
func lookAtStick(w io.Writer, folder string, asJSON bool) error {
	stick, err := courier.Find(folder)
	if err != nil {
		return err
	}
	defer stick.Close()
	files := []onStick{}
	for _, kind := range []courier.Kind{courier.Up, courier.Down, courier.Recovered, courier.Joining, courier.Joined} {
		boxes, err := stick.Boxes(kind)
		if err != nil {
			return err
		}
		for _, box := range boxes {
			names, err := stick.Parcels(kind, box)
			if err != nil {
				return err
			}
			for _, name := range names {
				files = append(files, look(stick, name))
			}
		}
	}
	if asJSON {
		return command.PrintJSON(w, files)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BOX\tKIND\tMADE\tRECORDS\tPROBLEM\tFILE")
	for _, f := range files {
		problem := f.Problem
		if problem == "" {
			problem = "-"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%s\n", f.Box, f.Kind, command.Stamp(f.Made), f.Records, problem, f.File)
	}
	return t.Flush()
}

func look(stick *courier.Stick, name courier.Name) onStick {
	f := onStick{File: name.String(), Kind: name.Kind.String(), Box: name.Box}
	p, err := stick.Open(name)
	if err != nil {
		f.Problem = err.Error()
		return f
	}
	defer p.Close()
	f.Made, f.Octets = p.Made, p.Size
	for _, c := range p.Covers {
		if c.Last >= c.First {
			f.Records += uint64(c.Last-c.First) + 1
		}
	}
	return f
}
