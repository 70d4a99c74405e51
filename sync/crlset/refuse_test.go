package crlset_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/crlset"
)

// all reads a set to the end, by every way.
func all(b []byte) error {
	s, err := crlset.Open(b)
	if err != nil {
		return err
	}
	batch := make([]crlset.Entry, 100)
	for src := s.Source().(crlset.BatchSource); ; {
		n, err := src.NextBatch(batch)
		if err != nil || n == 0 {
			return err
		}
		for _, e := range batch[:n] {
			if _, _, err := s.Find(e.Key); err != nil {
				return err
			}
		}
	}
}

// TestRefusesLies changes a whole file by one lie at a time.
func TestRefusesLies(t *testing.T) {
	entries := shapes[1].list(rand.New(rand.NewPCG(4, 4)), 2000)
	_, _, file := build(t, entries, crlset.Full)
	trailer := len(file) - 40
	directory := int(binary.LittleEndian.Uint64(file[trailer:]))
	plan := int(binary.LittleEndian.Uint64(file[trailer+8:]))
	put := func(at int, v uint64) func([]byte) []byte {
		return func(b []byte) []byte { binary.LittleEndian.PutUint64(b[at:], v); return b }
	}
	flip := func(at int) func([]byte) []byte { return func(b []byte) []byte { b[at] ^= 1; return b } }
	for name, lie := range map[string]func([]byte) []byte{
		"nothing":                     func([]byte) []byte { return nil },
		"magic":                       flip(0),
		"magic of another version":    flip(7),
		"magic at the end":            flip(len(file) - 1),
		"truncated by an octet":       func(b []byte) []byte { return b[:len(b)-1] },
		"truncated to the trailer":    func(b []byte) []byte { return b[trailer:] },
		"trailer only":                func(b []byte) []byte { return append(b[:8], b[trailer:]...) },
		"directory past the plan":     put(trailer, uint64(plan+1)),
		"directory in the magic":      put(trailer, 7),
		"directory past every file":   put(trailer, 1<<63),
		"plan past the trailer":       put(trailer+8, uint64(trailer+1)),
		"plan past every file":        put(trailer+8, 1<<64-1),
		"entries":                     put(trailer+16, uint64(len(entries)+1)),
		"width":                       flip(trailer + 24),
		"width of 4 where it is 2":    func(b []byte) []byte { b[trailer+24] = 4; return b },
		"reserved octets":             flip(trailer + 31),
		"first block's place":         put(directory, 9),
		"first block past every file": put(directory, 1<<62),
		"second block before first":   func(b []byte) []byte { b[directory+8], b[directory+9] = 0xff, 0xff; return b },
		"block in two":                func(b []byte) []byte { b[directory+8]--; return b },
		"fewer entries in a block":    flip(8),
		"plain without need":          flip(9 | 1<<0),
		"block of the most entries":   func(b []byte) []byte { b[8], b[9] = 0xff, 0x7f; return b },
		"one high more":               func(b []byte) []byte { b[10] |= 0xff; return b },
		"highs missing":               func(b []byte) []byte { b[10], b[11] = 0, 0; return b },
		"plan":                        flip(plan + 3),
	} {
		if err := all(lie(bytes.Clone(file))); !errors.Is(err, crlset.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	if err := all(file); err != nil {
		t.Fatalf("the file itself: %v", err)
	}
}

func TestRefusesPlans(t *testing.T) {
	good := crlset.Plan{
		Columns: crlset.Full, Reasons: []crlset.Reason{0, 1}, DateBase: 5, DateSpan: 100,
		Regions: []crlset.Region{{Start: []byte{1}, Shift: 8, Blocks: 4}, {Start: []byte{9, 0}, Shift: 8, Blocks: 4}},
	}
	if _, err := good.Layout(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*crlset.Plan){
		"unknown column":             func(p *crlset.Plan) { p.Columns = 4 },
		"no reasons":                 func(p *crlset.Plan) { p.Reasons = nil },
		"falling reasons":            func(p *crlset.Plan) { p.Reasons = []crlset.Reason{1, 0} },
		"reason that is none":        func(p *crlset.Plan) { p.Reasons = []crlset.Reason{0, 7} },
		"reason without its column":  func(p *crlset.Plan) { p.Columns = crlset.Dates },
		"only on hold":               func(p *crlset.Plan) { p.Columns, p.Reasons = crlset.Dates, []crlset.Reason{6} },
		"dates without their column": func(p *crlset.Plan) { p.Columns = crlset.Reasons },
		"no range of dates":          func(p *crlset.Plan) { p.DateSpan = 0 },
		"range past all dates":       func(p *crlset.Plan) { p.DateSpan = 1 << 40 },
		"base past all dates":        func(p *crlset.Plan) { p.DateBase = 1 << 40 },
		"no blocks":                  func(p *crlset.Plan) { p.Regions[0].Blocks = 0 },
		"zero octet in front":        func(p *crlset.Plan) { p.Regions[0].Start = []byte{0, 1} },
		"21 octets":                  func(p *crlset.Plan) { p.Regions[1].Start = bytes.Repeat([]byte{1}, 21) },
		"falling regions":            func(p *crlset.Plan) { p.Regions[1].Start = []byte{1} },
		"tail":                       func(p *crlset.Plan) { p.Regions[1].Tail = 97 },
		"shift":                      func(p *crlset.Plan) { p.Regions[1].Shift = 64 },
		"more than 64 bits":          func(p *crlset.Plan) { p.Regions[1].Shift = 63 },
		"beyond 160 bits": func(p *crlset.Plan) {
			p.Regions[1] = crlset.Region{Start: bytes.Repeat([]byte{255}, 20), Blocks: 2}
		},
	} {
		p := good
		p.Regions = append([]crlset.Region(nil), good.Regions...)
		spoil(&p)
		if _, err := p.Layout(); !errors.Is(err, crlset.ErrPlan) {
			t.Errorf("%s: Layout() = %v, want ErrPlan", name, err)
		}
		if _, err := crlset.NewWriter(io.Discard, p); !errors.Is(err, crlset.ErrPlan) {
			t.Errorf("%s: NewWriter() = %v, want ErrPlan", name, err)
		}
	}
}

func TestRefusesEntries(t *testing.T) {
	at := func(k uint64) crlset.Entry { return crlset.Entry{Key: crlset.Key{C: k}, Date: 10} }
	p := crlset.Plan{
		Columns: crlset.Full, Reasons: []crlset.Reason{0}, DateBase: 5, DateSpan: 100,
		Regions: []crlset.Region{{Start: []byte{16}, Shift: 4, Blocks: 2}, {Start: []byte{64}, Shift: 16, Blocks: 1}},
	}
	strange, far := at(20), at(20)
	strange.Reason, far.Date = 7, 1<<40
	var crowd []crlset.Entry
	for i := range uint64(crlset.MaxBlock + 1) {
		crowd = append(crowd, at(64+i))
	}
	for _, tt := range []struct {
		name    string
		entries []crlset.Entry
		want    error
	}{
		{"twice", []crlset.Entry{at(20), at(20)}, crlset.ErrOrder},
		{"falling in a block", []crlset.Entry{at(21), at(20)}, crlset.ErrOrder},
		{"falling to the block before", []crlset.Entry{at(35), at(20)}, crlset.ErrOrder},
		{"before the first region", []crlset.Entry{at(15)}, crlset.ErrPlan},
		{"between regions", []crlset.Entry{at(48)}, crlset.ErrPlan},
		{"behind the last region", []crlset.Entry{at(64 + 1<<16)}, crlset.ErrPlan},
		{"unknown reason", []crlset.Entry{strange}, crlset.ErrPlan},
		{"date past all dates", []crlset.Entry{far}, crlset.ErrPlan},
		{"more than a block holds", crowd, crlset.ErrPlan},
		{"as many as a block holds", crowd[:crlset.MaxBlock], nil},
		{"ends of regions", []crlset.Entry{at(16), at(47), at(64), at(63 + 1<<16)}, nil},
	} {
		w, err := crlset.NewWriter(io.Discard, p)
		if err != nil {
			t.Fatal(err)
		}
		err = w.AddBatch(tt.entries)
		if _, last := w.Close(); err == nil {
			err = last
		}
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		pw := crlset.NewPlanningWriter(io.Discard, crlset.Full)
		err = pw.AddBatch(tt.entries)
		if _, last := pw.Close(); err == nil {
			err = last
		}
		if errors.Is(tt.want, crlset.ErrOrder) != errors.Is(err, crlset.ErrOrder) {
			t.Errorf("%s, planned: %v", tt.name, err)
		}
	}
}

// TestFindsWhateverTheTrailerSays: the number of entries is a hint to lookups, which must not trust it.
func TestFindsWhateverTheTrailerSays(t *testing.T) {
	for i, s := range shapes {
		entries := s.list(rand.New(rand.NewPCG(uint64(i), 5)), 300)
		_, _, file := build(t, entries, crlset.Columns(i%4))
		for _, n := range []uint64{0, 1, 10, 1 << 20, 1 << 63, 1<<64 - 1} {
			binary.LittleEndian.PutUint64(file[len(file)-24:], n)
			set, err := crlset.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if _, ok, err := set.Find(e.Key); !ok || err != nil {
					t.Fatalf("%s with %d entries: Find() = %v, %v", s.name, n, ok, err)
				}
			}
		}
	}
}

// TestRefusesKeysBeyondTheLast: a block may reach past 160 bits, but nothing is there.
func TestRefusesKeysBeyondTheLast(t *testing.T) {
	start := append(bytes.Repeat([]byte{0xff}, 19), 0xff-100)
	top := crlset.Key{A: 1<<32 - 1, B: 1<<64 - 1, C: 1<<64 - 1}
	for _, g := range []crlset.Region{{Start: start, Shift: 10, Blocks: 1}, {Start: start, Tail: 8, Shift: 1, Blocks: 1}} {
		l, err := crlset.Plan{Reasons: []crlset.Reason{0}, Regions: []crlset.Region{g}}.Layout()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Encode(nil, 0, []crlset.Entry{{Key: crlset.Key{C: 50}}}); !errors.Is(err, crlset.ErrPlan) {
			t.Errorf("Encode() of a key below its block = %v, want ErrPlan", err)
		}
		b, err := l.Encode(nil, 0, []crlset.Entry{{Key: top}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Decode(nil, 0, b); err != nil {
			t.Errorf("Decode() of the last key = %v", err)
		}
		g.Start = []byte{1} // the same octets as what a key below would be: distance 100 + 1 + 50
		low, err := crlset.Plan{Reasons: []crlset.Reason{0}, Regions: []crlset.Region{g}}.Layout()
		if err != nil {
			t.Fatal(err)
		}
		if b, err = low.Encode(nil, 0, []crlset.Entry{{Key: crlset.Key{C: 152}}}); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Decode(nil, 0, b); !errors.Is(err, crlset.ErrFormat) {
			t.Errorf("Decode() of a key beyond 160 bits = %v, want ErrFormat", err)
		}
	}
}

// TestWriterStopsAtAFullBlock: not only at its end, or memory would grow with the entries.
func TestWriterStopsAtAFullBlock(t *testing.T) {
	p := crlset.Plan{Reasons: []crlset.Reason{0}, Regions: []crlset.Region{{Shift: 63, Blocks: 1}}}
	w, err := crlset.NewWriter(io.Discard, p)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(crlset.MaxBlock) {
		if err := w.Add(crlset.Entry{Key: crlset.Key{C: i + 1}}); err != nil {
			t.Fatalf("Add() of entry %d = %v", i, err)
		}
	}
	if err := w.Add(crlset.Entry{Key: crlset.Key{C: 1 << 40}}); !errors.Is(err, crlset.ErrPlan) {
		t.Errorf("Add() to a full block = %v, want ErrPlan", err)
	}
}

// broken fails after some octets.
type broken struct{ left int }

func (w *broken) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(b), nil
}

func TestWriterKeepsTheErrorBelow(t *testing.T) {
	entries := shapes[0].list(rand.New(rand.NewPCG(1, 1)), 60_000)
	for _, left := range []int{0, 1, 100_000} {
		w := crlset.NewPlanningWriter(&broken{left}, crlset.Full)
		_ = w.AddBatch(entries)
		if _, err := w.Close(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Close() with a disk of %d octets = %v, want the disk's error", left, err)
		}
	}
}

func TestRootCoversSizeAndDigests(t *testing.T) {
	_, sum, file := build(t, shapes[0].list(rand.New(rand.NewPCG(1, 1)), 60_000), crlset.Full)
	var digests []byte
	for b := file; len(b) > 0; b = b[min(len(b), crlset.ChunkSize):] {
		d := sha256.Sum256(b[:min(len(b), crlset.ChunkSize)])
		digests = append(digests, d[:]...)
	}
	want := sha256.Sum256(append(binary.LittleEndian.AppendUint64([]byte("kazashi/crlset/root/v1"), uint64(len(file))), digests...))
	if sum.Root != want || !bytes.Equal(sum.Digests, digests) || sum.Size != uint64(len(file)) || crlset.Root(sum.Size, digests) != want {
		t.Errorf("Summary of %d octets does not fit its file", len(file))
	}
	plan, err := canon.Encode(sum.Plan)
	if err != nil || !bytes.Contains(file[len(file)-40-len(plan):], plan) {
		t.Errorf("Summary.Plan is not the file's: %v", err)
	}
}

// TestDamageFindsNoWayOut: whatever octets of blocks and directory become, a lookup answers or says ErrFormat.
func TestDamageFindsNoWayOut(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 8))
	for c := range crlset.Full + 1 {
		const universe = 150_000
		entries := make([]crlset.Entry, 0, 5000)
		for k := uint64(1); k < universe; k += 1 + rng.Uint64N(2*universe/5000) {
			entries = append(entries, crlset.Entry{Key: crlset.Key{C: k}, Date: 1_600_000_000 + rng.Int64N(1e7), Reason: crlset.Reason(rng.IntN(2))})
		}
		_, _, file := build(t, entries, c)
		directory := int(binary.LittleEndian.Uint64(file[len(file)-40:]))
		plan := int(binary.LittleEndian.Uint64(file[len(file)-32:]))
		for range 40 {
			b := bytes.Clone(file)
			for range 1 + rng.IntN(40) {
				b[8+rng.IntN(directory-8)] = byte(rng.Uint64() | -(rng.Uint64() & 1))
			}
			for range rng.IntN(30) {
				b[directory+rng.IntN(plan-directory)] = byte(rng.Uint64() | -(rng.Uint64() & 1))
			}
			set, err := crlset.Open(b)
			if err != nil {
				t.Fatal(err)
			}
			for range 2000 {
				if _, _, err := set.Find(crlset.Key{C: rng.Uint64N(universe)}); err != nil && !errors.Is(err, crlset.ErrFormat) {
					t.Fatalf("Find() = %v, want ErrFormat", err)
				}
			}
		}
	}
}

