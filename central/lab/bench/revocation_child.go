package bench

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// What a process of [RevocationChild] does.
const (
	childX509   = "x509"
	childApply  = "apply"
	childCold   = "cold"
	childLookup = "lookup"
)

// ErrChild says that a child was asked for what it cannot do.
var ErrChild = errors.New("no such part of the bench")

// RevocationChild is the body of a process that [RunRevocation] starts, so that its memory is its own. The answer is JSON on out.
// ErrChild.
func RevocationChild(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) == 0 {
		return ErrChild
	}
	var answer any
	var err error
	switch kind, rest := args[0], args[1:]; {
	case kind == childX509 && len(rest) == 2:
		return checkX509(rest[0], rest[1])
	case kind == childApply && len(rest) >= 2:
		answer, err = applyAgain(ctx, rest[0], rest[1], len(rest) > 2)
	case kind == childCold && len(rest) == 1:
		answer, err = startCold(rest[0], in)
	case kind == childLookup && len(rest) == 1:
		answer, err = lookUp(ctx, rest[0], in)
	default:
		return fmt.Errorf("%w: %q", ErrChild, kind)
	}
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(answer); err != nil {
		return fmt.Errorf("answering: %w", err)
	}
	return nil
}

// self runs this program as a child.
func (r *revocationRun) self(ctx context.Context, stdin []byte, args ...string) (usage, error) {
	quiet()
	cmd := exec.CommandContext(ctx, r.program("kazashi-lab"), append([]string{"bench", "revocation", "child"}, args...)...) //nolint:gosec // the lab's own
	cmd.Stdin = bytes.NewReader(stdin)
	return r.spend(cmd, nil)
}

// asked runs a child and reads its answer.
func (r *revocationRun) asked(ctx context.Context, stdin []byte, answer any, args ...string) (usage, error) {
	u, err := r.self(ctx, stdin, args...)
	if err != nil {
		return u, err
	}
	if err := json.Unmarshal(u.out, answer); err != nil {
		return u, fmt.Errorf("reading a child's answer: %w", err)
	}
	return u, nil
}

// checkX509 is what a Go program does to believe a list.
func checkX509(ca, list string) error {
	text, err := os.ReadFile(filepath.Clean(ca))
	if err != nil {
		return fmt.Errorf("reading an authority: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return fmt.Errorf("%w: %s is not PEM", ErrChild, ca)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return fmt.Errorf("reading an authority: %w", err)
	}
	b, err := os.ReadFile(filepath.Clean(list))
	if err != nil {
		return fmt.Errorf("reading a list: %w", err)
	}
	l, err := x509.ParseRevocationList(b)
	if err != nil {
		return fmt.Errorf("reading a list: %w", err)
	}
	return l.CheckSignatureFrom(cert)
}
