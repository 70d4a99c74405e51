//go:build integration

package courier_test

import (
	"context"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"

	"kazashi.example/sync/courier"
	"kazashi.example/sync/wire"
)

// command runs a program of the machine; a missing one, or missing rights, fail the test.
func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// mounted is a file system of one mebibyte.
func mounted(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	command(t, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir)
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "umount", "--lazy", dir).Run() })
	return dir
}

// A stick that is full keeps the parcels that are whole, and says so.
func TestFullStick(t *testing.T) {
	w := newWorld(t)
	dir := mounted(t)
	s, err := courier.Make(dir)
	must(t, err)
	defer s.Close()
	first := written(t, w, s)
	head, envelopes := w.records(t, 50, 12<<10)
	run, err := courier.Pack(head.Message, envelopes)
	must(t, err)
	wr, err := s.Writer(w.up())
	must(t, err)
	for err == nil {
		err = wr.Run(run)
	}
	if !errors.Is(err, courier.ErrFull) {
		t.Errorf("Run(full) = %v, want ErrFull", err)
	}
	wr.Abort()
	source := func() (io.ReadCloser, error) {
		return io.NopCloser(io.LimitReader(zeros{}, 2<<20)), nil
	}
	if _, err := s.PutBlob(t.Context(), wire.Blob{ID: wire.BlobID{1}, Size: 2 << 20}, source); !errors.Is(err, courier.ErrFull) {
		t.Errorf("PutBlob(full) = %v, want ErrFull", err)
	}
	if names, err := s.Parcels(courier.Up, w.box); err != nil || len(names) != 1 || names[0] != first {
		t.Errorf("Parcels = %v, %v, want the first alone", names, err)
	}
	if n, err := s.Free(); err != nil || n < 900<<10 {
		t.Errorf("Free = %d, %v: the half written are still there", n, err)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// A stick that cannot be written to is read, and says so when it is written to.
func TestReadOnlyStick(t *testing.T) {
	w := newWorld(t)
	dir, empty := mounted(t), mounted(t)
	s, err := courier.Make(dir)
	must(t, err)
	n := written(t, w, s)
	must(t, s.Close())
	command(t, "mount", "-o", "remount,ro", dir)
	command(t, "mount", "-o", "remount,ro", empty)
	if _, err := courier.Make(empty); !errors.Is(err, courier.ErrReadOnly) {
		t.Errorf("Make(read-only) = %v, want ErrReadOnly", err)
	}
	s, err = courier.Find(dir)
	must(t, err)
	defer s.Close()
	p, err := s.Open(n)
	must(t, err)
	must(t, p.Close())
	if err := s.Remove(n); !errors.Is(err, courier.ErrReadOnly) {
		t.Errorf("Remove(read-only) = %v, want ErrReadOnly", err)
	}
	wr, err := s.Writer(w.up())
	must(t, err)
	if err := wr.State(courier.State{}); !errors.Is(err, courier.ErrReadOnly) {
		t.Errorf("State(read-only) = %v, want ErrReadOnly", err)
	}
}

// Another stick in the place of the one that was pulled is not taken for it.
func TestAnotherStickInItsPlace(t *testing.T) {
	w := newWorld(t)
	dir := mounted(t)
	s, err := courier.Make(dir)
	must(t, err)
	defer s.Close()
	wr, err := s.Writer(w.up())
	must(t, err)
	must(t, wr.State(courier.State{}))
	command(t, "umount", "--lazy", dir)
	command(t, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir)
	_ = wr.Close() // to the stick that it was begun on
	if _, err := courier.Find(dir); !errors.Is(err, courier.ErrNotStick) {
		t.Errorf("Find(another stick) = %v, want ErrNotStick: something was written to it", err)
	}
}
