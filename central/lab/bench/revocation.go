package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"kazashi.example/central/lab/bench/entropy"
	"kazashi.example/central/lab/bench/stats"
	"kazashi.example/central/lab/crlgen"
	"kazashi.example/central/lab/world/pki"
)

// RevocationConfig says how much [RunRevocation] measures.
type RevocationConfig struct {
	Config
	Rounds  int    // of everything that is measured in turn; 0: five, or three when quick
	Entries uint64 // of the list; 0: ten million, or a million when quick
	Large   bool   // 30 million entries under GOMEMLIMIT=256MiB, too; not when quick
}

// Sizes of lists.
const (
	fullEntries  = 10_000_000
	quickEntries = 1_000_000
	largeEntries = 30_000_000
	smallPart    = 10     // the small list has so many times fewer entries
	dayChanges   = 20_000 // what a day changes
	fullRounds   = 5
	quickRounds  = 3
)

// revocationNames are the figures that RunRevocation owes. Those of the large list are owed only when it is asked for.
var revocationNames = []string{
	"ingest_vs_openssl", "ingest_vs_x509", "ingest_vs_sha256", "ingest_s", "ingest_cpu_s", "openssl_crl_s", "openssl_crl_cpu_s", "x509_s", "x509_cpu_s",
	"openssl_sha256_s", "ingest_rss_mib", "openssl_crl_rss_mib", "x509_rss_mib", "ingest_rss_growth_mib",
	"ingest_unsorted_rss_mib", "ingest_unsorted_vs_sorted",
	"set_serial_bytes_vs_limit", "set_serial_bytes_per_entry", "set_full_bytes_vs_limit", "set_full_bytes_per_entry",
	"lookup_vs_gomap", "lookup_full_vs_gomap", "lookup_first_vs_gomap", "lookup_full_first_vs_gomap", "lookup_first_p50_ns",
	"lookup_full_first_p50_ns", "gomap_first_p50_ns", "gomap_full_first_p50_ns",
	"lookup_chained_vs_gomap", "lookup_full_chained_vs_gomap", "lookup_chained_p50_ns", "gomap_chained_p50_ns",
	"lookup_p50_ns", "lookup_p99_ns", "lookup_full_p50_ns", "lookup_full_p99_ns",
	"gomap_p50_ns", "gomap_p99_ns", "gomap_full_p50_ns", "gomap_full_p99_ns", "gomap_bytes_per_entry", "gomap_full_bytes_per_entry",
	"set_serial_bytes_vs_gomap", "set_full_bytes_vs_gomap",
	"sorted_u32_p50_ns", "sorted_u32_p99_ns", "sqlite_p50_ns", "sqlite_p99_ns", "sqlite_bytes_per_entry",
	"delta_bytes_vs_limit", "delta_bytes", "delta_mixed_bytes_vs_limit", "delta_mixed_bytes",
	"delta_apply_vs_write_fsync", "delta_apply_held_vs_write_fsync", "delta_apply_ms", "write_fsync_ms", "delta_apply_rss_mib", "delta_apply_rss_anon_mib",
	"cold_start_ms", "cold_start_process_ms", "cold_start_rss_anon_mib",
}

var largeNames = []string{"ingest_large_s", "ingest_large_rss_mib"}

// RevocationFigures are the names of the figures that a run of RunRevocation owes.
func RevocationFigures(large bool) []string {
	if large {
		return append(revocationNames[:len(revocationNames):len(revocationNames)], largeNames...)
	}
	return revocationNames
}

// revocationRun is one run of RunRevocation.
type revocationRun struct {
	*run
	rounds  int
	ca      *pki.Authority
	entries uint64
	made    time.Time    // thisUpdate of the list; the same for the whole run
	list    *crlgen.List // the list that everything is about
	next    *crlgen.List // a day of additions later
	mixed   *crlgen.List // a day of every change after that
}

// ErrSame says that two ways did not come to the same.
var ErrSame = errors.New("two ways that must come to the same differ")

// RunRevocation measures the revocation engine beside openssl, crypto/x509, a Go map, SQLite and the least octets that there can be, on
// lists made from a seed. Needed in Bin are kazashi-central and kazashi-lab, and openssl on the path. Like [Run] it goes on after a
// measurement that failed, and its error names what is missing.
func RunRevocation(ctx context.Context, c RevocationConfig) (err error) {
	c = c.completed()
	r := &revocationRun{run: &run{Config: c.Config, owed: RevocationFigures(c.Large)}, rounds: c.Rounds, entries: c.Entries, made: today()}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder to measure in: %w", err)
	}
	if err := r.describeRevocation(ctx); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp(c.Dir, "kazashi-bench-"); err != nil {
		return fmt.Errorf("making the folder of this run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	if err := r.lists(ctx); err != nil {
		return errors.Join(fmt.Errorf("making revocation lists: %w", err), r.missing())
	}
	all := []measurement{
		{"taking lists", r.measureIngest},
		{"sets and deltas", r.measureSets},
		{"answers", r.measureLookup},
		{"applying a delta", r.measureApply},
		{"cold starts", r.measureCold},
	}
	if c.Large {
		all = append(all, measurement{"a large list", r.measureLarge})
	}
	return errors.Join(r.perform(ctx, all), r.missing())
}

// completed has the defaults.
func (c RevocationConfig) completed() RevocationConfig {
	rounds, entries := fullRounds, uint64(fullEntries)
	if c.Quick {
		rounds, entries, c.Large = quickRounds, quickEntries, false
	}
	c.Rounds, c.Entries = cmp.Or(c.Rounds, rounds), cmp.Or(c.Entries, entries)
	return c
}

