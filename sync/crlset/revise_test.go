package crlset_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
)

// revisions are what becomes of each block.
type revisions [][]crlset.Revision

func (r revisions) Revise(dst []crlset.Revision, block, _ int) ([]crlset.Revision, error) {
	return append(dst, r[block]...), nil
}

// TestP7RevisedIsWritten: whatever way a block takes, revised sets are octet for octet what a Writer makes of the entries.
func TestP7RevisedIsWritten(t *testing.T) {
	for round := range uint64(600) {
		rng := rand.New(rand.NewPCG(round, 6))
		shift := uint8(6 + rng.IntN(9))
		p := crlset.Plan{
			Columns: crlset.Columns(round % 4), Reasons: []crlset.Reason{crlset.Unspecified},
			Regions: []crlset.Region{{Start: []byte{5}, Shift: shift, Blocks: 3}},
		}
		if p.Columns&crlset.Reasons != 0 {
			p.Reasons = []crlset.Reason{crlset.Unspecified, crlset.KeyCompromise, crlset.CertificateHold}
		}
		if p.Columns&crlset.Dates != 0 {
			p.DateBase, p.DateSpan = 1_700_000_000, 1<<20
		}
		if round%9 == 0 {
			p.Regions[0].Tail = 3
		}
		entry := func(k crlset.Key) crlset.Entry {
			e := crlset.Entry{Key: k, Date: 1_700_000_000 + rng.Int64N(1<<20), Reason: p.Reasons[rng.IntN(len(p.Reasons))]}
			if round%5 == 0 && rng.IntN(300) == 0 {
				e.Reason, e.Date = crlset.CertificateHold, 1_800_000_000
			}
			return as(e, p.Columns)
		}
		h := history{rng: rng, entry: entry, block: uint64(1) << (shift + p.Regions[0].Tail)}
		for k := 5 + rng.Uint64N(20); k < 5+2*h.block; k += 1 + rng.Uint64N(1<<rng.IntN(9)) {
			h.now = append(h.now, entry(crlset.Key{C: k}))
		}
		set, err := crlset.Open(by(t, p, h.now))
		if err != nil {
			t.Fatal(err)
		}
		for days := 1 + rng.IntN(3); days > 0; days-- {
			h.day(1+rng.IntN(9), rng.IntN(2)*rng.IntN(9))
		}
		var file bytes.Buffer
		if _, err := crlset.Revise(&file, set, h.all[:]); err != nil {
			t.Fatalf("round %d: Revise() = %v", round, err)
		}
		if !bytes.Equal(file.Bytes(), by(t, p, h.now)) {
			t.Fatalf("round %d: Revise() made other octets than a Writer", round)
		}
	}
}

// history is what becomes of a set of three blocks from key 5 on.
type history struct {
	rng   *rand.Rand
	entry func(crlset.Key) crlset.Entry
	block uint64 // keys of one
	now   []crlset.Entry
	all   revisions
}

// day adds entries and edits others.
func (h *history) day(added, edited int) {
	if h.all == nil {
		h.all = make(revisions, 3)
	}
	var next []crlset.Entry
	for i := range uint64(3) {
		var v crlset.Revision
		place, before := 0, len(next)
		for _, e := range h.now {
			if (e.Key.C-5)/h.block != i {
				continue
			}
			if x := (crlset.Edit{Place: place}); edited > 0 && h.rng.IntN(40) < edited && h.edit(&x, &e) {
				v.Edits = append(v.Edits, x)
				place++
				if x.Removed {
					continue
				}
			} else {
				place++
			}
			next = append(next, e)
		}
		for range added {
			e := h.entry(crlset.Key{C: 5 + i*h.block + h.rng.Uint64N(h.block)})
			if !slices.ContainsFunc(h.now, func(o crlset.Entry) bool { return o.Key == e.Key }) &&
				!slices.ContainsFunc(v.Added, func(o crlset.Entry) bool { return o.Key == e.Key }) {
				v.Added = append(v.Added, e)
			}
		}
		rising := func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) }
		slices.SortFunc(v.Added, rising)
		next = append(next, v.Added...)
		slices.SortFunc(next[before:], rising)
		if len(v.Edits)+len(v.Added) > 0 {
			h.all[i] = append(h.all[i], v)
		}
	}
	h.now = next
}

// edit makes an edit of an entry; false if it changes nothing.
func (h *history) edit(x *crlset.Edit, e *crlset.Entry) bool {
	if x.Removed = h.rng.IntN(2) == 0; x.Removed {
		return true
	}
	to := h.entry(e.Key)
	x.Told, x.Reason = to.Reason != e.Reason, to.Reason
	x.Dated, x.Date = to.Date != e.Date, to.Date
	*e = to
	return x.Told || x.Dated
}

