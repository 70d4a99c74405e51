package crash_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"kazashi.example/central/lab/crash"
)

var quoted = regexp.MustCompile(`"[^"]*"|<[^ .>]+>`)

// traced writes a trace as strace does from one in plain letters: strings and paths in hexadecimal, a thread before each line.
func traced(lines ...string) string {
	var b strings.Builder
	for _, l := range lines {
		if l[0] < '0' || l[0] > '9' {
			l = "7 " + l
		}
		b.WriteString(quoted.ReplaceAllStringFunc(l, func(s string) string {
			return s[:1] + crash.Quote(s[1:len(s)-1]) + s[len(s)-1:]
		}))
		b.WriteByte('\n')
	}
	return b.String()
}

// states lists what a matrix checks: the files with their content, by rising name, and how much had been said.
func states(t *testing.T, matrix func(*crash.Run) crash.Matrix, lines ...string) []string {
	t.Helper()
	var mu sync.Mutex
	var got []string
	r, err := crash.Replay(crash.Scenario{Check: func(s crash.State) error {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s", list(t, s.Dir), strings.Join(s.Said, " "))))
		return nil
	}}, t.TempDir(), traced(lines...))
	if err != nil {
		t.Fatal(err)
	}
	if m := matrix(r); len(m.Faults) > 0 {
		t.Fatal(m.Faults)
	}
	slices.Sort(got)
	return slices.Compact(got)
}

func list(t *testing.T, dir string) string {
	var parts []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		parts = append(parts, rel+"="+strings.ReplaceAll(shorten(string(b)), "\x00", "0"))
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return "{" + strings.Join(parts, " ") + "}"
}

// shorten takes one octet for each sector, or begun sector of more than half.
func shorten(s string) (short string) {
	for ; len(s) > 256; s = s[min(512, len(s)):] {
		short += s[:1]
	}
	return short + s
}

func power(t *testing.T) func(*crash.Run) crash.Matrix {
	return func(r *crash.Run) crash.Matrix { return r.Power(t.Context()) }
}

