package delta_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
)

const vectors = "../../../testdata/sync/crldelta"

var write = flag.Bool("write", false, "write the vectors that do not exist yet, and run no test")

// TestMain runs the tests, or with -write makes vectors. A vector that exists is never changed.
func TestMain(m *testing.M) {
	flag.Parse()
	if !*write {
		m.Run()
		return
	}
	for _, v := range made() {
		path := filepath.Join(vectors, v.Name+".json")
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		b, err := json.MarshalIndent(v, "", " ")
		if err == nil {
			err = os.WriteFile(path, append(b, '\n'), 0o644)
		}
		if err != nil {
			panic(fmt.Sprintf("writing vectors: %v", err)) // -write only
		}
	}
}

type octets []byte

func (o octets) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(o)), nil }

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

// vector is a delta with both sets.
type vector struct {
	Name  string `json:"name"`
	About string `json:"about"`
	Base  octets `json:"base"`
	Delta octets `json:"delta"`
	Next  octets `json:"next"`
	Edits []told `json:"edits,omitempty"`
	Added []told `json:"added,omitempty"`
}

// told is an edit or an addition as the delta tells it.
type told struct {
	Rank    *uint64 `json:"rank,omitempty"`
	Key     octets  `json:"key,omitempty"` // 20 octets, big-endian
	Removed bool    `json:"removed,omitempty"`
	Reason  *uint8  `json:"reason,omitempty"`
	Date    *int64  `json:"date,omitempty"`
}

// made are the vectors.
func made() (out []vector) {
	for _, c := range []struct {
		name, about string
		wide        bool
		columns     crlset.Columns
		replan      bool
	}{
		{"full", "additions, removals and changes; dates and reasons", false, crlset.Full, false},
		{"flags", "no columns: only on hold or not", false, 0, false},
		{"replanned", "another plan", false, crlset.Full, true},
		{"wide", "serials of 20 octets", true, crlset.Full, false},
	} {
		w := newWorld(40, c.wide, c.columns, 60)
		p := w.plan()
		base := written(fatal{}, p, w.list())
		for day := range 3 {
			w.turn(day)
			w.add(day)
		}
		if c.replan {
			p = w.plan()
		}
		set := opened(fatal{}, base)
		v := vector{Name: c.name, About: c.about, Base: base, Delta: between(fatal{}, set, p, w.list()), Next: written(fatal{}, p, w.list())}
		v.Edits, v.Added = differences(set, w, c.columns)
		out = append(out, v)
	}
	return out
}

// differences compares a set with a world the plain way.
func differences(set *crlset.Set, w *world, columns crlset.Columns) (edits, added []told) {
	var e crlset.Entry
	was := map[crlset.Key]bool{}
	source := set.Source()
	for rank := uint64(0); ; rank++ {
		if more, err := source.Next(&e); !more || err != nil {
			break
		}
		was[e.Key] = true
		now, there := w.entries[e.Key]
		x := told{Rank: new(rank), Removed: !there}
		if there && now.Reason != e.Reason {
			x.Reason = new(uint8(now.Reason))
		}
		if there && now.Date != e.Date {
			x.Date = new(now.Date)
		}
		if x.Removed || x.Reason != nil || x.Date != nil {
			edits = append(edits, x)
		}
	}
	for _, k := range w.keys() {
		if e := w.entries[k]; !was[k] {
			x := told{Key: wide(k), Reason: new(uint8(e.Reason))}
			if columns&crlset.Dates != 0 {
				x.Date = new(e.Date)
			}
			added = append(added, x)
		}
	}
	return edits, added
}

func wide(k crlset.Key) []byte {
	b := binary.BigEndian.AppendUint32(nil, k.A)
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, k.B), k.C)
}

// fatal is a testing.TB outside of tests.
type fatal struct{ testing.TB }

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { panic(fmt.Sprint(args...)) } // -write only
func (fatal) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...)) // -write only
}

// P7: recorded deltas are read the same by the reader beside this test, written the same, and applied to the same.
func TestP7Vectors(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(vectors, "*.json"))
	if err != nil || len(paths) != 4 {
		t.Fatalf("%d vectors, %v, want 4", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var v vector
			d := json.NewDecoder(bytes.NewReader(b))
			d.DisallowUnknownFields()
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			base, next := opened(t, v.Base), opened(t, v.Next)
			var again, applied bytes.Buffer
			if _, err := delta.Write(&again, base, next.Source(), next.Plan()); err != nil || !bytes.Equal(again.Bytes(), v.Delta) {
				t.Errorf("Write = %x, %v, want %x", again.Bytes(), err, v.Delta)
			}
			if _, err := delta.Apply(&applied, base, read(t, v.Delta)); err != nil || !bytes.Equal(applied.Bytes(), v.Next) {
				t.Errorf("Apply = %d octets, %v, want the recorded %d", applied.Len(), err, len(v.Next))
			}
			edits, added := readByHand(t, v.Delta)
			is(t, "edits", edits, v.Edits)
			is(t, "additions", added, v.Added)
		})
	}
}

func is(t *testing.T, what string, got, want []told) {
	t.Helper()
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if !bytes.Equal(g, w) {
		t.Errorf("%s by hand = %s, want %s", what, g, w)
	}
}

// clear is the header, decoded without its package.
type clear struct {
	Edits   uint64         `cbor:"2,keyasint"`
	Added   uint64         `cbor:"4,keyasint"`
	Columns crlset.Columns `cbor:"5,keyasint"`
	Newest  int64          `cbor:"6,keyasint"`
	Split   uint64         `cbor:"7,keyasint"`
}

// readByHand reads a delta by DESIGN.md alone.
func readByHand(t *testing.T, b []byte) (edits, added []told) {
	t.Helper()
	var h clear
	size := binary.LittleEndian.Uint32(b[8:])
	if err := canon.Decode(b[12:12+size], &h, 1<<20); err != nil {
		t.Fatal(err)
	}
	b = b[12+size:]
	r := newByHand(b[:h.Split], h)
	rank := ^uint64(0)
	for range h.Edits {
		rank += 1 + r.number("gap", 3).Uint64()
		x := told{Rank: new(rank), Removed: r.bit("removed") == 1}
		if !x.Removed {
			r.change(&x)
		}
		edits = append(edits, x)
	}
	r.end(t)
	r = newByHand(b[h.Split:], h)
	key := r.zero()
	for range h.Added {
		key.Add(key, r.number("gap", 3)).Add(key, r.one())
		x := told{Key: key.FillBytes(make([]byte, 20)), Reason: new(r.reason())}
		if h.Columns&crlset.Dates != 0 {
			x.Date = new(r.date())
		}
		added = append(added, x)
	}
	r.end(t)
	return edits, added
}
