package journal_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

func waiting(t testing.TB, j *journal.Journal) uint64 {
	t.Helper()
	n, err := j.Waiting(t.Context())
	if err != nil {
		t.Fatalf("Waiting() = %v", err)
	}
	return n
}

func TestP2OnlyTheOwnChainValueCounts(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	var id record.ID
	for n := range 6 {
		id = add(t, j, n)
	}
	c.pull(j, journal.Limits{})
	good := c.runs(id.Epoch, ack.Safe)[0]
	for _, tc := range []struct {
		name   string
		change func(*ack.Ack)
		want   error
		left   uint64
	}{
		{"chain value of other bytes", func(a *ack.Ack) { a.Ranges[0].Chain[0]++ }, nil, 6},
		{"beyond the end", func(a *ack.Ack) { a.Ranges[0].Last = 7 }, nil, 6},
		{"an epoch that is nobody's", func(a *ack.Ack) { a.Ranges[0].Epoch = record.NewEpochID() }, nil, 6},
		{"backwards", func(a *ack.Ack) { a.Ranges[0].First = 7 }, ack.ErrAck, 6},
		{"from nothing", func(a *ack.Ack) { a.Ranges[0].First = 0 }, ack.ErrAck, 6},
		{"another box's", func(a *ack.Ack) { a.Box = record.NewBoxID() }, journal.ErrOtherBox, 6},
		{"version too large", func(a *ack.Ack) { a.Version.N = 1 << 63 }, ack.ErrAck, 6},
		{"no range", func(a *ack.Ack) { a.Ranges = nil }, nil, 6},
		{"good", func(*ack.Ack) {}, nil, 0},
	} {
		a := ack.Ack{Version: rule.Version{CentralEpoch: 1, N: 5}, Box: c.box, Ranges: []ack.Range{good}}
		tc.change(&a)
		if err := j.Accept(t.Context(), a); !errors.Is(err, tc.want) {
			t.Errorf("%s: Accept() = %v, want %v", tc.name, err, tc.want)
		}
		if got := waiting(t, j); got != tc.left {
			t.Errorf("%s: waiting = %d, want %d", tc.name, got, tc.left)
		}
	}
}

func TestReceivedThenSafeInAnyOrder(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	var ids []record.ID
	for n := range 10 {
		ids = append(ids, add(t, j, n))
	}
	c.pull(j, journal.Limits{})
	all := c.held[ids[0].Epoch]
	part := func(first, last record.Seq, level ack.Level) ack.Range {
		h := c.headers[ids[0].Epoch].Root
		for s := record.Seq(1); s <= last; s++ {
			h = h.Next(all[s])
		}
		return ack.Range{Epoch: ids[0].Epoch, First: first, Last: last, Chain: h, Level: level}
	}
	steps := []struct {
		r             ack.Range
		waiting       uint64
		unsafe        int
		state3, stat9 journal.State
	}{
		{part(8, 10, ack.Safe), 7, 1, journal.Waiting, journal.Safe},
		{part(2, 4, ack.Received), 4, 1, journal.Received, journal.Safe},
		{part(8, 9, ack.Received), 4, 1, journal.Received, journal.Safe}, // an older word changes nothing
		{part(1, 7, ack.Received), 0, 1, journal.Received, journal.Safe},
		{part(1, 8, ack.Safe), 0, 0, journal.Safe, journal.Safe},
	}
	for i, s := range steps {
		n := uint64(len(steps) - i) // acknowledgements overtake each other
		c.accept(j, ack.Ack{Version: rule.Version{CentralEpoch: 1, N: n}, Box: c.box, Ranges: []ack.Range{s.r}})
		for range 2 { // as it is, and as read from the disk
			if got := waiting(t, j); got != s.waiting {
				t.Errorf("step %d: waiting = %d, want %d", i, got, s.waiting)
			}
			ids2, err := j.Epochs(t.Context())
			if err != nil || len(ids2) != s.unsafe {
				t.Errorf("step %d: Epochs() = %v, %v, want %d", i, ids2, err, s.unsafe)
			}
			for k, want := range map[int]journal.State{2: s.state3, 8: s.stat9} {
				if r, err := j.Row(t.Context(), ids[k]); err != nil || r.State != want {
					t.Errorf("step %d: state of %d = %d, %v, want %d", i, k+1, r.State, err, want)
				}
			}
			shut(t, j)
			j = c.open(path)
		}
	}
	if got, want := j.Version(), (rule.Version{CentralEpoch: 1, N: 5}); got != want {
		t.Errorf("Version() = %v, want %v", got, want)
	}
}

