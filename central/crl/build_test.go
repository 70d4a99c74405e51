package crl_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

func (r *rig) look(n int64) crl.State {
	r.Helper()
	st, err := r.store.Lookup(auth, serial(r, n))
	must(r, err)
	return st
}

func (r *rig) blob(b wire.Blob) []byte {
	r.Helper()
	f, err := r.store.OpenBlob(b.ID)
	must(r, err)
	defer f.Close()
	octets, err := io.ReadAll(f)
	must(r, err)
	if uint64(len(octets)) != b.Size {
		r.Fatalf("blob has %d octets, want %d", len(octets), b.Size)
	}
	return octets
}

// offer is what a box that holds this is offered; nothing is false.
func (r *rig) offer(held ...wire.HeldSet) (wire.SetOffer, bool) {
	r.Helper()
	all := r.store.Offers(held)
	if len(all) > 1 {
		r.Fatalf("Offers = %d sets of one scope", len(all))
	}
	if len(all) == 0 {
		return wire.SetOffer{}, false
	}
	return all[0], true
}

func holding(h manifest.Head) wire.HeldSet {
	return wire.HeldSet{Hierarchy: h.Hierarchy, Purpose: h.Purpose, Number: h.Number, Root: wire.BlobID(h.Root)}
}

// history is some days of lists, number n made at hour n*24-1000: which serials stand on each, with dates and reasons.
func history(days int) [][]entry {
	rng := rand.New(rand.NewPCG(1, 2))
	now := map[int64]entry{}
	var all [][]entry
	for d := range days {
		hour := d*24 - 1000
		for range 12 {
			now[rng.Int64N(400)+1] = entry{rng.Int64N(400) + 1, 0, 0}
			n := rng.Int64N(400) + 1
			now[n] = entry{n, hour - rng.IntN(24), []int{0, 1, 3, 4, 5, 6}[rng.IntN(6)]}
		}
		for n, e := range now {
			if e.serial != n || e.reason == 6 && rng.IntN(2) == 0 || rng.IntN(20) == 0 { // lifted, or expired
				delete(now, n)
			}
		}
		var list []entry
		for _, e := range now {
			list = append(list, e)
		}
		all = append(all, list)
	}
	return all
}

// model is what a list says of a serial as of a time.
func model(list []entry, n int64, at time.Time) record.Answer {
	for _, e := range list {
		if e.serial == n && !day.Add(time.Duration(e.hours)*time.Hour).After(at) {
			if e.reason == 6 {
				return record.AnswerOnHold
			}
			return record.AnswerRevoked
		}
	}
	return record.AnswerNotRevoked
}

func stricter(a, b record.Answer) record.Answer {
	order := []record.Answer{record.AnswerNotRevoked, record.AnswerOnHold, record.AnswerRevoked}
	return order[max(slices.Index(order, a), slices.Index(order, b))]
}

// P7, design §6: what any past set said can be told for every serial, holds since lifted included, and the chain of deltas makes of each
// day's set the newest, octet for octet.
func TestP7AsOfAndDeltasOverAHistory(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	lists := history(16)
	var heads []manifest.Head
	var sets [][]byte
	for d, list := range lists {
		r.now = day.Add(time.Duration(d*24-999) * time.Hour)
		r.take(r.list(r.by[4], "", int64(d+1), d*24-1000, list...))
		heads = append(heads, r.build())
		o, ok := r.offer()
		if !ok || o.Number != heads[d].Number || len(o.Deltas) != 0 {
			t.Fatalf("day %d: a box with nothing is offered %+v, %v, want the set alone", d, o, ok)
		}
		sets = append(sets, r.blob(o.Set))
		if d == 8 {
			r.open()
		}
	}
	r.open()
	for d := range lists {
		for _, hours := range []int{0, 5, 23, -1} {
			at := day.Add(time.Duration(d*24-1000+hours) * time.Hour)
			since := max(d+min(hours, 0), 0)
			for n := int64(1); n <= 400; n += 7 {
				past, err := r.store.AsOf(auth, serial(t, n), at, at)
				must(t, errors.Join(err, past.Gap))
				want := record.AnswerNotRevoked
				for _, list := range lists[since:] {
					want = stricter(want, model(list, n, at))
				}
				if past.Answer != want {
					t.Fatalf("day %d %+d hours, serial %d: AsOf = %v by set %v, want %v", d, hours, n, past.Answer, past.By.Number, want)
				}
			}
		}
	}
	for d := range heads[:len(heads)-1] {
		r.follow(heads[d], sets[d], sets[len(sets)-1])
	}
	if o, ok := r.offer(holding(heads[len(heads)-1])); ok {
		t.Errorf("Offers to a box with the newest = %+v, want none", o)
	}
}

