package proof_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// P1: while the line swallows everything and a push is under way in it, verdicts come. What proves it is the order of the
// counter's events, not a time: had a tap waited for the push, the news that the line is down would stand before it.
func TestP1BlackHoledLine(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	taps(b, "enrol hanako")
	b.Synced()
	from := b.Heard().Len()
	b.Line.Cut()
	passed := b.Line.Stats().ToTarget
	taps(b, "hanako", "goro", "ren")
	r.Eventually(func() string { // the push of the first tap hangs in the line
		if b.Line.Stats().Held < 2 {
			return "push and poll do not both hang"
		}
		return ""
	})
	taps(b, "enrol taro", "taro", "yuki", "hanako")
	if b.Line.Stats().ToTarget != passed || b.Line.Up() {
		t.Fatal("the line was not cut")
	}
	verdicts := 0
	for _, e := range b.Heard().All()[from:] {
		if e.Type == localapi.EventStatus && !e.Status.Line.Up {
			break
		}
		if e.Type == localapi.EventVerdict {
			verdicts++
		}
	}
	if verdicts != 7 {
		t.Errorf("%d verdicts before the box knew that its line is down, want all 7", verdicts)
	}
	if n := b.Status().Waiting.Records; n != 7 {
		t.Errorf("%d records wait, want 7", n)
	}
	b.Line.Restore()
	b.Synced()
	r.EachOnce()
	pseudonyms(t, r, 2)
}

// P1: the same with a central that is dead, and for a box that starts while it is dead.
func TestP1CentralDead(t *testing.T) {
	r := rig.New(t, rig.Setup{})
	b := ready(r, "b")
	taps(b, "hanako")
	b.Synced()
	online := r.Ledger()[0]
	r.Central.Stop()
	taps(b, "hanako", "goro")
	b.Stop()
	b.Start()
	taps(b, "hanako", "taro")
	s := b.Status()
	if s.Waiting.Records != 4 || s.Mode == localapi.ModeStopped {
		t.Errorf("%d records wait in mode %s, want 4 and taps that go on", s.Waiting.Records, s.Mode)
	}
	for _, told := range r.Ledger() {
		if told.Person.Key == "hanako" && told.Tap.First != online.Tap.First {
			t.Errorf("off-line %+v, on-line %+v, want the same from the same list", told.Tap.First, online.Tap.First)
		}
	}
	r.Central.Start()
	b.Synced()
	r.EachOnce()
	b.Settled()
}

// P6: what a verdict rests on reaches the counter with it, and is what the box decided by.
func TestP6RestsReachTheCounter(t *testing.T) {
	r := rig.New(t, rig.Setup{})
	b := ready(r, "b")
	for _, c := range []struct {
		person string
		first  localapi.Outcome
		answer record.Answer
	}{
		{"hanako", localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}, record.AnswerNotRevoked},
		{"goro", localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked}, record.AnswerRevoked},
		{"mika", localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonOnHold}, record.AnswerOnHold},
		{"ren", localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonChainBroken}, record.AnswerNotCovered},
		{"aoi", localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonIssuerNotVerified}, record.AnswerNotCovered},
	} {
		told := b.Tap(c.person)
		rests := told.Rests
		if told.Tap.First != c.first || rests.Answer != c.answer {
			t.Errorf("%s: %+v on %s, want %+v on %s", c.person, told.Tap.First, rests.Answer, c.first, c.answer)
		}
		if rests.Basis != record.BasisDrill || rests.Evidence != record.EvidenceCertificate || rests.Rule == 0 ||
			rests.Confidence != record.ConfidenceChecked {
			t.Errorf("%s: rests on %+v, want basis, evidence, rule and a checked clock", c.person, rests)
		}
		list := b.Status().List
		covered := c.answer != record.AnswerNotCovered
		if covered != (rests.List.Number == list.Number && rests.List.ThisUpdate.Equal(list.ThisUpdate)) || covered == (rests.List.Number == 0) {
			t.Errorf("%s: rests on list %+v, the box holds %+v", c.person, rests.List, list)
		}
	}
	for _, told := range []rig.Told{b.Enrol("hanako", true), b.TapPIN("taro")} {
		if told.Rests.Evidence != record.EvidencePIN || told.Rests.Answer != record.AnswerNotRevoked || told.Tap.First.Reason != record.ReasonInOrder {
			t.Errorf("%s with the PIN: %+v on %+v, want evidence pin, in order, not revoked", told.Person.Key, told.Tap.First, told.Rests)
		}
	}
	b.Synced()
	r.EachOnce()
}

