package sitekey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

const site = record.SiteID("practice-branch")

// counting is a key whose octets are 0, 1, 2 …
func counting(tb testing.TB) sitekey.Key {
	tb.Helper()
	b := make([]byte, sitekey.KeyLen)
	for i := range b {
		b[i] = byte(i)
	}
	k, err := sitekey.ParseKey(b)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// The values were computed by `openssl kdf -kdfopt mode:EXPAND_ONLY -kdfopt digest:SHA256 -kdfopt hexkey:000102… -kdfopt info:… HKDF`.
func TestDeriveIsHKDFExpand(t *testing.T) {
	for label, want := range map[string]string{
		sitekey.LabelRosterRef: "966e11d3f69f99c54b1fb373a35f1292ef223a7c39d5d88d6d2c4ad0768cdc9d",
		sitekey.LabelBookEntry: "00a220574030fb752c1e2c0c8a20a4174f531fdcf6b988692cc7200da06c4dd1",
	} {
		d := counting(t).Derive(label)
		if got := hex.EncodeToString(d[:]); got != want {
			t.Errorf("Derive(%s) = %s, want %s", label, got, want)
		}
	}
	if got, want := counting(t).Generation().String(), "fb9d375c1b1ef3f8dc47c9fc517ac0c5"; got != want {
		t.Errorf("Generation = %s, want %s", got, want)
	}
}

func newRing(tb testing.TB, n int) sitekey.Ring {
	tb.Helper()
	var r sitekey.Ring
	for range n {
		var err error
		if r, err = r.With(sitekey.NewKey()); err != nil {
			tb.Fatal(err)
		}
	}
	return r
}

func TestARingKeepsItsOrder(t *testing.T) {
	r := newRing(t, 3)
	g, k := r.Generations(), r.Keys()
	current, key, ok := r.Current()
	if !ok || current != g[2] || !key.Equal(k[2]) {
		t.Error("Current is not the last")
	}
	again, err := r.With(k[0])
	if err != nil || again.Len() != 3 || again.Generations()[2] != g[0] {
		t.Errorf("With(the oldest) = %v, %v, want it last and there once", again.Generations(), err)
	}
	if found, ok := r.Find(g[1]); !ok || !found.Equal(k[1]) {
		t.Error("Find does not find the key of a generation")
	}
	if left := r.Without(g[2], g[0]); left.Len() != 1 || left.Generations()[0] != g[1] || r.Len() != 3 {
		t.Error("Without leaves the wrong ones, or changes the ring")
	}
	if _, _, ok := (sitekey.Ring{}).Current(); ok {
		t.Error("the empty ring has a current key")
	}
	if _, err := r.With(sitekey.Key{}); !errors.Is(err, sitekey.ErrKey) {
		t.Errorf("With(no key) = %v, want ErrKey", err)
	}
	if _, err := newRing(t, sitekey.MaxRing).With(sitekey.NewKey()); !errors.Is(err, sitekey.ErrFull) {
		t.Errorf("With(one too many) = %v, want ErrFull", err)
	}
	back, err := sitekey.NewRing(k...)
	if err != nil || !back.Equal(r) {
		t.Errorf("NewRing(Keys) = %v, %v", back.Generations(), err)
	}
}

// P3: a wrapped key opens for its recipient, site and generation, and for no other; no bit of it may change unseen.
func TestP3AWrappedKeyOpensWhereItBelongs(t *testing.T) {
	mine, other := testkey.Sealing(t, "site mine"), testkey.Sealing(t, "site other")
	k := sitekey.NewKey()
	w, err := sitekey.Wrap(mine.Public(), site, k)
	if err != nil {
		t.Fatal(err)
	}
	flip := func(b []byte, at int) []byte { b = bytes.Clone(b); b[at] ^= 1; return b }
	for _, c := range []struct {
		name  string
		with  seal.PrivateKey
		spoil func(*sitekey.Wrapped)
		want  error
	}{
		{"as it was made", mine, func(*sitekey.Wrapped) {}, nil},
		{"another recipient's key", other, func(*sitekey.Wrapped) {}, sitekey.ErrRecipient},
		{"another recipient's key under its name", other, func(w *sitekey.Wrapped) { w.Recipient = other.Public().ID() }, seal.ErrOpen},
		{"another site", mine, func(w *sitekey.Wrapped) { w.Site = "other" }, seal.ErrOpen},
		{"another generation", mine, func(w *sitekey.Wrapped) { w.Generation = sitekey.NewKey().Generation() }, seal.ErrOpen},
		{"a changed encapsulation", mine, func(w *sitekey.Wrapped) { w.Enc = flip(w.Enc, 7) }, seal.ErrOpen},
		{"a changed point", mine, func(w *sitekey.Wrapped) { w.Enc = flip(w.Enc, len(w.Enc)-1) }, seal.ErrOpen},
		{"a changed key", mine, func(w *sitekey.Wrapped) { w.Sealed = flip(w.Sealed, 0) }, seal.ErrOpen},
		{"cut", mine, func(w *sitekey.Wrapped) { w.Sealed = w.Sealed[1:] }, sitekey.ErrWrapped},
		{"no generation", mine, func(w *sitekey.Wrapped) { w.Generation = sitekey.Generation{} }, sitekey.ErrWrapped},
		{"no site", mine, func(w *sitekey.Wrapped) { w.Site = "" }, sitekey.ErrWrapped},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w
			c.spoil(&w)
			got, err := sitekey.Unwrap(c.with, w)
			if !errors.Is(err, c.want) || err == nil && !got.Equal(k) {
				t.Errorf("Unwrap = %v, want %v", err, c.want)
			}
		})
	}
	if _, err := sitekey.Wrap(seal.PublicKey{}, site, k); !errors.Is(err, sitekey.ErrKey) {
		t.Errorf("Wrap(to nobody) = %v, want ErrKey", err)
	}
	if _, err := sitekey.UnwrapAll(mine, "other", []sitekey.Wrapped{w}); !errors.Is(err, sitekey.ErrSite) {
		t.Errorf("UnwrapAll(of another site) = %v, want ErrSite", err)
	}
}

