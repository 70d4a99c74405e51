//go:build integration

package crash_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	mathrand "math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/lab/crash"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

func init() { children["publish"] = publish }

// press is a central with two days' lists, in a folder beside the one of its store.
type press struct {
	dir     string
	cert    *x509.Certificate
	key     crypto.Signer
	lists   [2][]byte
	answers [2]map[certid.Serial]record.Answer
	held    wire.HeldSet // the first day's set
}

var scope = certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}

var firstDay = time.Date(2026, 11, 22, 12, 0, 0, 0, people.JST)

func (p *press) at(day int) time.Time {
	return firstDay.Add(time.Duration(day)*24*time.Hour + time.Minute)
}

// open opens the store as it is on a day.
func (p *press) open(ctx context.Context, dir string, day int) (*crl.Store, error) {
	anchors, err := jpki.NewAnchors(jpki.Anchor{Cert: p.cert, Hierarchy: scope.Hierarchy, Purpose: scope.Purpose})
	if err != nil {
		return nil, err
	}
	return crl.Open(ctx, crl.Config{
		Dir: dir, Anchors: anchors, Sign: p.key, CentralEpoch: 1, Now: func() time.Time { return p.at(day) }, Log: slog.New(slog.DiscardHandler),
	})
}

// ingest takes a day's list; fresh reports whether it was not there yet.
func (p *press) ingest(ctx context.Context, s *crl.Store, day int) (fresh bool, err error) {
	r, err := s.Ingest(ctx, bytes.NewReader(p.lists[day]), crl.IngestOptions{Scope: scope})
	return r.Fresh, err
}