// follow applies the offered chain to what a box holds.
func (r *rig) follow(from manifest.Head, base, want []byte) {
	r.Helper()
	o, ok := r.offer(holding(from))
	if !ok || len(o.Deltas) == 0 || o.Deltas[0].Base != from.Number || o.Deltas[len(o.Deltas)-1].Next != o.Number {
		r.Fatalf("Offers to %v = %+v, %v, want a chain", from.Number, o, ok)
	}
	var chain []*delta.Delta
	m, _, err := manifest.Decode(r.keys(), r.blob(o.Manifest))
	must(r, err)
	for i, step := range o.Deltas {
		head, next, err := manifest.OpenDelta(r.keys(), r.blob(step.Head))
		must(r, err)
		if head.Base != step.Base || next.Number != step.Next || wire.BlobID(head.BlobID()) != step.Delta.ID || head.Root != from.Root {
			r.Fatalf("step %d: delta head is not the one offered", i)
		}
		d, err := delta.Open(r.blob(step.Delta))
		must(r, err)
		chain, from = append(chain, d), next
	}
	set, err := crlset.Open(base)
	must(r, err)
	var out bytes.Buffer
	sum, err := delta.Apply(&out, set, chain...)
	must(r, err)
	if !bytes.Equal(out.Bytes(), want) || !bytes.Equal(sum.Digests, m.Digests) {
		r.Errorf("the chain of %d deltas from %v makes another set", len(chain), from.Number)
	}
}

func TestOffersOnlyWhatLeadsOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	var heads []manifest.Head
	for d := range wire.MaxDeltas + 3 {
		r.now = day.Add(time.Duration(d) * time.Hour)
		r.take(r.list(r.by[4], "", int64(d+1), d, entry{int64(d + 1), -100, 1}))
		heads = append(heads, r.build())
	}
	newest := heads[len(heads)-1]
	for name, try := range map[string]struct {
		held   wire.HeldSet
		offer  bool
		deltas int
	}{
		"a set too far back":       {holding(heads[1]), true, 0},
		"the farthest":             {holding(heads[2]), true, wire.MaxDeltas},
		"the one before":           {holding(heads[len(heads)-2]), true, 1},
		"the newest":               {holding(newest), false, 0},
		"another with that number": {wire.HeldSet{Hierarchy: 3, Purpose: 1, Number: heads[4].Number}, true, 0},
		"a number never given":     {func() wire.HeldSet { h := holding(heads[4]); h.Number.N--; h.Number.CentralEpoch = 0; return h }(), true, 0},
		"a newer one":              {func() wire.HeldSet { h := holding(newest); h.Number.N++; return h }(), false, 0},
		"another scope's":          {wire.HeldSet{Hierarchy: 3, Purpose: 2, Number: newest.Number}, true, 0},
	} {
		o, ok := r.offer(try.held)
		if ok != try.offer || len(o.Deltas) != try.deltas || ok && o.Number != newest.Number {
			t.Errorf("Offers(%s) = %v with %d deltas, want %v with %d", name, ok, len(o.Deltas), try.offer, try.deltas)
		}
	}
	if _, err := r.store.OpenBlob(wire.BlobID{1}); !errors.Is(err, crl.ErrNone) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenBlob(unknown) = %v, want ErrNone", err)
	}
	r.now = r.now.AddDate(0, 2, 0)
	r.take(r.list(r.by[4], "", 100, 1400))
	r.build()
	if left := tree(t, filepath.Join(r.dir, "practice-auth", "sets")); strings.Count(left, ".delta") != wire.MaxDeltas+1 || strings.Count(left, ".set") != 2 {
		t.Errorf("after two months the folder holds %s, want %d deltas and two sets", left, wire.MaxDeltas+1)
	}
	then := day.Add(30 * time.Minute)
	if past, err := r.store.AsOf(auth, serial(t, 1), then, then); err != nil || past.Gap != nil || past.By.Number != heads[0].Number {
		t.Errorf("AsOf the first set = %+v, %v, want it told still", past, err)
	}
}

