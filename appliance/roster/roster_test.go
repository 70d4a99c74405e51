package roster_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kazashi.example/appliance/roster"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	shared "kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

const city record.VerifierID = "practice-city"

var (
	box = record.NewBoxID()
	tap = record.NewTapID()
)

// entry is a made-up person with a serial number and the tap of their enrolment.
func entry(serial byte, enrolled record.TapID, key byte) shared.Entry {
	return shared.Entry{
		Hierarchy: certid.HierarchyPractice, Serial: []byte{serial}, Verifier: city, Enrolled: enrolled,
		Birth: shared.Birth{Date: "19800412", Form: 1}, Key: []byte{0x30, key},
	}
}

// central signs sets.
type central struct {
	t   *testing.T
	key *ecdsa.PrivateKey
}

func newCentral(t *testing.T) central {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return central{t, k}
}

// SigningKey makes central its own set of keys.
func (c central) SigningKey(_ sign.Purpose, id sign.KeyID) (sign.PublicKey, error) {
	p, err := sign.PublicKeyOf(c.key.Public())
	must(c.t, err)
	if sign.KeyIDOf(p.DER()) != id {
		return sign.PublicKey{}, sign.ErrUnknownKey
	}
	return p, nil
}

func (c central) set(epoch, n uint64, entries ...shared.Entry) []byte {
	c.t.Helper()
	msg, err := shared.Set{Version: rule.Version{CentralEpoch: epoch, N: n}, Box: box, Entries: entries}.Sign(c.key)
	must(c.t, err)
	return msg
}

// find is the last octet of the key bound for a serial number; 0 for nobody.
func find(t *testing.T, b *roster.Book, serial byte) byte {
	t.Helper()
	e, ok := b.Find(city, idOf(t, serial))
	if !ok {
		return 0
	}
	return e.Key[1]
}

func idOf(t *testing.T, serial byte) certid.CertID {
	t.Helper()
	id, err := entry(serial, tap, 1).ID()
	must(t, err)
	return id
}

func TestFindIsPerVerifierAndCertificate(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	must(t, b.Apply(c, c.set(1, 1, entry(7, tap, 1))))
	other := idOf(t, 7)
	other.Scope.Hierarchy = certid.HierarchyTest
	for name, tc := range map[string]struct {
		verifier record.VerifierID
		id       certid.CertID
		want     bool
	}{
		"enrolled":          {city, idOf(t, 7), true},
		"another serial":    {city, idOf(t, 8), false},
		"another verifier":  {"other-city", idOf(t, 7), false},
		"another hierarchy": {city, other, false},
	} {
		if _, ok := b.Find(tc.verifier, tc.id); ok != tc.want {
			t.Errorf("Find(%s) = %t, want %t", name, ok, tc.want)
		}
	}
	if got, want := b.Version(), (rule.Version{CentralEpoch: 1, N: 1}); got != want {
		t.Errorf("Version() = %v, want %v", got, want)
	}
}

// P9: only what central signed for this box, and only what is newer, replaces anything.
func TestP9ApplyRefuses(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	must(t, b.Apply(c, c.set(2, 5, entry(1, tap, 1))))
	elsewhere, err := shared.Set{Version: rule.Version{CentralEpoch: 9, N: 9}, Box: record.NewBoxID()}.Sign(c.key)
	must(t, err)
	for name, tc := range map[string]struct {
		msg  []byte
		want error
	}{
		"the same version":     {c.set(2, 5), roster.ErrOlder},
		"an older number":      {c.set(2, 4), roster.ErrOlder},
		"an older central":     {c.set(1, 9), roster.ErrOlder},
		"another box's":        {elsewhere, roster.ErrElsewhere},
		"of an unknown signer": {newCentral(t).set(3, 1), sign.ErrUnknownKey},
	} {
		if err := b.Apply(c, tc.msg); !errors.Is(err, tc.want) {
			t.Errorf("Apply(%s) = %v, want %v", name, err, tc.want)
		}
	}
	if got := find(t, b, 1); got != 1 {
		t.Errorf("after the refusals the bound key is %d, want 1", got)
	}
	must(t, b.Apply(c, c.set(3, 1))) // a restored central counts from one again
	if got := find(t, b, 1); got != 0 {
		t.Errorf("after the newer, empty set the bound key is %d, want none", got)
	}
}

