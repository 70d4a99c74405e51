package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/appliance/revocation"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/record"
)

// Errors of lookups. None says what was asked for.
var (
	errNoArguments = errors.New("serial numbers are read from standard input only, where no list of processes and no shell history shows them")
	errNoSerial    = errors.New("no serial number on standard input")
	errNotSerial   = errors.New("not a serial number of 1 to 20 octets: hexadecimal digits, or with --decimal decimal ones")
	errNoSet       = errors.New("no revocation set of this scope is here that can be used; see `kazashi crl status`")
	errManyScopes  = errors.New("sets of several scopes are here; name one with --scope")
)

// maxSerials bounds the lines of one lookup.
const maxSerials = 100_000

func newCRLLookup(s *settings) *cobra.Command {
	var asJSON, decimal bool
	var scope string
	c := &cobra.Command{
		Use:   "lookup",
		Short: "Ask the revocation set about serial numbers from standard input, for a technician",
		Long: `lookup reads serial numbers from standard input, one a line, in hexadecimal digits (colons and blanks do not matter)
or with --decimal in decimal ones, and says what the set in use has of each: not_revoked, revoked or on_hold, with reason and date.
It never takes one from the command line, and prints none: answers are numbered by line.

not_revoked is said of certificates that the issuer keys named at the end of the line have issued; of others the set says
nothing. It does not say that a certificate is valid. The set's file is read as it lies there; the daemon is not asked.`,
		Example: `  kazashi crl lookup --scope production/auth < serials.txt
  kazashi crl lookup --json < serials.txt | jq -r .answer`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return errNoArguments
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			serials, err := readSerials(c.InOrStdin(), decimal)
			if err != nil {
				return err
			}
			k, err := s.sets()
			if err != nil {
				return err
			}
			scope, err := k.scope(scope)
			if err != nil {
				return command.WrongUsage(c, err)
			}
			return k.lookup(c.OutOrStdout(), scope, serials, asJSON)
		},
	}
	c.Flags().StringVar(&scope, "scope", "", "hierarchy and purpose: production/auth; default the only one that is here")
	c.Flags().BoolVar(&decimal, "decimal", false, "serial numbers are in decimal digits")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	return c
}

// readSerials reads one serial a line; blank lines do not count.
func readSerials(r io.Reader, decimal bool) (serials []certid.Serial, err error) {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text := strings.Join(strings.FieldsFunc(lines.Text(), func(r rune) bool { return r == ':' || r == ' ' || r == '\t' || r == '\r' }), "")
		if text == "" {
			continue
		}
		s, err := parseSerial(text, decimal)
		if err != nil {
			return nil, fmt.Errorf("reading line %d: %w", n, err)
		}
		if serials = append(serials, s); len(serials) > maxSerials {
			return nil, fmt.Errorf("more than %d serial numbers", maxSerials)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading serial numbers: %w", err)
	}
	if len(serials) == 0 {
		return nil, errNoSerial
	}
	return serials, nil
}

// maxDigits is more than any serial number has, in decimal digits or in hexadecimal ones behind 0x.
const maxDigits = 60

func parseSerial(text string, decimal bool) (certid.Serial, error) {
	base, digits := 16, "0123456789abcdef"
	text = strings.TrimPrefix(strings.ToLower(text), "0x")
	if decimal {
		base, digits = 10, "0123456789"
	}
	if len(text) > maxDigits || strings.Trim(text, digits) != "" {
		return certid.Serial{}, errNotSerial
	}
	i, ok := new(big.Int).SetString(text, base)
	if !ok {
		return certid.Serial{}, errNotSerial
	}
	s, err := certid.SerialOf(i)
	if err != nil {
		return certid.Serial{}, errNotSerial
	}
	return s, nil
}

// scope is the one named, or the only one that is here.
func (k kept) scope(text string) (certid.Scope, error) {
	if text != "" {
		h, p, _ := strings.Cut(text, "/")
		hierarchy, err := certid.ParseHierarchy(h)
		purpose, perr := certid.ParsePurpose(p)
		return certid.Scope{Hierarchy: hierarchy, Purpose: purpose}, errors.Join(err, perr)
	}
	var found []certid.Scope
	for _, f := range k.files {
		if s := f.Head.Scope(); !slices.Contains(found, s) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 0:
		return certid.Scope{}, nil
	case 1:
		return found[0], nil
	default:
		return certid.Scope{}, errManyScopes
	}
}

