//go:build integration

package crash_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"kazashi.example/appliance/revocation"
	"kazashi.example/central/lab/crash"
	"kazashi.example/sync/crlset"
)

// fetching is the scenario of a box that holds some editions and fetches what is offered.
func (s *shop) fetching(t *testing.T, name string, j journey, cut int64, held ...uint64) crash.Scenario {
	t.Helper()
	if err := s.writeOffer(j.offer); err != nil {
		t.Fatal(err)
	}
	if j.shop = s; j.fetched == 0 {
		j.fetched = size(j.offer)
	}
	return crash.Scenario{
		Name:   name,
		Before: func(dir string) error { return s.keep(dir, held...) },
		Child:  s.boxChild("fetch", cut),
		Check:  j.check,
	}
}

func TestP7FirstSetOfAll(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	matrices(t, s.fetching(t, "first set", journey{from: 0, to: 1, offer: s.offer(0, 1, false)}, 0))
}

func TestP7DownloadOfAWholeSet(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	matrices(t, s.fetching(t, "download", journey{from: 2, to: 3, offer: s.offer(0, 3, false)}, 100_000, 1, 2))
}

func TestP7ChainOfDeltas(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	matrices(t, s.fetching(t, "delta chain", journey{from: 1, to: 3, offer: s.offer(1, 3, true)}, 10_000, 1))
}

func TestP7FallingBackAndFetchingAnew(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sc := s.fetching(t, "damaged", journey{from: 1, to: 3, offer: s.offer(0, 3, false), fetched: crlset.ChunkSize}, 0)
	sc.Before = func(dir string) error {
		if err := s.keep(dir, 1, 3); err != nil {
			return err
		}
		path := filepath.Join(dir, "practice-auth-1-3.set")
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[crlset.ChunkSize+1000] ^= 1
		return os.WriteFile(path, b, 0o600)
	}
	matrices(t, sc)
}

func TestP7LoadingFromAFolder(t *testing.T) {
	t.Parallel()
	for _, deltas := range []bool{false, true} {
		s := newShop(t)
		if err := errors.Join(s.writeOffer(s.offer(0, 1, false)), s.fill(filepath.Join(s.dir, "stick"), deltas)); err != nil {
			t.Fatal(err)
		}
		matrices(t, crash.Scenario{
			Name:   map[bool]string{false: "load of a set", true: "load of a delta"}[deltas],
			Before: func(dir string) error { return s.keep(dir, 2) },
			Child:  s.boxChild("load", 0),
			Check:  journey{shop: s, from: 2, to: 3, stick: true}.check,
		})
	}
}

// A box that was killed before, in the worst place of each kind, and is killed again.
func TestP7GoingOnAfterACrash(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sc := s.fetching(t, "second crash", journey{from: 1, to: 3, offer: s.offer(0, 3, false), fetched: 2 * crlset.ChunkSize}, 0)
	sc.Before = func(dir string) error {
		e := s.editions[2]
		half := slices.Clone(e.set)
		clear(half[crlset.ChunkSize : 2*crlset.ChunkSize])
		errs := []error{s.keep(dir, 1)}
		for name, b := range map[string][]byte{
			"practice-auth-1-3.set": half, "practice-auth-1-3.manifest.part": make([]byte, len(e.manifest)), ".new-1": e.manifest[:100],
			"practice-auth-1-2.set.part.new": half[:1000], "practice-auth-1-2.head.part": {1}, "practice-auth-1-2.manifest": s.editions[1].manifest,
		} {
			errs = append(errs, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		}
		return errors.Join(errs...)
	}
	matrices(t, sc)
}

func TestP7Inbox(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	sc := s.fetching(t, "inbox", journey{from: 1, to: 3, offer: s.offer(0, 3, false)}, 0)
	sc.Child = s.boxChild("inbox", 0)
	sc.Before = func(dir string) error {
		return errors.Join(s.keep(dir, 1), s.fill(filepath.Join(dir, revocation.Inbox), false))
	}
	matrices(t, sc)
}

// What was delivered is there after a power cut, and what was not can be delivered again.
func TestP7Delivery(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	stick := filepath.Join(s.dir, "stick")
	if err := errors.Join(s.writeOffer(s.offer(0, 3, false)), s.fill(stick, false)); err != nil {
		t.Fatal(err)
	}
	matrices(t, crash.Scenario{
		Name: "delivery",
		Before: func(dir string) error {
			return errors.Join(s.keep(dir, 1), os.Mkdir(filepath.Join(dir, revocation.Inbox), 0o700))
		},
		Child: s.boxChild("deliver", 0),
		Check: func(st crash.State) (err error) {
			if len(st.Said) == 0 {
				if _, err := revocation.Deliver(context.Background(), st.Dir, stick, s.keys, nil); err != nil {
					return fmt.Errorf("delivering again: %w", err)
				}
			}
			c, _, err := box(context.Background(), st.Dir, s.keys)
			if err != nil {
				return err
			}
			defer c.Close()
			if err := s.answers(c, 1); err != nil {
				return err
			}
			if _, err := c.Load(context.Background(), filepath.Join(st.Dir, revocation.Inbox)); err != nil { // as the running box does
				return fmt.Errorf("taking what was delivered: %w", err)
			}
			return s.answers(c, 3)
		},
	})
}
