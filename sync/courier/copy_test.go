package courier_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/wire"
)

// P8: a parcel that was made elsewhere gets its name on a stick only whole, and nothing else stays there.
func TestP8OnlyAWholeParcelIsPut(t *testing.T) {
	w := newWorld(t)
	from, dir := makeStick(t)
	wr, err := from.Writer(w.down())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := wr.Polled(wire.Polled{CentralEpoch: 3, Rules: bytes.Repeat([]byte{7}, 5000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := wr.Close(); err != nil {
		t.Fatal(err)
	}
	name := wr.Names()[0]
	whole, err := os.ReadFile(filepath.Join(dir, name.String()))
	if err != nil {
		t.Fatal(err)
	}
	other := name
	other.N++
	flipped := bytes.Clone(whole)
	flipped[100] ^= 1
	for _, k := range []struct {
		what   string
		name   courier.Name
		octets []byte
		want   error
	}{
		{"half", name, whole[:len(whole)/2], courier.ErrHalf},
		{"a flipped octet", name, flipped, courier.ErrDamaged},
		{"another's name", other, whole, courier.ErrOtherBox},
		{"whole", name, whole, nil},
		{"again", name, whole, nil},
	} {
		s, to := makeStick(t)
		err := s.Put(t.Context(), k.name, bytes.NewReader(k.octets))
		if !errors.Is(err, k.want) || (err == nil) != (k.want == nil) {
			t.Errorf("Put(%s) = %v, want %v", k.what, err, k.want)
		}
		files, gerr := filepath.Glob(filepath.Join(to, "KAZASHI", "down", "*", "*"))
		if want := k.want == nil; gerr != nil || (len(files) == 1) != want {
			t.Errorf("Put(%s) leaves %v", k.what, files)
		}
	}
}

// P2: a part with a flipped octet keeps no other out.
func TestP2PartsAfterADamagedOneAreRead(t *testing.T) {
	w := newWorld(t)
	s, dir := makeStick(t)
	wr, err := s.Writer(w.up())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		head, envelopes := w.records(t, 5, 64)
		r, err := courier.Pack(head.Message, envelopes)
		if err != nil {
			t.Fatal(err)
		}
		if err := wr.Run(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := wr.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, wr.Names()[0].String())
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[50] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := s.Open(wr.Names()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	whole := 0
	for part, err := range p.Parts() {
		if part.Index == 0 != errors.Is(err, courier.ErrDamaged) {
			t.Errorf("part %d: %v", part.Index, err)
		}
		if err == nil {
			whole++
		}
	}
	if whole != 2 {
		t.Errorf("%d parts are whole, want 2", whole)
	}
}
