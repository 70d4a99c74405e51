// Package simcentral is central without its network and its outside world, for tests: the real store, intake, opener, boxline
// and backup over a directory, with an authority whose answers the test chooses and a clock that the test turns.
//
// Keys live in [Keys], apart from the directory, so that a test can restore the one and keep the other. A [Central] belongs to
// one test.
package simcentral

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/backup"
	"kazashi.example/central/boxline"
	"kazashi.example/central/courier"
	"kazashi.example/central/intake"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/keys"
	"kazashi.example/central/opener"
	"kazashi.example/central/person"
	"kazashi.example/central/ppid"
	"kazashi.example/central/registry"
	"kazashi.example/central/rosters"
	"kazashi.example/central/sitekeys"
	"kazashi.example/central/store"
	"kazashi.example/central/store/notice"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// Start is when the test's clock begins.
var Start = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// Root is what the test's join codes name.
var Root = trust.Fingerprint{1, 2, 3}

// Keys are central's keys.
type Keys struct {
	Sign, TLS *ecdsa.PrivateKey
	Seal      seal.PrivateKey
	Rows      *keys.Rows
	Identity  *ppid.Deriver
}

// NewKeys makes keys.
func NewKeys(tb testing.TB) *Keys {
	tb.Helper()
	var k Keys
	var err error
	k.Sign, k.TLS = simbox.Key(tb), simbox.Key(tb)
	if k.Seal, err = seal.GenerateKey(); err != nil {
		tb.Fatal(err)
	}
	if k.Rows, err = keys.NewRows(secret(), secret()); err != nil {
		tb.Fatal(err)
	}
	if k.Identity, err = ppid.NewDeriver(secret(), secret(), 1); err != nil {
		tb.Fatal(err)
	}
	return &k
}

func secret() []byte {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails (Go 1.24)
	return b
}

// SealKey is opener.SealKeys of the one key.
func (k *Keys) SealKey(id sign.KeyID) (seal.PrivateKey, error) {
	if id != k.Seal.Public().ID() {
		return seal.PrivateKey{}, opener.ErrSealKey
	}
	return k.Seal, nil
}

// Public wraps a signing key's public half.
func Public(tb testing.TB, k *ecdsa.PrivateKey) sign.PublicKey {
	tb.Helper()
	p, err := sign.PublicKeyOf(k.Public())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// World is what central asks and is told: by default every certificate is not revoked.
type World struct {
	mu       sync.Mutex // guards all
	now      time.Time
	answers  map[certid.Serial]record.Answer
	silent   map[certid.Serial]bool
	asked    int
	listed   time.Time
	rules    rule.Set
	before   map[heldAt]rule.Set
	signed   []byte
	offers   []wire.SetOffer
	blobs    map[wire.BlobID]string
	others   func(wire.BlobID) (*os.File, error) // opens what is not in blobs
	examined func([]byte) (jpki.AuthCert, error)
}

// Now is the test's clock.
func (w *World) Now() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }

// Listed is the time of the newest list; zero at first.
func (w *World) Listed() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.listed }

// List sets it.
func (w *World) List(at time.Time) { w.mu.Lock(); defer w.mu.Unlock(); w.listed = at }

