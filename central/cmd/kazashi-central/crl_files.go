package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/crl"
	"kazashi.example/firmware/command"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/sign"
)

// fileFacts is a published file as inspect prints it.
type fileFacts struct {
	Kind    string        `json:"kind"` // set, manifest, head or delta
	Octets  uint64        `json:"octets"`
	Set     *setSummary   `json:"set,omitempty"` // that a manifest is of, or a head leads to
	Base    string        `json:"base,omitempty"`
	Rows    []rowShown    `json:"partitions,omitempty"`
	Delta   uint64        `json:"delta_octets,omitempty"` // of the file that a head names
	Steps   int           `json:"changed_partitions,omitempty"`
	New     int           `json:"new_partitions,omitempty"`
	Gone    int           `json:"gone_partitions,omitempty"`
	Entries *uint64       `json:"entries,omitempty"` // of a set's file
	Columns string        `json:"columns,omitempty"`
	Regions []regionShown `json:"regions,omitempty"`
}

// regionShown is a stretch of serials, without saying which.
type regionShown struct {
	Blocks uint32 `json:"blocks"`
	Shift  uint8  `json:"shift"` // log2 of the serials in a block
	Tail   uint8  `json:"tail"`  // low bits that stand as they are
}

// inspectFile shows one published file by its ending.
func inspectFile(c *cobra.Command, o *scoped, path string) error {
	f, err := factsOf(c, o, path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if o.json {
		return command.PrintJSON(c.OutOrStdout(), f)
	}
	printFacts(c.OutOrStdout(), f)
	return nil
}

func factsOf(c *cobra.Command, o *scoped, path string) (fileFacts, error) {
	info, err := os.Stat(path)
	if err != nil {
		return fileFacts{}, err
	}
	f := fileFacts{Octets: uint64(info.Size())} //nolint:gosec // not negative
	switch end := filepath.Ext(path); end {
	case ".set":
		return setFacts(f, path)
	case ".delta":
		return deltaFacts(f, path)
	case ".manifest", ".head":
		return headFacts(c, o, f, path)
	default:
		return f, command.WrongUsage(c, errors.New("FILE ends in .set, .manifest, .delta or .head"))
	}
}

func setFacts(f fileFacts, path string) (fileFacts, error) {
	set, err := crlset.OpenFile(path, nil)
	if err != nil {
		return f, err
	}
	n := set.Len()
	f.Kind, f.Entries, f.Columns = "set", &n, columnsOf(set.Columns())
	for _, r := range set.Plan().Regions {
		f.Regions = append(f.Regions, regionShown{r.Blocks, r.Shift, r.Tail})
	}
	return f, set.Close()
}

func deltaFacts(f fileFacts, path string) (fileFacts, error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator's path
	if err != nil {
		return f, err
	}
	f.Kind = "delta"
	_, err = delta.Open(b)
	return f, err
}

// headFacts opens what is signed with this central's key.
func headFacts(c *cobra.Command, o *scoped, f fileFacts, path string) (fileFacts, error) {
	p, err := o.prepare(c)
	if err != nil {
		return f, err
	}
	pub, err := sign.PublicKeyOf(p.keys.Sign.Public())
	if err != nil {
		return f, err
	}
	b, err := os.ReadFile(path) //nolint:gosec // the operator's path
	if err != nil {
		return f, err
	}
	var h manifest.Head
	if f.Kind = "manifest"; filepath.Ext(path) == ".manifest" {
		var m manifest.Manifest
		m, h, err = manifest.Decode(sign.One{Key: pub}, b)
		f.Rows = rowsOf(m.Table)
	} else {
		var d manifest.DeltaHead
		d, h, err = manifest.OpenDelta(sign.One{Key: pub}, b)
		f.Kind, f.Base, f.Delta, f.Steps, f.New, f.Gone = "head", crl.Number(d.Base), d.Size, len(d.Steps), len(d.New), len(d.Gone)
	}
	if errors.Is(err, sign.ErrUnknownKey) {
		return f, fmt.Errorf("%w: another central signed it", err)
	}
	if err != nil {
		return f, err
	}
	sum := summaryOf(h)
	f.Set = &sum
	return f, nil
}

func printFacts(w io.Writer, f fileFacts) {
	fmt.Fprintf(w, "%s of %s\n", f.Kind, size(f.Octets))
	if f.Base != "" {
		fmt.Fprintf(w, "  leads from set %s by a delta of %s; partitions: %d changed, %d new, %d gone\n", f.Base, size(f.Delta), f.Steps, f.New, f.Gone)
	}
	if f.Set != nil {
		fmt.Fprintln(w, "  signed by this central")
		printSet(w, *f.Set)
	}
	if f.Entries != nil {
		fmt.Fprintf(w, "  %d entries (%.2f octets each), with %s\n", *f.Entries, each(f.Octets, *f.Entries), f.Columns)
		for i, r := range f.Regions[:min(len(f.Regions), shownRows)] {
			fmt.Fprintf(w, "  region %d: %d blocks of 2^%d serials\n", i+1, r.Blocks, int(r.Shift)+int(r.Tail))
		}
	}
	printRows(w, "list", f.Rows)
}

// deltaShown is a delta as the command of that name prints it.
type deltaShown struct {
	Base    string  `json:"base,omitempty"`
	Next    string  `json:"next,omitempty"`
	Removed uint64  `json:"removed"`
	Changed uint64  `json:"changed"`
	Added   uint64  `json:"added"`
	Octets  uint64  `json:"octets"` // with its signed head, if it has one
	Limit   float64 `json:"limit_octets"`
	File    string  `json:"file,omitempty"`
}

func newDelta(s *settings) *cobra.Command {
	o := scoped{settings: s}
	var from, out string
	c := &cobra.Command{
		Use:   "delta [--from NUMBER | BASE.set NEXT.set]",
		Short: "Show what deltas cost against the information in them, or make one between two files",
		Long: `delta shows the steps that lead to the set in force, the newest last: what each removed, changed and added, how many octets
its delta has with its signed head, and how many the changes need at least (which entries of how many went or changed, which
serials came, with second and reason). --from begins with the step from that set.

With two set files it makes the delta between them, unsigned, and writes it to --out if that is given.`,
		Example: `  kazashi-central crl delta
  kazashi-central crl delta --from 1-1795300000 --json
  kazashi-central crl delta monday.set tuesday.set --out tuesday.delta`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 0 && len(args) != 2 {
				return errors.New("either no file, or two sets")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			all, err := deltas(c, &o, from, out, args)
			if err != nil {
				return err
			}
			if o.json {
				return command.PrintJSON(c.OutOrStdout(), all)
			}
			for _, d := range all {
				printDelta(c.OutOrStdout(), d)
			}
			return nil
		},
	}
	c.Flags().StringVar(&from, "from", "", "number of the set to begin with, as inspect shows it")
	c.Flags().StringVar(&out, "out", "", "file for the delta between two sets")
	return o.flags(c)
}

func deltas(c *cobra.Command, o *scoped, from, out string, files []string) ([]deltaShown, error) {
	switch {
	case len(files) == 2 && from != "":
		return nil, command.WrongUsage(c, errors.New("--from is for the sets of the store, not for files"))
	case len(files) == 2:
		d, err := between(c, files[0], files[1], out)
		return []deltaShown{d}, err
	case out != "":
		return nil, command.WrongUsage(c, errors.New("--out is for two files; export writes those of the store"))
	}
	st, err := o.open(c, true, 0)
	if err != nil {
		return nil, err
	}
	all, err := stepsFrom(c, st, from)
	return all, errors.Join(err, st.Close())
}

// stepsFrom are the steps that have a delta, from one set on.
func stepsFrom(c *cobra.Command, st *opened, from string) ([]deltaShown, error) {
	status, err := st.Status(st.scope)
	if err != nil {
		return nil, nothingOf(st.scope)
	}
	all := []deltaShown{}
	for _, s := range status.Steps {
		if !s.Kept || from != "" && len(all) == 0 && crl.Number(s.Base) != from {
			continue
		}
		ch, err := st.Changes(c.Context(), st.scope, s.Next)
		if err != nil {
			return nil, err
		}
		all = append(all, deltaShown{
			Base: crl.Number(s.Base), Next: crl.Number(s.Next), Removed: ch.Removed, Changed: ch.Changed, Added: ch.Added,
			Octets: s.Delta + s.Head, Limit: ch.Limit,
		})
	}
	if from != "" && len(all) == 0 {
		return nil, fmt.Errorf("no delta leads on from set %s; `kazashi-central crl inspect` shows the steps", from)
	}
	return all, nil
}

// between makes the delta between two files of sets.
func between(c *cobra.Command, base, next, out string) (d deltaShown, err error) {
	var sets [2]*crlset.Set
	for i, path := range []string{base, next} {
		if sets[i], err = crlset.OpenFile(path, nil); err != nil {
			return d, fmt.Errorf("%s: %w", path, err)
		}
		defer sets[i].Close() //nolint:gocritic // two
	}
	ch, err := crl.Between(c.Context(), sets[0], sets[1])
	if err != nil {
		return d, err
	}
	to := io.Discard
	if out != "" {
		f, err := os.Create(out) //nolint:gosec // the operator's path
		if err != nil {
			return d, err
		}
		defer func() { err = errors.Join(err, f.Close()) }()
		to = f
	}
	stats, err := delta.Write(to, sets[0], sets[1].Source(), sets[1].Plan())
	return deltaShown{Removed: ch.Removed, Changed: ch.Changed, Added: ch.Added, Octets: stats.Size, Limit: ch.Limit, File: out}, err
}

func printDelta(w io.Writer, d deltaShown) {
	if d.Base != "" {
		fmt.Fprintf(w, "%s to %s: ", d.Base, d.Next)
	}
	fmt.Fprintf(w, "%d removed, %d changed, %d added: %d octets", d.Removed, d.Changed, d.Added, d.Octets)
	if d.Limit >= 1 {
		fmt.Fprintf(w, ", %.2f of the %.0f that they need at least", float64(d.Octets)/d.Limit, d.Limit)
	}
	fmt.Fprintln(w)
}

func newOverride(s *settings) *cobra.Command {
	o := scoped{settings: s}
	var w waiver
	c := &cobra.Command{
		Use:   "override --number N --reason TEXT --by NAME",
		Short: "Let one list in although its number does not rise",
		Long: `override signs an exception: the next list with number N or above that key signs for this partition is taken although its number
is not above that of the list held, once, until the exception expires. Its time must still not be before that of the list held.
Use it when the authority says that it began to count anew. The log tells when it was used, why, and who answered for it.

It works beside a running daemon. The key is that of the list held unless --key names another; where lists come in partitions,
--from names the partition by its address.`,
		Example: `  kazashi-central crl override --number 1 --reason "the authority moved, letter of 2026-11-20" --by "N. Tanaka"
  kazashi-central crl override --from https://crl.example/13221.crl --number 5 --days 2 --reason "restored from a backup" --by "N. Tanaka"`,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("number") || strings.TrimSpace(w.reason) == "" || strings.TrimSpace(w.by) == "" {
				return command.WrongUsage(c, errors.New("--number, --reason and --by are needed"))
			}
			if days := int(crl.MaxOverride / (24 * time.Hour)); w.days < 1 || w.days > days {
				return command.WrongUsage(c, fmt.Errorf("--days is 1 to %d", days))
			}
			return w.place(c, &o)
		},
	}
	c.Flags().StringVar(&w.number, "number", "", "CRL number from which a list is let in")
	c.Flags().StringVar(&w.key, "key", "", "id of the key that signs the list, as inspect shows it")
	c.Flags().StringVar(&w.from, "from", "", "address of the partition, where the list comes in partitions")
	c.Flags().StringVar(&w.reason, "reason", "", "why")
	c.Flags().StringVar(&w.by, "by", "", "who answers for it")
	c.Flags().IntVar(&w.days, "days", 7, "how long it may be used")
	return o.flags(c)
}

