package desired_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/appliance/desired"
	"kazashi.example/reader/cvc"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

func TestCreateRefuses(t *testing.T) {
	c, other := newCentral(t), newCentral(t)
	noBox, noSite := c.place(), c.place()
	noBox.Box, noSite.Site = desired.Place{}.Box, "No Name"
	for name, try := range map[string]struct {
		place  desired.Place
		bundle []byte
		want   error
	}{
		"bundle of another root":      {c.place(), other.bundle(1), trust.ErrRoot},
		"bundle cut":                  {c.place(), c.bundle(1)[:100], canon.ErrForm},
		"bundle with a broken anchor": {c.place(), c.bundle(1, brokenAnchor), nil},
		"no box":                      {noBox, c.bundle(1), desired.ErrPlace},
		"no site":                     {noSite, c.bundle(1), desired.ErrPlace},
	} {
		dir := t.TempDir()
		err := desired.Create(dir, try.place, try.bundle)
		if err == nil || try.want != nil && !errors.Is(err, try.want) {
			t.Errorf("Create(%s) = %v, want %v", name, err, try.want)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("Create(%s) left %v behind", name, left)
		}
	}
}

func brokenAnchor(b *trust.Bundle) {
	b.Anchors = []trust.Anchor{{Hierarchy: 3, Purpose: 1, Certificate: []byte("no certificate")}}
}

func TestSealKeyIsTheBundlesInForce(t *testing.T) {
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	sealsTo := func(want []byte) {
		t.Helper()
		if got := s.SealKey(); !bytes.Equal(got.Bytes(), want) {
			t.Errorf("SealKey() = %s, which is not the key of the bundle in force", got.ID())
		}
	}
	sealsTo(c.seal)
	next, err := seal.GenerateKey()
	must(t, err)
	c.seal = next.Public().Bytes()
	must(t, s.ApplyTrust(c.bundle(7)))
	sealsTo(c.seal)
	s = again(t, s, dir)
	sealsTo(c.seal)
}

func TestOpenBeforeJoining(t *testing.T) {
	if _, err := desired.Open(t.Context(), t.TempDir(), quiet); !errors.Is(err, desired.ErrNotJoined) {
		t.Errorf("Open = %v, want ErrNotJoined", err)
	}
}

func TestARestartReadsBack(t *testing.T) { // P9
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, s.ApplyTrust(c.bundle(7)))
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 5}, "kiyose.library")))
	_, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 3))
	must(t, err)

	s = again(t, s, dir)
	held, err := s.Held(t.Context())
	must(t, err)
	if got, want := s.Place(), c.place(); got != want {
		t.Errorf("Place = %v, want %v", got, want)
	}
	if got := s.Trust().Number; got != 7 {
		t.Errorf("Trust().Number = %d, want 7", got)
	}
	if _, v, ok := s.For("kiyose.library"); !ok || v.N != 5 {
		t.Errorf("For = %v, %v, want version 5", v, ok)
	}
	if want := (rule.Version{CentralEpoch: 1, N: 3}); held != want {
		t.Errorf("Held = %v, want %v", held, want)
	}
	before, err := trust.Open(read(t, dir, "trust.cbor.previous"), trust.Terms{Root: c.fingerprint()})
	if err != nil || before.Number != 1 {
		t.Errorf("the previous bundle = number %d, %v, want 1: a change must be revertible", before.Number, err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	must(t, err)
	return b
}

func TestApplyTrustTakesOnlyNewerBundles(t *testing.T) { // P9
	c, other := newCentral(t), newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, s.ApplyTrust(c.bundle(5)))
	spoilt := c.bundle(6)
	spoilt[len(spoilt)-1] ^= 1
	for _, try := range []struct {
		name   string
		bundle []byte
		want   error
	}{
		{"the same number", c.bundle(5), desired.ErrOlder},
		{"an older number", c.bundle(4), trust.ErrRollback},
		{"another root", other.bundle(9), trust.ErrRoot},
		{"a bad signature", spoilt, sign.ErrSignature},
		{"a broken anchor", c.bundle(9, brokenAnchor), nil},
		{"nothing", nil, canon.ErrForm},
	} {
		if err := s.ApplyTrust(try.bundle); err == nil || try.want != nil && !errors.Is(err, try.want) {
			t.Errorf("ApplyTrust(%s) = %v, want %v", try.name, err, try.want)
		}
		if got := s.Trust().Number; got != 5 {
			t.Fatalf("after %s: Trust().Number = %d, want 5", try.name, got)
		}
	}
	if s = again(t, s, dir); s.Trust().Number != 5 {
		t.Errorf("after a restart: Trust().Number = %d, want 5", s.Trust().Number)
	}
}

