package stage_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"kazashi.example/central/lab/stage"
)

// role makes the test binary play a program.
const role = "KAZASHI_STAGE_ROLE"

// patience bounds what must happen.
const patience = 20 * time.Second

func TestMain(m *testing.M) {
	switch r, arg, _ := strings.Cut(os.Getenv(role), " "); r {
	case "":
		os.Exit(m.Run())
	case "obey": // makes a file, ends on SIGTERM and says so
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGTERM)
		put(arg)
		<-stop
		fmt.Println("ended", filepath.Base(arg), time.Now().UnixNano())
	case "deaf": // ignores SIGTERM
		signal.Ignore(syscall.SIGTERM)
		put(arg)
		select {}
	case "die": // writes more than fits into an error and fails
		for i := range 1000 {
			fmt.Println("line", i)
		}
		fmt.Fprintln(os.Stderr, "no such configuration key: colour")
		os.Exit(3)
	case "serve": // answers at an address
		err := http.ListenAndServe(arg, http.NotFoundHandler()) //nolint:gosec // a test program on loopback
		fmt.Println(err)
	case "parent": // starts a child in its group and is gone before it
		child := exec.Command(os.Args[0]) //nolint:gosec // this very binary
		child.Env = append(os.Environ(), role+"=deaf "+arg+".child")
		if err := child.Start(); err != nil {
			panic(err)
		}
		await(arg + ".child")
		putText(arg, strconv.Itoa(child.Process.Pid))
		select {}
	case "lab": // runs a program on a stage and waits to be killed
		s := stage.New(slog.New(slog.DiscardHandler))
		p, err := s.Start(context.Background(), spec(filepath.Dir(arg), "deaf", arg+".inner"))
		if err != nil {
			panic(err)
		}
		putText(arg, strconv.Itoa(p.Pid()))
		select {}
	}
}

func put(path string) { putText(path, "") }

func putText(path, text string) {
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		panic(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		panic(err)
	}
}

func await(path string) {
	for tick := time.NewTicker(10 * time.Millisecond); ; <-tick.C {
		if _, err := os.Stat(path); err == nil {
			return
		}
	}
}

func spec(dir, what, file string) stage.Spec {
	return stage.Spec{
		Name: what, Path: os.Args[0], Env: []string{role + "=" + what + " " + file}, Log: filepath.Join(dir, what+".log"),
		Ready: stage.File(file), ReadyWithin: patience, StopWithin: patience,
	}
}

func open(t *testing.T) *stage.Stage {
	t.Helper()
	s := stage.New(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func start(t *testing.T, s *stage.Stage, sp stage.Spec) *stage.Process {
	t.Helper()
	p, err := s.Start(t.Context(), sp)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func alive(pid int) bool {
	state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(state), ") Z ")
}

// vanish fails unless a process ends soon.
func vanish(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(patience); alive(pid); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("process %d is still running", pid)
		}
	}
}

func pidIn(t *testing.T, path string) int {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestStopInReverseOrder(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	var pids []int
	for _, name := range []string{"a", "b", "c"} {
		sp := spec(dir, "obey", filepath.Join(dir, name))
		pids = append(pids, start(t, s, sp).Pid())
	}
	if err := s.Close(); err != nil {
		t.Fatalf("Close = %v, want nil", err)
	}
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d runs after Close", pid)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "obey.log"))
	if err != nil {
		t.Fatal(err)
	}
	var order strings.Builder
	for l := range strings.Lines(string(log)) {
		order.WriteString(strings.Fields(l)[1])
	}
	if order.String() != "cba" {
		t.Errorf("programs ended in the order %q, want cba", order.String())
	}
}

func TestDeafProgramIsKilled(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	sp := spec(dir, "deaf", filepath.Join(dir, "up"))
	sp.StopWithin = 100 * time.Millisecond
	p := start(t, s, sp)
	if err := s.Stop(p); err != nil || alive(p.Pid()) {
		t.Errorf("Stop of a program that ignores SIGTERM = %v, alive = %v, want nil and gone", err, alive(p.Pid()))
	}
}

// TestGroup: a program's own children go with it, even those that it left behind.
func TestGroup(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	file := filepath.Join(dir, "up")
	p := start(t, s, spec(dir, "parent", file))
	child := pidIn(t, file)
	if !alive(child) {
		t.Fatal("the child does not run: the test shows nothing")
	}
	if err := s.Stop(p); err != nil {
		t.Errorf("Stop = %v, want nil", err)
	}
	vanish(t, child)
}

// TestLabKilled: nothing stays behind when the lab itself is killed.
func TestLabKilled(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "up")
	lab := exec.Command(os.Args[0]) //nolint:gosec // this very binary
	lab.Env = append(os.Environ(), role+"=lab "+file)
	if err := lab.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lab.Process.Kill() })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for stage.File(file)(ctx) != nil {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal("the lab did not start its program")
		}
	}
	inner := pidIn(t, file)
	if !alive(inner) {
		t.Fatal("the program does not run: the test shows nothing")
	}
	if err := lab.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = lab.Wait()
	vanish(t, inner)
}