// waiver is what override was asked for.
type waiver struct {
	number, key, from, reason, by string
	days                          int
}

func (w waiver) place(c *cobra.Command, o *scoped) error {
	number, err := strconv.ParseUint(w.number, 10, 64)
	if err != nil {
		return command.WrongUsage(c, fmt.Errorf("--number is a whole number, not %q", w.number))
	}
	st, err := o.open(c, true, 0)
	if err != nil {
		return err
	}
	defer st.Close() // was read only
	held, err := w.held(st)
	if err != nil {
		return err
	}
	key, err := w.signer(st, held)
	if err != nil {
		return err
	}
	now := time.Now()
	over := crl.Override{
		Hierarchy: st.scope.Hierarchy, Purpose: st.scope.Purpose, Point: held.Point, Key: key[:], From: number, Reason: w.reason, By: w.by,
		Made: now.Unix(), Expires: now.Add(time.Duration(w.days) * 24 * time.Hour).Unix(),
	}
	signed, err := crl.SignOverride(st.keys.Sign, over)
	if err != nil {
		return err
	}
	path, err := crl.PlaceOverride(st.with.Dir, signed)
	if err != nil {
		return err
	}
	if o.json {
		return command.PrintJSON(c.OutOrStdout(), map[string]any{
			"scope": st.scope.String(), "partition": pointText(held.Point), "key": key.String(), "number": number, "reason": w.reason, "by": w.by,
			"expires": time.Unix(over.Expires, 0).UTC(), "file": path,
		})
	}
	fmt.Fprintf(c.OutOrStdout(), "%s: a list by key %s with number %d or above is let in once, until %s; removing %s takes it back\n",
		st.scope, key, number, command.Stamp(time.Unix(over.Expires, 0)), path)
	return nil
}

// held finds the list that the exception is about.
func (w waiver) held(st *opened) (crl.ListStatus, error) {
	status, err := st.Status(st.scope)
	if err != nil {
		return crl.ListStatus{}, fmt.Errorf("%w: without a list held no list needs an exception", nothingOf(st.scope))
	}
	for _, l := range status.Lists {
		if w.from == "" && len(l.Point) == 0 || w.from != "" && l.From == w.from {
			return l, nil
		}
	}
	if w.from == "" {
		return crl.ListStatus{}, errors.New("no whole list is held; name the partition with --from")
	}
	return crl.ListStatus{}, fmt.Errorf("no list from %s is held; `kazashi-central crl inspect --json` shows where lists came from", w.from)
}

// signer finds the key by the beginning of its id.
func (w waiver) signer(st *opened, held crl.ListStatus) (id certid.KeyID, err error) {
	if w.key == "" {
		copy(id[:], held.Key)
		return id, nil
	}
	for _, cert := range st.with.Anchors.IssuerCerts(st.scope) {
		if id := jpki.KeyIDOf(cert); id.String() == strings.ToLower(w.key) {
			return id, nil
		}
	}
	return id, fmt.Errorf("no anchor of %s has the key %s", st.scope, w.key)
}
