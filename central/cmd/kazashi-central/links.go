package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/record"
)

// errImport says that a file of links was not taken.
var errImport = errors.New("nothing of the file was taken")

func newLink(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "link",
		Short: "Take over existing links between people and a service's numbers",
		Long: `link is about the numbers by which services know people, such as those of library cards. Links are made at
counters, with the card; "link import" takes over those that a service kept until now.`,
		Example: `  kazashi-central link import --service library-card --dry-run links.csv`,
	}
	c.AddCommand(newLinkImport(s))
	return c
}

func newLinkImport(s *settings) *cobra.Command {
	var service string
	var dry bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Take a CSV file of links over, for every box",
		Long: `import reads a CSV file (UTF-8) whose first line is "ppid,number" or "ppid,number,since" and links each PPID to the
number, as of now ("since" is not used). The roster tells every box of the sites where the people are enrolled, and a backup keeps the links.

If one line is at fault nothing is taken, and every fault is named by its line: a formula (a value that begins with =, +, - or @), a
number or PPID twice, a number that is somebody else's, a person who has another number, an unknown person. The values are never
printed. What a stop left undone is done by the same command again. FILE may be - for standard input.`,
		Example: `  kazashi-central link import --service library-card --dry-run links.csv
  kazashi-central link import --service library-card - <links.csv`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			file := c.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return fmt.Errorf("opening a file of links: %w", err)
				}
				defer f.Close()
				file = f
			}
			all, err := readLinks(file)
			if err != nil {
				return err
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			r, err := client.ImportLinks(c.Context(), admin.Import{Service: record.ServiceID(service), DryRun: dry, Links: all})
			if err != nil {
				return err
			}
			return printImported(c.OutOrStdout(), r)
		},
	}
	c.Flags().StringVar(&service, "service", "", "whose numbers they are")
	c.Flags().BoolVar(&dry, "dry-run", false, "look only")
	_ = c.MarkFlagRequired("service")
	return c
}

// readLinks reads a file; its errors name lines and no values.
func readLinks(r io.Reader) (all []admin.ImportLink, err error) {
	lines := csv.NewReader(r)
	head, err := lines.Read()
	name := strings.TrimPrefix(strings.Join(head, ","), "\ufeff")
	if err != nil || name != "ppid,number" && name != "ppid,number,since" {
		return nil, fmt.Errorf("line 1 is not ppid,number or ppid,number,since: %w", errImport)
	}
	for {
		fields, err := lines.Read()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		var bad *csv.ParseError
		if errors.As(err, &bad) {
			return nil, fmt.Errorf("line %d: not the columns that the first line names: %w", bad.Line, errImport)
		}
		if err != nil {
			return nil, fmt.Errorf("reading a file of links: %w", err)
		}
		line, _ := lines.FieldPos(0)
		for _, v := range fields[:2] {
			if v == "" || strings.ContainsAny(v[:1], "=+-@\t\r") {
				return nil, fmt.Errorf("line %d: empty, or begins like a formula of a spreadsheet: %w", line, errImport)
			}
		}
		all = append(all, admin.ImportLink{Line: line, PPID: fields[0], Number: fields[1]})
	}
}

func printImported(w io.Writer, r admin.Imported) error {
	for _, f := range r.Faults {
		fmt.Fprintf(w, "line %d: %s\n", f.Line, command.Plain(f.What))
	}
	if r.Left > 0 {
		fmt.Fprintf(w, "and %d more\n", r.Left)
	}
	done := map[bool]string{true: "would be linked", false: "linked"}[r.DryRun]
	fmt.Fprintf(w, "%d rows, %d %s, %d were linked so already\n", r.Rows, r.Linked, done, r.Present)
	if len(r.Faults) > 0 {
		return errImport
	}
	return nil
}
