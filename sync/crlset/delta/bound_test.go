package delta_test

import (
	"errors"
	"io"
	"runtime"
	"testing"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
)

// counted is a source of all keys up to n.
type counted struct{ at, n uint64 }

func (c *counted) Next(e *crlset.Entry) (bool, error) {
	c.at++
	*e = crlset.Entry{Key: crlset.Key{C: c.at}}
	return c.at <= c.n, nil
}

// emptied is a set of nothing, with blocks of 2^40 keys.
func emptied(t *testing.T, blocks uint32) *crlset.Set {
	t.Helper()
	p := crlset.Plan{Reasons: []crlset.Reason{0}, Regions: []crlset.Region{{Shift: 40, Blocks: blocks}}}
	return opened(t, written(t, p, nil))
}

// P7: a few octets that add to one block far more than it holds are refused before that is held in memory.
func TestP7ApplyHoldsNoMoreThanABlock(t *testing.T) {
	const additions = 1 << 19
	base := emptied(t, 64)
	var b buffer
	if _, err := delta.Write(&b, base, &counted{n: additions}, base.Plan()); err != nil {
		t.Fatal(err)
	}
	d := read(t, b)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := delta.Apply(io.Discard, base, d)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, crlset.ErrPlan) {
		t.Errorf("Apply() = %v, want ErrPlan", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 16<<20 {
		t.Errorf("Apply() of %d octets took %d MiB", len(b), got>>20)
	}
	if _, err := delta.Apply(io.Discard, emptied(t, 1), d); !errors.Is(err, crlset.ErrPlan) {
		t.Errorf("Apply() to one block = %v, want ErrPlan", err)
	}
}

// TestP7AdditionsNeedOctets: no delta is written whose additions tell next to nothing, for reading it would take long.
func TestP7AdditionsNeedOctets(t *testing.T) {
	base := emptied(t, 1<<10)
	if _, err := delta.Write(io.Discard, base, &counted{n: 5 << 18}, base.Plan()); !errors.Is(err, crlset.ErrPlan) {
		t.Errorf("Write() of consecutive keys = %v, want ErrPlan", err)
	}
}

// buffer is a writer to memory.
type buffer []byte

func (b *buffer) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }
