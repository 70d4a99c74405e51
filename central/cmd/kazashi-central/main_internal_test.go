package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"kazashi.example/central/config"
	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/firmware/command/commandtest"
	"kazashi.example/sync/certid"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"kazashi-central": main, "get": get})
}

// get is a program that prints what a URL answers; with a second argument it asks as that host.
func get() {
	req, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
	if err == nil && len(os.Args) > 2 {
		req.Host = os.Args[2]
	}
	var resp *http.Response
	if err == nil {
		resp, err = http.DefaultClient.Do(req)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer resp.Body.Close()
	fmt.Println(resp.StatusCode)
	_, _ = io.Copy(os.Stdout, resp.Body)
}

// TestScripts runs central's program beside the practice JPKI.
func TestScripts(t *testing.T) {
	w := worldtest.Open(t, world.Config{People: 1})
	authority, err := jpki.NewService(w, jpki.Config{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(authority)
	t.Cleanup(web.Close)
	var anchors []string
	for _, a := range w.Anchors() {
		if a.Scope.Purpose != certid.PurposeAuth {
			continue
		}
		path := filepath.Join(t.TempDir(), "auth.cer")
		if err := os.WriteFile(path, a.Cert, 0o600); err != nil {
			t.Fatal(err)
		}
		anchors = append(anchors, path)
	}
	lists := writeLists(t, w)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("LISTS", lists)
			return setUp(t, e, stage.Central{AuthAnchors: anchors, JPKI: web.URL})
		},
		Cmds: commandtest.Commands(),
	})
}

// writeLists makes revocation lists of the practice authorities, each named after its number or its flaw.
func writeLists(t *testing.T, w *world.World) string {
	t.Helper()
	dir, now := t.TempDir(), time.Now().Truncate(time.Second)
	write := func(name string, by certid.Purpose, number int64, age time.Duration, spoil byte, serials ...int64) {
		a, err := w.Newest(by)
		if err != nil {
			t.Fatal(err)
		}
		var entries []pki.Entry
		for _, n := range serials {
			entries = append(entries, pki.Entry{Serial: big.NewInt(n), At: now.Add(-48 * time.Hour), Reason: pki.Superseded})
		}
		der, err := a.List(number, now.Add(-age), now.Add(24*time.Hour-age), entries)
		if err != nil {
			t.Fatal(err)
		}
		der[len(der)-1] ^= spoil
		if err := os.WriteFile(filepath.Join(dir, name+".crl"), der, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("7", certid.PurposeAuth, 7, 3*time.Hour, 0, 1001, 1002)
	write("other7", certid.PurposeAuth, 7, 3*time.Hour, 0, 1001)
	write("low", certid.PurposeAuth, 3, 2*time.Hour, 0, 1001, 1003)
	write("spoilt", certid.PurposeAuth, 8, time.Hour, 1, 1001)
	write("over", certid.PurposeAuth, 8, 25*time.Hour, 0, 1001)
	write("sign", certid.PurposeSign, 8, time.Hour, 0, 1001)
	return dir
}

// setUp writes c.toml and names its places: $UPLINK, $HTTP. lost.toml has no anchors, other.toml and held.toml are other
// centrals', mixed.toml is c.toml with the keys of other.toml.
func setUp(t *testing.T, e *testscript.Env, c stage.Central) error {
	at, err := stage.FreePorts(t.Context(), 2)
	if err != nil {
		return err
	}
	e.Setenv("UPLINK", at[0])
	e.Setenv("HTTP", at[1])
	c.DataDir, c.Uplink, c.HTTP = filepath.Join(e.WorkDir, "c"), at[0], at[1]
	c.Verifier, c.Services, c.ListEvery, c.BackupEvery = "practice-city", []string{"practice.library"}, time.Second, time.Hour
	lost := c
	lost.AuthAnchors = []string{filepath.Join(e.WorkDir, "no.cer")}
	other := c
	other.DataDir = filepath.Join(e.WorkDir, "o")
	held := c
	held.DataDir = filepath.Join(e.WorkDir, "h")
	mixed := append(fmt.Appendf(nil, "keys_dir = %q\n", filepath.Join(other.DataDir, "keys")), c.TOML()...)
	return errors.Join(
		stage.WriteConfig(filepath.Join(e.WorkDir, "c.toml"), c.TOML()),
		stage.WriteConfig(filepath.Join(e.WorkDir, "lost.toml"), lost.TOML()),
		stage.WriteConfig(filepath.Join(e.WorkDir, "other.toml"), other.TOML()),
		stage.WriteConfig(filepath.Join(e.WorkDir, "held.toml"), held.TOML()),
		stage.WriteConfig(filepath.Join(e.WorkDir, "mixed.toml"), mixed),
	)
}

// TestReference holds README.md to the program.
func TestReference(t *testing.T) {
	commandtest.Reference(t, newRoot(), reflect.TypeFor[config.Config]())
}

func TestHelp(t *testing.T) { commandtest.Help(t, newRoot()) }
