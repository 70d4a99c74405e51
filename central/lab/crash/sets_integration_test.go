//go:build integration

package crash_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/delta"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Sizes of the made-up sets: 20-octet serials make three chunks and a bit of them.
const (
	entries = 11_000
	changed = 400 // from one set to the next
	days    = 3
	probes  = 40
)

var issuer = certid.KeyID{1}

// edition is a set as it stands on one day, and the delta that leads to it.
type edition struct {
	number       uint64
	head         manifest.Head
	set          []byte
	manifest     []byte
	delta        []byte
	told         []byte
	answers      map[crlset.Key]record.Answer
	deltaOffered wire.DeltaOffer
}

// shop is a folder beside the one that is worked in: the editions' files by their ids, and the key that they are signed with.
type shop struct {
	dir      string
	keys     sign.Keys
	editions []edition // of numbers 1, 2, 3
}

func version(n uint64) rule.Version { return rule.Version{CentralEpoch: 1, N: n} }

// openShop makes everything from a seed, but for the key.
func openShop(dir string) (*shop, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	s := &shop{dir: dir}
	if s.keys, err = readKeys(spki); err != nil {
		return nil, err
	}
	random := mathrand.New(mathrand.NewPCG(4, 7)) //nolint:gosec // made-up lists, the same each time
	list := map[crlset.Key]crlset.Entry{}
	for n := uint64(1); n <= days; n++ {
		turn(random, list, n)
		if err := s.edit(key, n, list); err != nil {
			return nil, fmt.Errorf("making edition %d: %w", n, err)
		}
	}
	s.probe()
	return s, os.WriteFile(filepath.Join(dir, "key"), spki, 0o600)
}

func readKeys(spki []byte) (sign.Keys, error) {
	key, err := sign.ParsePublicKey(spki)
	return sign.One{Key: key}, err
}

// turn is a day: entries come, and from the second day on some go.
func turn(random *mathrand.Rand, list map[crlset.Key]crlset.Entry, day uint64) {
	come := changed
	if day == 1 {
		come = entries
	}
	gone := slices.SortedFunc(func(yield func(crlset.Key) bool) {
		for k := range list {
			if !yield(k) {
				return
			}
		}
	}, crlset.Key.Compare)
	for i := 0; day > 1 && i < changed/2; i++ {
		delete(list, gone[random.IntN(len(gone))])
	}
	for range come {
		k := crlset.Key{A: random.Uint32(), B: random.Uint64(), C: random.Uint64() | 1}
		list[k] = crlset.Entry{Key: k, Date: 1_700_000_000 + int64(day)*86400, Reason: []crlset.Reason{0, 1, 4, 6}[random.IntN(4)]} //nolint:gosec // few days
	}
}

type listed []crlset.Entry

func (l *listed) Next(e *crlset.Entry) (bool, error) {
	if len(*l) == 0 {
		return false, nil
	}
	*e, *l = (*l)[0], (*l)[1:]
	return true, nil
}

func sorted(list map[crlset.Key]crlset.Entry) (out listed) {
	for _, e := range list {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b crlset.Entry) int { return a.Key.Compare(b.Key) })
	return out
}

// edit writes a set and the delta to it, signs them and puts them into the shop.
func (s *shop) edit(key *ecdsa.PrivateKey, n uint64, list map[crlset.Key]crlset.Entry) error {
	e := edition{number: n}
	var set bytes.Buffer
	w := crlset.NewPlanningWriter(&set, crlset.Full)
	if err := w.AddBatch(sorted(list)); err != nil {
		return err
	}
	summary, err := w.Close()
	if err != nil {
		return err
	}
	day := 1_700_000_000 + int64(n)*86400 //nolint:gosec // few days
	table := []manifest.Row{{Key: issuer[:], Number: n, ThisUpdate: day, NextUpdate: day + 86400}}
	e.head, err = manifest.Head{
		Hierarchy: scope.Hierarchy, Purpose: scope.Purpose, Number: version(n), Issuers: [][]byte{issuer[:]},
	}.Describe(summary, table)
	if err != nil {
		return err
	}
	signed, err := e.head.Sign(key)
	if err != nil {
		return err
	}
	m := manifest.Manifest{Signed: signed, Digests: summary.Digests, Table: table}
	if e.manifest, err = m.Encode(); err != nil {
		return err
	}
	e.set = set.Bytes()
	if n > 1 {
		if err := s.lead(key, &e, m, summary.Plan, sorted(list)); err != nil {
			return err
		}
	}
	s.editions = append(s.editions, e)
	return s.put(e)
}

// lead makes the delta from the edition before.
func (s *shop) lead(key *ecdsa.PrivateKey, e *edition, next manifest.Manifest, plan crlset.Plan, list listed) error {
	before := s.editions[len(s.editions)-1]
	base, err := crlset.Open(before.set)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	stats, err := delta.Write(&b, base, &list, plan)
	if err != nil {
		return err
	}
	m, _, err := manifest.Decode(s.keys, before.manifest)
	if err != nil {
		return err
	}
	told := manifest.DeltaHead{
		Version: manifest.Version, Base: before.head.Number, Root: before.head.Root, Next: next.Signed, Size: stats.Size, Digests: stats.Digests,
	}.Between(m.Table, next.Table)
	if e.told, err = told.Sign(key); err != nil {
		return err
	}
	e.delta = b.Bytes()
	e.deltaOffered = wire.DeltaOffer{
		Base: before.head.Number, Next: e.head.Number, Head: whole(e.told),
		Delta: wire.Blob{ID: wire.BlobID(told.BlobID()), Size: told.Size},
	}
	return nil
}