// describeRevocation says on what machine and against which peers; ErrMemoryDisk.
func (r *revocationRun) describeRevocation(ctx context.Context) error {
	kind, device, err := fileSystem(r.Dir)
	if err != nil {
		return err
	}
	if kind == "tmpfs" || kind == "ramfs" {
		return fmt.Errorf("%s is %s: %w", r.Dir, kind, ErrMemoryDisk)
	}
	r.describeMachine()
	version, err := exec.CommandContext(ctx, "openssl", "version").Output()
	if err != nil {
		return fmt.Errorf("asking openssl for its version: %w; run apt-get install openssl", err)
	}
	sha := "no SHA extensions"
	if flags := field("/proc/cpuinfo", "flags"); strings.Contains(flags, " sha_ni") || strings.Contains(field("/proc/cpuinfo", "Features"), " sha2") {
		sha = "SHA extensions"
	}
	fmt.Fprintf(r.Out, "# files on %s (%s) below %s; %s; %s; medians of %d rounds in turn, files in the page cache\n",
		kind, device, r.Dir, sha, strings.TrimSpace(string(version)), r.rounds)
	fmt.Fprintf(r.Out, "# list: %d of %d serials, uniform, one-second dates over five years, reasons of %.2f bits; RSA-2048 with SHA-256\n",
		r.entries, uint64(crlgen.DefaultUniverse), crlgen.DefaultMix().Entropy())
	fmt.Fprintln(r.Out, "# kept of an entry: ours serial, date and reason, in a file that is durable when the program ends; openssl and crypto/x509 an",
		"object with every extension, in memory, nothing on disk; the maps serial alone, or serial, date and reason")
	return nil
}

// today is the thisUpdate of the lists: a day that has begun.
func today() time.Time { return time.Now().UTC().Truncate(time.Hour).Add(-72 * time.Hour) }

// spec of the list that everything is about.
func (r *revocationRun) spec() crlgen.Spec {
	return crlgen.Spec{Seed: 20261122, Entries: r.entries, ThisUpdate: r.made, NextUpdate: r.made.Add(30 * 24 * time.Hour)}
}

// file is the path of a file of the run.
func (r *revocationRun) file(name string) string { return filepath.Join(r.dir, name) }

// lists writes the lists.
func (r *revocationRun) lists(ctx context.Context) (err error) {
	if r.ca, err = crlgen.OpenAuthority(r.file("ca"), false); err != nil {
		return err
	}
	if r.list, err = crlgen.New(r.spec()); err != nil {
		return err
	}
	if r.next, err = r.list.NextDay(addingDay); err != nil {
		return err
	}
	if r.mixed, err = r.next.NextDay(mixedDay); err != nil {
		return err
	}
	small, shuffled := r.spec(), r.spec()
	small.Entries /= smallPart
	shuffled.Shuffled = true
	for name, s := range map[string]crlgen.Spec{"list.crl": r.spec(), "small.crl": small, "shuffled.crl": shuffled} {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, err := crlgen.New(s)
		if err != nil {
			return err
		}
		if err := r.write(l, name); err != nil {
			return err
		}
	}
	return nil
}

func (r *revocationRun) write(l *crlgen.List, name string) error {
	f, err := os.Create(r.file(name))
	if err != nil {
		return fmt.Errorf("making the file of a list: %w", err)
	}
	defer f.Close()
	n, err := l.Write(f, r.ca)
	if err != nil {
		return err
	}
	fmt.Fprintf(r.Out, "# %s: %d entries, %d octets\n", name, l.Len(), n)
	return f.Sync() // so that nobody else pays for it
}

// Days: one of new entries alone, and one of every change.
var (
	addingDay = crlgen.Changes{Additions: dayChanges}
	mixedDay  = crlgen.Changes{Additions: dayChanges / 2, Removals: dayChanges * 4 / 10, Reasons: dayChanges / 10}
)

// limit of a set in octets: with dates and reasons, or of its serials alone.
func (r *revocationRun) limit(full bool) float64 {
	n, u := float64(r.entries), float64(crlgen.DefaultUniverse)
	if !full {
		return entropy.Choose(u, n) / 8
	}
	return entropy.Set(u, n, r.list.Spec().Span.Seconds(), crlgen.DefaultMix().Entropy()) / 8
}

// dayLimit of the delta from a list, in octets.
func (r *revocationRun) dayLimit(before *crlgen.List, c crlgen.Changes) float64 {
	var weights []float64
	for _, w := range crlgen.DefaultMix() {
		weights = append(weights, float64(w.Weight))
	}
	return entropy.Day{
		Universe: crlgen.DefaultUniverse, Entries: float64(before.Len()),
		Additions: float64(c.Additions), Removals: float64(c.Removals), Reasons: float64(c.Reasons),
		Seconds: (24 * time.Hour).Seconds(), Reason: entropy.Reason(weights), Other: entropy.Other(weights),
	}.Delta() / 8
}

// series are samples by what they are of.
type series map[string][]float64

// print prints the medians of series under the names of figures.
func (r *revocationRun) print(s series, figures []figureOf) error {
	for _, f := range figures {
		m, err := stats.Median(s[f.of])
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		r.figure(f.name, f.format, m, f.unit)
	}
	return nil
}

// figureOf says which series a figure is the median of.
type figureOf struct{ name, of, format, unit string }

// quiet collects what measuring has left behind, so that its own collector does not run beside others.
func quiet() { runtime.GC() }
