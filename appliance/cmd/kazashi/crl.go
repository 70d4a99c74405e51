package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/revocation"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

func newCRL(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "crl",
		Short: "Look at the revocation sets of this box, or bring newer ones",
		Long: `crl works on the revocation sets that this box answers from: what central made of the authorities' lists
and signed. They are read from their files and verified against the box's trust bundle, whether the daemon runs or not.`,
		Example: `  kazashi crl status
  kazashi crl lookup < serials.txt
  kazashi crl load /media/usb/crl`,
	}
	c.AddCommand(newCRLStatus(s), newCRLLookup(s), newCRLLoad(s))
	return c
}

// kept are the sets in the box's folder, judged by the trust bundle in force, and where that folder is.
type kept struct {
	dir   string
	keys  sign.Keys
	files []revocation.File
}

func (s *settings) sets() (kept, error) {
	conf, err := s.load()
	if err != nil {
		return kept{}, err
	}
	k := kept{dir: conf.Lists()}
	if k.keys, err = desired.PeekTrust(conf.DataDir); err != nil {
		return kept{}, err
	}
	return k, k.look()
}

func (k *kept) look() (err error) {
	k.files, err = revocation.Peek(k.dir, k.keys)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a box that has never run
	}
	return err
}

func newCRLStatus(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say which revocation sets are here, how old they are, and whether they are whole",
		Long: `status verifies the signature of each set and compares every chunk of it with its digest, which reads the whole file.
The newest set of a scope that is whole is the one that taps are decided by; the one before it is kept beside it.
A set that is damaged, or that the trust bundle does not vouch for, is named with the reason; the exit status is 0 all the
same.`,
		Example: `  kazashi crl status
  kazashi crl status --json | jq '.[] | select(.use == "newest") | .age_seconds'`,
		RunE: func(c *cobra.Command, _ []string) error {
			k, err := s.sets()
			if err != nil {
				return err
			}
			var list []setStatus
			used := map[string]int{}
			for _, f := range k.files {
				st := statusOf(c, f, time.Now())
				if st.Fault == "" {
					st.Use = []string{"newest", "previous", "surplus"}[min(used[st.Scope], 2)]
					used[st.Scope]++
				}
				list = append(list, st)
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), append([]setStatus{}, list...))
			}
			if len(list) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "no revocation set is here: every card is not_covered")
			}
			for _, st := range list {
				st.print(c.OutOrStdout())
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// setStatus is what `kazashi crl status --json` prints of one set.
type setStatus struct {
	Scope      string    `json:"scope"`  // practice/auth
	Number     string    `json:"number"` // central epoch and n: 1-42
	Use        string    `json:"use"`    // newest, previous, surplus; damaged or unbelieved if fault says why
	ThisUpdate time.Time `json:"this_update,omitzero"`
	NextUpdate time.Time `json:"next_update,omitzero"`
	Age        int64     `json:"age_seconds,omitempty"` // by this machine's clock
	Entries    uint64    `json:"entries"`
	Octets     uint64    `json:"octets"`
	Columns    []string  `json:"columns"`
	Issuers    int       `json:"issuers"`    // keys whose certificates an absence speaks of
	Partitions uint32    `json:"partitions"` // lists that it was made from
	Chunks     int       `json:"chunks"`     // compared with their digests, all right
	Fault      string    `json:"fault,omitempty"`
}

// statusOf reads the whole set.
func statusOf(c *cobra.Command, f revocation.File, now time.Time) setStatus {
	h := f.Head
	st := setStatus{Scope: h.Scope().String(), Number: numberOf(h.Number), Use: "unbelieved", Columns: []string{}}
	if f.Err != nil {
		st.Fault = f.Err.Error()
		return st
	}
	st.ThisUpdate, st.NextUpdate, st.Age = h.At(), time.Unix(h.NextUpdate, 0).UTC(), int64(now.Sub(h.At()).Seconds())
	st.Entries, st.Octets, st.Issuers, st.Partitions = h.Entries, h.Size, len(h.Issuers), h.Rows
	for column, name := range map[crlset.Columns]string{crlset.Dates: "date", crlset.Reasons: "reason"} {
		if h.Columns&column != 0 {
			st.Columns = append(st.Columns, name)
		}
	}
	slices.Sort(st.Columns)
	set, err := f.Open()
	if err == nil {
		err = errors.Join(set.Scrub(c.Context()), set.Close())
	}
	if err != nil {
		st.Use, st.Fault = "damaged", err.Error()
		return st
	}
	st.Chunks = crlset.Chunks(h.Size)
	return st
}

func numberOf(v rule.Version) string { return fmt.Sprintf("%d-%d", v.CentralEpoch, v.N) }

func (s setStatus) print(w io.Writer) {
	fmt.Fprintf(w, "%s number %s: %s\n", s.Scope, s.Number, s.Use)
	row := func(name, format string, a ...any) { fmt.Fprintf(w, "  %-11s %s\n", name, fmt.Sprintf(format, a...)) }
	if s.Fault != "" {
		row("fault", "%s", s.Fault)
	}
	if s.ThisUpdate.IsZero() {
		return
	}
	row("made", "%s, %s old", command.Stamp(s.ThisUpdate), time.Duration(s.Age)*time.Second)
	row("next", "%s", command.Stamp(s.NextUpdate))
	row("entries", "%d in %d octets, with %s", s.Entries, s.Octets, strings.Join(append([]string{"serial"}, s.Columns...), ", "))
	row("covers", "%d issuer keys, made from %d lists", s.Issuers, s.Partitions)
	if s.Fault == "" {
		row("chunks", "%d compared with their digests, all right", s.Chunks)
	}
}