// P7: of partitions either all are in a set or there is none, and the set is as old as the oldest.
func TestP7NothingIncompleteIsPublished(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{Sources: []string{"http://a.example/", "http://b.example/", "http://c.example/"}})
	take := func(name string, number int64, hours int, entries ...entry) {
		t.Helper()
		der := r.list(r.by[4], name, number, hours, entries...)
		_, err := r.store.Ingest(t.Context(), bytes.NewReader(der), crl.IngestOptions{Scope: auth, From: "http://" + name + ".example/"})
		must(t, err)
	}
	r.refuse("a whole list", r.list(r.by[4], "", 1, -10), crl.ErrPartition)
	take("a", 5, -10, entry{10, -30, 6}, entry{30, -30, 4})
	take("c", 9, -12, entry{20, -30, 1}, entry{10, -29, 1})
	_, err := r.store.Build(t.Context(), auth)
	var missing *crl.IncompleteError
	if !errors.Is(err, crl.ErrIncomplete) || !errors.As(err, &missing) || missing.Have != 2 || missing.Want != 3 ||
		!slices.Equal(missing.Missing, []string{"http://b.example/"}) {
		t.Errorf("Build = %v, want b missing", err)
	}
	if _, err := r.store.Lookup(auth, serial(t, 10)); !errors.Is(err, crl.ErrNone) {
		t.Errorf("Lookup = %v, want ErrNone", err)
	}
	take("b", 2, -11)
	h := r.build()
	if h.Rows != 3 || h.Entries != 3 || h.At() != day.Add(-12*time.Hour).UTC() || h.NextUpdate != day.Add(12*time.Hour).Unix() {
		t.Errorf("Build = %d rows, %d entries, of %v until %v", h.Rows, h.Entries, h.At(), time.Unix(h.NextUpdate, 0))
	}
	if st := r.look(10); st.Reason != crlset.KeyCompromise {
		t.Errorf("a serial on hold in one partition and revoked in another is %v, want revoked", st.Reason)
	}
	take("c", 10, -3)
	if st := func() crl.State { r.build(); return r.look(10) }(); st.Reason != crlset.CertificateHold || r.look(20).Listed {
		t.Errorf("after a new list of c: %+v, want what a says alone", st)
	}
	r.expect.Sources = r.expect.Sources[:2] // c is no more
	r.open()
	if h := r.build(); h.Rows != 2 || h.Entries != 2 {
		t.Errorf("Build without c = %d rows, %d entries, want 2 and 2", h.Rows, h.Entries)
	}
}

// P7: what an address hands out replaces what it handed out before, under whatever name.
func TestP7RenamedPartitionsReplaceEachOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{Sources: []string{"http://a.example/", "http://b.example/"}})
	take := func(from, name string, hours int, entries ...entry) {
		t.Helper()
		der := r.list(r.by[4], name, int64(100+hours), hours, entries...)
		_, err := r.store.Ingest(t.Context(), bytes.NewReader(der), crl.IngestOptions{Scope: auth, From: from})
		must(t, err)
	}
	take("http://a.example/", "old name", -20, entry{5, -30, 6})
	take("http://b.example/", "b", -10, entry{6, -30, 1})
	r.build()
	take("http://a.example/", "new name", -9, entry{7, -30, 1})
	if h := r.build(); h.Rows != 2 || !h.At().Equal(day.Add(-10*time.Hour)) || r.look(5).Listed || !r.look(6).Listed || !r.look(7).Listed {
		t.Errorf("Build = %d partitions of %v, want the new name and b", h.Rows, h.At())
	}
	take("http://b.example/", "old name", -12, entry{8, -30, 1}) // one that is older than what b hands out
	if h := r.build(); h.Rows != 2 || !r.look(6).Listed || r.look(8).Listed {
		t.Errorf("Build = %d partitions, want b as it was", h.Rows)
	}
}

