package link_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/fetch"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/appliance/roster"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

var quiet = slog.New(slog.DiscardHandler)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

func publicOf(t testing.TB, k crypto.Signer) sign.PublicKey {
	t.Helper()
	p, err := sign.PublicKeyOf(k.Public())
	must(t, err)
	return p
}

// central is the other end by the formats alone: it stores, acknowledges, and gives every record its final verdict.
type central struct {
	t       testing.TB
	root    *ecdsa.PrivateKey
	rootSet []byte
	tls     *ecdsa.PrivateKey
	device  *ecdsa.PrivateKey
	box     record.BoxID
	seal    seal.PrivateKey

	mu       sync.Mutex // guards what follows
	sign     *ecdsa.PrivateKey
	epoch    uint64
	acks     uint64
	bundle   uint64
	anchors  []trust.Anchor
	issued   int64         // by what is signed from now on; Unix seconds
	changed  chan struct{} // closed at the next news
	headers  map[record.EpochID]bool
	held     map[record.EpochID]map[record.Seq][]byte
	order    []record.ID
	subjects map[record.TapID]string
	verdict  record.Verdict // on every record
	rosterN  uint64         // 0: no roster
	pushes   int
	polls    []wire.Poll
	offers   []wire.SetOffer
	blobs    map[wire.BlobID][]byte
	asked    map[wire.BlobID][]int64 // from which octets each was read
	// spoil changes an answer before it is sent, or refuses.
	spoilPush func(*wire.Pushed) error
	spoilPoll func(*wire.Polled) error
}

func newCentral(t testing.TB) *central {
	t.Helper()
	c := &central{
		t: t, root: newKey(t), tls: newKey(t), device: newKey(t), box: record.NewBoxID(), sign: newKey(t), epoch: 1, bundle: 1, issued: 1,
		changed: make(chan struct{}), headers: map[record.EpochID]bool{}, held: map[record.EpochID]map[record.Seq][]byte{},
		subjects: map[record.TapID]string{}, verdict: record.VerdictAccepted,
		blobs: map[wire.BlobID][]byte{}, asked: map[wire.BlobID][]int64{},
	}
	var err error
	c.seal, err = seal.GenerateKey()
	must(t, err)
	c.rootSet, err = trust.NewRootSet(1, 1, []sign.PublicKey{publicOf(t, c.root)}).Sign([]crypto.Signer{c.root})
	must(t, err)
	return c
}

func (c *central) trust() []byte {
	b := trust.Bundle{Number: c.bundle, Issued: c.issued, Suites: []seal.Suite{seal.Suite1}, Anchors: c.anchors, Keys: []trust.Key{
		{Purposes: []sign.Purpose{
			sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules, sign.PurposeRoster, sign.PurposeSet, sign.PurposeDelta, sign.PurposeOrder,
		}, Public: publicOf(c.t, c.sign).DER()},
		{Purposes: []sign.Purpose{trust.UseTLS}, Public: publicOf(c.t, c.tls).DER()},
		{Purposes: []sign.Purpose{trust.UseSeal}, Public: c.seal.Public().Bytes()},
	}}
	msg, err := b.Sign([][]byte{c.rootSet}, []crypto.Signer{c.root})
	must(c.t, err)
	return msg
}

func (c *central) rules(n uint64) []byte {
	set := rule.Set{Version: rule.Version{CentralEpoch: c.epoch, N: n}, Issued: c.issued, Site: "honmachi", Rules: []rule.Rule{{
		Service: "kiyose.library", Verifier: "kiyose", Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, ListFull: 1,
		ListProvisional: 2, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyPractice}, Practice: true,
	}}}
	msg, err := set.Sign(c.sign)
	must(c.t, err)
	return msg
}

// change does something to central and wakes the polls that it holds.
func (c *central) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.ring()
}

// counted is how often central was asked for anything.
func (c *central) counted() (pushes, polls int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pushes, len(c.polls)
}

func (c *central) ring() {
	close(c.changed)
	c.changed = make(chan struct{})
}

var _ uplink.Service = (*central)(nil)

func (*central) Join(context.Context, sign.PublicKey, wire.JoinRequest) (wire.JoinAnswer, error) {
	return wire.JoinAnswer{}, &uplink.Refusal{Code: wire.CodeJoinRefused, Message: "not here"}
}

