package revocation_test

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/revocation"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

var (
	day   = time.Date(2026, 11, 22, 12, 0, 0, 0, people.JST)
	quiet = slog.New(slog.DiscardHandler)
	auth  = certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}
)

// Serials on the lists of these tests.
const (
	revoked = 100
	onHold  = 101
	free    = 102
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// anchorsOf believes these authorities.
func anchorsOf(t testing.TB, as ...*pki.Authority) *jpki.Anchors {
	t.Helper()
	var own []jpki.Anchor
	for _, a := range as {
		own = append(own, jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: a.Purpose})
	}
	anchors, err := jpki.NewAnchors(own...)
	must(t, err)
	return anchors
}

// generation is one key of the practice CA.
func generation(t testing.TB, w *world.World, p certid.Purpose, gen int) *pki.Authority {
	t.Helper()
	a, err := w.Authority(p, gen)
	must(t, err)
	return a
}

// list is number n with one serial revoked and one on hold.
func list(t testing.TB, by *pki.Authority, n int64) []byte {
	t.Helper()
	at := day.Add(time.Duration(n) * time.Hour)
	der, err := by.List(n, at, at.Add(24*time.Hour), []pki.Entry{
		{Serial: big.NewInt(revoked), At: day.Add(-time.Hour), Reason: pki.Superseded},
		{Serial: big.NewInt(onHold), At: day.Add(-time.Hour), Reason: pki.CertificateHold},
	})
	must(t, err)
	return der
}

func relayed(s certid.Scope, der []byte) wire.RelayedList {
	return wire.RelayedList{Hierarchy: s.Hierarchy, Purpose: s.Purpose, DER: der}
}

func idOf(t testing.TB, s certid.Scope, serial int64) certid.CertID {
	t.Helper()
	n, err := certid.SerialOf(big.NewInt(serial))
	must(t, err)
	return certid.CertID{Scope: s, Serial: n}
}

func open(t testing.TB, dir string, anchors *jpki.Anchors) *revocation.Cache {
	t.Helper()
	c, err := revocation.Open(t.Context(), dir, anchors, quiet)
	must(t, err)
	return c
}

func TestAnswersAreThoseOfTheList(t *testing.T) { // P7
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	g2, g3 := generation(t, w, certid.PurposeAuth, 2), generation(t, w, certid.PurposeAuth, 3)
	sign := generation(t, w, certid.PurposeSign, 0)
	k2, k3, ks := jpki.KeyIDOf(g2.Cert), jpki.KeyIDOf(g3.Cert), jpki.KeyIDOf(sign.Cert)
	for _, byOld := range []bool{false, true} {
		by, want3 := g3, record.AnswerNotRevoked
		if byOld { // an older generation cannot have known what a newer one would issue
			by, want3 = g2, record.AnswerNotCovered
		}
		dir := t.TempDir()
		c := open(t, dir, anchorsOf(t, g2, g3, sign))
		must(t, c.Apply(relayed(auth, list(t, by, 7))))
		for range 2 {
			for _, try := range []struct {
				name   string
				id     certid.CertID
				issuer certid.KeyID
				want   record.Answer
			}{
				{"revoked", idOf(t, auth, revoked), k2, record.AnswerRevoked},
				{"revoked, of the newer generation", idOf(t, auth, revoked), k3, record.AnswerRevoked},
				{"on hold", idOf(t, auth, onHold), k2, record.AnswerOnHold},
				{"not listed, of the older generation", idOf(t, auth, free), k2, record.AnswerNotRevoked},
				{"not listed, of the newer generation", idOf(t, auth, free), k3, want3},
				{"not listed, of an unknown key", idOf(t, auth, free), certid.KeyID{1}, record.AnswerNotCovered},
				{"not listed, of another purpose's key", idOf(t, auth, free), ks, record.AnswerNotCovered},
				{"another purpose", idOf(t, certid.Scope{Hierarchy: 3, Purpose: 2}, revoked), ks, record.AnswerNotCovered},
				{"another hierarchy", idOf(t, certid.Scope{Hierarchy: 1, Purpose: 1}, revoked), k2, record.AnswerNotCovered},
			} {
				got, number, at := c.Answer(try.id, try.issuer)
				covered := try.want != record.AnswerNotCovered
				if got != try.want || (number == 7) != covered || at.IsZero() == covered {
					t.Errorf("list by old key %v: Answer(%s) = %v, %d, %v, want %v", byOld, try.name, got, number, at, try.want)
				}
			}
			c = open(t, dir, anchorsOf(t, g2, g3, sign)) // and after a restart
		}
	}
}

