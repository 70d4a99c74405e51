package daemon_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/config"
)

// P3, P9: an operator takes a renewal back over the socket: it is durable, audited, told to nobody by serial, and comes no more.
func TestP9ARenewalIsWithdrawnForGood(t *testing.T) {
	p := setUp(t)
	authority := strings.TrimSuffix(p.conf.JPKI[0].AuthCRL, "/crl/auth.crl")
	p.conf.Renewals = config.Renewals{URL: authority + "/renewals", Every: new(config.Duration(time.Second)), Hierarchy: "practice"}
	resp, err := http.Post(authority+"/admin/renew", "application/json", strings.NewReader(`{"person":"hanako"}`))
	must(t, err)
	must(t, resp.Body.Close())
	told, err := http.Get(authority + "/renewals")
	must(t, err)
	older, newer := pairOf(t, told)
	p.run(t)
	ctx := t.Context()
	known := func() int64 {
		s, err := p.operator().Status(ctx)
		must(t, err)
		return s.Renewals
	}
	eventually(t, "the renewal is known", func() bool { return known() == 1 })
	refused := (*admin.Refused)(nil)
	for name, q := range map[string]admin.Pair{
		"the wrong way round": {Old: newer, New: older}, "no serial": {Old: "hanako", New: newer}, "nothing": {},
	} {
		if m, err := p.operator().Withdraw(ctx, q); !errors.As(err, &refused) || strings.Contains(err.Error(), newer) {
			t.Errorf("Withdraw(%s) = %+v, %v, want a refusal that names nothing", name, m, err)
		}
	}
	if m, err := p.operator().Withdraw(ctx, admin.Pair{Old: "00" + older, New: newer}); err != nil || m.Certificates != 0 {
		t.Errorf("Withdraw = %+v, %v, want it done: nobody was met with either", m, err)
	}
	if m, err := p.operator().Merge(ctx, admin.Merge{Person: 1, Other: 2}); !errors.As(err, &refused) {
		t.Errorf("Merge(nobody) = %+v, %v, want a refusal", m, err)
	}
	acts, err := p.operator().Acts(ctx)
	if err != nil || len(acts) != 1 || acts[0].What != "renewal withdrawn" || strings.Contains(acts[0].Detail, newer) {
		t.Errorf("Acts = %+v, %v, want the withdrawal alone", acts, err)
	}
	before, err := p.operator().Status(ctx)
	must(t, err)
	eventually(t, "the service was asked again", func() bool {
		s, err := p.operator().Status(ctx)
		must(t, err)
		return s.RenewalsAsked.After(before.RenewalsAsked)
	})
	if n := known(); n != 0 {
		t.Errorf("%d renewals are known after the service told it again, want none", n)
	}
	if all, err := p.operator().Conflicts(ctx); err != nil || len(all) != 0 {
		t.Errorf("Conflicts = %+v, %v, want none", all, err)
	}
	if strings.Contains(p.log.String(), newer) || strings.Contains(p.log.String(), older) {
		t.Error("the log names a serial")
	}
}

// pairOf is the one pair of authentication certificates that a service tells.
func pairOf(t *testing.T, resp *http.Response) (older, newer string) {
	t.Helper()
	var told struct {
		Renewals []struct{ Purpose, Old, New string }
	}
	must(t, errors.Join(json.NewDecoder(resp.Body).Decode(&told), resp.Body.Close()))
	for _, l := range told.Renewals {
		if l.Purpose == "auth" {
			return l.Old, l.New
		}
	}
	t.Fatalf("no pair among %d", len(told.Renewals))
	return "", ""
}
