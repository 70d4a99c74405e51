package main

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/crl"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
)

// pointText is a partition's name; empty for a whole list.
func pointText(point []byte) string {
	if len(point) == 0 {
		return ""
	}
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(point, &name); err != nil || len(rest) > 0 {
		return fmt.Sprintf("%x", point)
	}
	return name.String()
}

func columnsOf(c crlset.Columns) string {
	var names []string
	if c&crlset.Reasons != 0 {
		names = append(names, "reasons")
	}
	if c&crlset.Dates != 0 {
		names = append(names, "dates")
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " and ")
}

// rowShown is a partition as inspect prints it.
type rowShown struct {
	Partition  string    `json:"partition,omitempty"`
	Number     uint64    `json:"number"`
	Key        string    `json:"key"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Entries    *uint64   `json:"entries,omitempty"`
	From       string    `json:"from,omitempty"`
}

func rowOf(r manifest.Row) rowShown {
	return rowShown{
		Partition: pointText(r.Point), Number: r.Number, Key: keyText(r.Key),
		ThisUpdate: time.Unix(r.ThisUpdate, 0).UTC(), NextUpdate: time.Unix(r.NextUpdate, 0).UTC(),
	}
}

func rowsOf(table []manifest.Row) []rowShown {
	rows := []rowShown{}
	for _, r := range table {
		rows = append(rows, rowOf(r))
	}
	return rows
}

// stepShown is a step as inspect prints it.
type stepShown struct {
	Base     string    `json:"base,omitempty"`
	Next     string    `json:"next"`
	Made     time.Time `json:"made"`
	Outdated uint64    `json:"removed_or_changed"`
	Fresh    uint64    `json:"added_or_changed"`
	Delta    uint64    `json:"delta_octets"` // with its head; 0: boxes take the whole set
}

// held is a scope as inspect prints it.
type heldShown struct {
	Scope string      `json:"scope"`
	Set   *setSummary `json:"set,omitempty"`
	Lists []rowShown  `json:"lists"`
	Steps []stepShown `json:"steps"`
	Fault string      `json:"fault,omitempty"`
}

// shownRows and shownSteps are how many a terminal gets.
const (
	shownRows  = 10
	shownSteps = 10
)

func newInspect(s *settings) *cobra.Command {
	o := scoped{settings: s}
	c := &cobra.Command{
		Use:   "inspect [FILE]",
		Short: "Show what is held, or what a set, manifest, delta or head is",
		Long: `inspect without FILE shows the store: of every scope the set in force, the newest list of each partition, and the
last steps with the size of their deltas. With FILE it shows a published file by its ending: .manifest and
.head (their signature is checked against this central's key), .set, .delta. No serial is ever shown.`,
		Example: `  kazashi-central crl inspect
  kazashi-central crl inspect --json | jq '.[].set.entries'
  kazashi-central crl inspect /media/stick/practice-auth-1-42.manifest`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				return inspectFile(c, &o, args[0])
			}
			st, err := o.open(c, true, 0)
			if err != nil {
				return err
			}
			all, err := inspectStore(c, st)
			if err := errors.Join(err, st.Close()); err != nil {
				return err
			}
			if o.json {
				return command.PrintJSON(c.OutOrStdout(), all)
			}
			for _, h := range all {
				printHeld(c.OutOrStdout(), h)
			}
			return nil
		},
	}
	return o.flags(c)
}

func inspectStore(c *cobra.Command, st *opened) ([]heldShown, error) {
	scopes := st.Scopes()
	if c.Flags().Changed("scope") {
		scopes = []certid.Scope{st.scope}
	}
	all := []heldShown{}
	for _, of := range scopes {
		status, err := st.Status(of)
		if errors.Is(err, crl.ErrNone) {
			return nil, nothingOf(of)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, heldOf(status))
	}
	return all, nil
}

func nothingOf(of certid.Scope) error {
	return fmt.Errorf("nothing of %s is held; take a list with `kazashi-central crl ingest`, or let `serve` fetch it", of)
}

