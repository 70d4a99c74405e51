package desired_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/appliance/desired"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/trust"
)

// P9: the box goes back to the bundle before, once, and only a bundle newer than both leads on; restarts change nothing of it.
func TestP9TrustIsRevertible(t *testing.T) {
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	if err := s.RevertTrust(t.Context()); !errors.Is(err, desired.ErrNoPrevious) {
		t.Fatalf("RevertTrust(first bundle) = %v, want ErrNoPrevious", err)
	}
	must(t, s.ApplyTrust(c.bundle(5)))
	must(t, s.ApplyTrust(c.bundle(7)))
	if got := s.PreviousTrust(); got != 5 {
		t.Errorf("PreviousTrust() = %d, want 5", got)
	}
	must(t, s.RevertTrust(t.Context()))
	for _, when := range []string{"at once", "after a restart"} {
		if s.Trust().Number != 5 || s.TrustHeld() != 7 || !s.Reverted() || s.PreviousTrust() != 0 {
			t.Errorf("%s: bundle %d of %d, reverted %v, previous %d; want 5 of 7, true, 0", when, s.Trust().Number, s.TrustHeld(), s.Reverted(), s.PreviousTrust())
		}
		if signed, err := s.TrustSigned(); err != nil || numberOf(t, c, signed) != 5 {
			t.Errorf("%s: TrustSigned() is another bundle, %v", when, err)
		}
		if peeked, err := desired.PeekTrust(dir); err != nil || peeked.Number != 5 {
			t.Errorf("%s: PeekTrust = %d, %v, want 5", when, peeked.Number, err)
		}
		for _, try := range []struct {
			n    uint64
			want error
		}{{4, trust.ErrRollback}, {6, trust.ErrRollback}, {7, desired.ErrOlder}} {
			if err := s.ApplyTrust(c.bundle(try.n)); !errors.Is(err, try.want) {
				t.Errorf("%s: ApplyTrust(%d) = %v, want %v", when, try.n, err, try.want)
			}
		}
		if err := s.RevertTrust(t.Context()); !errors.Is(err, desired.ErrReverted) {
			t.Errorf("%s: RevertTrust again = %v, want ErrReverted", when, err)
		}
		s = again(t, s, dir)
	}
	must(t, s.ApplyTrust(c.bundle(8)))
	for range 2 {
		if s.Trust().Number != 8 || s.Reverted() || s.PreviousTrust() != 5 {
			t.Errorf("bundle %d, reverted %v, previous %d; want 8, false, and the one that was in force before: 5", s.Trust().Number, s.Reverted(), s.PreviousTrust())
		}
		s = again(t, s, dir)
	}
	must(t, s.RevertTrust(t.Context()))
	if s.Trust().Number != 5 || s.TrustHeld() != 8 {
		t.Errorf("back from 8: bundle %d of %d, want 5 of 8", s.Trust().Number, s.TrustHeld())
	}
}

func numberOf(t *testing.T, c *central, signed []byte) uint64 {
	t.Helper()
	o, err := trust.Open(signed, trust.Terms{Root: c.fingerprint()})
	must(t, err)
	return o.Number
}

// Whoever stole the root keys that were replaced must not be helped to the box's belief by going back.
func TestP9NobodyGoesBackBehindNewRootKeys(t *testing.T) {
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, s.ApplyTrust(c.bundle(2)))
	c.rotate(newKey(t))
	must(t, s.ApplyTrust(c.bundle(3)))
	if err := s.RevertTrust(t.Context()); !errors.Is(err, desired.ErrRootReplaced) || s.Trust().Number != 3 || s.PreviousTrust() != 0 {
		t.Errorf("RevertTrust over a change of root keys = %v, bundle %d, want ErrRootReplaced and 3", err, s.Trust().Number)
	}
}

