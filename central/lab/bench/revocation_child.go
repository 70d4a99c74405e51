package bench

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kazashi.example/central/lab/crlgen"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/sign"
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
func RevocationChild(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	var answer any
	var err error
	switch kind, rest := args[0], args[1:]; {
	case kind == childX509 && len(rest) == 2:
		return checkX509(rest[0], rest[1])
	case kind == childApply && len(rest) >= 2:
		answer, err = applyAgain(rest[0], rest[1], len(rest) > 2)
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
	return r.childWith(ctx, nil, stdin, r.program("kazashi-lab"), append([]string{"bench", "revocation", "child"}, args...)...)
}

// ask runs a child and reads its answer.
func (r *revocationRun) ask(ctx context.Context, answer any, args ...string) error {
	_, err := r.asked(ctx, nil, answer, args...)
	return err
}

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

// applied is what applying took, and writing, in milliseconds; the process's peak and what of it is no file, in MiB.
type applied struct {
	Apply, Write []float64
	RSS, Anon    float64
}

// applyAgain applies the delta to the set so often, each time to a new file that is flushed; in turn with writing what came of it.
func applyAgain(dir, times string, write bool) (a applied, err error) {
	n, err := strconv.Atoi(times)
	if err != nil {
		return a, fmt.Errorf("reading how often: %w", err)
	}
	var octets []byte
	for range n {
		took, err := durably(filepath.Join(dir, "applied"), func(f *os.File) error { return applyOnce(dir, f) })
		if err != nil {
			return a, err
		}
		a.Apply = append(a.Apply, took)
		if !write {
			continue
		}
		if octets == nil {
			if octets, err = os.ReadFile(filepath.Join(dir, "applied")); err != nil {
				return a, fmt.Errorf("reading what was applied: %w", err)
			}
		}
		took, err = durably(filepath.Join(dir, "written"), func(f *os.File) error { _, err := f.Write(octets); return err })
		if err != nil {
			return a, err
		}
		a.Write = append(a.Write, took)
	}
	if a.RSS, err = memory(os.Getpid(), "VmHWM"); err == nil {
		a.Anon, err = memory(os.Getpid(), "RssAnon")
	}
	return a, err
}

// applyOnce opens base and delta, as a box does when a delta has come, every chunk verified.
func applyOnce(dir string, f *os.File) error {
	digests, err := os.ReadFile(filepath.Join(dir, "full.set.digests"))
	if err != nil {
		return fmt.Errorf("reading digests: %w", err)
	}
	base, err := crlset.OpenFile(filepath.Join(dir, "full.set"), digests)
	if err != nil {
		return err
	}
	defer base.Close()
	b, err := os.ReadFile(filepath.Join(dir, "delta"))
	if err != nil {
		return fmt.Errorf("reading a delta: %w", err)
	}
	d, err := delta.Open(b)
	if err != nil {
		return err
	}
	_, err = delta.Apply(f, base, d)
	return err
}

// durably writes a new file, flushes it, and says how many milliseconds that took.
func durably(path string, write func(*os.File) error) (float64, error) {
	if err := os.RemoveAll(path); err != nil {
		return 0, fmt.Errorf("removing a file: %w", err)
	}
	start := time.Now()
	f, err := os.Create(filepath.Clean(path))
	if err != nil {
		return 0, fmt.Errorf("making a file: %w", err)
	}
	if err := errors.Join(write(f), f.Sync(), f.Close()); err != nil {
		return 0, fmt.Errorf("writing a file durably: %w", err)
	}
	return milliseconds(time.Since(start)), nil
}

// cold is a first answer: milliseconds from the manifest's file on, and the process's memory then that is no file, in MiB.
type cold struct {
	MS, Anon float64
	Found    bool
	Dropped  bool    // the set's pages were not in the cache
	process  float64 // milliseconds of the whole process
}

// askCold runs a child that asks for one serial.
func (r *revocationRun) askCold(ctx context.Context, k crlset.Key) (c cold, err error) {
	s, err := k.Serial()
	if err != nil {
		return c, err
	}
	u, err := r.asked(ctx, []byte(hex.EncodeToString(s.Bytes())), &c, childCold, r.dir)
	c.process = milliseconds(u.wall)
	return c, err
}

// startCold drops the set from the page cache, then verifies the manifest, maps the set and asks for the serial that comes on in.
func startCold(dir string, in io.Reader) (c cold, err error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return c, fmt.Errorf("reading a serial: %w", err)
	}
	octets, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return c, fmt.Errorf("%w: no serial in hex", ErrChild)
	}
	serial, err := certid.ParseSerial(octets)
	if err != nil {
		return c, err
	}
	for _, name := range []string{"full.set", "full.manifest"} {
		if err := drop(filepath.Join(dir, name)); err != nil {
			return c, err
		}
	}
	if c.Dropped, err = absent(filepath.Join(dir, "full.set")); err != nil {
		return c, err
	}
	start := time.Now()
	set, err := openPublished(dir)
	if err != nil {
		return c, err
	}
	defer set.Close()
	if _, c.Found, err = set.Find(crlset.KeyOf(serial)); err != nil {
		return c, err
	}
	c.MS = milliseconds(time.Since(start))
	c.Anon, err = memory(os.Getpid(), "RssAnon")
	return c, err
}

// openPublished is what a box does at its start.
func openPublished(dir string) (*crlset.Set, error) {
	public, err := os.ReadFile(filepath.Join(dir, "key.der"))
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	key, err := sign.ParsePublicKey(public)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "full.manifest"))
	if err != nil {
		return nil, fmt.Errorf("reading a manifest: %w", err)
	}
	m, _, err := manifest.Decode(sign.One{Key: key}, b)
	if err != nil {
		return nil, err
	}
	return crlset.OpenFile(filepath.Join(dir, "full.set"), m.Digests)
}

// someKeys are serials of a list from all over it.
func someKeys(l *crlgen.List, n int) iter.Seq[crlset.Key] {
	return func(yield func(crlset.Key) bool) {
		every, i := max(l.Len()/uint64(n), 1), uint64(0)
		for e := range l.Entries() {
			if i%every == every/2 && n > 0 {
				if n--; !yield(e.Key) {
					return
				}
			}
			i++
		}
	}
}

// childWith is child with a standard input.
func (r *run) childWith(ctx context.Context, env []string, stdin []byte, path string, args ...string) (usage, error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	return r.take(cmd, env)
}