// Known lets everybody speak: these tests have one box.
func (*central) Known(context.Context, sign.PublicKey) error { return nil }

// Blob opens what was put here, and notes from where it is read.
func (c *central) Blob(_ context.Context, _ sign.PublicKey, id wire.BlobID) (io.ReadSeekCloser, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b, ok := c.blobs[id]
	if !ok {
		return nil, &uplink.Refusal{Code: wire.CodeUnknownBlob, Message: "not here"}
	}
	return &blob{bytes.NewReader(b), func(from int64) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.asked[id] = append(c.asked[id], from)
	}}, nil
}

// blob is a file of central's.
type blob struct {
	*bytes.Reader
	asked func(from int64)
}

func (b *blob) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekStart {
		b.asked(offset)
	}
	return b.Reader.Seek(offset, whence)
}

func (*blob) Close() error { return nil }

// Push stores and acknowledges everything held of the epochs touched.
func (c *central) Push(_ context.Context, _ sign.PublicKey, p wire.Push) (out wire.Pushed, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pushes++
	if c.spoilPush != nil {
		if err := c.spoilPush(&out); err != nil || out.Ack != nil {
			return out, err
		}
	}
	touched := map[record.EpochID]bool{}
	for _, h := range p.Headers {
		s, _, err := epoch.OpenHeader(sign.One{Key: publicOf(c.t, c.device)}, h)
		if err != nil {
			return out, err
		}
		c.headers[s.Header.Epoch] = true
	}
	for _, b := range p.Envelopes {
		e, err := epoch.DecodeEnvelope(b)
		if err != nil || !c.headers[e.Epoch] {
			c.t.Errorf("record %s came before its header, or is none: %v", e.ID(), err)
			continue
		}
		c.store(e, b)
		touched[e.Epoch] = true
	}
	out.Ack = c.acknowledge(touched)
	c.ring()
	return out, nil
}

func (c *central) store(e epoch.Envelope, b []byte) {
	if c.held[e.Epoch] == nil {
		c.held[e.Epoch] = map[record.Seq][]byte{}
	}
	if _, twice := c.held[e.Epoch][e.Seq]; !twice {
		c.held[e.Epoch][e.Seq] = b
		c.order = append(c.order, e.ID())
	}
}

func (c *central) acknowledge(epochs map[record.EpochID]bool) []byte {
	c.acks++
	a := ack.Ack{Version: rule.Version{CentralEpoch: c.epoch, N: c.acks}, Box: c.box, Issued: c.issued * 1000, Ranges: []ack.Range{}}
	for id := range epochs {
		var held []ack.Held
		for seq := record.Seq(1); len(held) < len(c.held[id]); seq++ {
			if b, ok := c.held[id][seq]; ok {
				e, err := epoch.DecodeEnvelope(b)
				must(c.t, err)
				held = append(held, ack.Held{Seq: seq, Previous: e.Previous, Chain: e.Previous.Next(b), Level: ack.Received})
			}
		}
		a.Ranges = append(a.Ranges, ack.Runs(id, held)...)
	}
	msg, err := a.Sign(c.sign)
	must(c.t, err)
	return msg
}

// Poll answers with what the box lacks, or holds the poll.
func (c *central) Poll(ctx context.Context, _ sign.PublicKey, p wire.Poll) (wire.Polled, error) {
	timer := time.NewTimer(time.Duration(p.Wait) * time.Second)
	defer timer.Stop()
	c.mu.Lock()
	c.polls = append(c.polls, p)
	c.mu.Unlock()
	for last := p.Wait == 0; ; {
		out, news, again, err := c.lacking(p)
		if err != nil || news || last {
			return out, err
		}
		select {
		case <-ctx.Done():
			return out, ctx.Err()
		case <-timer.C:
			last = true
		case <-again:
		}
	}
}

