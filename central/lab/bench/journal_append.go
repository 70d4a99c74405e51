package bench

import (
	"context"
	"errors"
	"sync"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/central/lab/bench/stats"
)

// measureAppend times an append beside a bare insert, in turn.
func (r *journalRun) measureAppend(ctx context.Context) (err error) {
	j, err := r.open(ctx, "append.db")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	n := 0
	ours := func() (time.Duration, error) {
		n++
		return appendOne(ctx, j, n)
	}
	if _, err := ours(); err != nil {
		return err
	}
	_, row, err := rowSize(ctx, j)
	if err != nil {
		return err
	}
	b, err := openBare(ctx, r.path("bare.db"), row, nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	theirs := func() (time.Duration, error) { return b.insertOnly(ctx) }
	if _, err := stats.Alternate(ctx, r.warm, ours, theirs); err != nil {
		return err
	}
	p, err := stats.Alternate(ctx, r.pairs*r.blocks, ours, theirs)
	if err != nil {
		return err
	}
	flush, err := timeFlushes(ctx, r.dir, r.pairs*2)
	if err != nil {
		return err
	}
	return r.printAppend(p, flush)
}

func (r *journalRun) printAppend(p stats.Pairs, flush []time.Duration) error {
	err := errors.Join(
		r.percentile("journal_append_p50_us", p.A, 50), r.percentile("journal_append_p99_us", p.A, 99),
		r.percentile("bare_insert_p50_us", p.B, 50), r.percentile("bare_insert_p99_us", p.B, 99),
		r.percentile("disk_fsync_p50_us", flush, 50),
	)
	if err != nil {
		return err
	}
	ratio, err := p.Ratio(r.pairs)
	if err == nil {
		r.figure("journal_append_vs_bare_insert", "%.2f", ratio, "ratio")
	}
	return err
}

// percentile prints one of some samples, in microseconds.
func (r *run) percentile(name string, samples []time.Duration, p float64) error {
	d, err := stats.Percentile(samples, p)
	if err == nil {
		r.figure(name, "%.0f", float64(d)/float64(time.Microsecond), "us")
	}
	return err
}

// appendOne times one append; what it seals was made before.
func appendOne(ctx context.Context, j *journal.Journal, n int) (time.Duration, error) {
	plain, shown, err := tapped(n, kindCard)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	_, err = j.Append(ctx, plain, shown)
	return time.Since(start), err
}

// measureGroup counts the records of one reader and of eight, each of which taps again as soon as it has its answer, and bare inserts, in turn.
func (r *journalRun) measureGroup(ctx context.Context) (err error) {
	j, err := r.open(ctx, "group.db")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	b, err := openBare(ctx, r.path("barest.db"), 700, nil, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if _, err := rate(ctx, j, readers, r.warm); err != nil {
		return err
	}
	var one, eight, bare, gain []float64
	for range r.blocks {
		a, err1 := rate(ctx, j, 1, r.pairs)
		g, err2 := rate(ctx, j, readers, r.pairs*4)
		s, err3 := bareRate(ctx, b, r.pairs)
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		one, eight, bare, gain = append(one, a), append(eight, g), append(bare, s), append(gain, g/a)
	}
	return errors.Join(r.middle("journal_records_s", "%.0f", eight, "records/s"), r.middle("journal_one_records_s", "%.0f", one, "records/s"),
		r.middle("bare_insert_records_s", "%.0f", bare, "rows/s"), r.middle("journal_group_gain_8", "%.2f", gain, "ratio"))
}

// middle prints the median of some samples.
func (r *run) middle(name, format string, samples []float64, unit string) error {
	m, err := stats.Median(samples)
	if err == nil {
		r.figure(name, format, m, unit)
	}
	return err
}

// rate appends so many records by so many readers, and says how many a second.
func rate(ctx context.Context, j *journal.Journal, readers, records int) (float64, error) {
	type made struct {
		plain []byte
		shown journal.Clear
	}
	all := make([]made, records)
	for i := range all {
		var err error
		if all[i].plain, all[i].shown, err = tapped(i, kindCard); err != nil {
			return 0, err
		}
	}
	faults := make([]error, readers)
	var wg sync.WaitGroup
	start := time.Now()
	for k := range readers {
		wg.Go(func() {
			for i := k; i < records && faults[k] == nil; i += readers {
				_, faults[k] = j.Append(ctx, all[i].plain, all[i].shown)
			}
		})
	}
	wg.Wait()
	return float64(records) / time.Since(start).Seconds(), errors.Join(faults...)
}

func bareRate(ctx context.Context, b *bare, rows int) (float64, error) {
	start := time.Now()
	for range rows {
		if _, err := b.insertOnly(ctx); err != nil {
			return 0, err
		}
	}
	return float64(rows) / time.Since(start).Seconds(), nil
}

// insertOnly is one sample without a certificate.
func (b *bare) insertOnly(ctx context.Context) (time.Duration, error) {
	b.n++
	start := time.Now()
	_, err := b.stmt.ExecContext(ctx, b.n, b.row)
	return time.Since(start), err
}
