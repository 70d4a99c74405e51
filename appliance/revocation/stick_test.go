package revocation_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"kazashi.example/appliance/revocation"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
)

// deliver puts a folder's sets into the box's inbox, as beside a running box.
func (w *world) deliver(folder string) (revocation.Delivery, error) {
	w.t.Helper()
	files, err := revocation.Peek(w.dir, w.keys)
	must(w.t, err)
	return revocation.Deliver(w.t.Context(), w.dir, folder, w.keys, files)
}

// beside is what a box that runs makes of a folder.
func (w *world) beside(folder string) error {
	w.t.Helper()
	_, err := w.deliver(folder)
	_, lerr := w.box.Load(w.t.Context(), filepath.Join(w.dir, revocation.Inbox))
	if errors.Is(lerr, revocation.ErrNothing) && err != nil {
		return err
	}
	return errors.Join(err, lerr)
}

func (w *world) alone(folder string) error {
	_, err := w.box.Load(w.t.Context(), folder)
	return err
}

// within fails what waits for something that does not come.
func within(t *testing.T, do func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for ever")
		return nil
	}
}

// P1: a folder that somebody carried puts no more on the disk than was signed, and is never waited for.
func TestP1AFolderNeverFillsTheDisk(t *testing.T) {
	for _, c := range []struct {
		name string
		file string
		make func(path string) error
		want error
	}{
		{"a body longer than signed", ".set", func(p string) error { return os.Truncate(p, 300<<20) }, crlset.ErrDigest},
		{"a body shorter than signed", ".set", func(p string) error { return os.Truncate(p, 300) }, crlset.ErrDigest},
		{"a body that never ends", ".set", func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/dev/zero", p)) }, revocation.ErrIrregular},
		{"a link to a body", ".set", func(p string) error { return errors.Join(os.Rename(p, p+"2"), os.Symlink(p+"2", p)) }, revocation.ErrIrregular},
		{"a body that is a pipe", ".set", func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, revocation.ErrIrregular},
		{"a body that is a folder", ".set", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, revocation.ErrIrregular},
		{"a manifest that is a pipe", ".manifest", func(p string) error { return errors.Join(os.Remove(p), syscall.Mkfifo(p, 0o600)) }, revocation.ErrIrregular},
		{"a manifest that is a folder", ".manifest", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, revocation.ErrIrregular},
		{"a manifest that is a device", ".manifest", func(p string) error { return errors.Join(os.Remove(p), os.Symlink("/dev/zero", p)) }, revocation.ErrIrregular},
		{"a manifest longer than any", ".manifest", func(p string) error { return os.Truncate(p, manifest.MaxManifest+1) }, manifest.ErrManifest},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, 1)
			stick := t.TempDir()
			w.Export(stick, w.All[0], false)
			must(t, c.make(filepath.Join(stick, w.All[0].Name()+c.file)))
			for way, take := range map[string]func(string) error{"Load": w.alone, "Deliver": w.beside} {
				if err := within(t, func() error { return take(stick) }); !errors.Is(err, c.want) {
					t.Errorf("%s = %v, want %v", way, err, c.want)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(w.dir, "inbox", "*")); len(left) > 0 {
				t.Errorf("in the inbox: %q", left)
			}
			w.folder()
			w.holds("after the refusal", 0)
		})
	}
}

func TestAFolderOfTooManyFilesIsRefused(t *testing.T) {
	w := newWorld(t, 1)
	stick, err := os.MkdirTemp("/dev/shm", "kazashi-stick-") //nolint:usetesting // in memory: the files are many
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(stick)) })
	for i := range revocation.MaxFiles + 1 {
		must(t, os.WriteFile(filepath.Join(stick, strconv.Itoa(i)), nil, 0o600))
	}
	for way, take := range map[string]func(string) error{"Load": w.alone, "Deliver": w.beside} {
		if err := take(stick); !errors.Is(err, revocation.ErrCrowded) {
			t.Errorf("%s(a folder of %d files) = %v, want ErrCrowded", way, revocation.MaxFiles+1, err)
		}
	}
}

