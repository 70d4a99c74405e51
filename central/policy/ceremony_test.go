package policy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/keys"
	"kazashi.example/central/policy"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

func (r *rig) ceremony() policy.Ceremony {
	r.t.Helper()
	var err error
	r.keys, err = keys.Open(r.conf.KeysDir)
	must(r.t, err)
	r.now = r.now.Add(time.Minute)
	return policy.Ceremony{Config: r.conf, Keys: r.keys, Now: r.now}
}

// holders are n root keys outside the key directory, and the set that wants all of them.
func holders(t *testing.T, n int) (all []*ecdsa.PrivateKey, set trust.RootSet) {
	t.Helper()
	var public []sign.PublicKey
	for range n {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		p, err := sign.PublicKeyOf(k.Public())
		must(t, err)
		all, public = append(all, k), append(public, p)
	}
	return all, trust.NewRootSet(2, uint8(n), public)
}

// handOver lets holders take the place of the root key, which leaves the key directory.
func (r *rig) handOver() []*ecdsa.PrivateKey {
	r.t.Helper()
	c := r.ceremony()
	next, set := holders(r.t, 2)
	d, err := c.Rotate(set)
	must(r.t, err)
	r.signed(&d, next...)
	_, err = d.Sign(r.keys.Root)
	must(r.t, err)
	_, err = c.Publish(d)
	must(r.t, err)
	must(r.t, os.Remove(filepath.Join(r.conf.KeysDir, "root.key")))
	r.ceremony()
	return next
}

func (r *rig) signed(d *trust.Draft, by ...*ecdsa.PrivateKey) {
	r.t.Helper()
	for _, k := range by {
		_, err := d.Sign(k)
		must(r.t, err)
	}
}

// P9: once others hold the root keys, central believes what they signed and makes no bundle itself; what it wants else is said.
func TestP9CentralFollowsTheHolders(t *testing.T) {
	r := newRig(t)
	before := r.make(1)
	next := r.handOver()
	p := r.make(1)
	if p.Trust.Number <= before.Trust.Number || p.Differs || p.Root == before.Root || r.keys.Root != nil {
		t.Errorf("bundle %d after %d, differs %v, a root key here: %v; want a later one, as configured, and none", p.Trust.Number, before.Trust.Number, p.Differs, r.keys.Root != nil)
	}
	r.conf.Approval = []config.Approval{{Verifier: "kiyose", Reference: "number 1"}}
	waits := r.make(1)
	if !waits.Differs || waits.Trust.Number != p.Trust.Number || waits.Trust.Approves("kiyose", r.now) {
		t.Errorf("an approval that nobody signed: bundle %d, differs %v, want %d and true", waits.Trust.Number, waits.Differs, p.Trust.Number)
	}
	c := r.ceremony()
	d, err := c.Propose(r.now.Add(time.Hour))
	must(t, err)
	r.signed(&d, next[0])
	if _, err := c.Publish(d); !errors.Is(err, trust.ErrThreshold) {
		t.Errorf("Publish(one of two) = %v, want ErrThreshold", err)
	}
	r.signed(&d, next[1])
	o, err := c.Publish(d)
	must(t, err)
	if got := r.make(2); got.Differs || got.Trust.Number != o.Number || !got.Trust.Approves("kiyose", r.now) || got.Trust.Expires == 0 {
		t.Errorf("after publishing, at a restored central: bundle %d, differs %v, want %d and false", got.Trust.Number, got.Differs, o.Number)
	}
}

