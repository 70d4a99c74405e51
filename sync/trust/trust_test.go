package trust_test

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"testing"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

var (
	issued = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	later  = issued.AddDate(1, 0, 0)
)

// generation is a root set of three keys, two of which sign.
type generation struct {
	set  trust.RootSet
	keys []crypto.Signer
}

func newGeneration(t testing.TB, n uint64) generation {
	t.Helper()
	var g generation
	var pubs []sign.PublicKey
	for i := range 3 {
		k := byhand.Key(fmt.Sprintf("root %d of generation %d", i, n))
		g.keys = append(g.keys, k)
		pubs = append(pubs, testkey.Public(t, k))
	}
	g.set = trust.NewRootSet(n, 2, pubs)
	return g
}

// signed signs the set with the signers given.
func (g generation) signed(t testing.TB, by ...crypto.Signer) []byte {
	t.Helper()
	msg, err := g.set.Sign(by)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// chain is three generations, each signed by enough of the one before and of its own.
func chain(t testing.TB) (gens []generation, roots [][]byte) {
	t.Helper()
	for n := range uint64(3) {
		g := newGeneration(t, n+1)
		by := g.keys[:2]
		if n > 0 {
			by = append(append([]crypto.Signer{}, gens[n-1].keys[1:]...), g.keys[:2]...)
		}
		gens, roots = append(gens, g), append(roots, g.signed(t, by...))
	}
	return gens, roots
}

func fingerprint(t testing.TB, root []byte) trust.Fingerprint {
	t.Helper()
	f, err := trust.FingerprintOf(root)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func sealing(t testing.TB) seal.PublicKey {
	t.Helper()
	return testkey.Sealing(t, "trust C-seal").Public()
}

// bundle is one that a box can work with.
func bundle(t testing.TB) trust.Bundle {
	t.Helper()
	return trust.Bundle{
		Version: 1, Number: 7, Issued: issued.Unix(), Suites: []seal.Suite{seal.Suite1},
		Keys: []trust.Key{
			{Purposes: []sign.Purpose{trust.UseTLS}, Public: testkey.Public(t, byhand.Key("trust C-tls")).DER()},
			{Purposes: []sign.Purpose{trust.UseSeal}, Public: sealing(t).Bytes()},
			{Purposes: []sign.Purpose{sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules}, Public: testkey.Public(t, byhand.Key("trust C-sign")).DER()},
		},
		Anchors: []trust.Anchor{{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Certificate: []byte{0x30, 0}}},
		CardCAs: []trust.CardCA{{Hierarchy: certid.HierarchyPractice, Issuer: make([]byte, 16), Public: []byte{0x30, 0}}},
	}
}

func travelling(t testing.TB, b trust.Bundle, roots [][]byte, by ...crypto.Signer) []byte {
	t.Helper()
	out, err := b.Sign(roots, by)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// P8: a box of any generation walks to the newest one, and learns the root that the next bundle must follow from.
func TestP8WalksFromEveryGeneration(t *testing.T) {
	gens, roots := chain(t)
	b := travelling(t, bundle(t), roots, gens[2].keys[0], gens[2].keys[2])
	newest := fingerprint(t, roots[2])
	for i, root := range roots {
		o, err := trust.Open(b, trust.Terms{Root: fingerprint(t, root), Number: 7, Now: later})
		if err != nil || o.Root != newest || o.Number != 7 {
			t.Errorf("generation %d: Open = %d, root %s, %v, want 7, root %s", i+1, o.Number, o.Root, err, newest)
		}
	}
}

// P8: a year in a cupboard with a dead clock: the bundle's date says nothing to a box that knows no date.
func TestP8DeadClockDoesNotExpireABundle(t *testing.T) {
	gens, roots := chain(t)
	b := bundle(t)
	b.Expires = issued.AddDate(0, 1, 0).Unix()
	msg := travelling(t, b, roots, gens[2].keys[:2]...)
	root := fingerprint(t, roots[0])
	for _, c := range []struct {
		name string
		now  time.Time
		want error
	}{
		{"no date known", time.Time{}, nil},
		{"the last second", time.Unix(b.Expires, 0), nil},
		{"a second later", time.Unix(b.Expires+1, 0), trust.ErrExpired},
	} {
		if _, err := trust.Open(msg, trust.Terms{Root: root, Now: c.now}); !errors.Is(err, c.want) {
			t.Errorf("%s: Open = %v, want %v", c.name, err, c.want)
		}
	}
}

// P9: no bundle is believed that the roots trusted here did not lead to.
func TestP9OpenRefusesOtherRoots(t *testing.T) {
	gens, roots := chain(t)
	stranger := newGeneration(t, 99)
	alien := stranger.signed(t, stranger.keys[:2]...)
	first := fingerprint(t, roots[0])
	last := gens[2].keys[:2]
	second := func(by ...crypto.Signer) [][]byte { return [][]byte{roots[0], gens[1].signed(t, by...)} }
	flipped := bytes.Clone(roots[1])
	flipped[len(flipped)-1] ^= 1
	for _, c := range []struct {
		name  string
		root  trust.Fingerprint
		roots [][]byte
		by    []crypto.Signer
		want  error
	}{
		{"another world's root trusted here", fingerprint(t, alien), roots, last, trust.ErrRoot},
		{"no root sets", first, nil, last, trust.ErrRoot},
		{"a generation left out", first, [][]byte{roots[0], roots[2]}, last, trust.ErrRoot},
		{"generations out of order", first, [][]byte{roots[0], roots[2], roots[1]}, last, trust.ErrRoot},
		{"a set twice", first, [][]byte{roots[0], roots[0], roots[1]}, last, trust.ErrRoot},
		{"second set not signed by the first", first, second(gens[1].keys[:2]...), gens[1].keys[:2], trust.ErrThreshold},
		{"second set signed by one of the first", first, second(gens[0].keys[0], gens[1].keys[0], gens[1].keys[1]), gens[1].keys[:2], trust.ErrThreshold},
		{"second set signed by one of the first, twice", first, second(gens[0].keys[0], gens[0].keys[0], gens[1].keys[0], gens[1].keys[1]), gens[1].keys[:2], trust.ErrThreshold},
		{"second set not signed by itself", first, second(gens[0].keys[:2]...), gens[1].keys[:2], trust.ErrThreshold},
		{"first set signed by one of itself", first, [][]byte{gens[0].signed(t, gens[0].keys[0])}, gens[0].keys[:2], trust.ErrThreshold},
		{"a signature changed", first, [][]byte{roots[0], flipped, roots[2]}, last, sign.ErrSignature},
		{"no message among the sets", first, [][]byte{roots[0], []byte("no set")}, last, sign.ErrMessage},
		{"more sets than there can be", first, make([][]byte, 65), last, trust.ErrRoot},
		{"bundle signed by one", first, roots, last[:1], trust.ErrThreshold},
		{"bundle signed by one twice", first, roots, []crypto.Signer{last[0], last[0]}, trust.ErrThreshold},
		{"bundle signed by the generation before", first, roots, gens[1].keys[:2], trust.ErrThreshold},
		{"bundle signed by strangers", first, roots, stranger.keys[:2], trust.ErrThreshold},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := travelling(t, bundle(t), c.roots, c.by...)
			if o, err := trust.Open(b, trust.Terms{Root: c.root}); !errors.Is(err, c.want) || len(o.Keys) != 0 {
				t.Errorf("Open = %d keys, %v, want none and %v", len(o.Keys), err, c.want)
			}
		})
	}
}

// P9: a root's signature on one kind of message is worth nothing on another, and an old bundle never comes back.
func TestP9OpenRefusesForgedPurposeAndRollback(t *testing.T) {
	gens, roots := chain(t)
	first := fingerprint(t, roots[0])
	payload, err := canon.Encode(bundle(t))
	if err != nil {
		t.Fatal(err)
	}
	msg, err := sign.SignMany(gens[2].keys, sign.PurposeRoot, payload)
	if err != nil {
		t.Fatal(err)
	}
	sets := byhand.Array(byhand.Bytes(roots[0]), byhand.Bytes(roots[1]), byhand.Bytes(roots[2]))
	forged := byhand.Map(byhand.Uint(1), sets, byhand.Uint(2), byhand.Bytes(msg))
	if _, err := trust.Open(forged, trust.Terms{Root: first}); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("Open(signed as a root set) = %v, want ErrSignature", err)
	}
	b := travelling(t, bundle(t), roots, gens[2].keys[:2]...)
	if _, err := trust.Open(b, trust.Terms{Root: first, Number: 8}); !errors.Is(err, trust.ErrRollback) {
		t.Errorf("Open(7 after 8) = %v, want ErrRollback", err)
	}
	if _, err := trust.Open(make([]byte, trust.MaxBundle+1), trust.Terms{Root: first}); !errors.Is(err, canon.ErrSize) {
		t.Errorf("Open(too long) = %v, want ErrSize", err)
	}
	if _, err := trust.Open(append(b, 0), trust.Terms{Root: first}); !errors.Is(err, canon.ErrForm) {
		t.Errorf("Open(more after it) = %v, want ErrForm", err)
	}
}

