package journal_test

import (
	"sync"
	"testing"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// TestP2EverythingAtOnce: several readers append while records are sent, acknowledged, deleted and listed.
func TestP2EverythingAtOnce(t *testing.T) {
	const readers, taps = 4, 60
	c := newCentral(t)
	j := c.open(newPath(t))
	var mu sync.Mutex // guards want
	want := map[record.ID]string{}
	var appending, rest sync.WaitGroup
	for r := range readers {
		appending.Go(func() {
			for n := range taps {
				n += r * taps
				if n%25 == 0 {
					j.Renew(epoch.CauseClock)
				}
				id, err := j.Append(t.Context(), text(n), clearOf(n))
				if err != nil {
					t.Errorf("Append(%d) = %v", n, err)
					return
				}
				mu.Lock()
				if want[id] != "" {
					t.Errorf("id %s given twice", id)
				}
				want[id] = string(text(n))
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	rest.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			c.pull(j, journal.Limits{Envelopes: 20})
			c.accept(j, c.acknowledge(ack.Safe))
			if _, err := j.Prune(t.Context(), 10); err != nil {
				t.Errorf("Prune() = %v", err)
			}
			if _, err := j.Taps(t.Context(), 10); err != nil {
				t.Errorf("Taps() = %v", err)
			}
		}
	})
	appending.Wait()
	close(done)
	rest.Wait()
	c.settle(j, ack.Safe)
	c.want(want)
	c.wantOneLine()
}
