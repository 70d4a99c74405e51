package jpki_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/sync/certid"
)

var day = time.Date(2026, 11, 22, 12, 0, 0, 0, people.JST)

// clock is a settable time.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rig is a served world.
type rig struct {
	t     *testing.T
	world *world.World
	clock *clock
	url   string
}

func newRig(t *testing.T, cfg jpki.Config) *rig {
	t.Helper()
	c := &clock{now: day}
	w := worldtest.Open(t, world.Config{Now: day, People: 9})
	cfg.Now = c.Now
	s, err := jpki.NewService(w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &rig{t: t, world: w, clock: c, url: srv.URL}
}

func (r *rig) do(method, path, contentType string, body []byte) (int, []byte) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res.StatusCode, out
}

func (r *rig) admin(path, body string, want int) {
	r.t.Helper()
	if got, out := r.do(http.MethodPost, "/admin/"+path, "application/json", []byte(body)); got != want {
		r.t.Errorf("POST /admin/%s %s = %d %s, want %d", path, body, got, out, want)
	}
}

func (r *rig) person(key string) (world.Person, *x509.Certificate) {
	r.t.Helper()
	p, err := r.world.Person(key)
	if err != nil {
		r.t.Fatal(err)
	}
	c, err := p.Auth.X509()
	if err != nil {
		r.t.Fatal(err)
	}
	return p, c
}

func (r *rig) root(gen int) *x509.Certificate {
	r.t.Helper()
	a, err := r.world.Authority(certid.PurposeAuth, gen)
	if err != nil {
		r.t.Fatal(err)
	}
	return a.Cert
}

// ask queries one certificate under a generation's key and checks the answer's signature by golang.org/x/crypto/ocsp.
func (r *rig) ask(cert *x509.Certificate, gen int, hash crypto.Hash) *ocsp.Response {
	r.t.Helper()
	req, err := ocsp.CreateRequest(cert, r.root(gen), &ocsp.RequestOptions{Hash: hash})
	if err != nil {
		r.t.Fatal(err)
	}
	status, body := r.do(http.MethodPost, "/ocsp", "application/ocsp-request", req)
	if status != http.StatusOK {
		r.t.Fatalf("OCSP = %d %s", status, body)
	}
	res, err := ocsp.ParseResponseForCert(body, cert, r.root(gen))
	if err != nil {
		r.t.Fatalf("parsing the OCSP answer: %v", err)
	}
	return res
}

func (r *rig) listed(name, person string) (bool, *x509.RevocationList) {
	r.t.Helper()
	status, body := r.do(http.MethodGet, "/crl/"+name, "", nil)
	if status != http.StatusOK {
		r.t.Fatalf("GET /crl/%s = %d", name, status)
	}
	l, err := x509.ParseRevocationList(body)
	if err != nil {
		r.t.Fatal(err)
	}
	_, cert := r.person(person)
	for _, e := range l.RevokedCertificateEntries {
		if e.SerialNumber.Cmp(cert.SerialNumber) == 0 {
			return true, l
		}
	}
	return false, l
}

func TestOCSPAnswers(t *testing.T) {
	for _, direct := range []bool{false, true} {
		r := newRig(t, jpki.Config{DirectOCSP: direct})
		for _, c := range []struct {
			person string
			gen    int
			hash   crypto.Hash
			want   int
			reason int
		}{
			{"hanako", 3, crypto.SHA1, ocsp.Good, 0},
			{"hanako", 3, crypto.SHA256, ocsp.Good, 0},
			{"hanako", 2, crypto.SHA1, ocsp.Unknown, 0}, // the key of the wrong generation
			{"taro", 2, crypto.SHA256, ocsp.Good, 0},
			{"taro", 3, crypto.SHA256, ocsp.Unknown, 0},
			{"goro", 3, crypto.SHA1, ocsp.Revoked, ocsp.CessationOfOperation},
			{"mika", 3, crypto.SHA1, ocsp.Revoked, ocsp.CertificateHold},
			{"ren", 3, crypto.SHA1, ocsp.Unknown, 0},      // forged: never issued
			{"aoi", 3, crypto.SHA1, ocsp.Unknown, 0},      // issued by somebody else
			{"hanako", 3, crypto.SHA384, ocsp.Unknown, 0}, // a hash that the responder does not keep
		} {
			_, cert := r.person(c.person)
			got := r.ask(cert, c.gen, c.hash)
			if got.Status != c.want || got.RevocationReason != c.reason {
				t.Errorf("direct %v: OCSP(%s, generation %d, %v) = %d for %d, want %d for %d",
					direct, c.person, c.gen, c.hash, got.Status, got.RevocationReason, c.want, c.reason)
			}
			if !got.ThisUpdate.Equal(day) || got.NextUpdate.Sub(got.ThisUpdate) != 15*time.Minute {
				t.Errorf("OCSP(%s) from %v to %v, want 15 minutes from now", c.person, got.ThisUpdate, got.NextUpdate)
			}
			if delegated := got.Certificate != nil; delegated == direct {
				t.Errorf("direct %v: answer carries a certificate = %v", direct, delegated)
			}
		}
	}
}