func TestP2EnrolmentStaysUntilCentralSettlesIt(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	must(t, b.Apply(c, c.set(1, 1, entry(1, record.NewTapID(), 1))))
	must(t, b.Add(entry(1, tap, 2)))
	if got := find(t, b, 1); got != 2 {
		t.Errorf("after the enrolment the bound key is %d, want the newer, 2", got)
	}
	must(t, b.Apply(c, c.set(1, 2)))
	if got := find(t, b, 1); got != 2 {
		t.Errorf("after a set that does not name the enrolment the bound key is %d, want 2", got)
	}
	must(t, b.Apply(c, c.set(1, 3, entry(1, tap, 3))))
	if got := find(t, b, 1); got != 3 {
		t.Errorf("after a set that names it the bound key is %d, want central's, 3", got)
	}
	must(t, b.Apply(c, c.set(1, 4)))
	if got := find(t, b, 1); got != 0 {
		t.Errorf("after a set without it the bound key is %d, want none: central has taken it over", got)
	}
}

func TestRefusedEnrolmentGoes(t *testing.T) {
	b := roster.New(box)
	served := record.NewTapID()
	must(t, b.Add(entry(1, tap, 1)))
	must(t, b.Add(entry(2, served, 2)))
	b.Settled([]wire.Verdict{
		{Tap: tap, Verdict: record.VerdictRefused},
		{Tap: served, Verdict: record.VerdictAccepted},
		{Tap: record.NewTapID(), Verdict: record.VerdictRefused},
	})
	if refused, accepted := find(t, b, 1), find(t, b, 2); refused != 0 || accepted != 2 {
		t.Errorf("after the verdicts the bound keys are %d and %d, want none and 2", refused, accepted)
	}
}

// A renewed certificate stands in central's set under its new serial number, with the tap of the enrolment.
func TestRenewalReplacesTheOldSerial(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	must(t, b.Add(entry(1, tap, 1)))
	renewed := entry(2, tap, 1)
	renewed.Renewed = true
	must(t, b.Apply(c, c.set(1, 1, renewed)))
	if before, after := find(t, b, 1), find(t, b, 2); before != 0 || after != 1 {
		t.Errorf("under the old serial %d, under the new %d, want none and 1", before, after)
	}
	if e, _ := b.Find(city, idOf(t, 2)); !e.Renewed {
		t.Error("the entry does not say that it was renewed")
	}
}

// The link may bring central's answer before the counter has noted what it asked about.
func TestCentralMayBeQuicker(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	must(t, b.Apply(c, c.set(1, 1, entry(1, tap, 9))))
	must(t, b.Add(entry(1, tap, 1)))
	must(t, b.Apply(c, c.set(1, 2)))
	if got := find(t, b, 1); got != 0 {
		t.Errorf("the bound key is %d, want none: central had it, and has let it go", got)
	}
}

// P9: what the keys in force do not vouch for is out of force; enrolments of this run rest on no signature.
func TestP9ReviewTakesOutOfForce(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	must(t, b.Apply(c, c.set(1, 1, entry(1, record.NewTapID(), 1))))
	must(t, b.Add(entry(2, tap, 2)))
	b.Review(c)
	if find(t, b, 1) != 1 {
		t.Error("a set that the keys vouch for went")
	}
	b.Review(newCentral(t))
	if central, local := find(t, b, 1), find(t, b, 2); central != 0 || local != 2 || b.Version() != (rule.Version{}) {
		t.Errorf("central's key %d, local key %d, version %v, want none, 2 and none", central, local, b.Version())
	}
	b.Review(c) // without a set there is nothing to do
	must(t, b.Apply(c, c.set(1, 1, entry(1, tap, 1))))
}

func TestAddRefuses(t *testing.T) {
	b := roster.New(box)
	if err := b.Add(entry(0, tap, 1)); !errors.Is(err, shared.ErrRoster) {
		t.Errorf("Add(without a serial) = %v, want ErrRoster", err)
	}
	one := func(i int) shared.Entry {
		e := entry(1, record.NewTapID(), 1)
		e.Serial = []byte{1, byte(i >> 8), byte(i)}
		return e
	}
	for i := range shared.MaxEntries {
		must(t, b.Add(one(i)))
	}
	if err := b.Add(one(shared.MaxEntries)); !errors.Is(err, roster.ErrFull) {
		t.Errorf("Add(one too many) = %v, want ErrFull", err)
	}
	if err := b.Add(one(0)); err != nil || b.Len() != shared.MaxEntries {
		t.Errorf("Add(somebody of a full book again) = %v, and %d people, want room for them", err, b.Len())
	}
}

