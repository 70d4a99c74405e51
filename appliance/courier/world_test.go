package courier_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"kazashi.example/appliance/courier"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/appliance/orders"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/certid"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

var quiet = slog.New(slog.DiscardHandler)

// start is when the tests' clocks begin.
var start = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

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

// box is a box with real parts and no line.
type box struct {
	t       testing.TB
	central *central
	id      record.BoxID
	device  *ecdsa.PrivateKey
	sealing seal.PrivateKey
	dir     string
	now     time.Time

	journal *journal.Journal
	desired *desired.Store
	lists   *revocation.Cache
	orders  *orders.Book
	link    *link.Link
	courier *courier.Courier
	settled int
	wiped   int
}

// newBox makes a box that has joined.
func newBox(t testing.TB, c *central) *box {
	t.Helper()
	b := &box{t: t, central: c, id: record.NewBoxID(), device: newKey(t), dir: t.TempDir(), now: start}
	var err error
	b.sealing, err = seal.GenerateKey()
	must(t, err)
	c.boxes[b.id] = &registered{device: publicOf(t, b.device), sealing: b.sealing.Public()}
	root, err := trust.FingerprintOf(c.rootSet)
	must(t, err)
	must(t, desired.Create(b.dir, desired.Place{Box: b.id, Site: "honmachi", Name: "counter 1", Root: root}, c.trust()))
	b.open(true)
	t.Cleanup(b.close)
	return b
}

// open starts the box's parts on its data directory.
func (b *box) open(fresh bool) {
	b.t.Helper()
	ctx := context.Background()
	var err error
	b.desired, err = desired.Open(ctx, b.dir, quiet)
	must(b.t, err)
	b.journal, err = journal.Open(ctx, filepath.Join(b.dir, "journal.db"), journal.Options{
		Device: b.device, Box: b.id, Fresh: fresh, Recipient: func() (seal.PublicKey, error) { return b.desired.Trust().SealKey() },
		Now: b.clock, Stretch: func() string { return "one" },
	})
	must(b.t, err)
	b.lists, err = revocation.Open(ctx, revocation.Config{Dir: filepath.Join(b.dir, "sets"), Keys: b.central.sets.Keys})
	must(b.t, err)
	b.orders, err = orders.Open(ctx, b.dir, b.id, b, quiet)
	must(b.t, err)
	b.link = link.New(link.Config{
		Client: b, Journal: b.journal, Desired: b.desired, Sets: b.lists, Orders: b.orders, Watch: b, Clock: b, Now: b.clock, Release: "test", Log: quiet,
	})
	b.courier, err = courier.New(courier.Config{
		Dir: b.dir, Box: b.id, Device: b.device, Sealing: b.sealing, Trust: func() sign.Keys { return b.desired.Trust() }, Now: b.clock,
		Journal: b.journal, Link: b.link,
	})
	must(b.t, err)
}

func (b *box) close() {
	b.lists.Close()
	if err := errors.Join(b.journal.Close(), b.desired.Close()); err != nil {
		b.t.Error(err)
	}
}

// restart is a power cut between two uses of a stick.
func (b *box) restart() {
	b.close()
	b.open(false)
}

func (b *box) clock() time.Time { return b.now }

// tap records n taps. Those that come together share a commit.
func (b *box) tap(n int) {
	b.t.Helper()
	var readers errgroup.Group
	readers.SetLimit(16)
	for range n {
		readers.Go(func() error {
			_, err := b.journal.Append(context.Background(), []byte(planted), journal.Clear{
				Tap: record.NewTapID(), Time: b.now, Desk: "desk-1", Service: "kiyose.library",
				Verdict: record.VerdictProvisional, Reason: record.ReasonListOld, Code: "2K7M",
			})
			return err
		})
	}
	must(b.t, readers.Wait())
}

// planted stands for what a record says of a person.
const planted = "MADE-UP PERSON OF SHIMIZU 0123456789ABCDEF0123456789ABCDEF"

func (b *box) waiting() uint64 {
	n, err := b.journal.Waiting(context.Background())
	must(b.t, err)
	return n
}

func (b *box) unsafe() uint64 {
	n, err := b.journal.Unsafe(context.Background())
	must(b.t, err)
	return n
}

func (b *box) export(dir string) courier.Summary {
	b.t.Helper()
	sum, err := b.courier.Export(context.Background(), dir, nil)
	must(b.t, err)
	return sum
}

func (b *box) take(dir string) courier.Summary {
	b.t.Helper()
	sum, err := b.courier.Import(context.Background(), dir, nil)
	must(b.t, err)
	return sum
}

// copied is a stick with the same on it.
func copied(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

// names lists what a stick has of a kind for the box.
func (b *box) names(dir string, k parcel.Kind) []parcel.Name {
	b.t.Helper()
	s, err := parcel.Find(dir)
	must(b.t, err)
	defer s.Close()
	all, err := s.Parcels(k, b.id)
	must(b.t, err)
	return all
}

// The box stands for the line, which it has not.

var errNoLine = errors.New("there is no line")

func (b *box) Push(context.Context, wire.Push) (wire.Pushed, error) { return wire.Pushed{}, errNoLine }

func (b *box) Poll(context.Context, wire.Poll) (wire.Polled, error) { return wire.Polled{}, errNoLine }
func (b *box) Close()                                               {}

// It watches the link.

func (b *box) LineChanged(context.Context, bool)                  {}
func (b *box) Settled(_ context.Context, verdicts []wire.Verdict) { b.settled += len(verdicts) }
func (b *box) Named(context.Context, []wire.Subject)              { b.t.Error("a PPID came by a stick") }
func (b *box) Changed(context.Context)                            {}

// It has a clock that nobody checks by a stick.

func (b *box) Check(time.Time) { b.t.Error("a stick's time counts as the time of now") }
func (b *box) Learn(time.Time) {}

// It does orders.

func (b *box) Order(context.Context, order.Order) ([]byte, error) { b.wiped++; return nil, nil }

// scope is that of the sets.
var scope = certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}

var issuer = certid.KeyID{1}

func newSets(t testing.TB) *settest.Central { return settest.New(t, scope, issuer) }
