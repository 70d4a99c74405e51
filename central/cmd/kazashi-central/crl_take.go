package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/crl"
	"kazashi.example/firmware/command"
)

// taken is a list as ingest prints it.
type taken struct {
	Scope      string    `json:"scope"`
	Number     uint64    `json:"number"`
	Key        string    `json:"key"` // that signed it
	Partition  string    `json:"partition,omitempty"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Entries    uint64    `json:"entries"`
	Octets     int64     `json:"octets"`
	Fresh      bool      `json:"fresh"` // false: it was held already
	Override   string    `json:"override,omitempty"`
	Seconds    float64   `json:"seconds"`
}

func newIngest(s *settings) *cobra.Command {
	o := scoped{settings: s}
	var from string
	c := &cobra.Command{
		Use:   "ingest LIST...",
		Short: "Verify revocation lists and keep them",
		Long: `ingest reads each LIST (a DER file, "-" for standard input, or a URL) once, verifies its signature by the
configured anchors, and keeps what it says. A list must be of the scope, and newer than the one held:
the number must rise for its key and partition ("crl override" makes an exception), and its time must
not fall. Nothing of a list that fails is kept. Boxes get nothing before "crl build".

Where a list comes in partitions, --from says which address of jpki.auth_partitions a file stands for.`,
		Example: `  kazashi-central crl ingest auth.crl
  kazashi-central crl ingest --scope practice/sign https://crl.example/sign.crl
  zcat auth.crl.gz | kazashi-central crl ingest - --json
  kazashi-central crl ingest --from https://crl.example/13221.crl 13221.crl`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if from != "" && len(args) > 1 {
				return command.WrongUsage(c, errors.New("--from is for one list"))
			}
			st, err := o.open(c, false, 0)
			if err != nil {
				return err
			}
			return errors.Join(ingestAll(c, st, o.json, from, args), st.Close())
		},
	}
	c.Flags().StringVar(&from, "from", "", "address that the list stands for, where it comes in partitions")
	return o.flags(c)
}

// ingestAll takes lists one by one; those before one that fails stay taken.
func ingestAll(c *cobra.Command, st *opened, asJSON bool, from string, lists []string) error {
	var all []taken
	for _, name := range lists {
		began := time.Now()
		bar := newBar(c.ErrOrStderr(), name)
		opts := crl.IngestOptions{Scope: st.scope, From: from, Progress: bar.show}
		res, err := ingestOne(c, st, name, opts)
		bar.end()
		if err != nil {
			return fmt.Errorf("%s: %w", name, explain(err))
		}
		t := takenOf(st, res, time.Since(began))
		all = append(all, t)
		if !asJSON {
			printTaken(c.OutOrStdout(), t)
		}
	}
	if asJSON {
		return command.PrintJSON(c.OutOrStdout(), all)
	}
	return nil
}

func ingestOne(c *cobra.Command, st *opened, name string, o crl.IngestOptions) (crl.Result, error) {
	ctx := c.Context()
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		return st.Fetch(ctx, &http.Client{}, name, o)
	}
	if name == "-" {
		return st.Ingest(ctx, c.InOrStdin(), o)
	}
	f, err := os.Open(name) //nolint:gosec // the operator's path
	if err != nil {
		return crl.Result{}, err
	}
	res, err := st.Ingest(ctx, f, o)
	return res, errors.Join(err, f.Close())
}

func takenOf(st *opened, r crl.Result, took time.Duration) taken {
	t := taken{
		Scope: st.scope.String(), Number: r.Row.Number, Key: keyText(r.Row.Key), Partition: pointText(r.Row.Point), Fresh: r.Fresh,
		ThisUpdate: time.Unix(r.Row.ThisUpdate, 0).UTC(), NextUpdate: time.Unix(r.Row.NextUpdate, 0).UTC(), Entries: r.Entries, Octets: r.Octets,
		Seconds: took.Seconds(),
	}
	if r.Override != nil {
		t.Override = r.Override.Reason
	}
	return t
}

func printTaken(w io.Writer, t taken) {
	what := "list " + fmt.Sprint(t.Number)
	if t.Partition != "" {
		what += " of " + command.Plain(t.Partition)
	}
	if !t.Fresh {
		fmt.Fprintf(w, "%s: %s is held already\n", t.Scope, what)
		return
	}
	fmt.Fprintf(w, "%s: %s taken, made %s: %d entries, %s in %.1f s\n", t.Scope, what, command.Stamp(t.ThisUpdate), t.Entries, size(uint64(t.Octets)), t.Seconds) //nolint:gosec // not negative
	if t.Override != "" {
		fmt.Fprintf(w, "its number does not rise; an override let it in: %s\n", command.Plain(t.Override))
	}
	printOver(w, "this list", t.NextUpdate)
}

// printOver tells of what speaks for no card any more.
func printOver(w io.Writer, what string, next time.Time) {
	if next.Before(time.Now()) {
		fmt.Fprintf(w, "attention: %s is over since %s; its authority has promised a newer one\n", what, command.Stamp(next))
	}
}

