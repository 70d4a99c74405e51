// Package describe says in words and as JSON what a trust bundle, a proposal of one, and a rule set contain, the same at central and on a box.
//
// Values and pure functions; safe from any goroutine. What is described is not verified here. Nothing is kept, and nothing names a person.
package describe

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// tokyo is where readers are; Japan keeps no summer time.
var tokyo = time.FixedZone("JST", 9*60*60)

func stamp(t time.Time) string { return t.In(tokyo).Format("2006-01-02 15:04:05 MST") }

func at(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).UTC()
}

// Bundle is a trust bundle.
type Bundle struct {
	Number    uint64      `json:"number"`
	Issued    time.Time   `json:"issued"`
	Expires   time.Time   `json:"expires,omitzero"`
	Keys      []Key       `json:"keys"`
	Anchors   []Authority `json:"anchors"`
	CardCAs   []Authority `json:"card_authorities"`
	Approvals []Approval  `json:"approvals"`
	Roots     []Root      `json:"roots,omitempty"`  // the chain, oldest first
	Signed    []string    `json:"signed,omitempty"` // ids of root keys
}

// Key is one of central's.
type Key struct {
	ID       string   `json:"id"`
	Purposes []string `json:"purposes"`
}

// Authority is one of the cards'.
type Authority struct {
	Hierarchy string `json:"hierarchy"`
	Purpose   string `json:"purpose,omitempty"` // of a certificate authority
	ID        string `json:"id"`                // first 16 octets of SHA-256 of what the bundle holds
}

// Approval is a legal one.
type Approval struct {
	Verifier  string    `json:"verifier"`
	Reference string    `json:"reference"`
	Until     time.Time `json:"until,omitzero"`
}

// Root is a root set.
type Root struct {
	N           uint64   `json:"n"`
	Fingerprint string   `json:"fingerprint,omitempty"`
	Threshold   int      `json:"threshold"`
	Holders     []string `json:"holders"`
}

// OfBundle describes what a bundle says.
func OfBundle(b trust.Bundle) Bundle {
	d := Bundle{
		Number: b.Number, Issued: at(b.Issued), Expires: at(b.Expires),
		Keys: []Key{}, Anchors: []Authority{}, CardCAs: []Authority{}, Approvals: []Approval{},
	}
	for _, k := range b.Keys {
		key := Key{ID: sign.KeyIDOf(k.Public).String()}
		for _, p := range k.Purposes {
			key.Purposes = append(key.Purposes, string(p))
		}
		d.Keys = append(d.Keys, key)
	}
	for _, a := range b.Anchors {
		d.Anchors = append(d.Anchors, Authority{Hierarchy: a.Hierarchy.String(), Purpose: a.Purpose.String(), ID: sign.KeyIDOf(a.Certificate).String()})
	}
	for _, c := range b.CardCAs {
		d.CardCAs = append(d.CardCAs, Authority{Hierarchy: c.Hierarchy.String(), ID: sign.KeyIDOf(c.Public).String()})
	}
	for _, a := range b.Approvals {
		d.Approvals = append(d.Approvals, Approval{Verifier: string(a.Verifier), Reference: a.Reference, Until: at(a.Until)})
	}
	return d
}

// OfSeen describes a travelling bundle with its chain.
func OfSeen(s trust.Seen) Bundle {
	d := OfBundle(s.Bundle)
	for _, r := range s.Roots {
		d.Roots = append(d.Roots, Root{N: r.N, Fingerprint: r.Fingerprint.String(), Threshold: r.Threshold, Holders: ids(r.Holders)})
	}
	d.Signed = ids(s.Signed)
	return d
}

func ids(keys []sign.KeyID) []string {
	all := make([]string, 0, len(keys))
	for _, k := range keys {
		all = append(all, k.String())
	}
	return all
}

// Print writes a bundle for people.
func (b Bundle) Print(w io.Writer) {
	row := rows(w)
	row("bundle", "%d, issued %s", b.Number, stamp(b.Issued))
	if !b.Expires.IsZero() {
		row("expires", "%s", stamp(b.Expires))
	}
	for _, r := range b.Roots {
		row("root set", "%d, %s, %d of %s", r.N, r.Fingerprint, r.Threshold, strings.Join(r.Holders, " "))
	}
	if len(b.Signed) > 0 {
		row("signed", "by %s", strings.Join(b.Signed, " "))
	}
	for _, k := range b.Keys {
		row("key", "%s for %s", k.ID, strings.Join(k.Purposes, " "))
	}
	for _, a := range b.Anchors {
		row("anchor", "%s %s, %s", a.Hierarchy, a.Purpose, a.ID)
	}
	for _, c := range b.CardCAs {
		row("card", "%s, %s", c.Hierarchy, c.ID)
	}
	for _, a := range b.Approvals {
		until := "withdrawn"
		if !a.Until.IsZero() {
			until = stamp(a.Until)
		}
		row("approval", "%s, until %s: %q", a.Verifier, until, a.Reference)
	}
}

// rows prints a word and what there is to say of it.
func rows(w io.Writer) func(word, format string, a ...any) {
	return func(word, format string, a ...any) { fmt.Fprintf(w, "%-9s %s\n", word, fmt.Sprintf(format, a...)) }
}

// Draft is a proposal.
type Draft struct {
	Bundle *Bundle `json:"bundle,omitempty"` // what is proposed; none for a first root set
	Levels []Level `json:"levels"`
}

// Level is what a proposal needs.
type Level struct {
	What      string   `json:"what"`
	Threshold int      `json:"threshold"`
	Holders   []string `json:"holders"`
	Signed    []string `json:"signed"`
	Enough    bool     `json:"enough"`
}

// OfDraft describes a proposal and who signed it.
func OfDraft(d trust.Draft) (Draft, error) {
	out := Draft{Levels: []Level{}}
	for _, l := range d.Levels() {
		out.Levels = append(out.Levels, Level{
			What: l.What, Threshold: l.Threshold, Holders: ids(l.Holders), Signed: ids(l.Signed), Enough: l.Enough(),
		})
	}
	b, err := d.Content()
	if err == nil && b.Number > 0 {
		out.Bundle = new(OfBundle(b))
	}
	return out, err
}

// Print writes a proposal for people.
func (d Draft) Print(w io.Writer) {
	row := rows(w)
	for _, l := range d.Levels {
		row("proposal", "%s: %d of %d signed", l.What, len(l.Signed), l.Threshold)
		for _, h := range l.Holders {
			row("", "%s %s", h, map[bool]string{true: "signed", false: "asked to sign"}[slices.Contains(l.Signed, h)])
		}
	}
	if d.Bundle != nil {
		d.Bundle.Print(w)
	}
}
