package journal_test

import (
	"crypto/rand"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// laden is a journal with a history: epochs of which central has some.
type laden struct {
	c    *central
	path string
	all  map[record.ID]string
}

// perEpoch is how many records it has an epoch.
const perEpoch = 25

// lade writes so many records, and closes the journal.
func lade(t *testing.T, records int) laden {
	t.Helper()
	l := laden{newCentral(t), newPath(t), map[record.ID]string{}}
	j := l.c.open(l.path)
	for n := 0; n < records; n += perEpoch {
		j.Renew(epoch.CauseClock)
		ids, errs := together(t, j, min(perEpoch, records-n))
		must(t, errors.Join(errs...))
		for i, id := range ids {
			l.all[id] = string(text(i))
		}
		if n > 0 && n/perEpoch == records/perEpoch/3 {
			l.c.settle(j, ack.Received)
		}
	}
	shut(t, j)
	return l
}

// copy is the same journal in another place, with a central of its own.
func (l laden) copy(t *testing.T) laden {
	t.Helper()
	c := *l.c
	c.t, c.headers, c.held = t, maps.Clone(l.c.headers), map[record.EpochID]map[record.Seq][]byte{}
	for id, of := range l.c.held {
		c.held[id] = maps.Clone(of)
	}
	from := l.path
	l.c, l.path = &c, newPath(t)
	copyFiles(t, from, l.path)
	aside, err := filepath.Glob(from + ".set-aside-*")
	must(t, err)
	for _, f := range aside {
		b, err := os.ReadFile(f)
		must(t, errors.Join(err, os.WriteFile(l.path+strings.TrimPrefix(f, from), b, 0o600)))
	}
	return l
}

// readAgain opens a damaged journal, appends one record at once and waits until everything was read.
func (l laden) readAgain(t *testing.T) (*journal.Journal, record.ID, journal.Aside) {
	t.Helper()
	j := l.c.open(l.path)
	id := add(t, j, 9000)
	time.Sleep(time.Hour)
	synctest.Wait()
	aside := j.SetAside()
	if len(aside) != 1 || !aside[0].Read {
		t.Fatalf("SetAside() = %+v, want one that was read", aside)
	}
	return j, id, aside[0]
}

// TestP2WhatIsWholeInADamagedJournalIsTakenOver: wherever the damage is, every record that is readable reaches central, once; taps go on
// meanwhile in an epoch that knows no predecessor.
func TestP2WhatIsWholeInADamagedJournalIsTakenOver(t *testing.T) {
	const records = 200
	original := lade(t, records)
	for _, tc := range []struct {
		name   string
		damage func(t *testing.T, path string)
		least  uint64 // whole
	}{
		{"first page", func(t *testing.T, p string) { overwrite(t, p, 0, noise(4096)) }, records},
		{"a page at the end", func(t *testing.T, p string) { overwrite(t, p, size(t, p)-4096, noise(4096)) }, records - 25},
		{"table of acknowledgements", func(t *testing.T, p string) { change(t, p, `DROP TABLE held`) }, records},
		{"table of epochs", func(t *testing.T, p string) { change(t, p, `UPDATE epoch SET header = x'd28440a0'`) }, records},
		{"one envelope", func(t *testing.T, p string) {
			change(t, p, `UPDATE record SET envelope = zeroblob(length(envelope)) WHERE id = (SELECT max(id) FROM record)`)
		}, records - 1},
		{"cut in the middle", func(t *testing.T, p string) { must(t, os.Truncate(p, size(t, p)/2/4096*4096)) }, records / 5},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := original.copy(t)
				tc.damage(t, l.path)
				j, id, aside := l.readAgain(t)
				if aside.Whole+aside.Damaged > records || aside.Whole < tc.least {
					t.Errorf("%d whole, %d damaged, want %d or more whole and %d together", aside.Whole, aside.Damaged, tc.least, records)
				}
				l.c.settle(j, ack.Received)
				got := l.c.held
				var n uint64
				for e, of := range got {
					for seq := range of {
						if _, ok := l.all[record.ID{Epoch: e, Seq: seq}]; ok {
							n++
						}
					}
				}
				if n < aside.Whole {
					t.Errorf("central has %d of %d whole records", n, aside.Whole)
				}
				if h := l.c.header(id.Epoch); h.Predecessor.Lineage != epoch.LineageUnknown || h.Cause != epoch.CauseSetAside {
					t.Errorf("epoch after the damage: %s, lineage %d; want set_aside, unknown", h.Cause, h.Predecessor.Lineage)
				}
				if rows, err := j.Taps(t.Context(), 500); err != nil || uint64(len(rows)) != aside.Whole+1 || rows[0].ID != id {
					t.Errorf("Taps() = %d rows, %v, want %d with the newest first", len(rows), err, aside.Whole+1)
				}
				shut(t, j)
			})
		})
	}
}

