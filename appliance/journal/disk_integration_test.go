//go:build integration

package journal_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/epoch"
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

func TestP2FullFileSystem(t *testing.T) {
	c := newCentral(t)
	dir := mount(t, "-t", "tmpfs", "-o", "size=1m", "tmpfs")
	ballast := filepath.Join(dir, "ballast")
	must(t, os.WriteFile(ballast, make([]byte, 256<<10), 0o600))
	path := filepath.Join(dir, "journal.db")
	j := c.open(path)
	want := map[record.ID]string{}
	if err := fill(t, j, want, 5000); !errors.Is(err, journal.ErrNotDurable) || !strings.Contains(err.Error(), "full") {
		t.Fatalf("Append() on a full disk = %v, want ErrNotDurable that says full", err)
	}
	for range 3 {
		if _, err := j.Append(t.Context(), text(1), clearOf(1)); !errors.Is(err, journal.ErrNotDurable) {
			t.Fatalf("Append() while still full = %v, want ErrNotDurable", err)
		}
	}
	must(t, os.Remove(ballast))
	id := add(t, j, 7000)
	want[id] = string(text(7000))
	c.settle(j, ack.Received)
	c.want(want)
	if got := c.header(id.Epoch); got.Cause != epoch.CauseAppendFailed || got.Predecessor != c.end(got.Predecessor.Epoch) {
		t.Errorf("header after the failure = %s after %+v", got.Cause, got.Predecessor)
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

var (
	flushed = regexp.MustCompile(`f(?:data)?sync\((\d+)<[^>]*journal\.db-wal>`)
	resumed = regexp.MustCompile(`<\.\.\. f(?:data)?sync resumed>\) += 0`)
	said    = regexp.MustCompile(`write\(1[<,].*"[0-9a-f]{32}/`)
)

// TestP1FlushBeforeTheWord traces the system calls of a box: between two records that it speaks of, the write-ahead log was
// flushed, and the flush had returned.
func TestP1FlushBeforeTheWord(t *testing.T) {
	const records = 40
	c, path := newCentral(t), newPath(t)
	der, err := x509.MarshalECPrivateKey(c.device.(*ecdsa.PrivateKey))
	must(t, err)
	trace := filepath.Join(t.TempDir(), "trace")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "strace", "-f", "-y", "-e", "trace=fsync,fdatasync,write", "-s", "64", "-o", trace, os.Args[0])
	cmd.Env = append(os.Environ(), envPath+"="+path, envKey+"="+hex.EncodeToString(c.private.Public().Bytes()),
		envDevice+"="+hex.EncodeToString(der), envBox+"="+c.box.String(), envCount+"="+strconv.Itoa(records))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("strace: %v: %s", err, out)
	}
	b, err := os.ReadFile(trace)
	must(t, err)
	if spoken := checkTrace(t, strings.Split(string(b), "\n")); spoken != records {
		t.Errorf("the trace shows %d records, want %d", spoken, records)
	}
}

// checkTrace returns how many records were spoken of.
func checkTrace(t *testing.T, lines []string) (spoken int) {
	t.Helper()
	pending := map[string]bool{} // threads inside a flush of the log
	flushes := 0
	for _, line := range lines {
		thread, call, _ := strings.Cut(line, " ")
		switch {
		case flushed.MatchString(call) && strings.Contains(call, "unfinished"):
			pending[thread] = true
		case flushed.MatchString(call) && strings.HasSuffix(call, "= 0"), resumed.MatchString(call) && pending[thread]:
			delete(pending, thread)
			flushes++
		case said.MatchString(call):
			spoken++
			if flushes == 0 {
				t.Errorf("record %d was spoken of before the log was flushed: %s", spoken, fmt.Sprintf("%.80s", call))
			}
			flushes = 0
		}
	}
	return spoken
}