// P6: a card that was revoked since the list was made is accepted by the box, refused by central as of the tap, and the
// difference reaches the counter as corrected.
func TestP6DifferenceReachesTheCounter(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b := ready(r, "b")
	b.Enrol("jiro", false)
	b.Synced()
	b.Settled()
	b.Confirmed(1, "jiro")
	revoke(t, r, r.Person("jiro").Auth.ID)
	from := b.Heard().Len()
	told := b.Tap("jiro")
	if told.Tap.First.Verdict != record.VerdictAccepted || told.Rests.Evidence != record.EvidenceCard {
		t.Fatalf("first verdict is %+v by %s, want accepted by card: the list is older", told.Tap.First, told.Rests.Evidence)
	}
	e := b.Heard().Await(from, func(e localapi.Event) bool { return e.Type == localapi.EventSettled && e.Tap.Tap == told.Tap.Tap })
	want := localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked}
	if e.Tap.Final == nil || *e.Tap.Final != want || !e.Tap.Corrected || !e.Subject.IsZero() {
		t.Errorf("settled as %+v, corrected %v, want %+v, corrected, without a pseudonym", e.Tap.Final, e.Tap.Corrected, want)
	}
	r.EachOnce()
}

// P7: for every certificate of the world the box's answer is the list's, no more and no less.
func TestP7AnswersAreTheLists(t *testing.T) {
	r := rig.New(t, rig.Setup{})
	b := ready(r, "b")
	b.Line.Cut()
	everyone, err := r.World.People()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range everyone {
		var want record.Answer
		switch p.Case {
		case people.Revoked:
			want = record.AnswerRevoked
		case people.OnHold:
			want = record.AnswerOnHold
		case people.BrokenChain, people.UnknownIssuer:
			want = record.AnswerNotCovered
		default:
			want = record.AnswerNotRevoked
		}
		if p.Kind == people.Phone { // it shows its certificate after the PIN alone, which it is not given
			if why := b.Fails(p.Key); why != localapi.FailurePINProtected {
				t.Errorf("%s: %s, want %s", p.Key, why, localapi.FailurePINProtected)
			}
			continue
		}
		told := b.Tap(p.Key)
		if told.Rests.Answer != want {
			t.Errorf("%s (%s): answer %s, want %s", p.Key, p.Case, told.Rests.Answer, want)
		}
		if want != record.AnswerNotRevoked && told.Tap.First.Verdict == record.VerdictAccepted {
			t.Errorf("%s (%s) is accepted on %s", p.Key, p.Case, want)
		}
	}
	b.Line.Restore()
	b.Synced()
	r.EachOnce()
}

// P7: without a list nothing is covered, and nobody is served, not even with a card in order: a box waits for its first list. Central decides
// as always, and also of an issuer that the box does not know.
func TestP7NoListNothingCovered(t *testing.T) {
	r := rig.New(t, rig.Setup{NoLists: true})
	b := ready(r, "b")
	absent := localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonListAbsent}
	for _, k := range []struct {
		key  string
		want localapi.Outcome
	}{
		{"hanako", absent},
		{"goro", absent},
		{"aoi", localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonIssuerNotVerified}},
	} {
		told := b.Tap(k.key)
		if told.Rests.Answer != record.AnswerNotCovered || told.Tap.First != k.want {
			t.Errorf("%s: %+v on %s, want %+v on not_covered", k.key, told.Tap.First, told.Rests.Answer, k.want)
		}
	}
	b.Synced()
	finals := map[string]record.Verdict{"hanako": record.VerdictAccepted, "goro": record.VerdictRefused, "aoi": record.VerdictRefused}
	for i, a := range r.EachOnce() {
		if key := r.Ledger()[i].Person.Key; a.Final != finals[key] {
			t.Errorf("%s: central says %s, want %s", key, a.Final, finals[key])
		}
	}
}