func TestKillAndStartAgain(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	file := filepath.Join(dir, "up")
	p := start(t, s, spec(dir, "obey", file))
	s.Kill(p)
	if alive(p.Pid()) {
		t.Error("process runs after Kill")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	again := start(t, s, p.Spec())
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Wait(ctx); err != nil { // killing was asked for
		t.Errorf("Wait after Kill = %v, want nil", err)
	}
	if err := s.Stop(again); err != nil {
		t.Errorf("Stop = %v, want nil", err)
	}
	log, err := os.ReadFile(filepath.Join(dir, "obey.log"))
	if err != nil || strings.Count(string(log), "ended") != 1 {
		t.Errorf("log = %q, %v, want one orderly end: SIGKILL gives no chance for another", log, err)
	}
}

func TestDiesBeforeReady(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	_, err := s.Start(t.Context(), spec(dir, "die", filepath.Join(dir, "never")))
	var ee *stage.ExitError
	if !errors.As(err, &ee) {
		t.Fatalf("Start = %v, want an *ExitError", err)
	}
	if ee.State != "exit status 3" || len(ee.Tail) != 12 || ee.Tail[11] != "no such configuration key: colour" {
		t.Errorf("ExitError = %+v, want exit status 3 and twelve lines that end with the reason", ee)
	}
	for _, w := range []string{"die died before it was ready (exit status 3)", ee.Log, "\n    no such configuration key: colour"} {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q lacks %q", err, w)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Wait(ctx); err != nil {
		t.Errorf("Wait = %v, want nil: Start has told of that death", err)
	}
}

func TestDiesLater(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	p := start(t, s, spec(dir, "obey", filepath.Join(dir, "up")))
	if err := syscall.Kill(p.Pid(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var ee *stage.ExitError
	if err := s.Wait(ctx); !errors.As(err, &ee) || ee.State != "signal: killed" || ee.Name != "obey" {
		t.Errorf("Wait = %v, want obey's *ExitError by a signal", err)
	}
	if err := s.Close(); !errors.As(err, &ee) {
		t.Errorf("Close = %v, want the *ExitError of what had died", err)
	}
}

func TestNotReadyInTime(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	sp := spec(dir, "deaf", filepath.Join(dir, "up"))
	sp.Ready, sp.ReadyWithin, sp.StopWithin = stage.File(filepath.Join(dir, "never")), 300*time.Millisecond, 50*time.Millisecond
	if _, err := s.Start(t.Context(), sp); !errors.Is(err, stage.ErrNotReady) {
		t.Errorf("Start = %v, want ErrNotReady", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v, want nil: the program was stopped when it was not ready", err)
	}
}

func TestStartCancelled(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	sp := spec(dir, "obey", filepath.Join(dir, "up"))
	sp.Ready = func(context.Context) error { cancel(); return errors.New("never") }
	if _, err := s.Start(ctx, sp); !errors.Is(err, context.Canceled) {
		t.Errorf("Start = %v, want context.Canceled", err)
	}
}

func TestNoSuchProgram(t *testing.T) {
	dir := t.TempDir()
	_, err := open(t).Start(t.Context(), stage.Spec{Name: "ghost", Path: filepath.Join(dir, "ghost"), Log: filepath.Join(dir, "log")})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "ghost") {
		t.Errorf("Start = %v, want os.ErrNotExist with the program's name", err)
	}
}

func TestChecks(t *testing.T) {
	dir := t.TempDir()
	s := open(t)
	addrs, err := stage.FreePorts(t.Context(), 3)
	if err != nil || len(addrs) != 3 || addrs[0] == addrs[1] || addrs[1] == addrs[2] || addrs[0] == addrs[2] {
		t.Fatalf("FreePorts = %v, %v, want three different addresses", addrs, err)
	}
	if err := stage.PortFree(t.Context(), "counter page", addrs[0]); err != nil {
		t.Errorf("PortFree = %v, want nil", err)
	}
	sp := spec(dir, "serve", addrs[0])
	sp.Ready = stage.Dial("tcp", addrs[0])
	start(t, s, sp)
	err = stage.PortFree(t.Context(), "counter page", addrs[0])
	if !errors.Is(err, stage.ErrPortInUse) || !strings.Contains(err.Error(), addrs[0]) || !strings.Contains(err.Error(), "counter page") {
		t.Errorf("PortFree = %v, want ErrPortInUse with address and purpose", err)
	}
	if err := stage.URL("http://" + addrs[0])(t.Context()); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("URL of a 404 = %v, want an error that says so", err)
	}
	if err := stage.URL("http://" + addrs[1])(t.Context()); err == nil {
		t.Error("URL where nobody listens = nil, want an error")
	}
	sock := filepath.Join(dir, "s")
	ln, err := new(net.ListenConfig).Listen(t.Context(), "unix", sock)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if err := stage.Dial("unix", sock)(t.Context()); err != nil {
		t.Errorf("Dial of a socket = %v, want nil", err)
	}
}
