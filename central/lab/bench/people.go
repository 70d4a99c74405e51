package bench

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"path/filepath"
	"time"

	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/central/lab/bench/stats"
	shared "kazashi.example/sync/roster"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// peopleBatch is how many people are looked up between two looks at the clock.
const peopleBatch = 64

// failing is rostertest.TB for a program.
type failing struct{}

func (failing) Helper()           {}
func (failing) Fatal(args ...any) { panic(fmt.Sprint(args...)) } // of the bench's own making: nothing of it comes from outside

// store opens the run's roster.
func (r *boxRun) store() (*roster.Store, error) {
	return roster.Open(roster.Config{
		Dir: filepath.Join(r.dir, "roster"), Site: rostertest.Site, Keys: func() sign.Keys { return r.central },
		Ring: func() (sitekey.Ring, error) { return r.central.Ring, nil },
	})
}

// measureRoster takes a roster over a line that costs nothing, opens it again and again, and looks people up.
func (r *boxRun) measureRoster(ctx context.Context) error {
	r.central = rostertest.New(failing{})
	offer := r.central.Publish(true, rostertest.People(0, r.people))
	s, err := r.store()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := s.Offer(ctx, r.central, offer); err != nil {
		return errors.Join(err, closed(s))
	}
	r.figure("roster_apply_s", "%.2f", time.Since(start).Seconds(), "s")
	r.figure("roster_bytes_per_person", "%.0f", float64(r.central.Parts[0].FileSize())/float64(r.people), "bytes")
	s.Close()
	clear(r.central.Blobs)
	if s, err = r.openings(ctx); err != nil {
		return err
	}
	return errors.Join(r.lookups(ctx, s), closed(s))
}

func closed(s *roster.Store) error { s.Close(); return nil }

// openings opens the roster anew a few times, up to the first who is found.
func (r *boxRun) openings(ctx context.Context) (s *roster.Store, err error) {
	var took []float64
	for range fullRounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s != nil {
			s.Close()
		}
		start := time.Now()
		if s, err = r.store(); err != nil {
			return nil, err
		}
		if _, err := r.look(s, r.people/2); err != nil {
			return nil, errors.Join(err, closed(s))
		}
		took = append(took, time.Since(start).Seconds())
	}
	m, err := stats.Median(took)
	r.figure("roster_open_s", "%.4f", m, "s")
	return s, err
}

// look finds one person by their certificate.
func (r *boxRun) look(s *roster.Store, n int) (shared.Entry, error) {
	id, err := rostertest.Person(n).ID()
	if err != nil {
		return shared.Entry{}, err
	}
	e, ok, err := s.Find(rostertest.City, id)
	if err == nil && !ok {
		err = fmt.Errorf("%w: somebody who is enrolled is not found", ErrSame)
	}
	return e, err
}

// lookups times finding and opening, beside the opening of as many octets with a fresh key, in turn.
func (r *boxRun) lookups(ctx context.Context, s *roster.Store) error {
	for n := range r.people { // so that no chunk is compared while it is timed
		if _, _, err := s.ByTap(rostertest.Tap(n)); err != nil {
			return err
		}
	}
	bare, err := newBareOpening(r.sealedSize())
	if err != nil {
		return err
	}
	var ours, theirs []float64
	var ratios []float64
	for range 20 * fullRounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		a, err := r.batch(s)
		if err != nil {
			return err
		}
		b, err := bare.batch()
		if err != nil {
			return err
		}
		ours, theirs, ratios = append(ours, a), append(theirs, b), append(ratios, a/b)
	}
	for _, f := range []struct {
		name, format, unit string
		of                 []float64
	}{
		{"roster_lookup_us", "%.2f", "us", ours}, {"roster_aead_us", "%.2f", "us", theirs}, {"roster_lookup_vs_aead", "%.2f", "ratio", ratios},
	} {
		m, err := stats.Median(f.of)
		if err != nil {
			return err
		}
		r.figure(f.name, f.format, m, f.unit)
	}
	return nil
}

// sealedSize is about how many octets a sealed entry has: what a person takes less the index.
func (r *boxRun) sealedSize() int {
	const rows, row = 4, 16
	return int(r.central.Parts[0].Size)/r.people - rows*row //nolint:gosec // at most 1 GiB
}

// batch is the microseconds of one lookup, over some of random people.
func (r *boxRun) batch(s *roster.Store) (float64, error) {
	ids := make([]int, peopleBatch)
	for i := range ids {
		ids[i] = mrand.IntN(r.people)
	}
	people := make([]shared.Entry, peopleBatch)
	for i, n := range ids {
		people[i] = rostertest.Person(n)
	}
	start := time.Now()
	for _, p := range people {
		id, err := p.ID()
		if err != nil {
			return 0, err
		}
		if _, ok, err := s.Find(rostertest.City, id); err != nil || !ok {
			return 0, errors.Join(ErrSame, err)
		}
	}
	return float64(time.Since(start).Nanoseconds()) / 1e3 / peopleBatch, nil
}

// bareOpening is AES-256-GCM with its key set-up, and nothing else.
type bareOpening struct {
	keys   [peopleBatch][32]byte
	sealed [peopleBatch][]byte
	room   []byte
}

func newBareOpening(size int) (*bareOpening, error) {
	b := &bareOpening{room: make([]byte, 0, size)}
	for i := range b.keys {
		_, _ = rand.Read(b.keys[i][:]) // crypto/rand.Read never fails (Go 1.24)
		aead, err := newAEAD(b.keys[i][:])
		if err != nil {
			return nil, err
		}
		b.sealed[i] = aead.Seal(nil, make([]byte, 12), make([]byte, size-aead.Overhead()), nil)
	}
	return b, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (b *bareOpening) batch() (float64, error) {
	nonce := make([]byte, 12)
	start := time.Now()
	for i := range b.keys {
		aead, err := newAEAD(b.keys[i][:])
		if err != nil {
			return 0, err
		}
		if _, err := aead.Open(b.room, nonce, b.sealed[i], nil); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(start).Nanoseconds()) / 1e3 / peopleBatch, nil
}