// TestReviseRefuses revisions that do not fit, and bases that Decode would refuse.
func TestReviseRefuses(t *testing.T) {
	p := crlset.Plan{Reasons: reasons[:1], Regions: []crlset.Region{{Start: []byte{200}, Shift: 5, Blocks: 1}, {Start: []byte{210}, Shift: 5, Blocks: 1}}}
	entries := []crlset.Entry{{Key: crlset.Key{C: 200}}, {Key: crlset.Key{C: 203}}, {Key: crlset.Key{C: 209}}}
	file := by(t, p, entries)
	beyond := bytes.Clone(file)
	whole := crlset.Plan{Reasons: reasons[:1], Regions: p.Regions[:1]}
	copy(beyond[8:], by(t, whole, []crlset.Entry{{Key: crlset.Key{C: 200}}, {Key: crlset.Key{C: 203}}, {Key: crlset.Key{C: 230}}})[8:14])
	two := by(t, p, entries[:2])
	padded := bytes.Clone(two) // 28 bits
	padded[8+3] |= 0x80
	many := make([]crlset.Entry, 20)
	for i := range many {
		many[i].Key.C = 201 + uint64(i)/10*3 + uint64(i)%2
	}
	for name, x := range map[string]struct {
		base []byte
		v    crlset.Revision
		want error
	}{
		"an addition that is there":              {file, crlset.Revision{Added: entries[1:2]}, crlset.ErrConflict},
		"many, of which one comes twice":         {file, crlset.Revision{Added: many}, crlset.ErrOrder},
		"an addition below":                      {file, crlset.Revision{Added: []crlset.Entry{{Key: crlset.Key{C: 199}}}}, crlset.ErrPlan},
		"one more below":                         {two, crlset.Revision{Added: []crlset.Entry{{Key: crlset.Key{C: 199}}}}, crlset.ErrPlan},
		"one more in the next region":            {two, crlset.Revision{Added: []crlset.Entry{{Key: crlset.Key{C: 211}}}}, crlset.ErrPlan},
		"one more that is there":                 {two, crlset.Revision{Added: entries[1:2]}, crlset.ErrConflict},
		"an addition in the next region":         {file, crlset.Revision{Added: []crlset.Entry{{Key: crlset.Key{C: 211}}}}, crlset.ErrPlan},
		"an edit past the last":                  {file, crlset.Revision{Edits: []crlset.Edit{{Place: 3, Removed: true}}}, crlset.ErrConflict},
		"edits out of order":                     {file, crlset.Revision{Edits: []crlset.Edit{{Place: 1, Removed: true}, {Place: 0, Removed: true}}}, crlset.ErrConflict},
		"a reason that is there":                 {file, crlset.Revision{Edits: []crlset.Edit{{Place: 0, Told: true}}}, crlset.ErrConflict},
		"a base with an entry in another region": {beyond, crlset.Revision{Edits: []crlset.Edit{{Place: 0, Removed: true}}}, crlset.ErrFormat},
		"a base with padding":                    {padded, crlset.Revision{Edits: []crlset.Edit{{Place: 0, Removed: true}}}, crlset.ErrFormat},
	} {
		set, err := crlset.Open(x.base)
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := crlset.Revise(new(bytes.Buffer), set, revisions{{x.v}, nil}); !errors.Is(err, x.want) {
			t.Errorf("%s: Revise() = %v, want %v", name, err, x.want)
		}
	}
}

// TestReviseRefusesKeysBeyondTheLast: a block may reach past 160 bits, and small keys are not there.
func TestReviseRefusesKeysBeyondTheLast(t *testing.T) {
	start := append(bytes.Repeat([]byte{0xff}, 19), 0xff-100)
	top := crlset.Key{A: 1<<32 - 1, B: 1<<64 - 1, C: 1<<64 - 1 - 100}
	p := crlset.Plan{Reasons: reasons[:1], Regions: []crlset.Region{{Start: start, Shift: 10, Blocks: 1}}}
	set, err := crlset.Open(by(t, p, []crlset.Entry{{Key: top}, {Key: top.Add(crlset.Key{C: 9})}}))
	if err != nil {
		t.Fatal(err)
	}
	small := []crlset.Entry{{Key: crlset.Key{C: 50}}}
	for _, v := range []crlset.Revision{{Added: small}, {Added: small, Edits: []crlset.Edit{{Place: 0, Removed: true}}}} {
		if _, err := crlset.Revise(new(bytes.Buffer), set, revisions{{v}}); !errors.Is(err, crlset.ErrPlan) {
			t.Errorf("Revise() of %d edits = %v, want ErrPlan", len(v.Edits), err)
		}
	}
}
