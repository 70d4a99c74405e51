package bench

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kazashi.example/central/lab/crlgen"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/sign"
)

// measureCold asks a set that is not in the page cache.
func (r *revocationRun) measureCold(ctx context.Context) error {
	s := series{}
	for _, k := range slices.Collect(someKeys(r.list, max(r.rounds, fullRounds))) {
		c, err := r.askCold(ctx, k)
		if err != nil {
			return err
		}
		if !c.Found {
			return fmt.Errorf("%w: a serial of the list is not in its set", ErrSame)
		}
		s["ms"], s["process"], s["anon"] = append(s["ms"], c.MS), append(s["process"], c.process), append(s["anon"], c.Anon)
		if !c.Dropped {
			fmt.Fprintln(r.Out, "# the set's pages could not be dropped from the cache before this start")
		}
	}
	return r.print(s, []figureOf{
		{"cold_start_ms", "ms", "%.1f", "ms"},
		{"cold_start_process_ms", "process", "%.1f", "ms"},
		{"cold_start_rss_anon_mib", "anon", "%.1f", "MiB"},
	})
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

// startCold is a child: it drops the set from the page cache, then verifies the manifest, maps the set and asks for the serial on in.
func startCold(dir string, in io.Reader) (c cold, err error) {
	key, err := readKey(in)
	if err != nil {
		return c, err
	}
	for _, name := range []string{baseSet, baseManifest} {
		if err := drop(filepath.Join(dir, name)); err != nil {
			return c, err
		}
	}
	if c.Dropped, err = absent(filepath.Join(dir, baseSet)); err != nil {
		return c, err
	}
	start := time.Now()
	set, err := openPublished(dir)
	if err != nil {
		return c, err
	}
	defer set.Close()
	if _, c.Found, err = set.Find(key); err != nil {
		return c, err
	}
	c.MS = milliseconds(time.Since(start))
	c.Anon, err = memory(os.Getpid(), "RssAnon")
	return c, err
}

// readKey reads a serial in hex.
func readKey(in io.Reader) (crlset.Key, error) {
	text, err := io.ReadAll(in)
	if err != nil {
		return crlset.Key{}, fmt.Errorf("reading a serial: %w", err)
	}
	octets, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return crlset.Key{}, fmt.Errorf("%w: no serial in hex", ErrChild)
	}
	s, err := certid.ParseSerial(octets)
	return crlset.KeyOf(s), err
}

// openPublished is what a box does at its start.
func openPublished(dir string) (*crlset.Set, error) {
	public, err := os.ReadFile(filepath.Join(dir, signKey))
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	key, err := sign.ParsePublicKey(public)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, baseManifest))
	if err != nil {
		return nil, fmt.Errorf("reading a manifest: %w", err)
	}
	m, _, err := manifest.Decode(sign.One{Key: key}, b)
	if err != nil {
		return nil, err
	}
	return crlset.OpenFile(filepath.Join(dir, baseSet), m.Digests)
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
