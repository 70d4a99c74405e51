package daemon_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/keys"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// The service of renewals is asked at the start, what it says is counted, and boxes learn who signs rosters.
func TestRenewalsAreAskedAndCounted(t *testing.T) {
	p := setUp(t)
	authority := strings.TrimSuffix(p.conf.JPKI[0].AuthCRL, "/crl/auth.crl")
	p.conf.Renewals = config.Renewals{URL: authority + "/renewals", Every: new(config.Duration(time.Hour)), Hierarchy: "practice"}
	resp, err := http.Post(authority+"/admin/renew", "application/json", strings.NewReader(`{"person":"hanako"}`))
	must(t, err)
	must(t, resp.Body.Close())
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("renewing = %s", resp.Status)
	}
	p.run(t)
	eventually(t, "the renewal is known", func() bool {
		s, err := p.operator().Status(t.Context())
		must(t, err)
		return s.Renewals == 1 && !s.RenewalsAsked.IsZero() && s.Conflicts == 0
	})
	if page := p.get(t, "/metrics"); !strings.Contains(page, "kazashi_central_renewals_asked_timestamp_seconds") {
		t.Errorf("the metrics do not say when the service was asked:\n%s", page)
	}
	got, err := p.join(t).Poll(t.Context(), wire.Poll{})
	must(t, err)
	root, err := rootOf(p)
	must(t, err)
	o, err := trust.Open(got.Bundle, trust.Terms{Root: root})
	must(t, err)
	signer := sign.KeyIDOf(o.Keys[0].Public)
	if _, err := o.SigningKey(sign.PurposeRoster, signer); err != nil {
		t.Errorf("SigningKey(roster) = %v, want C-sign", err)
	}
}

// A service that does not answer keeps nobody waiting: it is said, and central serves.
func TestASilentServiceOfRenewalsHoldsUpNothing(t *testing.T) {
	p := setUp(t)
	p.conf.Renewals = config.Renewals{URL: "http://127.0.0.1:1/renewals", Every: new(config.Duration(time.Hour)), Hierarchy: "practice"}
	p.run(t)
	eventually(t, "the log says so", func() bool { return strings.Contains(p.log.String(), "nobody said which certificates were renewed") })
	if got, err := p.join(t).Poll(t.Context(), wire.Poll{}); err != nil || got.Rules == nil {
		t.Errorf("Poll = rules %v, %v, want to be served", got.Rules != nil, err)
	}
}

func rootOf(p *place) (trust.Fingerprint, error) {
	k, err := keys.Open(p.conf.KeysDir)
	if err != nil {
		return trust.Fingerprint{}, err
	}
	return k.Fingerprint()
}