// TestRefusesMarksThatMislead: whatever the marks of a block become, they are another block's or none, and no lookup goes round in circles.
func TestRefusesMarksThatMislead(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 3))
	for _, x := range []struct {
		n     int
		shift uint8
	}{{4, 13}, {40, 13}, {130, 40}, {246, 13}, {300, 13}} {
		n := x.n
		var entries []crlset.Entry
		for i := range n {
			entries = append(entries, crlset.Entry{Key: crlset.Key{C: uint64(i) * 7}})
		}
		p := crlset.Plan{Reasons: reasons[:1], Regions: []crlset.Region{{Shift: x.shift, Blocks: 2}}}
		file := by(t, p, entries)
		begin := 8 + 2 // octets before the marks of the first block
		if n == 4 {
			for pattern := range 1 << 12 { // eight highs, four entries
				b := bytes.Clone(file)
				b[begin], b[begin+1] = byte(pattern), b[begin+1]&0xf0|byte(pattern>>8)
				misled(t, p, b, entries)
			}
			continue
		}
		for range 2000 {
			b := bytes.Clone(file)
			for range rng.IntN(4) {
				one, zero := rng.IntN(2*n), rng.IntN(2*n)
				b[begin+one/8] &^= 1 << (one % 8)
				b[begin+zero/8] |= 1 << (zero % 8)
			}
			misled(t, p, b, entries)
			run := rng.IntN(n / 4)
			for i := range n/8 + 1 + rng.IntN(n/8) {
				b[begin+run+i] = 0xff
			}
			misled(t, p, b, entries)
		}
	}
}

// misled reads a set of two blocks, the second of which is empty.
func misled(t *testing.T, p crlset.Plan, b []byte, entries []crlset.Entry) {
	t.Helper()
	set, err := crlset.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []crlset.Key{entries[0].Key, entries[len(entries)/2].Key, entries[len(entries)-1].Key, {C: 1<<p.Regions[0].Shift - 7}} {
		for i := range uint64(7) {
			if _, _, err := set.Find(k.Add(crlset.Key{C: i})); err != nil {
				t.Fatalf("Find() = %v", err)
			}
		}
	}
	got, err := set.Entries(nil, 0)
	if err == nil && !bytes.Equal(by(t, p, got), b) {
		t.Fatal("Entries() accepts what a Writer does not write")
	}
	if err != nil && !errors.Is(err, crlset.ErrFormat) {
		t.Fatalf("Entries() = %v, want ErrFormat", err)
	}
}