// before is the store after the first day.
func (p *press) before(dir string) (err error) {
	ctx := context.Background()
	s, err := p.open(ctx, dir, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if _, err := p.ingest(ctx, s, 0); err != nil {
		return err
	}
	h, err := s.Build(ctx, scope)
	p.held = wire.HeldSet{Hierarchy: h.Hierarchy, Purpose: h.Purpose, Number: h.Number, Root: wire.BlobID(h.Root)}
	return err
}

const (
	envPress = "CRASH_TEST_PRESS"
	envDay   = "CRASH_TEST_DAY"
)

// publish is the central that is interrupted: it takes a day's list and makes the next set.
func publish(dir string) error {
	p, err := readPress(os.Getenv(envPress))
	if err != nil {
		return err
	}
	day, err := strconv.Atoi(os.Getenv(envDay))
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := p.open(ctx, dir, day)
	if err != nil {
		return err
	}
	if fresh, err := p.ingest(ctx, s, day); err != nil || !fresh {
		return errors.Join(fmt.Errorf("ingesting: fresh %v", fresh), err)
	}
	fmt.Println("ingested")
	if _, err := s.Build(ctx, scope); err != nil {
		return err
	}
	fmt.Println("published")
	return s.Close()
}

// newPress makes lists and keys and leaves them for the child.
func newPress(t *testing.T) *press {
	t.Helper()
	p := &press{dir: t.TempDir()}
	var authority *pki.Authority
	for _, a := range worldtest.Open(t, world.Config{Now: firstDay, People: 1}).Authorities() {
		if a.Purpose == scope.Purpose {
			authority = a
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.cert, p.key = authority.Cert, key
	random := mathrand.New(mathrand.NewPCG(1, 2)) //nolint:gosec // made-up lists, the same each time
	var list []x509.RevocationListEntry
	for day := range p.lists {
		list = p.turn(random, list, day)
		tmpl := &x509.RevocationList{
			Number: big.NewInt(int64(day + 1)), ThisUpdate: p.at(day).Add(-time.Minute), NextUpdate: p.at(day + 1), RevokedCertificateEntries: list,
		}
		if p.lists[day], err = x509.CreateRevocationList(rand.Reader, tmpl, authority.Cert, authority.Key); err != nil {
			t.Fatal(err)
		}
	}
	p.probe(t)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{"cert": p.cert.Raw, "key": private, "list 0": p.lists[0], "list 1": p.lists[1]} {
		if err := os.WriteFile(filepath.Join(p.dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// turn is a day's changes: on the second, entries go and come.
func (p *press) turn(random *mathrand.Rand, list []x509.RevocationListEntry, day int) []x509.RevocationListEntry {
	list = slices.Clone(list[min(day*20, len(list)):])
	for range []int{4000, 40}[day] {
		n := new(big.Int).SetUint64(random.Uint64() | 1)
		n.Lsh(n, 64).Or(n, new(big.Int).SetUint64(random.Uint64()))
		list = append(list, x509.RevocationListEntry{
			SerialNumber: n, RevocationTime: p.at(day).Add(-time.Hour), ReasonCode: []int{0, 1, 4, 6}[random.IntN(4)],
		})
	}
	slices.SortFunc(list, func(a, b x509.RevocationListEntry) int { return a.SerialNumber.Cmp(b.SerialNumber) })
	return list
}

// probe chooses serials of both days, and what each day's list says of them.
func (p *press) probe(t *testing.T) {
	t.Helper()
	all := [2]map[certid.Serial]record.Answer{{}, {}}
	for day := range p.lists {
		list, err := x509.ParseRevocationList(p.lists[day])
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list.RevokedCertificateEntries {
			s, err := certid.SerialOf(e.SerialNumber)
			if err != nil {
				t.Fatal(err)
			}
			all[day][s] = map[bool]record.Answer{true: record.AnswerOnHold, false: record.AnswerRevoked}[e.ReasonCode == int(crlset.CertificateHold)]
		}
	}
	p.answers = [2]map[certid.Serial]record.Answer{{}, {}}
	both := 0
	for from := range all {
		for s := range all[from] {
			if _, in := all[1-from][s]; in {
				if both++; both > 20 {
					continue // every entry that came or went is asked for, and a few that stayed
				}
			}
			for day := range all {
				p.answers[day][s] = record.AnswerNotRevoked
				if a, on := all[day][s]; on {
					p.answers[day][s] = a
				}
			}
		}
	}
}

func readPress(dir string) (*press, error) {
	var b [4][]byte
	for i, name := range []string{"cert", "key", "list 0", "list 1"} {
		var err error
		if b[i], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			return nil, err
		}
	}
	cert, err := x509.ParseCertificate(b[0])
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(b[1])
	if err != nil {
		return nil, err
	}
	return &press{dir: dir, cert: cert, key: key.(crypto.Signer), lists: [2][]byte{b[2], b[3]}}, nil
}

// check is the invariant while a day's list is published: the set of the day before or of this one, whole (on the first day: none, or this
// one); what was said stays; the history reaches back; and a central that goes on comes to the day's set.
func (p *press) check(day int) func(crash.State) error {
	return func(s crash.State) (err error) {
		ctx := context.Background()
		store, err := p.open(ctx, s.Dir, day)
		if err != nil {
			return fmt.Errorf("opening: %w", err)
		}
		defer func() { err = errors.Join(err, store.Close()) }()
		before, err := p.inForce(store, day, len(s.Said) == 2)
		if err != nil {
			return fmt.Errorf("after opening: %w", err)
		}
		fresh, err := p.ingest(ctx, store, day)
		if err != nil || fresh && len(s.Said) > 0 {
			return errors.Join(fmt.Errorf("ingesting again: fresh %v", fresh), err)
		}
		next, err := store.Build(ctx, scope)
		if err != nil {
			return fmt.Errorf("building again: %w", err)
		}
		if next.Number.Compare(before) < 0 {
			return fmt.Errorf("number %d after %d", next.Number.N, before.N)
		}
		if err := p.whole(store, day); err != nil {
			return fmt.Errorf("after going on: %w", err)
		}
		return nil
	}
}

// inForce is the number of the set in force, which is whole and of the day or, unless the day's was published, of the day before.
func (p *press) inForce(s *crl.Store, day int, published bool) (rule.Version, error) {
	h, err := s.Head(scope)
	if day == 0 && !published && errors.Is(err, crl.ErrNone) {
		return h.Number, nil
	}
	if err != nil {
		return h.Number, err
	}
	of := day
	if day == 1 && h.At().Before(p.at(0)) {
		of = 0
	}
	if published && of < day {
		return h.Number, errors.New("what was published is gone")
	}
	return h.Number, p.whole(s, of)
}

// whole compares the set in force with the list of a day, its history with the day before, and all that boxes are offered with its
// digests.
func (p *press) whole(s *crl.Store, day int) error {
	if err := p.served(s, day); err != nil || day == 0 {
		return err
	}
	return p.chained(s)
}

// served is whole, but that no delta need lead to the set.
func (p *press) served(s *crl.Store, day int) error {
	for serial, want := range p.answers[day] {
		st, err := s.Lookup(scope, serial)
		if got := st.AnswerAt(p.at(1)); err != nil || got != want {
			return errors.Join(fmt.Errorf("looking up: %v, want %v", got, want), err)
		}
		want := p.answers[0][serial]
		past, err := s.AsOf(scope, serial, p.at(0), p.at(0))
		if err = errors.Join(err, past.Gap); err != nil || past.Answer != want {
			return errors.Join(fmt.Errorf("looking up as of the day before: %v, want %v", past.Answer, want), err)
		}
	}
	offers := s.Offers(nil)
	if len(offers) != 1 {
		return fmt.Errorf("%d offers, want 1", len(offers))
	}
	return errors.Join(fetched(s, offers[0].Manifest, sum), fetched(s, offers[0].Set, root))
}

// chained demands the delta from the first day's set.
func (p *press) chained(s *crl.Store) error {
	offers := s.Offers([]wire.HeldSet{p.held})
	if len(offers) != 1 || len(offers[0].Deltas) != 1 {
		return fmt.Errorf("offers to a box of the day before: %d, want one with one delta", len(offers))
	}
	d := offers[0].Deltas[0]
	return errors.Join(fetched(s, d.Head, sum), fetched(s, d.Delta, root))
}

func sum(b []byte) [32]byte { return sha256.Sum256(b) }

func root(b []byte) [32]byte {
	c := crlset.NewChunker(io.Discard)
	_, _ = c.Write(b) // into nothing
	digests, _ := c.Close()
	return crlset.Root(uint64(len(b)), digests)
}

// fetched compares a file that is offered with its id.
func fetched(s *crl.Store, blob wire.Blob, id func([]byte) [32]byte) (err error) {
	f, err := s.OpenBlob(blob.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(f)
	if err == nil && (uint64(len(b)) != blob.Size || id(b) != blob.ID) {
		err = fmt.Errorf("%d octets are offered and are not those named", len(b))
	}
	return err
}

func TestP7Publication(t *testing.T) {
	t.Parallel()
	p := newPress(t)
	child := func(day int) func(ctx context.Context, dir string) *exec.Cmd {
		return func(ctx context.Context, dir string) *exec.Cmd {
			cmd := again("publish")(ctx, dir)
			cmd.Env = append(cmd.Env, envPress+"="+p.dir, envDay+"="+strconv.Itoa(day))
			return cmd
		}
	}
	matrices(t, crash.Scenario{Name: "first publication", Child: child(0), Check: p.check(0)})
	first := "the first publication needs it"
	matrices(t, crash.Scenario{
		Name: "publication", Before: p.before, Child: child(1), Check: p.check(1),
		Superfluous: map[string]string{"fsync dir practice-auth": first, "fsync dir .": first},
	})
}
