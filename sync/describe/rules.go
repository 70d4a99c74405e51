package describe

import (
	"fmt"
	"io"
	"strings"
	"time"

	"kazashi.example/sync/rule"
)

// Set is a site's rules.
type Set struct {
	Version string    `json:"version"` // central epoch and n: 1-42
	Issued  time.Time `json:"issued"`
	Site    string    `json:"site"`
	Unlock  string    `json:"unlock"` // code, tpm or file
	Rules   []Rule    `json:"rules"`
}

// Rule is what a service demands, in the words of central's configuration.
type Rule struct {
	Service         string   `json:"service"`
	Verifier        string   `json:"verifier"`
	Basis           string   `json:"basis"`
	Evidence        string   `json:"evidence"`
	Supervised      bool     `json:"supervised"`
	ListFull        string   `json:"list_full"`
	ListProvisional string   `json:"list_provisional"`
	TooOld          string   `json:"too_old"`
	Hierarchies     []string `json:"hierarchies"`
	Practice        bool     `json:"practice"`
	SecondUse       string   `json:"second_use"`
	SecondWithin    string   `json:"second_within,omitempty"`
	Attributes      []string `json:"attributes,omitempty"`
	ConsentJA       string   `json:"consent_ja,omitempty"`
	ConsentEN       string   `json:"consent_en,omitempty"`
	KeepRecords     uint32   `json:"keep_records,omitempty"`    // days
	KeepBook        uint32   `json:"keep_book,omitempty"`       // days
	KeepAttributes  uint32   `json:"keep_attributes,omitempty"` // days
	SignIn          bool     `json:"sign_in"`
	OutOfForce      bool     `json:"out_of_force,omitempty"` // its legal approval is over
}

// Version is how a version is written: "1-42".
func Version(v rule.Version) string { return fmt.Sprintf("%d-%d", v.CentralEpoch, v.N) }

// OfSet describes a set; over says which rules are out of force, nil that none is.
func OfSet(s rule.Set, over func(rule.Rule) bool) Set {
	d := Set{Version: Version(s.Version), Issued: at(s.Issued), Site: string(s.Site), Unlock: unlock(s.UnlockBy()), Rules: []Rule{}}
	for _, r := range s.Rules {
		shown := ofRule(r)
		shown.OutOfForce = over != nil && over(r)
		d.Rules = append(d.Rules, shown)
	}
	return d
}

func ofRule(r rule.Rule) Rule {
	d := Rule{
		Service: string(r.Service), Verifier: string(r.Verifier), Basis: r.Basis.String(), Evidence: r.Evidence.String(), Supervised: r.Supervised,
		ListFull: seconds(r.ListFull), ListProvisional: seconds(r.ListProvisional), TooOld: tooOld(r.TooOld), Practice: r.Practice,
		SecondUse: secondUse(r.SecondUse), KeepRecords: r.Retention.Record, KeepBook: r.Retention.Book, KeepAttributes: r.Retention.Attributes,
		SignIn: r.SignIn, Hierarchies: []string{},
	}
	for _, h := range r.Hierarchies {
		d.Hierarchies = append(d.Hierarchies, h.String())
	}
	if r.SecondWithin > 0 {
		d.SecondWithin = seconds(r.SecondWithin)
	}
	for _, a := range []struct {
		bit  rule.Attributes
		name string
	}{
		{rule.AttributeName, "name"}, {rule.AttributeAddress, "address"}, {rule.AttributeBirthDate, "birth_date"}, {rule.AttributeSex, "sex"},
	} {
		if r.Attributes&a.bit != 0 {
			d.Attributes = append(d.Attributes, a.name)
		}
	}
	if r.Consent != nil {
		d.ConsentJA, d.ConsentEN = r.Consent.JA, r.Consent.EN
	}
	return d
}

func seconds(n uint32) string { return (time.Duration(n) * time.Second).String() }

func unlock(u rule.Unlock) string {
	switch u {
	case rule.UnlockTPM:
		return "tpm"
	case rule.UnlockFile:
		return "file"
	default:
		return "code"
	}
}

func tooOld(t rule.TooOld) string {
	if t == rule.TooOldRecord {
		return "record"
	}
	return "refuse"
}

func secondUse(s rule.SecondUse) string {
	switch s {
	case rule.SecondUseTell:
		return "tell"
	case rule.SecondUseRefuse:
		return "refuse"
	default:
		return "counts"
	}
}

// Print writes a set for people.
func (s Set) Print(w io.Writer) {
	row := rows(w)
	row("rules", "%s, issued %s", s.Version, stamp(s.Issued))
	row("site", "%s, opens by %s", s.Site, s.Unlock)
	for _, r := range s.Rules {
		r.print(row)
	}
}

func (r Rule) print(row func(word, format string, a ...any)) {
	row("service", "%s of %s", r.Service, r.Verifier)
	row("", "basis %s, evidence %s, cards %s%s", r.Basis, r.Evidence, strings.Join(r.Hierarchies, " "), r.more())
	row("", "list counts fully for %s, provisionally for %s, then %s", r.ListFull, r.ListProvisional, r.TooOld)
	if r.SecondWithin != "" {
		row("", "second use within %s: %s", r.SecondWithin, r.SecondUse)
	}
	if len(r.Attributes) > 0 {
		row("", "reads on consent: %s", strings.Join(r.Attributes, " "))
		row("", "consent in Japanese: %q", r.ConsentJA)
		row("", "consent in English: %q", r.ConsentEN)
	}
	if r.KeepRecords+r.KeepBook+r.KeepAttributes > 0 {
		row("", "kept for days: records %d, site book %d, attributes %d (0: see the manual)", r.KeepRecords, r.KeepBook, r.KeepAttributes)
	}
	if r.OutOfForce {
		row("", "OUT OF FORCE: its legal approval is over, or not in the trust bundle")
	}
}

// more is what is true of some services only.
func (r Rule) more() string {
	var all strings.Builder
	for _, m := range []struct {
		on   bool
		word string
	}{{r.Supervised, "supervised"}, {r.SignIn, "staff signs in"}, {r.Practice, "PRACTICE - not real"}} {
		if m.on {
			all.WriteString(", " + m.word)
		}
	}
	return all.String()
}
