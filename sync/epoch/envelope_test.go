package epoch_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// write seals n records, "record 1" and on.
func write(t testing.TB, w *epoch.Writer, n int) []epoch.Written {
	t.Helper()
	var all []epoch.Written
	for i := range n {
		r, err := w.Seal(fmt.Appendf(nil, "record %d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// P2: records open in any order, any number of times, at any number of openers, to the same content.
func TestP2OpensShuffledRepeatedAndTwice(t *testing.T) {
	s, key := begin(t)
	all := write(t, epoch.NewWriter(s, key), 40)
	all = append(all, all...)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for range 2 {
		o, err := epoch.NewOpener(s.Header, opener(t))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			e, err := epoch.DecodeEnvelope(r.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			got, err := o.Open(e)
			if want := fmt.Sprintf("record %d", r.ID.Seq); err != nil || string(got) != want || e.ID() != r.ID {
				t.Errorf("Open(%s) = %q, %v, want %q", r.ID, got, err, want)
			}
		}
	}
}

// P2: the chain runs from the header's payload over every octet of every envelope.
func TestP2ChainCoversEverything(t *testing.T) {
	s, key := begin(t)
	w := epoch.NewWriter(s, key)
	previous := s.Root
	for _, r := range write(t, w, 5) {
		e, err := epoch.DecodeEnvelope(r.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		want := epoch.Hash(sha256.Sum256(append(previous[:], r.Bytes...)))
		if e.Previous != previous || r.Chain != want || previous.Next(r.Bytes) != want {
			t.Errorf("record %s follows %s with %s, want %s with %s", r.ID, e.Previous, r.Chain, previous, want)
		}
		previous = r.Chain
	}
	want := epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: s.Header.Epoch, LastSeq: 5, Head: previous}
	if got := w.End(); got != want {
		t.Errorf("End = %+v, want %+v", got, want)
	}
}

// P2: an envelope that was changed, moved or cut opens nothing.
func TestP2AChangedEnvelopeOpensNothing(t *testing.T) {
	s, key := begin(t)
	all := write(t, epoch.NewWriter(s, key), 2)
	o, err := epoch.NewOpener(s.Header, opener(t))
	if err != nil {
		t.Fatal(err)
	}
	first, second := decode(t, all[0].Bytes), decode(t, all[1].Bytes)
	for _, c := range []struct {
		name string
		make func(*epoch.Envelope)
		want error
	}{
		{"nothing", func(*epoch.Envelope) {}, nil},
		{"another's place", func(e *epoch.Envelope) { e.Seq, e.Previous = second.Seq, second.Previous }, seal.ErrOpen},
		{"another number", func(e *epoch.Envelope) { e.Seq = 9 }, seal.ErrOpen},
		{"another before it", func(e *epoch.Envelope) { e.Previous[0] ^= 1 }, seal.ErrOpen},
		{"another's content", func(e *epoch.Envelope) { e.Sealed = second.Sealed }, seal.ErrOpen},
		{"another version", func(e *epoch.Envelope) { e.Version = 2 }, seal.ErrOpen},
		{"cut", func(e *epoch.Envelope) { e.Sealed = e.Sealed[:len(e.Sealed)-1] }, seal.ErrOpen},
		{"another epoch", func(e *epoch.Envelope) { e.Epoch = record.NewEpochID() }, epoch.ErrElsewhere},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := first
			c.make(&e)
			if got, err := o.Open(e); !errors.Is(err, c.want) || (err != nil && got != nil) {
				t.Errorf("Open = %q, %v, want %v", got, err, c.want)
			}
		})
	}
	for i := range all[0].Bytes {
		b := bytes.Clone(all[0].Bytes)
		b[i] ^= 0x10
		e, err := epoch.DecodeEnvelope(b)
		if err != nil {
			continue
		}
		if got, err := o.Open(e); err == nil {
			t.Errorf("octet %d changed: Open = %q, want an error", i, got)
		}
	}
}

func decode(t *testing.T, b []byte) epoch.Envelope {
	t.Helper()
	e, err := epoch.DecodeEnvelope(b)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// P2: an opener of another box's header, or with another key, opens nothing.
func TestP2AnotherOpenerOpensNothing(t *testing.T) {
	s, key := begin(t)
	e := decode(t, write(t, epoch.NewWriter(s, key), 1)[0].Bytes)
	moved := s.Header
	moved.Box = record.NewBoxID()
	stranger, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*epoch.Opener, error){
		"a header of another box": func() (*epoch.Opener, error) { return epoch.NewOpener(moved, opener(t)) },
		"another private key":     func() (*epoch.Opener, error) { return epoch.NewOpener(s.Header, stranger) },
	} {
		o, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := o.Open(e); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s: Open = %q, %v, want ErrOpen", name, got, err)
		}
	}
	broken := s.Header
	broken.Enc = make([]byte, seal.EncLen) // no point on the curve
	if _, err := epoch.NewOpener(broken, opener(t)); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("NewOpener(no point) = %v, want ErrOpen", err)
	}
}