func TestApplyRefusesAndKeepsWhatIsInUse(t *testing.T) { // P7
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	g3 := generation(t, w, certid.PurposeAuth, 3)
	stranger, err := pki.NewStranger(9, day.AddDate(-1, 0, 0), day.AddDate(9, 0, 0), generation(t, w, certid.PurposeSign, 0).Key)
	must(t, err)
	dir := t.TempDir()
	c := open(t, dir, anchorsOf(t, g3))
	must(t, c.Apply(relayed(auth, list(t, g3, 7))))
	spoilt := list(t, g3, 8)
	spoilt[len(spoilt)-1] ^= 1
	for name, try := range map[string]struct {
		list wire.RelayedList
		want error
	}{
		"bad signature":      {relayed(auth, spoilt), jpki.ErrCRLSignature},
		"unknown issuer":     {relayed(auth, list(t, stranger, 8)), jpki.ErrCRLIssuerUnknown},
		"cut":                {relayed(auth, list(t, g3, 8)[:200]), jpki.ErrNotCRL},
		"longer":             {relayed(auth, append(list(t, g3, 8), 0)), jpki.ErrNotCRL},
		"empty":              {relayed(auth, nil), jpki.ErrNotCRL},
		"sent as sign":       {relayed(certid.Scope{Hierarchy: 3, Purpose: 2}, list(t, g3, 8)), revocation.ErrScope},
		"sent as production": {relayed(certid.Scope{Hierarchy: 1, Purpose: 1}, list(t, g3, 8)), revocation.ErrScope},
		"the same number":    {relayed(auth, list(t, g3, 7)), revocation.ErrOlder},
		"an older number":    {relayed(auth, list(t, g3, 6)), revocation.ErrOlder},
	} {
		if err := c.Apply(try.list); !errors.Is(err, try.want) {
			t.Errorf("Apply(%s) = %v, want %v", name, err, try.want)
		}
		if number, _, _ := c.Newest(auth); number != 7 {
			t.Errorf("after %s: Newest = %d, want 7", name, number)
		}
	}
	if held := c.Held(); len(held) != 1 || held[0] != (wire.List{Hierarchy: 3, Purpose: 1, Number: 7}) {
		t.Errorf("Held = %v, want number 7 of practice/auth", held)
	}
	must(t, c.Apply(relayed(auth, list(t, g3, 8))))
	if number, _, _ := open(t, dir, anchorsOf(t, g3)).Newest(auth); number != 8 {
		t.Errorf("after a restart: Newest = %d, want 8", number)
	}
}

// What the box reads at a start is judged as strictly as what comes over the line, and costs no more than itself.
func TestDamagedFilesAreNotUsed(t *testing.T) { // P7
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	g3 := generation(t, w, certid.PurposeAuth, 3)
	whole := list(t, g3, 7)
	name := "practice-auth.crl"
	for what, harm := range map[string]func(dir string) error{
		"cut":               func(d string) error { return os.WriteFile(filepath.Join(d, name), whole[:100], 0o600) },
		"empty":             func(d string) error { return os.WriteFile(filepath.Join(d, name), nil, 0o600) },
		"a folder":          func(d string) error { return os.Mkdir(filepath.Join(d, name), 0o700) },
		"under other names": func(d string) error { return os.WriteFile(filepath.Join(d, "practice-sign.crl"), whole, 0o600) },
	} {
		dir := filepath.Join(t.TempDir(), "lists [1]") // a pattern, if names were looked for by pattern
		must(t, os.Mkdir(dir, 0o700))
		must(t, harm(dir))
		c := open(t, dir, anchorsOf(t, g3))
		if _, _, ok := c.Newest(auth); ok {
			t.Errorf("%s: a list is in use", what)
		}
		if what != "a folder" {
			must(t, c.Apply(relayed(auth, whole)))
		}
	}
}

