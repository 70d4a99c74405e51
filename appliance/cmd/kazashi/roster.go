package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/roster"
	"kazashi.example/firmware/command"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Errors of lookups in the roster. None says what was asked for.
var (
	errNoNumberArguments = errors.New("numbers and codes are read from standard input only, where no list of processes and no shell history shows them")
	errNothingAsked      = errors.New("nothing to look up on standard input")
)

func newRoster(s *settings) *cobra.Command {
	c := &cobra.Command{
		Use:   "roster",
		Short: "Look at who is enrolled at this site, without naming anybody",
		Long: `roster works on what central sent of the people enrolled at this site. It lies sealed on the disk; who is on it can be asked only
while the site's keys are open.`,
		Example: `  kazashi roster status
  kazashi roster lookup --service library <numbers.txt`,
	}
	c.AddCommand(newRosterStatus(s), newRosterLookup(s))
	return c
}

// rosterStatus is what `kazashi roster status --json` prints of one roster.
type rosterStatus struct {
	Site     record.SiteID `json:"site"`
	Number   string        `json:"number"` // central epoch and n: 1-42
	Use      string        `json:"use"`    // newest, previous; unusable if fault says why
	Made     time.Time     `json:"made,omitzero"`
	Age      int64         `json:"age_seconds,omitempty"` // by this machine's clock
	People   uint32        `json:"people"`
	Segments int           `json:"segments"`
	Octets   uint64        `json:"octets"`
	Keys     []string      `json:"generations"` // of the site key that open it
	Chunks   int           `json:"chunks"`      // compared with their digests, all right
	Fault    string        `json:"fault,omitempty"`
}

func newRosterStatus(s *settings) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Say which rosters are here, how old they are, and whether they are whole",
		Long: `status verifies the signature of each roster and compares every chunk of it with its digest, which reads the whole files. It needs no
site key and names nobody. A roster that is damaged or that the trust bundle does not vouch for is named with the reason; the exit
status is 0 all the same.`,
		Example: "  kazashi roster status --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := s.load()
			if err != nil {
				return err
			}
			keys, err := desired.PeekTrust(conf.DataDir)
			if err != nil {
				return err
			}
			files, err := roster.Peek(conf.Rosters(), keys)
			if err != nil {
				return err
			}
			list := []rosterStatus{}
			for i, f := range files {
				list = append(list, rosterStatusOf(f, []string{"newest", "previous"}[i], time.Now()))
			}
			if asJSON {
				return command.PrintJSON(c.OutOrStdout(), list)
			}
			if len(list) == 0 {
				fmt.Fprintln(c.OutOrStdout(), "no roster is here: whoever enrolled elsewhere is asked for the PIN")
			}
			for _, r := range list {
				r.print(c.OutOrStdout())
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func rosterStatusOf(f roster.File, use string, now time.Time) rosterStatus {
	r := rosterStatus{
		Site: f.Head.Site, Number: numberOf(f.Head.Version), Use: use, People: f.Head.People, Segments: len(f.Head.Parts), Chunks: f.Chunks,
		Keys: []string{},
	}
	if f.Head.Made > 0 {
		r.Made, r.Age = f.Head.At(), int64(now.Sub(f.Head.At()).Seconds())
	}
	seen := map[string]bool{}
	for _, p := range f.Head.Parts {
		r.Octets += p.FileSize()
		if g := p.Generation.String(); !seen[g] {
			seen[g] = true
			r.Keys = append(r.Keys, g)
		}
	}
	if f.Err != nil {
		r.Use, r.Fault = "unusable", f.Err.Error()
	}
	return r
}

func (r rosterStatus) print(w io.Writer) {
	fmt.Fprintf(w, "roster of site %s number %s: %s\n", r.Site, r.Number, r.Use)
	row := func(name, format string, a ...any) { fmt.Fprintf(w, "  %-11s %s\n", name, fmt.Sprintf(format, a...)) }
	if r.Fault != "" {
		row("fault", "%s", r.Fault)
	}
	if r.Made.IsZero() {
		return
	}
	row("made", "%s, %s old", command.Stamp(r.Made), time.Duration(r.Age)*time.Second)
	row("people", "%d in %d segments of %d octets, under %d generations of the site key", r.People, r.Segments, r.Octets, len(r.Keys))
	if r.Fault == "" {
		row("chunks", "%d compared with their digests, all right", r.Chunks)
	}
}

func newRosterLookup(s *settings) *cobra.Command {
	var service string
	var asJSON bool
	c := &cobra.Command{
		Use:   "lookup",
		Short: "Ask the roster about numbers or spoken taps from standard input, for a technician",
		Long: `lookup reads from standard input, one a line: a service's own user numbers with --service, else the codes that were spoken of the taps at
which people enrolled at this box. It says of each whether central's roster has somebody, since when, and what services know; it prints
no name, birth date, number or pseudonym. The daemon is asked over its socket, and must be unlocked.`,
		Example: `  kazashi roster lookup --service library <numbers.txt
  echo 4K7P | kazashi roster lookup --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errNoNumberArguments
			}
			return nil
		},
		RunE: asking(s, func(c *cobra.Command, client *localapi.Client, _ []string) error {
			lines := bufio.NewScanner(c.InOrStdin())
			n := 0
			for lines.Scan() {
				text := strings.TrimSpace(lines.Text())
				if text == "" {
					continue
				}
				ask := localapi.WhoIs{Tap: text}
				if service != "" {
					ask = localapi.WhoIs{Service: record.ServiceID(service), Number: text}
				}
				n++
				if err := lookUp(c, client, n, ask, asJSON); err != nil {
					return fmt.Errorf("looking up line %d: %w", n, err)
				}
			}
			if err := lines.Err(); err != nil {
				return fmt.Errorf("reading what to look up: %w", err)
			}
			if n == 0 {
				return errNothingAsked
			}
			return nil
		}),
	}
	c.Flags().StringVar(&service, "service", "", "lines are this service's user numbers; default: codes of taps")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	return c
}

func lookUp(c *cobra.Command, client *localapi.Client, n int, ask localapi.WhoIs, asJSON bool) error {
	e, err := client.WhoIs(c.Context(), ask)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(c.OutOrStdout()).Encode(struct {
			Line int `json:"line"`
			localapi.OnRoster
		}{n, e})
	}
	if !e.Found {
		fmt.Fprintf(c.OutOrStdout(), "%d: nobody\n", n)
		return nil
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%d: enrolled with %s by tap %s", n, e.Verifier, e.Enrolled)
	if e.Renewed {
		text.WriteString(", certificate renewed since")
	}
	if e.PINDay != "" {
		text.WriteString(", PIN last used " + e.PINDay)
	}
	for _, s := range e.Services {
		fmt.Fprintf(&text, "; %s: pseudonym %s, number %s", s.ID, yesNo(s.Pseudonym), yesNo(s.Number))
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), text.String())
	return err
}

func yesNo(b bool) string { return map[bool]string{true: "yes", false: "no"}[b] }
