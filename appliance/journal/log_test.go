package journal_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Sizes of a write-ahead log, in octets (https://www.sqlite.org/fileformat2.html §4.1).
const (
	logHeader = 32
	logFrame  = 24 + 4096
)

// crashed is an image of a journal as a crash leaves it: what was before is in the database, the rest in its log.
func crashed(t *testing.T, records int) laden {
	t.Helper()
	l := lade(t, records)
	j := l.c.open(l.path)
	for n := range records {
		id := add(t, j, 1000+n)
		l.all[id] = string(text(1000 + n))
	}
	image := newPath(t)
	copyFiles(t, l.path, image)
	shut(t, j)
	l.path = image
	return l
}

// found opens the journal, waits until whatever is set aside was read, brings everything to central and counts what came of what was
// written before.
func (l laden) found(t *testing.T) (n int, aside []journal.Aside, header epoch.Header) {
	t.Helper()
	j := l.c.open(l.path)
	id := add(t, j, 9000)
	time.Sleep(time.Hour)
	l.c.settle(j, ack.Received)
	for e, of := range l.c.held {
		for seq := range of {
			if _, ok := l.all[record.ID{Epoch: e, Seq: seq}]; ok {
				n++
			}
		}
	}
	header = l.c.header(id.Epoch)
	aside = j.SetAside()
	shut(t, j)
	return n, aside, header
}

// TestP2LogDamaged: what SQLite would forget behind the damage is not forgotten.
func TestP2LogDamaged(t *testing.T) {
	const records = 60
	original := crashed(t, records)
	frames := (size(t, original.path+"-wal") - logHeader) / logFrame
	for _, tc := range []struct {
		name  string
		at    int64
		least int
		aside bool
	}{
		{"header", 0, 2 * records, true},
		{"first frame", logHeader + 100, 2*records - 2, true},
		{"in the middle", logHeader + frames/2*logFrame + 100, 2*records - 2, true},
		{"last frame", logHeader + (frames-1)*logFrame + 100, 2*records - 1, false}, // as if the power had gone before it was flushed
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := original.copy(t)
				overwrite(t, l.path+"-wal", tc.at, noise(40))
				n, aside, header := l.found(t)
				if n < tc.least || tc.aside != (len(aside) == 1) {
					t.Errorf("%d of %d records came, set aside: %+v; want %d, %t", n, 2*records, aside, tc.least, tc.aside)
				}
				if tc.aside != (header.Predecessor.Lineage == epoch.LineageUnknown) {
					t.Errorf("lineage = %d", header.Predecessor.Lineage)
				}
			})
		})
	}
}

// TestP2LogCutOff: what is cut off is lost. The box goes on from what is there, and the next header says where that ends, by which central sees it.
func TestP2LogCutOff(t *testing.T) {
	const records = 40
	original := crashed(t, records)
	last := 2 * records
	for cut := size(t, original.path+"-wal"); cut >= 0; cut -= 17*logFrame + 1001 {
		synctest.Test(t, func(t *testing.T) {
			l := original.copy(t)
			must(t, os.Truncate(l.path+"-wal", cut))
			n, aside, header := l.found(t)
			if n > last || n < records || len(aside) != 0 {
				t.Errorf("log of %d octets: %d records, at most %d and none set aside wanted: %+v", cut, n, last, aside)
			}
			if p := header.Predecessor; p != l.c.end(p.Epoch) {
				t.Errorf("log of %d octets: predecessor = %+v, want the end of what is there, %+v", cut, p, l.c.end(p.Epoch))
			}
			last = n
		})
	}
}

// TestP2LogFromAnotherTime: laid over the database it would take newer records away for good.
func TestP2LogFromAnotherTime(t *testing.T) {
	const records = 60
	l := crashed(t, records)
	old, err := os.ReadFile(l.path + "-wal")
	must(t, err)
	j := l.c.open(l.path)
	for n := range records {
		id := add(t, j, 2000+n)
		l.all[id] = string(text(2000 + n))
	}
	shut(t, j)
	must(t, os.WriteFile(l.path+"-wal", old, 0o600))
	synctest.Test(t, func(t *testing.T) {
		l := l.copy(t)
		n, aside, header := l.found(t)
		if n != 3*records || len(aside) != 1 || header.Predecessor.Lineage != epoch.LineageUnknown {
			t.Errorf("%d of %d records came, lineage %d, set aside: %+v", n, 3*records, header.Predecessor.Lineage, aside)
		}
	})
}

// P2: a crash after records were taken over, and before the first of the journal's own, leaves a log that is of this time.
func TestP2ALogWithPastRecordsAlone(t *testing.T) {
	c := newCentral(t)
	from := c.open(newPath(t))
	add(t, from, 1)
	p, err := from.Unsent(t.Context(), journal.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	path, image := newPath(t), newPath(t)
	if _, err := c.open(path).Adopt(t.Context(), p.Headers, p.Envelopes); err != nil {
		t.Fatal(err)
	}
	copyFiles(t, path, image) // as a kill leaves it
	j := c.open(image)
	if got := j.SetAside(); len(got) != 0 {
		t.Errorf("SetAside() = %+v, want nothing", got)
	}
	if got := waiting(t, j); got != 1 {
		t.Errorf("waiting = %d, want the one that was taken over", got)
	}
}