func (c *central) lacking(p wire.Poll) (out wire.Polled, news bool, again <-chan struct{}, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	out.CentralEpoch = c.epoch
	if c.spoilPoll != nil {
		if err := c.spoilPoll(&out); err != nil {
			return out, false, nil, err
		}
		news = out.Ack != nil || out.Rules != nil || out.Bundle != nil || out.Sets != nil || out.Verdicts != nil
	}
	if c.bundle > p.Trust {
		out.Bundle, news = c.trust(), true
	}
	if p.Acks.CentralEpoch != 0 && p.Acks.CentralEpoch < c.epoch { // restored: say what is held
		all := map[record.EpochID]bool{}
		for _, id := range p.Epochs {
			all[id] = true
		}
		out.Ack, news = c.acknowledge(all), true
	}
	if v := c.verdicts(p.Verdicts); v != nil {
		out.Verdicts, news = v, true
	}
	if c.rosterN > p.Roster.N {
		out.RosterOffer, news = wire.RosterOffer{Version: rule.Version{CentralEpoch: c.epoch, N: c.rosterN}}, true
	}
	for _, o := range c.offers {
		if !slices.ContainsFunc(p.Sets, func(h wire.HeldSet) bool { return h.Number.Compare(o.Number) >= 0 }) {
			out.Sets, news = append(out.Sets, o), true
		}
	}
	for _, tap := range p.Subjects {
		if name, ok := c.subjects[tap]; ok {
			out.Subjects, news = append(out.Subjects, wire.Subject{Tap: tap, PPID: name}), true
		}
	}
	return out, news, c.changed, nil
}

// verdicts says c.verdict of every record, in the order in which they came, under a tap id made of its number.
func (c *central) verdicts(held rule.Version) []byte {
	if held.CentralEpoch != c.epoch {
		held = rule.Version{}
	}
	fresh := c.order[min(int(held.N), len(c.order)):]
	fresh = fresh[:min(len(fresh), wire.MaxVerdicts)]
	if len(fresh) == 0 {
		return nil
	}
	v := wire.Verdicts{Box: c.box, After: held.N, Version: rule.Version{CentralEpoch: c.epoch, N: held.N + uint64(len(fresh))}}
	for _, id := range fresh {
		v.Verdicts = append(v.Verdicts, wire.Verdict{
			Epoch: id.Epoch, Seq: id.Seq, Tap: tapOf(id), Verdict: c.verdict, Reason: record.ReasonInOrder,
			Answer: record.AnswerNotRevoked, Source: wire.SourceOCSP, Settled: 1,
		})
	}
	msg, err := v.Sign(c.sign)
	must(c.t, err)
	return msg
}

func tapOf(id record.ID) record.TapID {
	return record.TapID{ID128: record.ID128{0xaa, byte(id.Seq), byte(id.Seq >> 8)}}
}

// direct is central without a network between, for tests with a time of their own.
type direct struct {
	*central
	down func() error // what the network says; nil for a line that works
}

var _ link.Central = direct{}

func (d direct) Push(ctx context.Context, p wire.Push) (wire.Pushed, error) {
	if d.down != nil {
		if err := d.down(); err != nil {
			return wire.Pushed{}, err
		}
	}
	return d.central.Push(ctx, sign.PublicKey{}, p)
}

func (d direct) Poll(ctx context.Context, p wire.Poll) (wire.Polled, error) {
	if d.down != nil {
		if err := d.down(); err != nil {
			return wire.Polled{}, err
		}
	}
	return d.central.Poll(ctx, sign.PublicKey{}, p)
}

func (direct) Close() {}

// watcher keeps what the link says.
type watcher struct {
	mu      sync.Mutex // guards what follows
	lines   []bool
	settled map[record.ID]int
	named   map[record.TapID]string
	news    chan struct{} // has something after every call
}

func newWatcher() *watcher {
	return &watcher{settled: map[record.ID]int{}, named: map[record.TapID]string{}, news: make(chan struct{}, 1)}
}

func (w *watcher) note(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	select {
	case w.news <- struct{}{}:
	default:
	}
}

func (w *watcher) LineChanged(_ context.Context, up bool) {
	w.note(func() { w.lines = append(w.lines, up) })
}
func (w *watcher) Changed(context.Context) { w.note(func() {}) }
func (w *watcher) Settled(_ context.Context, vs []wire.Verdict) {
	w.note(func() {
		for _, v := range vs {
			w.settled[record.ID{Epoch: v.Epoch, Seq: v.Seq}]++
		}
	})
}