// Pass turns the clock.
func (w *World) Pass(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

// Answer sets what the authority says of a serial.
func (w *World) Answer(a record.Answer, serial ...byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, _ := certid.ParseSerial(serial) // a test's own literal
	w.answers[s], w.silent[s] = a, false
}

// Silence makes nobody answer for a serial.
func (w *World) Silence(serial ...byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s, _ := certid.ParseSerial(serial)
	w.silent[s] = true
}

// Asked is how often the authority was asked.
func (w *World) Asked() int { w.mu.Lock(); defer w.mu.Unlock(); return w.asked }

// StatusWithin is opener.Validity: of now, whatever the time asked for.
func (w *World) StatusWithin(_ context.Context, id certid.CertID, _ content.Issuer, _, to time.Time) (validity.Status, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	if w.silent[id.Serial] {
		return validity.Status{}, validity.ErrNobody
	}
	a, ok := w.answers[id.Serial]
	if !ok {
		a = record.AnswerNotRevoked
	}
	return validity.Status{Answer: a, Source: wire.SourceOCSP, ThisUpdate: to}, nil
}

// Examine is opener.Examiner.
func (w *World) Examine(der []byte) (jpki.AuthCert, error) { return w.examined(der) }

// Examined sets what examining any certificate finds, instead of simbox.Examine.
func (w *World) Examined(f func([]byte) (jpki.AuthCert, error)) { w.examined = f }

// Rule is opener.Services: the same whatever a box held, but for what Before set.
func (w *World) Rule(_ context.Context, site record.SiteID, held rule.Version, id record.ServiceID) (rule.Rule, bool, error) {
	set, ok := w.before[heldAt{site, held}]
	if !ok {
		set = w.rules
	}
	r, ok := set.For(id)
	return r, ok, nil
}

// heldAt is a version of the rules of a site.
type heldAt struct {
	site record.SiteID
	held rule.Version
}

// Before makes a version of a site's rules that differs from those in force.
func (w *World) Before(site record.SiteID, held rule.Version, change func(*rule.Rule)) {
	set := w.rules
	set.Version, set.Rules = held, slices.Clone(set.Rules)
	change(&set.Rules[0])
	w.before[heldAt{site, held}] = set
}

// Sector is opener.Services.
func (w *World) Sector(id record.ServiceID) (string, bool) { return string(id), id == simbox.Service }

// Rules is boxline.Desired, the same for every site.
func (w *World) Rules(record.SiteID) (rule.Version, []byte, error) {
	return w.rules.Version, w.signed, nil
}

// Bundle is boxline.Desired and registry.Trust. Its bytes are the test's, not a real bundle's.
func (w *World) Bundle() (uint64, []byte) { return 7, []byte("bundle of a test") }

// Offers is boxline.Desired: all that were set, whatever is held.
func (w *World) Offers([]wire.HeldSet) []wire.SetOffer {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.offers)
}

// OpenBlob is boxline.Desired.
func (w *World) OpenBlob(id wire.BlobID) (*os.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	path, ok := w.blobs[id]
	if !ok {
		return w.others(id)
	}
	return os.Open(path)
}

