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
