package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/audit"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/epoch"
)

// audited is a data directory with a box of four records, a backup of it, and a configuration.
func audited(t *testing.T) (config, data, manifest, box string) {
	t.Helper()
	c := simcentral.New(t)
	b := c.Box()
	e := b.Start(t, epoch.CauseStart)
	for i := range byte(4) {
		e.Tap(t, simbox.Card(0x12, i))
	}
	b.Start(t, epoch.CauseRotation)
	c.Push(b, b.Push())
	c.Drain()
	_, err := c.Keeper.Make(t.Context(), "monday")
	c.Check(err)
	data = t.TempDir()
	c.Check(c.DB.Copy(t.Context(), filepath.Join(data, sqlite.FileDatabase)))
	config = filepath.Join(t.TempDir(), "c.toml")
	conf := stage.Central{
		DataDir: data, Verifier: "practice-city", Services: []string{"practice.library"}, AuthAnchors: []string{"a.cer"}, JPKI: "http://127.0.0.1:1",
		Uplink: "127.0.0.1:1", HTTP: "127.0.0.1:2", ListEvery: time.Second, BackupEvery: time.Hour,
	}
	c.Check(stage.WriteConfig(config, conf.TOML()))
	return config, data, filepath.Join(c.Dir, "backups", "monday.json"), b.ID.String()
}

// runs is the status and the output of one command line.
func runs(args ...string) (status int, out string) {
	var b bytes.Buffer
	root := newRoot()
	root.SetOut(&b)
	status = command.Run(root, args)
	return status, b.String()
}

// P2: the exit status is the answer, of the database and of a backup: whole, not whole, not read.
func TestP2TheStatusOfAnAuditIsItsAnswer(t *testing.T) {
	config, data, manifest, box := audited(t)
	args := []string{"audit", "box", box, "--config", config}
	status, out := runs(args...)
	if status != 0 || !strings.Contains(out, "applied    4, of which 0") || !strings.Contains(out, "no record was opened") {
		t.Errorf("audit = %d\n%s, want 0 and everything applied", status, out)
	}
	for _, name := range []string{manifest, strings.TrimSuffix(manifest, ".json") + ".db"} {
		if status, out := runs(append(args, "--backup", name)...); status != 0 || !strings.Contains(out, "applied    4") {
			t.Errorf("audit --backup %s = %d\n%s, want 0", filepath.Base(name), status, out)
		}
	}
	left, err := os.ReadDir(filepath.Dir(manifest))
	if err != nil || len(left) != 2 {
		t.Errorf("%d files beside the backup, %v, want the two that it is", len(left), err)
	}

	db, err := sql.Open("sqlite", filepath.Join(data, sqlite.FileDatabase))
	if err == nil {
		_, err = db.ExecContext(t.Context(), "DELETE FROM envelopes WHERE seq = 2; DELETE FROM records WHERE seq = 2")
	}
	if err != nil || db.Close() != nil {
		t.Fatal(err)
	}
	status, out = runs(append(args, "--json")...)
	var r audit.Report
	if err := json.Unmarshal([]byte(out), &r); status != 1 || err != nil || r.Missing != 1 || len(r.Gaps) != 1 || r.Gaps[0].First != 2 {
		t.Errorf("audit --json = %d, %v, %+v, want 1 and record 2 missing", status, err, r)
	}
	if status, out := runs(args...); status != 1 || !strings.Contains(out, "missing: record 2 of epoch") {
		t.Errorf("audit = %d\n%s, want 1 and record 2 missing", status, out)
	}

	copied := strings.TrimSuffix(manifest, ".json") + ".db"
	if err := os.Truncate(copied, 8192); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"a backup that was cut":   append(args, "--backup", manifest),
		"no backup":               append(args, "--backup", filepath.Join(data, "none.db")),
		"a file that is none":     append(args, "--backup", config),
		"another box":             {"audit", "box", strings.Repeat("1", 32), "--config", config},
		"no database":             append(args, "--data-dir", t.TempDir()),
		"no box":                  {"audit", "box", "--config", config},
		"no configuration at all": {"audit", "box", box, "--config", filepath.Join(data, "none.toml")},
	} {
		if status, _ := runs(args...); status != 2 {
			t.Errorf("audit of %s = %d, want 2", name, status)
		}
	}
}
