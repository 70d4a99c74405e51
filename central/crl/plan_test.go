package crl_test

import (
	"bytes"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/crlgen"
	"kazashi.example/sync/crlset"
)

// run is entries whose serials rise from one by a distance.
func run(from, apart int64, n int) []entry {
	list := make([]entry, n)
	for i := range list {
		list[i] = entry{from + int64(i)*apart, -2000, 1}
	}
	return list
}

// long is list for long lists, by what writes them fast.
func (r *rig) long(number int64, hours int, entries []entry) []byte {
	r.Helper()
	at := day.Add(time.Duration(hours) * time.Hour)
	var b bytes.Buffer
	_, err := crlgen.Write(&b, r.by[4], crlgen.Head{Number: uint64(number), ThisUpdate: at, NextUpdate: at.Add(24 * time.Hour)},
		func(yield func(crlgen.Entry) bool) {
			for _, e := range entries {
				if !yield(crlgen.Entry{Entry: crlset.Entry{
					Key: crlset.KeyOf(serial(r, e.serial)), Date: day.Add(time.Duration(e.hours) * time.Hour).Unix(), Reason: crlset.Reason(e.reason),
				}}) {
					return
				}
			}
		})
	must(r, err)
	return b.Bytes()
}

// crowded is a list, and what comes to it at a place for which its plan was not made.
var crowded = map[string]struct{ had, more []entry }{
	"behind the last":       {run(1000, 1000, 36_000), run(36_000*1000+1<<20, 1, 35_000)},
	"very thin, far behind": {run(1000, 1000, 2000), append(run(1<<40, 1, 16), run(1<<40+60_000, 60_000, 400)...)},
}

// P7: no list, however its serials lie, ends publication.
func TestP7CrowdsDoNotEndPublication(t *testing.T) {
	t.Parallel()
	for name, l := range crowded {
		r := newRig(t, crl.Expect{})
		r.take(r.long(1, -20, l.had))
		r.build()
		r.take(r.long(2, -10, append(l.had, l.more...)))
		h := r.build()
		if last := l.more[len(l.more)-1].serial; int(h.Entries) != len(l.had)+len(l.more) || !r.look(last).Listed || r.look(last+1).Listed {
			t.Errorf("%s: Build = %d entries, want %d, to the last", name, h.Entries, len(l.had)+len(l.more))
		}
	}
}

// P7: a block may fill up over days, too.
func TestP7CrowdsOfManyDaysDoNotEndPublication(t *testing.T) {
	t.Parallel()
	r := newRig(t, crl.Expect{})
	list, at := run(1000, 100_000, 4000), int64(2_001_001)
	for d := range int64(10) {
		r.take(r.long(d+1, int(d)-20, list))
		if h := r.build(); int(h.Entries) != len(list) {
			t.Fatalf("day %d: Build = %d entries, want %d", d, h.Entries, len(list))
		}
		list = append(list, run(at, 1, 4000)...)
		at += 4000
	}
}

// P7: a plan that cannot hold the set is replaced, and where no plan will do, boxes take the whole set. The history is kept all the same.
func TestP7UnfitPlansDoNotEndPublication(t *testing.T) {
	t.Parallel()
	for name, deltas := range map[string]int{"carried on": 1, "new": 0} {
		r := newRig(t, crl.Expect{})
		r.take(r.list(r.by[4], "", 1, -20, entry{5, -30, 6}))
		first := r.build()
		crl.Unfit(r.store, name == "new", crlset.Plan{Columns: crlset.Full})
		r.take(r.list(r.by[4], "", 2, -10, entry{6, -30, 1}))
		h := r.build()
		if h.Entries != 1 || !r.look(6).Listed || r.look(5).Listed {
			t.Errorf("%s: Build = %d entries, want what the list says", name, h.Entries)
		}
		if o, ok := r.offer(holding(first)); !ok || len(o.Deltas) != deltas {
			t.Errorf("%s: a box is offered %d deltas, %v, want %d", name, len(o.Deltas), ok, deltas)
		}
		if st, err := r.store.Status(auth); err != nil || len(st.Steps) != 2 || st.Steps[1].Base != first.Number || st.Steps[1].Before != 1 {
			t.Errorf("%s: Status = %+v, %v, want the step to remember the hold", name, st.Steps, err)
		}
	}
}
