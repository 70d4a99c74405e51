// Kazashi-fw looks after the software of a box: today it says what a built program is made of.
//
// It needs no configuration, no network and no running box, and writes nothing.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/manifest"
)

// Exit statuses, as in the help.
const (
	exitFailed = 1 // the file cannot be read, or is not a program built by Go
	exitUsage  = 2 // the command line is wrong
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run executes one command line and returns its exit status.
func run(args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.Execute()
	var failed *failure
	switch {
	case err == nil:
		return 0
	case errors.As(err, &failed):
		fmt.Fprintf(stderr, "kazashi-fw: %v\n", err)
		return exitFailed
	default:
		fmt.Fprintf(stderr, "kazashi-fw: %v\nRun 'kazashi-fw --help' for usage.\n", err)
		return exitUsage
	}
}

// failure marks an error of the work itself, apart from errors of the command line.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "kazashi-fw",
		Short: "Look after the software of a Kazashi box",
		Long: `kazashi-fw looks after the software of a Kazashi box.

Exit status: 0 done; 1 the file cannot be read or is not a program built by Go; 2 the command line is wrong.`,
		Args:          cobra.NoArgs,
		RunE:          func(*cobra.Command, []string) error { return errors.New("a command is needed") },
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.AddCommand(newVersion(), newInspect())
	return root
}

func newVersion() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "version",
		Short:   "Print this program's version",
		Example: "  kazashi-fw version\n  kazashi-fw version --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			m := manifest.Current()
			if asJSON {
				return write(c.OutOrStdout(), m.JSON())
			}
			return write(c.OutOrStdout(), []byte(m.String()+"\n"))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the whole manifest as JSON")
	return c
}

func newInspect() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "inspect FILE",
		Short: "Print what a built program is made of",
		Long: `Print what a built program is made of: version, revision, Go release, target, the file's SHA-256, and each module in it
with the checksum under which it was fetched. The list comes from what the Go linker wrote into the program.
It proves nothing about who made the file.`,
		Example: "  kazashi-fw inspect /usr/bin/kazashi\n  kazashi-fw inspect --json bin/kazashi-central",
		Args:    oneFile,
		RunE: func(c *cobra.Command, args []string) error {
			m, err := manifest.ReadFile(args[0])
			if err != nil {
				return &failure{err}
			}
			if asJSON {
				return write(c.OutOrStdout(), m.JSON())
			}
			return printTable(c.OutOrStdout(), m)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the manifest as JSON")
	return c
}

func oneFile(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("inspect takes one file, %d given", len(args))
	}
	return nil
}

func write(w io.Writer, b []byte) error {
	if _, err := w.Write(b); err != nil {
		return &failure{fmt.Errorf("writing the answer: %w", err)}
	}
	return nil
}

func printTable(w io.Writer, m manifest.Manifest) error {
	revision := m.Revision
	if revision == "" {
		revision = manifest.Unknown
	}
	if m.Modified {
		revision += " (modified)"
	}
	cgo := "without cgo"
	if m.Cgo {
		cgo = "cgo allowed"
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "program\t%s\npackage\t%s\nversion\t%s\nrevision\t%s\n", m.Program, m.Package, m.Version, revision)
	fmt.Fprintf(t, "go\t%s\ntarget\t%s/%s, %s\nsha256\t%s\nmodules\t%d\n\n", m.Go, m.OS, m.Arch, cgo, m.SHA256, len(m.Modules))
	for _, d := range m.Modules {
		line := d.Path + "\t" + d.Version + "\t" + d.Sum
		if d.Instead != "" {
			line += "\tinstead of " + d.Instead
		}
		fmt.Fprintln(t, line)
	}
	if err := t.Flush(); err != nil {
		return &failure{fmt.Errorf("writing the answer: %w", err)}
	}
	return nil
}
