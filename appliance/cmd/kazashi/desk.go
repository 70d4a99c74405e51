package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// errNoTap says that a code names no tap, or several.
var errNoTap = errors.New("no such code in the list, or several; give the whole tap id")

// asking dials the box and says what to do about an answer that is none.
func asking(s *settings, do func(*cobra.Command, *localapi.Client, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		client, err := dial(s)
		if err != nil {
			return err
		}
		defer client.Close()
		return unreachable(do(c, client, args))
	}
}

func newStaff(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "staff",
		Short: "Say who works at this site and may sign in",
		Long: `staff keeps who may sign in at this site's desks by a code of their own, also while there is no line. The id stands in the
sealed record of every tap that happens while they are signed in; the name is shown on the pages. All of it is sealed under the
site's keys, so the box must be unlocked.`,
		Example: `  kazashi staff add s-01      asks for name and code
  kazashi staff list
  kazashi staff remove s-01`,
	}
	c.AddCommand(newStaffList(s), newStaffAdd(s), &cobra.Command{
		Use:     "remove ID",
		Short:   "Let somebody sign in no more",
		Example: "  kazashi staff remove s-01",
		Args:    cobra.ExactArgs(1),
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
			return client.RemoveStaff(c.Context(), args[0])
		}),
	})
	return c
}

func newStaffList(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "list",
		Short:   "List who may sign in",
		Example: "  kazashi staff list --json",
		Args:    cobra.NoArgs,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			all, err := client.Staff(c.Context())
			if err != nil || asJSON {
				return printOr(c, all, err)
			}
			return table(c.OutOrStdout(), "ID\tNAME\tSIGNED IN", all, func(p localapi.Staff) []string {
				return []string{p.ID, command.Plain(p.Name), command.Stamp(p.Since)}
			})
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func newStaffAdd(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "add ID",
		Short: "Enter somebody, or give them another name or code",
		Long: `add asks for the name, as the pages show it, and for the code by which they will sign in, 6 to 64 characters, twice and without
showing it; where standard input is no terminal its next two lines are name and code. Neither is an argument, which every user of the
machine can read. A code that somebody else has is refused.`,
		Example: `  kazashi staff add s-01
  kazashi staff add s-01 <name-and-code.txt`,
		Args: cobra.ExactArgs(1),
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
			name, err := command.Line(c, "name")
			if err != nil {
				return err
			}
			code, err := newCode(c)
			if err != nil {
				return err
			}
			defer code.Wipe()
			return client.SetStaff(c.Context(), localapi.NewStaff{ID: args[0], Name: name, Code: code})
		}),
	}
}

func newCode(c *cobra.Command) (localapi.Secret, error) {
	b, err := command.NewSecret(c, "staff code", "once more")
	if err != nil {
		return localapi.Secret{}, err
	}
	defer clear(b)
	return localapi.NewSecret(string(b)), nil
}

func newDesk(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "desk",
		Short: "Sign in and out at this desk",
		Long: `desk says who is at this desk, signs somebody in by their code (and out whoever was), and signs them out. Who is signed in
stands in the sealed record of every tap. After too many wrong codes the box waits before it looks at the next.`,
		Example: `  kazashi desk in          asks for the code, without showing it
  kazashi desk who
  kazashi desk out`,
	}
	c.AddCommand(&cobra.Command{
		Use: "in", Short: "Sign in by a code", Example: "  kazashi desk in", Args: cobra.NoArgs,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			b, err := command.Secret(c, "staff code")
			if err != nil {
				return err
			}
			defer clear(b)
			code := localapi.NewSecret(string(b))
			defer code.Wipe()
			who, err := client.SignIn(c.Context(), code)
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "%s (%s) is signed in\n", command.Plain(who.Name), who.ID)
			}
			return told(err)
		}),
	}, &cobra.Command{
		Use: "out", Short: "Sign out", Example: "  kazashi desk out", Args: cobra.NoArgs,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error { return client.SignOut(c.Context()) }),
	}, &cobra.Command{
		Use: "who", Short: "Say who is signed in", Example: "  kazashi desk who", Args: cobra.NoArgs,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			who, err := client.Desk(c.Context())
			switch {
			case err != nil:
				return err
			case who == nil:
				fmt.Fprintln(c.OutOrStdout(), "nobody is signed in")
			default:
				fmt.Fprintf(c.OutOrStdout(), "%s (%s) since %s\n", command.Plain(who.Name), who.ID, command.Stamp(who.Since))
			}
			return nil
		}),
	})
	return c
}

// told says how long to wait.
func told(err error) error {
	var e *localapi.Error
	if errors.As(err, &e) && e.Code == localapi.CodeWait {
		return fmt.Errorf("%w; try again in %d seconds", err, e.Wait)
	}
	return err
}

