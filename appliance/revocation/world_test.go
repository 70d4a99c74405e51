package revocation_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

var (
	day    = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	auth   = certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}
	issuer = certid.KeyID{3}
)

// Serials that mean something in these tests; all others on the sets are random and long.
const (
	revoked = 100
	onHold  = 101
	free    = 102
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func idOf(t testing.TB, s certid.Scope, serial uint64) certid.CertID {
	t.Helper()
	n, err := crlset.Key{C: serial}.Serial()
	must(t, err)
	return certid.CertID{Scope: s, Serial: n}
}

// world is a central and a box.
type world struct {
	*settest.Central
	t     testing.TB
	dir   string
	box   *revocation.Cache
	keys  sign.Keys
	learn []time.Time
	now   func() (time.Time, record.Confidence) // nil: nobody knows
}

// lasting are those entries that fill five chunks and do not change.
var lasting = sync.OnceValue(func() []crlset.Entry {
	e := settest.Random(1, 15_000, day)
	slices.SortFunc(e, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return e
})

// entries of day n: those that last, two serials that do not change, and n that do.
func entries(n int) []crlset.Entry {
	e := append(slices.Clone(lasting()), settest.Entry(revoked, crlset.Superseded, day), settest.Entry(onHold, crlset.CertificateHold, day))
	return append(e, settest.Random(uint64(n)+2, n, day)...)
}

// newWorld has published some sets and given none to the box.
func newWorld(t testing.TB, sets int) *world {
	t.Helper()
	w := &world{Central: settest.New(t, auth, issuer), t: t, dir: t.TempDir()}
	w.keys = w.Keys()
	for n := range sets {
		w.publish(n + 1)
	}
	w.open()
	return w
}

func (w *world) publish(n int) *settest.Version {
	w.t.Helper()
	return w.Publish(day.Add(time.Duration(n)*24*time.Hour), entries(n)...)
}

// open starts the box anew.
func (w *world) open() {
	w.t.Helper()
	if w.box != nil {
		w.box.Close()
	}
	var err error
	w.box, err = revocation.Open(context.Background(), revocation.Config{
		Dir: w.dir, Keys: func() sign.Keys { return w.keys }, Now: w.now, Learn: func(at time.Time) { w.learn = append(w.learn, at) },
		Log: slog.New(slog.DiscardHandler),
	})
	must(w.t, err)
	w.t.Cleanup(w.box.Close)
}

// holds checks which set answers, and what.
func (w *world) holds(when string, n uint64) {
	w.t.Helper()
	got := w.box.Answer(idOf(w.t, auth, revoked), issuer)
	want := record.AnswerRevoked
	if n == 0 {
		want = record.AnswerNotCovered
	}
	if got.Answer != want || got.Number.N != n {
		w.t.Errorf("%s: Answer(revoked) = %s of number %d, want %s of %d", when, got.Answer, got.Number.N, want, n)
	}
}

// load has the box load versions from a folder; whole sets, or deltas.
func (w *world) load(asDelta bool, versions ...*settest.Version) error {
	w.t.Helper()
	dir := w.t.TempDir()
	for _, v := range versions {
		w.Export(dir, v, asDelta)
	}
	_, err := w.box.Load(w.t.Context(), dir)
	return err
}

// run runs the box on a remote until what is offered is in use, or the remote says that it is enough.
func (w *world) run(r revocation.Remote, o wire.SetOffer, until func() bool) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	w.box.Offered([]wire.SetOffer{o})
	go func() { done <- w.box.Run(ctx, r) }()
	tick, end := time.NewTicker(10*time.Millisecond), time.After(time.Hour) // inside a bubble
	defer tick.Stop()
	for !until() {
		select {
		case <-tick.C:
		case <-end:
			w.t.Fatal("what was waited for did not come in an hour")
		}
	}
	stop()
	if err := <-done; !errors.Is(err, context.Canceled) {
		w.t.Errorf("Run = %v, want context.Canceled", err)
	}
}

// reached says that the newest set answers.
func (w *world) reached(n uint64) func() bool {
	return func() bool {
		h, ok := w.box.Newest(auth)
		return ok && h.Number.N == n
	}
}

// line is a remote that counts what it gives and can be cut, or change what passes.
type line struct {
	from   revocation.Remote
	mu     sync.Mutex // guards what follows
	given  map[wire.BlobID]uint64
	cut    func(id wire.BlobID, at uint64) uint64 // octets until the line is cut
	change func(id wire.BlobID, at uint64, b []byte)
	asked  int
}

func newLine(from revocation.Remote) *line { return &line{from: from, given: map[wire.BlobID]uint64{}} }

func (l *line) Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	r, err := l.from.Blob(ctx, id, from)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	if l.change != nil {
		b = bytes.Clone(b)
		l.change(id, from, b)
	}
	if l.cut != nil {
		if n := l.cut(id, from); n < uint64(len(b)) {
			b = b[:n]
		}
	}
	return &counted{l, id, bytes.NewReader(b)}, nil
}

// counted counts what is read.
type counted struct {
	l  *line
	id wire.BlobID
	r  *bytes.Reader
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.l.mu.Lock()
	defer c.l.mu.Unlock()
	c.l.given[c.id] += uint64(n)
	return n, err
}

func (c *counted) Close() error { return nil }
