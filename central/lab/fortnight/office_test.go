package fortnight_test

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/appliance/link"
	"kazashi.example/appliance/vault"
	"kazashi.example/central/boxline"
	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/person"
	"kazashi.example/central/rosters"
	"kazashi.example/central/store"
	"kazashi.example/central/validity"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// The site's services: drills, as they take practice cards, but for the last.
const (
	door    record.ServiceID = "door"    // whoever passes
	shelter record.ServiceID = "shelter" // who is here
	meals   record.ServiceID = "meals"   // one each time
	library record.ServiceID = "library" // without the PIN, by the card that was bound at the enrolment
	clerk   record.ServiceID = "clerk"   // with a named member of staff at the desk
	kiosk   record.ServiceID = "kiosk"   // national cards by the bound key alone, under Art. 38-4, for as long as that is approved
)

const hour = 3600 // seconds

// approvedFor is how long after the start the kiosk's approval ends, by whatever the box says the time is.
const approvedFor = 9 * 24 * time.Hour

// rules are what is in force at the site.
func rules() rule.Set {
	base := rule.Rule{
		Verifier: city, Basis: record.BasisDrill, Practice: true, Supervised: true, ListFull: 72 * hour, ListProvisional: 240 * hour, TooOld: rule.TooOldRefuse,
		Hierarchies: []certid.Hierarchy{practice}, Retention: rule.Retention{Book: 60},
	}
	with := func(id record.ServiceID, e record.Evidence, change func(*rule.Rule)) rule.Rule {
		r := base
		r.Service, r.Evidence = id, e
		change(&r)
		return r
	}
	return rule.Set{
		Version: rule.Version{CentralEpoch: 1, N: 3}, Issued: start.Add(-24 * time.Hour).Unix(), Site: site,
		Rules: []rule.Rule{
			with(door, record.EvidenceCertificate, func(r *rule.Rule) { r.TooOld = rule.TooOldRecord }),
			with(shelter, record.EvidenceCertificate, func(r *rule.Rule) {
				r.TooOld, r.SecondUse, r.SecondWithin = rule.TooOldRecord, rule.SecondUseTell, 6*hour
			}),
			with(meals, record.EvidenceCertificate, func(r *rule.Rule) {
				r.TooOld, r.SecondUse, r.SecondWithin = rule.TooOldRecord, rule.SecondUseRefuse, 4*hour
			}),
			with(library, record.EvidenceCard, func(*rule.Rule) {}),
			with(clerk, record.EvidenceCertificate, func(r *rule.Rule) { r.SignIn = true }),
			with(kiosk, record.EvidenceCardBound, func(r *rule.Rule) {
				r.Basis, r.Practice, r.Hierarchies = record.BasisArt384, false, []certid.Hierarchy{certid.HierarchyProduction}
			}),
		},
	}
}

// office is central: its real parts, over true time, without its network.
type office struct {
	*simcentral.Central

	t       *testing.T
	root    trust.Fingerprint
	bundle  []byte
	rules   rule.Set
	signed  []byte
	anchors *jpki.Anchors

	mu      sync.Mutex // guards what follows
	revoked map[certid.Serial]bool
	left    int // questions that are answered before the office closes for the day; 0: it does not
	enough  context.CancelFunc
}

func newOffice(t *testing.T, w *town) *office {
	t.Helper()
	o := &office{t: t, Central: simcentral.New(t), rules: rules(), revoked: map[certid.Serial]bool{}}
	var err error
	o.signed, err = o.rules.Sign(o.Keys.Sign)
	must(t, err)
	o.found(w)
	var list []jpki.Anchor
	for _, a := range w.anchors {
		cert, err := x509.ParseCertificate(a.Certificate)
		must(t, err)
		list = append(list, jpki.Anchor{Cert: cert, Hierarchy: a.Hierarchy, Purpose: a.Purpose})
	}
	o.anchors, err = jpki.NewAnchors(list...)
	must(t, err)
	o.staff()
	return o
}

// found signs what boxes believe.
func (o *office) found(w *town) {
	root := simbox.Key(o.t)
	set, err := trust.NewRootSet(1, 1, []sign.PublicKey{simcentral.Public(o.t, root)}).Sign([]crypto.Signer{root})
	must(o.t, err)
	o.root, err = trust.FingerprintOf(set)
	must(o.t, err)
	b := trust.Bundle{
		Number: 1, Issued: start.Add(-30 * 24 * time.Hour).Unix(), Suites: []seal.Suite{seal.Suite1}, Anchors: w.anchors, CardCAs: w.cards,
		Approvals: []trust.Approval{{Verifier: city, Reference: "practice 1", Until: start.Add(approvedFor).Unix()}},
		Keys: []trust.Key{
			{Purposes: []sign.Purpose{
				sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules, sign.PurposeRoster, sign.PurposeSet, sign.PurposeDelta,
				sign.PurposeSiteKeys, sign.PurposeOrder,
			}, Public: simcentral.Public(o.t, o.Keys.Sign).DER()},
			{Purposes: []sign.Purpose{trust.UseTLS}, Public: simcentral.Public(o.t, o.Keys.TLS).DER()},
			{Purposes: []sign.Purpose{trust.UseSeal}, Public: o.Keys.Seal.Public().Bytes()},
		},
	}
	o.bundle, err = b.Sign([][]byte{set}, []crypto.Signer{root})
	must(o.t, err)
}

