package crl_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/reader/jpki"
)

// loseState loses what is known of the lists held.
func (r *rig) loseState() {
	r.Helper()
	must(r, os.Remove(filepath.Join(r.dir, "practice-auth", "state.cbor")))
	r.open()
}

// P7: what was published is not taken back by an old list, whatever became of the state.
func TestP7OlderListsAreRefusedWithoutTheState(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	newest := r.list(r.by[4], "", 10, -5, entry{5, -20, 1})
	r.take(newest)
	h := r.build()
	r.loseState()
	for name, try := range map[string]struct {
		der  []byte
		want error
	}{
		"older":                       {r.list(r.by[4], "", 9, -300), crl.ErrOlder},
		"a lower number, made after":  {r.list(r.by[4], "", 9, -4), crl.ErrLowNumber},
		"the same number, made after": {r.list(r.by[4], "", 10, -4), crl.ErrSameNumber},
		"another key's, made before":  {r.list(r.by[3], "", 11, -6), crl.ErrOlder},
	} {
		r.refuse(name, try.der, try.want)
	}
	r.take(newest)
	if again := r.build(); again.Number != h.Number {
		t.Errorf("Build of the same list again = %v, want %v to stay", again.Number, h.Number)
	}
	r.take(r.list(r.by[4], "", 11, -3))
}

// P7: an override lets one list in, even where nobody remembers that it did.
func TestP7UsedOverridesStayUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	r.take(r.list(r.by[4], "", 100, -10))
	key := jpki.KeyIDOf(r.by[4].Cert)
	signed, err := crl.SignOverride(r.key, crl.Override{
		Hierarchy: auth.Hierarchy, Purpose: auth.Purpose, Key: key[:], From: 1, Reason: "the authority moved house", By: "operator on duty",
		Made: day.Unix(), Expires: day.Add(time.Hour).Unix(),
	})
	must(t, err)
	_, err = crl.PlaceOverride(r.dir, signed)
	must(t, err)
	r.take(r.list(r.by[4], "", 50, -9))
	r.loseState()
	r.take(r.list(r.by[4], "", 60, -7))
	r.refuse("a second list under it", r.list(r.by[4], "", 30, -6), crl.ErrLowNumber)
}

// days makes a set a day, each with the serial of its number on hold.
func (r *rig) days(n int) {
	r.Helper()
	for d := range n {
		r.now = day.Add(time.Duration(d*24+1) * time.Hour)
		r.take(r.list(r.by[4], "", int64(d+1), d*24, entry{int64(d + 1), d*24 - 1, 6}))
		r.build()
	}
}

// P7: the history is kept for ever, and no mistake of a key directory ends that.
func TestP7AnotherKeyTouchesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	r.days(3)
	must(t, r.store.Close())
	before, c := tree(t, r.dir), r.config()
	var err error
	c.Sign, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	for _, c.ReadOnly = range []bool{false, true} {
		if _, err := crl.Open(t.Context(), c); !errors.Is(err, crl.ErrOtherKey) {
			t.Errorf("Open under another key = %v, want ErrOtherKey", err)
		}
	}
	if after := tree(t, r.dir); after != before {
		t.Errorf("Open under another key made of %s %s", before, after)
	}
	r.open()
	if !r.look(3).Listed {
		t.Error("with the key back the set says nothing")
	}
}

// P7: a manifest or a step that cannot be read is no damaged one.
func TestP7WhatCannotBeReadIsNotSetAside(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"sets/*.manifest", "history/*.step"} {
		r := newRig(t, crl.Expect{})
		r.days(2)
		must(t, r.store.Close())
		names, err := filepath.Glob(filepath.Join(r.dir, "practice-auth", end))
		must(t, err)
		newest := names[len(names)-1]
		must(t, os.Rename(newest, newest+".away"))
		must(t, os.Mkdir(newest, 0o700)) // which nobody can read as a file
		if _, err := crl.Open(t.Context(), r.config()); err == nil {
			t.Fatalf("Open with an unreadable %s works", end)
		}
		must(t, os.Remove(newest))
		must(t, os.Rename(newest+".away", newest))
		r.open()
		if st, err := r.store.Status(auth); err != nil || len(st.Steps) != 2 || !r.look(2).Listed {
			t.Errorf("once %s can be read again: %d steps, %v", end, len(st.Steps), err)
		}
	}
}

// P7: where all sets are lost, what they said is not.
func TestP7TheHistoryOutlivesTheSets(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	r.days(3)
	must(t, os.RemoveAll(filepath.Join(r.dir, "practice-auth", "sets")))
	r.open()
	before, err := r.store.Status(auth)
	must(t, err)
	if len(before.Steps) != 3 {
		t.Fatalf("without sets the history has %d steps, want 3", len(before.Steps))
	}
	if h := r.build(); h.Number.Compare(before.Steps[2].Next) <= 0 || h.Entries != 1 {
		t.Errorf("Build = set %v of %d entries, want one after %v", h.Number, h.Entries, before.Steps[2].Next)
	}
	r.open()
	if st, err := r.store.Status(auth); err != nil || len(st.Steps) != 4 {
		t.Errorf("then the history has %d steps, %v, want 4", len(st.Steps), err)
	}
}
