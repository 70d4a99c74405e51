package manifest_test

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/sign"
)

// P6, P7: a manifest says what the set is, how old its oldest partition is, and whose certificates it speaks of.
func TestP7ManifestSaysWhatTheSetIs(t *testing.T) {
	w := today(t, 0)
	msg, err := w.head.Sign(central)
	if err != nil {
		t.Fatal(err)
	}
	b, err := manifest.Manifest{Signed: msg, Digests: w.digests, Table: w.table}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	m, h, err := manifest.Decode(keys(t), b)
	if err != nil {
		t.Fatal(err)
	}
	if h.Number != number(10) || h.Entries != size/5 || h.Size != size || h.Columns != crlset.Full || !bytes.Equal(m.Digests, w.digests) {
		t.Errorf("Decode = %+v", h)
	}
	if h.ThisUpdate != day || h.NextUpdate != day+2*86400 || h.At().Unix() != day || h.Rows != 3 || len(m.Table) != 3 {
		t.Errorf("Decode = from %d to %d, %d rows, want the oldest partition's times and 3", h.ThisUpdate, h.NextUpdate, h.Rows)
	}
	if !h.Covers(certid.KeyID(id(0x49))) || !h.Covers(certid.KeyID(id(0x4a))) || h.Covers(certid.KeyID(id(0x4b))) {
		t.Error("Covers knows other issuers than the head")
	}
	if err := h.Is(certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}); err != nil {
		t.Errorf("Is(own scope) = %v", err)
	}
	if err := h.Is(certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeSign}); !errors.Is(err, manifest.ErrScope) {
		t.Errorf("Is(another scope) = %v, want ErrScope", err)
	}
}

// P7: the age is the oldest partition's and the end the earliest's, whichever rows they are, and the order rows come in is no matter.
func TestP6AgeIsTheOldestPartitions(t *testing.T) {
	table := rows(0)
	table[1].ThisUpdate, table[2].NextUpdate = day-7*86400, day+3600
	slices.Reverse(table)
	h, err := today(t, 0).head.Describe(file(size), table)
	if err != nil || h.ThisUpdate != day-7*86400 || h.NextUpdate != day+3600 {
		t.Errorf("Describe = from %d to %d, %v", h.ThisUpdate, h.NextUpdate, err)
	}
	if _, err := today(t, 0).head.Describe(file(size), nil); !errors.Is(err, manifest.ErrManifest) {
		t.Errorf("Describe(no partition) = %v, want ErrManifest", err)
	}
}

// P7: a manifest that contradicts itself anywhere is refused whole.
func TestP7DecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*whole)
		redo bool // the head names the changed table
	}{
		{"unknown version", func(w *whole) { w.head.Version = 2 }, false},
		{"unknown hierarchy", func(w *whole) { w.head.Hierarchy = 9 }, false},
		{"unknown purpose", func(w *whole) { w.head.Purpose = 0 }, false},
		{"no central epoch", func(w *whole) { w.head.Number.CentralEpoch = 0 }, false},
		{"no number", func(w *whole) { w.head.Number.N = 0 }, false},
		{"younger than the oldest partition", func(w *whole) { w.head.ThisUpdate++ }, false},
		{"valid for longer than the earliest partition", func(w *whole) { w.head.NextUpdate++ }, false},
		{"ends before it begins", func(w *whole) { w.head.NextUpdate = w.head.ThisUpdate - 1 }, false},
		{"no issuers", func(w *whole) { w.head.Issuers = nil }, false},
		{"issuers falling", func(w *whole) { w.head.Issuers = [][]byte{id(2), id(1)} }, false},
		{"issuer twice", func(w *whole) { w.head.Issuers = [][]byte{id(2), id(2)} }, false},
		{"issuer of 31 octets", func(w *whole) { w.head.Issuers[0] = id(2)[1:] }, false},
		{"too many issuers", func(w *whole) {
			w.head.Issuers = nil
			for i := range manifest.MaxIssuers + 1 {
				w.head.Issuers = append(w.head.Issuers, id(byte(i)))
			}
		}, false},
		{"unknown columns", func(w *whole) { w.head.Columns = crlset.Full + 1 }, false},
		{"no octets", func(w *whole) { w.head.Size, w.digests, w.head.Root = 0, nil, crlset.Root(0, nil) }, false},
		{"too many octets", func(w *whole) { w.head.Size = manifest.MaxSize + 1 }, false},
		{"size by one", func(w *whole) { w.head.Size++ }, false},
		{"another root", func(w *whole) { w.head.Root[0] ^= 1 }, false},
		{"a wrong chunk digest", func(w *whole) { w.digests[40] ^= 1 }, false},
		{"a digest missing", func(w *whole) { w.digests = w.digests[32:] }, false},
		{"a digest more", func(w *whole) { w.digests = append(w.digests, id(0)...) }, false},
		{"part of a digest", func(w *whole) { w.digests = w.digests[1:] }, false},
		{"no rows", func(w *whole) { w.table = nil }, true},
		{"a row missing", func(w *whole) { w.table = w.table[:2] }, false},
		{"another row", func(w *whole) { w.table[1].Number++ }, false},
		{"rows miscounted", func(w *whole) { w.head.Rows++ }, false},
		{"rows falling", func(w *whole) { slices.Reverse(w.table) }, true},
		{"a row twice", func(w *whole) { w.table[2] = w.table[1] }, true},
		{"signing key of 31 octets", func(w *whole) { w.table[0].Key = id(1)[1:] }, true},
		{"point too long", func(w *whole) { w.table[2].Point = append([]byte("q"), make([]byte, manifest.MaxPoint)...) }, true},
		{"partition that ends before it begins", func(w *whole) { w.table[2].NextUpdate = w.table[2].ThisUpdate - 1 }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := today(t, 0)
			c.make(&w)
			if c.redo {
				w.redo(t)
			}
			if m, h, err := manifest.Decode(keys(t), w.encode(t)); !errors.Is(err, manifest.ErrManifest) || m.Table != nil || h.Version != 0 {
				t.Errorf("Decode = %+v, %v, want nothing and ErrManifest", h, err)
			}
		})
	}
}

