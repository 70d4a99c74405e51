package proof_test

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/crl"
	"kazashi.example/central/intake"
	"kazashi.example/central/lab/proof/rig"
	"kazashi.example/central/opener"
	"kazashi.example/central/ppid"
	"kazashi.example/central/store/notice"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// one is the practice service with its key, as central's configuration has it.
type one struct{ key seal.PrivateKey }

func (o one) SealKey(sign.KeyID) (seal.PrivateKey, error) { return o.key, nil }

func (one) Rule(_ context.Context, _ record.SiteID, _ rule.Version, id record.ServiceID) (rule.Rule, bool, error) {
	return rule.Rule{
		Service: rig.Service, Verifier: "practice-city", Basis: record.BasisDrill, Evidence: record.EvidenceCard, Practice: true,
		ListFull: 86400, ListProvisional: 7 * 86400, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyPractice},
	}, id == rig.Service, nil
}

func (one) Sector(id record.ServiceID) (string, bool) { return string(id), true }

// openers makes n openers on one database, each as a replica would have it.
func openers(t *testing.T, r *rig.Rig, db *sqlite.DB, n int) (all []*opener.Opener) {
	t.Helper()
	k, log := r.Central.Keys(), slog.New(slog.NewJSONHandler(r.CentralLog, nil))
	names, err := ppid.NewDeriver(k.Handle, k.PPID, 1)
	if err != nil {
		t.Fatal(err)
	}
	var list []jpki.Anchor
	for _, a := range r.World.Anchors() {
		cert, err := x509.ParseCertificate(a.Cert)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, jpki.Anchor{Cert: cert, Hierarchy: a.Scope.Hierarchy, Purpose: a.Scope.Purpose})
	}
	anchors, err := jpki.NewAnchors(list...)
	if err != nil {
		t.Fatal(err)
	}
	lists, err := crl.Open(t.Context(), crl.Config{Dir: t.TempDir(), Anchors: anchors, Sign: k.Sign, CentralEpoch: 1, Now: time.Now, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := lists.Close(); err != nil {
			t.Error(err)
		}
	})
	status := &validity.Authority{
		Anchors: anchors, Lists: lists, OCSP: r.AuthorityURL() + "/ocsp", HTTP: http.DefaultClient, Now: time.Now, Log: log,
	}
	for range n {
		all = append(all, opener.New(opener.Config{
			Store: db, SealKeys: one{k.Seal}, Rows: k.Rows, Identity: names, Services: one{k.Seal}, Validity: status, Examiner: anchors,
			Bells: &notice.Bells{}, Now: time.Now, Log: log,
		}))
	}
	return all
}

// P2, design §5.4: what was received is opened by three openers at once, each of which sees all of it: one row each. The daemon
// that comes afterwards goes on from there, and the box gets each verdict once.
func TestP2SeveralOpenersAtOnce(t *testing.T) {
	r := rig.New(t, rig.Setup{Evidence: record.EvidenceCard})
	b, load := alone(r,
		[]string{"enrol hanako", "goro", "hanako", "ren", "enrol taro", "taro"},
		[]string{"enrol yuki", "pin hanako", "yuki", "enrol kenji", "kenji"})
	r.Central.Stop()
	db, err := sqlite.Open(t.Context(), r.Central.Dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	out, err := intake.New(db, intake.Limits{}, time.Now).Receive(t.Context(), sign.KeyID{}, load)
	if err != nil || len(out.Refused) != 0 {
		t.Fatalf("Receive = %+v, %v, want nothing refused", out.Refused, err)
	}
	var working sync.WaitGroup
	for _, o := range openers(t, r, db, 3) {
		working.Go(func() {
			if err := o.Drain(t.Context()); err != nil {
				t.Errorf("Drain = %v", err)
			}
		})
	}
	working.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if rows := r.EachOnce(); len(rows) != 11 {
		t.Errorf("%d records, want 11", len(rows))
	}
	before := pseudonyms(t, r, 4)
	r.Central.Start()
	b.Line.Restore()
	b.Synced()
	b.Settled()
	settledAgain(r, 11)
	r.EachOnce()
	samePseudonyms(t, before, pseudonyms(t, r, 4))
	if s := r.Central.Status(); s.Settled != 11 || s.Persons != 4 || s.Reports != 0 {
		t.Errorf("status = %+v, want 11 settled, 4 persons and no report", s)
	}
}
