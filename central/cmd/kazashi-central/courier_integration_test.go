//go:build integration

package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/central/admin"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/wire"
)

func mount(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "mount", args...).CombinedOutput(); err != nil {
		t.Fatalf("mount %v: %v: %s", args, err, out)
	}
}

// A full stick and one that cannot be written to are named so, and what can be done is done.
func TestCourierSticksThatRefuse(t *testing.T) {
	o := newOffice(t)
	mount(t, "-t", "tmpfs", "-o", "size=1500k", "tmpfs", o.stick)
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "umount", "--lazy", o.stick).Run() })
	code, err := o.client.NewCode(t.Context(), admin.Code{Site: "branch-1", Name: "Counter 1"})
	check(t, err)
	secret, err := wire.ParseJoinCode(code.Code)
	check(t, err)
	b := simbox.New(t, o.keys.Seal.Public())
	q, err := wire.JoinRequest{Box: b.ID, Device: b.Public(t).DER(), Sealing: b.Sealing}.Prove(secret)
	check(t, err)
	o.write(courier.Config{Kind: courier.Joining, Box: b.ID}, func(w *courier.Writer) { check(t, w.JoinRequest(q)) })
	o.taps(b, 3)
	before := o.files()
	mount(t, "-o", "remount,ro", o.stick)
	out, bad, err := o.run("import", o.stick)
	if !errors.Is(err, errCourier) || !strings.Contains(bad, ".kza: stick is read-only") || !strings.Contains(out, "3 records, 3 new") {
		t.Errorf("import of a read-only stick = %q, %q, %v, want its records taken, and its answer refused", out, bad, err)
	}
	if _, _, err := o.run("export", o.stick); !errors.Is(err, courier.ErrReadOnly) {
		t.Errorf("export to a read-only stick = %v, want %v", err, courier.ErrReadOnly)
	}
	mount(t, "-o", "remount,rw", o.stick)
	check(t, os.WriteFile(filepath.Join(o.stick, "films"), make([]byte, 900<<10), 0o600))
	if _, bad, err := o.run("export", o.stick); !errors.Is(err, errCourier) || !strings.Contains(bad, "stick is full") || !strings.Contains(bad, "are needed") {
		t.Errorf("export to a full stick = %q, %v, want how much is needed", bad, err)
	}
	for _, f := range o.files() {
		if !strings.Contains(strings.Join(before, " "), f) && !strings.HasSuffix(f, ".kza") {
			t.Errorf("%s is on the full stick, want nothing new but the answer to the request", f)
		}
	}
	check(t, os.Remove(filepath.Join(o.stick, "films")))
	if out, bad, err := o.run("export", o.stick); err != nil || !strings.Contains(out, "1 parcel: ") {
		t.Errorf("export after room was made = %q, %q, %v", out, bad, err)
	}
}

// files lists the files of ours on the stick.
func (o *office) files() (all []string) {
	o.t.Helper()
	check(o.t, filepath.WalkDir(filepath.Join(o.stick, "KAZASHI"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	}))
	return all
}
