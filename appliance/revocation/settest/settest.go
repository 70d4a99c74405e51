// Package settest makes revocation sets for tests: real ones, signed by a made-up central, as it would offer them over the line or
// export them into a folder.
//
// It is for tests alone. Everything is in memory until Export writes it; nothing is flushed. A [Central] belongs to one goroutine
// while it publishes, and may be read from any afterwards.
package settest

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
	"os"
	"path/filepath"
	"slices"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// TB is what is needed of testing.TB, so that programs that tests start can use this package, too.
type TB interface {
	Helper()
	Fatal(args ...any)
}

// Central publishes the sets of one scope.
type Central struct {
	TB
	Scope   certid.Scope
	Issuers []certid.KeyID
	Key     *ecdsa.PrivateKey
	All     []*Version
	Blobs   map[wire.BlobID][]byte
}

// Version is one published set.
type Version struct {
	Head             manifest.Head
	Signed           []byte
	Manifest, Set    []byte // files
	DeltaHead, Delta []byte // files, from the version before; nil for the first
	manifest         manifest.Manifest
	told             manifest.DeltaHead
}

// New makes a central with a key of its own.
func New(t TB, scope certid.Scope, issuers ...certid.KeyID) *Central {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	slices.SortFunc(issuers, func(a, b certid.KeyID) int { return bytes.Compare(a[:], b[:]) })
	return &Central{TB: t, Scope: scope, Issuers: issuers, Key: key, Blobs: map[wire.BlobID][]byte{}}
}

// Keys is the central's key as a trust bundle would name it.
func (c *Central) Keys() sign.Keys {
	k, err := sign.PublicKeyOf(c.Key.Public())
	must(c, err)
	return sign.One{Key: k}
}

// Entry makes an entry of a small serial.
func Entry(serial uint64, r crlset.Reason, at time.Time) crlset.Entry {
	return crlset.Entry{Key: crlset.Key{C: serial}, Reason: r, Date: at.Unix()}
}

// Random makes n entries of long serials, the same for the same seed; 3,000 fill a chunk.
func Random(seed uint64, n int, at time.Time) []crlset.Entry {
	entries := make([]crlset.Entry, n)
	for i := range entries {
		b := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), uint64(i)))
		entries[i] = crlset.Entry{
			Key:    crlset.Key{A: binary.BigEndian.Uint32(b[:]) >> 1, B: binary.BigEndian.Uint64(b[4:]), C: binary.BigEndian.Uint64(b[12:])},
			Reason: crlset.Superseded, Date: at.Unix() - int64(binary.BigEndian.Uint16(b[20:])),
		}
	}
	return entries
}

