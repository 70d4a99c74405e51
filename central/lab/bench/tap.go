package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/central/lab/bench/stats"
)

// measureTap times what the box adds to a tap, beside the least that could be called durable, in turn on the same disk: one
// verification of the same certificate's chain and one insert of a row of the same size.
func (r *run) measureTap(ctx context.Context) (err error) {
	_, b, err := r.scene.newBox(ctx, "tapped", r.scene.uplink)
	if err != nil {
		return err
	}
	c, err := openCounter(ctx, b.DataDir, r.scene.uplink, r.scene.certs())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if _, err := c.tap(ctx); err != nil {
		return err
	}
	size, row, err := rowSize(ctx, c.journal)
	if err != nil {
		return err
	}
	bare, err := openBare(ctx, filepath.Join(b.DataDir, "bare.db"), row, r.scene.certs(), c.anchors())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bare.close()) }()
	ours := func() (time.Duration, error) { return c.tap(ctx) }
	theirs := func() (time.Duration, error) { return bare.insert(ctx) }
	if _, err := stats.Alternate(ctx, r.n.warm, ours, theirs); err != nil {
		return err
	}
	p, err := stats.Alternate(ctx, r.n.taps, ours, theirs)
	if err != nil {
		return err
	}
	flush, err := timeFlushes(ctx, b.DataDir, r.n.flushes)
	if err != nil {
		return err
	}
	r.figure("envelope_bytes_per_record", "%d", size, "bytes")
	return r.printTap(p, flush)
}

// ratioBlock is how many pairs make one ratio.
const ratioBlock = 100

func (r *run) printTap(p stats.Pairs, flush []time.Duration) error {
	for _, f := range []struct {
		name    string
		samples []time.Duration
		percent float64
	}{
		{"tap_overhead_p50_us", p.A, 50},
		{"tap_overhead_p99_us", p.A, 99},
		{"bare_insert_p50_us", p.B, 50},
		{"bare_insert_p99_us", p.B, 99},
		{"disk_fsync_p50_us", flush, 50},
	} {
		d, err := stats.Percentile(f.samples, f.percent)
		if err != nil {
			return err
		}
		r.figure(f.name, "%.0f", float64(d)/float64(time.Microsecond), "us")
	}
	ratio, err := p.Ratio(ratioBlock)
	if err != nil {
		return err
	}
	r.figure("tap_overhead_vs_bare_insert", "%.2f", ratio, "ratio")
	return nil
}

var errNoRecord = errors.New("journal holds no record")

// rowSize is how many octets the envelope of the newest record has, and how many the whole of its row in the journal: chain
// value, envelope, tap id, time (6 as SQLite stores it), names, verdict and reason, spoken code.
func rowSize(ctx context.Context, j *journal.Journal) (envelope, row int, err error) {
	p, err := j.Unsent(ctx, journal.Limits{})
	if err != nil {
		return 0, 0, err
	}
	taps, err := j.Taps(ctx, 1)
	if err != nil {
		return 0, 0, err
	}
	if len(p.Envelopes) == 0 || len(taps) == 0 {
		return 0, 0, errNoRecord
	}
	const chain, tapID, when, words = 32, 16, 6, 2
	envelope = len(p.Envelopes[0])
	return envelope, envelope + chain + tapID + when + words + len(taps[0].Desk) + len(taps[0].Service) + len(taps[0].Code), nil
}

// flushed is what each sample of timeFlushes appends, in octets: a page of SQLite.
const flushed = 4096

// timeFlushes appends a page to a file and flushes it, again and again.
func timeFlushes(ctx context.Context, dir string, n int) (_ []time.Duration, err error) {
	f, err := os.Create(filepath.Join(dir, "flush.bin")) //nolint:gosec // the run's own folder
	if err != nil {
		return nil, fmt.Errorf("making a file to flush: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	page := make([]byte, flushed)
	all := make([]time.Duration, 0, n)
	for range n {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if _, err := f.Write(page); err != nil {
			return nil, fmt.Errorf("appending a page: %w", err)
		}
		if err := f.Sync(); err != nil {
			return nil, fmt.Errorf("flushing: %w", err)
		}
		all = append(all, time.Since(start))
	}
	return all, nil
}