// P9: a bundle that contradicts itself is not believed, even when the roots signed it.
func TestP9BundleThatContradictsItself(t *testing.T) {
	gens, roots := chain(t)
	spki := testkey.Public(t, byhand.Key("one more")).DER()
	add := func(k trust.Key) func(*trust.Bundle) { return func(b *trust.Bundle) { b.Keys = append(b.Keys, k) } }
	drop := func(i int) func(*trust.Bundle) {
		return func(b *trust.Bundle) { b.Keys = append(b.Keys[:i:i], b.Keys[i+1:]...) }
	}
	for _, c := range []struct {
		name string
		make func(*trust.Bundle)
		want error
	}{
		{"as it should be", func(*trust.Bundle) {}, nil},
		{"no number", func(b *trust.Bundle) { b.Number = 0 }, trust.ErrBundle},
		{"no suite", func(b *trust.Bundle) { b.Suites = nil }, trust.ErrBundle},
		{"no suite that is known", func(b *trust.Bundle) { b.Suites = []seal.Suite{2} }, trust.ErrBundle},
		{"a suite more", func(b *trust.Bundle) { b.Suites = []seal.Suite{1, 2} }, nil},
		{"no TLS key", drop(0), trust.ErrBundle},
		{"no sealing key", drop(1), trust.ErrBundle},
		{"no signing key", drop(2), trust.ErrBundle},
		{"a key for nothing", add(trust.Key{Public: spki}), trust.ErrBundle},
		{"a key that is none", add(trust.Key{Purposes: []sign.Purpose{sign.PurposeAck}, Public: []byte("x")}), sign.ErrKey},
		{"a sealing key that signs", add(trust.Key{Purposes: []sign.Purpose{trust.UseSeal, sign.PurposeAck}, Public: sealing(t).Bytes()}), trust.ErrBundle},
		{"a signing key that seals", add(trust.Key{Purposes: []sign.Purpose{trust.UseSeal}, Public: spki}), seal.ErrKey},
		{"a sealing key where one signs", add(trust.Key{Purposes: []sign.Purpose{sign.PurposeAck}, Public: sealing(t).Bytes()}), sign.ErrKey},
		{"a key as root", add(trust.Key{Purposes: []sign.Purpose{sign.PurposeRoot}, Public: spki}), trust.ErrBundle},
		{"a key for trust", add(trust.Key{Purposes: []sign.Purpose{sign.PurposeTrust}, Public: spki}), trust.ErrBundle},
		{"a key as device", add(trust.Key{Purposes: []sign.Purpose{sign.PurposeEpoch}, Public: spki}), trust.ErrBundle},
		{"too many keys", func(b *trust.Bundle) { b.Keys = make([]trust.Key, 257) }, trust.ErrBundle},
		{"anchor of no hierarchy", func(b *trust.Bundle) { b.Anchors[0].Hierarchy = 0 }, trust.ErrBundle},
		{"anchor for no purpose", func(b *trust.Bundle) { b.Anchors[0].Purpose = 0 }, trust.ErrBundle},
		{"P8: anchor of a later release", func(b *trust.Bundle) { b.Anchors[0].Purpose, b.Anchors[0].Hierarchy = 3, 9 }, nil},
		{"P8: key of a later release", add(trust.Key{Purposes: []sign.Purpose{"kazashi/later/v1"}, Public: []byte("a form of its own")}), nil},
		{"P8: key for an old use and a later one", add(trust.Key{Purposes: []sign.Purpose{"kazashi/later/v1", sign.PurposeAck}, Public: []byte("x")}), sign.ErrKey},
		{"empty anchor", func(b *trust.Bundle) { b.Anchors[0].Certificate = nil }, trust.ErrBundle},
		{"card authority of no hierarchy", func(b *trust.Bundle) { b.CardCAs[0].Hierarchy = 0 }, trust.ErrBundle},
		{"card authority with a short id", func(b *trust.Bundle) { b.CardCAs[0].Issuer = make([]byte, 8) }, trust.ErrBundle},
		{"card authority without a key", func(b *trust.Bundle) { b.CardCAs[0].Public = nil }, trust.ErrBundle},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := bundle(t)
			c.make(&b)
			if _, err := b.Sign(roots, gens[2].keys[:2]); !errors.Is(err, c.want) {
				t.Errorf("Sign = %v, want %v", err, c.want)
			}
			payload, err := canon.Encode(b)
			if err != nil {
				t.Fatal(err)
			}
			msg, err := sign.SignMany(gens[2].keys[:2], sign.PurposeTrust, payload)
			if err != nil {
				t.Fatal(err)
			}
			file := byhand.Map(byhand.Uint(1), byhand.Array(byhand.Bytes(roots[2])), byhand.Uint(2), byhand.Bytes(msg))
			if _, err := trust.Open(file, trust.Terms{Root: fingerprint(t, roots[2])}); !errors.Is(err, c.want) {
				t.Errorf("Open = %v, want %v", err, c.want)
			}
		})
	}
}

