//go:build integration

package pcscd_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"kazashi.example/central/lab/pcscd"
)

const patience = 20 * time.Second

// helperEnv makes the test binary a program that starts a rig with the vcard program named there and waits to be killed.
const helperEnv = "PCSCD_RIG_HELPER"

func TestMain(m *testing.M) {
	if program := os.Getenv(helperEnv); program != "" {
		helper(program)
		return
	}
	m.Run()
}

// helper prints the process ids of a rig, or why there is none.
func helper(program string) {
	r, err := pcscd.Start(context.Background(), pcscd.Config{VCard: program, Dir: os.Getenv("PCSCD_RIG_DIR")})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.PIDs()[0], r.PIDs()[1])
	<-r.Done()
}

func vcardProgram(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kazashi-vcard-") //nolint:usetesting // other users may not enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // another user runs what is in it
		t.Fatal(err)
	}
	path := filepath.Join(dir, "vcard")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "kazashi.example/reader/cmd/vcard").CombinedOutput()
	if err != nil {
		t.Fatalf("go build = %v: %s", err, out)
	}
	return path
}

func start(t *testing.T, cfg pcscd.Config) *pcscd.Rig {
	t.Helper()
	r, err := pcscd.Start(t.Context(), cfg)
	if err != nil {
		t.Fatalf("Start() = %v, want a rig", err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Errorf("Stop() = %v, want nil", err)
		}
	})
	return r
}

// readers is what a PC/SC client sees.
func readers(t *testing.T, env string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "opensc-tool", "-l")
	cmd.Env = append(os.Environ(), env)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("opensc-tool -l = %v: %s", err, out)
	}
	return string(out)
}

func TestRigsSideBySide(t *testing.T) {
	program := vcardProgram(t)
	three, two := start(t, pcscd.Config{VCard: program, Slots: 3}), start(t, pcscd.Config{VCard: program})
	for _, tt := range []struct {
		rig         *pcscd.Rig
		slots, seen int // readers come in pairs
	}{{three, 3, 4}, {two, 2, 2}} {
		list := readers(t, tt.rig.Env())
		if got := strings.Count(list, "Virtual PCD"); got != tt.seen {
			t.Errorf("readers = %s, want %d of them", list, tt.seen)
		}
		for n := range tt.slots {
			if name := tt.rig.ReaderName(n); !strings.Contains(list, name) {
				t.Errorf("readers = %s, want %q among them", list, name)
			}
		}
		slots, err := tt.rig.Control().Slots(t.Context())
		if err != nil || len(slots) != tt.slots {
			t.Errorf("Slots() = %+v, %v, want %d", slots, err, tt.slots)
		}
		if err := tt.rig.Err(); err != nil {
			t.Errorf("Err() = %v, want nil", err)
		}
	}
	if conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", "127.0.0.1:35963"); err == nil {
		_ = conn.Close()
		t.Error("the vpcd port can be reached from outside the rig, want it shut off")
	}
	pids := two.PIDs()
	if err := two.Stop(); err != nil {
		t.Errorf("Stop() = %v, want nil", err)
	}
	gone(t, pids)
	select {
	case <-two.Done():
	case <-time.After(patience):
		t.Error("Done() is open after Stop, want it closed")
	}
	if err := two.Err(); err != nil {
		t.Errorf("Err() after Stop = %v, want nil", err)
	}
	if _, err := os.Stat(filepath.Dir(filepath.Dir(two.Socket()))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory after Stop: %v, want it gone", err)
	}
	if list := readers(t, three.Env()); !strings.Contains(list, three.ReaderName(2)) {
		t.Errorf("readers of the other rig = %s, want them untouched", list)
	}
}

func TestRigThatEndsByItself(t *testing.T) {
	r := start(t, pcscd.Config{VCard: vcardProgram(t)})
	if err := syscall.Kill(r.PIDs()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case <-r.Done():
	case <-time.After(patience):
		t.Fatal("Done() stays open, want it closed when pcscd is killed")
	}
	if err := r.Err(); !errors.Is(err, pcscd.ErrEnded) || !strings.Contains(err.Error(), "pcscd: signal: killed") {
		t.Errorf("Err() = %v, want %v of pcscd", err, pcscd.ErrEnded)
	}
}

