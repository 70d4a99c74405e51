package desired_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"log/slog"
	"testing"

	"kazashi.example/appliance/desired"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// central signs what a box is to have, with keys of its own.
type central struct {
	t     testing.TB
	roots []*ecdsa.PrivateKey // one key a root set
	chain [][]byte            // signed root sets
	sign  *ecdsa.PrivateKey   // C-sign
	seal  []byte
	box   record.BoxID
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func publicOf(t testing.TB, k crypto.Signer) sign.PublicKey {
	t.Helper()
	p, err := sign.PublicKeyOf(k.Public())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newCentral(t testing.TB) *central {
	t.Helper()
	s, err := seal.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	c := &central{t: t, sign: newKey(t), seal: s.Public().Bytes(), box: record.NewBoxID()}
	c.rotate(newKey(t))
	return c
}

// rotate makes the next root set, signed by the one before and by itself.
func (c *central) rotate(next *ecdsa.PrivateKey) {
	c.t.Helper()
	by := []crypto.Signer{next}
	if n := len(c.roots); n > 0 {
		by = append(by, c.roots[n-1])
	}
	set := trust.NewRootSet(uint64(len(c.roots)+1), 1, []sign.PublicKey{publicOf(c.t, next)})
	msg, err := set.Sign(by)
	if err != nil {
		c.t.Fatal(err)
	}
	c.roots, c.chain = append(c.roots[:len(c.roots):len(c.roots)], next), append(c.chain[:len(c.chain):len(c.chain)], msg)
}

func (c *central) fingerprint() trust.Fingerprint {
	c.t.Helper()
	f, err := trust.FingerprintOf(c.chain[0])
	if err != nil {
		c.t.Fatal(err)
	}
	return f
}

func (c *central) place() desired.Place {
	return desired.Place{Box: c.box, Site: "honmachi", Name: "counter 1", Root: c.fingerprint()}
}

// bundle is trust bundle n, signed by the last root set; change may spoil it first.
func (c *central) bundle(n uint64, change ...func(*trust.Bundle)) []byte {
	c.t.Helper()
	b := trust.Bundle{Number: n, Issued: 1, Suites: []seal.Suite{seal.Suite1}, Keys: []trust.Key{
		{Purposes: []sign.Purpose{sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules}, Public: publicOf(c.t, c.sign).DER()},
		{Purposes: []sign.Purpose{trust.UseTLS}, Public: publicOf(c.t, newKey(c.t)).DER()},
		{Purposes: []sign.Purpose{trust.UseSeal}, Public: c.seal},
	}}
	for _, f := range change {
		f(&b)
	}
	msg, err := b.Sign(c.chain, []crypto.Signer{c.roots[len(c.roots)-1]})
	if err != nil {
		c.t.Fatal(err)
	}
	return msg
}

// rules is a set with one practice service.
func (c *central) rules(v rule.Version, service record.ServiceID) []byte {
	c.t.Helper()
	set := rule.Set{Version: v, Issued: 1, Site: c.place().Site, Rules: []rule.Rule{{
		Service: service, Verifier: "kiyose", Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, ListFull: 1,
		ListProvisional: 2, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyPractice}, Practice: true,
	}}}
	msg, err := set.Sign(c.sign)
	if err != nil {
		c.t.Fatal(err)
	}
	return msg
}

// theEpoch is the one to which every verdict of these tests belongs.
var theEpoch = record.EpochID{ID128: record.ID128{1}}

// verdict is the final word on record n.
func verdict(n uint64) wire.Verdict {
	return wire.Verdict{
		Epoch: theEpoch, Seq: record.Seq(n), Tap: record.NewTapID(), Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder,
		Answer: record.AnswerNotRevoked, Source: wire.SourceOCSP, Settled: 1,
	}
}

// batch holds the verdicts first to last, numbered like their records.
func (c *central) batch(central, first, last uint64, change ...func(*wire.Verdicts)) []byte {
	c.t.Helper()
	v := wire.Verdicts{Version: rule.Version{CentralEpoch: central, N: last}, Box: c.box, After: first - 1}
	for n := first; n <= last; n++ {
		v.Verdicts = append(v.Verdicts, verdict(n))
	}
	for _, f := range change {
		f(&v)
	}
	msg, err := v.Sign(c.sign)
	if err != nil {
		c.t.Fatal(err)
	}
	return msg
}

// join makes a joined box's folder.
func (c *central) join() string {
	c.t.Helper()
	dir := c.t.TempDir()
	if err := desired.Create(dir, c.place(), c.bundle(1)); err != nil {
		c.t.Fatalf("Create = %v", err)
	}
	return dir
}

func open(t testing.TB, dir string) *desired.Store {
	t.Helper()
	s, err := desired.Open(t.Context(), dir, quiet)
	if err != nil {
		t.Fatalf("Open = %v", err)
	}
	t.Cleanup(func() { shut(t, s) })
	return s
}

// again closes a store and opens its folder a second time.
func again(t testing.TB, s *desired.Store, dir string) *desired.Store {
	t.Helper()
	shut(t, s)
	return open(t, dir)
}

func shut(t testing.TB, s *desired.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// quiet is where tests log to.
var quiet = slog.New(slog.DiscardHandler)