// TestAChangeOfTrust: a list goes out of use with its authority, at once, and comes back with it.
func TestAChangeOfTrust(t *testing.T) { // P7, P9
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	g2, g3 := generation(t, w, certid.PurposeAuth, 2), generation(t, w, certid.PurposeAuth, 3)
	dir := t.TempDir()
	c := open(t, dir, anchorsOf(t, g2, g3))
	must(t, c.Apply(relayed(auth, list(t, g3, 7))))
	must(t, c.Trust(t.Context(), anchorsOf(t, g2)))
	if got, _, _ := c.Answer(idOf(t, auth, revoked), jpki.KeyIDOf(g2.Cert)); got != record.AnswerNotCovered {
		t.Errorf("Answer by a withdrawn authority's list = %v, want not_covered", got)
	}
	if err := c.Apply(relayed(auth, list(t, g3, 8))); !errors.Is(err, jpki.ErrCRLIssuerUnknown) {
		t.Errorf("Apply(withdrawn authority's list) = %v, want ErrCRLIssuerUnknown", err)
	}
	must(t, c.Trust(t.Context(), anchorsOf(t, g2, g3)))
	if got, _, _ := c.Answer(idOf(t, auth, revoked), jpki.KeyIDOf(g2.Cert)); got != record.AnswerRevoked {
		t.Errorf("Answer once the authority is back = %v, want revoked", got)
	}
	must(t, os.RemoveAll(dir))
	if err := c.Trust(t.Context(), anchorsOf(t, g2)); err == nil {
		t.Error("Trust without a folder = nil, want an error")
	}
	if _, _, ok := c.Newest(auth); ok {
		t.Error("a list of a withdrawn authority is in use because the folder could not be read")
	}
}

// Answers, changes of trust and new lists at once: whatever comes last, a newer list is never lost to an older one.
func TestChangesAtOnce(t *testing.T) { // P7
	w := worldtest.Open(t, world.Config{Now: day, People: 1})
	g3 := generation(t, w, certid.PurposeAuth, 3)
	anchors := anchorsOf(t, g3)
	dir := t.TempDir()
	c := open(t, dir, anchors)
	lists := make([][]byte, 9)
	for n := range lists {
		lists[n] = list(t, g3, int64(n+1))
	}
	id, issuer := idOf(t, auth, revoked), jpki.KeyIDOf(g3.Cert)
	var all sync.WaitGroup
	for _, der := range lists {
		all.Go(func() {
			if err := c.Apply(relayed(auth, der)); err != nil && !errors.Is(err, revocation.ErrOlder) {
				t.Errorf("Apply = %v", err)
			}
		})
		all.Go(func() {
			if err := c.Trust(t.Context(), anchors); err != nil {
				t.Errorf("Trust = %v", err)
			}
		})
		all.Go(func() {
			if got, _, _ := c.Answer(id, issuer); got == record.AnswerNotRevoked {
				t.Errorf("Answer = %v, want revoked or not_covered", got)
			}
		})
	}
	all.Wait()
	der, err := os.ReadFile(filepath.Join(dir, "practice-auth.crl"))
	must(t, err)
	onDisk, err := x509.ParseRevocationList(der)
	must(t, err)
	if number, _, _ := c.Newest(auth); number != 9 || onDisk.Number.Int64() != 9 {
		t.Errorf("Newest = %d, on disk %d, want 9", number, onDisk.Number)
	}
}
