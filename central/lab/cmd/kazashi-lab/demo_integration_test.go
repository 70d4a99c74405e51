//go:build integration

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kazashi.example/localapi"
)

// patience bounds what must happen in a demo.
const patience = 90 * time.Second

// built is where the programs are; whoever needs them first makes them.
var built struct {
	sync.Mutex // guards dir

	dir string
}

func init() { atEnd = func() { _ = os.RemoveAll(built.dir) } }

// build makes the programs as `make build` does, side by side, once for all tests of the process.
func build(t *testing.T) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.dir != "" {
		return built.dir
	}
	dir, err := os.MkdirTemp("", "kazashi-lab-bin-") //nolint:usetesting // it outlives the first test; removed below
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "-o", dir + "/"}
	for _, p := range []string{"appliance/cmd/kazashi", "central/cmd/kazashi-central", "central/lab/cmd/kazashi-lab", "central/lab/cmd/kazashi-count", "reader/cmd/vcard"} {
		args = append(args, "kazashi.example/"+p)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("go build = %v: %s", err, out)
	}
	built.dir = dir
	return dir
}

// output collects what a program prints and can be waited for.
type output struct {
	mu   sync.Mutex // guards text
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// show is one running demo.
type show struct {
	t   *testing.T
	dir string // of what it keeps
	out *output
	cmd *exec.Cmd
	end chan error
	api *localapi.Client
}

// open starts a demo on free ports and waits until it says that all is there.
func open(t *testing.T, bin, dir string) *show {
	t.Helper()
	s := &show{t: t, dir: dir, out: &output{}, end: make(chan error, 1)}
	s.cmd = exec.Command(filepath.Join(bin, "kazashi-lab"), "demo", "--dir", dir, "--first-port", "0") //nolint:gosec // ended below, by a signal
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { s.end <- s.cmd.Wait() }()
	t.Cleanup(func() { _ = s.cmd.Process.Kill() })
	s.until("the demo to be ready", func() bool { return strings.Contains(s.out.String(), "Ctrl-C ends everything") })
	var err error
	if s.api, err = localapi.NewClient(s.url("counter")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.api.Close)
	return s
}

// url reads an address from what the demo printed.
func (s *show) url(what string) string {
	s.t.Helper()
	m := regexp.MustCompile(`(?m)^  ` + what + ` +(http://127\.0\.0\.1:\d+)/`).FindStringSubmatch(s.out.String())
	if m == nil {
		s.t.Fatalf("the demo names no %s:\n%s", what, s.out)
	}
	return m[1]
}

func (s *show) until(what string, come func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for !come() {
		select {
		case <-poll.C:
		case err := <-s.end:
			s.t.Fatalf("waiting for %s: the demo ended: %v\n%s", what, err, s.out)
		case <-ctx.Done():
			s.t.Fatalf("waiting for %s: not within %s\n%s", what, patience, s.out)
		}
	}
}

// lay presses the tray's button.
func (s *show) lay(person string) {
	s.t.Helper()
	body, err := json.Marshal(map[string]string{"person": person})
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url("tray")+"/v1/lay", bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("laying %s = %s", person, resp.Status)
	}
}

// settled waits until the counter lists so many taps, all of them settled.
func (s *show) settled(n int) {
	s.t.Helper()
	s.until(fmt.Sprintf("%d settled taps", n), func() bool {
		taps, err := s.api.Taps(s.t.Context(), 0)
		for _, tap := range taps {
			if tap.State != localapi.StateSettled {
				return false
			}
		}
		return err == nil && len(taps) == n
	})
}

// ended waits for the demo's end and checks that nothing of it runs.
func (s *show) ended() error {
	s.t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case err := <-s.end:
		if left := s.left(); len(left) > 0 {
			s.t.Errorf("still running after the demo's end: %v", left)
		}
		return err
	case <-limit.C:
		s.t.Fatalf("the demo does not end:\n%s", s.out)
	}
	return nil
}

// left lists the programs that have to do with the demo's folder, by id: each names it in its command line.
func (s *show) left() map[int]string {
	s.t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		s.t.Fatal(err)
	}
	found := map[int]string{}
	for _, path := range all {
		b, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(b, []byte(s.dir+"/")) {
			continue // ended meanwhile, or another's
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			s.t.Fatal(err)
		}
		found[pid] = strings.ReplaceAll(string(b), "\x00", " ")
	}
	return found
}

// TestDemo: P2 across restarts of everything: the box stays joined, its taps are listed, nothing is left running.
func TestDemo(t *testing.T) {
	t.Parallel()
	bin := build(t)
	dir, err := os.MkdirTemp("", "kazashi-demo-") //nolint:usetesting // t.TempDir is too deep for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })

	first := open(t, bin, dir)
	if n := len(first.left()); n < 5 {
		t.Fatalf("%d programs run, want at least 5: the test would show nothing", n)
	}
	first.lay("hanako")
	first.lay("goro")
	first.settled(2)
	signalTo(t, first.cmd.Process.Pid, syscall.SIGINT)
	if err := first.ended(); err != nil {
		t.Errorf("demo after Ctrl-C = %v, want nil:\n%s", err, first.out)
	}

	second := open(t, bin, dir)
	second.settled(2)
	second.lay("taro")
	second.settled(3)
	signalTo(t, boxOf(t, second), syscall.SIGKILL)
	if err := second.ended(); err == nil {
		t.Error("demo whose box died = nil, want an error")
	}
	for _, w := range []string{"box died (signal: killed)", filepath.Join(dir, "log", "box.log"), `"msg":`} {
		if !strings.Contains(second.out.String(), w) {
			t.Errorf("what the demo said of its box's end lacks %q:\n%s", w, second.out)
		}
	}
}

// TestDemoIsKilled: nothing stays behind when the demo itself has no chance to stop anything.
func TestDemoIsKilled(t *testing.T) {
	t.Parallel()
	bin := build(t)
	dir, err := os.MkdirTemp("", "kazashi-demo-") //nolint:usetesting // t.TempDir is too deep for sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	s := open(t, bin, dir)
	s.lay("hanako")
	s.settled(1)
	signalTo(t, s.cmd.Process.Pid, syscall.SIGKILL)
	if err := <-s.end; err == nil {
		t.Error("demo that was killed = nil, want how it ended")
	}
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for end := time.After(patience); len(s.left()) > 0; {
		select {
		case <-poll.C:
		case <-end:
			t.Fatalf("still running after the demo was killed: %v", s.left())
		}
	}
	again := open(t, bin, dir)
	again.settled(1)
	signalTo(t, again.cmd.Process.Pid, syscall.SIGTERM)
	if err := again.ended(); err != nil {
		t.Errorf("demo after SIGTERM = %v, want nil:\n%s", err, again.out)
	}
}

func signalTo(t *testing.T, pid int, s syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

func boxOf(t *testing.T, s *show) int {
	t.Helper()
	for pid, line := range s.left() {
		if strings.Contains(line, "kazashi run ") {
			return pid
		}
	}
	t.Fatal("no box runs")
	return 0
}
