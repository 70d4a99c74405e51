package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// errNoTerminal says that there is nowhere to ask.
var errNoTerminal = errors.New("standard input is no terminal: give the values with --from")

// maxLine bounds one value, in octets.
const maxLine = 64

// asker asks the person for a value by its name.
type asker func(what string) (string, error)

// fromDescriptor reads one value a line from a file descriptor, in the order in which the procedure asks.
func fromDescriptor(fd int) (asker, error) {
	f := os.NewFile(uintptr(fd), "values")
	if f == nil {
		return nil, fmt.Errorf("no file descriptor %d", fd)
	}
	if _, err := f.Stat(); err != nil {
		return nil, fmt.Errorf("file descriptor %d is not open", fd)
	}
	return fromReader(f), nil
}

func fromReader(r io.Reader) asker {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, maxLine), maxLine)
	return func(what string) (string, error) {
		if !lines.Scan() {
			if lines.Err() != nil {
				return "", fmt.Errorf("reading the %s: line is longer than %d octets, or cannot be read", what, maxLine)
			}
			return "", fmt.Errorf("reading the %s: no further line", what)
		}
		return lines.Text(), nil
	}
}

// fromTerminal asks at the terminal, without showing what is typed.
func fromTerminal(what string) (string, error) {
	restore, err := hideTyping(os.Stdin)
	if err != nil {
		return "", fmt.Errorf("asking for the %s: %w", what, err)
	}
	defer func() {
		restore()
		fmt.Fprintln(os.Stderr)
	}()
	fmt.Fprintf(os.Stderr, "%s: ", what)
	var line []byte
	for b := make([]byte, 1); len(line) < maxLine; line = append(line, b[0]) {
		if _, err := os.Stdin.Read(b); err != nil {
			return "", fmt.Errorf("asking for the %s: %w", what, err)
		}
		if b[0] == '\n' {
			break
		}
	}
	return strings.TrimRight(string(line), "\r"), nil
}