func TestDecodeEnvelopeRefuses(t *testing.T) {
	id, chain, sealed := bytes.Repeat([]byte{1}, 16), bytes.Repeat([]byte{2}, 32), make([]byte, 16)
	field := func(n byte, v []byte) []byte { return append([]byte{n}, v...) }
	five := [][]byte{
		field(1, byhand.Uint(1)), field(2, byhand.Bytes(id)), field(3, byhand.Uint(1)), field(4, byhand.Bytes(chain)), field(5, byhand.Bytes(sealed)),
	}
	with := func(i int, v []byte) []byte {
		f := append([][]byte(nil), five...)
		f[i] = field(byte(i+1), v)
		return append([]byte{0xa5}, bytes.Join(f, nil)...)
	}
	for _, c := range []struct {
		name string
		in   []byte
		want error
	}{
		{"as it should be", with(0, byhand.Uint(1)), nil},
		{"version 0", with(0, byhand.Uint(0)), epoch.ErrEnvelope},
		{"version 2", with(0, byhand.Uint(2)), epoch.ErrNewer},
		{"version 256", with(0, byhand.Uint(256)), epoch.ErrNewer},
		{"no epoch", with(1, byhand.Bytes(make([]byte, 16))), epoch.ErrEnvelope},
		{"short epoch", with(1, byhand.Bytes(id[1:])), canon.ErrShape},
		{"number 0", with(2, byhand.Uint(0)), epoch.ErrEnvelope},
		{"number no column can hold", with(2, byhand.Uint(1<<63)), epoch.ErrEnvelope},
		{"negative number", with(2, []byte{0x20}), canon.ErrShape},
		{"nothing before it", with(3, byhand.Bytes(make([]byte, 32))), epoch.ErrEnvelope},
		{"short chain value", with(3, byhand.Bytes(chain[1:])), canon.ErrShape},
		{"no room for a tag", with(4, byhand.Bytes(sealed[1:])), epoch.ErrEnvelope},
		{"nothing sealed", with(4, []byte{0xf6}), epoch.ErrEnvelope},
		{"a field that no tag covers", append(append([]byte{0xa6}, bytes.Join(five, nil)...), 6, 0), epoch.ErrEnvelope},
		{"no field", []byte{0xa0}, epoch.ErrEnvelope},
		{"array", byhand.Array(byhand.Uint(1)), canon.ErrShape},
		{"nothing", nil, canon.ErrForm},
		{"longer than its cap", with(4, byhand.Bytes(make([]byte, epoch.MaxEnvelope))), canon.ErrSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := epoch.DecodeEnvelope(c.in); !errors.Is(err, c.want) {
				t.Errorf("DecodeEnvelope = %v, want %v", err, c.want)
			}
		})
	}
}

// P2: content too long for an envelope ends the epoch at the record before it; the number is not used again.
func TestP2OversizeEndsTheEpoch(t *testing.T) {
	s, key := begin(t)
	w := epoch.NewWriter(s, key)
	last := write(t, w, 2)[1]
	if _, err := w.Seal(make([]byte, epoch.MaxEnvelope)); !errors.Is(err, canon.ErrSize) {
		t.Fatalf("Seal(too long) = %v, want ErrSize", err)
	}
	if _, err := w.Seal([]byte("short")); !errors.Is(err, epoch.ErrSpent) {
		t.Errorf("Seal after that = %v, want ErrSpent", err)
	}
	if end := w.End(); end.LastSeq != 2 || end.Head != last.Chain {
		t.Errorf("End = %d %s, want 2 %s", end.LastSeq, end.Head, last.Chain)
	}
}

func TestClosedWriterSealsNothing(t *testing.T) {
	s, key := begin(t)
	w := epoch.NewWriter(s, key)
	w.Close()
	w.Close()
	if _, err := w.Seal([]byte("x")); !errors.Is(err, epoch.ErrSpent) {
		t.Errorf("Seal(closed) = %v, want ErrSpent", err)
	}
	if end := w.End(); end.LastSeq != 0 || end.Head != s.Root || w.Header().Root != s.Root {
		t.Errorf("End(empty) = %d %s, want 0 and the header's root %s", end.LastSeq, end.Head, s.Root)
	}
}

// The largest content that fits goes through.
func TestLargestContent(t *testing.T) {
	s, key := begin(t)
	const frame = 1 + 2 + 18 + 2 + 35 + 1 + 3 + seal.TagLen // map, fields 1 to 4, head of field 5, tag
	r, err := epoch.NewWriter(s, key).Seal(make([]byte, epoch.MaxEnvelope-frame))
	if err != nil || len(r.Bytes) != epoch.MaxEnvelope {
		t.Errorf("Seal(largest) = %d octets, %v, want %d", len(r.Bytes), err, epoch.MaxEnvelope)
	}
}
