package stage_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	box "kazashi.example/appliance/config"
	central "kazashi.example/central/config"
	"kazashi.example/central/lab/stage"
	"kazashi.example/sync/rule"
)

// TestCentralReadsItsFile: the real program's own strict parser takes what the lab renders, and understands it.
func TestCentralReadsItsFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `a "quoted" \ 練習`)
	path := filepath.Join(dir, "central.toml")
	err := stage.WriteConfig(path, stage.Central{
		DataDir: dir, Uplink: "127.0.0.1:17441", HTTP: "127.0.0.1:7442",
		AuthAnchors: []string{dir + "/auth-g2.cer", dir + "/auth-g3.cer"}, SignAnchors: []string{dir + "/sign-g2.cer"},
		JPKI: "http://127.0.0.1:7443", Verifier: "renshu", Services: []string{"renshu.library", "renshu.shelter"},
		ListEvery: 2 * time.Second, BackupEvery: 90 * time.Second,
	}.TOML())
	if err != nil {
		t.Fatal(err)
	}
	c, err := central.Load(path)
	if err != nil {
		t.Fatalf("central refuses its file: %v", err)
	}
	rules, err := c.Rules()
	if err != nil || len(rules) != 2 || rules[0].Service != "renshu.library" || !rules[0].Practice || rules[1].Service != "renshu.shelter" {
		t.Errorf("Rules = %+v, %v, want the two practice services", rules, err)
	}
	for _, r := range rules {
		if r.Attributes != 15 || r.Consent == nil || r.Retention != (rule.Retention{Record: 365, Book: 120, Attributes: 30}) {
			t.Errorf("%s reads %04b and keeps %+v, want the four on consent, and an end of each", r.Service, r.Attributes, r.Retention)
		}
	}
	j := c.JPKI[0]
	if c.DataDir != dir || c.Uplink.Listen != "127.0.0.1:17441" || c.HTTP.Listen != "127.0.0.1:7442" ||
		time.Duration(*c.Backup.Every) != 90*time.Second || time.Duration(*j.ListEvery) != 2*time.Second ||
		j.OCSP != "http://127.0.0.1:7443/ocsp" || j.AuthCRL != "http://127.0.0.1:7443/crl/auth.crl" || len(j.AuthAnchors) != 2 {
		t.Errorf("central understood %+v", c)
	}
}

// TestBoxReadsItsFile: as above.
func TestBoxReadsItsFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "box", "kazashi.toml")
	text := stage.Box{DataDir: dir, Desk: "desk-1", Service: "renshu.library", Central: "127.0.0.1:7441", Counter: "127.0.0.1:7440"}.TOML()
	if err := stage.WriteConfig(path, text); err != nil {
		t.Fatal(err)
	}
	c, err := box.Load(path)
	if err != nil {
		t.Fatalf("the box refuses its file: %v", err)
	}
	if c.DataDir != dir || c.Desk != "desk-1" || c.Service != "renshu.library" || c.Central.Address != "127.0.0.1:7441" || c.Counter.Listen != "127.0.0.1:7440" {
		t.Errorf("the box understood %+v", c)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, text) {
		t.Errorf("file = %q, %v, want what was rendered", got, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, %v, want 0600", info.Mode(), err)
	}
}
