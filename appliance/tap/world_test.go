package tap_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/appliance/tap"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/localapi"
	"kazashi.example/localapi/feed"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

const (
	desk    record.DeskID    = "desk-1"
	service record.ServiceID = "drill"
	slot                     = "Virtual Reader 00 00"
)

var authScope = certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}

// readers are card readers without PC/SC: the virtual cards of the practice world, read by the real procedures.
type readers struct {
	events chan tap.Event
	// block, if set, makes every read wait until the deadline.
	block bool

	mu    sync.Mutex // guards cards
	cards map[string]mynumber.Transmitter
}

func (r *readers) Watch(ctx context.Context, handle func(tap.Event)) error {
	for {
		select {
		case e := <-r.events:
			handle(e)
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *readers) Open(ctx context.Context, reader string) (tap.Connection, error) {
	if r.block {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	r.mu.Lock()
	card, ok := r.cards[reader]
	r.mu.Unlock()
	if !ok {
		return nil, &tap.ReadError{Failure: localapi.FailureTorn, Err: mynumber.ErrTorn}
	}
	return connection{card}, nil
}

// connection resets a virtual card at its end, as the reader does.
type connection struct{ mynumber.Transmitter }

func (c connection) Close() error {
	if r, ok := c.Transmitter.(interface{ Reset() }); ok {
		r.Reset()
	}
	return nil
}

func (r *readers) put(reader string, card mynumber.Transmitter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cards[reader] = card
}

type transmit func(cmd []byte) ([]byte, error)

func (f transmit) Transmit(_ context.Context, cmd []byte) ([]byte, error) { return f(cmd) }

// rules is one rule, which a test may change between taps.
type rules struct{ set rule.Set }

func (r *rules) For(id record.ServiceID) (rule.Rule, rule.Version, bool) {
	v, ok := r.set.For(id)
	return v, r.set.Version, ok
}

// hand is a clock set by the test.
type hand struct {
	at         time.Time
	confidence record.Confidence
}

func (h *hand) Now() (time.Time, record.Confidence) { return h.at, h.confidence }

// counter is a whole counter on the practice world, but for PC/SC and the network.
type counter struct {
	t       *testing.T
	world   *world.World
	readers *readers
	journal *journal.Journal
	path    string
	private seal.PrivateKey
	clock   *hand
	box     record.BoxID
	rules   *rules
	city    *rostertest.Central // makes rosters
	roster  *roster.Store
	book    *sitebook.Book
	ring    *keyring
	device  *ecdsa.PrivateKey
	tap     *tap.Counter
	changed chan struct{} // has something after what the next card is laid for has changed
	events  <-chan localapi.Event
	stop    func()

	undecided record.TapID // central has not decided about it
}

// newCounter has a practice world of its own only where a test changes it.
func newCounter(t *testing.T, change ...func(*tap.Config)) *counter {
	t.Helper()
	return newCounterIn(t, shared(t), change...)
}

func newCounterIn(t *testing.T, w *world.World, change ...func(*tap.Config)) *counter {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	private, err := seal.GenerateKey()
	must(t, err)
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &counter{
		t: t, world: w, private: private, clock: &hand{now, record.ConfidenceChecked}, path: filepath.Join(t.TempDir(), "journal.db"),
		readers: &readers{events: make(chan tap.Event), cards: map[string]mynumber.Transmitter{}}, box: record.NewBoxID(),
		rules: &rules{drill()}, changed: make(chan struct{}, 1), city: rostertest.New(t), device: device,
	}
	c.ring = &keyring{ring: func() sitekey.Ring { return c.city.Ring }}
	public := private.Public()
	c.journal, err = journal.Open(t.Context(), c.path, journal.Options{
		Device: device, Box: c.box, Fresh: true, Recipient: func() (seal.PublicKey, error) { return public, nil },
	})
	must(t, err)
	t.Cleanup(func() { must(t, c.journal.Close()) })
	c.roster, err = roster.Open(roster.Config{
		Dir: t.TempDir(), Site: rostertest.Site, Keys: func() sign.Keys { return c.city }, Ring: c.ring.Ring,
	})
	must(t, err)
	t.Cleanup(c.roster.Close)
	c.book, err = sitebook.Open(t.Context(), filepath.Join(filepath.Dir(c.path), "sitebook.db"), sitebook.Options{
		Site: rostertest.Site, Desk: desk, Ring: c.ring.Ring, Records: c.journal, Now: func() time.Time { return c.clock.at },
	})
	must(t, err)
	t.Cleanup(func() { must(t, c.book.Close()) })
	anchors, authorities := anchorsOf(t, w), authoritiesOf(t, w)
	f := feed.New()
	conf := tap.Config{
		Cards: c.readers, Certificates: func() tap.Certificates { return anchors }, Revocations: c.lists(),
		Authorities: func() *cvc.Authorities { return authorities }, Rules: c.rules,
		People: sitebook.People{Book: c.book, Roster: c.roster}, Book: c.book, Staff: c.book,
		Journal: c.journal, Clock: c.clock, Announcer: f, Box: c.box, Desk: desk, Service: service,
		Changed: func() {
			select {
			case c.changed <- struct{}{}:
			default:
			}
		},
	}
	for _, change := range change {
		change(&conf)
	}
	c.tap, err = tap.New(conf)
	must(t, err)
	c.events, err = f.Subscribe(t.Context())
	must(t, err)
	c.run(c.tap)
	return c
}

func (c *counter) run(k *tap.Counter) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	c.stop = sync.OnceFunc(func() {
		cancel()
		must(c.t, <-done)
	})
	c.t.Cleanup(c.stop)
}

// keyring is the site's keys, which a test may lock.
type keyring struct {
	ring   func() sitekey.Ring
	locked atomic.Bool
}

// Ring is as vault.Site's.
func (k *keyring) Ring() (sitekey.Ring, error) {
	if k.locked.Load() {
		return sitekey.Ring{}, errors.New("locked for the test")
	}
	return k.ring(), nil
}

// lock locks the site's keys, or opens them.
func (c *counter) lock(locked bool) {
	c.ring.locked.Store(locked)
	c.book.Changed()
	c.roster.Forget()
}

// shared is a practice world that no test changes.
func shared(t *testing.T) *world.World {
	t.Helper()
	w, err := everybody()
	must(t, err)
	return w
}

var (
	worldDir  string
	everybody = sync.OnceValues(func() (*world.World, error) {
		return world.Open(context.Background(), worldDir, world.Config{Keys: worldtest.KeyDir()})
	})
)

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tap")
	if err != nil {
		panic(err)
	}
	worldDir = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

func drill() rule.Set {
	return rule.Set{Version: rule.Version{CentralEpoch: 1, N: 7}, Rules: []rule.Rule{{
		Service: service, Verifier: "practice-city", Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, Practice: true,
		ListFull: 3 * 86400, ListProvisional: 30 * 86400, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyPractice},
		Attributes: 15, Consent: &rule.Consent{JA: "四つを読み取ります。", EN: "All four are read."},
	}}}
}

func anchorsOf(t *testing.T, w *world.World) *jpki.Anchors {
	t.Helper()
	var list []jpki.Anchor
	for _, a := range w.Anchors() {
		cert, err := x509.ParseCertificate(a.Cert)
		must(t, err)
		list = append(list, jpki.Anchor{Cert: cert, Hierarchy: a.Scope.Hierarchy, Purpose: a.Scope.Purpose})
	}
	anchors, err := jpki.NewAnchors(list...)
	must(t, err)
	return anchors
}

func authoritiesOf(t *testing.T, w *world.World) *cvc.Authorities {
	t.Helper()
	authorities, err := cvc.NewAuthorities(authorityList(t, w))
	must(t, err)
	return authorities
}

func authorityList(t *testing.T, w *world.World) (list []cvc.Authority) {
	t.Helper()
	all, err := w.CardAnchors()
	must(t, err)
	for _, a := range all {
		key, err := x509.ParsePKIXPublicKey(a.Key)
		must(t, err)
		list = append(list, cvc.Authority{Hierarchy: a.Hierarchy, ID: a.KeyID, Key: key})
	}
	return list
}

// lists is the box's cache with a set in it that says what the practice authority's list says.
func (c *counter) lists() *revocation.Cache {
	c.t.Helper()
	const all = 0 // generations
	var issuers []certid.KeyID
	for _, a := range c.world.Anchors() {
		if a.Scope == authScope {
			cert, err := x509.ParseCertificate(a.Cert)
			must(c.t, err)
			issuers = append(issuers, jpki.KeyIDOf(cert))
		}
	}
	central := settest.New(c.t, authScope, issuers...)
	var entries []crlset.Entry
	listed, err := c.world.Entries(certid.PurposeAuth, all, c.clock.at)
	must(c.t, err)
	for _, e := range listed {
		serial, err := certid.SerialOf(e.Serial)
		must(c.t, err)
		entries = append(entries, crlset.Entry{Key: crlset.KeyOf(serial), Reason: crlset.Reason(e.Reason), Date: e.At.Unix()})
	}
	dir := c.t.TempDir()
	central.Export(dir, central.Publish(c.clock.at.Add(-time.Hour).Truncate(time.Second), entries...), false)
	cache, err := revocation.Open(c.t.Context(), revocation.Config{Dir: c.t.TempDir(), Keys: central.Keys})
	must(c.t, err)
	c.t.Cleanup(cache.Close)
	_, err = cache.Load(c.t.Context(), dir)
	must(c.t, err)
	return cache
}

// plastic is a virtual card that notes what it was sent.
type plastic struct {
	*vcard.Card
	sent [][]byte
	tear int // the command at which it is torn away, from 1; 0: never
}

func (p *plastic) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	p.sent = append(p.sent, bytes.Clone(cmd))
	if len(p.sent) == p.tear {
		return nil, io.ErrUnexpectedEOF
	}
	return p.Card.Transmit(cmd), nil
}