func heldOf(st crl.Status) heldShown {
	h := heldShown{Scope: st.Scope.String(), Lists: []rowShown{}, Steps: []stepShown{}}
	if st.Head.Version != 0 {
		sum := summaryOf(st.Head)
		h.Set = &sum
	}
	for _, l := range st.Lists {
		r := rowOf(l.Row)
		r.Entries, r.From = &l.Entries, l.From
		h.Lists = append(h.Lists, r)
	}
	for _, x := range st.Steps {
		s := stepShown{Next: crl.Number(x.Next), Made: x.Made, Outdated: x.Before, Fresh: x.After}
		if x.Base != (rule.Version{}) {
			s.Base = crl.Number(x.Base)
		}
		if x.Kept {
			s.Delta = x.Delta + x.Head
		}
		h.Steps = append(h.Steps, s)
	}
	switch {
	case h.Set != nil && !st.Believed:
		h.Fault = "a key that signed one of its lists is no anchor any more: boxes are not told of this set"
	case st.Faults != nil:
		h.Fault = st.Faults.Error()
	}
	return h
}

func printHeld(w io.Writer, h heldShown) {
	fmt.Fprintln(w, h.Scope)
	if h.Set == nil {
		fmt.Fprintln(w, "  no set yet")
	} else {
		printSet(w, *h.Set)
	}
	printRows(w, "list", h.Lists)
	for _, s := range h.Steps[max(len(h.Steps)-shownSteps, 0):] {
		from, how := "from nothing", "the whole set"
		if s.Base != "" {
			from = "from " + s.Base
		}
		if s.Delta > 0 {
			how = "delta of " + size(s.Delta)
		}
		fmt.Fprintf(w, "  step to %s %s, %s: %d removed or changed, %d added or changed; %s\n", s.Next, from, command.Stamp(s.Made), s.Outdated, s.Fresh, how)
	}
	if h.Fault != "" {
		fmt.Fprintf(w, "  attention: %s\n", command.Plain(h.Fault))
	}
}

func printSet(w io.Writer, s setSummary) {
	fmt.Fprintf(w, "  set %s of %s, lists from %s, until %s\n", s.Number, s.Scope, command.Stamp(s.ThisUpdate), command.Stamp(s.NextUpdate))
	fmt.Fprintf(w, "  %d entries in %s (%.2f octets each), with %s\n", s.Entries, size(s.Octets), each(s.Octets, s.Entries), s.Columns)
	fmt.Fprintf(w, "  %d partitions, covers keys %s\n", s.Partitions, strings.Join(s.Issuers, " "))
	printOver(w, "this set", s.NextUpdate)
}

func each(octets, entries uint64) float64 { return float64(octets) / float64(max(entries, 1)) }

func printRows(w io.Writer, what string, rows []rowShown) {
	for _, r := range rows[:min(len(rows), shownRows)] {
		name := what
		if r.Partition != "" {
			name = "partition " + command.Plain(r.Partition)
		}
		fmt.Fprintf(w, "  %s number %d by key %s, made %s, until %s", name, r.Number, r.Key, command.Stamp(r.ThisUpdate), command.Stamp(r.NextUpdate))
		if r.Entries != nil {
			fmt.Fprintf(w, ", %d entries", *r.Entries)
		}
		fmt.Fprintln(w)
	}
	if more := len(rows) - shownRows; more > 0 {
		fmt.Fprintf(w, "  and %d more; --json shows all\n", more)
	}
}

// verified is what verify found in order.
type verified struct {
	Scope   string `json:"scope"`
	Number  string `json:"number"`
	Entries uint64 `json:"entries"`
	Chunks  int    `json:"chunks"`
	Deltas  int    `json:"deltas"`
	Steps   int    `json:"steps"`
	Lists   int    `json:"lists_compared"`
}