func TestP7ManyPartitions(t *testing.T) {
	t.Parallel()
	assemble(newRig(t, crl.Expect{Count: 70}), 70) // more than are kept at a time
}

// assemble makes a set from so many partitions, and then from one newer.
func assemble(r *rig, parts int) {
	var urls []string
	for i := range parts {
		urls = append(urls, fmt.Sprintf("http://lists.example/%d", i))
	}
	client := &http.Client{Transport: trips(func(q *http.Request) *http.Response {
		i, err := strconv.Atoi(path.Base(q.URL.Path))
		must(r, err)
		der := r.list(r.by[4], fmt.Sprintf("municipality %d", i), 1, -10, entry{int64(i + 1), -20, 4})
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(der))}
	})}
	fresh := 0
	for range 2 { // the second time nothing is new
		r.store.FetchAll(r.Context(), client, urls, crl.IngestOptions{Scope: auth}, 4, func(res crl.Result, err error) {
			must(r, err)
			if res.Fresh {
				fresh++
			}
		})
	}
	if fresh != parts {
		r.Errorf("FetchAll took %d lists, want %d", fresh, parts)
	}
	last := int64(parts)
	if h := r.build(); int(h.Rows) != parts || int(h.Entries) != parts {
		r.Errorf("Build = %d rows, %d entries, want %d of both", h.Rows, h.Entries, parts)
	}
	if !r.look(last).Listed || r.look(last+1).Listed {
		r.Error("the last serial of all is not listed, or one after it is")
	}
	r.take(r.list(r.by[4], "municipality 7", 2, -9, entry{8, -20, 4}, entry{last + 1, -19, 5}))
	if h := r.build(); int(h.Entries) != parts+1 || !r.look(last+1).Listed {
		r.Errorf("Build with one partition newer = %d entries, want one more", h.Entries)
	}
}

func TestNumbersOnlyRise(t *testing.T) { // P6
	r := newRig(t, crl.Expect{})
	r.take(r.list(r.by[4], "", 1, -10))
	first := r.build()
	if again := r.build(); again.Number != first.Number {
		t.Errorf("Build of what has not changed = %v, want %v", again.Number, first.Number)
	}
	r.now = r.now.Add(-time.Hour) // a clock that was put right
	r.take(r.list(r.by[4], "", 2, -9))
	second := r.build()
	if second.Number.Compare(first.Number) <= 0 || second.Entries != 0 || second.At().Equal(first.At()) {
		t.Errorf("Build of a newer list that says the same = %v of %v, want above %v", second.Number, second.At(), first.Number)
	}
	r.epoch = 0 // a database that was made anew
	r.open()
	r.take(r.list(r.by[4], "", 3, -8))
	third := r.build()
	if third.Number.Compare(second.Number) <= 0 {
		t.Errorf("Build under an older central epoch = %v, want above %v", third.Number, second.Number)
	}
	r.epoch = 5
	r.open()
	r.take(r.list(r.by[4], "", 4, -7))
	fourth := r.build()
	if fourth.Number.CentralEpoch != 5 {
		t.Errorf("Build after a restore = %v, want epoch 5", fourth.Number)
	}
	must(t, r.store.Close())
	must(t, os.RemoveAll(r.dir)) // it is in no backup
	r.now = day.Add(time.Minute)
	r.open()
	r.take(r.list(r.by[4], "", 5, -6))
	if h := r.build(); h.Number.Compare(fourth.Number) <= 0 {
		t.Errorf("Build in a folder that was lost = %v, want above %v", h.Number, fourth.Number)
	}
}

