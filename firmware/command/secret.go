package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxSecret is the longest line that Secret takes, in octets.
const maxSecret = 256

// Errors of Secret.
var (
	// ErrNoSecret says that nothing was typed.
	ErrNoSecret = errors.New("nothing was typed")
	// ErrSecretTwice says that the second time something else was typed.
	ErrSecretTwice = errors.New("the two are not the same")
	// ErrSecretLong says that a line has more than 256 octets.
	ErrSecretLong = errors.New("too long")
)

// Secret asks for something that nobody else is to see: on a terminal without echo, otherwise the next line of standard input. It is
// never an argument, which every user of the machine can read. The caller wipes what it gets. Errors: ErrNoSecret, ErrSecretLong, or of
// the terminal.
func Secret(c *cobra.Command, prompt string) ([]byte, error) {
	if f, ok := c.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(c.ErrOrStderr(), prompt+": ")
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(c.ErrOrStderr())
		if err != nil {
			return nil, fmt.Errorf("reading from the terminal: %w", err)
		}
		return whole(b)
	}
	b, err := nextLine(c.InOrStdin())
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	return whole(b)
}

// Line asks for a line that is no secret and yet nobody's to read in the list of processes, such as a name: on a terminal with echo, otherwise
// the next line of standard input. Errors as of Secret.
func Line(c *cobra.Command, prompt string) (string, error) {
	if f, ok := c.InOrStdin().(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(c.ErrOrStderr(), prompt+": ")
	}
	b, err := nextLine(c.InOrStdin())
	if err != nil {
		return "", fmt.Errorf("reading standard input: %w", err)
	}
	b, err = whole(b)
	return string(b), err
}

// NewSecret is Secret for something new: on a terminal it is asked for twice. ErrSecretTwice, otherwise as Secret.
func NewSecret(c *cobra.Command, prompt, again string) ([]byte, error) {
	first, err := Secret(c, prompt)
	if err != nil {
		return nil, err
	}
	if f, ok := c.InOrStdin().(*os.File); !ok || !term.IsTerminal(int(f.Fd())) {
		return first, nil
	}
	second, err := Secret(c, again)
	defer clear(second)
	if err == nil && !bytes.Equal(first, second) {
		err = ErrSecretTwice
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

func whole(b []byte) ([]byte, error) {
	switch {
	case len(b) == 0:
		return nil, ErrNoSecret
	case len(b) > maxSecret:
		clear(b)
		return nil, ErrSecretLong
	default:
		return b, nil
	}
}

// nextLine reads octet by octet, so that what follows stays for whoever reads next.
func nextLine(r io.Reader) ([]byte, error) {
	line := make([]byte, 0, maxSecret+1) // so that no copy stays behind
	var one [1]byte
	for len(line) <= maxSecret {
		n, err := r.Read(one[:])
		if n == 1 && one[0] == '\n' {
			break
		}
		if n == 1 {
			line = append(line, one[0])
			continue
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			clear(line)
			return nil, err
		}
	}
	return bytes.TrimSuffix(line, []byte{'\r'}), nil
}