// TestABoxAYearLateWalksEveryRootSet is P8, and that the walk goes one way: keys of a root set that was replaced lead nowhere,
// neither at once nor after a restart.
func TestABoxAYearLateWalksEveryRootSet(t *testing.T) {
	c := newCentral(t)
	dir := c.join()
	thief := *c // holds the first root's key, as does whoever made its replacement necessary
	c.rotate(newKey(t))
	c.rotate(newKey(t))
	s := open(t, dir)
	must(t, s.ApplyTrust(c.bundle(2)))
	last, err := trust.FingerprintOf(c.chain[2])
	must(t, err)
	if got := s.Trust().Root; got != last {
		t.Errorf("Trust().Root = %s, want the third set's", got)
	}

	thief.rotate(newKey(t))
	for _, name := range []string{"at once", "after a restart"} {
		if err := s.ApplyTrust(thief.bundle(99)); !errors.Is(err, trust.ErrRoot) {
			t.Errorf("ApplyTrust(bundle by replaced root keys) %s = %v, want ErrRoot", name, err)
		}
		if err := s.ApplyTrust(thiefOfOne(c).bundle(99)); !errors.Is(err, trust.ErrRoot) {
			t.Errorf("ApplyTrust(bundle by the first root alone) %s = %v, want ErrRoot", name, err)
		}
		s = again(t, s, dir)
	}
	must(t, s.ApplyTrust(c.bundle(3)))
}

// thiefOfOne signs with the first root and shows only its set.
func thiefOfOne(c *central) *central {
	one := *c
	one.roots, one.chain = c.roots[:1], c.chain[:1]
	return &one
}

// A chain that begins after the root set of the join code could not be read again after a restart.
func TestApplyTrustRefusesAShortenedChain(t *testing.T) { // P8
	c := newCentral(t)
	dir := c.join()
	c.rotate(newKey(t))
	s := open(t, dir)
	must(t, s.ApplyTrust(c.bundle(2)))
	short := *c
	short.chain = c.chain[1:]
	if err := s.ApplyTrust(short.bundle(3)); !errors.Is(err, trust.ErrRoot) {
		t.Errorf("ApplyTrust(chain without its beginning) = %v, want ErrRoot", err)
	}
	if s = again(t, s, dir); s.Trust().Number != 2 {
		t.Errorf("after a restart: Trust().Number = %d, want 2", s.Trust().Number)
	}
}

func TestApplyRulesOrdersByCentralEpochFirst(t *testing.T) { // design §5.6: a restored central begins n anew
	c, other := newCentral(t), newCentral(t)
	dir := c.join()
	s := open(t, dir)
	for _, try := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"the first", c.rules(rule.Version{CentralEpoch: 1, N: 10}, "one"), nil},
		{"the same again", c.rules(rule.Version{CentralEpoch: 1, N: 10}, "two"), desired.ErrOlder},
		{"an older one", c.rules(rule.Version{CentralEpoch: 1, N: 9}, "three"), desired.ErrOlder},
		{"another central's", other.rules(rule.Version{CentralEpoch: 2, N: 1}, "four"), sign.ErrUnknownKey},
		{"a newer one", c.rules(rule.Version{CentralEpoch: 1, N: 11}, "five"), nil},
		{"a restored central's with a smaller n", c.rules(rule.Version{CentralEpoch: 2, N: 1}, "six"), nil},
		{"the central before it with a greater n", c.rules(rule.Version{CentralEpoch: 1, N: 99}, "seven"), desired.ErrOlder},
		{"verdicts instead of rules", c.batch(3, 1, 1), sign.ErrSignature},
	} {
		if err := s.ApplyRules(try.msg); !errors.Is(err, try.want) {
			t.Errorf("ApplyRules(%s) = %v, want %v", try.name, err, try.want)
		}
	}
	for range 2 {
		if _, v, ok := s.For("six"); !ok || v != (rule.Version{CentralEpoch: 2, N: 1}) {
			t.Errorf("For(six) = %v, %v, want (2, 1)", v, ok)
		}
		if _, _, ok := s.For("five"); ok {
			t.Error("a rule of a replaced set is still found")
		}
		s = again(t, s, dir)
	}
}

