//go:build integration

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/localapi"
)

// TestP1TheVerdictLeavesAfterTheFsync: of the real box at work with a real pcscd, every system call that matters is traced while a card is laid.
// From the laying of the card on, the write of its record to the journal's log, the fsync that covers that, and the verdict on the counter's stream
// come in this order, and the fsync has returned before the verdict leaves the process; the same trace in another order is found. What a disk does with an fsync no trace can show.
func TestP1TheVerdictLeavesAfterTheFsync(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "kazashi-trace-") //nolint:usetesting // t.TempDir is too deep for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	at, err := addressesFrom(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	e, err := newEnsemble(t.Context(), build(t), dir, worldtest.KeyDir(), at, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}()
	trace := filepath.Join(dir, "trace")
	spec := e.box.Spec()
	e.stage.Kill(e.box)
	spec.Args = append([]string{"-f", "-y", "-s", "400", "-e", "trace=fsync,fdatasync,pwrite64,write,sendto,writev,sendmsg", "-e", "signal=none", "-o", trace, spec.Path}, spec.Args...)
	spec.Path = "strace"
	if e.box, err = e.stage.Start(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	if err := e.awaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	laid := tapOnce(t, e, trace)
	if err := e.stage.Stop(e.box); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	since := strings.SplitAfter(string(b[laid:]), "\n")
	if err := ordered(strings.NewReader(strings.Join(since, ""))); err != nil {
		t.Error(err)
	}
	mutated(t, since)
}

// mutated wants the order of the box's own trace to be missed once it is another.
func mutated(t *testing.T, since []string) {
	t.Helper()
	verdict := slices.IndexFunc(since, aVerdict.MatchString)
	if verdict < 0 {
		t.Fatal(errNoTrace)
	}
	for name, moved := range map[string][]*regexp.Regexp{
		"the record and its fsync": {aWrite, anFsync, itsReturn},
		"the record":               {aWrite},
		"its fsync":                {anFsync, itsReturn},
	} {
		var early, late []string
		for _, line := range since[:verdict] {
			if slices.ContainsFunc(moved, func(r *regexp.Regexp) bool { return r.MatchString(line) }) {
				late = append(late, line)
			} else {
				early = append(early, line)
			}
		}
		after := slices.Concat(early, since[verdict:verdict+1], late, since[verdict+1:])
		if err := ordered(strings.NewReader(strings.Join(after, ""))); len(late) == 0 || !errors.Is(err, errEarly) {
			t.Errorf("ordered(%s after the verdict) = %v with %d lines moved, want %v", name, err, len(late), errEarly)
		}
		gone := slices.Concat(early, since[verdict:])
		if err := ordered(strings.NewReader(strings.Join(gone, ""))); !errors.Is(err, errEarly) {
			t.Errorf("ordered(%s before the card was laid) = %v, want %v", name, err, errEarly)
		}
	}
}

// tapOnce lays a card and waits for its verdict. It tells how long the trace was when the card was laid: strace writes each call to it before the
// call goes on.
func tapOnce(t *testing.T, e *ensemble, trace string) (laid int64) {
	t.Helper()
	client, err := localapi.NewClient("http://" + e.at.Counter)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithCancel(t.Context())
	h, join := listen(ctx, client)
	defer join()
	defer cancel()
	if _, err := h.await(ctx, 0, "the first word", func(e localapi.Event) bool { return e.Type == localapi.EventStatus }); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(trace)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.tray.Tray.Lay(ctx, "hanako"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.await(ctx, 0, "a verdict", func(e localapi.Event) bool { return e.Type == localapi.EventVerdict }); err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// Lines of strace: a process, then a call with its first argument's path, which ends in this line or in one that resumes it.
var (
	aWrite    = regexp.MustCompile(`^\d+ +pwrite64\(\d+<[^>]*/journal\.db-wal>`)
	anFsync   = regexp.MustCompile(`^(\d+) +f(?:data)?sync\(\d+<[^>]*/journal\.db-wal>(?:\) += 0| <unfinished)`)
	itsReturn = regexp.MustCompile(`^(\d+) +<\.\.\. f(?:data)?sync resumed>\) += 0`)
	aVerdict  = regexp.MustCompile(`^\d+ +(?:write|sendto|writev|sendmsg)\(\d+<(?:TCP|UNIX|socket)[^>]*>.*verdict`)
)

var (
	errEarly   = errors.New("a verdict leaves the process before its record is flushed")
	errNoTrace = errors.New("no verdict in the trace")
)

// ordered reads a trace from the laying of a card on: what was written and flushed before is not its record.
func ordered(trace io.Reader) error {
	written, flushed := false, false // since the card was laid; since the last write to the log
	covers := map[string]bool{}      // processes in an fsync that began after it
	lines := bufio.NewScanner(trace)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case aWrite.MatchString(line):
			written, flushed = true, false
			clear(covers)
		case anFsync.MatchString(line):
			if m := anFsync.FindStringSubmatch(line); strings.Contains(line, "<unfinished") {
				covers[m[1]] = true
			} else {
				flushed = true
			}
		case itsReturn.MatchString(line):
			flushed = flushed || covers[itsReturn.FindStringSubmatch(line)[1]]
		case aVerdict.MatchString(line):
			if !written || !flushed {
				return fmt.Errorf("%w: written %t, flushed %t: %s", errEarly, written, flushed, line)
			}
			return nil
		}
	}
	return errors.Join(errNoTrace, lines.Err())
}

// What the test above looks for is found.
func TestTracesOutOfOrder(t *testing.T) {
	const (
		write   = `7 pwrite64(9</b/journal.db-wal>, "x", 1, 0) = 1`
		flush   = `7 fsync(9</b/journal.db-wal>) = 0`
		begin   = `8 fsync(9</b/journal.db-wal> <unfinished ...>`
		end     = `8 <... fsync resumed>) = 0`
		verdict = `7 write(11<TCP:[127.0.0.1:1->127.0.0.1:2]>, "event: verdict\ndata: {"..., 400) = 400`
	)
	for _, c := range []struct {
		lines []string
		want  error
	}{
		{[]string{write, flush, verdict}, nil},
		{[]string{write, begin, end, verdict}, nil},
		{[]string{write, verdict, flush}, errEarly},
		{[]string{write, begin, verdict, end}, errEarly},
		{[]string{begin, write, end, verdict}, errEarly},
		{[]string{flush, verdict}, errEarly},
		{[]string{verdict, write, flush}, errEarly}, // answered first, written down later
		{[]string{end, verdict}, errEarly},
		{[]string{write, flush, write, verdict}, errEarly},
		{[]string{write, flush}, errNoTrace},
	} {
		if err := ordered(strings.NewReader(strings.Join(c.lines, "\n"))); !errors.Is(err, c.want) {
			t.Errorf("ordered(%q) = %v, want %v", c.lines, err, c.want)
		}
	}
}
