package main

import (
	"testing"

	"kazashi.example/sync/record"
)

// P2: a tap that was applied twice hides none that was lost, and is counted.
func TestP2ADoubledTapHidesNoLostOne(t *testing.T) {
	a, b, c := record.TapID{ID128: record.ID128{1}}, record.TapID{ID128: record.ID128{2}}, record.TapID{ID128: record.ID128{3}}
	heard, shown := map[record.TapID]bool{a: true, b: true}, map[record.TapID]bool{c: true}
	for _, tt := range []struct {
		applied []record.TapID
		want    reckoning
	}{
		{[]record.TapID{a, b, c}, reckoning{}},
		{[]record.TapID{a, c}, reckoning{lost: 1}},
		{[]record.TapID{a, a, c}, reckoning{lost: 1, doubled: 1}},
		{[]record.TapID{a, b, b, b}, reckoning{doubled: 2}},
		{[]record.TapID{a, b, {ID128: record.ID128{4}}}, reckoning{unshown: 1}},
		{nil, reckoning{lost: 2}},
	} {
		if got := reckon(tt.applied, heard, shown); got != tt.want {
			t.Errorf("reckon(%v) = %+v, want %+v", tt.applied, got, tt.want)
		}
	}
}