// Rules whose signing key was withdrawn are out of force at once, not only after the next restart, and stop no box.
func TestRulesGoWithTheirKey(t *testing.T) { // P9
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 10}, "one")))
	c.sign = newKey(t)
	must(t, s.ApplyTrust(c.bundle(2)))
	for range 2 {
		if _, _, ok := s.For("one"); ok || s.Rules() != (rule.Version{}) {
			t.Errorf("Rules = %v, want none", s.Rules())
		}
		s = again(t, s, dir)
	}
	if err := s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 9}, "one")); !errors.Is(err, desired.ErrOlder) {
		t.Errorf("ApplyRules(older than those that went) = %v, want ErrOlder", err)
	}
	if floor := s.RulesFloor(); floor != (rule.Version{CentralEpoch: 1, N: 10}) {
		t.Errorf("RulesFloor() = %v, want that of the rules that went", floor)
	}
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 11}, "one")))
}

// Rules that went out of force make no room for older ones, neither for those kept beside them nor for a file, at once or after a restart.
func TestP9OlderRulesDoNotComeBack(t *testing.T) {
	v := func(n uint64) rule.Version { return rule.Version{CentralEpoch: 1, N: n} }
	for _, crash := range []bool{false, true} { // between the bundle and the rules' going
		c := newCentral(t)
		dir := c.join()
		s := open(t, dir)
		first, second := c.sign, newKey(t)
		also := trust.Key{Purposes: []sign.Purpose{sign.PurposeRules}, Public: publicOf(t, crypto.Signer(second)).DER()}
		must(t, s.ApplyTrust(c.bundle(2, func(b *trust.Bundle) { b.Keys = append(b.Keys, also) })))
		must(t, s.ApplyRules(c.rules(v(5), "old")))
		c.sign = second
		must(t, s.ApplyRules(c.rules(v(9), "new")))
		c.sign = first
		if bundle := c.bundle(3); crash { // the second key is withdrawn
			shut(t, s)
			must(t, os.WriteFile(filepath.Join(dir, "trust.cbor"), bundle, 0o600))
			s = open(t, dir)
		} else {
			must(t, s.ApplyTrust(bundle))
		}
		for _, when := range []string{"at once", "after a restart"} {
			if got := s.Rules(); got != (rule.Version{}) {
				t.Errorf("crash %v, %s: rules %v in force, want none", crash, when, got)
			}
			for _, n := range []uint64{4, 5, 8} {
				if err := s.ApplyRules(c.rules(v(n), "old")); !errors.Is(err, desired.ErrOlder) {
					t.Errorf("crash %v, %s: ApplyRules(%d) = %v, want ErrOlder", crash, when, n, err)
				}
			}
			s = again(t, s, dir)
		}
		for _, name := range []string{"rules.cbor", "rules.cbor.previous"} {
			if got := aside(t, dir, name); len(got) != 1 {
				t.Errorf("crash %v: %s set aside %d times, want once", crash, name, len(got))
			}
		}
		must(t, s.ApplyRules(c.rules(v(9), "anew")))
	}
}

// A damaged floor stops no box, and the rules in force are one.
func TestADamagedFloorOfRules(t *testing.T) {
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 5}, "one")))
	shut(t, s)
	cutTo(1)(t, filepath.Join(dir, "rules.floor"))
	s = open(t, dir)
	c.sign = newKey(t)
	must(t, s.ApplyTrust(c.bundle(2)))
	if err := s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 4}, "one")); !errors.Is(err, desired.ErrOlder) {
		t.Errorf("ApplyRules(4 after 5) = %v, want ErrOlder", err)
	}
	shut(t, s)
	must(t, desired.Create(dir, c.place(), c.bundle(2))) // joining again begins anew
	s = open(t, dir)
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 1}, "one")))
}