// TestSnapshot defends the difference that a card void at central alone rests on.
func TestSnapshot(t *testing.T) {
	r := newRig(t, jpki.Config{})
	_, jiro := r.person("jiro")
	before, first := r.listed("auth.crl", "jiro")
	r.clock.add(time.Hour)
	r.admin("revoke", `{"person":"jiro","reason":"keyCompromise"}`, http.StatusOK)
	if got := r.ask(jiro, 3, crypto.SHA1); got.Status != ocsp.Revoked || got.RevocationReason != ocsp.KeyCompromise ||
		!got.RevokedAt.Equal(day.Add(time.Hour)) {
		t.Errorf("OCSP(jiro) after revocation = %d for %d at %v", got.Status, got.RevocationReason, got.RevokedAt)
	}
	if still, _ := r.listed("auth.crl", "jiro"); before || still {
		t.Errorf("list names jiro: before %v, after revocation %v, want neither", before, still)
	}
	r.admin("publish", "", http.StatusOK)
	now, second := r.listed("auth.crl", "jiro")
	if !now || second.Number.Cmp(first.Number) <= 0 {
		t.Errorf("after publication: listed %v, number %v after %v", now, second.Number, first.Number)
	}
	if err := second.CheckSignatureFrom(r.root(4)); err != nil {
		t.Errorf("signature of the list: %v", err)
	}
}

