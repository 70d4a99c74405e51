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
)

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
