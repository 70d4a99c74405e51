package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
)

// errCourier says that not everything was done. What was not is said before.
var errCourier = errors.New("not everything was done; the rest was")

func newCourier(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "courier",
		Short: "Exchange records and answers with boxes by USB stick",
		Long: `courier is the way by USB stick, for boxes without a line. A person writes what waits at a box onto a stick
("kazashi courier export" there), brings it here, and takes the answers back. A stick serves any number of boxes, sticks
come in any order, and one that is taken twice, or beside a line, changes nothing. What lies on it is sealed: whoever
finds it learns which boxes there are and how much they wrote.

In the three commands DIR is the folder where the stick is mounted. All is in the folder KAZASHI on it.`,
		Example: `  kazashi-central courier import /media/stick && kazashi-central courier export /media/stick
  kazashi-central courier status`,
	}
	c.AddCommand(newCourierImport(s), newCourierExport(s), newCourierStatus(s))
	return c
}

func newCourierImport(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "import DIR|FILE...",
		Short: "Take in what boxes wrote onto a stick",
		Long: `import takes everything that boxes wrote onto a stick, or single parcels: records, corrections of clocks, what each
box says that it has, and requests to join, whose answers are written onto the stick at once. Each part proves itself, by its box's
key or the seal of each record; what does not is refused by name, and the rest is taken. Nothing on the stick is removed: a box
does that once its records are safe.

Records of a box that has not joined are held, and opened when it joins; so are those of a box out of service. Parcels made from the
disk of a dead box ("kazashi recover" makes them) are taken like others. A request to join has to lie on a stick: hand in its folder.

What a broken-off import took, it keeps: do it again, and it does the rest. Exit status 1 if anything was refused.`,
		Example: `  kazashi-central courier import /media/stick
  kazashi-central courier import --json /media/stick | jq '.boxes[] | {box, new}'
  kazashi-central courier import recovered/KAZASHI/up/*/*.kzr`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			client, err := s.client()
			if err != nil {
				return err
			}
			t := &taking{client: client, out: c.OutOrStdout(), err: c.ErrOrStderr(), at: progressOf(c)}
			ended := t.all(c.Context(), args)
			return cmp.Or(ended, t.sum(asJSON, ended != nil))
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newCourierExport(s *settings) *cobra.Command {
	var g giving
	var boxes []string
	var asJSON bool
	c := &cobra.Command{
		Use:   "export DIR",
		Short: "Write the answers for boxes onto a stick",
		Long: `export writes what boxes lack onto a stick, by what each said last that it has: final verdicts, acknowledgements,
rules, trust, site keys, orders, rosters and revocation sets. It is for the boxes that have something on the stick; --box names others,
and --all is every box that has joined. A box that never said what it has gets everything. Each box reads its own part alone.

It waits until what the stick brought is opened (--wait), so that the verdicts go along. Room is looked for before anything is written; a file that lies there already and is right is not written again. Parcels for
the same box from before, which the new ones take the place of, are removed at the end, and so are files that no parcel names any more.
Pseudonyms never go by stick. What a broken-off export wrote is whole; do it again for the rest.`,
		Example: `  kazashi-central courier export /media/stick
  kazashi-central courier export /media/stick --box 0123456789abcdef0123456789abcdef
  kazashi-central courier export /media/stick --all`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if g.all && len(boxes) > 0 {
				return command.WrongUsage(c, errors.New("--all is every box; leave --box out"))
			}
			if g.named, err = boxIDs(c, boxes); err != nil {
				return err
			}
			if g.client, err = s.client(); err != nil {
				return err
			}
			g.out, g.err, g.at = c.OutOrStdout(), c.ErrOrStderr(), progressOf(c)
			ended := g.onto(c.Context(), args[0])
			return cmp.Or(ended, g.sum(asJSON, ended != nil))
		},
		ValidArgsFunction: directories,
	}
	c.Flags().StringArrayVar(&boxes, "box", nil, "a box that is to have its part, by its id; again for each")
	c.Flags().DurationVar(&g.wait, "wait", time.Minute, "how long to wait at most until the records that came are opened")
	c.Flags().BoolVar(&g.all, "all", false, "every box that has joined and is in service")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	_ = c.RegisterFlagCompletionFunc("box", func(c *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return knownBoxes(c, s)
	})
	return c
}

func newCourierStatus(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Say what sticks have brought so far, or what lies on one",
		Long: `status lists the boxes that ever came by stick: when each said last what it has, what it had not delivered then, and
how many verdicts it had not got. Below stand boxes that have not joined, and how many records are held for each.

With DIR it looks at a stick instead, without taking anything: which boxes wrote how much, and what cannot be read. It then
needs no running central.`,
		Example: `  kazashi-central courier status
  kazashi-central courier status /media/stick`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return lookAt(c.OutOrStdout(), args[0], asJSON)
			}
			client, err := s.client()
			if err != nil {
				return err
			}
			st, err := client.Courier(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), st)
			}
			return printCourier(c.OutOrStdout(), st)
		},
		ValidArgsFunction: directories,
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// directories completes to folders.
func directories(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// knownBoxes completes to the ids of boxes, if central answers.
func knownBoxes(c *cobra.Command, s *settings) ([]cobra.Completion, cobra.ShellCompDirective) {
	client, err := s.client()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	all, err := client.Boxes(c.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var words []cobra.Completion
	for _, b := range all {
		words = append(words, cobra.CompletionWithDesc(b.ID.String(), command.Plain(b.Name)))
	}
	return words, cobra.ShellCompDirectiveNoFileComp
}

// progress says on a terminal how far something is, in one line that is written over.
type progress struct {
	w    io.Writer
	long int // columns of the line
}

// progressOf is silent where nobody looks.
func progressOf(c *cobra.Command) *progress {
	if f, ok := c.ErrOrStderr().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return &progress{w: f}
	}
	return &progress{}
}

func (p *progress) say(format string, args ...any) {
	if p.w == nil {
		return
	}
	line := fmt.Sprintf(format, args...)
	fmt.Fprintf(p.w, "\r%-*s", p.long, line)
	p.long = max(p.long, len(line))
}

// done wipes the line, before anything else is printed.
func (p *progress) done() {
	if p.w != nil && p.long > 0 {
		fmt.Fprintf(p.w, "\r%*s\r", p.long, "")
		p.long = 0
	}
}

// several counts in words: "1 record", "2 records".
func several[N int | int64 | uint64](n N, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// titled names a box for people.
func titled(name, site string) string {
	if name == "" {
		return "has not joined"
	}
	return command.Plain(name) + ", " + site
}

var _ admin.Carrier = (*admin.Client)(nil)
