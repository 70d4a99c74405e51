//go:build integration

package pcsc_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"

	"kazashi.example/central/lab/pcscd"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/pcsc"
	"kazashi.example/reader/vcard/control"
)

// program builds reader/cmd/vcard once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(base, "vcard")
	out, err := exec.Command("go", "build", "-o", path, "kazashi.example/reader/cmd/vcard").CombinedOutput()
	if err != nil {
		return "", &exec.Error{Name: string(out), Err: err}
	}
	return path, nil
})

// rig starts a real pcscd with virtual readers at the one socket that this process's libpcsclite knows.
func rig(t testing.TB, slots int) *pcscd.Rig {
	t.Helper()
	vcard, err := program()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(base, "reader.conf")); err != nil { // the last rig may have had more readers
		t.Fatal(err)
	}
	r, err := pcscd.Start(t.Context(), pcscd.Config{VCard: vcard, Slots: slots, Dir: base})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, r) })
	return r
}

func stop(t testing.TB, r *pcscd.Rig) {
	t.Helper()
	if err := r.Stop(); err != nil {
		t.Errorf("stopping the rig = %v", err)
	}
}

// practice makes one practice world for all tests. Whoever changes a card, its PINs or its counters for good works on a copy of it.
var practice = sync.OnceValues(func() (*world.World, error) {
	return world.Open(context.Background(), filepath.Join(base, "world"), world.Config{Keys: worldtest.KeyDir()})
})

// person returns one of its people.
func person(t testing.TB, key string) (*world.World, world.Person) {
	t.Helper()
	w, err := practice()
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Person(key)
	if err != nil {
		t.Fatal(err)
	}
	return w, p
}

func insert(t testing.TB, r *pcscd.Rig, slot int, req control.InsertRequest) {
	t.Helper()
	if _, err := r.Control().Insert(t.Context(), slot, req); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, r *pcscd.Rig, slot int) {
	t.Helper()
	if _, err := r.Control().Remove(t.Context(), slot); err != nil {
		t.Fatal(err)
	}
}

// expect takes as many events as are wanted and compares kinds and readers.
func expect(t *testing.T, events <-chan pcsc.Event, want ...pcsc.Event) {
	t.Helper()
	for i, w := range want {
		got := next(t, events)
		if got.Kind != w.Kind || got.Reader != w.Reader || got.Already != w.Already {
			t.Fatalf("event %d = %v %q already=%v, want %v %q already=%v", i, got.Kind, got.Reader, got.Already, w.Kind, w.Reader, w.Already)
		}
	}
}

// settled is what a fresh rig with empty readers reports.
func settled(r *pcscd.Rig, slots int) []pcsc.Event {
	list := []pcsc.Event{{Kind: pcsc.ServiceFound}}
	for n := range slots {
		list = append(list, pcsc.Event{Kind: pcsc.ReaderAdded, Reader: r.ReaderName(n)})
	}
	return list
}

// pidOfPCSCD finds the pcscd of this test's own rig by its configuration directory.
func pidOfPCSCD(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil {
			continue
		}
		args := bytes.Split(line, []byte{0})
		ours := func(a []byte) bool { return bytes.HasPrefix(a, []byte(base+"/")) }
		if filepath.Base(string(args[0])) == "pcscd" && slices.ContainsFunc(args, ours) {
			return pid
		}
	}
	t.Fatal("pcscd of the rig not found")
	return 0
}

// freeze stops pcscd in the middle of whatever it does, and returns what lets it go on.
func freeze(t *testing.T) (thaw func()) {
	t.Helper()
	pid := pidOfPCSCD(t)
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	thaw = sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	t.Cleanup(thaw)
	return thaw
}
