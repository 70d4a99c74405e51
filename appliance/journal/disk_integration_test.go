//go:build integration

package journal_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
)

// command runs a program of the machine; a missing one, or missing rights, fail the test.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(context.Background(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

func mount(t *testing.T, args ...string) string {
	t.Helper()
	dir := t.TempDir()
	command(t, "mount", append(args, dir)...)
	t.Cleanup(func() { _ = exec.CommandContext(context.Background(), "umount", "--lazy", dir).Run() })
	return dir
}

// fill appends until it fails, and returns the failure.
func fill(t *testing.T, j *journal.Journal, want map[record.ID]string, most int) error {
	t.Helper()
	for n := range most {
		id, err := j.Append(t.Context(), text(n), clearOf(n))
		if err != nil {
			return err
		}
		want[id] = string(text(n))
	}
	t.Fatalf("%d records, and the disk is not full", most)
	return nil
}

// roomy is a small disk, and a journal on it that wants little of it.
func roomy(t *testing.T, c *central, room journal.Room) (dir string, j *journal.Journal) {
	t.Helper()
	dir = mount(t, "-t", "tmpfs", "-o", "size=7m", "tmpfs")
	return dir, c.open(filepath.Join(dir, "journal.db"), func(o *journal.Options) { o.Room = room })
}

// TestP2NearlyFullDisk: it is announced, then taps are refused before anything is sealed, while acknowledgements and deletions go on; what
// they free is room again.
func TestP2NearlyFullDisk(t *testing.T) {
	c := newCentral(t)
	_, j := roomy(t, c, journal.Room{Low: 4 << 20, Stop: 2 << 20, Reserve: 64 << 10})
	if got := j.State(); got != journal.SpaceOK {
		t.Errorf("State() of an empty disk = %s, want ok", got)
	}
	want := map[record.ID]string{}
	low := 0
	var last record.ID
	for n := 0; ; n++ {
		plain := append(text(n), make([]byte, 1500)...)
		id, err := j.Append(t.Context(), plain, clearOf(n))
		if errors.Is(err, journal.ErrNoRoom) && errors.Is(err, journal.ErrNotDurable) {
			break
		}
		must(t, err)
		want[id], last = string(plain), id
		if j.State() == journal.SpaceLow {
			low++
		}
	}
	if low < 50 || j.State() != journal.SpaceFull {
		t.Errorf("announced for %d records, then %s; want some and full", low, j.State())
	}
	c.settle(j, ack.Safe)
	for {
		n, err := j.Prune(t.Context(), 1)
		must(t, err)
		if n == 0 {
			break
		}
	}
	id := add(t, j, 7000)
	want[id] = string(text(7000))
	if id.Epoch != last.Epoch || id.Seq != last.Seq+1 {
		t.Errorf("after the refusals %s, want %s/%d: none was sealed", id, last.Epoch, last.Seq+1)
	}
	c.settle(j, ack.Received)
	c.want(want)
}