func TestDailyPublicationAndRestart(t *testing.T) {
	r := newRig(t, jpki.Config{})
	_, first := r.listed("auth.crl", "goro")
	r.admin("hold", `{"person":"taro"}`, http.StatusOK)
	again, err := jpki.NewService(r.world, jpki.Config{Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(again)
	defer srv.Close()
	r.url = srv.URL
	if held, l := r.listed("auth.crl", "taro"); held || l.Number.Cmp(first.Number) != 0 {
		t.Errorf("after a restart: number %v, taro listed %v, want the list served before, %v", l.Number, held, first.Number)
	}
	r.clock.add(24 * time.Hour)
	held, l := r.listed("auth.crl", "taro")
	if !held || !l.ThisUpdate.Equal(day.Add(24*time.Hour)) || l.Number.Cmp(first.Number) <= 0 {
		t.Errorf("a day later: number %v of %v, taro listed %v, want a new list with taro", l.Number, l.ThisUpdate, held)
	}
	r.admin("unhold", `{"person":"taro"}`, http.StatusOK)
	r.admin("publish", "", http.StatusOK)
	if held, _ := r.listed("auth.crl", "taro"); held {
		t.Error("taro is on the list after the hold was lifted")
	}
}

func TestDamagedListIsPublishedAnew(t *testing.T) {
	r := newRig(t, jpki.Config{})
	_, first := r.listed("auth.crl", "goro")
	if err := r.world.WriteFile("crl/auth.crl", []byte("half a li")); err != nil {
		t.Fatal(err)
	}
	again, err := jpki.NewService(r.world, jpki.Config{Now: r.clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(again)
	defer srv.Close()
	r.url = srv.URL
	if listed, l := r.listed("auth.crl", "goro"); !listed || l.Number.Cmp(first.Number) <= 0 {
		t.Errorf("list after damage: number %v, goro listed %v, want a newer one than %v", l.Number, listed, first.Number)
	}
	if err := r.world.WriteFile("../outside", nil); !errors.Is(err, world.ErrState) {
		t.Errorf("WriteFile outside the folder = %v, want ErrState", err)
	}
}

func TestListsByGeneration(t *testing.T) {
	r := newRig(t, jpki.Config{})
	r.admin("revoke", `{"person":"taro"}`, http.StatusOK)
	r.admin("publish", "", http.StatusOK)
	for _, c := range []struct {
		name   string
		gen    int
		person string
		want   bool
	}{
		{"auth.crl", 4, "taro", true},
		{"auth.crl", 4, "goro", true},
		{"auth-g2.crl", 2, "taro", true},
		{"auth-g2.crl", 2, "goro", false},
		{"auth-g3.crl", 3, "taro", false},
		{"auth-g3.crl", 3, "goro", true},
	} {
		got, l := r.listed(c.name, c.person)
		if err := l.CheckSignatureFrom(r.root(c.gen)); err != nil || got != c.want {
			t.Errorf("%s lists %s = %v, signature by generation %d: %v, want %v", c.name, c.person, got, c.gen, err, c.want)
		}
	}
	if status, _ := r.do(http.MethodGet, "/crl/auth-g1.crl", "", nil); status != http.StatusNotFound {
		t.Errorf("list of the expired generation = %d, want 404", status)
	}
	if status, _ := r.do(http.MethodGet, "/crl/sign.crl", "", nil); status != http.StatusOK {
		t.Errorf("GET /crl/sign.crl = %d, want 200", status)
	}
}

// One request for two certificates, put together by hand: a nonce of 4 octets, a good and a revoked one, both under generation 3.
func TestNonceAndSeveralCertificates(t *testing.T) {
	r := newRig(t, jpki.Config{})
	_, hanako := r.person("hanako")
	_, goro := r.person("goro")
	one, two := singleRequest(t, hanako, r.root(3)), singleRequest(t, goro, r.root(3))
	nonce := mustHex(t, "a2153013301106092b0601050507300102"+"0404"+"0402beef")
	list := der(0x30, one, two)
	body := der(0x30, der(0x30, list, nonce))
	status, out := r.do(http.MethodPost, "/ocsp", "application/ocsp-request", body)
	if status != http.StatusOK {
		t.Fatalf("OCSP = %d", status)
	}
	for _, c := range []struct {
		cert *x509.Certificate
		want int
	}{{hanako, ocsp.Good}, {goro, ocsp.Revoked}} {
		res, err := ocsp.ParseResponseForCert(out, c.cert, r.root(3))
		if err != nil || res.Status != c.want {
			t.Errorf("answer for one of two = %v, %v, want %d", res, err, c.want)
		}
	}
	// responseExtensions [1] with the same extension as in the request
	if !bytes.Contains(out, mustHex(t, "a1153013301106092b060105050730010204040402beef")) {
		t.Errorf("answer %x does not repeat the nonce in responseExtensions", out)
	}
}

// singleRequest is Request { CertID } as x/crypto/ocsp writes it.
func singleRequest(t *testing.T, cert, root *x509.Certificate) []byte {
	t.Helper()
	b, err := ocsp.CreateRequest(cert, root, nil)
	if err != nil {
		t.Fatal(err)
	}
	var req struct {
		TBS struct{ List []asn1.RawValue }
	}
	if _, err := asn1.Unmarshal(b, &req); err != nil || len(req.TBS.List) != 1 {
		t.Fatalf("taking a request apart: %v", err)
	}
	return req.TBS.List[0].FullBytes
}

func der(tag byte, parts ...[]byte) []byte {
	v := bytes.Join(parts, nil)
	switch {
	case len(v) < 0x80:
		return append([]byte{tag, byte(len(v))}, v...)
	case len(v) < 0x100:
		return append([]byte{tag, 0x81, byte(len(v))}, v...)
	default:
		return append([]byte{tag, 0x82, byte(len(v) >> 8), byte(len(v))}, v...)
	}
}

func mustHex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOCSPByGET(t *testing.T) {
	r := newRig(t, jpki.Config{})
	_, cert := r.person("goro")
	req, err := ocsp.CreateRequest(cert, r.root(3), nil)
	if err != nil {
		t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString(req)
	for _, path := range []string{"/ocsp/" + url.PathEscape(text), "/ocsp/" + text, "/ocsp/" + url.QueryEscape(text)} {
		status, body := r.do(http.MethodGet, path, "", nil)
		res, err := ocsp.ParseResponseForCert(body, cert, r.root(3))
		if status != http.StatusOK || err != nil || res.Status != ocsp.Revoked {
			t.Errorf("GET of a base64 request = %d, %v, want revoked", status, err)
		}
	}
}

func TestBadOCSPRequests(t *testing.T) {
	r := newRig(t, jpki.Config{})
	_, cert := r.person("hanako")
	single := singleRequest(t, cert, r.root(3))
	good := der(0x30, der(0x30, der(0x30, single)))
	many := bytes.Repeat(single, jpki.MaxCertIDs+1)
	ext := func(oidAndValue string) []byte {
		return der(0x30, der(0x30, der(0x30, single), der(0xA2, der(0x30, mustHex(t, oidAndValue)))))
	}
	malformed := []byte{0x30, 0x03, 0x0A, 0x01, 0x01}
	for _, c := range []struct {
		name string
		body []byte
		ok   bool
	}{
		{"good", good, true},
		{"empty", nil, false},
		{"rubbish", []byte("hello"), false},
		{"cut short", good[:len(good)-1], false},
		{"data after it", append(append([]byte{}, good...), 0), false},
		{"no certificate", der(0x30, der(0x30, der(0x30))), false},
		{"too many certificates", der(0x30, der(0x30, der(0x30, many))), false},
		{"oversized", bytes.Repeat([]byte{0x30}, jpki.MaxRequestLen+1), false},
		{"version 2", der(0x30, der(0x30, mustHex(t, "a003020101"), der(0x30, single))), false},
		{"version 1 written out", der(0x30, der(0x30, mustHex(t, "a003020100"), der(0x30, single))), true},
		{"empty nonce", ext("300f06092b060105050730010204020400"), false},
		{"nonce that is no octet string", ext("301006092b0601050507300102040302017f"), false},
		{"two nonces", ext("301106092b060105050730010204040402beef" + "301106092b060105050730010204040402beef"), false},
		{"unknown critical extension", ext("300b06032a03040101ff04010a"), false},
		{"unknown extension", ext("300806032a030404010a"), true},
	} {
		status, out := r.do(http.MethodPost, "/ocsp", "application/ocsp-request", c.body)
		if status != http.StatusOK || bytes.Equal(out, malformed) == c.ok {
			t.Errorf("%s = %d % X, want malformedRequest %v", c.name, status, out[:min(5, len(out))], !c.ok)
		}
	}
	if status, out := r.do(http.MethodGet, "/ocsp/not+base64!", "", nil); status != http.StatusOK || !bytes.Equal(out, malformed) {
		t.Errorf("GET of no base64 = %d % X, want malformedRequest", status, out)
	}
	if status, _ := r.do(http.MethodPost, "/ocsp", "text/plain", good); status != http.StatusUnsupportedMediaType {
		t.Errorf("POST of text/plain = %d, want 415", status)
	}
	if status, _ := r.do(http.MethodPut, "/ocsp", "", nil); status != http.StatusMethodNotAllowed {
		t.Errorf("PUT = %d, want 405", status)
	}
}

// A serial that no certificate can have is a question like any other.
func TestStrangeSerialsAreUnknown(t *testing.T) {
	r := newRig(t, jpki.Config{})
	_, cert := r.person("hanako")
	single := singleRequest(t, cert, r.root(3))
	serial := der(0x02, cert.SerialNumber.Bytes())
	for _, strange := range []string{"020100", "0201ff", "0215" + strings.Repeat("7f", 21), "02047fffffff"} {
		id := bytes.TrimSuffix(single[4:], serial) // Request { CertID { …
		body := der(0x30, der(0x30, der(0x30, der(0x30, der(0x30, id, mustHex(t, strange))))))
		status, out := r.do(http.MethodPost, "/ocsp", "application/ocsp-request", body)
		res, err := ocsp.ParseResponse(out, r.root(3))
		if status != http.StatusOK || err != nil || res.Status != ocsp.Unknown {
			t.Errorf("OCSP for serial %s = %d, %v, %v, want unknown", strange, status, res, err)
		}
	}
}

func TestRenewals(t *testing.T) {
	r := newRig(t, jpki.Config{})
	before, old := r.person("taro")
	r.admin("renew", `{"person":"taro"}`, http.StatusOK)
	after, fresh := r.person("taro")
	status, body := r.do(http.MethodGet, "/renewals", "", nil)
	var got jpki.RenewalsAnswer
	if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
		t.Fatalf("GET /renewals = %d, %v", status, err)
	}
	want := world.RenewalLine{
		N: 1, Purpose: "auth", Old: hex.EncodeToString(before.Auth.ID.Serial.Bytes()), New: hex.EncodeToString(after.Auth.ID.Serial.Bytes()), At: day.UTC(),
	}
	if len(got.Renewals) != 2 || got.Renewals[0] != want {
		t.Errorf("renewals = %d lines, the first for %s; want 2, auth from old to new", len(got.Renewals), got.Renewals[0].Purpose)
	}
	if s := r.ask(old, 2, crypto.SHA1); s.Status != ocsp.Revoked || s.RevocationReason != ocsp.Superseded {
		t.Errorf("OCSP of the old certificate = %d for %d, want superseded", s.Status, s.RevocationReason)
	}
	if s := r.ask(fresh, 3, crypto.SHA1); s.Status != ocsp.Good {
		t.Errorf("OCSP of the new certificate = %d, want good", s.Status)
	}
}

func TestAdminRefusals(t *testing.T) {
	r := newRig(t, jpki.Config{})
	goro, _ := r.person("goro")
	serial := hex.EncodeToString(goro.Auth.ID.Serial.Bytes())
	for _, c := range []struct {
		path, body string
		want       int
	}{
		{"revoke", `{"person":"nobody"}`, http.StatusNotFound},
		{"revoke", `{}`, http.StatusBadRequest},
		{"revoke", `{"person":"taro","serial":"01"}`, http.StatusBadRequest},
		{"revoke", `{"person":"taro","reason":"because"}`, http.StatusBadRequest},
		{"revoke", `{"person":"taro","colour":"red"}`, http.StatusBadRequest},
		{"revoke", `{"person":"taro"`, http.StatusBadRequest},
		{"revoke", `{"serial":"zz"}`, http.StatusBadRequest},
		{"revoke", `{"serial":"00"}`, http.StatusBadRequest},
		{"revoke", `{"serial":"` + serial + `"}`, http.StatusConflict},
		{"revoke", `{"person":"taro","purpose":"both"}`, http.StatusBadRequest},
		{"hold", `{"person":"goro"}`, http.StatusConflict},
		{"unhold", `{"person":"goro"}`, http.StatusConflict},
		{"renew", `{}`, http.StatusBadRequest},
		{"renew", `{"person":"aoi"}`, http.StatusConflict},
		{"reissue", `{}`, http.StatusBadRequest},
		{"reissue", `{"person":"aoi"}`, http.StatusConflict},
		{"nothing", `{}`, http.StatusNotFound},
	} {
		r.admin(c.path, c.body, c.want)
	}
}

func TestAdminIsForThisMachine(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	s, err := jpki.NewService(w, jpki.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, peer, host, origin string
		want                     int
	}{
		{"loopback", "127.0.0.1:5000", "localhost:7443", "", http.StatusOK},
		{"loopback v6", "[::1]:5000", "[::1]:7443", "", http.StatusOK},
		{"another machine", "192.0.2.7:5000", "localhost:7443", "", http.StatusForbidden},
		{"another name for us", "127.0.0.1:5000", "evil.example:7443", "", http.StatusForbidden},
		{"a page of another site", "127.0.0.1:5000", "localhost:7443", "https://evil.example", http.StatusForbidden},
	} {
		req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/admin/publish", nil)
		req.RemoteAddr, req.Host = c.peer, c.host
		if c.origin != "" {
			req.Header.Set("Origin", c.origin)
		}
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, req)
		if rec.Code != c.want {
			t.Errorf("publish from %s = %d, want %d", c.name, rec.Code, c.want)
		}
	}
}

// An open connection that says nothing holds nobody up.
func TestIdleConnectionHangsNobody(t *testing.T) {
	r := newRig(t, jpki.Config{})
	host := strings.TrimPrefix(r.url, "http://")
	for range 20 {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write([]byte("POST /ocsp HTTP/1.1\r\n")); err != nil {
			t.Fatal(err)
		}
	}
	_, cert := r.person("hanako")
	if got := r.ask(cert, 3, crypto.SHA1); got.Status != ocsp.Good {
		t.Errorf("OCSP beside idle connections = %d, want good", got.Status)
	}
}

func TestAnchors(t *testing.T) {
	r := newRig(t, jpki.Config{})
	for _, a := range []struct {
		name string
		gen  int
	}{{"auth-g1.cer", 1}, {"auth-g2.cer", 2}, {"auth-g3.cer", 3}, {"auth-g4.cer", 4}} {
		if status, body := r.do(http.MethodGet, "/anchors/"+a.name, "", nil); status != http.StatusOK || !bytes.Equal(body, r.root(a.gen).Raw) {
			t.Errorf("GET /anchors/%s = %d of %d octets", a.name, status, len(body))
		}
	}
}