// A directory may be used again after whatever happened, and by one rig at a time.
func TestDirUsedAgain(t *testing.T) {
	cfg := pcscd.Config{VCard: vcardProgram(t), Dir: t.TempDir()}
	r := start(t, cfg)
	if _, err := pcscd.Start(t.Context(), cfg); !errors.Is(err, pcscd.ErrConfig) || !strings.Contains(err.Error(), "another rig runs in") {
		t.Errorf("Start() in a used Dir = %v, want %v", err, pcscd.ErrConfig)
	}
	if list := readers(t, r.Env()); !strings.Contains(list, r.ReaderName(0)) {
		t.Errorf("readers = %s, want them untouched by the refused start", list)
	}
	for _, pid := range r.PIDs() {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	<-r.Done()
	reaped(t, r.PIDs()) // a zombie may still have threads that hold the socket
	if list := readers(t, start(t, cfg).Env()); !strings.Contains(list, r.ReaderName(0)) {
		t.Errorf("readers of the second rig = %s, want %q among them", list, r.ReaderName(0))
	}
}

// A service restarted with other readers, as a PC/SC client sees it.
func TestOtherSlotsInTheSameDir(t *testing.T) {
	cfg := pcscd.Config{VCard: vcardProgram(t), Dir: t.TempDir()}
	for _, tt := range []struct{ slots, seen int }{{4, 4}, {2, 2}, {6, 6}} {
		cfg.Slots = tt.slots
		r := start(t, cfg)
		if list := readers(t, r.Env()); strings.Count(list, "Virtual PCD") != tt.seen {
			t.Errorf("%d slots: readers = %s, want %d of them", tt.slots, list, tt.seen)
		}
		if err := r.Stop(); err != nil {
			t.Errorf("Stop() = %v, want nil", err)
		}
	}
}

func TestProgramThatFails(t *testing.T) {
	program := filepath.Join(t.TempDir(), "vcard")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho no such luck >&2\nexit 3\n"), 0o700); err != nil { //nolint:gosec // it is a program
		t.Fatal(err)
	}
	_, err := pcscd.Start(t.Context(), pcscd.Config{VCard: program})
	if !errors.Is(err, pcscd.ErrEnded) || !strings.Contains(err.Error(), "no such luck") {
		t.Errorf("Start(failing program) = %v, want %v and its last words", err, pcscd.ErrEnded)
	}
}

// Nothing outlives a parent that is killed: as root, and as somebody who makes a user namespace first.
func TestNothingOutlivesTheParent(t *testing.T) {
	program := vcardProgram(t)
	const nobody = 65534
	for _, tt := range []struct {
		name string
		cred *syscall.Credential
	}{{"root", nil}, {"nobody", &syscall.Credential{Uid: nobody, Gid: nobody}}} {
		t.Run(tt.name, func(t *testing.T) {
			pids := killParent(t, program, tt.cred)
			gone(t, pids)
		})
	}
}

// killParent starts a rig in a process of its own, kills that and returns the rig's processes.
func killParent(t *testing.T, program string, cred *syscall.Credential) []int {
	t.Helper()
	dir, err := os.MkdirTemp("", "kazashi-rig-") //nolint:usetesting // other users may not enter t.TempDir
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	self := filepath.Join(filepath.Dir(program), "helper") // where others may run it
	if err := copyProgram(self); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), helperEnv+"="+program, "PCSCD_RIG_DIR="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: cred}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pids := make([]int, 2)
	if _, scanErr := fmt.Sscan(line, &pids[0], &pids[1]); err != nil || scanErr != nil {
		t.Fatalf("helper says %q, %v, want two process ids", line, err)
	}
	for i, want := range []string{"pcscd", "vcard"} {
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pids[i])); err != nil || strings.TrimSpace(string(comm)) != want {
			t.Errorf("process %d is %q, %v, want %s", pids[i], comm, err, want)
		}
	}
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %d is gone before its parent, want it running", pid)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return pids
}

func copyProgram(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b, err := os.ReadFile(self)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755) //nolint:gosec // another user runs it
}

// alive is false for a zombie as well: who adopts it here may be slow to wait for it.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, ok := strings.Cut(string(b), ") ")
	return ok && after[0] != 'Z' && after[0] != 'X'
}

// reaped waits until this process has waited for its children.
func reaped(t *testing.T, pids []int) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for _, pid := range pids {
		for {
			if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); errors.Is(err, os.ErrNotExist) {
				break
			}
			select {
			case <-deadline:
				t.Fatalf("process %d was not waited for", pid)
			case <-tick.C:
			}
		}
	}
}

func gone(t *testing.T, pids []int) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		left := 0
		for _, pid := range pids {
			if alive(pid) {
				left++
			}
		}
		if left == 0 {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("%d of the processes %v still run, want none", left, pids)
		case <-tick.C:
		}
	}
}
