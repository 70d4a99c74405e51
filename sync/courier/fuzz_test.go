package courier_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// recorded are the parcels of the golden vectors.
func recorded(f *testing.F) (all [][]byte) {
	f.Helper()
	b, err := os.ReadFile("../../testdata/sync/courier.json")
	if err != nil {
		f.Fatal(err)
	}
	var vector struct{ Parcels []struct{ Octets string } }
	if err := json.Unmarshal(b, &vector); err != nil {
		f.Fatal(err)
	}
	for _, p := range vector.Parcels {
		octets, err := hex.DecodeString(p.Octets)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, octets)
	}
	return all
}

// Whatever lies on a stick: no panic, and what is read is within the caps.
func FuzzParcel(f *testing.F) {
	for _, b := range recorded(f) {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	s := testkey.Sealing(f, "golden S")
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := courier.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if !p.Kind.Valid() || p.Box.IsZero() || len(p.Types()) == 0 {
			t.Fatalf("Read(%x) = %+v", b, p)
		}
		if err := p.Unseal(s); err != nil {
			return
		}
		for part, err := range p.Parts() {
			if err != nil {
				return
			}
			_, _ = part.Polled()
			_, _ = part.JoinRequest()
			_, _ = part.JoinAnswer()
		}
		_, _, _ = p.State()
	})
}

// Whatever the manifest says under a digest that holds: no panic, and nothing outside the caps is believed.
func FuzzTrailer(f *testing.F) {
	for _, b := range recorded(f) {
		n := int(binary.BigEndian.Uint32(b[len(b)-44:]))
		f.Add(b[len(b)-44-n:len(b)-44], b[8:len(b)-44-n])
	}
	f.Fuzz(func(t *testing.T, trailer, parts []byte) {
		b := around(trailer, parts)
		p, err := courier.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if !p.Kind.Valid() || p.Box.IsZero() || len(p.Types()) == 0 || len(p.Types()) > courier.MaxCount || len(p.Covers) > courier.MaxCount {
			t.Fatalf("Read(%x) = %+v", b, p)
		}
		for part, err := range p.Parts() {
			if err == nil && len(part.Octets) > courier.MaxPolled {
				t.Fatalf("part %d has %d octets", part.Index, len(part.Octets))
			}
		}
		_, _, _ = p.State()
	})
}

// Whatever stands for a state and its ends: no panic, and never more ends than there may be.
func FuzzState(f *testing.F) {
	for _, b := range recorded(f)[:1] {
		p, err := courier.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			f.Fatal(err)
		}
		for part, err := range p.Parts() {
			if err == nil && part.Type == courier.TypeState {
				f.Add(part.Octets, []byte{0xa1, 1, 0x80})
			}
		}
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, state, ends []byte) {
		list := func(kind courier.Type, b []byte) any {
			return map[int]any{1: kind, 2: len(b), 3: epoch.Hash(sha256.Sum256(b))}
		}
		m, err := canon.Encode(map[int]any{
			1: 1, 2: courier.Up, 3: w.box, 4: 1, 5: 1, 6: []any{list(courier.TypeState, state), list(courier.TypeEnds, ends)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if m, err = sign.Sign(w.device, sign.PurposeCourierUp, m); err != nil {
			t.Fatal(err)
		}
		b := around(m, state, ends)
		p, err := courier.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if s, ok, err := p.State(); err == nil && (!ok || len(s.Ends) > courier.MaxEnds) {
			t.Fatalf("State(%x, %x) = %d ends, %v", state, ends, len(s.Ends), ok)
		}
	})
}

// A run that is taken leads from its begin to its end, and packs to itself.
func FuzzRun(f *testing.F) {
	for _, b := range recorded(f) {
		p, err := courier.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			f.Fatal(err)
		}
		for part, err := range p.Parts() {
			if err == nil && part.Type == courier.TypeRun {
				f.Add(part.Octets)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := courier.DecodeRun(b)
		if err != nil {
			return
		}
		envelopes, err := r.Envelopes()
		if err != nil || len(envelopes) == 0 {
			return
		}
		again, err := courier.Pack(r.Header, envelopes)
		if err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("Pack(Envelopes(%x)) = %+v, %v", b, again, err)
		}
	})
}

// Whatever name a file or folder has: no panic, and what is listed has that name.
func FuzzNames(f *testing.F) {
	for _, name := range []string{"0000000001.kzu", "1795000000.KZU", "9999999999.kzu", "99999999999.kzu", "-000000001.kzu", "b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if name == "" || len(name) > 200 || filepath.Base(name) != name || bytes.IndexByte([]byte(name), 0) >= 0 {
			return
		}
		box := record.NewBoxID()
		s, dir := makeStick(t)
		folder := filepath.Join(dir, "KAZASHI", "up", box.String())
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte("x"), 0o600); err != nil {
			return // no name of a file here
		}
		names, err := s.Parcels(courier.Up, box)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range names {
			if !bytes.EqualFold([]byte(filepath.Base(n.String())), []byte(name)) {
				t.Errorf("Parcels(%q) = %v", name, n)
			}
			if _, err := s.Open(n); err == nil {
				t.Errorf("Open(%v) = a parcel", n)
			}
		}
	})
}
