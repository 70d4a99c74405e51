package delta_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
)

// misfit is a delta that takes away the first entry, tells the second otherwise and adds one, and the base it was made for.
type misfit struct {
	plan    crlset.Plan
	base    []crlset.Entry
	added   crlset.Entry
	changed crlset.Entry
}

func newMisfit() misfit {
	m := misfit{plan: crlset.Plan{
		Columns: crlset.Full, Reasons: []crlset.Reason{0, 4, 6}, DateBase: firstDay, DateSpan: 86400, Regions: []crlset.Region{{Shift: 8, Blocks: 8}},
	}}
	for i := range uint64(300) {
		m.base = append(m.base, crlset.Entry{Key: crlset.Key{C: 5 + 4*i}, Reason: crlset.Superseded, Date: firstDay + int64(i)})
	}
	m.added = crlset.Entry{Key: crlset.Key{C: 600}, Date: firstDay + 9}
	m.changed = m.base[1]
	m.changed.Reason = crlset.CertificateHold
	return m
}

func (m misfit) next() []crlset.Entry {
	next := slices.Clone(m.base[1:])
	next[0] = m.changed
	next = append(next, m.added)
	slices.SortFunc(next, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return next
}

// P7: a delta for another base is refused, whether blocks are copied or every entry is coded anew.
func TestP7ApplyRefusesAnotherBase(t *testing.T) {
	m := newMisfit()
	other := m.plan
	other.Regions = []crlset.Region{{Shift: 6, Blocks: 32}}
	for _, c := range []struct {
		name string
		base func() []crlset.Entry
		plan crlset.Plan
		want error
	}{
		{"its own", func() []crlset.Entry { return m.base }, m.plan, nil},
		{"an entry less", func() []crlset.Entry { return m.base[1:] }, m.plan, delta.ErrBase},
		{"nothing", func() []crlset.Entry { return nil }, m.plan, delta.ErrBase},
		{"another last entry", func() []crlset.Entry { // nothing that contradicts: only the signed head tells them apart
			b := slices.Clone(m.base)
			b[299].Key = crlset.Key{C: 1500}
			return b
		}, m.plan, nil},
		{"the addition is there", func() []crlset.Entry {
			b := slices.Clone(m.base)
			b[149] = m.added
			return b
		}, m.plan, delta.ErrBase},
		{"the change is there", func() []crlset.Entry {
			b := slices.Clone(m.base)
			b[1] = m.changed
			return b
		}, m.plan, delta.ErrBase},
		{"another date column", func() []crlset.Entry { return withoutDates(m.base) }, crlset.Plan{
			Columns: crlset.Reasons, Reasons: m.plan.Reasons, Regions: m.plan.Regions,
		}, delta.ErrBase},
	} {
		for _, way := range []struct {
			name string
			next crlset.Plan
		}{{"copied", m.plan}, {"coded anew", other}} {
			t.Run(c.name+", "+way.name, func(t *testing.T) {
				d := read(t, between(t, opened(t, written(t, m.plan, m.base)), way.next, m.next()))
				if _, err := delta.Apply(&bytes.Buffer{}, opened(t, written(t, c.plan, c.base())), d); !errors.Is(err, c.want) {
					t.Errorf("Apply = %v, want %v", err, c.want)
				}
			})
		}
	}
}

func withoutDates(entries []crlset.Entry) []crlset.Entry {
	out := slices.Clone(entries)
	for i := range out {
		out[i].Date = 0
	}
	return out
}

// P7: a chain whose links do not follow each other is refused.
func TestP7ApplyRefusesABrokenChain(t *testing.T) {
	days := history(t, newWorld(77, false, crlset.Full, 600), 6)
	base := opened(t, days[0].file)
	for _, c := range []struct {
		name  string
		chain []*delta.Delta
	}{
		{"a link missing", []*delta.Delta{days[1].from, days[3].from, days[4].from, days[5].from}},
		{"twice", []*delta.Delta{days[1].from, days[2].from, days[2].from, days[2].from}},
		{"backwards", []*delta.Delta{days[5].from, days[4].from, days[3].from, days[2].from, days[1].from}},
	} {
		if _, err := delta.Apply(&bytes.Buffer{}, base, c.chain...); !errors.Is(err, delta.ErrBase) {
			t.Errorf("Apply(%s) = %v, want ErrBase", c.name, err)
		}
	}
}

func TestApplyPassesErrorsOn(t *testing.T) {
	m := newMisfit()
	base := opened(t, written(t, m.plan, m.base))
	narrow := m.plan
	narrow.Regions = []crlset.Region{{Shift: 6, Blocks: 8}}
	beyond := append(slices.Clone(m.base), crlset.Entry{Key: crlset.Key{C: 4000}, Date: firstDay})
	full := errors.New("disk is full")
	for _, c := range []struct {
		name string
		plan crlset.Plan
		next []crlset.Entry
		to   *limited
		want error
	}{
		{"no region for an addition", m.plan, beyond, &limited{left: 1 << 30}, crlset.ErrPlan},
		{"no region in the next plan", narrow, m.base, &limited{left: 1 << 30}, crlset.ErrPlan},
		{"full disk", m.plan, m.next(), &limited{left: 100, err: full}, full},
		{"full disk, coded anew", narrow, m.base[:100], &limited{left: 100, err: full}, full},
	} {
		d := read(t, between(t, base, c.plan, c.next))
		if _, err := delta.Apply(c.to, base, d); !errors.Is(err, c.want) {
			t.Errorf("Apply(%s) = %v, want %v", c.name, err, c.want)
		}
	}
}

// limited takes so many octets and then fails.
type limited struct {
	left int
	err  error
}

func (l *limited) Write(b []byte) (int, error) {
	if l.left -= len(b); l.left < 0 {
		return 0, l.err
	}
	return len(b), nil
}

// P7: a delta cut short is refused. Of flipped bits the digests in the signed head are the judge; here most are refused (where a
// section tells of a single entry, nothing was learned yet and many octets tell something), and none makes anybody panic.
func TestP7OpenRefusesDamage(t *testing.T) {
	w := newWorld(12, false, crlset.Full, 400)
	p := w.plan()
	file := written(t, p, w.list())
	w.turn(1)
	for range 30 {
		w.add(2)
	}
	b := between(t, opened(t, file), w.plan(), w.list())
	for n := range b {
		if _, err := delta.Open(b[:n]); !errors.Is(err, delta.ErrFormat) {
			t.Fatalf("Open(%d of %d octets) = %v, want ErrFormat", n, len(b), err)
		}
	}
	if _, err := delta.Open(append(bytes.Clone(b), 0)); !errors.Is(err, delta.ErrFormat) {
		t.Errorf("Open(an octet more) = %v, want ErrFormat", err)
	}
	accepted := 0
	behind := 12 + int(b[8]) + int(b[9])<<8
	for at := range b {
		for bit := range 8 {
			bad := bytes.Clone(b)
			bad[at] ^= 1 << bit
			d, err := delta.Open(bad)
			if err != nil {
				continue
			}
			_, _ = delta.Apply(&bytes.Buffer{}, opened(t, file), d) // another newest date, another plan: whatever, but no panic
			if at >= behind {
				accepted++
			}
		}
	}
	if flips := 8 * (len(b) - behind); accepted > flips/10 {
		t.Errorf("Open took %d of %d deltas with a flipped bit", accepted, flips)
	}
}

func FuzzOpen(f *testing.F) {
	w := newWorld(13, false, crlset.Full, 60)
	p := w.plan()
	file := written(f, p, w.list())
	base := opened(f, file)
	f.Add(between(f, base, p, w.list()))
	f.Add(between(f, base, p, nil))
	w.turn(1)
	w.add(1)
	f.Add(between(f, base, p, w.list()))
	f.Add(between(f, base, w.plan(), w.list()))
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := delta.Open(in)
		if err != nil {
			return
		}
		var next bytes.Buffer
		if _, err := delta.Apply(&next, base, d); err != nil {
			return
		}
		made := opened(t, next.Bytes())
		var again, back bytes.Buffer
		if _, err := delta.Write(&again, base, made.Source(), made.Plan()); err != nil {
			t.Fatalf("Write(what a delta made) = %v", err)
		}
		if _, err := delta.Apply(&back, base, read(t, again.Bytes())); err != nil || !bytes.Equal(back.Bytes(), next.Bytes()) {
			t.Fatalf("the same change again makes another set: %v", err)
		}
	})
}

// P7: a base that is damaged though trusted makes an error or another file, but nobody panics or runs on.
func TestP7ApplySurvivesADamagedBase(t *testing.T) {
	for _, wide := range []bool{false, true} {
		w := newWorld(14, wide, crlset.Full, 150)
		p := crlset.Plan{
			Columns: crlset.Full, Reasons: []crlset.Reason{0, 1, 4, 5, 6}, DateBase: firstDay, DateSpan: 30 * 86400,
			Regions: []crlset.Region{{Shift: 10, Blocks: 1 << (narrowBits - 10)}},
		}
		if wide {
			p.Regions = []crlset.Region{{Tail: 96, Shift: 60, Blocks: 16}}
		}
		file := written(t, p, w.list())
		for day := range 6 {
			w.turn(day)
			w.add(day)
		}
		d := read(t, between(t, opened(t, file), p, w.list()))
		for at := 0; at < len(file); at += 1 + len(file)/1000 {
			bad := bytes.Clone(file)
			bad[at] ^= 1 << (at % 8)
			if set, err := crlset.Open(bad); err == nil {
				_, _ = delta.Apply(&bytes.Buffer{}, set, d)
			}
		}
	}
}