// TestP2DiskFilledByOthers: with not an octet left nothing is taken and nothing is lost. What was kept back is given up for an
// acknowledgement, and kept again when there is room.
func TestP2DiskFilledByOthers(t *testing.T) {
	c := newCentral(t)
	dir, j := roomy(t, c, journal.Room{Low: 3, Stop: 2, Reserve: 128 << 10})
	want := map[record.ID]string{}
	for n := range 100 {
		want[add(t, j, n)] = string(text(n))
	}
	reserve, ballast := filepath.Join(dir, "journal.reserve"), filepath.Join(dir, "ballast")
	for i, err := os.Stat(reserve); err != nil || i.Size() != 128<<10; i, err = os.Stat(reserve) {
		runtime.Gosched() // it is made beside the taps
	}
	f, err := os.Create(ballast)
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	must(t, f.Close())
	err = fill(t, j, want, 5000)
	if !errors.Is(err, journal.ErrNotDurable) || !strings.Contains(err.Error(), "full") {
		t.Fatalf("Append() on a full disk = %v, want ErrNotDurable that says full", err)
	}
	for c.pull(j, journal.Limits{Envelopes: 40}) > 0 {
		c.accept(j, c.acknowledge(ack.Safe))
	}
	if n, err := j.Unsafe(t.Context()); err != nil || n != 0 {
		t.Errorf("Unsafe() = %d, %v, want 0: there is room for acknowledgements", n, err)
	}
	must(t, os.Remove(ballast))
	if _, err := j.Prune(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(reserve); err != nil {
		t.Errorf("reserve, with room again: %v", err)
	}
	id := add(t, j, 7000)
	want[id] = string(text(7000))
	c.settle(j, ack.Received)
	c.want(want)
	if len(c.headers) != 1 || int(id.Seq) != len(want) {
		t.Errorf("record %s of %d in %d epochs; want the next of the first", id, len(want), len(c.headers))
	}
}

// TestP2AStartOnAFullDisk: what was kept back makes room for the start, so that acknowledgements come and records can go.
func TestP2AStartOnAFullDisk(t *testing.T) {
	c := newCentral(t)
	dir, j := roomy(t, c, journal.Room{Low: 3, Stop: 2, Reserve: 256 << 10})
	reserve := filepath.Join(dir, "journal.reserve")
	add(t, j, 1)
	for i, err := os.Stat(reserve); err != nil || i.Size() != 256<<10; i, err = os.Stat(reserve) {
		runtime.Gosched() // it is made beside the taps
	}
	shut(t, j)
	must(t, os.Rename(reserve, reserve+".kept"))
	f, err := os.Create(filepath.Join(dir, "ballast"))
	must(t, err)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	must(t, f.Close())
	if _, err := journal.Open(t.Context(), filepath.Join(dir, "journal.db"), c.options()); !errors.Is(err, journal.ErrNoRoom) {
		t.Fatalf("Open() with nothing kept back = %v, want ErrNoRoom", err)
	}
	must(t, os.Rename(reserve+".kept", reserve))
	j = c.open(filepath.Join(dir, "journal.db"))
	if got, aside := j.State(), j.SetAside(); got == journal.SpaceOK || len(aside) != 0 {
		t.Errorf("State() = %s, SetAside() = %+v, want little and none", got, aside)
	}
	for c.pull(j, journal.Limits{}) > 0 {
		c.accept(j, c.acknowledge(ack.Safe))
	}
	if n, err := j.Unsafe(t.Context()); err != nil || n != 0 {
		t.Errorf("Unsafe() = %d, %v, want 0: there is room for acknowledgements", n, err)
	}
}

func TestP2FileSystemTurnsReadOnly(t *testing.T) {
	c := newCentral(t)
	image := filepath.Join(t.TempDir(), "disk.img")
	must(t, os.WriteFile(image, make([]byte, 16<<20), 0o600))
	command(t, "mkfs.ext4", "-q", image)
	dir := mount(t, "-o", "loop,errors=remount-ro", image)
	path := filepath.Join(dir, "journal.db")
	j := c.open(path)
	want := map[record.ID]string{}
	for n := range 50 {
		want[add(t, j, n)] = string(text(n))
	}
	loop := filepath.Base(command(t, "findmnt", "--noheadings", "--output", "SOURCE", dir))
	must(t, os.WriteFile("/sys/fs/ext4/"+loop+"/trigger_fs_error", []byte("a fault made on purpose"), 0o200))
	if _, err := j.Append(t.Context(), text(50), clearOf(50)); !errors.Is(err, journal.ErrNotDurable) {
		t.Fatalf("Append() on a read-only file system = %v, want ErrNotDurable", err)
	}
	if err := j.Close(); err != nil {
		t.Logf("closing on a read-only file system: %v", err)
	}
	command(t, "umount", dir)
	if out, err := exec.CommandContext(t.Context(), "e2fsck", "-p", image).CombinedOutput(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() > 1 { // 1: errors were corrected
			t.Fatalf("e2fsck: %v: %s", err, out)
		}
	}
	command(t, "mount", "-o", "loop,errors=remount-ro", image, dir)
	j = c.open(path)
	want[add(t, j, 51)] = string(text(51))
	if aside := j.SetAside(); len(aside) != 0 {
		t.Errorf("SetAside() = %v, want none", aside)
	}
	c.settle(j, ack.Received)
	c.want(want)
	shut(t, j)
}

// What strace -xx prints of the log, and of what the box says. An envelope is found by how it begins (package epoch): five fields, the version,
// an epoch id, a number below 256.
var (
	flushing = regexp.MustCompile(`^f(?:data)?sync\(\d+<[^>]*` + inHex("journal.db-wal") + `>`)
	resumed  = regexp.MustCompile(`^<\.\.\. f(?:data)?sync resumed>\) += 0`)
	writing  = regexp.MustCompile(`^pwrite64\(\d+<[^>]*` + inHex("journal.db-wal") + `>`)
	saying   = regexp.MustCompile(`^write\(1(?:<[^>]*>)?, "([^"]*)"`)
	envelope = regexp.MustCompile(`\\xa5\\x01\\x01\\x02\\x50((?:\\x[0-9a-f]{2}){16})\\x03(?:\\x18)?\\x([0-9a-f]{2})`)
)

func inHex(s string) (pattern string) {
	for _, b := range []byte(s) {
		pattern += fmt.Sprintf(`\\x%02x`, b)
	}
	return pattern
}

// TestP1FlushBeforeTheWord traces the system calls of a box with one reader, and with several that share commits: a flush of the log that began after
// the record's envelope was written to it has returned before the box speaks of that record.
func TestP1FlushBeforeTheWord(t *testing.T) {
	const records = 40
	for _, readers := range []int{1, 8} {
		t.Run(strconv.Itoa(readers), func(t *testing.T) {
			c, path := newCentral(t), newPath(t)
			trace := filepath.Join(t.TempDir(), "trace")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "strace", "-f", "-y", "-xx", "-e", "trace=fsync,fdatasync,write,pwrite64", "-s", "4096", "-o", trace, os.Args[0])
			cmd.Env = c.environment(t, path, envCount+"="+strconv.Itoa(records), envReaders+"="+strconv.Itoa(readers))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("strace: %v: %s", err, out)
			}
			b, err := os.ReadFile(trace)
			must(t, err)
			s := sequence{written: map[string]bool{}, safe: map[string]bool{}, pending: map[string]map[string]bool{}}
			for line := range strings.Lines(string(b)) {
				s.next(t, strings.TrimSpace(line))
			}
			if len(s.said) != records {
				t.Errorf("the trace shows %d records, want %d", len(s.said), records)
			}
			if readers == 1 && s.flushes < records || readers > 1 && s.flushes >= records {
				t.Errorf("%d flushes for %d records by %d readers", s.flushes, records, readers)
			}
		})
	}
}

