package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
)

// appliesPerRound is how many times a process applies in turn with its rivals.
const appliesPerRound = 5

// measureApply compares applying a delta with writing what comes of it.
func (r *revocationRun) measureApply(ctx context.Context) error {
	s := series{}
	for range r.rounds {
		if err := r.applyRound(ctx, s); err != nil {
			return err
		}
	}
	return r.print(s, []figureOf{
		{"delta_apply_vs_write_fsync", "apply/write", "%.2f", "ratio"},
		{"delta_apply_held_vs_write_fsync", "held/write", "%.2f", "ratio"},
		{"delta_apply_ms", "apply", "%.0f", "ms"},
		{"write_fsync_ms", "write", "%.0f", "ms"},
		{"delta_apply_rss_mib", "rss", "%.1f", "MiB"},
		{"delta_apply_rss_anon_mib", "anon", "%.1f", "MiB"},
	})
}

// applyRound applies the delta once in a process of its own, whose memory is looked at, and then in turn with its rivals.
func (r *revocationRun) applyRound(ctx context.Context, s series) error {
	var one applied
	if _, err := r.asked(ctx, nil, &one, childApply, r.dir, "1"); err != nil {
		return err
	}
	s["rss"], s["anon"] = append(s["rss"], one.RSS), append(s["anon"], one.Anon)
	var many applied
	if _, err := r.asked(ctx, nil, &many, childApply, r.dir, strconv.Itoa(appliesPerRound), "in turn"); err != nil {
		return err
	}
	s["apply"] = append(s["apply"], many.Apply...)
	s["write"] = append(s["write"], many.Write...)
	s["apply/write"] = append(s["apply/write"], ratios(many.Apply, many.Write)...)
	s["held/write"] = append(s["held/write"], ratios(many.Held, many.Write)...)
	return nil
}

// applied is what applying took to a set that was opened for it, to one that was in use and whose chunks had been compared, and
// writing, in milliseconds; the process's peak and what of it is no file, in MiB.
type applied struct {
	Apply, Held, Write []float64
	RSS, Anon          float64
}

// Files that a child writes.
const (
	appliedFile = "applied"
	writtenFile = "written"
)

// applyAgain is a child: it applies the delta so often, each time to a new file that is flushed.
func applyAgain(ctx context.Context, dir, times string, inTurn bool) (a applied, err error) {
	n, err := strconv.Atoi(times)
	if err != nil {
		return a, fmt.Errorf("%w: %q times", ErrChild, times)
	}
	for range n {
		took, err := durably(filepath.Join(dir, appliedFile), func(f *os.File) error { return applyOnce(dir, f) })
		if err != nil {
			return a, err
		}
		a.Apply = append(a.Apply, took)
		if inTurn {
			if err := a.rivals(ctx, dir); err != nil {
				return a, err
			}
		}
	}
	if a.RSS, err = memory(os.Getpid(), "VmHWM"); err == nil {
		a.Anon, err = memory(os.Getpid(), "RssAnon")
	}
	return a, err
}

// rivals compares what was applied with what central published, applies the delta to a set in use, and writes the same octets.
func (a *applied) rivals(ctx context.Context, dir string) error {
	octets, err := same(filepath.Join(dir, appliedFile), filepath.Join(dir, nextSet))
	if err != nil {
		return err
	}
	base, err := openPublished(dir)
	if err != nil {
		return err
	}
	defer base.Close()
	if err := base.Scrub(ctx); err != nil {
		return err
	}
	took, err := durably(filepath.Join(dir, appliedFile), func(f *os.File) error { return applyTo(base, dir, f) })
	if err != nil {
		return err
	}
	a.Held = append(a.Held, took)
	took, err = durably(filepath.Join(dir, writtenFile), func(f *os.File) error { _, err := f.Write(octets); return err })
	a.Write = append(a.Write, took)
	return err
}

// same are the octets of two files; ErrSame if they differ.
func same(path, other string) ([]byte, error) {
	a, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, fmt.Errorf("comparing files: %w", err)
	}
	b, err := os.ReadFile(filepath.Clean(other))
	if err != nil {
		return nil, fmt.Errorf("comparing files: %w", err)
	}
	if !slices.Equal(a, b) {
		return nil, fmt.Errorf("%w: %s and %s", ErrSame, filepath.Base(path), filepath.Base(other))
	}
	return a, nil
}

// applyOnce opens the base anew: every chunk is compared with its digest on the way.
func applyOnce(dir string, f *os.File) error {
	base, err := openPublished(dir)
	if err != nil {
		return err
	}
	defer base.Close()
	return applyTo(base, dir, f)
}

func applyTo(base *crlset.Set, dir string, f *os.File) error {
	b, err := os.ReadFile(filepath.Join(dir, deltaFile))
	if err != nil {
		return fmt.Errorf("reading a delta: %w", err)
	}
	d, err := delta.Open(b)
	if err != nil {
		return err
	}
	_, err = delta.Apply(f, base, d)
	return err
}

// durably writes a new file, flushes it, and says how many milliseconds that took.
func durably(path string, write func(*os.File) error) (float64, error) {
	if err := os.RemoveAll(path); err != nil {
		return 0, fmt.Errorf("removing a file: %w", err)
	}
	start := time.Now()
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return 0, fmt.Errorf("making a file: %w", err)
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return 0, fmt.Errorf("writing a file durably: %w", err)
	}
	return milliseconds(time.Since(start)), nil
}