// staff puts the parts together that work by these rules and by true time.
func (o *office) staff() {
	log := slog.New(slog.DiscardHandler)
	o.Intake = intake.New(o.Store, intake.Limits{}, truth)
	oc := o.Opener.Config
	oc.Services, oc.Validity, oc.Examiner, oc.Now = o, o, o.anchors, truth
	o.Opener = opener.New(oc)
	var err error
	o.Rosters, err = rosters.Open(rosters.Config{
		Dir: filepath.Join(o.Dir, "rosters-of-the-site"), Store: o.Store, People: o.People, Policy: o, Keys: o.SiteKeys, Sign: o.Keys.Sign,
		Bells: o.Bells, PPID: func(s store.Subject) (record.Subject, error) { return opener.PPID(o.Keys.Rows, s) }, Now: truth, Log: log,
	})
	must(o.t, err)
	lc := o.Line.Config
	lc.Intake, lc.Acks, lc.Desired, lc.Rosters, lc.Now = o.Intake, intake.NewAcks(o.Store, o.Keys.Sign, truth), o, o.Rosters, truth
	o.Line = boxline.New(lc)
}

// Rule is opener.Services.
func (o *office) Rule(_ context.Context, _ record.SiteID, _ rule.Version, id record.ServiceID) (rule.Rule, bool, error) {
	r, ok := o.rules.For(id)
	return r, ok, nil
}

// Sector is opener.Services.
func (*office) Sector(id record.ServiceID) (string, bool) { return string(id), id == library }

// Services is rosters.Policy.
func (*office) Services(record.SiteID, record.VerifierID) []person.Service {
	return []person.Service{{ID: library, Sector: string(library)}}
}

// StatusWithin is opener.Validity.
func (o *office) StatusWithin(_ context.Context, id certid.CertID, _ content.Issuer, _, to time.Time) (validity.Status, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := validity.Status{Answer: record.AnswerNotRevoked, Source: wire.SourceOCSP, ThisUpdate: to}
	if o.revoked[id.Serial] {
		s.Answer = record.AnswerRevoked
	}
	if o.left > 0 {
		if o.left--; o.left == 0 {
			o.enough()
		}
	}
	return s, nil
}

// some lets the office work on about so many records from now on.
func (o *office) some(n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.left = n
}

// tired says that it has, and that there was more.
func (o *office) tired() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.enough != nil && o.left == 0 && settledAtMost < taps
}

// revoke lets central know of a revocation that no box's list has yet.
func (o *office) revoke(s certid.Serial) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.revoked[s] = true
}

// Rules is boxline.Desired.
func (o *office) Rules(record.SiteID) (rule.Version, []byte, error) {
	return o.rules.Version, o.signed, nil
}

// Bundle is boxline.Desired.
func (o *office) Bundle() (uint64, []byte) { return 1, o.bundle }

// Offers is boxline.Desired: lists come as files here.
func (*office) Offers([]wire.HeldSet) []wire.SetOffer { return nil }

// OpenBlob is boxline.Desired.
func (o *office) OpenBlob(id wire.BlobID) (*os.File, error) { return o.Rosters.OpenBlob(id) }

// register takes a box into service.
func (o *office) register(id *vault.Identity) {
	o.t.Helper()
	d, err := id.Public()
	must(o.t, err)
	row := store.Box{
		ID: id.Box, Device: d.DER(), Sealing: id.Sealing.Public().Bytes(), Site: site, Name: "school", State: store.BoxActive, Joined: truth(),
	}
	must(o.t, o.Store.Update(o.t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.AddBox(row), o.Intake.Adopt(tx, row))
	}))
}

// work has central open what came, and tell the boxes.
func (o *office) work() {
	o.t.Helper()
	ctx, cancel := context.WithCancel(o.t.Context())
	defer cancel()
	o.mu.Lock()
	o.enough = cancel
	o.mu.Unlock()
	if err := o.Opener.Drain(ctx); !errors.Is(err, context.Canceled) {
		must(o.t, err)
	}
	must(o.t, o.Rosters.Make(o.t.Context()))
	o.Bells.RingAll()
}

// way is a box's way to central, without sockets.
type way struct {
	office *office
	device sign.PublicKey
}

var _ link.Central = (*way)(nil)

// Push is the uplink's.
func (w *way) Push(ctx context.Context, p wire.Push) (wire.Pushed, error) {
	return w.office.Line.Push(ctx, w.device, p)
}

// Poll is the uplink's.
func (w *way) Poll(ctx context.Context, p wire.Poll) (wire.Polled, error) {
	return w.office.Line.Poll(ctx, w.device, p)
}

// Blob is roster.Remote.
func (w *way) Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	b, err := w.office.Line.Blob(ctx, w.device, id)
	if err != nil {
		return nil, err
	}
	if _, err := b.Seek(int64(from), io.SeekStart); err != nil { //nolint:gosec // a place in a small file
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Close drops nothing: there are no connections.
func (*way) Close() {}
