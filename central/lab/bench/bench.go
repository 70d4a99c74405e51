// Package bench measures what the README claims of the box, side by side in one run, and prints it.
//
// Every figure is a line "figure NAME VALUE UNIT" on the output; lines that begin with # describe the run. Times come as medians of
// things measured in turn, because the machine is never quiet: compare ratios, not microseconds of two runs. A figure that
// could not be measured is not printed, and [Run] says so in its error.
//
// Run belongs to one goroutine and starts the real programs as processes of its own, on free loopback ports, in a folder that
// it removes at the end; it ends with its context and leaves nothing running. [RunBelt] is the body of one of those processes.
// Nothing here is durable. The package does not judge the figures.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"
)

// Config says where and how much to measure.
type Config struct {
	Bin   string    // folder of the built programs
	Dir   string    // folder on the disk to measure; a folder of the run's own is made in it. Short: unix sockets lie below
	Keys  string    // folder of the practice world's private keys, made once and kept
	Quick bool      // fewer samples
	Out   io.Writer // gets the figures
	Log   *slog.Logger
}

// Errors of Run.
var (
	// ErrMemoryDisk says that Dir is not on a disk, so that nothing about durability can be measured there.
	ErrMemoryDisk = errors.New("folder is in memory, not on a disk: choose another --dir")
	// ErrMissing says that figures could not be measured.
	ErrMissing = errors.New("figures are missing")
)

// amounts is how many samples of each kind are taken.
type amounts struct {
	taps    int // pairs of a tap and a bare insert
	warm    int // pairs before them: until both write-ahead logs have stopped growing, which costs more than writing over them
	flushes int // flushes of 4 KiB
	pushed  int // records brought to central one by one, and again as a backlog
	records int // taps of the box whose memory is looked at
	cards   int // cards of which APDUs are counted
}

func (c Config) amounts() amounts {
	if c.Quick {
		return amounts{taps: 200, warm: 20, flushes: 40, pushed: 100, records: 1000, cards: 2}
	}
	return amounts{taps: 2000, warm: 1200, flushes: 400, pushed: 1000, records: 10_000, cards: 5}
}

// names are the figures that a run owes.
var names = []string{
	"tap_overhead_p50_us", "tap_overhead_p99_us", "tap_overhead_vs_bare_insert", "bare_insert_p50_us", "bare_insert_p99_us",
	"disk_fsync_p50_us",
	"envelope_bytes_per_record", "wire_bytes_per_record", "wire_bytes_per_record_backlog",
	"box_rss_idle_mib", "apdus_certificate", "opensc_apdus_certificate",
	"box_rss_10k_mib", "box_rss_10k_peak_mib", "central_records_s",
}

// run is one run.
type run struct {
	Config
	n       amounts
	dir     string
	scene   *scene
	owed    []string // figures that the run owes
	printed []string
}

// Run measures everything. A measurement that fails does not keep the others from being made; the error then names what is
// missing. ErrMemoryDisk before anything is done.
func Run(ctx context.Context, c Config) (err error) {
	r := &run{Config: c, n: c.amounts(), owed: names}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder to measure in: %w", err)
	}
	if err := r.describe(); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp(c.Dir, "kazashi-bench-"); err != nil {
		return fmt.Errorf("making the folder of this run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if r.scene, err = openScene(ctx, r); err != nil {
		return errors.Join(fmt.Errorf("setting the scene: %w", err), r.missing())
	}
	defer func() { err = errors.Join(err, r.scene.close()) }()
	return errors.Join(r.measure(ctx), r.missing())
}

// measure makes one measurement after the other.
func (r *run) measure(ctx context.Context) error {
	return r.perform(ctx, []measurement{
		{"what the box adds to a tap", r.measureTap},
		{"octets on the wire", r.measureWire},
		{"the box with a card reader", r.measureReader},
		{"the box after many records", r.measureMany},
	})
}

// measurement is one that does not hang on the others.
type measurement struct {
	what string
	do   func(context.Context) error
}

// perform makes every measurement, also after one that failed, until ctx ends.
func (r *run) perform(ctx context.Context, all []measurement) error {
	var faults []error
	for _, m := range all {
		r.Log.InfoContext(ctx, "measuring", slog.String("what", m.what))
		if err := m.do(ctx); err != nil {
			faults = append(faults, fmt.Errorf("measuring %s: %w", m.what, err))
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(faults...)
}

// figure prints one figure.
func (r *run) figure(name, format string, value any, unit string) {
	r.printed = append(r.printed, name)
	fmt.Fprintf(r.Out, "figure %s "+format+" %s\n", name, value, unit)
}

// attrs says in the log how long many records took.
func (r *run) attrs(took time.Duration) []any {
	return []any{slog.Int("records", r.n.records), slog.Duration("took", took.Round(time.Millisecond))}
}

func (r *run) missing() error {
	var left []string
	for _, n := range r.owed {
		if !slices.Contains(r.printed, n) {
			left = append(left, n)
		}
	}
	if len(left) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrMissing, strings.Join(left, ", "))
}
