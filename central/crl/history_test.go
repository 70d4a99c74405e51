package crl_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/record"
)

func hour(n int) time.Time { return day.Add(time.Duration(n) * time.Hour) }

// chronicle is what was published, in the words of a model that keeps every set whole.
type chronicle struct {
	*rig

	rng  *rand.Rand
	here [2]map[int64]entry // what stands on each partition's newest list, by serial
	at   [2]int             // when that was made, in hours
	sets []setOf
}

// setOf is one published set.
type setOf struct {
	head           manifest.Head
	oldest, newest int // of its lists, in hours
	entries        map[int64]entry
}

// serials of the model; odd ones stand in one partition, even ones in the other.
const serials = 14

// turn changes what stands on a partition: holds are placed, lifted, placed anew and made revocations, some are dated before the list before,
// some after the list, and even revocations leave.
func (c *chronicle) turn(part, at int) {
	for n := int64(1 + part); n <= serials; n += 2 {
		e, listed := c.here[part][n]
		date := at - c.rng.IntN(6) + max(c.rng.IntN(30)-15, 0)
		switch c.rng.IntN(5) {
		case 0:
			if listed {
				delete(c.here[part], n)
			} else {
				c.here[part][n] = entry{n, date, 6}
			}
		case 1:
			if listed && e.reason == 6 {
				c.here[part][n] = entry{n, date, 4}
			}
		}
	}
	c.at[part] = at
}

// publish makes the next set of new lists of some partitions.
func (c *chronicle) publish(number int64, at int, parts ...int) {
	c.Helper()
	c.now = hour(at + 1)
	for _, part := range parts {
		c.turn(part, at-c.rng.IntN(2))
		list := slices.Collect(maps.Values(c.here[part]))
		c.take(c.list(c.by[4], []string{"a", "b"}[part], number, c.at[part], list...))
	}
	s := setOf{head: c.build(), oldest: min(c.at[0], c.at[1]), newest: max(c.at[0], c.at[1]), entries: maps.Clone(c.here[0])}
	maps.Copy(s.entries, c.here[1])
	c.sets = append(c.sets, s)
}

// asOf is the answer for one moment, and the newest set that gives it.
func (c *chronicle) asOf(n int64, at time.Time) (record.Answer, int) {
	since := 0
	for i, s := range c.sets {
		if !hour(s.newest).After(at) {
			since = i
		}
	}
	answer, by := record.AnswerNotRevoked, len(c.sets)-1
	for i, s := range slices.Backward(c.sets) {
		e, listed := s.entries[n]
		if i < since || !listed || hour(e.hours).After(at) {
			continue
		}
		if says := model([]entry{e}, n, at); stricter(says, answer) != answer {
			answer, by = says, i
		}
	}
	return answer, by
}

// within is the strictest of all moments at which anything can turn.
func (c *chronicle) within(n int64, from, to time.Time) (record.Answer, int) {
	moments := []time.Time{from, to}
	for _, s := range c.sets {
		moments = append(moments, hour(s.newest), hour(s.newest).Add(-time.Second))
		if e, ok := s.entries[n]; ok {
			moments = append(moments, hour(e.hours))
		}
	}
	answer, by := record.AnswerNotRevoked, len(c.sets)-1
	first := true
	for _, at := range moments {
		if at.Before(from) || at.After(to) {
			continue
		}
		says, set := c.asOf(n, at)
		if first || stricter(says, answer) != answer || says == answer && set > by {
			answer, by, first = says, set, false
		}
	}
	return answer, by
}

func (c *chronicle) check(n int64, from, to time.Time) {
	c.Helper()
	want, by := c.within(n, from, to)
	got, err := c.store.AsOf(auth, serial(c, n), from, to)
	if err := errors.Join(err, got.Gap); err != nil || got.Answer != want || got.By.Number != c.sets[by].head.Number ||
		!got.By.ThisUpdate.Equal(hour(c.sets[by].oldest)) || got.Newest.Number != c.sets[len(c.sets)-1].head.Number {
		c.Errorf("AsOf(serial %d, %+.4f to %+.4f hours) = %v by set %v of %v, %v, want %v by set %v", n, from.Sub(day).Hours(), to.Sub(day).Hours(),
			got.Answer, got.By.Number.N, got.By.ThisUpdate, err, want, c.sets[by].head.Number.N)
	}
}

// P6, P7, design §6: whatever was placed, lifted, placed anew, revoked and dropped between lists of partitions that come at their own times,
// the answer for any moment and any span is that of a model which keeps every set and tries every moment.
func TestP7AsOfIsTheStrictestOfAllSetsSince(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := chronicle{rig: newRig(t, crl.Expect{Count: 2}), rng: rand.New(rand.NewPCG(seed, 7)), here: [2]map[int64]entry{{}, {}}}
			at := -60
			for i := range int64(9) {
				c.publish(i+1, at, [][]int{{0, 1}, {0}, {1}, {0, 1}, {1}}[i%5]...)
				for range 20 {
					from := hour(at - c.rng.IntN(40) + 3)
					c.check(c.rng.Int64N(serials)+1, from, from.Add(time.Duration(c.rng.IntN(3)*5)*time.Hour))
				}
				at += 3 + c.rng.IntN(6)
			}
			c.open()
			var moments []time.Time
			for h := -70; h <= at+8; h += 2 + c.rng.IntN(3) {
				moments = append(moments, hour(h).Add(time.Millisecond))
			}
			for _, s := range c.sets {
				moments = append(moments, hour(s.newest), hour(s.newest).Add(-time.Second), hour(s.oldest), s.head.At().Add(time.Hour))
			}
			for n := int64(1); n <= serials+1; n++ {
				for _, from := range moments {
					c.check(n, from, from)
					c.check(n, from, from.Add(time.Duration(c.rng.IntN(40))*time.Hour))
				}
				c.check(n, moments[0], hour(at+8))
			}
		})
	}
}

