package courier_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	central "kazashi.example/central/courier"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

func manyEnds(n int) (s parcel.State) {
	s.Poll = wire.Poll{Verdicts: rule.Version{CentralEpoch: 9, N: 7}, Waiting: 3, Release: "v1"}
	for i := range n {
		s.Ends = append(s.Ends, parcel.End{Epoch: record.NewEpochID(), Last: record.Seq(i), Head: epoch.Hash{byte(i), 1}, Safe: i%2 == 0}) //nolint:gosec // a count
	}
	return s
}

// What a box says is kept whole, however many epochs it has, and read back as it was.
func TestStateIsKeptWhole(t *testing.T) {
	for _, n := range []int{0, 1, parcel.MaxEnds} {
		s := manyEnds(n)
		b, err := central.EncodeState(s)
		check(t, err)
		got, err := central.DecodeState(b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("DecodeState of %d ends = %d, %v", n, len(got.Ends), err)
		}
		if _, err := central.DecodeState(b[:len(b)-1]); !errors.Is(err, central.ErrState) {
			t.Errorf("DecodeState(shorter) = %v, want %v", err, central.ErrState)
		}
	}
}

func FuzzDecodeState(f *testing.F) {
	b, err := central.EncodeState(manyEnds(2))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0, 0, 0, 1, 0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := central.DecodeState(b)
		if err != nil {
			return
		}
		again, err := central.EncodeState(s)
		if err != nil {
			t.Fatal(err)
		}
		if twice, err := central.DecodeState(again); err != nil || !reflect.DeepEqual(twice.Ends, s.Ends) || bytes.Equal(again, nil) {
			t.Errorf("what was read is written otherwise: %v", err)
		}
	})
}