func newVerify(s *settings) *cobra.Command {
	o := scoped{settings: s}
	var lists []string
	c := &cobra.Command{
		Use:   "verify",
		Short: "Read the set in force, its deltas and its history to the end, and check everything",
		Long: `verify checks signatures, every chunk's digest, the order and number of entries, that the set says what the lists
held say, every delta that boxes can still have, and the history. With --crl it also reads a revocation list, or
all partitions of one (--crl again for each), and wants the set to say the same, entry by entry.`,
		Example: `  kazashi-central crl verify
  kazashi-central crl verify --crl auth.crl
  kazashi-central crl verify --scope practice/sign --json`,
		RunE: func(c *cobra.Command, _ []string) error {
			st, err := o.open(c, true, 0)
			if err != nil {
				return err
			}
			v, err := verify(c, st, lists)
			if err := errors.Join(err, st.Close()); err != nil {
				return err
			}
			if o.json {
				return command.PrintJSON(c.OutOrStdout(), v)
			}
			fmt.Fprintf(c.OutOrStdout(), "%s: set %s is in order: %d entries; %d chunks, %d deltas and %d steps of history read\n",
				v.Scope, v.Number, v.Entries, v.Chunks, v.Deltas, v.Steps)
			if v.Lists > 0 {
				fmt.Fprintf(c.OutOrStdout(), "it says what the given list says, entry by entry\n")
			}
			return nil
		},
	}
	c.Flags().StringArrayVar(&lists, "crl", nil, "revocation list (DER) that the set must say the same as; again for each partition")
	return o.flags(c)
}

func verify(c *cobra.Command, st *opened, lists []string) (verified, error) {
	v, err := st.Verify(c.Context(), st.scope)
	if errors.Is(err, crl.ErrNone) {
		return verified{}, nothingOf(st.scope)
	}
	if err != nil {
		return verified{}, err
	}
	if len(lists) > 0 {
		if err := compareLists(c, st, lists); err != nil {
			return verified{}, err
		}
	}
	return verified{
		Scope: st.scope.String(), Number: crl.Number(v.Number), Entries: v.Entries, Chunks: v.Chunks, Deltas: v.Deltas, Steps: v.Steps, Lists: len(lists),
	}, nil
}

func compareLists(c *cobra.Command, st *opened, lists []string) error {
	var readers []io.Reader
	var files []*os.File
	defer func() {
		for _, f := range files {
			_ = f.Close() // was read only
		}
	}()
	for _, name := range lists {
		f, err := os.Open(name) //nolint:gosec // the operator's path
		if err != nil {
			return err
		}
		files, readers = append(files, f), append(readers, f)
	}
	return st.Compare(c.Context(), st.scope, os.TempDir(), readers...)
}

func newExport(s *settings) *cobra.Command {
	o := scoped{settings: s}
	c := &cobra.Command{
		Use:   "export DIR",
		Short: "Write the set in force and its deltas into a folder, for a stick",
		Long: `export writes the newest manifest and set of a scope into DIR, and the deltas that lead there from sets up to a month
old, named <hierarchy>-<purpose>-<epoch>-<n> and .manifest, .set, .delta or .head. At a box without a line:
kazashi crl load DIR. Everything in it is signed or named by what is signed, so the stick need not be trusted.`,
		Example: `  kazashi-central crl export /media/stick
  kazashi-central crl export --scope practice/sign --json /media/stick`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			st, err := o.open(c, true, 0)
			if err != nil {
				return err
			}
			files, err := st.Export(c.Context(), st.scope, args[0])
			if errors.Is(err, crl.ErrNone) {
				err = nothingOf(st.scope)
			}
			if err := errors.Join(err, st.Close()); err != nil {
				return err
			}
			return printFiles(c, o.json, files)
		},
	}
	return o.flags(c)
}

// fileShown is a file that was written.
type fileShown struct {
	Name   string `json:"name"`
	Octets uint64 `json:"octets"`
}

func printFiles(c *cobra.Command, asJSON bool, files []crl.Exported) error {
	all := []fileShown{}
	for _, f := range files {
		all = append(all, fileShown(f))
	}
	if asJSON {
		return command.PrintJSON(c.OutOrStdout(), all)
	}
	t := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%s\n", f.Name, size(f.Octets))
	}
	return t.Flush()
}
