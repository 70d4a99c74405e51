package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"kazashi.example/central/lab/count/tamper"
	"kazashi.example/central/lab/invariant"
)

// What a smoke must at least have seen.
var least = []string{"-least-taps", "12", "-least-offline", "5", "-least-corrected", "1"}

var (
	errCount = errors.New("the count found fault, see above")
	errBlind = errors.New("the count is blind: it found no fault where there is one")
)

// prove has the taps counted by a program of its own, and that program tried on tables that were tampered with. The count itself
// is printed last.
func (s *story) prove(ctx context.Context, out io.Writer) error {
	table, status, err := s.count(ctx, s.path("central"))
	if err != nil {
		return err
	}
	if status == 0 {
		if err := s.exactlyOnce(ctx); err != nil {
			return err
		}
		if err := s.audited(ctx); err != nil {
			return err
		}
		if err := s.tryCounter(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\n%s sets=%d deltas=%d provisional=%d linked=%d unlocked=%d worked=%d carried=%d\n", strings.TrimRight(table, "\n"),
		s.sets, s.deltas, s.counts.provisional, s.counts.linked, s.counts.unlocked, s.counts.worked, s.counts.carried)
	if status != 0 {
		return errCount
	}
	return nil
}

// audited has central prove of each box that no record of it is missing.
func (s *story) audited(ctx context.Context) error {
	for _, box := range s.boxes {
		if _, err := s.once(ctx, "kazashi-central", "audit", "box", box.String(), "--config", s.centralConfig()); err != nil {
			return err
		}
		s.say("proof: central's audit misses no record of box %s", box)
	}
	return nil
}

// exactlyOnce holds both boxes and central against every invariant.
func (s *story) exactlyOnce(ctx context.Context) error {
	r, err := invariant.CheckAll(ctx, invariant.Places{
		Boxes: []invariant.Box{{Dir: s.path("box")}, {Dir: s.path("box" + withoutLine)}}, Central: s.path("central"),
	})
	if err = errors.Join(err, r.Err()); err != nil {
		return fmt.Errorf("holding what lies on the disks against the invariants: %w", err)
	}
	if r.Waiting+r.Aside+r.Lost+r.Unseen > 0 {
		return fmt.Errorf("%w: not everything is applied: %v", errStory, r)
	}
	s.say("invariants: %v", r)
	return nil
}

// tryCounter has copies of central's database counted. One is left as it is, since a counter that finds fault with everything
// would prove as little.
func (s *story) tryCounter(ctx context.Context) error {
	if err := s.tryOne(ctx, "copy", "an untouched copy", nil, 0); err != nil {
		return err
	}
	for i, d := range tamper.Deeds() {
		spoil := func(path string) error { return d.Do(ctx, path, s.path("central", "keys")) }
		if err := s.tryOne(ctx, fmt.Sprintf("tampered-%d", i+1), d.Name, spoil, 1); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) tryOne(ctx context.Context, folder, what string, spoil func(path string) error, want int) error {
	dir := s.path("proof", folder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("copying central's database: %w", err)
	}
	for _, name := range []string{"central.db", "central.db-wal"} {
		b, err := os.ReadFile(s.path("central", name))
		if errors.Is(err, os.ErrNotExist) && name != "central.db" {
			continue // central closed it in order
		}
		if err == nil {
			err = os.WriteFile(dir+"/"+name, b, 0o600)
		}
		if err != nil {
			return fmt.Errorf("copying central's database: %w", err)
		}
	}
	if spoil != nil {
		if err := spoil(dir + "/central.db"); err != nil {
			return err
		}
	}
	table, status, err := s.count(ctx, dir)
	if err != nil {
		return err
	}
	s.say("proof: %s: the count exits %d (%s)", what, status, findings(table))
	if status != want {
		return fmt.Errorf("%w: %s", errBlind, what)
	}
	return nil
}

// count runs kazashi-count on a folder with central's database and returns what it printed and its exit status, 0 or 1.
func (s *story) count(ctx context.Context, central string) (table string, status int, err error) {
	args := append([]string{
		"-ledger", s.path("tray", "ledger.jsonl"), "-box", s.path("box"),
		"-ledger", s.path("tray"+withoutLine, "ledger.jsonl"), "-box", s.path("box" + withoutLine),
		"-central", central, "-keys", s.path("central", "keys"),
	}, least...)
	cmd := exec.CommandContext(ctx, s.program("kazashi-count"), args...) //nolint:gosec // programs and arguments are the lab's own
	b, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == 1:
		return string(b), 1, nil
	case errors.As(err, &exit):
		return "", 0, fmt.Errorf("counting: %w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	case err != nil:
		return "", 0, fmt.Errorf("counting: %w", err)
	}
	return string(b), 0, nil
}

// findings shortens a table to its result and the first fault.
func findings(table string) string {
	var result, fault string
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "smoke: "); ok {
			result = rest
		}
		if strings.HasPrefix(line, "fault: ") && fault == "" {
			fault = "; " + line
		}
	}
	return result + fault
}