func TestRulesStayWithTheirKey(t *testing.T) { // two C-sign keys are valid at a time (design §4)
	c := newCentral(t)
	s := open(t, c.join())
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 10}, "one")))
	second := trust.Key{Purposes: []sign.Purpose{sign.PurposeRules}, Public: publicOf(t, crypto.Signer(newKey(t))).DER()}
	must(t, s.ApplyTrust(c.bundle(2, func(b *trust.Bundle) { b.Keys = append(b.Keys, second) })))
	if _, _, ok := s.For("one"); !ok {
		t.Error("a new key beside the old one put the rules out of force")
	}
}

// Joining another central begins anew: its numbers are not comparable with the old one's.
func TestJoiningElsewhereBeginsAnew(t *testing.T) {
	c, other := newCentral(t), newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, s.ApplyTrust(c.bundle(50)))
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 9, N: 10}, "one")))
	_, err := s.ApplyVerdicts(t.Context(), c.batch(9, 1, 3))
	must(t, err)
	shut(t, s)

	must(t, desired.Create(dir, other.place(), other.bundle(1)))
	s, err = desired.Open(t.Context(), dir, quiet)
	must(t, err)
	defer shut(t, s)
	must(t, s.ApplyRules(other.rules(rule.Version{CentralEpoch: 1, N: 1}, "two")))
	fresh, err := s.ApplyVerdicts(t.Context(), other.batch(1, 1, 1))
	if err != nil || len(fresh) != 1 {
		t.Errorf("ApplyVerdicts(first of the new central) = %d, %v, want 1", len(fresh), err)
	}
}

// Joining the same central again, as after a lost answer, forgets nothing.
func TestJoiningAgainKeepsWhatIsHeld(t *testing.T) { // P2
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	_, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 3))
	must(t, err)
	shut(t, s)
	must(t, desired.Create(dir, c.place(), c.bundle(2)))
	s, err = desired.Open(t.Context(), dir, quiet)
	must(t, err)
	defer shut(t, s)
	if held, err := s.Held(t.Context()); err != nil || held.N != 3 {
		t.Errorf("Held = %v, %v, want 3", held, err)
	}
}

// cardCA is a card authority of a bundle.
func cardCA(t *testing.T, h certid.Hierarchy, id string, public any) trust.CardCA {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	must(t, err)
	return trust.CardCA{Hierarchy: h, Issuer: append([]byte(id), 8, 5, '0', '0', '1', 0, 0, 0, 0), Public: der}
}

// P9: card authorities come with the bundle; those of a later release are carried and count for nothing (P8), and one that contradicts
// itself keeps the whole bundle out.
func TestP9CardAuthorities(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	good, another := p384.Public(), newKey(t).Public()
	c := newCentral(t)
	s := open(t, c.join())
	if got := s.CardAuthorities().Len(); got != 0 {
		t.Fatalf("a bundle without card authorities has %d", got)
	}
	must(t, s.ApplyTrust(c.bundle(2, func(b *trust.Bundle) {
		b.CardCAs = []trust.CardCA{
			cardCA(t, certid.HierarchyPractice, "9000023", good), cardCA(t, 77, "7000023", good), // of a hierarchy of a later release
			cardCA(t, certid.HierarchyPractice, "9000024", another), // of an algorithm of a later release
			{Hierarchy: certid.HierarchyPractice, Issuer: make([]byte, 16), Public: []byte("of a form of a later release")},
		}
	})))
	if got := s.CardAuthorities(); got.Len() != 1 || got != s.CardAuthorities() {
		t.Errorf("%d card authorities, want 1, and the same set each time", got.Len())
	}
	err = s.ApplyTrust(c.bundle(3, func(b *trust.Bundle) {
		b.CardCAs = []trust.CardCA{cardCA(t, certid.HierarchyProduction, "9000023", good)}
	}))
	if !errors.Is(err, cvc.ErrAuthority) || s.Trust().Number != 2 {
		t.Errorf("ApplyTrust(practice authority as the national one) = %v, bundle %d in force, want ErrAuthority and 2", err, s.Trust().Number)
	}
}
