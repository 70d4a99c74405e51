//go:build integration

package vcard_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/internal/testcard"
	"kazashi.example/reader/vcard/vpcd"
)

// openSC is a card in a real pcscd and what OpenSC's own programs make of it, with OpenSC's default configuration.
type openSC struct {
	t    *testing.T
	rig  *pcscd.Rig
	dir  string // work files
	card string // profile
}

func newOpenSC(t *testing.T) *openSC {
	t.Helper()
	o := &openSC{t: t, dir: t.TempDir()}
	program := filepath.Join(o.dir, "vcard")
	o.must(exec.CommandContext(t.Context(), "go", "build", "-o", program, "kazashi.example/reader/cmd/vcard"))
	rig, err := pcscd.Start(t.Context(), pcscd.Config{VCard: program})
	if err != nil {
		t.Fatalf("Start() = %v, want a reader rig", err)
	}
	t.Cleanup(func() {
		if err := rig.Stop(); err != nil {
			t.Errorf("Stop() = %v, want nil", err)
		}
	})
	o.rig, o.card = rig, filepath.Join(o.dir, "card.json")
	b, err := json.Marshal(testcard.Profile())
	if err != nil {
		t.Fatal(err)
	}
	o.write("card.json", b)
	o.insert(nil)
	return o
}

func (o *openSC) insert(f *control.Fault) {
	o.t.Helper()
	if _, err := o.rig.Control().Insert(o.t.Context(), 0, control.InsertRequest{Profile: o.card, Fault: f}); err != nil {
		o.t.Fatalf("Insert() = %v, want nil", err)
	}
	ctx, cancel := context.WithTimeout(o.t.Context(), 10*time.Second)
	defer cancel()
	if err := o.rig.Control().Connected(ctx, 0); err != nil {
		o.t.Fatalf("Connected() = %v, want nil", err)
	}
}

// swap takes the card away and lays it down again, with power off in between.
func (o *openSC) swap(f *control.Fault) {
	o.t.Helper()
	if _, err := o.rig.Control().Remove(o.t.Context(), 0); err != nil {
		o.t.Fatalf("Remove() = %v, want nil", err)
	}
	o.insert(f)
}

func (o *openSC) write(name string, b []byte) string {
	o.t.Helper()
	path := filepath.Join(o.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		o.t.Fatal(err)
	}
	return path
}

func (o *openSC) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(o.t.Context(), name, args...)
	cmd.Dir = o.dir
	if o.rig != nil {
		cmd.Env = append(os.Environ(), o.rig.Env())
	}
	return cmd
}

// run returns all output of a program that must succeed.
func (o *openSC) run(name string, args ...string) string {
	o.t.Helper()
	return o.must(o.command(name, args...))
}

func (o *openSC) must(cmd *exec.Cmd) string {
	o.t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("%s = %v: %s", strings.Join(cmd.Args, " "), err, out)
	}
	return string(out)
}

func (o *openSC) apdus() uint64 {
	o.t.Helper()
	s, err := o.rig.Control().Slot(o.t.Context(), 0)
	if err != nil {
		o.t.Fatal(err)
	}
	return s.APDUs
}

func contains(t *testing.T, what, got string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("%s = %s, want %q in it", what, got, want)
		}
	}
}

func TestOpenSCReads(t *testing.T) {
	o := newOpenSC(t)
	contains(t, "opensc-tool -l", o.run("opensc-tool", "-l"), o.rig.ReaderName(0), "Yes")
	contains(t, "opensc-tool -n", o.run("opensc-tool", "-n"), "jpki")
	contains(t, "opensc-tool -a", o.run("opensc-tool", "-a"), "3b:88:80:01:00:00:05:e0:b3:81:a1:00:7f")
	contains(t, "pkcs15-tool --list-certificates", o.run("pkcs15-tool", "--list-certificates"),
		"User Authentication Certificate", "Digital Signature Certificate", "User Authentication Certificate CA", "Digital Signature Certificate CA")
	contains(t, "pkcs15-tool --list-pins", o.run("pkcs15-tool", "--list-pins"),
		"User Authentication PIN", "Digital Signature PIN", "Tries left     : 3", "Tries left     : 5")

	before := o.apdus()
	o.run("pkcs15-tool", "--read-certificate", "01", "-o", "auth.pem")
	const byDefault = 42 // reference figure for a certificate of 1157 octets: five reads
	reads := (len(testcard.Profile().AuthCert) + 255) / 256
	if got, want := o.apdus()-before, uint64(byDefault-5+reads); got != want {
		t.Errorf("pkcs15-tool --read-certificate took %d APDUs, want OpenSC's %d", got, want)
	}
	o.run("openssl", "x509", "-in", "auth.pem", "-outform", "DER", "-out", "auth.der")
	der, err := os.ReadFile(filepath.Join(o.dir, "auth.der"))
	if want := testcard.Profile().AuthCert; err != nil || !bytes.Equal(der, want) {
		t.Errorf("certificate read by OpenSC = %X, %v, want %X", der, err, want)
	}
}