// P9: only central's signature, for this very purpose, makes a head.
func TestP9HeadNeedsItsSignature(t *testing.T) {
	w := today(t, 0)
	payload, err := canon.Encode(w.head)
	if err != nil {
		t.Fatal(err)
	}
	by := func(name string, p sign.Purpose) []byte {
		msg, err := sign.Sign(byhand.Key(name), p, payload)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	good := by("manifest central", sign.PurposeSet)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for _, c := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"central's", good, nil},
		{"somebody else's", by("somebody else", sign.PurposeSet), sign.ErrUnknownKey},
		{"for a delta", by("manifest central", sign.PurposeDelta), sign.ErrSignature},
		{"flipped", flipped, sign.ErrSignature},
		{"cut", good[:len(good)-1], sign.ErrMessage},
		{"none", nil, sign.ErrMessage},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := manifest.OpenHead(keys(t), c.msg); !errors.Is(err, c.want) {
				t.Errorf("OpenHead = %v, want %v", err, c.want)
			}
			m := w.manifest(t)
			m.Signed = c.msg
			if _, err := m.Open(keys(t)); !errors.Is(err, c.want) {
				t.Errorf("Open = %v, want %v", err, c.want)
			}
		})
	}
	bad := w.head
	bad.Rows = 0
	if _, err := bad.Sign(central); !errors.Is(err, manifest.ErrManifest) {
		t.Errorf("Sign(no rows) = %v, want ErrManifest", err)
	}
}

func TestDecodeRefusesOtherForms(t *testing.T) {
	b := today(t, 0).encode(t)
	for _, c := range []struct {
		name string
		in   []byte
	}{
		{"nothing", nil},
		{"cut", b[:len(b)-1]},
		{"more", append(bytes.Clone(b), 0)},
		{"too long", make([]byte, manifest.MaxManifest+1)},
	} {
		if _, _, err := manifest.Decode(keys(t), c.in); !errors.Is(err, manifest.ErrManifest) {
			t.Errorf("Decode(%s) = %v, want ErrManifest", c.name, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	w := today(f, 0)
	f.Add(w.encode(f))
	one := today(f, 1)
	one.table[0].Point = nil
	one.redo(f)
	f.Add(one.encode(f))
	known := keys(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		m, h, err := manifest.Decode(known, in)
		if err != nil {
			return
		}
		if uint64(len(m.Digests)) != 32*uint64(crlset.Chunks(h.Size)) || len(m.Table) != int(h.Rows) {
			t.Fatal("accepted digests or rows of another number")
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if n, _, err := manifest.Decode(known, again); err != nil || !reflect.DeepEqual(n, m) {
			t.Fatalf("Decode(encoded again) = %+v, %v, want %+v", n, err, m)
		}
		same(t, in, again)
	})
}

// same wants one form of a message: only fields that this version does not know may be missing in the second.
func same(t *testing.T, in, again []byte) {
	t.Helper()
	if len(again) > len(in) || len(again) == len(in) && !bytes.Equal(again, in) {
		t.Fatalf("accepted %x, encodes as %x", in, again)
	}
}

// FuzzHead signs whatever comes, so that what is behind the signature is reached.
func FuzzHead(f *testing.F) {
	payload, err := canon.Encode(today(f, 0).head)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{0xa0})
	known := keys(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(central, sign.PurposeSet, in)
		if err != nil {
			t.Fatal(err)
		}
		h, err := manifest.OpenHead(known, msg)
		if err != nil {
			return
		}
		again, err := h.Sign(central)
		if err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
		back, err := sign.Payload(again)
		if err != nil {
			t.Fatal(err)
		}
		same(t, in, back)
		if g, err := manifest.OpenHead(known, again); err != nil || !reflect.DeepEqual(g, h) {
			t.Fatalf("OpenHead(signed again) = %+v, %v, want %+v", g, err, h)
		}
	})
}
