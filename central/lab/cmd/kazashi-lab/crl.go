package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/lab/crlgen"
)

func newCRLCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "crl",
		Short: "Make revocation lists of any size from a seed",
	}
	c.AddCommand(newCRLGenerate())
	return c
}

var crlShapes = map[string]crlgen.Shape{"uniform": crlgen.Uniform, "clustered": crlgen.Clustered, "random": crlgen.Random}

// crlOrder is what is asked for on the command line.
type crlOrder struct {
	spec    crlgen.Spec
	shape   string
	at      string
	ca      string
	curve   bool
	out     string
	days    int
	changes crlgen.Changes
}

func newCRLGenerate() *cobra.Command {
	var o crlOrder
	c := &cobra.Command{
		Use:   "generate --ca DIR --out FILE",
		Short: "Write a list, and the lists of the days after it",
		Long: `Write a revocation list (DER), signed by the practice authority in DIR, which is made if it is not there. The same seed and
authority give the same octets. With --days N, FILE is a pattern with one %d: day 0 is the list itself, and each day makes its changes
to the list of the day before. FILE - is standard output.`,
		Example: `  kazashi-lab crl generate --ca ca --out list.crl --entries 10000000
  kazashi-lab crl generate --ca ca --out day%d.crl --days 30 --additions 20000 --removals 5000 --reasons 200
  kazashi-lab crl generate --ca ca --out - --shape random --octets 20 --shuffled`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.OutOrStdout(), cmd.ErrOrStderr()) },
	}
	f := c.Flags()
	f.StringVar(&o.ca, "ca", "", "folder of the authority: "+crlgen.CertFile+" and its key")
	f.BoolVar(&o.curve, "p384", false, "a new authority gets a key on P-384, not RSA-2048")
	f.StringVar(&o.out, "out", "", "file to write")
	f.Uint64Var(&o.spec.Seed, "seed", 1, "what everything is drawn from")
	f.Uint64Var(&o.spec.Entries, "entries", 1_000_000, "how many serials")
	f.StringVar(&o.shape, "shape", "uniform", "serials: "+strings.Join(slices.Sorted(maps.Keys(crlShapes)), ", "))
	f.Uint64Var(&o.spec.Universe, "universe", crlgen.DefaultUniverse, "how many serials there are; uniform and clustered")
	f.Uint64Var(&o.spec.First, "first", 1, "lowest serial; uniform and clustered")
	f.IntVar(&o.spec.Octets, "octets", crlgen.DefaultOctets, "octets of a serial; random")
	f.BoolVar(&o.spec.Shuffled, "shuffled", false, "in no order")
	f.BoolVar(&o.spec.Generalized, "generalized", false, "dates as GeneralizedTime")
	f.Float64Var(&o.spec.NoReason, "no-reason", 0, "share of entries without a reason")
	f.Float64Var(&o.spec.Invalidity, "invalidity", 0, "share of entries with an invalidity date")
	f.Float64Var(&o.spec.Duplicates, "duplicates", 0, "share of serials with a second entry")
	f.Uint64Var(&o.spec.Number, "number", 1, "CRL number")
	f.StringVar(&o.at, "this-update", "", "RFC 3339; default "+crlgen.DefaultThisUpdate.Format(time.RFC3339))
	f.IntVar(&o.days, "days", 0, "lists of so many days after the first, too")
	f.Uint64Var(&o.changes.Additions, "additions", 20_000, "serials that a day adds")
	f.Uint64Var(&o.changes.Removals, "removals", 0, "entries that a day removes")
	f.Uint64Var(&o.changes.Reasons, "reasons", 0, "entries that get another reason in a day")
	mustRequire(c, "ca")
	mustRequire(c, "out")
	return c
}

func (o *crlOrder) run(out, notes io.Writer) error {
	shape, ok := crlShapes[o.shape]
	if !ok {
		return fmt.Errorf("%w: shape %q", crlgen.ErrSpec, o.shape)
	}
	o.spec.Shape = shape
	if o.at != "" {
		at, err := time.Parse(time.RFC3339, o.at)
		if err != nil {
			return fmt.Errorf("reading --this-update: %w", err)
		}
		o.spec.ThisUpdate = at.UTC()
	}
	if o.days > 0 && strings.Count(o.out, "%d") != 1 {
		return fmt.Errorf("%w: --out of several days needs one %%d", crlgen.ErrSpec)
	}
	list, err := crlgen.New(o.spec)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		if err := o.write(list, n, out, notes); err != nil || n == o.days {
			return err
		}
		if list, err = list.NextDay(o.changes); err != nil {
			return err
		}
	}
}

// write writes the list of a day and says so.
func (o *crlOrder) write(l *crlgen.List, n int, out, notes io.Writer) (err error) {
	a, err := crlgen.OpenAuthority(o.ca, o.curve)
	if err != nil {
		return err
	}
	name := o.out
	if name != "-" {
		if o.days > 0 {
			name = strings.Replace(o.out, "%d", fmt.Sprint(n), 1)
		}
		f, err := os.Create(filepath.Clean(name))
		if err != nil {
			return fmt.Errorf("making the file of a list: %w", err)
		}
		defer f.Close()
		out = f
	}
	buffered := bufio.NewWriter(out)
	size, err := l.Write(buffered, a)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		fmt.Fprintf(notes, "%s: number %d, %d serials, %d octets\n", name, l.Spec().Number, l.Len(), size)
	}
	return err
}
