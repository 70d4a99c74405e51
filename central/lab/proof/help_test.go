package proof_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/daemon"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

func epochNow() uint64 { return uint64(max(time.Now().Unix(), 0)) } //nolint:gosec // positive

// logged says what is missing unless one line of the boxes' log has all these words.
func logged(r *rig.Rig, words ...string) string {
	for line := range bytes.Lines(r.BoxLog.Bytes()) {
		all := true
		for _, w := range words {
			all = all && bytes.Contains(line, []byte(w))
		}
		if all {
			return ""
		}
	}
	return "no log line says " + strings.Join(words, " and ")
}

// overwrite puts noise over a part of a file, or over as much of it as there is.
func overwrite(t *testing.T, path string, offset, n int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, max(min(n, info.Size()-offset), 1))
	_, _ = rand.Read(noise) // never fails (Go 1.24)
	_, err = f.WriteAt(noise, offset)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func wantDamaged(t *testing.T, d *daemon.Daemon, err error) {
	t.Helper()
	if err == nil {
		_ = d.Close()
		t.Fatal("central opened a damaged database")
	}
	if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), "restore the last backup") {
		t.Errorf("Open = %v, want %v", err, store.ErrDamaged)
	}
}

// holds reports whether one of the files holds these octets.
func holds(t *testing.T, files []string, want []byte) bool {
	t.Helper()
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, want) {
			return true
		}
	}
	return false
}

// revoke puts a certificate out of force at the authority, an hour ago, without a new list.
func revoke(t *testing.T, r *rig.Rig, id certid.CertID) {
	t.Helper()
	if err := r.World.Revoke(id, pki.KeyCompromise, time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
}

// name is how central knows somebody, and how a service does.
type name struct{ handle, ppid string }

// pseudonyms maps each person of the ledger to their names at central: so many people, each with one name that is nobody else's.
// An accepted tap that proved more than the certificate has one.
func pseudonyms(t *testing.T, r *rig.Rig, want int) map[string]name {
	t.Helper()
	person := map[record.TapID]string{}
	for _, told := range r.Ledger() {
		person[told.Tap.Tap] = told.Person.Key
	}
	all, whose := map[string]name{}, map[name]string{}
	for _, a := range r.Central.Applied() {
		key, n := person[a.Tap], name{a.Handle, a.PPID}
		if a.PPID == "" {
			if a.Final == record.VerdictAccepted && a.Evidence != record.EvidenceCertificate {
				t.Errorf("an accepted tap of %s with %s has no pseudonym", key, a.Evidence)
			}
			continue
		}
		if old, ok := all[key]; ok && old != n {
			t.Errorf("%s has two pseudonyms or two handles", key)
		}
		if other, ok := whose[n]; ok && other != key {
			t.Errorf("%s and %s have one pseudonym", key, other)
		}
		all[key], whose[n] = n, key
	}
	if persons := r.Central.Rows("persons"); len(all) != want || persons != want {
		t.Errorf("%d people have pseudonyms, central knows %d persons, want %d", len(all), persons, want)
	}
	return all
}

func samePseudonyms(t *testing.T, before, after map[string]name) {
	t.Helper()
	for key, n := range before {
		if after[key].ppid != n.ppid {
			t.Errorf("%s has another pseudonym than before", key)
		}
		if after[key].handle != n.handle {
			t.Errorf("%s has another handle than before", key)
		}
	}
}

// renew gives somebody a new certificate, on the card that they have or on a new one, and waits until the box has heard of it.
func renew(t *testing.T, r *rig.Rig, b *rig.Box, key string, newCard bool) {
	t.Helper()
	people, heard := b.Status().Roster.People, r.Central.Status().Renewals
	do := r.World.Renew
	if newCard {
		do = r.World.Reissue
	}
	if _, err := do(key, time.Now()); err != nil {
		t.Fatal(err)
	}
	heardOfRenewal(r, heard)
	b.Knows(people, r.Central.Roster()) // an earlier change may still be on its way to the box
}

// heardOfRenewal waits until central knows of more renewals than before, and has asked once more since: both certificates of a card are
// renewed, and the first of the two lines may be known alone.
func heardOfRenewal(r *rig.Rig, before int64) {
	r.Eventually(func() string {
		if r.Central.Status().Renewals == before {
			return "central has not heard of the renewal"
		}
		return ""
	})
	asked := r.Central.Status().RenewalsAsked
	r.Eventually(func() string {
		if r.Central.Status().RenewalsAsked.Equal(asked) {
			return "central has not asked about renewals again"
		}
		return ""
	})
}