func TestKeysServeTheirPurposesOnly(t *testing.T) {
	b := bundle(t)
	signer := testkey.Public(t, byhand.Key("trust C-sign"))
	tls := testkey.Public(t, byhand.Key("trust C-tls"))
	for _, p := range []sign.Purpose{sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules} {
		if k, err := b.SigningKey(p, signer.ID()); err != nil || !k.Equal(signer) {
			t.Errorf("SigningKey(%s) = %v, want C-sign", p, err)
		}
		if _, err := b.SigningKey(p, tls.ID()); !errors.Is(err, sign.ErrUnknownKey) {
			t.Errorf("SigningKey(%s, C-tls) = %v, want ErrUnknownKey", p, err)
		}
	}
	for _, p := range []sign.Purpose{sign.PurposeEpoch, sign.PurposeTrust, sign.PurposeRoot} {
		if _, err := b.SigningKey(p, signer.ID()); !errors.Is(err, sign.ErrUnknownKey) {
			t.Errorf("SigningKey(%s) = %v, want ErrUnknownKey", p, err)
		}
	}
	if k, err := b.SealKey(); err != nil || k.ID() != sealing(t).ID() {
		t.Errorf("SealKey = %v, want C-seal", err)
	}
	if _, err := (trust.Bundle{}).SealKey(); !errors.Is(err, trust.ErrBundle) {
		t.Errorf("SealKey(none) = %v, want ErrBundle", err)
	}
	if keys := b.TLSKeys(); len(keys) != 1 || !keys[0].Equal(tls) {
		t.Errorf("TLSKeys = %d keys, want C-tls", len(keys))
	}
}