// fallback sets who opens files that no test set.
func (w *World) fallback(open func(wire.BlobID) (*os.File, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.others = open
}

// Services is rosters.Policy: the one service, in the sector of its own name.
func (w *World) Services(_ record.SiteID, v record.VerifierID) []person.Service {
	if !w.Serves(v) {
		return nil
	}
	return []person.Service{{ID: simbox.Service, Sector: string(simbox.Service)}}
}

// SetOffers sets what is offered to every box, and the paths of its files.
func (w *World) SetOffers(blobs map[wire.BlobID]string, offers ...wire.SetOffer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.offers, w.blobs = offers, blobs
}

// Serves reports whether a verifier is served.
func (w *World) Serves(v record.VerifierID) bool { return v == simbox.Verifier }

// SetRule changes what the one service demands, here; boxes are not told.
func (w *World) SetRule(change func(*rule.Rule)) { change(&w.rules.Rules[0]) }

// NewWorld makes a world with one practice service.
func NewWorld(tb testing.TB, k *Keys) *World {
	tb.Helper()
	w := &World{
		now: Start, answers: map[certid.Serial]record.Answer{}, silent: map[certid.Serial]bool{}, before: map[heldAt]rule.Set{},
		examined: simbox.Examine,
	}
	w.rules = rule.Set{Version: rule.Version{CentralEpoch: 1, N: 1}, Issued: Start.Unix(), Site: "honmachi", Rules: []rule.Rule{{
		Service: simbox.Service, Verifier: simbox.Verifier, Basis: record.BasisDrill, Evidence: record.EvidenceCertificate,
		ListFull: 86400, ListProvisional: 864000, TooOld: rule.TooOldRefuse, Practice: true,
		Hierarchies: []certid.Hierarchy{certid.HierarchyPractice},
	}}}
	var err error
	if w.signed, err = w.rules.Sign(k.Sign); err != nil {
		tb.Fatal(err)
	}
	return w
}

// Central is central over a directory.
type Central struct {
	TB       testing.TB
	Dir      string
	Keys     *Keys
	World    *World
	DB       *sqlite.DB
	Store    store.Store
	Bells    *notice.Bells
	Told     *Renewals
	Intake   *intake.Intake
	SiteKeys *sitekeys.Keys
	Boxes    *registry.Registry
	Opener   *opener.Opener
	Line     *boxline.Line
	People   *person.People
	Rosters  *rosters.Maker
	Keeper   *backup.Keeper
	Courier  *courier.Courier
}

// New opens a new central in a directory of its own; it is closed with the test.
func New(tb testing.TB) *Central {
	tb.Helper()
	k := NewKeys(tb)
	c := Open(tb, tb.TempDir(), k, NewWorld(tb, k), nil)
	tb.Cleanup(func() {
		if err := c.DB.Close(); err != nil {
			tb.Error(err)
		}
	})
	return c
}

// Open opens central in a directory; the caller closes DB. wrap, if not nil, stands between central and its database.
func Open(tb testing.TB, dir string, k *Keys, w *World, wrap func(store.Store) store.Store) *Central {
	tb.Helper()
	db, err := sqlite.Open(context.WithoutCancel(tb.Context()), dir, w.Now())
	if err != nil {
		tb.Fatal(err)
	}
	c := &Central{TB: tb, Dir: dir, Keys: k, World: w, DB: db, Store: db, Bells: &notice.Bells{}}
	if wrap != nil {
		c.Store = wrap(db)
	}
	log := slog.New(slog.DiscardHandler)
	c.People = person.New(k.Rows, k.Identity)
	c.Intake = intake.New(c.Store, intake.Limits{}, w.Now)
	c.SiteKeys = sitekeys.New(sitekeys.Config{Rows: k.Rows, SealKeys: k, Sign: k.Sign, Now: w.Now})
	c.Boxes = registry.New(registry.Config{
		Store: c.Store, Sealer: k.Rows, Trust: w, Adopter: c.Intake, Keys: c.SiteKeys, Root: Root, TLS: []sign.PublicKey{Public(tb, k.TLS)}, Now: w.Now,
	})
	c.Told = &Renewals{c: c}
	c.Opener = opener.New(opener.Config{
		Renewals: c.Told, Store: c.Store, SealKeys: k, Rows: k.Rows, Identity: k.Identity, Services: w, Validity: w, Examiner: w, Bells: c.Bells,
		Now: w.Now, Signed: w.Listed, Log: log,
	})
	c.Rosters, err = rosters.Open(rosters.Config{
		Dir: filepath.Join(dir, "rosters"), Store: c.Store, People: c.People, Policy: w, Keys: c.SiteKeys, Sign: k.Sign, Bells: c.Bells,
		PPID: func(s store.Subject) (record.Subject, error) { return opener.PPID(k.Rows, s) }, Now: w.Now, Log: log,
	})
	c.Check(err)
	w.fallback(c.Rosters.OpenBlob)
	c.Line = boxline.New(boxline.Config{
		Store: c.Store, Registry: c.Boxes, Intake: c.Intake, Acks: intake.NewAcks(c.Store, k.Sign, w.Now), Rows: k.Rows,
		Keys: c.SiteKeys, Desired: w, Rosters: c.Rosters, Bells: c.Bells, Sign: k.Sign, Now: w.Now, Log: log,
	})
	c.Courier, err = courier.New(courier.Config{
		Store: c.Store, Intake: c.Intake, Line: c.Line, SealKeys: k, Sign: k.Sign, Bells: c.Bells, Dir: filepath.Join(dir, "courier"),
		Now: w.Now, Log: log,
	})
	c.Check(err)
	c.Keeper = backup.New(backup.Config{
		Database: db, Dir: filepath.Join(dir, "backups"), Keep: 2, Safe: c.Bells.RingAll, Now: w.Now, Log: log,
	})
	return c
}

// Renewals is opener.Renewals as the test says; nobody is asked unless it sets Ask.
type Renewals struct {
	c *Central

	// Ask is called for each newcomer and may fail or learn renewals; nil: nobody is asked.
	Ask func() error
}

// Tells reports whether anybody is asked.
func (r *Renewals) Tells(certid.Hierarchy) bool { return r.Ask != nil }

// Current asks.
func (r *Renewals) Current(context.Context, time.Time) error { return r.Ask() }

// Learn makes central know that one serial took another's place.
func (r *Renewals) Learn(older, newer []byte) (out person.Outcome) {
	r.c.TB.Helper()
	id := func(b []byte) certid.CertID {
		s, err := certid.ParseSerial(b)
		r.c.Check(err)
		return certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: s}
	}
	r.c.Check(r.c.Store.Update(r.c.TB.Context(), func(tx store.Tx) (err error) {
		out, err = r.c.People.Renew(tx, person.Renewal{Old: id(older), New: id(newer)}, r.c.World.Now())
		return err
	}))
	return out
}

