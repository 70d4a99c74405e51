package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// errNoTerminal says that there is nowhere to ask.
var errNoTerminal = errors.New("standard input is no terminal: give the values with --from")

// maxLine bounds one value, in octets.
const maxLine = 64

var errLongLine = fmt.Errorf("line is longer than %d octets", maxLine)

// asker asks the person for a value by its name. It ends with its context. Who gets a value clears it.
type asker func(ctx context.Context, what string) ([]byte, error)

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
	return func(ctx context.Context, what string) ([]byte, error) {
		line, err := await(ctx, r)
		switch {
		case errors.Is(err, io.EOF):
			return nil, fmt.Errorf("reading the %s: no further line", what)
		case err != nil:
			return nil, fmt.Errorf("reading the %s: %w", what, err)
		}
		return line, nil
	}
}

// fromTerminal asks at a terminal, without showing what is typed. However it ends, the terminal is as it was before.
func fromTerminal(in *os.File, prompt io.Writer) asker {
	return func(ctx context.Context, what string) ([]byte, error) {
		restore, err := hideTyping(in)
		if err != nil {
			return nil, fmt.Errorf("asking for the %s: %w", what, err)
		}
		defer func() {
			restore(ctx.Err() != nil)
			fmt.Fprintln(prompt)
		}()
		fmt.Fprintf(prompt, "%s: ", what)
		line, err := await(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("asking for the %s: %w", what, err)
		}
		return line, nil
	}
}

// await reads a line, and ends with ctx. A read of a terminal or a pipe cannot be ended from outside: its goroutine then stays until
// there is something to read, which it clears, or until the program ends, as it is about to.
func await(ctx context.Context, r io.Reader) ([]byte, error) {
	type result struct {
		line []byte
		err  error
	}
	got := make(chan result)
	go func() {
		line, err := readLine(r)
		select {
		case got <- result{line, err}:
		case <-ctx.Done():
			clear(line)
		}
	}()
	select {
	case x := <-got:
		return x.line, x.err
	case <-ctx.Done():
		return nil, ctx.Err() //nolint:wrapcheck // the asker says what was asked for
	}
}

// readLine reads octet by octet, so that what follows is left for the next question and no buffer holds what was typed. io.EOF if there is
// no line; the last one may be without its end.
func readLine(r io.Reader) ([]byte, error) {
	line := make([]byte, 0, maxLine) // never grows: a value has one place
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		switch {
		case n == 1 && b[0] == '\n', errors.Is(err, io.EOF) && n == 0 && len(line) > 0:
			return bytes.TrimRight(line, "\r"), nil
		case n == 1 && len(line) < maxLine:
			line = append(line, b[0])
			b[0] = 0
			continue
		case n == 1:
			err = errLongLine
		}
		if err != nil {
			clear(line)
			return nil, err //nolint:wrapcheck // the asker says what was asked for
		}
	}
}

// wipe overwrites values.
func wipe(values [][]byte) {
	for _, v := range values {
		clear(v)
	}
}