// P9: a root set that could never be satisfied, or by fewer people than it says, is none.
func TestP9RootSetThatContradictsItself(t *testing.T) {
	g := newGeneration(t, 1)
	for _, c := range []struct {
		name string
		make func(*trust.RootSet)
		want error
	}{
		{"as it should be", func(*trust.RootSet) {}, nil},
		{"version", func(r *trust.RootSet) { r.Version = 2 }, trust.ErrRoot},
		{"no number", func(r *trust.RootSet) { r.N = 0 }, trust.ErrRoot},
		{"threshold 0", func(r *trust.RootSet) { r.Threshold = 0 }, trust.ErrRoot},
		{"threshold above the keys", func(r *trust.RootSet) { r.Threshold = 4 }, trust.ErrRoot},
		{"a key twice", func(r *trust.RootSet) { r.Keys[1] = r.Keys[0] }, trust.ErrRoot},
		{"a key that is none", func(r *trust.RootSet) { r.Keys[1] = []byte("x") }, sign.ErrKey},
		{"seventeen keys", func(r *trust.RootSet) { r.Keys = make([][]byte, 17) }, trust.ErrRoot},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := g.set
			r.Keys = append([][]byte(nil), g.set.Keys...)
			c.make(&r)
			msg, err := r.Sign(g.keys)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := trust.FingerprintOf(msg); !errors.Is(err, c.want) {
				t.Errorf("FingerprintOf = %v, want %v", err, c.want)
			}
		})
	}
	if _, err := trust.FingerprintOf(nil); !errors.Is(err, sign.ErrMessage) {
		t.Errorf("FingerprintOf(nothing) = %v, want ErrMessage", err)
	}
}

func FuzzOpen(f *testing.F) {
	gens, roots := chain(f)
	b := travelling(f, bundle(f), roots, gens[2].keys[:2]...)
	f.Add(b)
	f.Add(travelling(f, bundle(f), roots[2:], gens[2].keys[:2]...))
	root := fingerprint(f, roots[2])
	f.Fuzz(func(t *testing.T, in []byte) {
		o, err := trust.Open(in, trust.Terms{Root: root})
		if err != nil {
			return
		}
		var v any
		if err := canon.Decode(in, &v, trust.MaxBundle); err != nil {
			t.Fatalf("accepted %x: %v", in, err)
		}
		if o.Number != 7 || len(o.Keys) != 3 || o.Root != root {
			t.Fatalf("accepted %x, which no root signed", in)
		}
	})
}

// FuzzBundle fuzzes what is under the roots' signatures.
func FuzzBundle(f *testing.F) {
	g := newGeneration(f, 1)
	root := g.signed(f, g.keys[:2]...)
	print := fingerprint(f, root)
	payload, err := canon.Encode(bundle(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.SignMany(g.keys[:2], sign.PurposeTrust, append([]byte{}, in...))
		if err != nil {
			t.Fatal(err)
		}
		file := byhand.Map(byhand.Uint(1), byhand.Array(byhand.Bytes(root)), byhand.Uint(2), byhand.Bytes(msg))
		o, err := trust.Open(file, trust.Terms{Root: print})
		if err != nil {
			return
		}
		if _, err := o.SealKey(); err != nil || len(o.TLSKeys()) == 0 {
			t.Fatalf("accepted %x without a key to seal to or to connect to: %v", in, err)
		}
		if _, err := o.Sign([][]byte{root}, g.keys); err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
	})
}
