// Package rostertest makes rosters for tests and measurements: real ones, of made-up people, signed by a made-up central, as it would
// offer them over the line.
//
// It is for tests alone. Everything is in memory; nothing is flushed. A [Central] belongs to one goroutine while it publishes, and may be
// read from any afterwards.
package rostertest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// Names of the made-up world.
const (
	Site    record.SiteID     = "branch-1"
	City    record.VerifierID = "practice-city"
	Library record.ServiceID  = "library"
)

// TB is what is needed of testing.TB, so that programs that tests start can use this package, too.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// Tap is that of the enrolment of person n.
func Tap(n int) (t record.TapID) {
	t.ID128[0] = 0xe0
	binary.BigEndian.PutUint64(t.ID128[8:], uint64(n)+1) //nolint:gosec // not negative
	return t
}

// Person n is made up: with a card key as long as that of RSA with 2048 bits, a pseudonym, and a number where n is even.
func Person(n int) roster.Entry {
	e := roster.Entry{
		Hierarchy: certid.HierarchyPractice, Serial: []byte{0x41, byte(n >> 16), byte(n >> 8), byte(n)}, Verifier: City, Enrolled: Tap(n),
		Birth: roster.Birth{Date: "19800412", Form: 1}, Key: make([]byte, 294), PINDay: 20_000,
	}
	binary.BigEndian.PutUint64(e.Key, uint64(n)) //nolint:gosec // not negative
	e.Services = []roster.Service{{ID: Library, PPID: fmt.Sprintf("MADEUPPSEUDONYMOFTHELIBRARYABCDEFGHIJKLMNOPQR%07d", n)}}
	if n%2 == 0 {
		e.Services[0].Number, e.Services[0].Linked = Number(n), record.TapID{ID128: record.ID128{0x11, byte(n)}}
	}
	return e
}

// Number is the library's of person n.
func Number(n int) string { return fmt.Sprintf("L-%08d", n) }

// Central publishes the rosters of one site.
type Central struct {
	TB
	Site  record.SiteID
	Key   *ecdsa.PrivateKey // C-sign
	Ring  sitekey.Ring
	Parts []roster.Part // of the newest roster, newest first
	Last  rule.Version
	Told  []roster.Through // up to which verdicts heads tell
	Blobs map[wire.BlobID][]byte
	Cut   int                 // a connection ends after so many octets; 0: never
	Given map[wire.BlobID]int // octets that were asked for
}

// New makes a central with keys of its own.
func New(t TB) *Central {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	c := &Central{TB: t, Site: Site, Key: k, Blobs: map[wire.BlobID][]byte{}, Given: map[wire.BlobID]int{}}
	c.Rotate()
	return c
}

// Rotate begins a generation of the site's key.
func (c *Central) Rotate() {
	c.Helper()
	ring, err := c.Ring.With(sitekey.NewKey())
	check(c, err)
	c.Ring = ring
}

// SigningKey makes central its own set of keys.
func (c *Central) SigningKey(_ sign.Purpose, id sign.KeyID) (sign.PublicKey, error) {
	p, err := sign.PublicKeyOf(c.Key.Public())
	check(c, err)
	if sign.KeyIDOf(p.DER()) != id {
		return sign.PublicKey{}, sign.ErrUnknownKey
	}
	return p, nil
}

// Segment writes a segment under the current generation, and keeps its file among the blobs.
func (c *Central) Segment(fill func(*segment.Writer) error) roster.Part {
	c.Helper()
	_, key, _ := c.Ring.Current()
	keys, err := segment.NewKeys(c.Site, key)
	check(c, err)
	var out bytes.Buffer
	w, err := segment.NewWriter(&out, keys)
	check(c, err)
	check(c, fill(w))
	p, err := w.Close()
	check(c, err)
	c.Blobs[wire.BlobID(p.Root)] = out.Bytes()
	return p
}

// People fills a segment with persons from one to before another.
func People(from, to int) func(*segment.Writer) error {
	return func(w *segment.Writer) error {
		for n := from; n < to; n++ {
			if err := w.Add(Person(n)); err != nil {
				return err
			}
		}
		return nil
	}
}

// Publish makes the next roster: of a new segment in front of those that are there, or, where whole, of it alone.
func (c *Central) Publish(whole bool, fill func(*segment.Writer) error) wire.RosterOffer {
	c.Helper()
	p := c.Segment(fill)
	if whole {
		c.Parts = nil
	}
	c.Parts = append([]roster.Part{p}, c.Parts...)
	c.Last = rule.Version{CentralEpoch: max(c.Last.CentralEpoch, 1), N: c.Last.N + 1}
	return c.Head(c.Last, c.Site, c.Parts)
}

// Head signs a head and offers it.
func (c *Central) Head(v rule.Version, site record.SiteID, parts []roster.Part) wire.RosterOffer {
	c.Helper()
	h := roster.Head{Version: v, Site: site, Made: time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC).Unix(), Parts: parts, Through: c.Told}
	for _, p := range parts {
		h.People += p.Entries
	}
	signed, err := h.Sign(c.Key)
	check(c, err)
	o := wire.RosterOffer{Version: v, Head: wire.Blob{ID: sha256.Sum256(signed), Size: uint64(len(signed))}}
	c.Blobs[o.Head.ID] = signed
	for _, p := range parts {
		o.Segments = append(o.Segments, wire.Blob{ID: wire.BlobID(p.Root), Size: p.FileSize()})
	}
	return o
}

// Blob is the line.
func (c *Central) Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b, ok := c.Blobs[id]
	if !ok || from > uint64(len(b)) {
		return nil, fs.ErrNotExist
	}
	b = b[from:]
	if c.Cut > 0 {
		b = b[:min(len(b), c.Cut)]
	}
	c.Given[id] += len(b)
	return io.NopCloser(bytes.NewReader(b)), nil
}

func check(t TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