// Check ends the test on an error.
func (c *Central) Check(err error) {
	c.TB.Helper()
	if err != nil {
		c.TB.Fatal(err)
	}
}

// Box makes a box and registers it.
func (c *Central) Box() *simbox.Box {
	c.TB.Helper()
	b := simbox.New(c.TB, c.Keys.Seal.Public())
	c.Register(b)
	return b
}

// Register registers a box without a code.
func (c *Central) Register(b *simbox.Box) {
	c.TB.Helper()
	c.Check(c.Store.Update(c.TB.Context(), func(tx store.Tx) error {
		return errors.Join(tx.AddBox(b.Row(c.TB)), c.Intake.Adopt(tx, b.Row(c.TB)))
	}))
}

// Push brings something in a box's name.
func (c *Central) Push(b *simbox.Box, p wire.Push) wire.Pushed {
	c.TB.Helper()
	got, err := c.Line.Push(c.TB.Context(), b.Public(c.TB), p)
	c.Check(err)
	return got
}

// Drain opens everything that is due.
func (c *Central) Drain() {
	c.TB.Helper()
	c.Check(c.Opener.Drain(c.TB.Context()))
}

// Poll asks in a box's name and opens what is signed.
func (c *Central) Poll(b *simbox.Box, p wire.Poll) (wire.Polled, ack.Ack, wire.Verdicts) {
	c.TB.Helper()
	got, err := c.Line.Poll(c.TB.Context(), b.Public(c.TB), p)
	c.Check(err)
	keys := sign.One{Key: Public(c.TB, c.Keys.Sign)}
	var a ack.Ack
	var v wire.Verdicts
	if got.Ack != nil {
		a, err = ack.Open(keys, got.Ack)
		c.Check(err)
	}
	if got.Verdicts != nil {
		v, err = wire.OpenVerdicts(keys, got.Verdicts)
		c.Check(err)
	}
	return got, a, v
}

// Record finds an applied record.
func (c *Central) Record(id record.ID) (r store.Record, err error) {
	err = c.DB.View(c.TB.Context(), func(tx store.Tx) error { r, err = tx.Record(id); return err })
	return r, err
}

// PPID is the pseudonym that was issued for a tap, safe or not; empty if none.
func (c *Central) PPID(b *simbox.Box, tap record.TapID) string {
	c.TB.Helper()
	var p record.Subject
	err := c.DB.View(c.TB.Context(), func(tx store.Tx) error {
		s, err := tx.SubjectOfTap(b.ID, tap)
		if err != nil {
			return err
		}
		p, err = opener.PPID(c.Keys.Rows, s)
		return err
	})
	if errors.Is(err, store.ErrNone) {
		return ""
	}
	c.Check(err)
	return p.Reveal()
}

// Counts are the store's figures.
func (c *Central) Counts() (n store.Counts) {
	c.TB.Helper()
	c.Check(c.DB.View(c.TB.Context(), func(tx store.Tx) (err error) { n, err = tx.Counts(); return err }))
	return n
}

// Reports are those of a box.
func (c *Central) Reports(b *simbox.Box) []store.Report {
	c.TB.Helper()
	all, err := c.Boxes.Reports(c.TB.Context(), b.ID)
	c.Check(err)
	return all
}

// State is what central makes of a box.
func (c *Central) State(b *simbox.Box) store.BoxState {
	c.TB.Helper()
	row, err := c.Boxes.Box(c.TB.Context(), b.ID)
	c.Check(err)
	return row.State
}
