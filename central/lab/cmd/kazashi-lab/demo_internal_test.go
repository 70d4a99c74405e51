package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/central/lab/stage"
)

// fakes puts an executable under each program's name into a folder, but for the one left out.
func fakes(t *testing.T, without string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range programs {
		if name == without {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/false\n"), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	return dir
}

// TestRefusesToStart: one clear error, before anything is started.
func TestRefusesToStart(t *testing.T) {
	at, err := addressesFrom(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	taken := at
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", at.Central)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	free := at
	free.Central = at.Uplink
	for _, tt := range []struct {
		name, bin, dir string
		at             addresses
		want           error
		words          []string
	}{
		{"ready to start", fakes(t, ""), "demo", free, nil, nil},
		{"a port in use", fakes(t, ""), "demo", taken, stage.ErrPortInUse, []string{at.Central, "central"}},
		{"a program missing", fakes(t, "vcard"), "demo", free, errProgram, []string{"no vcard", "make build"}},
		{"a folder too deep for sockets", fakes(t, ""), strings.Repeat("deep/", 30), free, errFolder, []string{"choose a shorter one"}},
	} {
		_, err := newEnsemble(t.Context(), tt.bin, tt.dir, "keys", tt.at, io.Discard)
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: newEnsemble = %v, want %v", tt.name, err, tt.want)
		}
		for _, w := range tt.words {
			if err == nil || !strings.Contains(err.Error(), w) {
				t.Errorf("%s: error %v lacks %q", tt.name, err, w)
			}
		}
	}
}

func TestAddresses(t *testing.T) {
	at, err := addressesFrom(t.Context(), 7440)
	want := addresses{"127.0.0.1:7440", "127.0.0.1:7441", "127.0.0.1:7442", "127.0.0.1:7443", "127.0.0.1:7444", at.Uplink}
	if err != nil || at != want || at.Uplink == "" {
		t.Errorf("addressesFrom(7440) = %+v, %v, want %+v", at, err, want)
	}
	if at, err = addressesFrom(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range []string{at.Counter, at.Line, at.Central, at.JPKI, at.Tray, at.Uplink} {
		if seen[a] {
			t.Errorf("addressesFrom(0) = %+v, want six different ones", at)
		}
		seen[a] = true
	}
}

func TestCloseBeforeStart(t *testing.T) {
	e := &ensemble{}
	if err := e.Close(); err != nil {
		t.Errorf("Close of what never began = %v, want nil", err)
	}
}

func TestSmokeFolderMustBeEmpty(t *testing.T) {
	dir := t.TempDir()
	if got, err := smokeFolder(dir); got != dir || err != nil {
		t.Errorf("smokeFolder of an empty folder = %q, %v, want it", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ledger"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := smokeFolder(dir); !errors.Is(err, errFolder) {
		t.Errorf("smokeFolder of a used folder = %v, want errFolder", err)
	}
}

func TestFindings(t *testing.T) {
	table := "TAP  TIME\n1  -\nfault: record 1: a\nfault: record 2: b\nsmoke: taps=1 lost=1\n"
	if got, want := findings(table), "taps=1 lost=1; fault: record 1: a"; got != want {
		t.Errorf("findings = %q, want %q", got, want)
	}
}