// P7: one partition whose authority is late does not make newer sets look as if they had been in force before; the age of a set is the
// late one's all the same.
func TestP7ALatePartitionDatesNoSetBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{Count: 2})
	r.take(r.list(r.by[4], "late", 1, 0))
	r.take(r.list(r.by[4], "live", 1, 0, entry{5, -2, 6}))
	r.now = hour(1)
	r.build()
	want := func(when string, at int, answer record.Answer) {
		t.Helper()
		past, err := r.store.AsOf(auth, serial(t, 5), hour(at), hour(at))
		if err := errors.Join(err, past.Gap); err != nil || past.Answer != answer || !past.Newest.ThisUpdate.Equal(hour(0)) {
			t.Errorf("%s: AsOf(hour %d) = %v, newest of %v, %v, want %v, of hour 0", when, at, past.Answer, past.Newest.ThisUpdate, err, answer)
		}
	}
	want("before the lift", 2, record.AnswerOnHold)
	r.now = hour(10)
	r.take(r.list(r.by[4], "live", 2, 9)) // lifted at hour 8; the late one has nothing new
	r.build()
	want("after the lift", 2, record.AnswerOnHold)
	want("after the lift", 9, record.AnswerNotRevoked)
}

// P7: that a partition is asked no more does not date the set without it back behind those with it.
func TestP7ASetWithoutAPartitionIsNoOlder(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{Sources: []string{"a", "b"}})
	take := func(name string, number int64, hours int, entries ...entry) {
		t.Helper()
		_, err := r.store.Ingest(t.Context(), bytes.NewReader(r.list(r.by[4], name, number, hours, entries...)), crl.IngestOptions{Scope: auth, From: name})
		must(t, err)
	}
	r.now = hour(11)
	take("a", 1, 5)
	take("b", 1, 10, entry{6, 6, 6})
	with := r.build()
	r.now, r.expect.Sources = hour(12), r.expect.Sources[:1]
	r.open()
	if h := r.build(); h.Rows != 1 || r.look(6).Listed {
		t.Fatalf("Build without b = %d rows", h.Rows)
	}
	if past, err := r.store.AsOf(auth, serial(t, 6), hour(7), hour(7)); err != nil || past.Answer != record.AnswerOnHold || past.By.Number != with.Number {
		t.Errorf("AsOf = %v by %v, %v, want on hold by %v", past.Answer, past.By.Number, err, with.Number)
	}
}

// maps counts the files of the history that this process has mapped.
func (r *rig) maps() (n int) {
	r.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	must(r, err)
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, filepath.Join(r.dir, "practice-auth", "history")) {
			n++
		}
	}
	return n
}

// However long the history is, so many files of it are open and no more: those of the newest steps, whoever asked last for what.
func TestOpenFilesOfTheHistoryAreTheNewest(t *testing.T) {
	t.Parallel()
	const most, steps = 128, 70
	r := newRig(t, crl.Expect{})
	var heads []manifest.Head
	ask := func() error {
		past, err := r.store.AsOf(auth, serial(t, 900), hour(-200), hour(-200))
		return errors.Join(err, past.Gap)
	}
	for n := range steps + 1 {
		r.now = hour(n - 99)
		r.take(r.list(r.by[4], "", int64(n+1), n-100, entry{int64(n + 1), -200, 4}))
		heads = append(heads, r.build())
		if n == steps-3 {
			must(t, ask()) // fills what is kept with what is soon old
		}
	}
	var asking sync.WaitGroup
	for range 3 {
		asking.Go(func() {
			for range 5 {
				if err := ask(); err != nil {
					t.Errorf("AsOf the first set: %v", err)
				}
			}
		})
	}
	for _, h := range heads[1:] {
		if c, err := r.store.Changes(t.Context(), auth, h.Number); err != nil || c.Added != 1 || c.Removed != 1 {
			t.Errorf("Changes = %+v, %v, want one removed and one added", c, err)
		}
	}
	asking.Wait()
	if n := r.maps(); n != most {
		t.Errorf("%d files of the history are mapped, want %d", n, most)
	}
	for i, h := range heads[1:] {
		if kept := i+1 > steps-most/2; kept { // what is open needs no name
			for _, end := range []string{".before", ".after"} {
				must(t, os.Remove(filepath.Join(r.dir, "practice-auth", "history", crl.Number(h.Number)+end)))
			}
		}
	}
	if err := ask(); err != nil {
		t.Errorf("AsOf with the files of the newest steps gone = %v, want them open", err)
	}
	must(t, r.store.Close())
	if n := r.maps(); n != 0 {
		t.Errorf("%d files of the history are mapped after Close, want none", n)
	}
}
