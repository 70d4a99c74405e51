package bench

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/central/lab/bench/stats"
	"kazashi.example/sync/ack"
)

// errUnfinished says that something never came to its end.
var errUnfinished = errors.New("did not come to its end")

// measureMany looks at a journal in which a million records wait: how soon it takes a tap, how long until all of it is verified, and what
// taps feel while it is compacted.
func (r *journalRun) measureMany(ctx context.Context) error {
	all, err := r.fill(ctx, "many.db", r.records, kindCard)
	if err != nil {
		return err
	}
	info, err := os.Stat(r.path("many.db"))
	if err != nil {
		return err
	}
	r.figure("journal_bytes_per_record", "%.0f", float64(info.Size())/float64(r.records), "bytes")
	if err := r.openings(ctx); err != nil {
		return err
	}
	return r.compact(ctx, all)
}

// openings opens the journal until it has taken a tap, with its pages in the cache and without.
func (r *journalRun) openings(ctx context.Context) error {
	for _, f := range []struct {
		name string
		cold bool
	}{{"journal_open_1m_ms", false}, {"journal_open_1m_cold_ms", true}} {
		var took []float64
		for range fullRounds {
			d, err := r.opening(ctx, f.cold)
			if err != nil {
				return err
			}
			took = append(took, float64(d)/float64(time.Millisecond))
		}
		if err := r.middle(f.name, "%.1f", took, "ms"); err != nil {
			return err
		}
	}
	return nil
}

func (r *journalRun) opening(ctx context.Context, cold bool) (d time.Duration, err error) {
	if cold {
		err = drop(r.path("many.db"))
	} else {
		err = warm(r.path("many.db"))
	}
	if err != nil {
		return 0, err
	}
	start := time.Now()
	j, err := r.open(ctx, "many.db")
	if err != nil {
		return 0, err
	}
	_, err = appendOne(ctx, j, r.records)
	d = time.Since(start)
	return d, errors.Join(err, j.Close())
}

// verified waits until everything is.
func (r *journalRun) verified(ctx context.Context, j *journal.Journal) error {
	start := time.Now()
	err := until(ctx, time.Hour, func(context.Context) error {
		if done, total := j.Verified(); total == 0 || done < total {
			return fmt.Errorf("verifying: %w", errUnfinished)
		}
		return nil
	})
	if err == nil && len(j.SetAside()) > 0 {
		err = fmt.Errorf("the journal was found damaged: %w", errUnfinished)
	}
	r.figure("journal_verify_1m_s", "%.1f", time.Since(start).Seconds(), "s")
	return err
}

// compact times taps while everything is deleted that central has signed as safe, and while nothing is, in turn.
func (r *journalRun) compact(ctx context.Context, all ack.Ack) (err error) {
	j, err := r.open(ctx, "many.db")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if err := r.verified(ctx, j); err != nil {
		return err
	}
	if err := j.Accept(ctx, all); err != nil {
		return err
	}
	c := compaction{r: r, j: j}
	if _, err := c.taps(ctx, r.warm/4); err != nil {
		return err
	}
	for !c.done {
		if err := errors.Join(ctx.Err(), c.round(ctx)); err != nil {
			return err
		}
	}
	return c.print()
}

// compaction is what was seen so far.
type compaction struct {
	r           *journalRun
	j           *journal.Journal
	busy, quiet []time.Duration
	ratios      []float64
	took        time.Duration
	n           int
	done        bool
}

func (c *compaction) round(ctx context.Context) error {
	quiet, err := c.taps(ctx, c.r.quiet)
	if err != nil {
		return err
	}
	working, stop := context.WithCancel(ctx)
	defer stop()
	var wg sync.WaitGroup
	var fault error
	start := time.Now()
	wg.Go(func() { c.done, fault = c.prune(working) })
	busy, err := c.taps(ctx, c.r.busy)
	stop()
	wg.Wait()
	c.took += time.Since(start)
	if err := errors.Join(err, fault); err != nil || c.done {
		return err // the last round has taps with nothing left to do beside them
	}
	a, err1 := stats.Median(busy)
	b, err2 := stats.Median(quiet)
	c.busy, c.quiet, c.ratios = append(c.busy, busy...), append(c.quiet, quiet...), append(c.ratios, float64(a)/float64(b))
	return errors.Join(err1, err2)
}

// prune works until nothing is left, or ctx ends.
func (c *compaction) prune(ctx context.Context) (done bool, err error) {
	for ctx.Err() == nil {
		n, err := c.j.Prune(ctx, 0)
		if err != nil && ctx.Err() == nil {
			return false, err
		}
		if n == 0 && err == nil {
			return true, nil
		}
	}
	return false, nil
}

// taps times some, each a little while after the answer to the one before: none falls into step with the maintenance.
func (c *compaction) taps(ctx context.Context, n int) ([]time.Duration, error) {
	var took []time.Duration
	for range n {
		if err := settle(ctx, time.Duration(1000+rand.IntN(4000))*time.Microsecond); err != nil { //nolint:gosec // no secret
			return nil, err
		}
		c.n++
		d, err := appendOne(ctx, c.j, c.r.records+c.n)
		if err != nil {
			return nil, err
		}
		took = append(took, d)
	}
	return took, nil
}

func (c *compaction) print() error {
	r := c.r
	r.Log.Info("compacted", slog.Int("rounds", len(c.ratios)), slog.Duration("took", c.took))
	r.figure("journal_compact_1m_s", "%.0f", c.took.Seconds(), "s")
	err := errors.Join(r.middle("tap_stall_during_maintenance_vs_quiet", "%.2f", c.ratios, "ratio"),
		r.percentile("tap_quiet_p50_us", c.quiet, 50), r.percentile("tap_quiet_p99_us", c.quiet, 99),
		r.percentile("tap_maintenance_p50_us", c.busy, 50), r.percentile("tap_maintenance_p99_us", c.busy, 99))
	a, err1 := stats.Percentile(c.busy, 99)
	b, err2 := stats.Percentile(c.quiet, 99)
	if err := errors.Join(err, err1, err2); err != nil {
		return err
	}
	r.figure("tap_stall_during_maintenance_vs_quiet_p99", "%.2f", float64(a)/float64(b), "ratio")
	return nil
}