func whole(b []byte) wire.Blob { return wire.Blob{ID: sha256.Sum256(b), Size: uint64(len(b))} }

func (s *shop) put(e edition) error {
	var errs []error
	for id, b := range map[wire.BlobID][]byte{
		whole(e.manifest).ID: e.manifest, wire.BlobID(e.head.Root): e.set,
		e.deltaOffered.Head.ID: e.told, e.deltaOffered.Delta.ID: e.delta,
	} {
		errs = append(errs, os.WriteFile(filepath.Join(s.dir, id.String()), b, 0o600))
	}
	return errors.Join(errs...)
}

// offer says what leads from one edition (0: from nothing) to another; deltas: by a chain and no other way.
func (s *shop) offer(from, to uint64, deltas bool) wire.SetOffer {
	e := s.editions[to-1]
	o := wire.SetOffer{Hierarchy: scope.Hierarchy, Purpose: scope.Purpose, Number: version(to)}
	if !deltas {
		o.Manifest, o.Set = whole(e.manifest), wire.Blob{ID: wire.BlobID(e.head.Root), Size: e.head.Size}
		return o
	}
	for _, e := range s.editions[from:to] {
		o.Deltas = append(o.Deltas, e.deltaOffered)
	}
	return o
}

// probe chooses serials in and beside the editions, and what each edition answers.
func (s *shop) probe() {
	keys := map[crlset.Key]bool{{C: 1}: true}
	var sets []*crlset.Set
	for i := range s.editions {
		s.editions[i].answers = map[crlset.Key]record.Answer{}
		set, err := crlset.Open(s.editions[i].set)
		if err != nil {
			panic(err) // it was just made
		}
		sets = append(sets, set)
		source := set.Source()
		var e crlset.Entry
		for n := 0; ; n++ {
			if more, err := source.Next(&e); !more || err != nil {
				break
			}
			if n%(entries/probes) == 0 {
				keys[e.Key], keys[e.Key.Add(crlset.Key{C: 1})] = true, true
			}
		}
	}
	for i, set := range sets {
		for k := range keys {
			e, on, _ := set.Find(k)
			s.editions[i].answers[k] = record.AnswerNotRevoked
			if on && e.OnHold() {
				s.editions[i].answers[k] = record.AnswerOnHold
			} else if on {
				s.editions[i].answers[k] = record.AnswerRevoked
			}
		}
	}
}

// counter serves the shop's files, counts what it gave of each, and cuts the line once, after so many octets; 0: never.
type counter struct {
	dir string
	cut int64

	mu    sync.Mutex // guards what follows
	gave  map[wire.BlobID]int64
	total int64
}

func (c *counter) Blob(_ context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	f, err := os.Open(filepath.Join(c.dir, id.String()))
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(int64(from), io.SeekStart); err != nil { //nolint:gosec // a small file
		return nil, errors.Join(err, f.Close())
	}
	return &counted{f, c, id}, nil
}

type counted struct {
	*os.File
	c  *counter
	id wire.BlobID
}

var errCut = errors.New("the line was cut")

func (r *counted) Read(b []byte) (int, error) {
	n, err := r.File.Read(b)
	r.c.mu.Lock()
	defer r.c.mu.Unlock()
	if r.c.gave == nil {
		r.c.gave = map[wire.BlobID]int64{}
	}
	r.c.gave[r.id] += int64(n)
	r.c.total += int64(n)
	if r.c.cut > 0 && r.c.total > r.c.cut {
		r.c.cut = 0
		return n / 2, errCut
	}
	return n, err
}

// writeOffer leaves an offer beside the shop's files for the child.
func (s *shop) writeOffer(o wire.SetOffer) error {
	b, err := canon.Encode(o)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(s.dir, "offer"), b, 0o600)
}

// keep puts an edition into a box's folder as one that is in use.
func (s *shop) keep(dir string, numbers ...uint64) error {
	for _, n := range numbers {
		e := s.editions[n-1]
		base := filepath.Join(dir, fmt.Sprintf("practice-auth-1-%d", n))
		err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(base+".set", e.set, 0o600), os.WriteFile(base+".manifest", e.manifest, 0o600))
		if err != nil {
			return err
		}
	}
	return nil
}

// fill makes a folder from which a box can load: the newest edition, or the deltas that lead to it.
func (s *shop) fill(dir string, deltas bool) error {
	if !deltas {
		return s.keep(dir, days)
	}
	errs := []error{os.MkdirAll(dir, 0o700)}
	for _, e := range s.editions[1:] {
		base := filepath.Join(dir, fmt.Sprintf("practice-auth-1-%d", e.number))
		errs = append(errs, os.WriteFile(base+".head", e.told, 0o600), os.WriteFile(base+".delta", e.delta, 0o600))
	}
	return errors.Join(errs...)
}
