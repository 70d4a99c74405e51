package command_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
	"kazashi.example/firmware/command/commandtest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tool": func() { os.Exit(tool()) }})
}

// tool is a program with a command for each way to end; it returns the exit status.
func tool() int {
	root := &cobra.Command{Use: "tool", Short: "Works", SilenceUsage: true, SilenceErrors: true}
	group := &cobra.Command{Use: "group", Short: "Holds others"}
	root.AddCommand(group, &cobra.Command{Use: "done", RunE: func(*cobra.Command, []string) error { return nil }},
		&cobra.Command{Use: "own", RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("looking: %w", command.Exit(3, errors.New("half of it")))
		}},
		&cobra.Command{Use: "fail", RunE: func(*cobra.Command, []string) error { return errors.New("it is broken") }},
		&cobra.Command{Use: "listen ADDRESS", Args: cobra.ExactArgs(1), RunE: listen},
		&cobra.Command{Use: "linger FILE", Args: cobra.ExactArgs(1), RunE: linger})
	group.AddCommand(&cobra.Command{Use: "refuse", RunE: func(c *cobra.Command, _ []string) error {
		return fmt.Errorf("refusing: %w", command.WrongUsage(c, errors.New("-n is 1 to 9")))
	}})
	command.Strict(root)
	return command.Run(root, os.Args[1:])
}

func listen(c *cobra.Command, args []string) error {
	var conf net.ListenConfig
	l, err := conf.Listen(c.Context(), "tcp", args[0])
	if err != nil {
		return err
	}
	fmt.Println("free")
	return l.Close()
}

// linger makes a file, so that a script sees it run, and ends in order at a signal.
func linger(c *cobra.Command, args []string) error {
	if err := os.WriteFile(args[0], nil, 0o600); err != nil {
		return err
	}
	<-c.Context().Done()
	fmt.Println("ended in order")
	return nil
}

func TestScripts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Cmds:  commandtest.Commands(),
		Setup: func(e *testscript.Env) error { e.Setenv("ADDRESS", l.Addr().String()); return nil },
	})
}

func TestEach(t *testing.T) {
	root, sub := &cobra.Command{Use: "a"}, &cobra.Command{Use: "b"}
	sub.AddCommand(&cobra.Command{Use: "c"})
	root.AddCommand(sub, &cobra.Command{Use: "d"})
	got := ""
	command.Each(root, func(c *cobra.Command) { got += c.Name() })
	if got != "abcd" {
		t.Errorf("Each visits %s, want abcd", got)
	}
}