// P7: a set on a disk that lies is made anew from the lists, and only newer numbers go out.
func TestP7DamageIsMadeGood(t *testing.T) {
	t.Parallel()
	for _, end := range []string{".set", ".manifest", "state"} {
		r := newRig(t, crl.Expect{})
		r.take(r.list(r.by[4], "", 1, -10, entry{5, -20, 1}))
		first := r.build()
		path := filepath.Join(r.dir, "practice-auth", "sets", fmt.Sprintf("%d-%d%s", first.Number.CentralEpoch, first.Number.N, end))
		if end == "state" {
			path = filepath.Join(r.dir, "practice-auth", "state.cbor")
		}
		b, err := os.ReadFile(path)
		must(t, err)
		b[len(b)/2] ^= 0x10
		must(t, os.WriteFile(path, b, 0o600))
		r.open()
		if end == "state" {
			r.take(r.list(r.by[4], "", 1, -10, entry{5, -20, 1}))
		}
		if end == ".set" {
			if _, err := r.store.Lookup(auth, serial(t, 5)); err == nil {
				t.Error("Lookup in a damaged set answers")
			}
		}
		h := r.build()
		if st := r.look(5); st.Reason != crlset.KeyCompromise || h.Number.Compare(first.Number) < 0 {
			t.Errorf("after damage to %s: %v says %+v, want the entry", end, h.Number, st)
		}
		if h.Number == first.Number && end != "state" {
			t.Errorf("after damage to %s: the same number goes out again", end)
		}
	}
}

// An authority that is believed no more takes its lists along.
func TestP7ListsOfAForgottenKeyDoNotCount(t *testing.T) {
	r := newRig(t, crl.Expect{})
	r.take(r.list(r.by[2], "", 1, -10, entry{5, -20, 1}))
	h := r.build()
	if len(h.Issuers) != 2 { // generations 1 and 2
		t.Errorf("a list by generation 2 covers %d keys, want 2", len(h.Issuers))
	}
	all := r.anchors
	r.forget(2)
	r.open()
	if _, err := r.store.Lookup(auth, serial(t, 5)); !errors.Is(err, crl.ErrNone) {
		t.Errorf("Lookup in a set by a forgotten key = %v, want ErrNone", err)
	}
	if _, err := r.store.Build(t.Context(), auth); !errors.Is(err, crl.ErrIncomplete) {
		t.Errorf("Build = %v, want ErrIncomplete", err)
	}
	if _, ok := r.offer(); ok {
		t.Error("a set by a forgotten key is offered")
	}
	r.anchors = all
	r.open()
	if got := r.build(); got.Number != h.Number {
		t.Errorf("Build with the key back = %v, want %v", got.Number, h.Number)
	}
}

// P7: an index that the disk spoiled is made anew from the same list.
func TestP7DamagedIndexesAreTakenAgain(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(path string) error{
		"gone": os.Remove,
		"cut":  func(path string) error { return os.Truncate(path, 20) },
		"other": func(path string) error {
			b, err := os.ReadFile(path)
			if err == nil {
				b[len(b)/2] ^= 1
				err = os.WriteFile(path, b, 0o600)
			}
			return err
		},
	} {
		r := newRig(t, crl.Expect{})
		der := r.list(r.by[4], "", 7, -10, entry{5, -20, 1})
		r.take(der)
		must(t, spoil(filepath.Join(r.dir, "practice-auth", "lists", "0.idx")))
		if h, err := r.store.Build(t.Context(), auth); err == nil {
			t.Fatalf("Build over an index that is %s = set %v", name, h.Number)
		}
		r.open()
		if _, err := r.store.Build(t.Context(), auth); !errors.Is(err, crl.ErrIncomplete) {
			t.Errorf("Build after an index was %s = %v, want ErrIncomplete", name, err)
		}
		r.refuse("another list with that number", r.list(r.by[4], "", 7, -9), crl.ErrSameNumber)
		r.take(der)
		if r.build(); !r.look(5).Listed {
			t.Errorf("after an index was %s the list does not count", name)
		}
	}
}

