package daemon

import (
	"testing"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/rule"
)

// A practice authority does not say what time it is where there is a national one.
func TestTheNationalListsSayWhatTimeItIs(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 11, n, 0, 0, 0, 0, time.UTC) }
	auth := func(h certid.Hierarchy) certid.Scope { return certid.Scope{Hierarchy: h, Purpose: certid.PurposeAuth} }
	sign := certid.Scope{Hierarchy: certid.HierarchyProduction, Purpose: certid.PurposeSign}
	for name, c := range map[string]struct {
		lists map[certid.Scope]time.Time
		want  time.Time
	}{
		"none":     {nil, time.Time{}},
		"practice": {map[certid.Scope]time.Time{auth(certid.HierarchyPractice): day(9), auth(certid.HierarchyTest): day(8)}, day(9)},
		"national": {map[certid.Scope]time.Time{auth(certid.HierarchyPractice): day(29), auth(certid.HierarchyProduction): day(7), sign: day(6)}, day(7)},
	} {
		for range 8 { // in whatever order they come
			if got := newest(c.lists); !got.Equal(c.want) {
				t.Errorf("%s: newest = %s, want %s", name, got, c.want)
			}
		}
	}
}

// What is kept of a service that there is no rule of any more is shown as well.
func TestRetainedShowsServicesOfThePast(t *testing.T) {
	rules := []rule.Rule{{Service: "now", Retention: rule.Retention{Record: 90, Attributes: 30}}, {Service: "new"}}
	got := retained(rules, []store.Holding{{Service: "now", Records: 5, Attributes: 2, Erased: 1}, {Service: "past", Records: 7}})
	want := []admin.Retained{
		{Service: "now", InForce: true, KeepRecords: 90, KeepAttributes: 30, Records: 5, Attributes: 2, Erased: 1},
		{Service: "new", InForce: true},
		{Service: "past", Records: 7},
	}
	if len(got) != len(want) {
		t.Fatalf("retained = %+v, want %+v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("retained[%d] = %+v, want %+v", i, got[i], want[i])
		}
	}
}
