package commandtest

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Limit is how long a script waits for anything.
const Limit = 20 * time.Second

// Commands are commands for scripts: `status N PROGRAM ARGS…` wants exactly that exit status, `await PATTERN PROGRAM ARGS…`
// repeats a program until its standard output matches, `terminate WORD` sends SIGTERM to the program in the background that has
// WORD among its arguments, and `occupy ADDRESS` listens there to the end of the script. The map is the caller's to add to.
func Commands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"status": status, "await": await, "terminate": terminate, "occupy": occupy,
	}
}

func status(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N PROGRAM ARGS…")
	}
	err := ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit status %d (%v), want %s", got, err, args[0])
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: await PATTERN PROGRAM ARGS…")
	}
	want := regexp.MustCompile("(?m)" + args[0])
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(Limit); ; {
		err := ts.Exec(args[1], args[2:]...)
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			ts.Fatalf("%q did not come: %v", args[0], err)
		}
	}
}

func terminate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: terminate WORD")
	}
	for _, c := range ts.BackgroundCmds() {
		if slices.Contains(c.Args, args[0]) {
			ts.Check(c.Process.Signal(syscall.SIGTERM))
			return
		}
	}
	ts.Fatalf("no program with %q runs", args[0])
}

func occupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy ADDRESS")
	}
	var conf net.ListenConfig
	l, err := conf.Listen(context.Background(), "tcp", args[0])
	ts.Check(err)
	ts.Defer(func() { l.Close() })
}