// P7: a set that is spoiled while it is in use answers nothing, and the next look at the lists mends it.
func TestP7DamageUnderAnOpenSet(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	var list []entry
	for n := range int64(40_000) {
		list = append(list, entry{n*3 + 1, -int(n%5000) - 20, 4})
	}
	r.take(r.long(7, -10, list))
	h := r.build()
	if h.Size < 2*crlset.ChunkSize {
		t.Fatalf("the set has %d octets, want several chunks", h.Size)
	}
	f, err := os.OpenFile(filepath.Join(r.dir, "practice-auth", "sets", crl.Number(h.Number)+".set"), os.O_WRONLY, 0)
	must(t, err)
	r.open() // nothing of the first chunks was looked at
	_, err = f.WriteAt(make([]byte, crlset.ChunkSize), crlset.ChunkSize)
	must(t, errors.Join(err, f.Close()))
	failed := 0
	for _, e := range list[:20_000] {
		if _, err := r.store.Lookup(auth, serial(t, e.serial)); err != nil {
			failed++
		}
	}
	if failed == 0 {
		t.Fatal("every lookup in a spoiled chunk answers")
	}
	again := r.build()
	if again.Number.Compare(h.Number) <= 0 || again.Entries != h.Entries {
		t.Errorf("Build = set %v of %d entries, want a newer one with %d", again.Number, again.Entries, h.Entries)
	}
	for _, e := range list {
		if !r.look(e.serial).Listed {
			t.Fatal("a serial is not listed")
		}
	}
	then := day.Add(-11 * time.Hour)
	if past, err := r.store.AsOf(auth, serial(t, 2), then, then); err != nil || !errors.Is(past.Gap, crl.ErrHistory) {
		t.Errorf("AsOf before a set that could not be read = %v, %v, want ErrHistory", past.Gap, err)
	}
}

// A set whose manifest could not be made durable was told to nobody, and its number is not given again.
func TestP6AFailedPublicationKeepsItsNumber(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	r.take(r.list(r.by[4], "", 1, -10, entry{5, -20, 6}))
	first := r.build()
	r.take(r.list(r.by[4], "", 2, -9, entry{6, -20, 1}))
	sets := filepath.Join(r.dir, "practice-auth", "sets")
	taken := filepath.Join(sets, fmt.Sprintf("%d-%d.manifest", first.Number.CentralEpoch, first.Number.N+1))
	must(t, os.Mkdir(taken, 0o700)) // no file can take its name
	if h, err := r.store.Build(t.Context(), auth); err == nil {
		t.Fatalf("Build where the manifest has no room = set %v", h.Number)
	}
	must(t, os.Remove(taken))
	h := r.build()
	if h.Number.N != first.Number.N+2 {
		t.Errorf("Build after one that failed = %v, want the number after the next of %v", h.Number, first.Number)
	}
	for range 2 {
		then := day.Add(-10 * time.Hour)
		past, err := r.store.AsOf(auth, serial(t, 5), then, then)
		if err != nil || past.By.Number != first.Number || past.Answer != record.AnswerOnHold {
			t.Errorf("AsOf the first set = %+v, %v, want the hold", past, err)
		}
		if o, ok := r.offer(holding(first)); !ok || len(o.Deltas) != 1 {
			t.Errorf("Offers from the first set = %d deltas, want the one that leads past the failure", len(o.Deltas))
		}
		r.open()
	}
}

// Answers go on while lists are taken and sets made.
func TestAnswersWhileSetsAreMade(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	r.take(r.list(r.by[4], "", 1, -30, entry{5, -40, 1}))
	r.build()
	var lists [][]byte
	for n := range int64(8) {
		lists = append(lists, r.list(r.by[4], "", n+2, int(n)-20, entry{5, -40, 1}, entry{n + 10, -40, 4}))
	}
	ended := make(chan struct{})
	var asking sync.WaitGroup
	five, held := serial(t, 5), wire.HeldSet{}
	for range 3 {
		asking.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				now, err := r.store.Lookup(auth, five)
				then := day.Add(-25 * time.Hour)
				past, err2 := r.store.AsOf(auth, five, then, then)
				if err := errors.Join(err, err2, past.Gap); err != nil || !now.Listed || past.Answer != record.AnswerRevoked {
					t.Errorf("while sets are made: %v, listed %v, as of the past %v", err, now.Listed, past.Answer)
					return
				}
				if o := r.store.Offers([]wire.HeldSet{held}); len(o) != 1 {
					t.Errorf("while sets are made: %d offers, want 1", len(o))
					return
				}
			}
		})
	}
	for _, der := range lists {
		r.take(der)
		r.build()
	}
	close(ended)
	asking.Wait()
}
