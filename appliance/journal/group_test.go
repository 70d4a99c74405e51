package journal_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// together appends so many records, of which all but the first wait for the same commit, and returns the answers.
func together(t *testing.T, j *journal.Journal, n int) (ids []record.ID, errs []error) {
	t.Helper()
	ids, errs = make([]record.ID, n), make([]error, n)
	var wg sync.WaitGroup
	release := j.Hold()
	for i := range n {
		wg.Go(func() { ids[i], errs[i] = j.Append(t.Context(), text(i), clearOf(i)) })
		for j.Forming() < i%16+1 {
			runtime.Gosched()
		}
	}
	release()
	wg.Wait()
	return ids, errs
}

// TestP2OneCommitForAllWhoWait: they get consecutive numbers of one epoch, whose header is committed with them.
func TestP2OneCommitForAllWhoWait(t *testing.T) {
	const readers = 8
	c := newCentral(t)
	j := c.open(newPath(t))
	want := map[record.ID]string{}
	for range 2 {
		ids, errs := together(t, j, readers)
		for i, id := range ids {
			if errs[i] != nil || want[id] != "" {
				t.Fatalf("Append(%d) = %s, %v", i, id, errs[i])
			}
			want[id] = string(text(i))
		}
	}
	c.settle(j, ack.Received)
	c.want(want)
	c.wantOneLine()
	if len(c.headers) != 1 {
		t.Errorf("%d epochs, want 1", len(c.headers))
	}
}

// TestP1AFailedCommitFailsAllOfIt: nobody in the group may say that a record is durable, also where the records are there after all.
func TestP1AFailedCommitFailsAllOfIt(t *testing.T) {
	const readers = 5
	c := newCentral(t)
	j := c.open(newPath(t))
	first := add(t, j, 100)
	want := map[record.ID]string{first: string(text(100))}
	must(t, j.LoseOutcome())
	ids, errs := together(t, j, readers)
	for i, err := range errs {
		if !errors.Is(err, journal.ErrNotDurable) || ids[i] != (record.ID{}) {
			t.Errorf("Append(%d) = %s, %v, want no id and ErrNotDurable", i, ids[i], err)
		}
		want[record.ID{Epoch: first.Epoch, Seq: record.Seq(i + 2)}] = string(text(i))
	}
	next := add(t, j, 101)
	want[next] = string(text(101))
	c.settle(j, ack.Received)
	c.want(want)
	if h := c.header(next.Epoch); h.Cause != epoch.CauseAppendFailed || h.Predecessor.LastSeq != readers+1 {
		t.Errorf("next epoch: cause %s after %d records, want append_failed after %d", h.Cause, h.Predecessor.LastSeq, readers+1)
	}
}

func TestMoreReadersThanAGroupTakes(t *testing.T) {
	const readers = 40
	c := newCentral(t)
	j := c.open(newPath(t))
	var wg sync.WaitGroup
	release := j.Hold()
	for i := range readers {
		wg.Go(func() {
			if _, err := j.Append(t.Context(), text(i), clearOf(i)); err != nil {
				t.Errorf("Append(%d) = %v", i, err)
			}
		})
	}
	release()
	wg.Wait()
	c.settle(j, ack.Received)
	if got := len(c.opened()); got != readers {
		t.Errorf("%d records, want %d", got, readers)
	}
}

// BenchmarkGroup is the rate of records with one reader and with eight.
func BenchmarkGroup(b *testing.B) {
	for _, readers := range []int{1, 8} {
		b.Run(fmt.Sprint(readers), func(b *testing.B) {
			c := newCentral(b)
			j := c.open(newPath(b))
			var wg sync.WaitGroup
			begin := time.Now()
			for r := range readers {
				wg.Go(func() {
					for n := r; n < b.N; n += readers {
						if _, err := j.Append(b.Context(), make([]byte, 220), clearOf(n)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "records/s")
		})
	}
}
