//go:build integration

package crash_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"kazashi.example/appliance/revocation"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// small mounts a file system in memory of so many KiB, which root may.
func small(t *testing.T, kib int) string {
	t.Helper()
	dir := t.TempDir()
	mount(t, "mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dk", kib), "tmpfs", dir)
	t.Cleanup(func() { mount(t, "umount", "-l", dir) }) // a map of central's that was closed goes with the next collection of garbage
	return dir
}

func mount(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.Background(), args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%q: %v: %s", args, err, out)
	}
}

// faults is a log that hands on the errors in it.
type faults struct {
	slog.Handler

	seen chan error
}

func (f faults) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			f.seen <- err
		}
		return true
	})
	return nil
}

func (f faults) Enabled(context.Context, slog.Level) bool { return true }

// fits is what a file system of a size made of an attempt to go from edition 1 to 3.
func (s *shop) fits(t *testing.T, kib int, take func(context.Context, *revocation.Cache, chan error) error) bool {
	t.Helper()
	dir := small(t, kib)
	if err := s.keep(dir, 1); err != nil {
		t.Fatal(err)
	}
	seen := make(chan error, 100) // errors logged, and nil for every change
	c, err := revocation.Open(t.Context(), revocation.Config{
		Dir: dir, Keys: func() sign.Keys { return s.keys }, Log: slog.New(faults{slog.DiscardHandler, seen}), Changed: func() { seen <- nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = take(t.Context(), c, seen)
	if err == nil {
		if err := s.answers(c, 3); err != nil {
			t.Errorf("%d KiB: %v", kib, err)
		}
		return true
	}
	if !errors.Is(err, revocation.ErrFull) {
		t.Errorf("%d KiB: %v, want ErrFull", kib, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "*-3.set*"))
	if err := s.answers(c, 1); err != nil || len(left) > 0 {
		t.Errorf("%d KiB: on the full disk: %v; left %q", kib, err, left)
	}
	mount(t, "mount", "-o", "remount,size=4m", dir)
	if err := (journey{shop: s, stick: true}).goOn(t.Context(), c, nil, nil); err != nil {
		t.Errorf("%d KiB: with room again: %v", kib, err)
	}
	if err := errors.Join(s.answers(c, 3), tidy(dir)); err != nil {
		t.Errorf("%d KiB: with room again: %v", kib, err)
	}
	return false
}

// Whatever the write that finds no room, the set in use answers, the error says why, and what was begun gives its room back.
func TestP7FullDisk(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stick := filepath.Join(s.dir, "stick")
	for way, take := range map[string]func(context.Context, *revocation.Cache, chan error) error{
		"load of a set": func(ctx context.Context, c *revocation.Cache, _ chan error) error {
			_, err := c.Load(ctx, stick)
			return err
		},
		"download": func(ctx context.Context, c *revocation.Cache, seen chan error) error {
			ctx, stop := context.WithCancel(ctx)
			ended := make(chan error, 1)
			c.Offered([]wire.SetOffer{s.offer(0, 3, false)})
			go func() { ended <- c.Run(ctx, &counter{dir: s.dir}) }()
			defer func() {
				stop()
				if err := byWish(<-ended); err != nil {
					t.Error(err)
				}
			}()
			for err := range seen {
				if h, _ := c.Newest(scope); err != nil || h.Number == version(3) {
					return err
				}
			}
			return nil
		},
	} {
		if err := errors.Join(os.RemoveAll(stick), s.fill(stick, false)); err != nil {
			t.Fatal(err)
		}
		full, fit := 0, 0
		need := (len(s.editions[0].set) + len(s.editions[2].set)) / 1024 * 10 / 9 // a tenth stays free for records
		for kib := need - 200; kib < need+56; kib += 8 {
			if s.fits(t, kib, take) {
				fit++
			} else {
				full++
			}
		}
		t.Logf("%s: full disk: %d sizes full, %d with room, all whole", way, full, fit)
		if full < 10 || fit == 0 {
			t.Errorf("%s: %d sizes full, %d with room: want both", way, full, fit)
		}
	}
}

// Central on a full disk: what was published stays, the error says why, and with room again it goes on.
func TestP7FullDiskOfCentral(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	full, fit := 0, 0
	for kib := 0; kib < 300; kib += 8 {
		if p.fits(t, kib) {
			fit++
		} else {
			full++
		}
	}
	t.Logf("publication: full disk: %d sizes full, %d with room, all whole", full, fit)
	if full < 10 || fit == 0 {
		t.Errorf("publication: %d sizes full, %d with room: want both", full, fit)
	}
}

// fits publishes the second day's list where so many KiB are free.
func (p *press) fits(t *testing.T, kib int) bool {
	t.Helper()
	dir := small(t, 4<<10)
	if err := p.before(dir); err != nil {
		t.Fatal(err)
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	used := int(s.Blocks-s.Bfree) * int(s.Bsize) / 1024 //nolint:gosec // a few KiB
	mount(t, "mount", "-o", fmt.Sprintf("remount,size=%dk", used+kib), dir)
	store, err := p.open(t.Context(), dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, err = p.ingest(t.Context(), store, 1)
	if err == nil {
		_, err = store.Build(t.Context(), scope)
	}
	if err == nil {
		if err := p.served(store, 1); err != nil { // a delta that found no room keeps no set from boxes
			t.Errorf("%d KiB free: %v", kib, err)
		}
		return true
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%d KiB free: %v, want ENOSPC", kib, err)
	}
	if err := p.whole(store, 0); err != nil {
		t.Errorf("%d KiB free: on the full disk: %v", kib, err)
	}
	mount(t, "mount", "-o", "remount,size=4m", dir)
	if _, err := p.ingest(t.Context(), store, 1); err != nil {
		t.Errorf("%d KiB free: with room again: %v", kib, err)
	}
	if _, err := store.Build(t.Context(), scope); err != nil {
		t.Errorf("%d KiB free: with room again: %v", kib, err)
	}
	if err := p.whole(store, 1); err != nil {
		t.Errorf("%d KiB free: with room again: %v", kib, err)
	}
	return false
}
