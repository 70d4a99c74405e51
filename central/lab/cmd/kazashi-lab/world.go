package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
)

func newWorldCommand() *cobra.Command {
	c := &cobra.Command{Use: "world", Short: "Make a practice world and look into it"}
	c.AddCommand(newWorldMake(), newWorldPeople(), newWorldRenew())
	return c
}

func newWorldMake() *cobra.Command {
	var dir string
	var cfg world.Config
	c := &cobra.Command{
		Use:   "make --dir DIR",
		Short: "Make a practice world, or check that one is there",
		Long: `Make a practice world in a folder: authorities, residents, certificates and cards.

The same seed makes the same people, serials and dates. Keys are made once and kept; a second run is quick and changes nothing.`,
		Example: `  kazashi-lab world make --dir .demo/world
  kazashi-lab world make --dir /tmp/big --seed 42 --people 500 --keys .demo/keys`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Progress = progress(cmd.ErrOrStderr())
			w, err := world.Open(cmd.Context(), dir, cfg)
			if err != nil {
				return fmt.Errorf("making practice world: %w", err)
			}
			all, err := w.People()
			if err != nil {
				return fmt.Errorf("reading practice world: %w", err)
			}
			fmt.Fprintf(cmd.OutOrStdout(), "practice world of %d people in %s\n", len(all), w.Dir())
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder of the world")
	c.Flags().Uint64Var(&cfg.Seed, "seed", 0, "which people; default what the folder holds, or 1")
	c.Flags().IntVar(&cfg.People, "people", 0, "how many; default what the folder holds, or all 21 with a name")
	c.Flags().StringVar(&cfg.Keys, "keys", "", "folder of private keys; default DIR/keys")
	c.Flags().StringVar(&cfg.OCSP, "ocsp", world.DefaultOCSP, "responder URL written into new certificates")
	mustRequire(c, "dir")
	return c
}

// progress prints a line for each tenth of the keys.
func progress(out io.Writer) func(done, total int) {
	return func(done, total int) {
		if step := max(1, total/10); done%step == 0 || done == total {
			fmt.Fprintf(out, "keys %d/%d\n", done, total)
		}
	}
}

func newWorldPeople() *cobra.Command {
	var dir, keys string
	var pins bool
	c := &cobra.Command{
		Use:     "people --dir DIR",
		Short:   "List the people of a practice world",
		Example: "  kazashi-lab world people --dir .demo/world\n  kazashi-lab world people --dir .demo/world --pins",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			w, err := world.Open(cmd.Context(), dir, world.Config{Keys: keys})
			if err != nil {
				return fmt.Errorf("opening practice world: %w", err)
			}
			return listPeople(cmd.OutOrStdout(), w, pins)
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "folder of the world")
	c.Flags().StringVar(&keys, "keys", "", "folder of private keys; default DIR/keys")
	c.Flags().BoolVar(&pins, "pins", false, "show the practice PINs and passwords")
	mustRequire(c, "dir")
	return c
}

func listPeople(out io.Writer, w *world.World, pins bool) error {
	all, err := w.People()
	if err != nil {
		return fmt.Errorf("reading practice world: %w", err)
	}
	t := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	head := "PERSON\tCASE\tGEN\tVALID UNTIL\tNOW\tLABEL"
	if pins {
		head += "\tAUTH PIN\tINPUT PIN\tSIGN PASSWORD"
	}
	fmt.Fprintln(t, head)
	for _, p := range all {
		st, err := w.Status(p.Auth.ID, p.Auth.Generation)
		if err != nil {
			return fmt.Errorf("reading practice world: %w", err)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s", p.Key, p.Case, p.Auth.Generation,
			p.Auth.NotAfter.In(people.JST).Format(time.DateOnly), describe(st), p.Label)
		if pins {
			fmt.Fprintf(t, "\t%s\t%s\t%s", authPIN(p), p.InputPIN, password(p))
		}
		fmt.Fprintln(t)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// authPIN leaves out what the holder does not know either.
func authPIN(p world.Person) string {
	if p.Case == people.NoPIN {
		return "-"
	}
	return p.AuthPIN
}

func password(p world.Person) string {
	if !p.HasSign() {
		return "-"
	}
	return p.SignPassword
}

func describe(st world.Status) string {
	switch {
	case !st.Known:
		return "not issued here"
	case st.Revoked:
		return st.Reason.String()
	default:
		return "not revoked"
	}
}

// mustRequire marks flags as required; it fails only for a flag that does not exist.
func mustRequire(c *cobra.Command, names ...string) {
	for _, n := range names {
		if err := c.MarkFlagRequired(n); err != nil {
			panic(err)
		}
	}
}
