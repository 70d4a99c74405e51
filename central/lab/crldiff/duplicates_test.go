package crldiff_test

import (
	"bytes"
	"slices"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/crldiff"
	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/crlset"
)

var authority = sync.OnceValues(func() (*pki.Authority, error) { return crlgen.NewAuthority(true) })

// TestP7Duplicates has the vectors of serials that stand twice: what is not on hold goes before what is, then the earliest date.
func TestP7Duplicates(t *testing.T) {
	const hold, other, third = crlset.CertificateHold, crlset.Superseded, crlset.KeyCompromise
	at := func(day int64) int64 { return crlgen.DefaultThisUpdate.Unix() - 86400*day }
	type said struct {
		reason crlset.Reason
		date   int64
	}
	var entries []crlgen.Entry
	var want []crldiff.Verdict
	for i, v := range []struct {
		entries []said
		want    said
	}{
		{[]said{{other, at(5)}}, said{other, at(5)}},
		{[]said{{other, at(5)}, {third, at(9)}}, said{third, at(9)}},
		{[]said{{third, at(9)}, {other, at(5)}}, said{third, at(9)}},
		{[]said{{hold, at(9)}, {other, at(5)}}, said{other, at(5)}},
		{[]said{{other, at(5)}, {hold, at(9)}}, said{other, at(5)}},
		{[]said{{hold, at(5)}, {hold, at(9)}}, said{hold, at(9)}},
		{[]said{{other, at(5)}, {other, at(5)}}, said{other, at(5)}},
		{[]said{{other, at(5)}, {third, at(5)}}, said{third, at(5)}},
		{[]said{{hold, at(9)}, {other, at(3)}, {third, at(4)}, {hold, at(1)}}, said{third, at(4)}},
	} {
		for _, s := range v.entries {
			entries = append(entries, crlgen.Entry{Entry: crlset.Entry{Key: crlset.Key{C: uint64(10 * (i + 1))}, Date: s.date, Reason: s.reason}})
		}
		want = append(want, crldiff.Verdict{Revoked: true, Reason: v.want.reason, Date: v.want.date})
	}
	apart := slices.Clone(entries)
	slices.Reverse(apart)
	slices.SortStableFunc(apart, func(a, b crlgen.Entry) int { return int(a.Key.C%30) - int(b.Key.C%30) })
	for name, all := range map[string][]crlgen.Entry{"side by side": entries, "in no order": apart} {
		checkDuplicates(t, name, all, want)
	}
}

func checkDuplicates(t *testing.T, name string, entries []crlgen.Entry, want []crldiff.Verdict) {
	t.Helper()
	a, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	now := crlgen.DefaultThisUpdate
	var b bytes.Buffer
	if _, err := crlgen.Write(&b, a, crlgen.Head{Number: 1, ThisUpdate: now, NextUpdate: now.Add(time.Hour)}, slices.Values(entries)); err != nil {
		t.Fatal(err)
	}
	set, err := crldiff.Ours(t.Context(), t.TempDir(), now.Add(time.Minute), crldiff.List{DER: b.Bytes(), By: a})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer set.Close()
	for i, w := range want {
		if got, err := set.Read(crlset.Key{C: uint64(10 * (i + 1))}); err != nil || got != w {
			t.Errorf("%s: vector %d = %+v, %v, want %+v", name, i, got, err, w)
		}
	}
	if set.Len() != uint64(len(want)) {
		t.Errorf("%s: %d serials, want %d", name, set.Len(), len(want))
	}
}