// explain says what an operator can do about a refusal.
func explain(err error) error {
	switch {
	case errors.Is(err, crl.ErrSameNumber):
		return fmt.Errorf("%w; ask its authority, and if the list is right: kazashi-central crl override", err)
	case errors.Is(err, crl.ErrLowNumber):
		return fmt.Errorf("%w; if its authority began to count anew: kazashi-central crl override", err)
	case errors.Is(err, crl.ErrScope):
		return fmt.Errorf("%w; name the right one with --scope", err)
	case errors.Is(err, crl.ErrIncomplete):
		return fmt.Errorf("%w; nothing was published", err)
	default:
		return err
	}
}

// built is a set as build prints it.
type built struct {
	setSummary

	Fresh bool   `json:"fresh"`          // false: nothing had changed
	Base  string `json:"base,omitempty"` // that the delta leads from
	Delta uint64 `json:"delta_octets"`   // 0: boxes take the whole set
}

func newBuild(s *settings) *cobra.Command {
	o := scoped{settings: s}
	return o.flags(&cobra.Command{
		Use:   "build",
		Short: "Make the next revocation set of the lists that are held",
		Long: `build merges the newest lists of every partition into the next set, numbers and signs it, and makes the
delta that leads there from the one before. If a partition is missing nothing is published; if nothing
has changed, the set in force stays.`,
		Example: `  kazashi-central crl build
  kazashi-central crl build --scope practice/sign --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			p, err := o.prepare(c)
			if err != nil {
				return err
			}
			epoch, err := centralEpoch(c.Context(), p.conf)
			if err != nil {
				return err
			}
			st, err := o.open(c, false, epoch)
			if err != nil {
				return err
			}
			b, err := build(c, st)
			if err := errors.Join(err, st.Close()); err != nil {
				return err
			}
			if o.json {
				return command.PrintJSON(c.OutOrStdout(), b)
			}
			printBuilt(c.OutOrStdout(), b)
			return nil
		},
	})
}

func build(c *cobra.Command, st *opened) (built, error) {
	before, _ := st.Head(st.scope)
	h, err := st.Build(c.Context(), st.scope)
	if errors.Is(err, crl.ErrNone) {
		return built{}, fmt.Errorf("no list of %s is held; take one with `kazashi-central crl ingest`", st.scope)
	}
	if err != nil {
		return built{}, explain(err)
	}
	b := built{setSummary: summaryOf(h), Fresh: h.Number != before.Number}
	if base, d, err := st.Delta(st.scope); err == nil {
		b.Base, b.Delta = crl.Number(base), d.Size
	}
	return b, nil
}

func printBuilt(w io.Writer, b built) {
	if !b.Fresh {
		fmt.Fprintf(w, "%s: set %s stays, nothing has changed\n", b.Scope, b.Number)
		return
	}
	fmt.Fprintf(w, "%s: set %s is in force, made of lists from %s: %d entries, %s", b.Scope, b.Number, command.Stamp(b.ThisUpdate), b.Entries, size(b.Octets))
	if b.Delta > 0 {
		fmt.Fprintf(w, "; delta from %s has %s", b.Base, size(b.Delta))
	}
	fmt.Fprintln(w)
	printOver(w, "this set", b.NextUpdate)
}

// bar shows how far a list is read; nothing where nobody watches a terminal.
type bar struct {
	out   *bufio.Writer // nil: nobody looks
	name  string
	began time.Time
	next  time.Time
}

func newBar(w io.Writer, name string) *bar {
	b := &bar{name: command.Plain(name), began: time.Now()}
	f, ok := w.(*os.File)
	if !ok {
		return b
	}
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		b.out = bufio.NewWriter(f)
	}
	return b
}

const barWidth = 30

// show draws at most ten times a second.
func (b *bar) show(octets, of int64) {
	now := time.Now()
	if b.out == nil || now.Before(b.next) || of <= 0 {
		return
	}
	b.next = now.Add(time.Second / 10)
	full := int(barWidth * octets / of)
	speed := float64(octets) / 1e6 / max(now.Sub(b.began).Seconds(), 0.001)
	fmt.Fprintf(b.out, "\r%s [%s%s] %3d%%  %.0f MB/s ", b.name, strings.Repeat("#", full), strings.Repeat(".", barWidth-full), 100*octets/of, speed)
	_ = b.out.Flush() // only for the eye
}

// end clears the line.
func (b *bar) end() {
	if b.out != nil {
		fmt.Fprint(b.out, "\r\x1b[K")
		_ = b.out.Flush() // only for the eye
	}
}

// size writes octets for people.
func size(n uint64) string {
	for _, u := range []struct {
		of   uint64
		name string
	}{{1e9, "GB"}, {1e6, "MB"}, {1e3, "kB"}} {
		if n >= u.of {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(u.of), u.name)
		}
	}
	return fmt.Sprintf("%d octets", n)
}