// verified is how many VERIFY with a value were sent since the last call.
func (p *plastic) verified() (n int) {
	for _, cmd := range p.sent {
		if cmd[1] == 0x20 && len(cmd) > 4 {
			n++
		}
	}
	p.sent = nil
	return n
}

// card makes the virtual card of one of the practice world's people. change may alter what is on it first.
func (c *counter) card(key string, change ...func(*vcard.Profile)) (world.Person, *plastic) {
	c.t.Helper()
	p, err := c.world.Person(key)
	must(c.t, err)
	profile, err := vcard.LoadProfile(p.Profile)
	must(c.t, err)
	for _, change := range change {
		change(profile)
	}
	card, err := vcard.New(profile, &vcard.MemoryStore{})
	must(c.t, err)
	return p, &plastic{Card: card}
}

// lay puts a card on the reader and waits until the counter has heard what became of it.
func (c *counter) lay(card mynumber.Transmitter) localapi.Event {
	c.t.Helper()
	c.readers.put(slot, card)
	c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	c.expect(localapi.EventCardPresent)
	c.expect(localapi.EventReading)
	e := c.next()
	c.readers.events <- tap.Event{Kind: tap.CardRemoved, Reader: slot}
	c.expect(localapi.EventCardRemoved)
	return e
}

func (c *counter) next() localapi.Event {
	c.t.Helper()
	select {
	case e, ok := <-c.events:
		if !ok {
			c.t.Fatal("the feed was closed")
		}
		return e
	case <-time.After(20 * time.Second):
		c.t.Fatal("the counter heard nothing")
		return localapi.Event{}
	}
}

func (c *counter) expect(want localapi.EventType) {
	c.t.Helper()
	if e := c.next(); e.Type != want {
		c.t.Fatalf("event %s (%s), want %s", e.Type, e.Failure, want)
	}
}

// opened are the contents of all records, oldest first.
func (c *counter) opened() []content.Record {
	c.t.Helper()
	p, err := c.journal.Unsent(c.t.Context(), journal.Limits{})
	must(c.t, err)
	openers := map[record.EpochID]*epoch.Opener{}
	for _, h := range p.Headers {
		s, err := epoch.Read(h)
		must(c.t, err)
		openers[s.Header.Epoch], err = epoch.NewOpener(s.Header, c.private)
		must(c.t, err)
	}
	var list []content.Record
	for i := len(p.Envelopes) - 1; i >= 0; i-- { // newest first
		e, err := epoch.DecodeEnvelope(p.Envelopes[i])
		must(c.t, err)
		plain, err := openers[e.Epoch].Open(e)
		must(c.t, err)
		r, err := content.Decode(plain)
		must(c.t, err)
		list = append(list, r)
	}
	return list
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
