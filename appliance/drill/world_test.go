package drill_test

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

	boxes "kazashi.example/appliance/box"
	"kazashi.example/appliance/clock"
	"kazashi.example/appliance/closing"
	"kazashi.example/appliance/config"
	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/orders"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/appliance/roster"
	"kazashi.example/appliance/roster/rostertest"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/appliance/vault"
	"kazashi.example/localapi"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	entries "kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// What everything of these boxes is called. Each name stands in one class of data alone.
const (
	site        = rostertest.Site
	tapDesk     = record.DeskID("planted-desk-of-taps")
	tapService  = record.ServiceID("planted-service-of-taps")
	bookService = record.ServiceID("planted-service-of-book")
	workService = record.ServiceID("planted-service-of-work")
	placeName   = "planted name of the place"
	staffName   = "練習職員　つばめ"
	staffGone   = "planted-staff-who-left"
	closer      = "planted-staff-who-closed"
	number      = "N-7744110022"
	joinSecret  = "planted-join-1!!"
)

var (
	opCode = []byte("operators code 1")
	noon   = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	nobody = slog.New(slog.DiscardHandler)
)

// box is a data directory that the box's own packages have written, and what central has of it.
type box struct {
	t     testing.TB
	dir   string
	where string // of its TPM; "" for none
	way   rule.Unlock

	central seal.PrivateKey
	signs   *ecdsa.PrivateKey // C-sign
	ring    sitekey.Ring
	tap     record.TapID // of the final verdict
}

// plant makes a box in which every class of data lies, with values that are found in no other.
func plant(t testing.TB, where string, way rule.Unlock) *box {
	t.Helper()
	b := &box{t: t, dir: t.TempDir(), where: where, way: way, signs: key(t)}
	var err error
	b.central, err = seal.GenerateKey()
	must(t, err)
	id, err := vault.Open(b.dir, vault.Options{TPM: where})
	must(t, err)
	defer func() { must(t, id.Close()) }()
	must(t, id.Begin())
	b.keys(id)
	b.says(id)
	b.journals(id)
	b.book()
	b.people()
	b.lists()
	b.ends(id)
	b.joins()
	return b
}

func key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

func public(t testing.TB, k crypto.Signer) sign.PublicKey {
	t.Helper()
	p, err := sign.PublicKeyOf(k.Public())
	must(t, err)
	return p
}

func (b *box) vault(id *vault.Identity, way rule.Unlock) *vault.Site {
	b.t.Helper()
	s, err := vault.OpenSite(b.t.Context(), vault.SiteConfig{
		Dir: b.dir, Identity: id, Site: site, Central: func() (seal.PublicKey, error) { return b.central.Public(), nil },
		Rule: func() rule.Unlock { return way }, Keys: func() sign.Keys { return sign.One{} }, AllowSwap: true, Log: nobody,
	})
	must(b.t, err)
	return s
}

// keys makes the identity's and the site's, and has one wrong code counted.
func (b *box) keys(id *vault.Identity) {
	b.t.Helper()
	s := b.vault(id, b.way)
	must(b.t, s.Create(b.t.Context(), opCode))
	var err error
	b.ring, err = s.Ring()
	must(b.t, err)
	if b.way == rule.UnlockCode {
		if err := s.Unlock(b.t.Context(), []byte("not the right one")); !errors.Is(err, vault.ErrCode) {
			b.t.Fatalf("Unlock with a wrong code = %v", err)
		}
	}
}

// says writes what central wants the box to have: trust, rules, verdicts.
func (b *box) says(id *vault.Identity) {
	b.t.Helper()
	root := key(b.t)
	set, err := trust.NewRootSet(1, 1, []sign.PublicKey{public(b.t, root)}).Sign([]crypto.Signer{root})
	must(b.t, err)
	print, err := trust.FingerprintOf(set)
	must(b.t, err)
	bundle := func(n uint64) []byte {
		msg, err := trust.Bundle{Number: n, Issued: 1, Suites: []seal.Suite{seal.Suite1}, Keys: []trust.Key{
			{Purposes: []sign.Purpose{sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules}, Public: public(b.t, b.signs).DER()},
			{Purposes: []sign.Purpose{trust.UseTLS}, Public: public(b.t, key(b.t)).DER()},
			{Purposes: []sign.Purpose{trust.UseSeal}, Public: b.central.Public().Bytes()},
		}}.Sign([][]byte{set}, []crypto.Signer{root})
		must(b.t, err)
		return msg
	}
	must(b.t, desired.Create(b.dir, desired.Place{Box: id.Box, Site: site, Name: placeName, Root: print}, bundle(1)))
	s, err := desired.Open(b.t.Context(), b.dir, nobody)
	must(b.t, err)
	must(b.t, s.ApplyTrust(bundle(2)))
	must(b.t, s.RevertTrust(b.t.Context()))
	for n := range uint64(2) {
		msg, err := rule.Set{Version: rule.Version{CentralEpoch: 1, N: n + 1}, Issued: 1, Site: site, Unlock: b.way, Rules: []rule.Rule{{
			Service: tapService, Verifier: rostertest.City, Basis: record.BasisDrill, Evidence: record.EvidenceCertificate, ListFull: 1,
			ListProvisional: 2, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyPractice}, Practice: true,
		}}}.Sign(b.signs)
		must(b.t, err)
		must(b.t, s.ApplyRules(msg))
	}
	b.tap = record.NewTapID()
	msg, err := wire.Verdicts{Version: rule.Version{CentralEpoch: 1, N: 1}, Box: id.Box, Verdicts: []wire.Verdict{{
		Epoch: record.NewEpochID(), Seq: 1, Tap: b.tap, Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder,
		Answer: record.AnswerNotRevoked, Source: wire.SourceOCSP, Settled: 1,
	}}}.Sign(b.signs)
	must(b.t, err)
	_, err = s.ApplyVerdicts(b.t.Context(), msg)
	must(b.t, err)
	must(b.t, s.Close())
}

