package command_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/spf13/cobra"

	"kazashi.example/firmware/command"
)

// Lines of standard input are taken one by one, and what follows stays.
func TestSecretTakesOneLine(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		in   io.Reader
		want string
		left string
		err  error
	}{
		{strings.NewReader("himawari\nrest"), "himawari", "rest", nil},
		{strings.NewReader("himawari\r\nrest"), "himawari", "rest", nil},
		{strings.NewReader("himawari"), "himawari", "", nil},
		{iotest.OneByteReader(strings.NewReader("two words \nx")), "two words ", "x", nil},
		{strings.NewReader("\nrest"), "", "rest", command.ErrNoSecret},
		{strings.NewReader(""), "", "", command.ErrNoSecret},
		{strings.NewReader(strings.Repeat("x", 256) + "\n"), strings.Repeat("x", 256), "", nil},
		{strings.NewReader(strings.Repeat("x", 300)), "", strings.Repeat("x", 300-257), command.ErrSecretLong},
		{iotest.ErrReader(broken), "", "", broken},
	} {
		cmd := &cobra.Command{}
		cmd.SetIn(c.in)
		got, err := command.Secret(cmd, "code")
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("Secret = %q, %v, want %q, %v", got, err, c.want, c.err)
		}
		if left, _ := io.ReadAll(c.in); string(left) != c.left {
			t.Errorf("Secret left %q, want %q", left, c.left)
		}
	}
}

func TestNewSecretAsksOnceWithoutATerminal(t *testing.T) {
	cmd := &cobra.Command{}
	cmd.SetIn(strings.NewReader("himawari\n"))
	if got, err := command.NewSecret(cmd, "code", "again"); string(got) != "himawari" || err != nil {
		t.Errorf("NewSecret = %q, %v, want it at once", got, err)
	}
}

func TestLineTakesOneLine(t *testing.T) {
	cmd := &cobra.Command{}
	in := strings.NewReader("Kakashi Taro\nhimawari\n")
	cmd.SetIn(in)
	name, err := command.Line(cmd, "name")
	code, err2 := command.NewSecret(cmd, "code", "again")
	if name != "Kakashi Taro" || string(code) != "himawari" || err != nil || err2 != nil {
		t.Errorf("Line, NewSecret = %q, %v, %q, %v, want a line each", name, err, code, err2)
	}
	if _, err := command.Line(cmd, "name"); !errors.Is(err, command.ErrNoSecret) {
		t.Errorf("Line of nothing = %v, want ErrNoSecret", err)
	}
}