func check(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("states:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var (
	create = `openat(AT_FDCWD</>, "/data/a", O_RDWR|O_CREAT, 0600) = 5</data/a>`
	folder = `openat(AT_FDCWD</>, "/data", O_RDONLY) = 6</data>`
)

func TestKillKeepsEveryWrite(t *testing.T) {
	got := states(t, func(r *crash.Run) crash.Matrix { return r.Kill(t.Context()) },
		create, `write(5</data/a>, "x", 1) = 1`, `write(5</data/a>, "y", 1) = 1`, `write(1</dev/null>, "done", 4) = 4`)
	check(t, got, "{a=xy}", "{a=xy} done", "{a=x}", "{a=}", "{}")
}

func TestACallThatAKillEndedHasNotReturned(t *testing.T) {
	for _, ret := range []string{"?", "0xfffffffffffffe00"} { // the second is left in the register where the tracer is slow
		got := states(t, func(r *crash.Run) crash.Matrix { return r.Kill(t.Context()) },
			create, `write(5</data/a>, "x", 1) = 1`, `8 write(5</data/a>, "y", 1) = `+ret, `8 +++ killed by SIGKILL +++`)
		check(t, got, "{a=x}", "{a=}", "{}")
	}
}

func TestPowerLosesWhatWasNotSynced(t *testing.T) {
	got := states(t, power(t), create, folder, `fsync(6</data>) = 0`, `write(5</data/a>, "`+strings.Repeat("x", 512)+strings.Repeat("y", 511)+`", 1023) = 1023`)
	check(t, got, "{a=00}", "{a=0y}", "{a=xy}", "{a=x}", "{a=}", "{}")
	got = states(t, power(t), create, folder, `write(5</data/a>, "x", 1) = 1`, `fsync(5</data/a>) = 0`, `fsync(6</data>) = 0`,
		`write(1</dev/null>, "done", 4) = 4`)
	check(t, got, "{a=0}", "{a=x}", "{a=x} done", "{a=}", "{}")
}

func TestPowerReordersNames(t *testing.T) {
	got := states(t, power(t), create, `write(5</data/a>, "x", 1) = 1`, `fsync(5</data/a>) = 0`, folder, `fsync(6</data>) = 0`,
		`linkat(AT_FDCWD</>, "/data/a", AT_FDCWD</>, "/data/b", 0) = 0`, `unlinkat(AT_FDCWD</>, "/data/a", 0) = 0`,
		`write(1</dev/null>, "done", 4) = 4`)
	check(t, got, "{a=0}", "{a=x b=x}", "{a=x b=x} done", "{a=x}", "{a=x} done", "{a=}", "{b=x}", "{b=x} done", "{}", "{} done")
}

func TestARenameIsAtomicAcrossFolders(t *testing.T) {
	got := states(t, power(t), create, folder, `mkdirat(AT_FDCWD</>, "/data/d", 0700) = 0`, `fsync(6</data>) = 0`,
		`renameat(AT_FDCWD</>, "/data/a", AT_FDCWD</>, "/data/d/b") = 0`, `write(1</dev/null>, "done", 4) = 4`)
	check(t, got, "{a=}", "{a=} done", "{d/b=}", "{d/b=} done", "{}")
}

func TestAnFsyncCoversWhatWasDoneWhenItBegan(t *testing.T) {
	got := states(t, power(t), create, folder, `fsync(6</data>) = 0`, `write(5</data/a>, "x", 1) = 1`,
		`8 fsync(5</data/a> <unfinished ...>`, `write(5</data/a>, "y", 1) = 1`, `8 <... fsync resumed>) = 0`,
		`write(1</dev/null>, "done", 4) = 4`)
	check(t, got, "{a=00}", "{a=0}", "{a=x0}", "{a=x0} done", "{a=xy}", "{a=xy} done", "{a=x}", "{a=x} done", "{a=}", "{}")
}

func TestPositionsAreFollowed(t *testing.T) {
	r, err := crash.Replay(crash.Scenario{}, "", traced(create,
		`write(5</data/a>, "abcd", 4) = 4`, `lseek(5</data/a>, 1, SEEK_SET) = 1`, `read(0x5, 0xc0, 0x1) = 0x1`, `write(5</data/a>, "X", 1) = 1`,
		`dup(5</data/a>) = 9</data/a>`, `writev(9</data/a>, [{iov_base="Y", iov_len=1}, {iov_base="Z", iov_len=1}], 2) = 2`,
		`pwrite64(5</data/a>, "W", 1, 0) = 1`, `write(5</data/a>, "V", 1) = -1 ENOSPC (No space left on device)`,
		`close(5</data/a> <unfinished ...>`, `8 openat(AT_FDCWD</data>, "b", O_WRONLY|O_CREAT|O_APPEND, 0600) = 5</data/b>`,
		`<... close resumed>) = 0`, `write(5</data/b>, "V", 1) = 1`, `fallocate(5</data/b>, 0, 0, 10) = 0`, `write(5</data/b>, "V", 1) = 1`))
	if err != nil {
		t.Fatal(err)
	}
	want := "[create a write a @0+4 write a @2+1 write a @3+2 write a @0+1 create b write b @0+1 truncate b to 10 write b @10+1]"
	if got := fmt.Sprint(r.Ops()); got != want {
		t.Errorf("Ops() = %s, want %s", got, want)
	}
}

func TestTracesThatCannotBeFollowed(t *testing.T) {
	for _, lines := range [][]string{
		{create, `mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED, 5</data/a>, 0) = 0x7f00`},
		{create, `mmap(NULL, 4096, PROT_READ, MAP_SHARED, 5</data/a>, 0) = 0x7f00`, `mprotect(0x7f00, 4096, PROT_READ|PROT_WRITE) = 0`},
		{create, `renameat2(AT_FDCWD</>, "/data/a", AT_FDCWD</>, "/data/b", RENAME_EXCHANGE) = 0`},
		{create, `renameat(AT_FDCWD</>, "/data/a", AT_FDCWD</>, "/b") = 0`},
		{create, `splice(4</x>, NULL, 5</data/a>, NULL, 100, 0) = 100`},
		{create, `copy_file_range(4</x>, NULL, 5</data/a>, NULL, 100, 0) = 100`},
		{`symlinkat("x", AT_FDCWD</>, "/data/a") = 0`},
		{`unlinkat(AT_FDCWD</>, "/data/a", 0) = 0`},
		{`clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK|SIGCHLD) = 9`},
		{`io_uring_setup(8, {flags=0}) = 4`},
		{create, `write(5</data/a>, "x"..., 100) = 100`},
		{create, `<... fsync resumed>) = 0`},
		{create, `fsync(5</data/a> <unfinished ...>`, `fsync(5</data/a>) = 0`},
	} {
		if _, err := crash.Replay(crash.Scenario{}, "", traced(lines...)); !errors.Is(err, crash.ErrTrace) {
			t.Errorf("Replay(%q) = %v, want ErrTrace", lines[len(lines)-1], err)
		}
	}
}

// What strace writes is not hostile, but it is cut off in the middle when it is killed.
func FuzzTrace(f *testing.F) {
	f.Add(traced(create, `write(5</data/a>, "x", 1) = 1`, folder, `8 fsync(6</data> <unfinished ...>`, `8 <... fsync resumed>) = 0`))
	f.Add(traced(create, `linkat(AT_FDCWD</>, "/data/a", AT_FDCWD</>, "/data/b", 0) = 0`, `writev(5</data/a>, [{iov_base="Y", iov_len=1}], 1) = 1`))
	f.Fuzz(func(t *testing.T, trace string) {
		r, err := crash.Replay(crash.Scenario{}, "", trace)
		if err == nil && len(r.Ops()) > 0 && r.Points() == "0 points ()" {
			t.Error("operations without points")
		}
	})
}
