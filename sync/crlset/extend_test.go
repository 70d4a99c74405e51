package crlset_test

import (
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
)

// run is n entries, the first step behind at.
func run(at uint64, n int, step uint64) (out []crlset.Entry) {
	for range n {
		at += step
		out = append(out, crlset.Entry{Key: crlset.Key{C: at}, Date: 1_700_000_000})
	}
	return out
}

// TestPlanExtendHoldsWhatItSays: a plan that Extend calls fit takes base and additions, and travels in a delta.
func TestPlanExtendHoldsWhatItSays(t *testing.T) {
	thousands := run(0, 2000, 1000)
	for _, tt := range []struct {
		name      string
		had, more []crlset.Entry
		want      bool
	}{
		{"a crowd behind sparse additions", thousands, append(run(1<<40, 32, 1<<20), run(1<<41, 40_000, 1)...), true},
		{"a crowd behind the last region", thousands, run(2_000_000+1<<18, 40_000, 1), true},
		{"a crowd before the first region", run(1<<30, 2000, 1000), run(5, 40_000, 1), true},
		{"few far apart behind many close together", thousands, append(run(1<<40, 16, 1), run(1<<40+16, 1000, 60_000)...), true},
		{"nothing, where regions hold hardly more than that", run(0, 300, 1<<50), nil, true},
	} {
		set, _, _ := build(t, tt.had, crlset.Full)
		p, ok, err := set.Plan().Extend(set, tt.more)
		if ok != tt.want || err != nil {
			t.Errorf("%s: Extend() = %v, %v, want %v", tt.name, ok, err, tt.want)
		}
		if ok {
			fits(t, p, both(t, tt.had, tt.more))
		}
	}
}

// TestPlanExtendCountsTheBase: a block may have no more entries than the format allows, those that are there included.
func TestPlanExtendCountsTheBase(t *testing.T) {
	p := crlset.Plan{
		Columns: crlset.Full, Reasons: []crlset.Reason{0}, DateBase: 1_700_000_000, DateSpan: 1,
		Regions: []crlset.Region{{Start: []byte{1}, Shift: 17, Blocks: 1}},
	}
	had := run(0, 30_000, 2)
	base := fits(t, p, had)
	for _, tt := range []struct {
		more int
		want bool
	}{{crlset.MaxBlock - 30_000, true}, {crlset.MaxBlock - 30_000 + 1, false}} {
		more := run(1, tt.more, 2)
		q, ok, err := p.Extend(base, more)
		if ok != tt.want || err != nil {
			t.Errorf("%d more: Extend() = %v, %v, want %v", tt.more, ok, err, tt.want)
		}
		if ok {
			fits(t, q, both(t, had, more))
		}
	}
}

// fits writes entries by a plan that must have room for them, and may travel in a delta.
func fits(t *testing.T, p crlset.Plan, entries []crlset.Entry) *crlset.Set {
	t.Helper()
	s, err := crlset.Open(by(t, p, entries))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Layout().Moderate(s.Len()) {
		t.Errorf("%d blocks for %d entries", s.Layout().Blocks(), s.Len())
	}
	return s
}

func both(t *testing.T, a, b []crlset.Entry) []crlset.Entry {
	t.Helper()
	out, err := drain(crlset.Merge(&listed{entries: a}, &listed{entries: b}))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPlanExtendsForDays adds to one stretch day by day, as an authority does that counts.
func TestPlanExtendsForDays(t *testing.T) {
	for _, a := range []struct {
		daily, refused int
	}{{300, 0}, {4000, 1}} {
		entries := run(0, 40_000, 1000)
		set, _, _ := build(t, entries, crlset.Full)
		at, refused := uint64(20_000_001), 0
		for range 12 {
			more := run(at, a.daily, 2)
			at = more[a.daily-1].Key.C
			entries = both(t, entries, more)
			p, ok, err := set.Plan().Extend(set, more)
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				refused++
				_, sum, _ := build(t, entries, crlset.Full)
				p = sum.Plan
			}
			set = fits(t, p, entries)
		}
		if refused > a.refused {
			t.Errorf("%d a day: a fresh plan on %d of 12 days, want at most %d", a.daily, refused, a.refused)
		}
	}
}

// FuzzExtend makes a set and additions of any octets: a plan that Extend calls fit takes both.
func FuzzExtend(f *testing.F) {
	f.Add([]byte{255, 0, 20, 12, 0, 0}, []byte{255, 0, 21, 3, 0, 0})
	f.Add([]byte{255, 0, 20, 12, 0, 0, 255, 9, 90, 30, 0, 0}, []byte{9, 0, 70, 3, 0, 0, 255, 1, 95, 30, 0, 0, 255, 1, 3, 0, 0, 0})
	f.Add([]byte(nil), []byte{255, 0, 21, 3, 0, 0, 255, 0, 21, 0, 1, 1})
	f.Fuzz(func(t *testing.T, b, m []byte) {
		had := fromOctets(b)
		set, sum, _ := build(t, had, crlset.Full)
		more := slices.DeleteFunc(fromOctets(m), func(e crlset.Entry) bool {
			_, ok, err := set.Find(e.Key)
			return ok || err != nil
		})
		p, ok, err := sum.Plan.Extend(set, more)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			fits(t, p, both(t, had, more))
		}
	})
}