// production is a service for real cards, with a root that says it is the national one.
func production(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "root.cer")
	if err := os.WriteFile(root, nationalRoot(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return `
[[service]]
id = "city.real"
verifier = "practice-city"
basis = "pin"
evidence = "pin"
supervised = true
attributes = ["name", "address", "birth_date", "sex"]
consent_ja = "四つを読み取ります。"
consent_en = "All four are read."

[[jpki]]
hierarchy = "production"
auth_anchors = ["` + root + `"]
auth_crl = "http://127.0.0.1:9/nobody-is-there"
`
}

// nationalRoot is made up, by a key that is thrown away: it signs nothing.
func nationalRoot(t *testing.T) []byte {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		Subject:  pkix.Name{Country: []string{"JP"}, Organization: []string{jpki.OrganizationProduction}, OrganizationalUnit: []string{jpki.UnitAuth}},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true,
		SignatureAlgorithm: x509.SHA256WithRSA,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// A service for real cards refuses practice cards, at the counter and at central, and gives them no pseudonym.
func TestProductionServiceRefusesPracticeCards(t *testing.T) {
	r := rig.New(t, rig.Setup{More: production(t)})
	b := r.Box("b")
	b.Service = "city.real"
	b.Start()
	r.Eventually(func() string {
		if b.Status().Service.Basis == 0 {
			return "no rules yet"
		}
		return ""
	})
	want := localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonHierarchy}
	for _, key := range []string{"hanako", "taro", "goro"} {
		if told := b.Tap(key); told.Tap.First != want {
			t.Errorf("%s: %+v, want %+v", key, told.Tap.First, want)
		}
	}
	if told := b.Enrol("hanako", true); told.Tap.First != want || told.Enrol == nil || told.Enrol.Bound {
		t.Errorf("enrolling: %+v, %+v, want %+v and nothing bound", told.Tap.First, told.Enrol, want)
	}
	b.Synced()
	for _, a := range r.EachOnce() {
		if a.Final != want.Verdict || a.Reason != want.Reason || a.PPID != "" {
			t.Errorf("central says %s, %s and names somebody: %v, want %+v and nobody", a.Final, a.Reason, a.PPID != "", want)
		}
	}
	if n := r.Central.Rows("persons"); n != 0 {
		t.Errorf("%d persons, want none", n)
	}
}

// Practice roots cannot be configured as the national ones: central does not start, and the reader's anchors refuse them.
func TestProductionTrustRefusesPracticeIssuers(t *testing.T) {
	r := rig.New(t, rig.Setup{})
	for _, a := range r.World.Anchors() {
		cert, err := x509.ParseCertificate(a.Cert)
		if err != nil {
			t.Fatal(err)
		}
		_, err = jpki.NewAnchors(jpki.Anchor{Cert: cert, Hierarchy: certid.HierarchyProduction, Purpose: a.Scope.Purpose})
		if !errors.Is(err, jpki.ErrAnchor) {
			t.Errorf("NewAnchors(practice root of %s as production) = %v, want %v", a.Scope, err, jpki.ErrAnchor)
		}
	}
	r.Central.Stop()
	all := func(conf string) string { return strings.ReplaceAll(conf, "'practice'", "'production'") }
	if err := opened(r, all); err == nil || !strings.Contains(err.Error(), "card_ca[0].id: numbers of production begin with 5") {
		t.Errorf("central with practice card authorities as production opens with %v, want them refused", err)
	}
	withoutCards := func(conf string) string {
		return all(regexp.MustCompile(`(?s)\[\[card_ca\]\].*?\n\n`).ReplaceAllString(conf, ""))
	}
	if err := opened(r, withoutCards); !errors.Is(err, jpki.ErrAnchor) {
		t.Errorf("central with practice roots as production opens with %v, want %v", err, jpki.ErrAnchor)
	}
}

// opened is why central does not start with another configuration.
func opened(r *rig.Rig, change func(string) string) error {
	d, err := r.Central.OpenWith(change)
	if err == nil {
		_ = d.Close()
	}
	return err
}