// P5: each wrong PIN costs one try, which a power cycle does not give back and the right one does.
func TestP5OpenSCTries(t *testing.T) {
	o := newOpenSC(t)
	tries := func(want string) {
		t.Helper()
		contains(t, "pkcs15-tool --list-pins", o.run("pkcs15-tool", "--list-pins"), "Tries left     : "+want)
	}
	wrong := func() {
		t.Helper()
		if out, err := o.command("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "9999").CombinedOutput(); err == nil {
			t.Errorf("pkcs15-tool --verify-pin with a wrong PIN = %s, want a failure", out)
		}
	}
	tries("3")
	wrong()
	tries("2")
	o.swap(nil)
	tries("2")
	wrong()
	tries("1")
	o.run("pkcs15-tool", "--verify-pin", "--auth-id", "1", "--pin", "1234")
	tries("3")
	wrong()
	if _, err := o.rig.Control().ResetCounts(t.Context(), 0); err != nil {
		t.Errorf("ResetCounts() = %v, want nil", err)
	}
	tries("3")
}

func TestOpenSCSigns(t *testing.T) {
	o := newOpenSC(t)
	o.run("pkcs15-tool", "--read-certificate", "01", "-o", "auth.pem")
	o.run("openssl", "x509", "-in", "auth.pem", "-noout", "-pubkey", "-out", "auth.pub")
	message := []byte("a challenge for the practice card")
	digest := sha256.Sum256(message)
	o.write("message.bin", message)
	o.write("digest.bin", digest[:])

	o.run("pkcs15-crypt", "-s", "-k", "1", "-p", "1234", "--pkcs1", "--sha-256", "-i", "digest.bin", "-o", "crypt.sig", "-R")
	o.run("pkcs11-tool", "-l", "-p", "1234", "--slot", "0", "-s", "-m", "SHA256-RSA-PKCS", "--id", "01",
		"-i", "message.bin", "-o", "token.sig")
	for _, sig := range []string{"crypt.sig", "token.sig"} {
		contains(t, "openssl dgst -verify "+sig,
			o.run("openssl", "dgst", "-sha256", "-verify", "auth.pub", "-signature", sig, "message.bin"), "Verified OK")
	}
	o.write("message.bin", append(message, '!')) // and openssl would have noticed
	if out, err := o.command("openssl", "dgst", "-sha256", "-verify", "auth.pub", "-signature", "crypt.sig", "message.bin").Output(); err == nil {
		t.Errorf("openssl dgst -verify of another message = %s, want a failure", out)
	}
}

func TestOpenSCMeetsFaults(t *testing.T) {
	o := newOpenSC(t)
	o.swap(&control.Fault{Kind: vpcd.Stranger})
	contains(t, "opensc-tool -a", o.run("opensc-tool", "-a"), "3b:8f:80:01:80:4f:0c:a0:00:00:03:06:11:00:3b:00:00:00:00:42")
	for _, f := range []control.Fault{{Kind: vpcd.Stranger}, {Kind: vpcd.Nonsense, AfterAPDUs: 31}, {Kind: vpcd.Tear, AfterAPDUs: 39}} {
		o.swap(&f)
		if out, err := o.command("pkcs15-tool", "--read-certificate", "01").CombinedOutput(); err == nil {
			t.Errorf("pkcs15-tool with a card of fault %s = %s, want a failure", f.Kind, out)
		}
	}
	s, err := o.rig.Control().Slot(t.Context(), 0)
	if err != nil || s.Inserted || s.APDUs != 40 {
		t.Errorf("slot after a tear = %+v, %v, want it empty after 40 APDUs", s, err)
	}
	o.insert(nil)
	contains(t, "opensc-tool -n", o.run("opensc-tool", "-n"), "jpki")
}
