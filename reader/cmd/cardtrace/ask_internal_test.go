package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"
	"unsafe"
)

// terminal is a pseudo-terminal: what a person types goes into keys.
type terminal struct{ keys, tty *os.File }

func newTerminal(t *testing.T) terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keys.Close() })
	var unlock, number int32
	for request, arg := range map[uintptr]*int32{syscall.TIOCSPTLCK: &unlock, syscall.TIOCGPTN: &number} {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, keys.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return terminal{keys, tty}
}

func (x terminal) settings(t *testing.T) syscall.Termios {
	t.Helper()
	var s syscall.Termios
	if !termios(x.tty, syscall.TCGETS, &s) {
		t.Fatal("no terminal")
	}
	return s
}

func (x terminal) hides(t *testing.T) bool { return x.settings(t).Lflag&syscall.ECHO == 0 }

func (x terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := x.keys.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// prompted is a prompt's writer that says when something was written.
type prompted chan struct{}

func (p prompted) Write(b []byte) (int, error) {
	select {
	case p <- struct{}{}:
	default:
	}
	return len(b), nil
}

// P3: what is typed is not shown, nor anywhere but in the value; and the terminal is as it was after it.
func TestP3TerminalHidesWhatIsTyped(t *testing.T) {
	x := newTerminal(t)
	before := x.settings(t)
	seen := make(prompted, 1)
	go func() {
		<-seen
		if !x.hides(t) {
			t.Error("the terminal shows what is typed")
		}
		_, _ = x.keys.WriteString("1234\nnext\n")
	}()
	ask := fromTerminal(x.tty, seen)
	for _, want := range []string{"1234", "next"} { // the second was typed ahead
		got, err := ask(t.Context(), "PIN")
		if err != nil || string(got) != want {
			t.Errorf("ask = %q, %v, want %s", got, err, want)
		}
		if after := x.settings(t); after != before {
			t.Errorf("terminal after the answer = %+v, want %+v", after, before)
		}
	}
}

// The question ends with its context, and leaves no terminal without echo behind.
func TestQuestionEndsWithItsContext(t *testing.T) {
	x := newTerminal(t)
	before := x.settings(t)
	ctx, cancel := context.WithCancel(t.Context())
	seen := make(prompted, 1)
	go func() {
		<-seen
		_, _ = x.keys.WriteString("12")
		cancel()
	}()
	if got, err := fromTerminal(x.tty, seen)(ctx, "PIN"); !errors.Is(err, context.Canceled) || got != nil {
		t.Errorf("ask = %q, %v, want context.Canceled", got, err)
	}
	if after := x.settings(t); after != before {
		t.Errorf("terminal after the end = %+v, want %+v", after, before)
	}
	x.press(t, "next\n") // ends the read that is left
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if _, err := fromReader(r)(ctx, "PIN"); !errors.Is(err, context.Canceled) {
		t.Errorf("ask of a silent pipe = %v, want context.Canceled", err)
	}
}

// The real program at a real terminal: each key that ends a program ends it by the first stroke, in order, with
// the echo on again and nothing of a PIN left for the shell to read.
func TestKeysThatEndTheProgram(t *testing.T) {
	for name, end := range map[string]func(terminal, *os.Process) error{
		"^C":      func(x terminal, _ *os.Process) error { _, err := x.keys.WriteString("zzz\x03"); return err },
		"SIGTERM": func(_ terminal, p *os.Process) error { return p.Signal(syscall.SIGTERM) },
		"SIGHUP":  func(_ terminal, p *os.Process) error { return p.Signal(syscall.SIGHUP) },
		// Without their meaning while a value is typed. There is no card, which ends the program after it.
		"^\\ and ^Z": func(x terminal, _ *os.Process) error { _, err := x.keys.WriteString("zzz\x1C\x1A\n"); return err },
	} {
		t.Run(name, func(t *testing.T) {
			x := newTerminal(t)
			before := x.settings(t)
			x.press(t, "yyy") // typed ahead, and shown
			if _, err := io.ReadFull(x.keys, make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			said := runAtTerminal(t, x, end)
			if after := x.settings(t); after != before {
				t.Errorf("terminal after the end = %+v, want %+v", after, before)
			}
			x.press(t, "\n")
			if left, err := bufio.NewReader(x.tty).ReadString('\n'); left != "\n" || err != nil {
				t.Errorf("%q, %v is left for the shell, want nothing", left, err)
			}
			if !strings.Contains(said, "cardtrace: ") || strings.Contains(said, "yyy") {
				t.Errorf("the program says %q", said)
			}
		})
	}
}

// runAtTerminal starts the program, ends it at its question for a PIN, and returns what it said. It has to end with exitFailed.
func runAtTerminal(t *testing.T, x terminal, end func(terminal, *os.Process) error) string {
	t.Helper()
	const limit = 30 * time.Second // a program that swallowed the key would wait for ever
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(ctx, self)
	c.Args = []string{"cardtrace-in-process", "record", "--procedure", "pin"}
	c.Stdin, c.SysProcAttr = x.tty, &syscall.SysProcAttr{Setsid: true, Setctty: true}
	c.Env = append(os.Environ(), "CARD="+filepath.Join(t.TempDir(), "none.json"))
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(stderr)
	if _, err := r.ReadString(':'); err != nil {
		t.Fatal(err)
	}
	if !x.hides(t) {
		t.Error("the terminal shows what is typed")
	}
	if err := end(x, c.Process); err != nil {
		t.Fatal(err)
	}
	said, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); c.ProcessState.ExitCode() != exitFailed {
		t.Errorf("the program ended with %v, want exit status %d", err, exitFailed)
	}
	return string(said)
}

func TestReadLine(t *testing.T) {
	long := strings.Repeat("9", maxLine)
	for _, tt := range []struct {
		name, in string
		want     []string
		err      error
	}{
		{"nothing", "", nil, io.EOF},
		{"one", "1234\n", []string{"1234"}, io.EOF},
		{"one without an end", "1234", []string{"1234"}, io.EOF},
		{"carriage return", "1234\r\n", []string{"1234"}, io.EOF},
		{"two", "1234\n19800217\n", []string{"1234", "19800217"}, io.EOF},
		{"empty line", "\n1234\n", []string{"", "1234"}, io.EOF},
		{"longest", long + "\n", []string{long}, io.EOF},
		{"too long", long + "9\n", nil, errLongLine},
	} {
		for _, r := range []io.Reader{strings.NewReader(tt.in), iotest.DataErrReader(strings.NewReader(tt.in))} {
			var got []string
			line, err := readLine(r)
			for ; err == nil; line, err = readLine(r) {
				got = append(got, string(line))
			}
			if fmt.Sprint(got) != fmt.Sprint(tt.want) || !errors.Is(err, tt.err) || line != nil {
				t.Errorf("readLine(%s) = %q, %v, want %q, %v", tt.name, got, err, tt.want, tt.err)
			}
		}
	}
}

// P3: values are overwritten, those too that were given when a later question failed.
func TestP3ValuesAreWiped(t *testing.T) {
	p, ok := findProcedure("enrol")
	if !ok {
		t.Fatal("no procedure enrol")
	}
	first := []byte("1234")
	asked := 0
	_, err := p.collect(t.Context(), func(context.Context, string) ([]byte, error) {
		if asked++; asked == 1 {
			return first, nil
		}
		return nil, io.EOF
	})
	if !errors.Is(err, io.EOF) || !bytes.Equal(first, make([]byte, 4)) {
		t.Errorf("collect = %v and left %X, want EOF and zeros", err, first)
	}
	values := octets([]string{"1234", "19800217"})
	wipe(values)
	if !bytes.Equal(bytes.Join(values, nil), make([]byte, 12)) {
		t.Errorf("wipe left %X", values)
	}
}
