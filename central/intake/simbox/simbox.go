// Package simbox is a box made of the formats alone, for tests of central: it has a device key, opens epochs and seals
// records with the very code that boxes use, and keeps its whole journal in memory, so that a test can clone it, set it back
// or bring its records in any order.
//
// Everybody in its records is made up. A [Box] belongs to one goroutine. It keeps nothing durable and speaks no network.
package simbox

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Box is a simulated box.
type Box struct {
	ID      record.BoxID
	Site    record.SiteID
	Device  *ecdsa.PrivateKey
	S       seal.PrivateKey
	Sealing []byte // S's public half
	Central seal.PublicKey
	Epochs  []*Epoch
}

// Epoch is one epoch of the box's journal.
type Epoch struct {
	Signed  epoch.Signed
	Records []epoch.Written
	key     *seal.Key
	writer  *epoch.Writer
}

// Key makes a device key.
func Key(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// New makes a box that seals to central.
func New(tb testing.TB, central seal.PublicKey) *Box {
	tb.Helper()
	s, err := seal.GenerateKey()
	if err != nil {
		tb.Fatal(err)
	}
	return &Box{ID: record.NewBoxID(), Site: "honmachi", Device: Key(tb), S: s, Sealing: s.Public().Bytes(), Central: central}
}

// Public is the box's device key.
func (b *Box) Public(tb testing.TB) sign.PublicKey {
	tb.Helper()
	p, err := sign.PublicKeyOf(b.Device.Public())
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// Row is the box as central registers it.
func (b *Box) Row(tb testing.TB) store.Box {
	tb.Helper()
	return store.Box{
		ID: b.ID, Device: b.Public(tb).DER(), Sealing: b.Sealing, Site: b.Site, Name: "counter 1", State: store.BoxActive,
		Joined: time.UnixMilli(1),
	}
}

// Clone is the box as a copy of its disk has it: the same keys, the same journal, and a life of its own from here.
func (b *Box) Clone() *Box {
	c := *b
	c.Epochs = nil
	for _, e := range b.Epochs {
		c.Epochs = append(c.Epochs, &Epoch{Signed: e.Signed, Records: append([]epoch.Written(nil), e.Records...)})
	}
	return &c
}

// Start opens the next epoch with what the box knows of the one before.
func (b *Box) Start(tb testing.TB, cause epoch.Cause) *Epoch {
	tb.Helper()
	return b.Open(tb, cause, b.End())
}

// End names the last epoch and how far the journal has it.
func (b *Box) End() epoch.Predecessor {
	if len(b.Epochs) == 0 {
		return epoch.Predecessor{Lineage: epoch.LineageFirst}
	}
	e := b.Epochs[len(b.Epochs)-1]
	p := epoch.Predecessor{Lineage: epoch.LineageKnown, Epoch: e.Signed.Header.Epoch, Head: e.Signed.Root}
	if n := len(e.Records); n > 0 {
		p.LastSeq, p.Head = e.Records[n-1].ID.Seq, e.Records[n-1].Chain
	}
	return p
}

// Open opens an epoch after a stated predecessor.
func (b *Box) Open(tb testing.TB, cause epoch.Cause, before epoch.Predecessor) *Epoch {
	tb.Helper()
	id, nonce := epoch.NewID(b.ID)
	h := epoch.Header{
		Version: epoch.Version, Suite: seal.Suite1, Box: b.ID, Epoch: id, Nonce: nonce, Recipient: b.Central.ID(),
		Predecessor: before, Cause: cause,
	}
	enc, key, err := seal.Encapsulate(b.Central, h.Info())
	if err != nil {
		tb.Fatal(err)
	}
	h.Enc = enc
	s, err := h.Sign(b.Device)
	if err != nil {
		tb.Fatal(err)
	}
	e := &Epoch{Signed: s, key: key, writer: epoch.NewWriter(s, key)}
	b.Epochs = append(b.Epochs, e)
	return e
}

// Twin is an epoch with the same key that begins at its beginning, as a copy of the box's memory would. It is no part of the
// journal.
func (e *Epoch) Twin(tb testing.TB) *Epoch {
	tb.Helper()
	return &Epoch{Signed: e.Signed, key: e.key, writer: epoch.NewWriter(e.Signed, e.key)}
}

// Raw seals any octets.
func (e *Epoch) Raw(tb testing.TB, plain []byte) epoch.Written {
	tb.Helper()
	w, err := e.writer.Seal(plain)
	if err != nil {
		tb.Fatal(err)
	}
	e.Records = append(e.Records, w)
	return w
}

// Tap seals a record.
func (e *Epoch) Tap(tb testing.TB, r content.Record) epoch.Written {
	tb.Helper()
	b, err := r.Encode()
	if err != nil {
		tb.Fatal(err)
	}
	return e.Raw(tb, b)
}

// Push carries the whole epoch.
func (e *Epoch) Push() wire.Push {
	p := wire.Push{Headers: [][]byte{e.Signed.Message}}
	for _, w := range e.Records {
		p.Envelopes = append(p.Envelopes, w.Bytes)
	}
	return p
}

// Push carries the whole journal, headers first.
func (b *Box) Push() (p wire.Push) {
	for _, e := range b.Epochs {
		q := e.Push()
		p.Headers, p.Envelopes = append(p.Headers, q.Headers...), append(p.Envelopes, q.Envelopes...)
	}
	return p
}

// Names of the practice service whose taps are simulated.
const (
	Service  record.ServiceID  = "kiyose.library"
	Verifier record.VerifierID = "kiyose"
	Sector                     = "kiyose.library"
)

// Start and Until bound a simulated certificate; Tapped is when cards are tapped.
var (
	Since  = time.Date(2025, 4, 1, 0, 0, 0, 0, time.UTC)
	Until  = time.Date(2030, 3, 31, 14, 59, 59, 0, time.UTC)
	Tapped = time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	Issuer = content.Issuer{1, 2, 3, 4, 5, 6, 7, 8}
)

// Card is a tap of a made-up person's card: accepted at the counter, issuer known there.
func Card(serial ...byte) content.Record {
	return content.New(content.Record{
		Tap: record.NewTapID(), Time: Tapped.UnixMilli(), Service: Service, Desk: "desk-1", Basis: record.BasisDrill,
		Evidence: record.EvidenceCertificate, Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Serial: serial,
		Issuer: Issuer, NotBefore: Since.Unix(), NotAfter: Until.Unix(),
		Said: content.Said{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Answer: record.AnswerNotRevoked, Clock: record.ConfidenceChecked},
	})
}