// lookedUp is what `kazashi crl lookup --json` prints of one serial.
type lookedUp struct {
	Line       int       `json:"line"` // among the serials that were asked about, from 1
	Answer     string    `json:"answer"`
	Reason     string    `json:"reason,omitempty"`
	Date       time.Time `json:"date,omitzero"`
	Scope      string    `json:"scope"`
	Number     string    `json:"number"`
	ThisUpdate time.Time `json:"this_update"`
	Age        int64     `json:"age_seconds"`
	Issuers    []string  `json:"issuers"` // keys that not_revoked speaks of, the first octets
}

func (k kept) lookup(w io.Writer, scope certid.Scope, serials []certid.Serial, asJSON bool) error {
	o := openedSets{}
	defer o.close()
	for _, f := range k.files {
		if f.Head.Scope() == scope {
			o.add(f)
		}
	}
	for n, serial := range serials {
		l, err := o.find(serial, time.Now())
		if err != nil {
			return fmt.Errorf("looking up serial %d: %w", n+1, err)
		}
		l.Line = n + 1
		if asJSON {
			err = json.NewEncoder(w).Encode(l)
		} else {
			_, err = fmt.Fprintln(w, l)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// openedSets are the usable sets of one scope, newest first, and what is the matter with the others.
type openedSets struct {
	heads  []manifest.Head
	sets   []*crlset.Set
	faults []error
}

func (o *openedSets) add(f revocation.File) {
	set, err := f.Open()
	if err != nil {
		o.faults = append(o.faults, err)
		return
	}
	o.heads, o.sets = append(o.heads, f.Head), append(o.sets, set)
}

func (o *openedSets) close() {
	for _, s := range o.sets {
		_ = s.Close() // a map that was only read
	}
}

// find asks the newest set that is whole where it is asked, as the box does.
func (o *openedSets) find(serial certid.Serial, now time.Time) (lookedUp, error) {
	faults := append([]error{errNoSet}, o.faults...)
	for i, set := range o.sets {
		e, found, err := set.Find(crlset.KeyOf(serial))
		if err == nil {
			return answerOf(o.heads[i], e, found, now), nil
		}
		faults = append(faults, err)
	}
	return lookedUp{}, errors.Join(faults...)
}

func answerOf(h manifest.Head, e crlset.Entry, found bool, now time.Time) lookedUp {
	l := about(h, now)
	l.Answer = record.AnswerNotRevoked.String()
	if !found {
		return l
	}
	l.Answer = record.AnswerRevoked.String()
	if e.OnHold() {
		l.Answer = record.AnswerOnHold.String()
	}
	if h.Columns&crlset.Reasons != 0 {
		l.Reason = e.Reason.String()
	}
	if h.Columns&crlset.Dates != 0 {
		l.Date = time.Unix(e.Date, 0).UTC()
	}
	return l
}

func about(h manifest.Head, now time.Time) lookedUp {
	l := lookedUp{Scope: h.Scope().String(), Number: numberOf(h.Number), ThisUpdate: h.At(), Age: int64(now.Sub(h.At()).Seconds()), Issuers: []string{}}
	for _, k := range h.Issuers {
		l.Issuers = append(l.Issuers, certid.KeyID(k).String())
	}
	return l
}

// String is the answer for people.
func (l lookedUp) String() string {
	s := fmt.Sprintf("%d: %s", l.Line, l.Answer)
	if l.Reason != "" {
		s += ", " + l.Reason
	}
	if !l.Date.IsZero() {
		s += fmt.Sprintf(", since %s (%s)", command.Stamp(l.Date), l.Date.Format(time.RFC3339))
	}
	s += fmt.Sprintf("; %s number %s of %s, %s old", l.Scope, l.Number, command.Stamp(l.ThisUpdate), time.Duration(l.Age)*time.Second)
	if l.Answer == record.AnswerNotRevoked.String() {
		s += "; of issuer keys " + strings.Join(l.Issuers, ", ")
	}
	return s
}
