package box_test

import (
	"errors"
	"log/slog"
	"testing"

	"kazashi.example/appliance/vault"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// P1: a box whose signed rule lets its keys open by the file alone starts again and again, and has them open.
func TestP1ABoxWhoseKeysOpenByThemselvesStartsAgain(t *testing.T) {
	c := newCentral(t, nil)
	c.ruledAs(t, func(s *rule.Set) { s.Unlock = rule.UnlockFile })
	k := joined(t, c)
	b, stop := k.run(t)
	next(t, at(t, k, b), localapi.EventStatus, func(e localapi.Event) bool { return e.Status.Service.Basis != 0 })
	must(t, stop())
	id, err := vault.Open(k.conf.DataDir, vault.Options{})
	must(t, err)
	central, err := seal.GenerateKey()
	must(t, err)
	site, err := vault.OpenSite(t.Context(), vault.SiteConfig{
		Dir: k.conf.DataDir, Identity: id, Site: record.SiteID("branch-1"), Keys: func() sign.Keys { return sign.One{} }, AllowSwap: true,
		Central: func() (seal.PublicKey, error) { return central.Public(), nil }, Rule: func() rule.Unlock { return rule.UnlockFile },
		Log: slog.New(slog.DiscardHandler),
	})
	must(t, err)
	must(t, errors.Join(site.Create(t.Context(), nil), id.Close()))
	for range 2 {
		b, stop := k.run(t)
		next(t, at(t, k, b), localapi.EventStatus, func(e localapi.Event) bool {
			return e.Status.Keys.State == localapi.KeysOpen && e.Status.Keys.By == string(vault.ByFile)
		})
		must(t, stop())
	}
}