// TestDamageInOldRecordsIsFoundInTheBackground: nothing of it delays the start or a tap, and nothing is lost but what is damaged.
func TestDamageInOldRecordsIsFoundInTheBackground(t *testing.T) {
	const records = 200
	original := lade(t, records)
	for name, statement := range map[string]string{
		"envelope":     `UPDATE record SET envelope = zeroblob(length(envelope)) WHERE id & 0xff = 7 AND id >> 40 = 3`,
		"chain":        `UPDATE record SET chain = zeroblob(32) WHERE id & 0xff = 7 AND id >> 40 = 3`,
		"missing":      `DELETE FROM record WHERE id & 0xff = 7 AND id >> 40 = 3`,
		"missing last": `DELETE FROM record WHERE id & 0xff = 25 AND id >> 40 = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := original.copy(t)
				change(t, l.path, statement)
				j, id, aside := l.readAgain(t)
				next := add(t, j, 9001)
				l.c.settle(j, ack.Received)
				want, first := uint64(records), next.Epoch // the one appended after the start was in it, too
				if l.c.header(id.Epoch).Cause == epoch.CauseSetAside {
					want, first = want-1, id.Epoch // the damage was found before that
				}
				if aside.Whole != want || aside.Damaged != 1 {
					t.Errorf("%d whole, %d damaged, want %d and 1", aside.Whole, aside.Damaged, want)
				}
				if h := l.c.header(first); h.Predecessor.Lineage != epoch.LineageUnknown || h.Cause != epoch.CauseSetAside {
					t.Errorf("the epoch after the damage was found: %s, lineage %d; want set_aside, unknown", h.Cause, h.Predecessor.Lineage)
				}
				if l.c.held[id.Epoch][id.Seq] == nil {
					t.Error("the record taken before the damage was found is lost")
				}
				shut(t, j)
				j = l.c.open(l.path)
				if again := j.SetAside(); len(again) != 1 || again[0] != aside {
					t.Errorf("after a restart SetAside() = %+v, want %+v", again, aside)
				}
				shut(t, j)
			})
		})
	}
}

func TestVerifiedCountsToTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := lade(t, 600)
		j := l.c.open(l.path)
		time.Sleep(time.Hour)
		if done, total := j.Verified(); done != 600 || total != 600 {
			t.Errorf("Verified() = %d of %d, want 600 of 600", done, total)
		}
		shut(t, j)
	})
}

// TestP2AdoptedOnce: sealed records from elsewhere are sent as they are, once, and no epoch to come names theirs.
func TestP2AdoptedOnce(t *testing.T) {
	l := lade(t, 60)
	image := newPath(t)
	copyFiles(t, l.path, image)
	from := l.c.open(image)
	p, err := from.Unsent(t.Context(), journal.Limits{Envelopes: 200})
	must(t, err)
	fresh := newPath(t)
	j := l.c.open(fresh)
	first := add(t, j, 70)
	headers := l.c.allHeaders(p.Headers)
	for i, want := range []journal.Adopted{{New: len(p.Envelopes)}, {Known: len(p.Envelopes)}} {
		if got, err := j.Adopt(t.Context(), headers, p.Envelopes); err != nil || got != want {
			t.Fatalf("Adopt() no. %d = %+v, %v, want %+v", i+1, got, err, want)
		}
		shut(t, j)
		j = l.c.open(fresh)
	}
	next := add(t, j, 71)
	l.c.settle(j, ack.Safe)
	if got := l.c.header(next.Epoch).Predecessor.Epoch; got != first.Epoch {
		t.Errorf("predecessor = %s, want the box's own epoch %s", got, first.Epoch)
	}
	if n, err := j.Unsafe(t.Context()); err != nil || n != 0 {
		t.Errorf("Unsafe() = %d, %v, want 0", n, err)
	}
	if rows, err := j.Taps(t.Context(), 100); err != nil || len(rows) != 2 {
		t.Errorf("Taps() = %d rows, %v; want the two of which more is known than the sealed record", len(rows), err)
	}
}

func TestAdoptRefuses(t *testing.T) {
	l := lade(t, 10)
	p, err := l.c.open(l.path).Unsent(t.Context(), journal.Limits{})
	must(t, err)
	headers := l.c.allHeaders(p.Headers)
	other := newCentral(t)
	second, newest := p.Envelopes[1], p.Envelopes[0]
	flipped := append([]byte(nil), second...)
	flipped[len(flipped)-1] ^= 1
	for _, tc := range []struct {
		name      string
		c         *central
		headers   [][]byte
		envelopes [][]byte
		want      journal.Adopted
	}{
		{"no header of it", l.c, nil, p.Envelopes[:1], journal.Adopted{Refused: 1}},
		{"another box's", other, headers, p.Envelopes[:2], journal.Adopted{Refused: 2}},
		{"no envelope", l.c, headers, [][]byte{[]byte("no envelope")}, journal.Adopted{Refused: 1}},
		{"no header either", l.c, [][]byte{[]byte("no header")}, nil, journal.Adopted{}},
		{"at odds with its neighbour", l.c, headers, [][]byte{flipped, second, newest}, journal.Adopted{New: 2, Refused: 1}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			j := tc.c.open(newPath(t))
			got, err := j.Adopt(t.Context(), tc.headers, tc.envelopes)
			if err != nil || got != tc.want {
				t.Errorf("Adopt() = %+v, %v, want %+v", got, err, tc.want)
			}
			shut(t, j)
		})
	}
}

// TestP2AnAcknowledgementCoversWhatWasLost: central has more of a past epoch than this disk gave back. What is here need not be sent for ever.
func TestP2AnAcknowledgementCoversWhatWasLost(t *testing.T) {
	l := lade(t, 24)
	j := l.c.open(l.path)
	l.c.settle(j, ack.Received)
	all := l.c.acknowledge(ack.Safe)
	headers := l.c.allHeaders(nil)
	var some [][]byte
	for id := range l.c.headers {
		for seq, b := range l.c.held[id] {
			if seq%5 != 0 && seq != 24 {
				some = append(some, b)
			}
		}
	}
	k := l.c.open(newPath(t))
	if got, err := k.Adopt(t.Context(), headers, some); err != nil || got.New != len(some) {
		t.Fatalf("Adopt() = %+v, %v, want %d new", got, err, len(some))
	}
	if n, err := k.Waiting(t.Context()); err != nil || n != uint64(len(some)) {
		t.Errorf("Waiting() = %d, %v, want %d: what was lost does not wait", n, err, len(some))
	}
	l.c.accept(k, all)
	if n, err := k.Unsafe(t.Context()); err != nil || n != 0 {
		t.Errorf("Unsafe() = %d, %v, want 0", n, err)
	}
}

// allHeaders are some and those that central has.
func (c *central) allHeaders(some [][]byte) [][]byte {
	for _, s := range c.headers {
		some = append(some, s.Message)
	}
	return some
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	i, err := os.Stat(path)
	must(t, err)
	return i.Size()
}

// TestDamageMetByAReader: whoever reads for the line or the courier and meets it has the journal set aside, without a tap or a restart.
func TestDamageMetByAReader(t *testing.T) {
	for name, read := range map[string]func(*testing.T, *journal.Journal){
		"line": func(t *testing.T, j *journal.Journal) { _, _ = j.Unsent(t.Context(), journal.Limits{}) },
		"courier": func(t *testing.T, j *journal.Journal) {
			for _, err := range j.Runs(t.Context(), 0) {
				_ = err // the journal hears of it by itself
			}
		},
		"counter": func(t *testing.T, j *journal.Journal) { _, _ = j.Taps(t.Context(), 10) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, path := newCentral(t), newPath(t)
				j := c.open(path)
				add(t, j, 1)
				time.Sleep(time.Minute) // until it was verified
				change(t, path, `PRAGMA wal_checkpoint(TRUNCATE)`)
				overwrite(t, path, 4096, noise(int(size(t, path)-4096)))
				read(t, j)
				time.Sleep(time.Hour)
				if aside := j.SetAside(); len(aside) != 1 || !aside[0].Read {
					t.Errorf("SetAside() = %+v, want one that was read", aside)
				}
				add(t, j, 2)
				shut(t, j)
			})
		})
	}
}
