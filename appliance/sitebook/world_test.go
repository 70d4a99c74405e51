package sitebook_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/sitekey"
)

// What every book of these tests knows.
const (
	site    record.SiteID     = "branch-1"
	city    record.VerifierID = "practice-city"
	loan    record.ServiceID  = "library-loan"
	shelter record.ServiceID  = "shelter"
)

var noon = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// always is later than every use of these tests.
var always = noon.AddDate(1, 0, 0)

var errLocked = errors.New("locked for the test")

// world is a box without a tap: the keys of a site, which can be locked, and the taps that have a record.
type world struct {
	t    *testing.T
	path string

	mu     sync.Mutex // guards what follows
	ring   sitekey.Ring
	locked bool
	known  map[record.TapID]int64 // where in the order of records
	mark   int64
	asked  int // how often a record was looked for
	now    time.Time
	looked func() // called whenever the clock is looked at; nil: nobody is told
}

func newWorld(t *testing.T) *world {
	t.Helper()
	ring, err := sitekey.NewRing(sitekey.NewKey())
	must(t, err)
	return &world{t: t, path: filepath.Join(t.TempDir(), "sitebook.db"), ring: ring, known: map[record.TapID]int64{}, now: noon}
}

func (w *world) options() sitebook.Options {
	return sitebook.Options{
		Site: site, Desk: "desk-1",
		Ring: func() (sitekey.Ring, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.locked {
				return sitekey.Ring{}, errLocked
			}
			return w.ring, nil
		},
		Records: w,
		Now: func() time.Time {
			w.mu.Lock()
			now, looked := w.now, w.looked
			w.mu.Unlock()
			if looked != nil {
				looked()
			}
			return now
		},
	}
}

// Mark is the journal's.
func (w *world) Mark() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mark
}

// Has is the journal's.
func (w *world) Has(_ context.Context, tap record.TapID, after int64) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	return w.known[tap] > after, nil
}

func (w *world) open() *sitebook.Book {
	w.t.Helper()
	b, err := sitebook.Open(w.t.Context(), w.path, w.options())
	must(w.t, err)
	w.t.Cleanup(func() { must(w.t, b.Close()) })
	return b
}

func (w *world) lock(b *sitebook.Book, locked bool) {
	w.mu.Lock()
	w.locked = locked
	w.mu.Unlock()
	b.Changed()
}

func (w *world) rotate() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	next, err := w.ring.With(sitekey.NewKey())
	must(w.t, err)
	w.ring = next
}

func (w *world) later(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// visit writes a visit whose record becomes durable.
func (w *world) visit(b *sitebook.Book, v sitebook.Visit) record.TapID {
	w.t.Helper()
	v = w.whole(v)
	must(w.t, b.Write(w.t.Context(), v))
	w.records(v.Tap)
	b.Confirm(v.Tap)
	return v.Tap
}

// records makes the record of a tap durable.
func (w *world) records(tap record.TapID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mark++
	w.known[tap] = w.mark
}

func (w *world) whole(v sitebook.Visit) sitebook.Visit {
	w.mu.Lock()
	defer w.mu.Unlock()
	if v.Tap.IsZero() {
		v.Tap = record.NewTapID()
	}
	if v.Service == "" {
		v.Service = shelter
	}
	v.At = w.now
	return v
}

// cut is the power cut: the files as they lie there now, opened again elsewhere.
func (w *world) cut() *world {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	after := &world{t: w.t, path: filepath.Join(w.t.TempDir(), "sitebook.db"), ring: w.ring, known: map[record.TapID]int64{}, now: w.now}
	maps.Copy(after.known, w.known)
	after.mark = w.mark
	for _, tail := range []string{"", "-wal"} {
		b, err := os.ReadFile(w.path + tail)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		must(w.t, err)
		must(w.t, os.WriteFile(after.path+tail, b, 0o600))
	}
	return after
}

// cert is a made-up certificate.
func cert(t *testing.T, n byte) certid.CertID {
	t.Helper()
	s, err := certid.ParseSerial([]byte{0x51, 0xc0, 0xff, 0xee, n})
	must(t, err)
	return certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: s}
}

func person(t *testing.T, n byte) sitebook.Person {
	t.Helper()
	return sitebook.PersonOf(city, cert(t, n), record.TapID{})
}

// enrolment is what a tap leaves of a made-up person who enrols.
func enrolment(t *testing.T, n byte, tap record.TapID) *roster.Entry {
	t.Helper()
	id := cert(t, n)
	return &roster.Entry{
		Hierarchy: id.Scope.Hierarchy, Serial: id.Serial.Bytes(), Verifier: city, Enrolled: tap,
		Birth: roster.Birth{Date: "19550505", Form: 1}, Key: []byte("made-up card key"),
	}
}

// enrols writes the enrolment of a person.
func (w *world) enrols(b *sitebook.Book, n byte, before *sitebook.Person) (*roster.Entry, record.TapID) {
	w.t.Helper()
	tap := record.NewTapID()
	e := enrolment(w.t, n, tap)
	w.visit(b, sitebook.Visit{Tap: tap, Person: sitebook.Enrolled(*e), Enrolment: e, Before: before, Used: true})
	return e, tap
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