// TestP2RestoredCentralIsCompletedByTheBox: a higher central epoch voids what was acknowledged, but for what is deleted here.
func TestP2RestoredCentralIsCompletedByTheBox(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	want := map[record.ID]string{}
	put := func(from, to int) {
		for n := from; n < to; n++ {
			want[add(t, j, n)] = string(text(n))
		}
	}
	put(0, 5)
	c.settle(j, ack.Safe)
	if n, err := j.Prune(t.Context(), 0); err != nil || n != 5 {
		t.Fatalf("Prune() = %d, %v, want 5", n, err)
	}
	backup := map[record.EpochID]map[record.Seq][]byte{}
	for id, r := range c.held {
		backup[id] = map[record.Seq][]byte{}
		maps.Copy(backup[id], r)
	}
	headers := maps.Clone(c.headers)
	put(5, 8) // received after the backup
	j.Renew(epoch.CauseClock)
	put(8, 11)
	c.settle(j, ack.Received)
	older := c.acknowledge(ack.Received)

	c.held, c.headers, c.epoch, c.n = backup, headers, 2, 0 // the second epoch's header is gone as well
	c.accept(j, c.acknowledge(ack.Safe))
	if got := waiting(t, j); got != 6 {
		t.Errorf("waiting after the restoration = %d, want 6", got)
	}
	if err := j.Accept(t.Context(), older); !errors.Is(err, journal.ErrCentralBehind) {
		t.Errorf("Accept(from before) = %v, want ErrCentralBehind", err)
	}
	shut(t, j)
	j = c.open(path)
	c.settle(j, ack.Received)
	c.want(want)
	if got := waiting(t, j); got != 0 {
		t.Errorf("waiting = %d, want 0", got)
	}
}

// TestP2WhatWasDeletedHereIsSafeOnlyByTodaysCentral: after a restoration a copy elsewhere may be the last one.
func TestP2WhatWasDeletedHereIsSafeOnlyByTodaysCentral(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	var id record.ID
	for n := range 5 {
		id = add(t, j, n)
	}
	c.settle(j, ack.Safe)
	if n, err := j.Prune(t.Context(), 0); err != nil || n != 5 {
		t.Fatalf("Prune() = %d, %v, want 5", n, err)
	}
	held := c.held
	for _, s := range []struct {
		name  string
		epoch uint64
		held  map[record.EpochID]map[record.Seq][]byte
		want  bool
	}{
		{"before", 1, held, true},
		{"restored to before it had them", 2, nil, false},
		{"a copy was brought", 2, held, true},
	} {
		c.epoch, c.held = s.epoch, s.held
		c.accept(j, c.acknowledge(ack.Safe))
		for range 2 { // as it is, and as read from the disk
			n, err := j.Unsafe(t.Context())
			if got := j.Safe(id.Epoch, 1, 5); got != s.want || waiting(t, j) != 0 || n != 0 || err != nil {
				t.Errorf("%s: Safe() = %t, want %t; %d wait, %d unsafe, %v", s.name, got, s.want, waiting(t, j), n, err)
			}
			shut(t, j)
			j = c.open(path)
		}
	}
}

