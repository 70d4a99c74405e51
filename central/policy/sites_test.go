package policy_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/policy"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// hall adds a second service, for which the library's site has no use.
func (r *rig) hall() {
	hall := r.conf.Service[0]
	hall.ID, hall.Sector = "kiyose.hall", "kiyose.hall"
	r.conf.Service = append(r.conf.Service, hall)
	r.conf.Site = []config.Site{
		{ID: "library", Services: []string{"kiyose.library"}, Unlock: "code"},
		{ID: "shelter-7", Unlock: "tpm"},
	}
}

// P9: each site gets its own rules, in its own name; a box of another takes none of them.
func TestP9EachSiteHasItsRules(t *testing.T) {
	r := newRig(t)
	r.hall()
	p := r.make(1)
	for _, want := range []struct {
		site     record.SiteID
		services string
		unlock   rule.Unlock
	}{
		{"library", "kiyose.library", rule.UnlockCode},
		{"shelter-7", "kiyose.library kiyose.hall", rule.UnlockTPM},
		{"nobody-named-it", "kiyose.library kiyose.hall", rule.UnlockCode},
	} {
		set := r.set(p.Trust, p, want.site)
		var services []string
		for _, s := range set.Rules {
			services = append(services, string(s.Service))
		}
		if set.Site != want.site || strings.Join(services, " ") != want.services || set.UnlockBy() != want.unlock || set.Version != p.Version() {
			t.Errorf("rules of %s = site %s, %q, unlock %d, %v; want %q, %d", want.site, set.Site, services, set.UnlockBy(), set.Version, want.services, want.unlock)
		}
		_, once, _ := p.RulesFor(want.site)
		_, twice, _ := p.RulesFor(want.site)
		if !bytes.Equal(once, twice) {
			t.Errorf("rules of %s were signed twice", want.site)
		}
		if _, err := rule.Open(p.Trust, once, rule.Terms{Site: "elsewhere"}); !errors.Is(err, rule.ErrSite) {
			t.Errorf("a box of another site opens the rules of %s: %v, want ErrSite", want.site, err)
		}
	}
	if !p.Serves("kiyose") || p.Serves("iruma") {
		t.Error("Serves does not tell kiyose from iruma")
	}
}

// Every edition that a box may have decided by is found again, over restarts and over a restore.
func TestOldRulesAreFoundAgain(t *testing.T) { // P6
	r := newRig(t)
	r.hall()
	first := r.make(1)
	r.conf.Service[0].TooOld = "record"
	second := r.make(1)
	r.conf.Site = nil
	third := r.make(2)
	for _, p := range []struct {
		v      rule.Version
		tooOld rule.TooOld
		rules  int
	}{{first.Version(), rule.TooOldRefuse, 1}, {second.Version(), rule.TooOldRecord, 1}, {third.Version(), rule.TooOldRecord, 2}} {
		for range 2 { // from the disk, and from memory
			set, ok, err := third.RuleAt(t.Context(), "library", p.v)
			if err != nil || !ok || set.Version != p.v || len(set.Rules) != p.rules || set.Rules[0].TooOld != p.tooOld {
				t.Errorf("RuleAt(%v) = %+v, %v, %v, want %d rules", p.v, set, ok, err, p.rules)
			}
		}
	}
	if set, ok, err := third.RuleAt(t.Context(), "library", rule.Version{CentralEpoch: 1, N: 1}); ok || err != nil {
		t.Errorf("RuleAt(never given out) = %+v, %v, %v", set, ok, err)
	}
	all, err := third.Editions(t.Context())
	if err != nil || len(all) != 3 || all[0].Version != third.Version() || all[2].Version != first.Version() || len(all[2].Sites) != 3 {
		t.Errorf("Editions = %+v, %v, want three, the newest first", all, err)
	}
}

// Records were ever to be kept for the fewest days that any edition said; one that cannot be read leaves it open.
func TestHowLongRecordsWereToBeKept(t *testing.T) { // P6
	r := newRig(t)
	retained := func() (days map[record.ServiceID]uint32, err error) {
		err = r.db.View(t.Context(), func(tx store.Tx) (err error) { days, err = policy.Retained(tx); return err })
		return days, err
	}
	id := record.ServiceID(r.conf.Service[0].ID)
	last := rule.Version{}
	for _, c := range []struct{ days, want uint32 }{{0, 0}, {30, 30}, {90, 30}, {7, 7}, {0, 7}} {
		r.conf.Service[0].KeepRecords = c.days
		last = r.make(1).Version()
		if days, err := retained(); err != nil || days[id] != c.want || len(days) != min(int(c.want), 1) {
			t.Errorf("Retained after an edition of %d days = %v, %v, want %d days", c.days, days, err, c.want)
		}
	}
	last.N++
	must(t, r.db.Update(t.Context(), func(tx store.Tx) error { return tx.AddRuling(last, []byte("x")) }))
	if days, err := retained(); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("Retained(damaged) = %v, %v, want ErrDamaged", days, err)
	}
}

// An edition that is damaged costs nothing but itself.
func TestADamagedEditionIsReported(t *testing.T) { // P9
	r := newRig(t)
	a := r.make(1)
	worse := rule.Version{CentralEpoch: a.Version().CentralEpoch, N: a.Version().N + 1000}
	must(t, r.db.Update(t.Context(), func(tx store.Tx) error { return tx.AddRuling(worse, []byte("x")) }))
	b := r.make(1)
	if len(b.Damaged) != 1 || b.Version().Compare(worse) <= 0 {
		t.Errorf("Damaged = %v, rules %v, want it named, and a version above %v", b.Damaged, b.Version(), worse)
	}
	if _, ok, err := b.RuleAt(t.Context(), site, worse); ok || err != nil {
		t.Errorf("RuleAt(damaged) = %v, %v, want false", ok, err)
	}
	if set, ok, err := b.RuleAt(t.Context(), site, a.Version()); !ok || err != nil || set.Version != a.Version() {
		t.Errorf("RuleAt(before it) = %v, %v, %v", set.Version, ok, err)
	}
	all, err := b.Editions(t.Context())
	if err != nil || len(all) != 3 || len(all[1].Sites) != 0 {
		t.Errorf("Editions = %+v, %v, want three, the second without sites", all, err)
	}
}

// A rule that rests on an approval is given out with a bundle that carries it, and not without.
func TestApprovalsComeWithTheBundle(t *testing.T) { // design §2.2
	r := newRig(t)
	s := &r.conf.Service[0]
	s.Basis, s.Evidence, s.Supervised, s.Practice, s.Hierarchies = "art38-4", "card-bound", true, false, []string{"production"}
	if _, err := r.try(); !errors.Is(err, rule.ErrApproval) {
		t.Errorf("Make(card-bound without an approval) = %v, want ErrApproval", err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.conf.DataDir, "trust*")); len(left) != 0 {
		t.Errorf("Make left %v", left)
	}
	r.conf.Approval = []config.Approval{{Verifier: "kiyose", Reference: "number 1", Until: "2026-11-22"}}
	p := r.make(1)
	if !p.Trust.Approves("kiyose", r.now) || r.set(p.Trust, p, site).Rules[0].Evidence != record.EvidenceCardBound {
		t.Error("the approval or its rule was not given out")
	}
	r.now = r.now.Add(24 * time.Hour)
	if _, err := r.try(); !errors.Is(err, rule.ErrApproval) {
		t.Errorf("Make(after the approval's last day) = %v, want ErrApproval", err)
	}
}
