package courier_test

import (
	"testing"

	"kazashi.example/central/boxline/simcentral"
	central "kazashi.example/central/courier"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// P2: how far a box once said that its epochs go is kept, though a newer word that no longer names them came first.
func TestP2AnOlderWordOfEndsCounts(t *testing.T) {
	t.Parallel()
	c := simcentral.New(t)
	b := newBox(t, c, c.Box())
	b.taps(7)
	old := b.export(t.TempDir(), nil, true)
	lost := b.Epochs
	b.Epochs = nil // its journal
	b.taps(1)
	_, err := take(t, c, b.export(t.TempDir(), nil, true)...)
	check(t, err)
	for range 2 {
		if got, err := take(t, c, old...); err != nil || got.State != central.StateOlder {
			t.Errorf("Take(older) = %+v, %v", got, err)
		}
		want := map[record.EpochID]store.CourierEnd{}
		for _, e := range append(b.Epochs, lost...) {
			last := e.Records[len(e.Records)-1]
			want[last.ID.Epoch] = store.CourierEnd{Epoch: last.ID.Epoch, Last: last.ID.Seq, Head: last.Chain}
		}
		check(t, c.Store.View(t.Context(), func(tx store.Tx) error {
			ends, err := tx.CourierEnds(b.ID)
			if err != nil || len(ends) != len(want) {
				t.Errorf("CourierEnds = %v, %v, want %v", ends, err, want)
			}
			for _, e := range ends {
				if e != want[e.Epoch] {
					t.Errorf("CourierEnds has %+v, want %+v", e, want[e.Epoch])
				}
			}
			said, err := tx.CourierState(b.ID)
			if err != nil {
				return err
			}
			newest, err := central.DecodeState(said.State)
			if err != nil || len(newest.Ends) != 1 || newest.Ends[0] != b.state().Ends[0] {
				t.Errorf("CourierState = %+v, %v, want the newest word alone", newest.Ends, err)
			}
			return nil
		}))
	}
}
