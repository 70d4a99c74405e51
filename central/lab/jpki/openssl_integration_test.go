//go:build integration

package jpki_test

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/sync/certid"
)

// openssl runs the program in dir and returns all it printed and whether it was content.
func openssl(t *testing.T, dir string, args ...string) (string, bool) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is not installed; make deps installs it")
	}
	cmd := exec.CommandContext(t.Context(), "openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

// opensslRig is a world served in real time, with its certificates as PEM in dir.
func opensslRig(t *testing.T, cfg jpki.Config) (w *world.World, url, dir string) {
	t.Helper()
	w = worldtest.Open(t, world.Config{})
	s, err := jpki.NewService(w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	dir = t.TempDir()
	for _, a := range w.Anchors() {
		writePEM(t, filepath.Join(dir, a.Scope.Purpose.String()+"-g"+string(rune('0'+a.Generation))+".pem"), "CERTIFICATE", a.Cert)
	}
	all, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		copyPEM(t, p.Auth, filepath.Join(dir, p.Key+".pem"))
		if p.HasSign() {
			copyPEM(t, p.Sign, filepath.Join(dir, p.Key+"-sign.pem"))
		}
	}
	return w, srv.URL, dir
}

func copyPEM(t *testing.T, c world.Certificate, path string) {
	t.Helper()
	x, err := c.X509()
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, path, "CERTIFICATE", x.Raw)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

func fetchList(t *testing.T, url, name, dir string) {
	t.Helper()
	r := &rig{t: t, url: url}
	status, body := r.do(http.MethodGet, "/crl/"+name, "", nil)
	if status != http.StatusOK {
		t.Fatalf("GET /crl/%s = %d", name, status)
	}
	writePEM(t, filepath.Join(dir, name), "X509 CRL", body)
}

func TestOpenSSLVerifiesWithLists(t *testing.T) {
	w, url, dir := opensslRig(t, jpki.Config{})
	for _, key := range []string{"kenji", "yuki"} { // generations 2 and 3
		p, err := w.Person(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Hold(p.Auth.ID, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	(&rig{t: t, url: url}).admin("publish", "", http.StatusOK)
	for _, name := range []string{"auth.crl", "auth-g2.crl", "auth-g3.crl", "auth-g4.crl", "sign.crl", "sign-g2.crl", "sign-g4.crl"} {
		fetchList(t, url, name, dir)
		if out, ok := openssl(t, dir, "crl", "-in", name, "-noout", "-crlnumber", "-issuer"); !ok || !strings.Contains(out, "NOT REAL") {
			t.Errorf("openssl crl %s: %s", name, out)
		}
	}
	for _, c := range []struct{ cert, root, list, want string }{
		{"mirai", "auth-g4", "auth.crl", "mirai.pem: OK"}, // P-384 throughout
		{"mirai", "auth-g4", "auth-g4.crl", "mirai.pem: OK"},
		{"mirai-sign", "sign-g4", "sign.crl", "mirai-sign.pem: OK"},
		{"mirai-sign", "sign-g4", "sign-g4.crl", "mirai-sign.pem: OK"},
		{"mirai", "auth-g3", "auth-g3.crl", "unable to get local issuer certificate"},
		{"sumire", "auth-g4", "auth.crl", "unable to get local issuer certificate"}, // on a telephone
		{"hanako", "auth-g3", "auth-g3.crl", "hanako.pem: OK"},
		{"taro", "auth-g2", "auth-g2.crl", "taro.pem: OK"},
		{"yuki", "auth-g3", "auth-g3.crl", "certificate revoked"},
		{"goro", "auth-g3", "auth-g3.crl", "certificate revoked"},
		{"kenji", "auth-g2", "auth-g2.crl", "certificate revoked"},
		{"sachiko", "auth-g2", "auth-g2.crl", "certificate has expired"},
		{"ren", "auth-g3", "auth-g3.crl", "certificate signature failure"},
		{"aoi", "auth-g3", "auth-g3.crl", "unable to get local issuer certificate"},
		{"hanako", "auth-g2", "auth-g2.crl", "unable to get local issuer certificate"}, // same name, other key
		{"hanako-sign", "sign-g2", "sign-g2.crl", "hanako-sign.pem: OK"},
		{"nao-sign", "sign-g2", "sign-g2.crl", "certificate revoked"},
	} {
		out, ok := openssl(t, dir, "verify", "-crl_check", "-x509_strict", "-CAfile", c.root+".pem", "-CRLfile", c.list, c.cert+".pem")
		if !strings.Contains(out, c.want) || ok != strings.HasSuffix(c.want, "OK") {
			t.Errorf("openssl verify %s with %s and %s = %v %s, want %q", c.cert, c.root, c.list, ok, out, c.want)
		}
	}
}

// All roots at once, as a trust bundle holds them: openssl has to find the right one among several of one name.
func TestOpenSSLChoosesTheGeneration(t *testing.T) {
	_, _, dir := opensslRig(t, jpki.Config{})
	var all []byte
	for _, g := range []string{"auth-g1", "auth-g4", "auth-g3", "auth-g2"} {
		b, err := os.ReadFile(filepath.Join(dir, g+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	if err := os.WriteFile(filepath.Join(dir, "all.pem"), all, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"hanako", "taro", "haru", "maria", "tsuru", "sora", "mirai", "tomas", "kiku"} {
		if out, ok := openssl(t, dir, "verify", "-CAfile", "all.pem", p+".pem"); !ok {
			t.Errorf("openssl verify %s: %s", p, out)
		}
	}
}

func TestOpenSSLOCSP(t *testing.T) {
	for _, direct := range []bool{false, true} {
		w, url, dir := opensslRig(t, jpki.Config{DirectOCSP: direct})
		authority, err := w.Authority(certid.PurposeAuth, 3)
		if err != nil {
			t.Fatal(err)
		}
		responder, _, err := w.Responder(authority)
		if err != nil {
			t.Fatal(err)
		}
		writePEM(t, filepath.Join(dir, "responder.pem"), "CERTIFICATE", responder.Raw)
		trust := "responder.pem"
		if direct {
			trust = "auth-g3.pem"
		}
		for _, c := range []struct {
			cert, issuer string
			more         []string
			want         string
		}{
			{"hanako", "auth-g3", []string{"-CAfile", "auth-g3.pem"}, ": good"},
			{"hanako", "auth-g3", []string{"-VAfile", trust}, ": good"},
			{"goro", "auth-g3", []string{"-CAfile", "auth-g3.pem"}, ": revoked"},
			{"goro", "auth-g3", []string{"-CAfile", "auth-g3.pem"}, "Reason: cessationOfOperation"},
			{"mika", "auth-g3", []string{"-CAfile", "auth-g3.pem"}, "Reason: certificateHold"},
			{"taro", "auth-g2", []string{"-CAfile", "auth-g2.pem"}, ": good"},
			{"taro", "auth-g3", []string{"-CAfile", "auth-g3.pem"}, ": unknown"},
			{"ren", "auth-g3", []string{"-CAfile", "auth-g3.pem"}, ": unknown"},
			{"mirai", "auth-g4", []string{"-CAfile", "auth-g4.pem"}, ": good"},
			{"mirai", "auth-g3", []string{"-CAfile", "auth-g3.pem"}, ": unknown"},
			{"mirai-sign", "sign-g4", []string{"-CAfile", "sign-g4.pem"}, ": good"},
			{"hanako-sign", "sign-g2", []string{"-CAfile", "sign-g2.pem"}, ": good"},
			{"nao-sign", "sign-g2", []string{"-CAfile", "sign-g2.pem"}, "Reason: affiliationChanged"},
		} {
			for _, hash := range []string{"-sha1", "-sha256"} {
				args := append([]string{"ocsp", hash, "-issuer", c.issuer + ".pem", "-cert", c.cert + ".pem", "-url", url + "/ocsp"}, c.more...)
				out, ok := openssl(t, dir, args...)
				if !ok || !strings.Contains(out, "Response verify OK") || !strings.Contains(out, c.want) ||
					strings.Contains(out, "WARNING") { // openssl warns when the nonce is not repeated
					t.Errorf("direct %v: openssl %v: %s want %q", direct, args, out, c.want)
				}
			}
		}
		out, _ := openssl(t, dir, "ocsp", "-issuer", "auth-g3.pem", "-cert", "hanako.pem", "-cert", "goro.pem", "-url", url+"/ocsp",
			"-CAfile", "auth-g3.pem")
		if !strings.Contains(out, "hanako.pem: good") || !strings.Contains(out, "goro.pem: revoked") {
			t.Errorf("two certificates in one request: %s", out)
		}
	}
}

func TestOpenSSLReadsTheProfile(t *testing.T) {
	_, _, dir := opensslRig(t, jpki.Config{})
	out, ok := openssl(t, dir, "x509", "-in", "hanako.pem", "-noout", "-text")
	for _, want := range []string{
		"O = JPKI-PRACTICE (NOT REAL), OU = JPKI for user authentication, OU = Practice Agency (NOT REAL)",
		"X509v3 Key Usage: critical\n                Digital Signature\n", "TLS Web Client Authentication",
		"X509v3 Certificate Policies: critical\n                Policy: 1.2.392.200149.8.5.1.3.30",
		"OU = CRL Distribution Points, OU = Kakuu-ken", "Apr 12 14:59:59 20", "OCSP - URI:http://127.0.0.1:7443/ocsp",
		"DirName:/C=JP/O=JPKI-PRACTICE (NOT REAL)/OU=JPKI for user authentication", "serial:06:D1:",
	} {
		if !ok || !strings.Contains(out, want) {
			t.Errorf("openssl x509 of hanako lacks %q:\n%s", want, out)
		}
	}
	out, ok = openssl(t, dir, "x509", "-in", "hanako-sign.pem", "-noout", "-ext", "subjectAltName,keyUsage", "-nameopt", "utf8")
	if !ok || !strings.Contains(out, "1.2.392.200149.8.5.5.1::") || !strings.Contains(out, "Non Repudiation") {
		t.Errorf("openssl x509 of hanako's signature certificate: %s", out)
	}
	out, ok = openssl(t, dir, "asn1parse", "-in", "hanako.pem")
	if !ok || strings.Contains(out, "Error") || !strings.Contains(out, "X509v3 Authority Key Identifier") {
		t.Errorf("openssl asn1parse of hanako: %s", out)
	}
	out, ok = openssl(t, dir, "x509", "-in", "mirai.pem", "-noout", "-text")
	for _, want := range []string{"Signature Algorithm: ecdsa-with-SHA384", "ASN1 OID: secp384r1", "Policy: 1.2.392.200149.8.5.1.3.30"} {
		if !ok || !strings.Contains(out, want) {
			t.Errorf("openssl x509 of mirai lacks %q:\n%s", want, out)
		}
	}
	for _, root := range []string{"auth-g1.pem", "auth-g2.pem", "auth-g3.pem", "auth-g4.pem", "sign-g2.pem", "sign-g4.pem"} {
		if out, ok := openssl(t, dir, "verify", "-x509_strict", "-no_check_time", "-CAfile", root, root); !ok {
			t.Errorf("openssl verify of root %s: %s", root, out)
		}
	}
}
