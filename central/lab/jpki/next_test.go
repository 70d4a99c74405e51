package jpki_test

import (
	"crypto"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/renewal"
)

// everybody is a rig with all people that have a name.
func everybody(t *testing.T, cfg jpki.Config) *rig {
	t.Helper()
	c := &clock{now: day}
	cfg.Now = c.Now
	w := worldtest.Open(t, world.Config{Now: day})
	s, err := jpki.NewService(w, cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return &rig{t: t, world: w, clock: c, url: srv.URL}
}

// Answers about the next card's certificates are signed on P-384, by the authority's own key or by a responder's.
func TestOCSPOnP384(t *testing.T) {
	for _, direct := range []bool{false, true} {
		r := everybody(t, jpki.Config{DirectOCSP: direct})
		_, mirai := r.person("mirai")
		for gen, want := range map[int]int{4: ocsp.Good, 3: ocsp.Unknown} {
			if got := r.ask(mirai, gen, crypto.SHA1); got.Status != want {
				t.Errorf("direct %v: OCSP(mirai, generation %d) = %d, want %d", direct, gen, got.Status, want)
			}
		}
		if got := r.ask(mirai, 4, crypto.SHA256); got.SignatureAlgorithm != x509.ECDSAWithSHA384 {
			t.Errorf("direct %v: answer of generation 4 is signed with %v, want ECDSA with SHA-384", direct, got.SignatureAlgorithm)
		}
		r.admin("hold", `{"person":"mirai"}`, http.StatusOK)
		if got := r.ask(mirai, 4, crypto.SHA1); got.Status != ocsp.Revoked || got.RevocationReason != ocsp.CertificateHold {
			t.Errorf("direct %v: OCSP(mirai) on hold = %d for %d", direct, got.Status, got.RevocationReason)
		}
		_, phone := r.person("sumire")
		if got := r.ask(phone, 4, crypto.SHA1); got.Status != ocsp.Unknown {
			t.Errorf("direct %v: OCSP of a telephone's certificate = %d, want unknown", direct, got.Status)
		}
	}
}

func (r *rig) renewals(query string) jpki.RenewalsAnswer {
	r.t.Helper()
	status, body := r.do(http.MethodGet, "/renewals"+query, "", nil)
	var got jpki.RenewalsAnswer
	if err := json.Unmarshal(body, &got); err != nil || status != http.StatusOK {
		r.t.Fatalf("GET /renewals%s = %d, %v", query, status, err)
	}
	return got
}

// Central reads the answer as it is, for a question by time.
func TestCentralReadsTheRenewals(t *testing.T) {
	r := everybody(t, jpki.Config{})
	before, _ := r.person("mirai")
	r.admin("reissue", `{"person":"mirai"}`, http.StatusOK)
	after, _ := r.person("mirai")
	status, body := r.do(http.MethodGet, "/renewals?since="+day.Add(-time.Hour).UTC().Format(time.RFC3339Nano), "", nil)
	got, err := renewal.Decode(body)
	if err != nil || status != http.StatusOK || len(got.Lines) != 1 || got.More || !got.Last.Equal(day) {
		t.Fatalf("Decode = %d lines, more %v, last %v, %v, want one of authentication", len(got.Lines), got.More, got.Last, err)
	}
	if got.Lines[0].Old != before.Auth.ID.Serial || got.Lines[0].New != after.Auth.ID.Serial {
		t.Error("central reads other serials than were renewed")
	}
}

// A poller that asks with the last number it was given misses nothing and hears nothing twice.
func TestRenewalsSince(t *testing.T) {
	r := everybody(t, jpki.Config{})
	if got := r.renewals("?since=0"); len(got.Renewals) != 0 || got.Last != 0 || got.More {
		t.Errorf("renewals of a new world = %d lines, last %d, want none", len(got.Renewals), got.Last)
	}
	r.admin("renew", `{"person":"mirai"}`, http.StatusOK)
	first := r.renewals("?since=0")
	r.admin("reissue", `{"person":"hanako"}`, http.StatusOK)
	r.admin("renew", `{"person":"sora"}`, http.StatusOK) // a child: one certificate
	second := r.renewals(fmt.Sprintf("?since=%d", first.Last))
	all := r.renewals("")
	if len(first.Renewals) != 2 || len(second.Renewals) != 3 || second.Last != 5 || len(all.Renewals) != 5 {
		t.Fatalf("renewals = %d, then %d up to %d, together %d; want 2, 3 up to 5, 5", len(first.Renewals), len(second.Renewals), second.Last, len(all.Renewals))
	}
	for i, l := range append(first.Renewals, second.Renewals...) {
		if l != all.Renewals[i] || l.N != i+1 {
			t.Errorf("line %d polled as number %d differs from the whole table's", i+1, l.N)
		}
	}
	if got := r.renewals("?since=9"); len(got.Renewals) != 0 || got.Last != 5 {
		t.Errorf("renewals since a line that is not there = %d, last %d, want none and 5", len(got.Renewals), got.Last)
	}
	if got := r.renewals("?since=" + day.UTC().Format(time.RFC3339)); len(got.Renewals) != 5 || got.More {
		t.Errorf("renewals since this day = %d lines, want 5", len(got.Renewals))
	}
	if got := r.renewals("?since=" + day.Add(time.Second).UTC().Format(time.RFC3339)); len(got.Renewals) != 0 {
		t.Errorf("renewals since a second later = %d lines, want none", len(got.Renewals))
	}
	for _, bad := range []string{"-1", "x", "1.5", "99999999999999999999", "2026-11-22"} {
		if status, _ := r.do(http.MethodGet, "/renewals?since="+bad, "", nil); status != http.StatusBadRequest {
			t.Errorf("GET /renewals?since=%s = %d, want 400", bad, status)
		}
	}
	b, err := os.ReadFile(filepath.Join(r.world.Dir(), "renewals.json"))
	var file jpki.RenewalsAnswer
	if err != nil || json.Unmarshal(b, &file) != nil || len(file.Renewals) != 5 || file.Renewals[4] != all.Renewals[4] {
		t.Errorf("renewals.json = %d lines, %v, want the five that are served", len(file.Renewals), err)
	}
}
