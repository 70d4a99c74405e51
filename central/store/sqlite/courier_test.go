package sqlite_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// What a box says by courier is replaced by what is newer alone, and numbers of parcels rise whatever the clock does.
func TestCourierRows(t *testing.T) {
	h := newHome(t)
	k, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	box := simbox.New(t, k.Public()).Row(t)
	h.do(func(tx store.Tx) error { return tx.AddBox(box) })
	state := func(n uint64) store.CourierState {
		return store.CourierState{Box: box.ID, N: n, Made: now, Received: now.Add(time.Second), State: []byte{byte(n)}}
	}
	h.do(func(tx store.Tx) error {
		if _, err := tx.CourierState(box.ID); !errors.Is(err, store.ErrNone) {
			t.Errorf("CourierState(none) = %v, want ErrNone", err)
		}
		for _, c := range []struct {
			n    uint64
			news bool
		}{{5, true}, {5, false}, {4, false}, {9, true}} {
			if news, err := tx.SetCourierState(state(c.n), nil); err != nil || news != c.news {
				t.Errorf("SetCourierState(%d) = %v, %v, want %v", c.n, news, err, c.news)
			}
		}
		got, err := tx.CourierState(box.ID)
		if err != nil || got.N != 9 || !got.Made.Equal(now) || !got.Received.Equal(now.Add(time.Second)) || len(got.State) != 1 || got.State[0] != 9 {
			t.Errorf("CourierState = %+v, %v, want the ninth", got, err)
		}
		if at, err := tx.CourierHeard(box.ID); err != nil || !at.Equal(now.Add(time.Second)) {
			t.Errorf("CourierHeard = %v, %v", at, err)
		}
		for i, floor := range []uint64{100, 100, 99, 200, 150} {
			want := []uint64{100, 101, 102, 200, 201}[i]
			if n, err := tx.NumberParcel(box.ID, floor); err != nil || n != want {
				t.Errorf("NumberParcel(%d) = %d, %v, want %d", floor, n, err, want)
			}
		}
		if _, err := tx.EpochStamp(record.NewEpochID()); !errors.Is(err, store.ErrNone) {
			t.Errorf("EpochStamp(none) = %v, want ErrNone", err)
		}
		return nil
	})
	h.do(func(tx store.Tx) error {
		if err := tx.SetBoxHolds(box.ID, 7); err != nil {
			return err
		}
		central, err := tx.CentralEpoch()
		if err != nil {
			return err
		}
		if got, err := tx.Box(box.ID); err != nil || got.Holds != 7 || got.HoldsEpoch != central {
			t.Errorf("Box = holds %d of %d, %v, want 7 of central epoch %d", got.Holds, got.HoldsEpoch, err, central)
		}
		return nil
	})
}

// P2: of how far an epoch goes the greatest that its box ever said is kept, whichever word it came with and in whatever order; a later word that
// names the epoch no more takes nothing back.
func TestP2TheGreatestEndEverSaidIsKept(t *testing.T) {
	h := newHome(t)
	k, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	box := simbox.New(t, k.Public()).Row(t)
	h.do(func(tx store.Tx) error { return tx.AddBox(box) })
	a, b := record.EpochID{ID128: record.ID128{1}}, record.EpochID{ID128: record.ID128{2}}
	end := func(id record.EpochID, last record.Seq) store.CourierEnd {
		return store.CourierEnd{Epoch: id, Last: last, Head: epoch.Hash{byte(last)}}
	}
	for _, c := range []struct {
		n    uint64
		said []store.CourierEnd
		want []store.CourierEnd
	}{
		{5, []store.CourierEnd{end(a, 7)}, []store.CourierEnd{end(a, 7)}},
		{9, []store.CourierEnd{end(b, 1)}, []store.CourierEnd{end(a, 7), end(b, 1)}},
		{6, []store.CourierEnd{end(a, 8), end(b, 0)}, []store.CourierEnd{end(a, 8), end(b, 1)}},
		{9, []store.CourierEnd{end(a, 3), {Epoch: a, Last: 8, Head: epoch.Hash{99}}}, []store.CourierEnd{end(a, 8), end(b, 1)}},
		{10, []store.CourierEnd{{Epoch: b, Last: 1<<64 - 1}}, []store.CourierEnd{end(a, 8), {Epoch: b, Last: 1 << 62}}},
		{11, nil, []store.CourierEnd{end(a, 8), {Epoch: b, Last: 1 << 62}}},
	} {
		h.do(func(tx store.Tx) error {
			_, err := tx.SetCourierState(store.CourierState{Box: box.ID, N: c.n, State: []byte{1}}, c.said)
			return err
		})
		h.do(func(tx store.Tx) error {
			if got, err := tx.CourierEnds(box.ID); err != nil || !slices.Equal(got, c.want) {
				t.Errorf("CourierEnds after parcel %d = %v, %v, want %v", c.n, got, err, c.want)
			}
			return nil
		})
	}
}