// Publish makes the next set, of these entries, and the delta to it.
func (c *Central) Publish(at time.Time, entries ...crlset.Entry) *Version {
	c.Helper()
	slices.SortFunc(entries, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	var before *Version
	if n := len(c.All); n > 0 {
		before = c.All[n-1]
	}
	v := &Version{}
	made := c.write(v, before, entries)
	v.manifest = manifest.Manifest{Digests: made.Digests, Table: []manifest.Row{{
		Key: bytes.Repeat([]byte{7}, 32), Number: uint64(len(c.All)) + 100, ThisUpdate: at.Unix(), NextUpdate: at.Add(48 * time.Hour).Unix(),
	}}}
	table, err := canon.Encode(v.manifest.Table)
	must(c, err)
	v.Head = manifest.Head{
		Version: manifest.Version, Hierarchy: c.Scope.Hierarchy, Purpose: c.Scope.Purpose,
		Number: rule.Version{CentralEpoch: 1, N: uint64(len(c.All)) + 1}, ThisUpdate: at.Unix(), NextUpdate: at.Add(48 * time.Hour).Unix(),
		Columns: crlset.Full, Entries: made.Entries, Size: made.Size, Root: made.Root, Rows: 1, Table: sha256.Sum256(table),
	}
	for _, k := range c.Issuers {
		v.Head.Issuers = append(v.Head.Issuers, k[:])
	}
	c.Sign(v, v.Head)
	if before != nil {
		c.differ(v, before, made.Plan)
	}
	c.All = append(c.All, v)
	return v
}

// write makes the set's file, under the plan of the one before if that has room.
func (c *Central) write(v, before *Version, entries []crlset.Entry) crlset.Summary {
	var b bytes.Buffer
	type writer interface {
		AddBatch(entries []crlset.Entry) error
		Close() (crlset.Summary, error)
	}
	var w writer = crlset.NewPlanningWriter(&b, crlset.Full)
	if before != nil {
		base, err := crlset.Open(before.Set)
		must(c, err)
		w, err = crlset.NewWriter(&b, base.Plan())
		must(c, err)
	}
	must(c, w.AddBatch(entries))
	made, err := w.Close()
	must(c, err)
	v.Set = b.Bytes()
	return made
}

// Sign signs another head over the same set, and makes the manifest.
func (c *Central) Sign(v *Version, h manifest.Head) {
	c.Helper()
	var err error
	v.Head = h
	v.Signed, err = h.Sign(c.Key)
	must(c, err)
	v.manifest.Signed = v.Signed
	v.Manifest, err = v.manifest.Encode()
	must(c, err)
	c.Blobs[sha256.Sum256(v.Manifest)] = v.Manifest
	c.Blobs[wire.BlobID(h.Root)] = v.Set
}

// Retable signs the same set as made from other lists, as old as the oldest of them; rows come in rising order.
func (c *Central) Retable(v *Version, rows ...manifest.Row) {
	c.Helper()
	table, err := canon.Encode(rows)
	must(c, err)
	h := v.Head
	v.manifest.Table, h.Table, h.Rows = rows, sha256.Sum256(table), uint32(len(rows)) //nolint:gosec // few rows
	h.ThisUpdate, h.NextUpdate = rows[0].ThisUpdate, rows[0].NextUpdate
	for _, r := range rows {
		h.ThisUpdate, h.NextUpdate = min(h.ThisUpdate, r.ThisUpdate), min(h.NextUpdate, r.NextUpdate)
	}
	c.Sign(v, h)
}

// Table is what the set was made from.
func (v *Version) Table() []manifest.Row { return slices.Clone(v.manifest.Table) }

// Digests are the set's chunk digests; a change of them shows in the manifest's file after Spoil.
func (v *Version) Digests() []byte { return v.manifest.Digests }

// Spoil makes the manifest's file anew from what is in it, whatever it has become.
func (c *Central) Spoil(v *Version) {
	c.Helper()
	var err error
	v.Manifest, err = v.manifest.Encode()
	must(c, err)
	c.Blobs[sha256.Sum256(v.Manifest)] = v.Manifest
}

// differ makes the delta from the version before.
func (c *Central) differ(v, before *Version, plan crlset.Plan) {
	base, err := crlset.Open(before.Set)
	must(c, err)
	next, err := crlset.Open(v.Set)
	must(c, err)
	var b bytes.Buffer
	stats, err := delta.Write(&b, base, next.Source(), plan)
	must(c, err)
	v.Delta = b.Bytes()
	c.SignDelta(v, manifest.DeltaHead{
		Version: manifest.Version, Base: before.Head.Number, Root: before.Head.Root, Next: v.Signed, Size: stats.Size, Digests: stats.Digests,
	}.Between(before.manifest.Table, v.manifest.Table))
	c.Blobs[stats.Root] = v.Delta
}

// SignDelta signs a delta's head.
func (c *Central) SignDelta(v *Version, d manifest.DeltaHead) {
	c.Helper()
	var err error
	v.told = d
	v.DeltaHead, err = d.Sign(c.Key)
	must(c, err)
	c.Blobs[sha256.Sum256(v.DeltaHead)] = v.DeltaHead
}

// Offer is the newest set, with the deltas after number from; none for 0.
func (c *Central) Offer(from uint64) wire.SetOffer {
	v := c.All[len(c.All)-1]
	o := wire.SetOffer{
		Hierarchy: c.Scope.Hierarchy, Purpose: c.Scope.Purpose, Number: v.Head.Number,
		Manifest: blob(v.Manifest), Set: wire.Blob{ID: wire.BlobID(v.Head.Root), Size: v.Head.Size},
	}
	for i := int(from); i > 0 && i < len(c.All); i++ {
		d := c.All[i]
		o.Deltas = append(o.Deltas, wire.DeltaOffer{
			Base: c.All[i-1].Head.Number, Next: d.Head.Number,
			Head: blob(d.DeltaHead), Delta: wire.Blob{ID: wire.BlobID(d.told.BlobID()), Size: d.told.Size},
		})
	}
	return o
}

func blob(b []byte) wire.Blob { return wire.Blob{ID: sha256.Sum256(b), Size: uint64(len(b))} }

// Blob serves a file; fs.ErrNotExist if there is none.
func (c *Central) Blob(_ context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	b, ok := c.Blobs[id]
	if !ok || from > uint64(len(b)) {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b[from:])), nil
}

// Export writes a version's files into a folder as `kazashi-central crl export` names them: the set, or the delta to it.
func (c *Central) Export(dir string, v *Version, asDelta bool) {
	c.Helper()
	files := map[string][]byte{"manifest": v.Manifest, "set": v.Set}
	if asDelta {
		files = map[string][]byte{"head": v.DeltaHead, "delta": v.Delta}
	}
	for ext, b := range files {
		must(c, os.WriteFile(filepath.Join(dir, v.Name()+"."+ext), b, 0o600))
	}
}

// Name is what the version's files are called, before their ends.
func (v *Version) Name() string {
	return fmt.Sprintf("%s-%s-%d-%d", v.Head.Hierarchy, v.Head.Purpose, v.Head.Number.CentralEpoch, v.Head.Number.N)
}

func must(t TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
