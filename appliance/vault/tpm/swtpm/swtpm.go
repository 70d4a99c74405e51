// Package swtpm starts software TPMs for tests. Each is a process of its own with its state in a folder, so that a test can stop it,
// start it again, clear it or put another in its place. No shipped program imports it.
package swtpm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// limit bounds the start of one.
const limit = 20 * time.Second

// TPM is a software TPM.
type TPM struct {
	tb   testing.TB
	dir  string
	sock string
	cmd  *exec.Cmd
	told bytes.Buffer
}

// Start makes a new TPM and starts it; it ends with the test. A machine without swtpm fails the test.
func Start(tb testing.TB) *TPM {
	tb.Helper()
	dir, err := os.MkdirTemp("", "swtpm") //nolint:usetesting // a test's own folder can have a path that is too long for a socket
	if err != nil {
		tb.Fatal(err)
	}
	t := &TPM{tb: tb, dir: dir, sock: filepath.Join(dir, "s")}
	tb.Cleanup(func() {
		t.Stop()
		_ = os.RemoveAll(dir)
	})
	t.Start()
	return t
}

// Where is the setting by which the box finds it.
func (t *TPM) Where() string { return "unix:" + t.sock }

// Start switches a stopped TPM on.
func (t *TPM) Start() {
	t.tb.Helper()
	t.cmd = exec.CommandContext(context.WithoutCancel(t.tb.Context()), "swtpm", "socket", "--tpm2", "--tpmstate", "dir="+t.dir,
		"--server", "type=unixio,path="+t.sock, "--flags", "not-need-init,startup-clear")
	t.told.Reset()
	t.cmd.Stderr = &t.told
	if err := t.cmd.Start(); err != nil {
		t.tb.Fatalf("starting swtpm: %v", err)
	}
	every := time.NewTicker(2 * time.Millisecond)
	defer every.Stop()
	for deadline := time.After(limit); ; {
		if c, err := t.knock(); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-every.C:
		case <-deadline:
			t.tb.Fatalf("swtpm does not answer: %s", t.told.String())
		}
	}
}

func (t *TPM) knock() (net.Conn, error) {
	return new(net.Dialer).DialContext(context.WithoutCancel(t.tb.Context()), "unix", t.sock)
}

// Stop switches it off, as pulling the plug does.
func (t *TPM) Stop() {
	if t.cmd == nil {
		return
	}
	_ = t.cmd.Process.Kill()
	_ = t.cmd.Wait()
	_ = os.Remove(t.sock)
	t.cmd = nil
}

// Clear is TPM2_Clear, as a firmware menu does it.
func (t *TPM) Clear() {
	t.tb.Helper()
	t.do(func(port transport.TPM) error {
		_, err := tpm2.Clear{AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHPlatform, Auth: tpm2.PasswordAuth(nil)}}.Execute(port)
		return err
	})
}

func (t *TPM) do(f func(transport.TPM) error) {
	t.tb.Helper()
	port, err := linuxudstpm.Open(t.sock)
	if err != nil {
		t.tb.Fatal(err)
	}
	defer port.Close()
	if err := f(port); err != nil {
		t.tb.Fatal(err)
	}
}

// ResetLockout is TPM2_DictionaryAttackLockReset (TPM 2.0 Part 3 §25.2) with an empty authorisation, as a thief would try it.
func (t *TPM) ResetLockout() error {
	c, err := t.knock()
	if err != nil {
		return err
	}
	defer c.Close()
	command := []byte{
		0x80, 0x02, 0, 0, 0, 27, 0, 0, 0x01, 0x39, 0x40, 0, 0, 0x0a, // sessions, size, command, TPM_RH_LOCKOUT
		0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, // a password session without a password
	}
	if _, err := c.Write(command); err != nil {
		return err
	}
	answer := make([]byte, 64)
	n, err := c.Read(answer)
	if err != nil || n < 10 {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	if code := binary.BigEndian.Uint32(answer[6:]); code != 0 {
		return tpm2.TPMRC(code)
	}
	return nil
}
