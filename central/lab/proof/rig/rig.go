// Package rig puts the real parts of box and central together in one process, for the end-to-end proofs: central's daemon over
// a real configuration on loopback ports, boxes with their journal, link and local API, the practice JPKI over HTTP, a line
// between them that can be cut, and virtual cards of the practice world in place of PC/SC.
//
// A [Rig] belongs to one test and its goroutine; what it starts runs beside it and ends with the test. Everything lies in the
// test's temporary folder. Each verdict that a counter heard is kept in a ledger, against which central's tables are counted.
// It proves nothing about card readers (reader/pcsc does), and it is linked into no program.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Service is the practice service that every central of a rig has.
const Service record.ServiceID = "practice.library"

// patience bounds every wait for something that must happen; look is the pause between two looks.
const (
	patience = 45 * time.Second
	look     = 10 * time.Millisecond
)

// Setup changes what New makes.
type Setup struct {
	// More is appended to central's configuration.
	More string
	// Evidence is the least that the practice service takes; empty is the certificate.
	Evidence record.Evidence
	// NoLists makes the practice JPKI serve no revocation list.
	NoLists bool
	// Record keeps every octet that crosses the boxes' lines.
	Record bool
}

// Rig is a practice world with its authority, one central and its boxes.
type Rig struct {
	tb      testing.TB
	setup   Setup
	dir     string
	World   *world.World
	JPKI    *jpki.Service
	Central *Central
	// BoxLog and CentralLog are everything that was logged at every level.
	BoxLog, CentralLog *Buffer
	// Wire is what crossed the lines, if Setup.Record asked for it.
	Wire *Buffer

	authority *httptest.Server

	mu   sync.Mutex // guards told
	told []Told
}

// Told is one verdict that was said at a counter, and on which card.
type Told struct {
	Box    record.BoxID
	Person world.Person
	Tap    localapi.Tap
	Rests  localapi.Rests
	Enrol  *localapi.Enrolled // after an enrolment
	Link   *localapi.Linked   // after a link
	Number string             // the service's own of the person, as the counter was told
}

// New makes a world and a running central without boxes.
func New(tb testing.TB, s Setup) *Rig {
	tb.Helper()
	r := &Rig{tb: tb, setup: s, dir: tb.TempDir()}
	r.World = r.world()
	r.BoxLog, r.CentralLog, r.Wire = &Buffer{}, &Buffer{}, &Buffer{}
	var err error
	r.JPKI, err = jpki.NewService(r.World, jpki.Config{})
	r.must(err)
	r.authority = httptest.NewServer(http.HandlerFunc(r.serveAuthority))
	tb.Cleanup(r.authority.Close)
	r.Central = newCentral(r)
	r.Central.Start()
	return r
}

// first is the world that every other one of this process is a copy of: issuing its certificates takes seconds.
var first struct {
	sync.Mutex // guards dir

	dir string
}

// world copies the first world, so that each rig has a ledger of its own.
func (r *Rig) world() *world.World {
	r.tb.Helper()
	first.Lock()
	defer first.Unlock()
	dir := filepath.Join(r.dir, "w")
	if first.dir == "" {
		made, err := os.MkdirTemp("", "kazashi-proof-world-") // outlives the first test; see RemoveWorld
		r.must(err)
		_, err = world.Open(r.tb.Context(), made, world.Config{Keys: worldtest.KeyDir()})
		r.must(err)
		first.dir = made
	}
	r.must(CopyDir(first.dir, dir))
	w, err := world.Open(r.tb.Context(), dir, world.Config{Keys: worldtest.KeyDir()})
	r.must(err)
	return w
}

// RemoveWorld removes what all rigs of the process share, after the last of them.
func RemoveWorld() error {
	first.Lock()
	defer first.Unlock()
	return os.RemoveAll(first.dir)
}

func (r *Rig) serveAuthority(w http.ResponseWriter, q *http.Request) {
	if r.setup.NoLists && filepath.Dir(q.URL.Path) == "/crl" {
		http.Error(w, "no lists in this practice", http.StatusServiceUnavailable)
		return
	}
	r.JPKI.ServeHTTP(w, q)
}

// AuthorityURL is where the practice JPKI answers.
func (r *Rig) AuthorityURL() string { return r.authority.URL }

func (r *Rig) must(err error) {
	r.tb.Helper()
	if err != nil {
		r.tb.Fatal(err)
	}
}

// Eventually waits until ok reports that what must happen has happened; ok says what is missing.
func (r *Rig) Eventually(ok func() (missing string)) {
	r.tb.Helper()
	end := time.Now().Add(patience)
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		missing := ok()
		if missing == "" {
			return
		}
		if time.Now().After(end) {
			r.tb.Fatalf("still not so after %s: %s", patience, missing)
		}
		<-t.C
	}
}

// Ledger is every verdict said so far.
func (r *Rig) Ledger() []Told {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Told{}, r.told...)
}

// Note adds a verdict that was said outside this process.
func (r *Rig) Note(t Told) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, t)
}

// EachOnce waits until central has applied every tap of the ledger, and then wants each exactly once, under the id and for the
// card of the ledger, and nothing beside them.
func (r *Rig) EachOnce() []Applied {
	r.tb.Helper()
	told := r.Ledger()
	var rows []Applied
	r.Eventually(func() string {
		rows = r.Central.Applied()
		return missing(told, rows)
	})
	r.count(told, rows)
	return rows
}

func missing(told []Told, rows []Applied) string {
	have := map[record.TapID]bool{}
	for _, a := range rows {
		have[a.Tap] = true
	}
	n := 0
	for _, t := range told {
		if !have[t.Tap.Tap] {
			n++
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d taps are not applied at central", n, len(told))
}

func (r *Rig) count(told []Told, rows []Applied) {
	r.tb.Helper()
	by := map[record.TapID][]Applied{}
	for _, a := range rows {
		by[a.Tap] = append(by[a.Tap], a)
	}
	for _, t := range told {
		found := by[t.Tap.Tap]
		delete(by, t.Tap.Tap)
		if len(found) != 1 {
			r.tb.Errorf("tap %s is applied %d times, want once", t.Tap.Tap, len(found))
			continue
		}
		a := found[0]
		if a.ID != record.ID(t.Tap.Record) || a.Box != t.Box || a.Serial != t.Person.Auth.ID.Serial || a.First != t.Tap.First.Verdict {
			r.tb.Errorf("tap %s: record %s of box %s said %s, want %s of %s and %s, for the card that lay there",
				t.Tap.Tap, a.ID, a.Box, a.First, record.ID(t.Tap.Record), t.Box, t.Tap.First.Verdict)
		}
	}
	for tap := range by {
		r.tb.Errorf("tap %s is applied at central and was never said at a counter", tap)
	}
}

// Buffer collects octets from any goroutine.
type Buffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

// Write keeps p.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// Bytes is a copy of everything so far.
func (b *Buffer) Bytes() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.b.Bytes())
}

func (b *Buffer) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start runs f until the returned function is called, which then gives f's error.
func start(f func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-done
	})
}

// CopyDir copies a data directory as an image of a disk would: regular files, as they are now; without those that go while it copies.
func CopyDir(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("copying %s: %w", from, err)
	}
	for _, e := range entries {
		src, dst := filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
		switch {
		case e.IsDir():
			err = CopyDir(src, dst)
		case e.Type().IsRegular():
			err = copyFile(src, dst)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("copying a file of an image: %w", err)
	}
	return nil
}
