package config_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"kazashi.example/central/config"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/trust"
)

func TestWhatAServiceCanAskFor(t *testing.T) {
	c := parse(t, least+`second_use = "refuse"
second_within = "24h"
attributes = ["name", "birth_date"]
consent_ja = "氏名と生年月日を読み取ります。"
consent_en = "Name and birth date are read."
keep_records = 400
keep_book = 7
keep_attributes = 30
sign_in = true
`)
	rules, err := c.Rules()
	if err != nil {
		t.Fatal(err)
	}
	r := rules[0]
	if r.SecondUse != rule.SecondUseRefuse || r.SecondWithin != 86400 || r.Attributes != rule.AttributeName|rule.AttributeBirthDate || !r.SignIn ||
		r.Consent == nil || r.Consent.EN != "Name and birth date are read." || r.Retention != (rule.Retention{Record: 400, Book: 7, Attributes: 30}) {
		t.Errorf("Rules = %+v", r)
	}
}

func TestSitesAndApprovals(t *testing.T) {
	c := parse(t, least+`[[site]]
id = "branch-1"
unlock = "tpm"
[[site]]
id = "shelter-7"
services = ["kiyose.library"]
[[approval]]
verifier = "kiyose"
reference = "number 1"
until = "2027-03-31"
`)
	if c.Site[0].UnlockBy() != rule.UnlockTPM || c.Site[1].UnlockBy() != rule.UnlockCode {
		t.Errorf("Site = %+v", c.Site)
	}
	// 2027-04-01 00:00 in Japan is 2027-03-31 15:00 UTC, and the last second before it is the approval's.
	want := []trust.Approval{{Verifier: "kiyose", Reference: "number 1", Until: 1806505199}}
	if got, err := c.Approvals(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Approvals = %+v, %v, want %+v", got, err, want)
	}
}

// A tap by the bound key alone needs an approval by name, and the configuration cannot do without.
func TestCardBoundNeedsAnApproval(t *testing.T) { // design §2.2
	lawful := strings.NewReplacer(`"drill"`, `"art38-4"`, `"certificate"`, `"card-bound"`, "practice = true", "supervised = true",
		`"practice"`, `"production"`).Replace(least)
	if _, err := config.Parse([]byte(lawful)); !errors.Is(err, rule.ErrApproval) {
		t.Errorf("Parse(card-bound without an approval) = %v, want ErrApproval", err)
	}
	parse(t, lawful+"[[approval]]\nverifier = \"kiyose\"\nreference = \"number 1\"\n")
}

func TestFaultsOfSitesAndApprovals(t *testing.T) {
	const site, approval = "[[site]]\nid = \"branch-1\"\n", "[[approval]]\nverifier = \"kiyose\"\nreference = \"number 1\"\n"
	for _, try := range []struct{ text, want string }{
		{least + site + site, `site[1].id: "branch-1" stands twice`},
		{least + "[[site]]\nid = \"Branch 1\"\n", "site[0].id:"},
		{least + site + "unlock = \"key\"\n", `site[0].unlock: "key" is none of code, tpm and file`},
		{least + site + "services = [\"other\"]\n", `site[0].services: there is no [[service]] of id "other"`},
		{least + site + "services = [\"kiyose.library\", \"kiyose.library\"]\n", "or it stands twice"},
		{least + approval + approval, `approval[1].verifier: "kiyose" stands twice`},
		{least + strings.Replace(approval, "kiyose", "other", 1), `approval[0].verifier: no [[service]] is of "other"`},
		{least + strings.Replace(approval, "number 1", "", 1), "approval[0].reference: 1 to 256 octets"},
		{least + approval + "until = \"soon\"\n", `approval[0].until: "soon" is no day`},
		{least + "second_use = \"never\"\n", `.second_use: "never" is none of`},
		{least + "second_use = \"tell\"\n", "a second use has a time"},
		{least + "attributes = [\"number\"]\n", `.attributes: "number" is none of`},
		{least + "attributes = [\"name\"]\n", "text of consent"},
	} {
		if _, err := config.Parse([]byte(try.text)); !errors.Is(err, config.ErrConfig) || !strings.Contains(err.Error(), try.want) {
			t.Errorf("Parse(%q) = %v\nwant ErrConfig with %q", try.text, err, try.want)
		}
	}
}