// sequence follows a trace.
type sequence struct {
	written map[string]bool            // envelopes in the log, by their ids in hexadecimal
	safe    map[string]bool            // of these, flushed
	pending map[string]map[string]bool // what a thread is flushing
	flushes int
	said    []string
}

func (s *sequence) next(t *testing.T, line string) {
	t.Helper()
	thread, call, _ := strings.Cut(line, " ")
	call = strings.TrimSpace(call)
	switch {
	case writing.MatchString(call):
		for _, m := range envelope.FindAllStringSubmatch(call, -1) {
			s.written[strings.ReplaceAll(m[1], `\x`, "")+"/"+m[2]] = true
		}
	case flushing.MatchString(call):
		s.pending[thread] = maps.Clone(s.written)
		if strings.HasSuffix(call, "= 0") {
			s.flushed(thread)
		}
	case resumed.MatchString(call) && s.pending[thread] != nil:
		s.flushed(thread)
	default:
		s.says(t, call)
	}
}

func (s *sequence) flushed(thread string) {
	maps.Copy(s.safe, s.pending[thread])
	delete(s.pending, thread)
	s.flushes++
}

func (s *sequence) says(t *testing.T, call string) {
	t.Helper()
	m := saying.FindStringSubmatch(call)
	if m == nil {
		return
	}
	words, err := hex.DecodeString(strings.ReplaceAll(m[1], `\x`, ""))
	must(t, err)
	var epoch string
	var seq, n int
	if _, err := fmt.Sscanf(strings.Replace(string(words), "/", " ", 1), "%s %d %d", &epoch, &seq, &n); err != nil {
		return // no record
	}
	id := fmt.Sprintf("%s/%02x", epoch, seq)
	s.said = append(s.said, id)
	if !s.safe[id] {
		t.Errorf("record %s was spoken of before it was flushed", id)
	}
}