// P3: a key or ring that is printed, logged or marshalled shows nothing.
func TestP3KeysPrintRedacted(t *testing.T) {
	k := sitekey.NewKey()
	r := newRing(t, 2)
	octets := hex.EncodeToString(k.Reveal()[:8])
	for _, v := range []any{k, &k, r, []sitekey.Key{k}, struct{ K sitekey.Key }{k}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			if got := fmt.Sprintf(verb, v); !strings.Contains(got, "REDACTED") || strings.Contains(got, octets) {
				t.Errorf("Sprintf(%s, %T) = %.60s, want REDACTED", verb, v, got)
			}
		}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("key", slog.Any("key", v))
		b, err := json.Marshal(v)
		if err != nil || !strings.Contains(string(b), "REDACTED") || !strings.Contains(log.String(), "REDACTED") {
			t.Errorf("%T: json %s, %v; logged %s", v, b, err, log.String())
		}
	}
}

// member is a box of the site with its keys.
type member struct {
	box     record.BoxID
	device  *ecdsa.PrivateKey
	sealing seal.PrivateKey
}

func newMember(tb testing.TB, name string) member {
	tb.Helper()
	d, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return member{record.NewBoxID(), d, testkey.Sealing(tb, name)}
}

func (m member) public(tb testing.TB) sitekey.Member {
	tb.Helper()
	return sitekey.Member{Box: m.box, Device: testkey.Public(tb, m.device).DER(), Sealing: m.sealing.Public().Bytes()}
}

func granted(tb testing.TB, m member, r sitekey.Ring) sitekey.Grant {
	tb.Helper()
	keys, err := sitekey.WrapAll(m.sealing.Public(), site, r)
	if err != nil {
		tb.Fatal(err)
	}
	current, _, _ := r.Current()
	return sitekey.Grant{
		Version: rule.Version{CentralEpoch: 1, N: 1}, Site: site, Box: m.box, Keys: keys, Current: current,
		Members: []sitekey.Member{m.public(tb)},
	}
}

func TestAGrantCarriesTheRing(t *testing.T) {
	m, central := newMember(t, "site mine"), newMember(t, "site central").device
	r := newRing(t, 3)
	g := granted(t, m, r)
	g.Current = r.Generations()[1]
	msg, err := g.Sign(central)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sitekey.OpenGrant(testkey.Only(t, central), msg)
	if err != nil {
		t.Fatal(err)
	}
	back, err := got.Ring(m.sealing, sitekey.Ring{})
	if again, err := got.Ring(seal.PrivateKey{}, r); err != nil || !again.Equal(back) {
		t.Errorf("Ring(all held) = %v, %v, want the same without any opening", again.Generations(), err)
	}
	if current, _, _ := back.Current(); err != nil || back.Len() != 3 || current != g.Current {
		t.Errorf("Ring = %v, %v, want the same keys, %v last", back.Generations(), err, g.Current)
	}
	if _, ok := got.Member(m.box); !ok {
		t.Error("the member is not found")
	}
	if _, err := sitekey.OpenGrant(testkey.Only(t, m.device), msg); !errors.Is(err, sign.ErrUnknownKey) {
		t.Errorf("OpenGrant(another signer) = %v, want ErrUnknownKey", err)
	}
	forged, err := sign.Sign(central, sign.PurposeRoster, mustPayload(t, msg))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sitekey.OpenGrant(testkey.Only(t, central), forged); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("OpenGrant(signed for another purpose) = %v, want ErrSignature", err)
	}
	if _, err := sitekey.OpenGrant(testkey.Only(t, central), make([]byte, sitekey.MaxGrant+1)); !errors.Is(err, canon.ErrSize) {
		t.Errorf("OpenGrant(too large) = %v, want ErrSize", err)
	}
}

