package bench

import (
	"bytes"
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/central/lab/bench/stats"
	shared "kazashi.example/sync/roster"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// PeopleConfig says how much [RunPeople] measures.
type PeopleConfig struct {
	Config
	People int // of the site; 0: 200,000, or 20,000 when quick
}

// Sizes of sites.
const (
	fullPeople  = 200_000
	quickPeople = 20_000
	peopleBatch = 64
)

// peopleNames are the figures that RunPeople owes.
var peopleNames = []string{
	"roster_open_s", "roster_lookup_us", "roster_aead_us", "roster_lookup_vs_aead", "roster_bytes_per_person", "roster_apply_s",
	"roster_rss_anon_mib", "roster_rss_file_mib",
}

// peopleRun is one run of RunPeople.
type peopleRun struct {
	*run
	people  int
	central *rostertest.Central
}

// failing is rostertest.TB for a program.
type failing struct{}

func (failing) Helper()           {}
func (failing) Fatal(args ...any) { panic(fmt.Sprint(args...)) } // of the bench's own making: nothing of it comes from outside

// RunPeople measures the roster of a large site beside a bare opening of as many octets. Its errors are Run's.
func RunPeople(ctx context.Context, c PeopleConfig) (err error) {
	people := fullPeople
	if c.Quick {
		people = quickPeople
	}
	r := &peopleRun{run: &run{Config: c.Config, n: c.amounts(), owed: peopleNames}, people: cmp.Or(c.People, people)}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder to measure in: %w", err)
	}
	if err := r.describe(); err != nil {
		return err
	}
	if r.dir, err = os.MkdirTemp(c.Dir, "kazashi-bench-"); err != nil {
		return fmt.Errorf("making the folder of this run: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	fmt.Fprintf(r.Out, "# %d made-up people of one site, each with a card key of 294 octets, a pseudonym, and every second with a number\n", r.people)
	return errors.Join(r.perform(ctx, []measurement{
		{"taking a roster", r.measureRoster},
		{"the memory of a box with it", r.measurePeopleMemory},
	}), r.missing())
}

// store opens the run's roster.
func (r *peopleRun) store() (*roster.Store, error) {
	return roster.Open(roster.Config{
		Dir: filepath.Join(r.dir, "roster"), Site: rostertest.Site, Keys: func() sign.Keys { return r.central },
		Ring: func() (sitekey.Ring, error) { return r.central.Ring, nil },
	})
}

// measureRoster takes a roster over a line that costs nothing, opens it again and again, and looks people up.
func (r *peopleRun) measureRoster(ctx context.Context) error {
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
func (r *peopleRun) openings(ctx context.Context) (s *roster.Store, err error) {
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
func (r *peopleRun) look(s *roster.Store, n int) (shared.Entry, error) {
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
func (r *peopleRun) lookups(ctx context.Context, s *roster.Store) error {
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
func (r *peopleRun) sealedSize() int {
	const rows, row = 4, 16
	return int(r.central.Parts[0].Size)/r.people - rows*row //nolint:gosec // at most 1 GiB
}

// batch is the microseconds of one lookup, over some of random people.
func (r *peopleRun) batch(s *roster.Store) (float64, error) {
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

// peopleMemory is what a child says of itself, in MiB.
type peopleMemory struct{ Anon, File float64 }

// measurePeopleMemory looks at a process that holds the roster and has looked up everybody on it.
func (r *peopleRun) measurePeopleMemory(ctx context.Context) error {
	_, key, _ := r.central.Ring.Current()
	spki, err := sign.PublicKeyOf(r.central.Key.Public())
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, r.program("kazashi-lab"), "bench", "people", "child", filepath.Join(r.dir, "roster"), //nolint:gosec // the lab's own
		hex.EncodeToString(spki.DER()), fmt.Sprint(r.people))
	cmd.Stdin = bytes.NewReader(key.Reveal())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("running a child: %w", err)
	}
	var m peopleMemory
	if err := json.Unmarshal(out, &m); err != nil {
		return fmt.Errorf("reading a child's answer: %w", err)
	}
	r.figure("roster_rss_anon_mib", "%.1f", m.Anon, "MiB")
	r.figure("roster_rss_file_mib", "%.1f", m.File, "MiB")
	return nil
}

// PeopleChild is the body of the process whose memory RunPeople looks at: FOLDER, C-sign in hexadecimal digits, how many people; the site's
// key comes on in.
func PeopleChild(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 3 {
		return ErrChild
	}
	der, err := hex.DecodeString(args[1])
	if err != nil {
		return ErrChild
	}
	public, err := sign.ParsePublicKey(der)
	if err != nil {
		return err
	}
	var people int
	if _, err := fmt.Sscan(args[2], &people); err != nil {
		return ErrChild
	}
	secret, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	key, err := sitekey.ParseKey(secret)
	if err != nil {
		return err
	}
	ring, err := sitekey.NewRing(key)
	if err != nil {
		return err
	}
	s, err := roster.Open(roster.Config{
		Dir: args[0], Site: rostertest.Site, Keys: func() sign.Keys { return sign.One{Key: public} }, Ring: func() (sitekey.Ring, error) { return ring, nil },
	})
	if err != nil {
		return err
	}
	defer s.Close()
	for n := range people {
		if _, ok, err := s.ByTap(rostertest.Tap(n)); err != nil || !ok {
			return errors.Join(ErrSame, err)
		}
	}
	var m peopleMemory
	if m.Anon, err = memory(os.Getpid(), "RssAnon"); err != nil {
		return err
	}
	if m.File, err = memory(os.Getpid(), "RssFile"); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(m)
}
