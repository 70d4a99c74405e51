package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/closing"
	"kazashi.example/appliance/keeper"
	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm/swtpm"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

const (
	branch      = record.SiteID("practice-branch")
	plantedCode = "kawasemi-4471"
	nextCode    = "yamagara-0093"
)

// keptBox is a running box as far as its keys go: a real vault on a TPM, a real closing, a real socket.
type keptBox struct {
	keeper.Keeper
	t       *testing.T
	dir     string
	conf    string
	central *ecdsa.PrivateKey // C-sign
	unsafe  uint64
	log     bytes.Buffer
	left    bool
}

func startKept(t *testing.T, central *ecdsa.PrivateKey) *keptBox {
	t.Helper()
	dir, err := os.MkdirTemp("", "kept") //nolint:usetesting // the test's own folder may be too deep for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &keptBox{t: t, dir: dir, conf: filepath.Join(dir, "b.toml"), central: central}
	if b.Identity, err = vault.Open(dir, vault.Options{TPM: swtpm.Start(t).Where()}); err != nil {
		t.Fatal(err)
	}
	b.Left = func() { b.left = true }
	b.restart()
	conf := fmt.Sprintf("data_dir = %q\ndesk = \"counter-1\"\nservice = \"practice.library\"\n[central]\naddress = \"central.example:7441\"\n", dir)
	if err := os.WriteFile(b.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := server.ListenUnix(t.Context(), filepath.Join(dir, "kazashi.sock"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	log := slog.New(slog.NewTextHandler(&b.log, nil))
	go func() { done <- server.Serve(ctx, server.New(server.Config{Keeper: &b.Keeper, Log: log}), log, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return b
}

func keyOf(t *testing.T, k *ecdsa.PrivateKey) sign.PublicKey {
	t.Helper()
	p, err := sign.PublicKeyOf(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// restart opens the keys anew, as a start of the box does.
func (b *keptBox) restart() {
	b.t.Helper()
	sealing, err := seal.GenerateKey()
	if err != nil {
		b.t.Fatal(err)
	}
	b.Site, err = vault.OpenSite(b.t.Context(), vault.SiteConfig{
		Dir: b.dir, Identity: b.Identity, Site: branch, Central: func() (seal.PublicKey, error) { return sealing.Public(), nil },
		Rule: func() rule.Unlock { return rule.UnlockCode }, Keys: func() sign.Keys { return sign.One{Key: keyOf(b.t, b.central)} },
		AllowSwap: true, Log: slog.New(slog.NewTextHandler(&b.log, nil)),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Closer = closing.New(closing.Config{
		Dir: b.dir, Box: b.Identity.Box, Site: branch, Device: b.Identity.Device, Keys: b.Site.Generations,
		Records: func(context.Context) (uint64, error) { return b.unsafe, nil },
		Parts: []closing.Part{{
			Count: func(context.Context) ([]erasure.Item, error) {
				return []erasure.Item{{What: "site-keys", Count: uint64(len(b.Site.Generations()))}}, nil
			},
			Erase: func(ctx context.Context) error { _, err := b.Site.Wipe(ctx); return err },
		}},
		Now: func() (time.Time, record.Confidence) { return time.Now(), record.ConfidenceChecked },
		Log: slog.New(slog.DiscardHandler),
	})
}

// run is one command line with its standard input.
func (b *keptBox) run(stdin string, args ...string) (string, error) {
	b.t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--config", b.conf))
	err := root.ExecuteContext(b.t.Context())
	return out.String(), err
}

// says fails unless the command succeeds and says all of that.
func (b *keptBox) says(stdin string, args []string, want ...string) {
	b.t.Helper()
	out, err := b.run(stdin, args...)
	if err != nil {
		b.t.Fatalf("%v: %v", args, err)
	}
	for _, w := range want {
		if !strings.Contains(out, w) {
			b.t.Errorf("%v says\n%swant %q", args, out, w)
		}
	}
}

// fails fails unless the command is refused in those words.
func (b *keptBox) fails(stdin string, args []string, want string) {
	b.t.Helper()
	if out, err := b.run(stdin, args...); err == nil || !strings.Contains(err.Error(), want) {
		b.t.Errorf("%v = %v, says\n%swant %q", args, err, out, want)
	}
}

func words(s string) []string { return strings.Fields(s) }

// P3: whoever is in charge opens, locks and changes by commands, and no code stands in a log, an error or on the disk.
func TestP3KeysByCommand(t *testing.T) {
	central, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := startKept(t, central)
	b.says("", words("keys show"), "keys       none", "code       not set", "tpm        yes")
	b.fails(plantedCode, words("unlock"), "no site keys")
	b.fails("", words("keys rotate"), "no_keys")
	b.fails("short\n", words("code set"), "operator_code_form")
	b.says(plantedCode+"\n", words("code set"), "keys       open, by code", "1 generations", "code       set")
	b.says("", words("keys rotate"), "2 generations")
	b.says("", words("lock"), "keys       locked", "tries      10 left")
	b.fails("", words("keys rotate"), "locked")
	b.fails("not this one\n", words("unlock"), "Tries left: 9")
	b.fails("", words("unlock"), "nothing was typed")
	b.says(plantedCode+"\r\n", words("unlock"), "keys       open, by code")
	b.fails("wrong again\n"+nextCode+"\n", words("code set"), "Tries left: 8")
	b.fails(nextCode+"\n", words("code set --forgotten"), "operator_code_wanted")
	b.says(plantedCode+"\n"+nextCode+"\n", words("code set"), "keys       open")
	b.restart()
	for range 8 {
		_, _ = b.run(plantedCode+"\n", "unlock")
	}
	b.fails(nextCode+"\n", words("unlock"), "No try is left; the next is taken in 10m0s at the latest")
	b.says("", words("keys show"), "tries      0 left", "wait       at most 10m0s")
	b.searched()
}

// searched fails if a code lies anywhere.
func (b *keptBox) searched() {
	b.t.Helper()
	entries, err := os.ReadDir(b.dir)
	if err != nil || len(entries) < 3 {
		b.t.Fatalf("%d files (%v)", len(entries), err)
	}
	for _, e := range entries {
		if !e.Type().IsRegular() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(b.dir, e.Name()))
		if err != nil {
			b.t.Fatal(err)
		}
		if bytes.Contains(text, []byte(plantedCode)) || bytes.Contains(text, []byte(nextCode)) {
			b.t.Errorf("%s holds a code", e.Name())
		}
	}
	if log := b.log.String(); strings.Contains(log, plantedCode) || strings.Contains(log, nextCode) || log == "" {
		b.t.Errorf("the log holds a code, or nothing:\n%s", log)
	}
}

// A locked box is opened by another box of the site, by files.
func TestKeysByFilesOfAPeer(t *testing.T) {
	central, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a, b := startKept(t, central), startKept(t, central)
	ring, err := sitekey.NewRing(sitekey.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	current, _, _ := ring.Current()
	var members []sitekey.Member
	for _, k := range []*keptBox{a, b} {
		d, err := k.Identity.Public()
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, sitekey.Member{Box: k.Identity.Box, Device: d.DER(), Sealing: k.Identity.Sealing.Public().Bytes()})
	}
	for _, k := range []*keptBox{a, b} {
		keys, err := sitekey.WrapAll(k.Identity.Sealing.Public(), branch, ring)
		if err != nil {
			t.Fatal(err)
		}
		grant, err := sitekey.Grant{
			Version: rule.Version{CentralEpoch: 1, N: 1}, Site: branch, Box: k.Identity.Box, Keys: keys, Current: current, Members: members,
		}.Sign(central)
		if err == nil {
			err = k.Site.Take(t.Context(), grant)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ask := filepath.Join(t.TempDir(), "ask.kzr")
	b.says(plantedCode+"\n", words("code set"), "open, by central")
	b.says("", words("lock"), "locked")
	b.says("", []string{"unlock", "--request", ask})
	b.fails("", []string{"unlock", "--request", ask}, "name another file")
	b.fails("", []string{"unlock", "--from", ask}, "file_form")
	b.fails("", []string{"unlock", "--answer", ask}, "locked")
	a.says("", []string{"unlock", "--answer", ask}, "box "+b.Identity.Box.String()+" can open")
	a.fails("", []string{"unlock", "--from", ask + ".answer"}, "other_site")
	b.says("", []string{"unlock", "--from", ask + ".answer"}, "open, by peer")
	b.fails("", []string{"unlock", "--from", ask + ".answer"}, "other_request")
	b.fails("", []string{"unlock", "--from", ask, "--central"}, "none of the others can be")
}

// A site is closed by its name, by somebody, and not over records that are not safe.
func TestCloseByCommand(t *testing.T) {
	central, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b := startKept(t, central)
	b.says(plantedCode+"\n", words("code set"), "open")
	b.unsafe = 4
	out, err := b.run("", "close")
	if err == nil || !strings.Contains(out, "site-keys            1\nrecords not safe     4\n") {
		t.Errorf("close = %v, says\n%s", err, out)
	}
	b.fails("", words("close practice-branch"), "say with --by")
	b.fails("", words("close other-branch --by s-01"), "unknown")
	b.fails("", words("close practice-branch --by s-01"), "Not safe: 4; to leave them behind say --lose 4")
	b.fails("", words("close practice-branch --by s-01 --lose 3"), "Not safe: 4")
	b.says("", words("keys show"), "open")
	signed := filepath.Join(b.dir, "certificate.kze")
	b.says("", []string{"close", "practice-branch", "--by", "s-01", "--lose", "4", "--everything", "--out", signed},
		"Certificate of erasure", "site-keys            1", "4 records were not safe", "said by      s-01")
	msg, err := os.ReadFile(signed)
	if err != nil {
		t.Fatal(err)
	}
	device, err := b.Identity.Public()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := erasure.Open(sign.One{Key: device}, msg); err != nil || c.Unsafe != 4 || !c.Everything || !b.left {
		t.Errorf("the certificate says %+v, %v; the box stops: %v", c, err, b.left)
	}
	b.says("", words("keys show"), "none")
	b.fails("", words("close practice-branch --by s-01 --lose 4"), "closing")
}
