package courier_test

import (
	"bytes"
	"reflect"
	"testing"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// P2: what a box exported comes out as it went in: the same envelopes, the same state.
func TestP2UpRoundTrip(t *testing.T) {
	w := newWorld(t)
	s, _ := makeStick(t)
	head, envelopes := w.records(t, 300, 100)
	run, err := courier.Pack(head.Message, envelopes)
	if err != nil {
		t.Fatal(err)
	}
	state := courier.State{
		Poll: wire.Poll{Acks: rule.Version{CentralEpoch: 1, N: 2}, Time: 5, Waiting: 300, Release: "x"},
		Ends: []courier.End{{Epoch: head.Header.Epoch, Last: 300, Head: run.After}},
	}
	for range 9000 {
		state.Ends = append(state.Ends, courier.End{Epoch: record.NewEpochID(), Last: 1, Head: epoch.Hash{1}})
	}
	wr, err := s.Writer(w.up())
	if err != nil {
		t.Fatal(err)
	}
	if err := wr.Run(run); err != nil {
		t.Fatal(err)
	}
	if err := wr.Correction([]byte{1}); err != nil {
		t.Fatal(err)
	}
	if err := wr.State(state); err != nil {
		t.Fatal(err)
	}
	if err := wr.Close(); err != nil {
		t.Fatal(err)
	}
	names, err := s.Parcels(courier.Up, w.box)
	if err != nil || !reflect.DeepEqual(names, wr.Names()) || len(names) != 1 {
		t.Fatalf("Parcels = %v, %v, want %v", names, err, wr.Names())
	}
	p, err := s.Open(names[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Verify(keysOf(t, w.device)); err != nil {
		t.Fatal(err)
	}
	if want := []courier.Cover{{Epoch: head.Header.Epoch, First: 1, Last: 300}}; !reflect.DeepEqual(p.Covers, want) {
		t.Errorf("Covers = %v, want %v", p.Covers, want)
	}
	got, ok, err := p.State()
	if err != nil || !ok || !reflect.DeepEqual(got, state) {
		t.Errorf("State = %d ends, %v, %v", len(got.Ends), ok, err)
	}
	for part, err := range p.Parts() {
		if err != nil {
			t.Fatal(err)
		}
		if part.Type != courier.TypeRun {
			continue
		}
		r, err := part.Run()
		if err != nil {
			t.Fatal(err)
		}
		again, err := r.Envelopes()
		if err != nil || !reflect.DeepEqual(again, envelopes) || !bytes.Equal(r.Header, head.Message) {
			t.Errorf("Envelopes = %d, %v", len(again), err)
		}
	}
}

func TestDownRoundTrip(t *testing.T) {
	w := newWorld(t)
	s, _ := makeStick(t)
	wr, err := s.Writer(w.down())
	if err != nil {
		t.Fatal(err)
	}
	polled := wire.Polled{CentralEpoch: 3, Rules: bytes.Repeat([]byte{7}, 5000)}
	if err := wr.Polled(polled, wire.Blob{ID: wire.BlobID{1}, Size: 9}); err != nil {
		t.Fatal(err)
	}
	if err := wr.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := s.Open(wr.Names()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Verify(keysOf(t, w.sign)); err != nil {
		t.Fatal(err)
	}
	if err := p.Unseal(w.s); err != nil {
		t.Fatal(err)
	}
	for part, err := range p.Parts() {
		if err != nil {
			t.Fatal(err)
		}
		got, err := part.Polled()
		if err != nil || !reflect.DeepEqual(got, polled) {
			t.Errorf("Polled = %v, %v", got, err)
		}
	}
}
