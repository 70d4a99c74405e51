package pcsc_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kazashi.example/reader/pcsc"
)

// base is the reader rig's directory, whose socket libpcsclite looks for; it reads the variable once a process.
var base string

func TestMain(m *testing.M) {
	pcsc.Main()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pcsc")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	base = dir
	if err := os.Setenv("PCSCLITE_CSOCK_NAME", filepath.Join(base, "run", "pcscd.comm")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// watch runs Watch until the test's end and returns its events. A test that forgets to read them does not hold it up.
func watch(t *testing.T) <-chan pcsc.Event {
	t.Helper()
	return watchBy(t, pcsc.Watch)
}

func watchBy(t *testing.T, run func(context.Context, func(pcsc.Event)) error) <-chan pcsc.Event {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	events := make(chan pcsc.Event, 256)
	done := make(chan error, 1)
	go func() { done <- run(ctx, func(e pcsc.Event) { events <- e }) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Watch = %v, want nil", err)
			}
		case <-time.After(time.Minute):
			t.Error("Watch did not end with its context")
		}
		unreaped(t)
	})
	return events
}

// unreaped fails if children of this process that ended are still not waited for after a time in which they should have been.
func unreaped(t *testing.T) {
	t.Helper()
	limit, again := time.After(time.Minute), time.NewTicker(10*time.Millisecond)
	defer again.Stop()
	for len(zombies(t)) > 0 {
		select {
		case <-limit:
			t.Fatalf("processes %v are left unreaped", zombies(t))
		case <-again.C:
		}
	}
}

func zombies(t *testing.T) (list []int) {
	t.Helper()
	for _, pid := range children(t) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err == nil && strings.Contains(string(stat), ") Z ") {
			list = append(list, pid)
		}
	}
	return list
}

func children(t *testing.T) []int {
	t.Helper()
	files, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(files) == 0 {
		t.Fatalf("children of this process = %v, %v", files, err)
	}
	var list []int
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has ended
		}
		for field := range strings.FieldsSeq(string(text)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, pid)
		}
	}
	return list
}

// next returns the next event, or fails after a time in which it should have come.
func next(t *testing.T, events <-chan pcsc.Event) pcsc.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(time.Minute):
		t.Fatal("no event")
		return pcsc.Event{}
	}
}

func TestWatchWithoutService(t *testing.T) {
	e := next(t, watch(t))
	if e.Kind != pcsc.ServiceLost || !errors.Is(e.Err, pcsc.ErrNoService) || !strings.Contains(e.Err.Error(), "start pcscd") {
		t.Errorf("event without a service = %v, %v, want ServiceLost that says to start pcscd", e.Kind, e.Err)
	}
}

func TestTwoWatches(t *testing.T) {
	for _, events := range []<-chan pcsc.Event{watch(t), watch(t)} {
		if e := next(t, events); e.Kind != pcsc.ServiceLost {
			t.Errorf("event of one of two Watches = %v, want ServiceLost", e.Kind)
		}
	}
}

func TestConnectWithoutService(t *testing.T) {
	if _, err := pcsc.Connect(t.Context(), "any", pcsc.Exclusive); !errors.Is(err, pcsc.ErrNoService) {
		t.Errorf("Connect = %v, want ErrNoService", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pcsc.Connect(ctx, "any", pcsc.Exclusive); !errors.Is(err, context.Canceled) {
		t.Errorf("Connect with a cancelled context = %v, want context.Canceled", err)
	}
}