func mustPayload(tb testing.TB, msg []byte) []byte {
	tb.Helper()
	b, err := sign.Payload(msg)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func TestAGrantThatContradictsItself(t *testing.T) {
	m, other := newMember(t, "site mine"), newMember(t, "site other")
	r := newRing(t, 2)
	for name, spoil := range map[string]func(*sitekey.Grant){
		"no version":               func(g *sitekey.Grant) { g.Version.N = 0 },
		"no site":                  func(g *sitekey.Grant) { g.Site = "" },
		"no box":                   func(g *sitekey.Grant) { g.Box = record.BoxID{} },
		"no keys":                  func(g *sitekey.Grant) { g.Keys = nil },
		"a key twice":              func(g *sitekey.Grant) { g.Keys = append(g.Keys, g.Keys[0]) },
		"a key of another site":    func(g *sitekey.Grant) { g.Keys[0].Site = "other" },
		"a key of another box":     func(g *sitekey.Grant) { g.Keys[1].Recipient = other.sealing.Public().ID() },
		"a current one elsewhere":  func(g *sitekey.Grant) { g.Current = sitekey.NewKey().Generation() },
		"a member twice":           func(g *sitekey.Grant) { g.Members = append(g.Members, g.Members[0]) },
		"a member without a key":   func(g *sitekey.Grant) { g.Members[0].Device = nil },
		"a member without sealing": func(g *sitekey.Grant) { g.Members[0].Sealing = g.Members[0].Sealing[1:] },
		"too many keys":            func(g *sitekey.Grant) { g.Keys = make([]sitekey.Wrapped, sitekey.MaxGenerations+1) },
	} {
		g := granted(t, m, r)
		spoil(&g)
		if _, err := g.Sign(m.device); !errors.Is(err, sitekey.ErrGrant) {
			t.Errorf("Sign(%s) = %v, want ErrGrant", name, err)
		}
	}
}

// P3, P9: requests and answers count for members of the site alone, each for its own kind.
func TestPeersKnowEachOther(t *testing.T) {
	a, b, c := newMember(t, "site mine"), newMember(t, "site other"), newMember(t, "site third")
	members := []sitekey.Member{a.public(t), b.public(t)}
	q := sitekey.Request{Site: site, Box: a.box, Nonce: sitekey.NewNonce()}
	asked, err := q.Sign(a.device)
	if err != nil {
		t.Fatal(err)
	}
	got, who, err := sitekey.OpenRequest(members, asked)
	if err != nil || got != q || who.Box != a.box {
		t.Errorf("OpenRequest = %v of %v, %v", got, who.Box, err)
	}
	keys, err := sitekey.WrapAll(a.sealing.Public(), site, newRing(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	answer := sitekey.Answer{Site: site, To: a.box, Nonce: q.Nonce, From: b.box, Keys: keys, Grant: rule.Version{CentralEpoch: 1, N: 7}}
	given, err := answer.Sign(b.device)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sitekey.OpenAnswer(members, given); err != nil || got.From != b.box || len(got.Keys) != 2 {
		t.Errorf("OpenAnswer = %v, %v", got.From, err)
	}
	stranger, _ := sitekey.Request{Site: site, Box: c.box, Nonce: q.Nonce}.Sign(c.device)
	pretender, _ := q.Sign(c.device)
	for name, k := range map[string]struct {
		err  error
		want error
	}{
		"a stranger's request":            {second(sitekey.OpenRequest(members, stranger)), sitekey.ErrMember},
		"a request in a member's name":    {second(sitekey.OpenRequest(members, pretender)), sign.ErrUnknownKey},
		"an answer as a request":          {second(sitekey.OpenRequest(members, given)), sitekey.ErrPeer},
		"a request as an answer":          {first(sitekey.OpenAnswer(members, asked)), sitekey.ErrPeer},
		"an answer where nobody is known": {first(sitekey.OpenAnswer(nil, given)), sitekey.ErrMember},
		"something too large":             {first(sitekey.OpenAnswer(members, make([]byte, sitekey.MaxPeer+1))), canon.ErrSize},
	} {
		if !errors.Is(k.err, k.want) {
			t.Errorf("%s: %v, want %v", name, k.err, k.want)
		}
	}
	for name, bad := range map[string]sitekey.Answer{
		"no keys": {Site: site, To: a.box, Nonce: q.Nonce, From: b.box},
		"nobody":  {Site: site, To: a.box, Nonce: q.Nonce, Keys: keys},
	} {
		if _, err := bad.Sign(b.device); !errors.Is(err, sitekey.ErrPeer) {
			t.Errorf("Sign(%s) = %v, want ErrPeer", name, err)
		}
	}
}

func first[A any](_ A, err error) error          { return err }
func second[A, B any](_ A, _ B, err error) error { return err }
