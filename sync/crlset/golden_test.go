package crlset_test

import (
	"bytes"
	"crypto/sha256"
	enchex "encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
)

const vectors = "../../testdata/sync/crlset"

var write = flag.Bool("write", false, "write the vectors that do not exist yet, and run no test")

// octets are hexadecimal in a vector.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return []byte(enchex.EncodeToString(o)), nil }
func (o *octets) UnmarshalText(t []byte) error {
	b, err := enchex.DecodeString(string(t))
	*o = b
	return err
}

// vector is a set with all that it was made from.
type vector struct {
	What    string `json:"what"`
	Plan    octets `json:"plan"`
	Entries []told `json:"entries,omitempty"`
	Derived int    `json:"derived,omitempty"` // instead of entries: so many of derived()
	File    octets `json:"file,omitempty"`    // left out where entries are derived
	Size    uint64 `json:"size"`
	Digests octets `json:"digests"`
	Root    octets `json:"root"`
}

// derived are n entries: key SHA-256(i)[:20] for the octet string of two octets i, big-endian; date and reason of its octets after.
func derived(n int) (out []crlset.Entry) {
	for i := range n {
		h := sha256.Sum256([]byte{byte(i >> 8), byte(i)})
		e := crlset.Entry{Reason: reasons[h[20]%4], Date: 1_600_000_000 + int64(h[21])<<16 + int64(h[22])<<8 + int64(h[23])}
		for _, o := range h[:20] {
			e.Key = crlset.Key{A: e.Key.A<<8 | uint32(e.Key.B>>56), B: e.Key.B<<8 | e.Key.C>>56, C: e.Key.C<<8 | uint64(o)}
		}
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return out
}

// made are the vectors by name: the columns and the entries of each.
var made = map[string]struct {
	what    string
	columns crlset.Columns
	entries func() []crlset.Entry
	derived int
}{
	"empty":   {what: "no entries, no regions", columns: crlset.Full, entries: func() []crlset.Entry { return nil }},
	"small":   {what: "every column, one region", columns: crlset.Full, entries: func() []crlset.Entry { return drawn(1, 60) }},
	"flags":   {what: "no columns: only on hold or not, in the plain form", columns: 0, entries: func() []crlset.Entry { return drawn(1, 40) }},
	"dates":   {what: "dates and the hold flag", columns: crlset.Dates, entries: func() []crlset.Entry { return drawn(2, 40) }},
	"reasons": {what: "reasons alone", columns: crlset.Reasons, entries: func() []crlset.Entry { return drawn(6, 40) }},
	"plain":   {what: "a block in the plain form among others", columns: crlset.Full, entries: plainAmongOthers},
	"regions": {what: "clusters of serials of 20 octets", columns: crlset.Full, entries: func() []crlset.Entry { return drawn(9, 90) }},
	"tails":   {what: "serials of 20 octets with tails; offsets of 4 octets", columns: crlset.Full, derived: 6000},
}

func drawn(shape, n int) []crlset.Entry {
	s := shapes[shape]
	for seed := uint64(0); ; seed++ {
		list := s.list(rand.New(rand.NewPCG(20, seed)), n)
		if !slices.ContainsFunc(list, func(e crlset.Entry) bool { return e.Date < 1_600_000_000 || e.Date > 1_750_000_000 }) {
			return list
		}
	}
}

func plainAmongOthers() []crlset.Entry {
	var out []crlset.Entry
	for i := range 300 {
		out = append(out, crlset.Entry{Key: crlset.Key{C: uint64(i)*5 + 9}, Date: 1_700_000_000 + int64(i)*1000, Reason: reasons[i%2]})
	}
	return out
}

// TestMain runs the tests, or with -write makes vectors. A vector that exists is never changed.
func TestMain(m *testing.M) {
	if flag.Parse(); !*write {
		m.Run()
		return
	}
	for name, v := range made {
		path := filepath.Join(vectors, name+".json")
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		made, err := makeVector(v.what, v.columns, v.entries, v.derived)
		if err != nil {
			log.Fatal(err)
		}
		b, err := json.MarshalIndent(made, "", " ")
		if err == nil {
			err = os.WriteFile(path, append(b, '\n'), 0o644)
		}
		if err != nil {
			log.Fatal(err)
		}
	}
}

func makeVector(what string, c crlset.Columns, list func() []crlset.Entry, n int) (v vector, err error) {
	v = vector{What: what, Derived: n}
	entries := derived(n)
	if list != nil {
		entries = list()
	}
	planned := crlset.NewPlanningWriter(io.Discard, c)
	if err := planned.AddBatch(entries); err != nil {
		return v, err
	}
	sum, err := planned.Close()
	if err != nil {
		return v, err
	}
	if what == made["plain"].what {
		sum.Plan.DateSpan = 290_000 // the last entries are later
	}
	var file bytes.Buffer
	w, err := crlset.NewWriter(&file, sum.Plan)
	if err != nil {
		return v, err
	}
	if err := w.AddBatch(entries); err != nil {
		return v, err
	}
	if sum, err = w.Close(); err != nil {
		return v, err
	}
	v.Size, v.Digests, v.Root = sum.Size, sum.Digests, sum.Root[:]
	if list != nil {
		v.File = file.Bytes()
		for _, e := range entries {
			e = as(e, c)
			v.Entries = append(v.Entries, told{hex(e.Key), uint8(e.Reason), e.Date})
		}
	}
	v.Plan, err = canon.Encode(sum.Plan)
	return v, err
}

// TestVectors writes every vector again and reads it with both readers.
func TestVectors(t *testing.T) {
	for name := range made {
		b, err := os.ReadFile(filepath.Join(vectors, name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var v vector
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if err := d.Decode(&v); err != nil {
			t.Fatalf("reading %s: %v", name, err)
		}
		t.Run(name, func(t *testing.T) { holds(t, v) })
	}
}

func holds(t *testing.T, v vector) {
	var p crlset.Plan
	if err := canon.Decode(v.Plan, &p, 1<<20); err != nil {
		t.Fatal(err)
	}
	entries := derived(v.Derived)
	if v.Derived == 0 {
		entries = v.entries(t)
	}
	file := by(t, p, entries)
	if v.Derived == 0 && !bytes.Equal(file, v.File) {
		t.Errorf("file = %x, want %x", file, []byte(v.File))
	}
	var digests []byte
	for b := file; len(b) > 0; b = b[min(len(b), crlset.ChunkSize):] {
		d := sha256.Sum256(b[:min(len(b), crlset.ChunkSize)])
		digests = append(digests, d[:]...)
	}
	root := crlset.Root(uint64(len(file)), digests)
	if uint64(len(file)) != v.Size || !bytes.Equal(digests, v.Digests) || !bytes.Equal(root[:], v.Root) {
		t.Errorf("size, digests or root differ: %d octets, root %x", len(file), root)
	}
	sameSlow(t, file, entries, p.Columns)
	set, err := crlset.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	sameSource(t, set.Source(), entries, p.Columns)
	sameFound(t, set, entries, p.Columns)
}

// entries are the vector's own.
func (v vector) entries(t *testing.T) (out []crlset.Entry) {
	t.Helper()
	for _, e := range v.Entries {
		var k crlset.Key
		for _, c := range []byte(e.Key) {
			digit := uint64(bytes.IndexByte([]byte("0123456789abcdef"), c))
			k = crlset.Key{A: k.A<<4 | uint32(k.B>>60), B: k.B<<4 | k.C>>60, C: k.C<<4 | digit}
		}
		out = append(out, crlset.Entry{Key: k, Reason: crlset.Reason(e.Reason), Date: e.Date})
	}
	return out
}