// asideJournal is a journal that was set aside.
const asideJournal = "journal.db.set-aside-20261122T030000Z"

// journals writes records, ends an epoch, sets that journal aside, and writes another with two epochs.
func (b *box) journals(id *vault.Identity) {
	b.t.Helper()
	path := filepath.Join(b.dir, "journal.db")
	b.records(id, path, [][]byte{serial("records")})
	must(b.t, os.Rename(path, filepath.Join(b.dir, asideJournal)))
	b.records(id, path, [][]byte{serial("records"), serial("records_now")})
}

// records appends a record each, in an epoch each.
func (b *box) records(id *vault.Identity, path string, contents [][]byte) {
	b.t.Helper()
	to := b.central.Public()
	j, err := journal.Open(b.t.Context(), path, journal.Options{
		Device: id.Device, Box: id.Box, Recipient: func() (seal.PublicKey, error) { return to, nil }, Now: func() time.Time { return noon },
		Stretch: func() string { return "1f0c2d3e-5a6b-4c7d-8e9f-0a1b2c3d4e5f/0" },
	})
	must(b.t, err)
	for _, c := range contents {
		j.Renew(epoch.CauseClock)
		tap := record.NewTapID()
		_, err := j.Append(b.t.Context(), append([]byte("content of a record about "), c...), journal.Clear{
			Tap: tap, Time: noon, Desk: tapDesk, Service: tapService, Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder,
			Code: localapi.SpokenCode(tap),
		})
		must(b.t, err)
	}
	must(b.t, j.Close())
}

// has says that every tap has a record.
type has struct{}

func (has) Mark() int64                                            { return 0 }
func (has) Has(context.Context, record.TapID, int64) (bool, error) { return true, nil }

// serial is the made-up one of a class, long enough that chance does not write it.
func serial(class string) []byte {
	b := []byte{0x51, 0x0a, 0xd3, 0x5e, 0x81, 0x07, 0xc4, 0}
	for _, c := range class {
		b[7] = b[7]*31 + byte(c) //nolint:gosec // cut on purpose
	}
	return b
}

func person(class string) sitebook.Person {
	return sitebook.Person{Verifier: rostertest.City, Hierarchy: certid.HierarchyPractice, Serial: serial(class)}
}

// book writes the site book: an enrolment, a use, a number, staff, and a corrected verdict.
func (b *box) book() {
	b.t.Helper()
	ctx := b.t.Context()
	k, err := sitebook.Open(ctx, filepath.Join(b.dir, "sitebook.db"), sitebook.Options{
		Site: site, Desk: "desk-of-book", Ring: func() (sitekey.Ring, error) { return b.ring, nil }, Records: has{},
		Now: func() time.Time { return noon },
	})
	must(b.t, err)
	visit := func(v sitebook.Visit) {
		v.Tap, v.At, v.Service = record.NewTapID(), noon, bookService
		if v.Enrolment != nil {
			v.Enrolment.Enrolled = v.Tap
		}
		must(b.t, k.Write(ctx, v))
		k.Confirm(v.Tap)
	}
	visit(sitebook.Visit{Person: person("enrolments"), Enrolment: &entries.Entry{
		Hierarchy: certid.HierarchyPractice, Serial: serial("enrolments"), Verifier: rostertest.City,
		Birth: entries.Birth{Date: "19550505", Form: 1}, Key: []byte("made-up card key"),
	}})
	visit(sitebook.Visit{Person: person("presence"), Used: true})
	visit(sitebook.Visit{Person: person("links"), Link: number})
	for id, code := range map[string]string{"s-01": "83641277", staffGone: "12345688"} {
		must(b.t, k.SetStaff(ctx, localapi.NewStaff{ID: id, Name: staffName, Code: localapi.NewSecret(code)}))
	}
	_, err = k.SignIn(ctx, localapi.NewSecret("12345688"))
	must(b.t, err)
	tap := record.NewTapID()
	must(b.t, k.Correct(ctx, []sitebook.Correction{{
		Tap: tap, Time: noon, Desk: "desk-of-work", Service: workService, Settled: noon,
		First: localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonClockPoor},
		Final: localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonRevoked},
	}}, rule.Version{CentralEpoch: 1, N: 1}))
	must(b.t, k.Tick(ctx, tap))
	must(b.t, k.SignOut(ctx))
	must(b.t, k.RemoveStaff(ctx, staffGone))
	must(b.t, k.Close())
}