// P2: a refusal that is heard between the record and the roster counts.
func TestP2ARefusalMayBeQuicker(t *testing.T) {
	b := roster.New(box)
	b.Settled([]wire.Verdict{{Tap: tap, Verdict: record.VerdictRefused}})
	must(t, b.Add(entry(1, tap, 7)))
	if got := find(t, b, 1); got != 0 || b.Len() != 0 {
		t.Errorf("the bound key is %d and there are %d people, want none: central has refused it", got, b.Len())
	}
	// Others' refusals are remembered for long, and not for ever.
	refuse := func(n int) {
		verdicts := make([]wire.Verdict, n)
		for i := range verdicts {
			verdicts[i] = wire.Verdict{Tap: record.NewTapID(), Verdict: record.VerdictRefused}
		}
		b.Settled(verdicts)
	}
	refuse(4095)
	b.Settled([]wire.Verdict{{Tap: tap, Verdict: record.VerdictRefused}}) // twice is once
	must(t, b.Add(entry(1, tap, 7)))
	if got := find(t, b, 1); got != 0 {
		t.Errorf("after 4095 more refusals the bound key is %d, want none", got)
	}
	refuse(1)
	must(t, b.Add(entry(1, tap, 7)))
	if got := find(t, b, 1); got != 7 {
		t.Errorf("after 4096 more refusals the bound key is %d, want 7: the memory is bounded", got)
	}
}

// P2: who enrols twice in one run is known by the later enrolment, also once central names that one alone.
func TestP2ALaterEnrolmentSupersedesTheEarlier(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	first, second := record.NewTapID(), record.NewTapID()
	must(t, b.Add(entry(1, first, 1)))
	must(t, b.Add(entry(1, second, 2)))
	if got := find(t, b, 1); got != 2 || b.Len() != 1 {
		t.Errorf("the bound key is %d of %d people, want the later one's, 2, of one", got, b.Len())
	}
	must(t, b.Apply(c, c.set(1, 1, entry(1, second, 3))))
	if got := find(t, b, 1); got != 3 {
		t.Errorf("once central names the later one the bound key is %d, want central's, 3", got)
	}
}

// What the page shows as the number of people is counted as they come and go.
func TestLen(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	mine, other := record.NewTapID(), record.NewTapID()
	for _, step := range []struct {
		name string
		do   func() error
		want int
	}{
		{"nobody", func() error { return nil }, 0},
		{"an enrolment", func() error { return b.Add(entry(1, mine, 1)) }, 1},
		{"another person's", func() error { return b.Add(entry(2, other, 1)) }, 2},
		{"central's set, with one of them and a third", func() error { return b.Apply(c, c.set(1, 1, entry(1, mine, 1), entry(3, tap, 1))) }, 3},
		{"somebody whom central knows again", func() error { return b.Add(entry(3, record.NewTapID(), 2)) }, 3},
		{"a refusal", func() error { b.Settled([]wire.Verdict{{Tap: other, Verdict: record.VerdictRefused}}); return nil }, 2},
		{"a set out of force", func() error { b.Review(newCentral(t)); return nil }, 1},
		{"central's set anew", func() error { return b.Apply(c, c.set(1, 1)) }, 1},
	} {
		must(t, step.do())
		if got := b.Len(); got != step.want {
			t.Errorf("after %s Len() = %d, want %d", step.name, got, step.want)
		}
	}
}

// meanwhile is keys that know nobody, and before they say so something happens.
type meanwhile struct{ happens func() }

func (m meanwhile) SigningKey(sign.Purpose, sign.KeyID) (sign.PublicKey, error) {
	m.happens()
	return sign.PublicKey{}, sign.ErrUnknownKey
}

// P9: a set that came while an older one was being reviewed is not the one that was found wanting.
func TestP9ReviewLeavesANewerSetAlone(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	must(t, b.Apply(c, c.set(1, 1, entry(1, tap, 1))))
	b.Review(meanwhile{func() { must(t, b.Apply(c, c.set(1, 2, entry(1, tap, 2)))) }})
	if got, version := find(t, b, 1), b.Version(); got != 2 || version.N != 2 {
		t.Errorf("after the review the bound key is %d by set %d, want those of the newer, 2 and 2", got, version.N)
	}
}

func TestP3PrintsAsRedacted(t *testing.T) {
	b := roster.New(box)
	must(t, b.Add(entry(1, tap, 1)))
	e, _ := b.Find(city, idOf(t, 1))
	if s := fmt.Sprintf("%v %+v %#v", e, e, e); strings.Contains(s, "1980") {
		t.Errorf("an entry prints as %s", s)
	}
}

// Taps look up while central's answers come in.
func TestManyAtOnce(t *testing.T) {
	c, b := newCentral(t), roster.New(box)
	first := c.set(1, 1, entry(1, tap, 1))
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for range 50 {
				_ = b.Add(entry(byte(n+2), record.NewTapID(), 1))
				b.Find(city, idOf(t, 1))
				_ = b.Apply(c, first)
				b.Settled(nil)
			}
		})
	}
	wg.Wait()
	if find(t, b, 1) != 1 || find(t, b, 9) != 1 {
		t.Error("an entry was lost")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
