//go:build integration

package crash_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"kazashi.example/central/lab/crash"
	"kazashi.example/sync/durable"
)

func init() {
	children["durable"] = replaceTwice
	children["careless"] = careless
	children["map"] = mapped
	children["process"] = func(string) error { return exec.Command("true").Run() }
	children["copy"] = func(dir string) error {
		return errors.Join(os.WriteFile(filepath.Join(dir, "a"), []byte("12345"), 0o600), copyFile(filepath.Join(dir, "b"), filepath.Join(dir, "a")))
	}
	children["foreign"] = func(dir string) error {
		foreign := filepath.Join(filepath.Dir(dir), "foreign")
		return errors.Join(os.WriteFile(foreign, []byte("12345"), 0o600), copyFile(filepath.Join(dir, "a"), foreign))
	}
	children["link"] = func(dir string) error { return os.Symlink("a", filepath.Join(dir, "b")) }
}

// envThorough asks for every combination that the package knows, instead of a sample at each point; it takes minutes.
const envThorough = "CRASH_TEST_THOROUGH"

func thorough() bool { return os.Getenv(envThorough) != "" }

// again is this program as a scenario's child.
func again(child string) func(context.Context, string) *exec.Cmd {
	return func(ctx context.Context, dir string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0])
		cmd.Env = append(os.Environ(), envChild+"="+child, envDir+"="+dir)
		return cmd
	}
}

// scratch is a folder in memory: states are many, and nobody pulls a plug on them.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "kazashi-crash-") //nolint:usetesting // not where TempDir lies
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func recorded(t *testing.T, s crash.Scenario) *crash.Run {
	t.Helper()
	r, err := crash.Record(t.Context(), s, scratch(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// all demands that no state of a matrix is broken, and prints it.
func all(t *testing.T, m crash.Matrix) {
	t.Helper()
	t.Log(m)
	for _, f := range m.Faults[:min(len(m.Faults), 10)] {
		t.Error(f)
	}
	if m.States == 0 {
		t.Error("a matrix without states")
	}
}

// interrupted runs a scenario's matrices of kills and power cuts, prints them, and kills in earnest at some points.
func interrupted(t *testing.T, s crash.Scenario) *crash.Run {
	t.Helper()
	s.Sample, s.Thorough = 2, thorough()
	points := 4
	if s.Thorough {
		s.Sample, points = 0, 10
	}
	r := recorded(t, s)
	for i, o := range r.Ops() {
		t.Logf("%s: %3d %v", s.Name, i+1, o)
	}
	kill, power := r.Kill(t.Context()), r.Power(t.Context())
	all(t, kill)
	all(t, power)
	kills, err := r.Slay(t.Context(), 1+len(r.Ops())/points)
	for range 2 { // of two calls that were under way at once, on two files, a kill tells not which was done; and it may come too late
		if errors.Is(err, crash.ErrTrace) || err == nil && kills == 0 {
			kills, err = r.Slay(t.Context(), 1+len(r.Ops())/points)
		}
	}
	if t.Logf("%s: killed %d times in earnest", s.Name, kills); err != nil || kills == 0 {
		t.Errorf("Slay() = %d, %v", kills, err)
	}
	total.add(r.Ops(), kills, kill, power)
	return r
}

// losing leaves one fsync of each name out of a run, and wants that to break something.
func losing(t *testing.T, r *crash.Run, names ...string) {
	t.Helper()
	for _, name := range names {
		l, err := r.Lose(t.Context(), name)
		if t.Log(l); err != nil || l.Fault == nil {
			t.Errorf("without %s nothing is broken, %v", name, err)
		}
		total.without(l)
	}
}

// matrices runs every matrix of a scenario, each fsync left out in turn included. It returns how often each was found to be needed.
func matrices(t *testing.T, s crash.Scenario) (needed map[string]int) {
	t.Helper()
	r := interrupted(t, s)
	unused := maps.Clone(s.Superfluous)
	needed = map[string]int{}
	for _, l := range r.Without(t.Context()) {
		t.Logf("%s: %v", s.Name, l)
		total.without(l)
		switch {
		case l.Fault != nil:
			needed[l.Op.String()]++
		case l.Why == "":
			t.Errorf("%s does not need %v", s.Name, l.Op)
		default:
			delete(unused, l.Op.String())
		}
	}
	if len(unused) > 0 {
		t.Errorf("%s needs what is said to be superfluous: %q", s.Name, unused)
	}
	return needed
}

func old(n int) []byte { return []byte(strings.Repeat(string(rune('a'+n)), 3000)) }

func replaceTwice(dir string) error {
	for n := 1; n <= 2; n++ {
		if err := durable.WriteFile(filepath.Join(dir, "file"), old(n), 0o600); err != nil {
			return err
		}
		fmt.Println(n)
	}
	return nil
}

// careless renames without an fsync.
func careless(dir string) error {
	part := filepath.Join(dir, "part")
	if err := os.WriteFile(part, old(1), 0o600); err != nil {
		return err
	}
	if err := os.Rename(part, filepath.Join(dir, "file")); err != nil {
		return err
	}
	return durable.SyncDir(dir)
}

func mapped(dir string) error {
	f, err := os.Create(filepath.Join(dir, "a"))
	if err != nil {
		return err
	}
	if err := f.Truncate(4096); err != nil {
		return err
	}
	_, err = syscall.Mmap(int(f.Fd()), 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	return err
}

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = out.ReadFrom(in)
	return errors.Join(err, in.Close(), out.Close())
}

// versions is the check of a file that is replaced whole: one of the versions, and none older than the last that was said.
func versions(s crash.State) error {
	b, err := os.ReadFile(filepath.Join(s.Dir, "file"))
	if err != nil {
		return err
	}
	for n := len(s.Said); n <= 2; n++ {
		if slices.Equal(b, old(n)) {
			return nil
		}
	}
	return fmt.Errorf("file is %d octets %.3q…, %d versions said", len(b), b, len(s.Said))
}

func fileScenario(child string) crash.Scenario {
	return crash.Scenario{
		Name:   child,
		Before: func(dir string) error { return os.WriteFile(filepath.Join(dir, "file"), old(0), 0o600) },
		Child:  again(child),
		Check:  versions,
	}
}

func TestDurableFilesAreWholeAtEveryPoint(t *testing.T) {
	t.Parallel()
	matrices(t, fileScenario("durable"))
}

func TestARenameWithoutFsyncIsFound(t *testing.T) {
	t.Parallel()
	r := recorded(t, fileScenario("careless"))
	all(t, r.Kill(t.Context()))
	m := r.Power(t.Context())
	if t.Logf("%v, as must be found", m); len(m.Faults) == 0 {
		t.Errorf("%v: want a fault", m)
	}
}

func TestWhatCannotBeFollowedIsRefused(t *testing.T) {
	t.Parallel()
	for _, child := range []string{"map", "process", "foreign", "link"} {
		_, err := crash.Record(t.Context(), crash.Scenario{Name: child, Child: again(child)}, scratch(t))
		if !errors.Is(err, crash.ErrTrace) {
			t.Errorf("Record(%s) = %v, want ErrTrace", child, err)
		}
	}
}

func TestCopiesWithinTheFolderAreFollowed(t *testing.T) {
	t.Parallel()
	r := recorded(t, crash.Scenario{Name: "copy", Child: again("copy")})
	if got := fmt.Sprint(r.Ops()); got != "[create a write a @0+5 create b write b @0+5]" {
		t.Errorf("Ops() = %s", got)
	}
}