// people fetches a roster of two segments, and the one before it stays.
func (b *box) people() {
	b.t.Helper()
	c := rostertest.New(b.t)
	c.Ring = b.ring
	s, err := roster.Open(roster.Config{
		Dir: filepath.Join(b.dir, "rosters"), Site: site, Keys: func() sign.Keys { return c },
		Ring: func() (sitekey.Ring, error) { return b.ring, nil },
	})
	must(b.t, err)
	must(b.t, s.Offer(b.t.Context(), c, c.Publish(true, rostertest.People(0, 3))))
	must(b.t, s.Offer(b.t.Context(), c, c.Publish(false, func(w *segment.Writer) error {
		e := rostertest.Person(7)
		e.Serial = serial("roster")
		return w.Add(e)
	})))
	s.Close()
}

// lists takes in a set and the one after it.
func (b *box) lists() {
	b.t.Helper()
	c := settest.New(b.t, certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, certid.KeyID{1})
	k, err := revocation.Open(b.t.Context(), revocation.Config{
		Dir: filepath.Join(b.dir, "lists"), Keys: c.Keys, Log: nobody,
	})
	must(b.t, err)
	for n := range uint64(2) {
		c.Publish(noon.Add(time.Duration(n)*time.Hour), settest.Entry(0x0bad_cafe_0000+n, 1, noon))
		from := b.t.TempDir()
		c.Export(from, c.All[n], false)
		_, err := k.Load(b.t.Context(), from)
		must(b.t, err)
	}
	k.Close()
}

// ends has the site closed, on paper alone, an order done, and the clock stopped.
func (b *box) ends(id *vault.Identity) {
	b.t.Helper()
	c := closing.New(closing.Config{
		Dir: b.dir, Box: id.Box, Site: site, Device: id.Device, Records: func(context.Context) (uint64, error) { return 0, nil },
		Keys: func() []sitekey.Generation { return nil }, Now: func() (time.Time, record.Confidence) { return noon, record.ConfidenceChecked },
		Log: nobody, Parts: []closing.Part{{
			What:  "nothing",
			Count: func(context.Context) ([]erasure.Item, error) { return []erasure.Item{{What: "nothing"}}, nil },
			Erase: func(context.Context) error { return nil },
		}},
	})
	_, err := c.Close(b.t.Context(), closing.Request{By: closer})
	must(b.t, err)
	o, err := orders.Open(b.t.Context(), b.dir, id.Box, done{}, nobody)
	must(b.t, err)
	msg, err := order.Order{Version: 1, Box: id.Box, ID: order.NewID(), Kind: order.KindLock, Issued: noon.UnixMilli()}.Sign(b.signs)
	must(b.t, err)
	_, err = o.Take(b.t.Context(), sign.One{Key: public(b.t, b.signs)}, [][]byte{msg})
	must(b.t, err)
	k := clock.New(b.t.Context(), clock.Config{Keep: clock.Disk{Dir: b.dir, Box: id.Box, Device: id.Device}, Built: noon, Log: nobody})
	k.Learn(noon.Add(time.Hour))
	must(b.t, k.End())
}

// joins asks for a place by stick once more, and leaves what the courier and the counter's page keep.
func (b *box) joins() {
	b.t.Helper()
	var secret wire.JoinCode
	copy(secret.Secret[:], joinSecret)
	stick := b.t.TempDir()
	must(b.t, os.Rename(filepath.Join(b.dir, "place.cbor"), filepath.Join(stick, "place.cbor")))
	if _, joined, err := boxes.JoinByStick(b.t.Context(), config.Config{DataDir: b.dir, TPM: b.where}, stick, secret, "v1.2.3"); err != nil || joined {
		b.t.Fatalf("JoinByStick = joined %v, %v", joined, err)
	}
	must(b.t, os.Rename(filepath.Join(stick, "place.cbor"), filepath.Join(b.dir, "place.cbor")))
	for name, what := range map[string]any{
		"courier.cbor": map[uint64]any{1: 1, 2: noon.Unix()},
		"unseen.cbor":  map[uint64]any{1: []any{map[uint64]any{1: make([]byte, 16), 2: 1}}, 2: []any{}},
	} {
		octets, err := canon.Encode(what)
		must(b.t, err, os.WriteFile(filepath.Join(b.dir, name), octets, 0o600))
	}
}

type done struct{}

func (done) Order(context.Context, order.Order) ([]byte, error) { return nil, nil }

// copyOf is the data directory in another place.
func copyOf(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	must(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}

func must(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func mkdir(t testing.TB, parts ...string) string {
	t.Helper()
	dir := filepath.Join(parts...)
	must(t, os.MkdirAll(dir, 0o700))
	return dir
}