// Going back takes rules out of force that the bundle before does not vouch for, at once.
func TestRulesGoWithTheWayBack(t *testing.T) { // P9
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	c.sign = newKey(t)
	must(t, s.ApplyTrust(c.bundle(2)))
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 1}, "one")))
	must(t, s.RevertTrust(t.Context()))
	if _, _, ok := s.For("one"); ok || s.Rules() != (rule.Version{}) {
		t.Errorf("Rules = %v, want none", s.Rules())
	}
	if signed, err := s.RulesSigned(); signed != nil || err != nil {
		t.Errorf("RulesSigned() = %d octets, %v, want none", len(signed), err)
	}
}

// A mark that is damaged, or whose bundle before is gone, ends the way back: the newest bundle is in force.
func TestADamagedWayBackEnds(t *testing.T) { // P9
	for name, spoil := range map[string]func(dir string) error{
		"mark":       func(dir string) error { return os.WriteFile(filepath.Join(dir, "trust.reverted"), []byte("x"), 0o600) },
		"empty mark": func(dir string) error { return os.Truncate(filepath.Join(dir, "trust.reverted"), 0) },
		"bundle before": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "trust.cbor.previous"), []byte("x"), 0o600)
		},
		"no bundle": func(dir string) error { return os.Remove(filepath.Join(dir, "trust.cbor.previous")) },
	} {
		c := newCentral(t)
		dir := c.join()
		s := open(t, dir)
		must(t, s.ApplyTrust(c.bundle(7)))
		must(t, s.RevertTrust(t.Context()))
		must(t, spoil(dir))
		s = again(t, s, dir)
		if s.Trust().Number != 7 || s.Reverted() {
			t.Errorf("%s spoiled: bundle %d, reverted %v, want 7 and false", name, s.Trust().Number, s.Reverted())
		}
		must(t, s.ApplyTrust(c.bundle(8)))
	}
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, s.ApplyTrust(c.bundle(7)))
	must(t, s.RevertTrust(t.Context()))
	must(t, os.WriteFile(filepath.Join(dir, "trust.cbor"), []byte("x"), 0o600)) // the one that it went back from
	if s = again(t, s, dir); s.Trust().Number != 1 || !s.Reverted() || s.TrustHeld() != 7 {
		t.Errorf("the newest one spoiled: bundle %d of %d, reverted %v, want 1 of 7, true", s.Trust().Number, s.TrustHeld(), s.Reverted())
	}
}

// at is a clock that stands.
func at(now time.Time, c record.Confidence) func() (time.Time, record.Confidence) {
	return func() (time.Time, record.Confidence) { return now, c }
}

// A bundle's end is judged by a checked clock alone: any other could lock the box out of every bundle.
func TestP8ExpiryIsJudgedByACheckedClock(t *testing.T) {
	end := time.Date(2027, 3, 31, 0, 0, 0, 0, time.UTC)
	expires := func(b *trust.Bundle) { b.Expires = end.Unix() }
	for _, try := range []struct {
		name string
		now  func() (time.Time, record.Confidence)
		want error
	}{
		{"in time", at(end, record.ConfidenceChecked), nil},
		{"too late", at(end.Add(time.Second), record.ConfidenceChecked), trust.ErrExpired},
		{"a clock at the floor", at(end.Add(time.Hour), record.ConfidenceFloor), nil},
		{"a dead clock", at(end.Add(time.Hour), record.ConfidenceNone), nil},
		{"no clock", nil, nil},
	} {
		c := newCentral(t)
		s := open(t, c.join())
		s.Clock(try.now)
		if err := s.ApplyTrust(c.bundle(2, expires)); !errors.Is(err, try.want) {
			t.Errorf("ApplyTrust(%s) = %v, want %v", try.name, err, try.want)
		}
	}
	c := newCentral(t)
	s := open(t, c.join())
	must(t, s.ApplyTrust(c.bundle(2, expires)))
	must(t, s.ApplyTrust(c.bundle(3)))
	s.Clock(at(end.Add(time.Second), record.ConfidenceChecked))
	if err := s.RevertTrust(t.Context()); !errors.Is(err, trust.ErrExpired) {
		t.Errorf("RevertTrust(to an expired bundle) = %v, want ErrExpired", err)
	}
}