// The history leads back: an older content under a number above all.
func TestP9RevertIsANewNumber(t *testing.T) {
	r := newRig(t)
	first := r.make(1)
	r.conf.JPKI[0].SignAnchors = nil
	second := r.make(1)
	c := r.ceremony()
	if _, err := c.Revert(first.Trust.Number + 1<<40); !errors.Is(err, policy.ErrNoBundle) {
		t.Errorf("Revert(to no bundle) = %v, want ErrNoBundle", err)
	}
	if _, err := c.Revert(second.Trust.Number); !errors.Is(err, policy.ErrUnchanged) {
		t.Errorf("Revert(to the one in force) = %v, want ErrUnchanged", err)
	}
	if _, err := c.Propose(time.Time{}); !errors.Is(err, policy.ErrUnchanged) {
		t.Errorf("Propose(what is in force) = %v, want ErrUnchanged", err)
	}
	d, err := c.Revert(first.Trust.Number)
	must(t, err)
	_, err = d.Sign(r.keys.Root)
	must(t, err)
	o, err := c.Publish(d)
	must(t, err)
	back := r.make(1)
	if o.Number <= second.Trust.Number || len(back.Trust.Anchors) != len(first.Trust.Anchors) || !back.Differs || back.Trust.Number != o.Number {
		t.Errorf("bundle %d with %d anchors after %d, differs %v; want a later one with %d, true", back.Trust.Number, len(back.Trust.Anchors),
			second.Trust.Number, back.Differs, len(first.Trust.Anchors))
	}
	all, err := r.ceremony().Bundles()
	if err != nil || len(all) != 3 || !all[0].InForce || all[0].Number != o.Number || all[2].Number != first.Trust.Number {
		t.Errorf("Bundles = %+v, %v, want three, the newest in force", all, err)
	}
}

func TestPublishRefuses(t *testing.T) { // P9
	r, other := newRig(t), newRig(t)
	r.make(1)
	c := r.ceremony()
	late, err := c.Propose(r.now.Add(-time.Hour))
	must(t, err)
	_, err = late.Sign(r.keys.Root)
	must(t, err)
	if _, err := c.Publish(late); !errors.Is(err, trust.ErrExpired) {
		t.Errorf("Publish(expired) = %v, want ErrExpired", err)
	}
	r.conf.JPKI[0].SignAnchors = nil
	old, err := r.ceremony().Propose(time.Time{})
	must(t, err)
	_, err = old.Sign(r.keys.Root)
	must(t, err)
	newer := r.ceremony()
	next, err := newer.Propose(time.Time{})
	must(t, err)
	_, err = next.Sign(r.keys.Root)
	must(t, err)
	_, err = newer.Publish(next)
	must(t, err)
	if _, err := newer.Publish(old); !errors.Is(err, trust.ErrRollback) {
		t.Errorf("Publish(older) = %v, want ErrRollback", err)
	}
	if _, err := newer.Publish(next); err != nil {
		t.Errorf("Publish(again) = %v", err)
	}
	if _, err := other.ceremony().Publish(next); !errors.Is(err, trust.ErrRoot) {
		t.Errorf("Publish(another central's) = %v, want ErrRoot", err)
	}
	r.keys.Sign = other.keys.Sign
	if _, err := r.try(); !errors.Is(err, policy.ErrUnsigned) {
		t.Errorf("Make with a key that the bundle does not name = %v, want ErrUnsigned", err)
	}
	group, set := holders(t, 1)
	set.N = 1
	first, err := trust.NewDraft(nil, &set, trust.Bundle{})
	must(t, err)
	r.signed(&first, group...)
	if _, err := newer.Publish(first); !errors.Is(err, policy.ErrNoBundle) {
		t.Errorf("Publish(a first root set) = %v, want ErrNoBundle", err)
	}
}

// Without a bundle, and without a key to sign one, nothing is given out.
func TestACentralThatNobodyCouldKnow(t *testing.T) {
	r := newRig(t)
	must(t, os.Remove(filepath.Join(r.conf.KeysDir, "root.key")))
	c := r.ceremony()
	if _, err := r.try(); !errors.Is(err, policy.ErrUnsigned) {
		t.Errorf("Make = %v, want ErrUnsigned", err)
	}
	if _, err := c.InForce(); !errors.Is(err, policy.ErrNoBundle) {
		t.Errorf("InForce = %v, want ErrNoBundle", err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.conf.DataDir, "trust*")); len(left) != 0 {
		t.Errorf("Make left %v", left)
	}
}