func (w *watcher) Named(_ context.Context, ss []wire.Subject) {
	w.note(func() {
		for _, s := range ss {
			w.named[s.Tap] = s.PPID
		}
	})
}

// box is one box with real parts around its link.
type box struct {
	t       testing.TB
	central *central
	dir     string
	journal *journal.Journal
	desired *desired.Store
	rosters rosters
	sets    *sets
	watch   *watcher
	link    *link.Link
	checks  chan time.Time
	learnt  atomic.Int64 // latest, Unix seconds
	taps    int
}

// rosters is a store that has at once what is offered.
type rosters struct {
	mu       sync.Mutex // guards what follows
	version  rule.Version
	reviewed int
}

// Version is that of the roster offered last.
func (r *rosters) Version() rule.Version {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.version
}

// Offered takes it.
func (r *rosters) Offered(o wire.RosterOffer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.version = o.Version
}

// Offer takes it if it is newer.
func (r *rosters) Offer(_ context.Context, _ fetch.Remote, o wire.RosterOffer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o.Version.Compare(r.version) <= 0 {
		return roster.ErrOlder
	}
	r.version = o.Version
	return nil
}

// Review counts.
func (r *rosters) Review() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reviewed++
}

func (r *rosters) reviews() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reviewed
}

// Check is the clock's part.
func (b *box) Check(live time.Time) {
	select {
	case b.checks <- live:
	default:
	}
}

// Learn is the clock's part.
func (b *box) Learn(signed time.Time) {
	for was := b.learnt.Load(); signed.Unix() > was && !b.learnt.CompareAndSwap(was, signed.Unix()); was = b.learnt.Load() {
	}
}

// stretch is the one stretch of time in which all taps are.
const stretch = "one"

// newBox makes a joined box. log hears what the link says.
func newBox(t testing.TB, c *central, to link.Central, log *slog.Logger) *box {
	t.Helper()
	root, err := trust.FingerprintOf(c.rootSet)
	must(t, err)
	b := &box{t: t, central: c, dir: t.TempDir(), watch: newWatcher(), sets: &sets{}, checks: make(chan time.Time, 1)}
	must(t, desired.Create(b.dir, desired.Place{Box: c.box, Site: "honmachi", Name: "counter 1", Root: root}, c.trust()))
	b.desired, err = desired.Open(t.Context(), b.dir, quiet)
	must(t, err)
	b.journal, err = journal.Open(t.Context(), filepath.Join(b.dir, "journal.db"), journal.Options{
		Device: c.device, Box: c.box, Fresh: true, Recipient: func() (seal.PublicKey, error) { return b.desired.Trust().SealKey() },
		Stretch: func() string { return stretch },
	})
	must(t, err)
	b.link = link.New(link.Config{
		Client: to, Journal: b.journal, Desired: b.desired, Sets: b.sets, Rosters: &b.rosters, Watch: b.watch, Clock: b,
		Now: time.Now, Release: "test", Log: log,
	})
	return b
}

// rewire makes the link anew with more parts.
func (b *box) rewire(to link.Central, more func(*link.Config)) {
	conf := b.link.Config
	conf.Client = to
	more(&conf)
	b.link = link.New(conf)
}

func (b *box) close() {
	b.t.Helper()
	must(b.t, b.journal.Close())
	must(b.t, b.desired.Close())
}

// run starts the link; the function that it returns stops it and waits.
func (b *box) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.link.Run(ctx) }()
	return func() {
		b.t.Helper()
		cancel()
		if err := <-done; err != context.Canceled { //nolint:errorlint // Run promises ctx's own error
			b.t.Errorf("Run = %v, want context.Canceled", err)
		}
	}
}

// tap records n taps and wakes the link.
func (b *box) tap(n int) {
	b.t.Helper()
	for range n {
		b.taps++
		_, err := b.journal.Append(context.Background(), []byte("made-up content"), journal.Clear{
			Tap: record.NewTapID(), Time: time.UnixMilli(int64(b.taps)), Desk: "desk-1", Service: "kiyose.library",
			Verdict: record.VerdictProvisional, Reason: record.ReasonListOld, Code: "2K7M",
		})
		must(b.t, err)
	}
	b.link.Wake()
}