func newPresence(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "presence",
		Short: "List who is present, and let them leave",
		Long: `presence lists who was served at a service that counts each person once, such as reception at a shelter, and has not left. It
names nobody: each is told by the spoken code of their first tap.`,
		Example: `  kazashi presence list
  kazashi presence leave 7KMR`,
	}
	list := &cobra.Command{
		Use: "list", Short: "List who is present", Example: "  kazashi presence list --json", Args: cobra.NoArgs,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			all, err := client.Present(c.Context())
			if err != nil || asJSON {
				return printOr(c, all, err)
			}
			fmt.Fprintf(c.OutOrStdout(), "%d present\n", len(all))
			return table(c.OutOrStdout(), "CODE\tSERVICE\tSINCE\tTAP", all, func(p localapi.Presence) []string {
				return []string{p.Spoken, string(p.Service), command.Stamp(p.Since), p.Tap.String()}
			})
		}),
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(list, &cobra.Command{
		Use: "leave CODE|TAP", Short: "Note that somebody has left", Example: "  kazashi presence leave 7KMR", Args: cobra.ExactArgs(1),
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
			tap, err := named(c.Context(), args[0], client.Present, func(p localapi.Presence) (record.TapID, string) { return p.Tap, p.Spoken })
			if err != nil {
				return err
			}
			return client.Leave(c.Context(), tap)
		}),
	})
	return c
}

func newWork(s *settings) *cobra.Command {
	var asJSON, all bool
	c := &cobra.Command{
		Use:   "work",
		Short: "List verdicts that central corrected, and tick them off",
		Long: `work lists taps whose final verdict takes back what was done at the counter: somebody was served who should not have been,
or the reverse; and refusals for a hold that was lifted since, whose people may tap again. Each is looked at by somebody who has signed in, and ticked off in their name.`,
		Example: `  kazashi work list
  kazashi work done 4WTX`,
	}
	list := &cobra.Command{
		Use: "list", Short: "List what needs a second look", Example: "  kazashi work list --all --json", Args: cobra.NoArgs,
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			items, err := client.Work(c.Context(), all)
			if err != nil || asJSON {
				return printOr(c, items, err)
			}
			return table(c.OutOrStdout(), "TIME\tCODE\tDESK\tSERVICE\tSAID\tFINAL\tDONE", items, workRow)
		}),
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	list.Flags().BoolVar(&all, "all", false, "with those that somebody has looked at")
	c.AddCommand(list, &cobra.Command{
		Use: "done CODE|TAP", Short: "Tick one off in the name of whoever is signed in", Example: "  kazashi work done 4WTX", Args: cobra.ExactArgs(1),
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, args []string) error {
			open := func(ctx context.Context) ([]localapi.WorkItem, error) { return client.Work(ctx, false) }
			tap, err := named(c.Context(), args[0], open, func(w localapi.WorkItem) (record.TapID, string) { return w.Tap, w.Spoken })
			if err != nil {
				return err
			}
			return client.Tick(c.Context(), tap)
		}),
	})
	return c
}

func workRow(w localapi.WorkItem) []string {
	done := "-"
	if w.Done != nil {
		done = command.Stamp(w.Done.At) + " by " + w.Done.By
	}
	return []string{command.Stamp(w.Time), w.Spoken, string(w.Desk), string(w.Service), outcome(w.First), outcome(w.Final), done}
}

// named finds the tap that a spoken code or an id names. A code may stand for two, and then names neither.
func named[T any](ctx context.Context, name string, list func(context.Context) ([]T, error), of func(T) (record.TapID, string)) (record.TapID, error) {
	if id, err := record.ParseID(name); err == nil {
		return record.TapID{ID128: id}, nil
	}
	all, err := list(ctx)
	if err != nil {
		return record.TapID{}, err
	}
	var found record.TapID
	for _, one := range all {
		if tap, spoken := of(one); strings.EqualFold(spoken, name) {
			if !found.IsZero() {
				return record.TapID{}, errNoTap
			}
			found = tap
		}
	}
	if found.IsZero() {
		return found, errNoTap
	}
	return found, nil
}

// printOr prints v as JSON unless there is an error.
func printOr(c *cobra.Command, v any, err error) error {
	if err != nil {
		return err
	}
	return command.PrintJSON(c.OutOrStdout(), v)
}

func table[T any](w io.Writer, head string, rows []T, of func(T) []string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, head)
	for _, r := range rows {
		fmt.Fprintln(t, strings.Join(of(r), "\t"))
	}
	return t.Flush()
}