// What is at fault in a folder keeps nothing else out, and a running box makes of it what one that stands still does.
func TestP7OneBadFileKeepsNothingElseOut(t *testing.T) {
	flip := func(b []byte) []byte { b[len(b)-1] ^= 1; return b }
	for _, c := range []struct {
		name string
		fill func(w *world, dir string)
		want uint64
		err  error // of the bad file
	}{
		{"a torn manifest of another scope", func(w *world, dir string) {
			w.Export(dir, w.All[1], false)
			must(w.t, os.WriteFile(filepath.Join(dir, "practice-sign-1-9.manifest"), []byte("torn"), 0o600))
			must(w.t, os.WriteFile(filepath.Join(dir, "practice-sign-1-9.set"), nil, 0o600))
		}, 2, manifest.ErrManifest},
		{"a newer set that is damaged", func(w *world, dir string) {
			flip(w.All[2].Set)
			w.Export(dir, w.All[1], false)
			w.Export(dir, w.All[2], false)
		}, 2, crlset.ErrDigest},
		{"a newer set behind a pipe", func(w *world, dir string) {
			w.Export(dir, w.All[1], false)
			must(w.t, os.WriteFile(filepath.Join(dir, w.All[2].Name()+".set"), nil, 0o600))
			must(w.t, syscall.Mkfifo(filepath.Join(dir, w.All[2].Name()+".manifest"), 0o600))
		}, 2, revocation.ErrIrregular},
		{"a damaged last delta", func(w *world, dir string) {
			flip(w.All[2].Delta)
			w.Export(dir, w.All[1], true)
			w.Export(dir, w.All[2], true)
		}, 2, crlset.ErrDigest},
		{"a damaged delta beside the whole set", func(w *world, dir string) {
			flip(w.All[1].Delta)
			w.Export(dir, w.All[1], true)
			w.Export(dir, w.All[2], true)
			w.Export(dir, w.All[2], false)
		}, 3, nil},
		{"a set, a delta from it, and another that is damaged", func(w *world, dir string) {
			w.Export(dir, w.All[1], false)
			w.Export(dir, w.All[2], true)
			v := w.publish(4)
			flip(v.Delta)
			w.Export(dir, v, true)
		}, 3, crlset.ErrDigest},
	} {
		t.Run(c.name, func(t *testing.T) {
			for way, take := range map[string]func(*world, string) error{"Load": (*world).alone, "Deliver": (*world).beside} {
				w := newWorld(t, 3)
				must(t, w.load(false, w.All[0]))
				dir := t.TempDir()
				c.fill(w, dir)
				if err := within(t, func() error { return take(w, dir) }); !errors.Is(err, c.err) {
					t.Errorf("%s = %v, want %v", way, err, c.err)
				}
				w.holds(way, c.want)
			}
		})
	}
}

// P1: below the floor of free room nothing is begun.
func TestP1RoomForRecordsStaysFree(t *testing.T) {
	dir := t.TempDir()
	var s syscall.Statfs_t
	must(t, syscall.Statfs(dir, &s))
	free := s.Bavail * uint64(s.Frsize)
	floor := min(s.Blocks*uint64(s.Frsize)/10, revocation.FloorMost)
	for _, c := range []struct {
		n    uint64
		want error
	}{{0, nil}, {free - min(free, floor/2), revocation.ErrFull}, {1 << 62, revocation.ErrFull}} {
		if err := revocation.Room(dir, c.n); !errors.Is(err, c.want) {
			t.Errorf("room(%d of %d free, floor %d) = %v, want %v", c.n, free, floor, err, c.want)
		}
	}
	if err := revocation.Room(filepath.Join(dir, "gone"), 1); err == nil {
		t.Error("room in no folder = nil, want an error")
	}
}

// What an earlier release or a delivery that did not end left in the inbox goes at a start.
func TestTheInboxIsTidiedAtAStart(t *testing.T) {
	w := newWorld(t, 3)
	must(t, w.load(false, w.All[0]))
	inbox := filepath.Join(w.dir, revocation.Inbox)
	w.Export(inbox, w.All[1], false)
	for _, left := range []string{".new-1", w.All[2].Name() + ".set", w.All[2].Name() + ".head", w.All[2].Name() + ".set.refused"} {
		must(t, os.WriteFile(filepath.Join(inbox, left), w.All[2].Set, 0o600))
	}
	w.open()
	left, err := filepath.Glob(filepath.Join(inbox, "*"))
	must(t, err)
	if len(left) != 2 {
		t.Errorf("in the inbox: %q, want the set that was delivered", left)
	}
}

// A delivery that is called off leaves nothing that is half.
func TestADeliveryThatIsCalledOff(t *testing.T) {
	w := newWorld(t, 1)
	stick := t.TempDir()
	w.Export(stick, w.All[0], false)
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := revocation.Deliver(ctx, w.dir, stick, w.keys, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Deliver(called off) = %v, want context.Canceled", err)
	}
}