func TestPruneDeletesOnlyWhatIsSafe(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path)
	const taps = 300
	var ids []record.ID
	for n := range taps {
		if n%100 == 0 {
			j.Renew(epoch.CauseClock)
		}
		ids = append(ids, add(t, j, n))
	}
	if n, err := j.Prune(t.Context(), 1); err != nil || n != 0 {
		t.Fatalf("Prune(nothing safe) = %d, %v", n, err)
	}
	for c.pull(j, journal.Limits{Envelopes: 50}) > 0 {
		c.accept(j, c.acknowledge(ack.Received))
	}
	if n, err := j.Prune(t.Context(), 1); err != nil || n != 0 {
		t.Fatalf("Prune(received) = %d, %v", n, err)
	}
	c.accept(j, c.acknowledge(ack.Safe, ids[0].Epoch, ids[299].Epoch)) // the middle epoch is not safe
	if n, err := j.Prune(t.Context(), 20); err != nil || n != 200+100 {
		t.Fatalf("Prune() = %d, %v, want 200 envelopes and 100 taps", n, err)
	}
	rows, err := j.Taps(t.Context(), 1000)
	if err != nil || len(rows) != 200 {
		t.Errorf("Taps() = %d rows, %v; want 200: the oldest 100 forgotten, the rest behind one that waits", len(rows), err)
	}
	if _, err := j.Row(t.Context(), ids[99]); !errors.Is(err, journal.ErrNoRow) {
		t.Errorf("Row(forgotten) = %v, want ErrNoRow", err)
	}
	c.accept(j, c.acknowledge(ack.Safe))
	if n, err := j.Prune(t.Context(), 20); err != nil || n != 100+180 {
		t.Fatalf("Prune() = %d, %v, want 100 envelopes and 180 taps", n, err)
	}
	for range 2 {
		rows, err = j.Taps(t.Context(), 1000)
		if err != nil || len(rows) != 20 || rows[0].ID != ids[299] {
			t.Errorf("Taps() = %d rows, %v; want the newest 20", len(rows), err)
		}
		shut(t, j)
		j = c.open(path)
	}
	next := add(t, j, taps)
	c.settle(j, ack.Received)
	if got := c.header(next.Epoch).Predecessor; got != c.end(ids[299].Epoch) {
		t.Errorf("predecessor after pruning = %+v, want %+v", got, c.end(ids[299].Epoch))
	}
}

func TestLiveFirstAndABoundedShareOfBacklog(t *testing.T) {
	c := newCentral(t)
	j := c.open(newPath(t))
	var ids []record.ID
	for n := range 100 {
		if n%7 == 0 {
			j.Renew(epoch.CauseClock)
		}
		ids = append(ids, add(t, j, n))
	}
	p, err := j.Unsent(t.Context(), journal.Limits{Envelopes: 8, Backlog: 2})
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, b := range p.Envelopes {
		e, err := epoch.DecodeEnvelope(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, slices.Index(ids, e.ID()))
	}
	if want := []int{99, 98, 97, 0, 96, 95, 94, 1}; !slices.Equal(got, want) {
		t.Errorf("Unsent() = %v, want %v", got, want)
	}
	if len(p.Headers) != 3 {
		t.Errorf("%d headers, want 3: of each epoch in the batch once", len(p.Headers))
	}
	for _, l := range []journal.Limits{{}, {Envelopes: 1}, {Envelopes: 3, Bytes: 1}, {Envelopes: 5, Backlog: 4}, {Bytes: 5000}} {
		t.Run(fmt.Sprint(l), func(t *testing.T) {
			p, err := j.Unsent(t.Context(), l)
			if err != nil || len(p.Envelopes) == 0 {
				t.Fatalf("Unsent() = %d envelopes, %v", len(p.Envelopes), err)
			}
			size := 0
			for _, b := range slices.Concat(p.Headers, p.Envelopes) {
				size += len(b)
			}
			if l.Bytes > 0 && size > l.Bytes && len(p.Envelopes) > 1 || l.Envelopes > 0 && len(p.Envelopes) > l.Envelopes {
				t.Errorf("Unsent() = %d envelopes, %d octets", len(p.Envelopes), size)
			}
		})
	}
	for step := 0; waiting(t, j) > 0; step++ { // every batch brings it forward
		before := waiting(t, j)
		n := c.pull(j, journal.Limits{Envelopes: 9, Backlog: 3})
		c.accept(j, c.acknowledge(ack.Received))
		if got := waiting(t, j); got != before-uint64(n) {
			t.Fatalf("step %d: waiting %d after %d of %d", step, got, n, before)
		}
	}
	if len(c.opened()) != 100 {
		t.Errorf("central holds %d, want 100", len(c.opened()))
	}
}
