package sqlite_test

import (
	"errors"
	"slices"
	"testing"

	"kazashi.example/central/store"
	"kazashi.example/sync/rule"
)

// Every edition of the rules stays, and is found by its version alone.
func TestRulings(t *testing.T) {
	h := newHome(t)
	versions := []rule.Version{{CentralEpoch: 1, N: 9}, {CentralEpoch: 1 << 40, N: 1}, {CentralEpoch: 1, N: 1 << 50}, {CentralEpoch: 1, N: 10}}
	for _, v := range versions {
		h.do(func(tx store.Tx) error { return tx.AddRuling(v, []byte{byte(v.N)}) })
	}
	h.taken("AddRuling(again)", func(tx store.Tx) error { return tx.AddRuling(versions[0], []byte{1}) })
	h.do(func(tx store.Tx) error {
		got, err := tx.RulingVersions()
		if want := []rule.Version{versions[1], versions[2], versions[3], versions[0]}; err != nil || !slices.Equal(got, want) {
			t.Errorf("RulingVersions = %v, %v, want %v", got, err, want)
		}
		if b, err := tx.Ruling(versions[3]); err != nil || !slices.Equal(b, []byte{10}) {
			t.Errorf("Ruling(%v) = %v, %v, want 10", versions[3], b, err)
		}
		if b, err := tx.Ruling(rule.Version{CentralEpoch: 2, N: 9}); !errors.Is(err, store.ErrNone) {
			t.Errorf("Ruling(of no edition) = %v, %v, want ErrNone", b, err)
		}
		return nil
	})
}
