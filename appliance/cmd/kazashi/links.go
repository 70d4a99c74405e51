package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// errImport says that a file of links was not taken.
var errImport = errors.New("nothing of the file was taken")

func newUnlink(s *settings) *cobra.Command {
	var service string
	c := &cobra.Command{
		Use:   "unlink",
		Short: "Take a service's own number back without the card",
		Long: `unlink reads a number, such as that of a library card, from standard input or the terminal, and has it name nobody any more: in
the name of whoever is signed in, with a sealed record to central. The number is never an argument, which every user of the
machine can read. With the card at hand, use the counter page instead.`,
		Example: `  kazashi unlink --service library-card
  kazashi unlink --service library-card <number.txt     not by echo, which leaves it in the shell's history`,
		Args: cobra.NoArgs,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			b, err := command.Secret(c, "number")
			if err != nil {
				return err
			}
			defer clear(b)
			return client.Unlink(c.Context(), localapi.Unlink{Service: record.ServiceID(service), Number: string(b)})
		}),
	}
	c.Flags().StringVar(&service, "service", "", "whose number it is")
	_ = c.MarkFlagRequired("service")
	return c
}

func newLink(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "link",
		Short: "Bring existing links between people and a service's numbers",
		Long: `Links are made at the counter page, with the card. Those that a service has kept until now belong to central: "kazashi-central link
import" brings them to every box and into backups. link import brings them to this box alone, for a site that cannot wait for its line.`,
		Example: `  kazashi link import --service library-card --dry-run links.csv`,
	}
	c.AddCommand(newLinkImport(s))
	return c
}

func newLinkImport(s *settings) *cobra.Command {
	var service, encoding string
	var dry, asJSON bool
	c := &cobra.Command{
		Use:   "import FILE",
		Short: "Take a CSV file of links, whole or not at all",
		Long: `import reads a CSV file (RFC 4180) whose first line is "ppid,number" or "ppid,number,since" and links each PPID of somebody on
this site's roster to the number. "since" is a date, YYYY-MM-DD.

The links count at this box alone, and central never hears of them: other boxes can link the same numbers to others, and a lost box takes them
along. Have the same file imported at central with "kazashi-central link import"; each link here ends once the roster says anything of that
person's number.

If one line is at fault nothing is taken, and every fault is named by its line: a formula (a value that begins with =, +, - or @),
a number or PPID twice, a number that somebody else has, an unknown person, another encoding than said, an empty or over-long
value, a wrong number of columns. The values themselves are never printed. FILE may be - for standard input.`,
		Example: `  kazashi link import --service library-card --dry-run links.csv     look only
  kazashi link import --service library-card --encoding shift_jis links.csv`,
		Args: cobra.ExactArgs(1),
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
			how := localapi.Import{Service: record.ServiceID(service), Encoding: localapi.Encoding(encoding), DryRun: dry}
			r, err := importFrom(c, client, args[0], how)
			if err != nil {
				return err
			}
			if asJSON {
				err = command.PrintJSON(c.OutOrStdout(), r)
			} else {
				printImport(c.OutOrStdout(), r)
			}
			if len(r.Faults) > 0 {
				return errors.Join(err, errImport)
			}
			return err
		}),
	}
	c.Flags().StringVar(&service, "service", "", "whose numbers they are")
	c.Flags().StringVar(&encoding, "encoding", string(localapi.EncodingUTF8), "utf-8 or shift_jis")
	c.Flags().BoolVar(&dry, "dry-run", false, "look only")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = c.MarkFlagRequired("service")
	return c
}

func importFrom(c *cobra.Command, client *localapi.Client, path string, how localapi.Import) (r localapi.ImportReport, err error) {
	file := c.InOrStdin()
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return r, fmt.Errorf("opening a file of links: %w", err)
		}
		defer f.Close()
		file = f
	}
	return client.Import(c.Context(), file, how)
}

func printImport(w io.Writer, r localapi.ImportReport) {
	for _, f := range r.Faults {
		if f.Line == 0 {
			fmt.Fprintf(w, "file: %s\n", f.What)
			continue
		}
		fmt.Fprintf(w, "line %d: %s\n", f.Line, f.What)
	}
	if r.Left > 0 {
		fmt.Fprintf(w, "and %d more\n", r.Left)
	}
	done := map[bool]string{true: "would be linked", false: "linked"}[r.DryRun]
	fmt.Fprintf(w, "%d rows, %d %s, %d were linked so already\n", r.Rows, r.Linked, done, r.Present)
}
