package policy_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/config"
	"kazashi.example/central/keys"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/central/policy"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

var day = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is a central's folders.
type rig struct {
	t    *testing.T
	conf config.Config
	keys *keys.Keys
	now  time.Time
	dir  string // of anchor files

	db    *sqlite.DB
	epoch uint64 // 1, and one more for each restore
}

// site is one that the configuration does not name.
const site record.SiteID = "branch-1"

// practice is one practice world for all tests, which only read of it.
var practice *world.World

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, now: day, dir: t.TempDir(), epoch: 1}
	if practice == nil {
		practice = worldtest.Open(t, world.Config{Now: day, People: 1})
	}
	var auth, signing []string
	for _, a := range practice.Anchors() {
		path := filepath.Join(r.dir, fmt.Sprintf("%s-g%d.cer", a.Scope.Purpose, a.Generation))
		must(t, os.WriteFile(path, a.Cert, 0o600))
		if a.Scope.Purpose == certid.PurposeAuth {
			auth = append(auth, path)
		} else {
			signing = append(signing, path)
		}
	}
	text := fmt.Sprintf(`data_dir = %q
[[jpki]]
hierarchy = "practice"
auth_anchors = ["%s"]
sign_anchors = ["%s"]
auth_crl = "http://127.0.0.1:7443/crl/auth.crl"
[[service]]
id = "kiyose.library"
verifier = "kiyose"
basis = "drill"
evidence = "certificate"
practice = true
hierarchies = ["practice"]
`, t.TempDir(), strings.Join(auth, `", "`), strings.Join(signing, `", "`))
	var err error
	r.conf, err = config.Parse([]byte(text))
	must(t, err)
	must(t, keys.Create(r.conf.KeysDir))
	r.keys, err = keys.Open(r.conf.KeysDir)
	must(t, err)
	r.open()
	t.Cleanup(func() { must(t, r.db.Close()) })
	return r
}

// make is a start of central, a minute after the one before it.
func (r *rig) make(epoch uint64) *policy.Policy {
	r.t.Helper()
	r.now = r.now.Add(time.Minute)
	r.central(epoch)
	p, err := r.try()
	must(r.t, err)
	r.believed(p)
	return p
}

// central makes the database that of a central which was restored until its epoch is the one that a test counts as this.
func (r *rig) central(epoch uint64) {
	r.t.Helper()
	for ; r.epoch < epoch; r.epoch++ {
		must(r.t, r.db.Close())
		must(r.t, sqlite.Reopen(r.t.Context(), filepath.Join(r.conf.DataDir, sqlite.FileDatabase), uint64(day.Unix())+r.epoch))
		r.open()
	}
}

// emptyDatabase is a database as central first makes it; making one takes longer than most tests here.
var emptyDatabase []byte

func (r *rig) open() {
	r.t.Helper()
	path := filepath.Join(r.conf.DataDir, sqlite.FileDatabase)
	if _, err := os.Lstat(path); errors.Is(err, os.ErrNotExist) && emptyDatabase != nil {
		must(r.t, os.WriteFile(path, emptyDatabase, 0o600))
	}
	var err error
	if emptyDatabase == nil {
		r.db, err = sqlite.Open(r.t.Context(), r.conf.DataDir, day)
		must(r.t, errors.Join(err, r.db.Close()))
		emptyDatabase, err = os.ReadFile(path)
		must(r.t, err)
	}
	r.db, err = sqlite.Open(r.t.Context(), r.conf.DataDir, day)
	must(r.t, err)
}

// try is a start of central.
func (r *rig) try() (*policy.Policy, error) {
	return policy.Make(r.t.Context(), r.conf, r.keys, r.db, r.now)
}

// believed checks that a box believes what was made.
func (r *rig) believed(p *policy.Policy) {
	r.t.Helper()
	root, err := r.keys.Fingerprint()
	must(r.t, err)
	o, err := trust.Open(p.TrustSigned, trust.Terms{Root: root, Now: r.now})
	must(r.t, err)
	set := r.set(o, p, site)
	if o.Number != p.Trust.Number || set.Version != p.Version() || o.Root != p.Root || len(o.Anchors) != len(p.Trust.Anchors) {
		r.t.Errorf("signed: trust %d, rules %v; said: %d, %v", o.Number, set.Version, p.Trust.Number, p.Version())
	}
}

// set is what a box of a site gets and opens.
func (r *rig) set(keys sign.Keys, p *policy.Policy, at record.SiteID) rule.Set {
	r.t.Helper()
	_, signed, err := p.RulesFor(at)
	must(r.t, err)
	set, err := rule.Open(keys, signed, rule.Terms{Site: at, Approved: func(v record.VerifierID) bool { return p.Trust.Approves(v, r.now) }})
	must(r.t, err)
	return set
}

func TestAnUnchangedConfigurationMakesTheSameBytes(t *testing.T) { // P9
	r := newRig(t)
	a := r.make(1)
	r.conf.JPKI[0].AuthAnchors[0], r.conf.JPKI[0].AuthAnchors[1] = r.conf.JPKI[0].AuthAnchors[1], r.conf.JPKI[0].AuthAnchors[0]
	b := r.make(1)
	if a.Version() != b.Version() || !bytes.Equal(a.TrustSigned, b.TrustSigned) {
		t.Error("a second start signed anew; the order of anchor files is no change")
	}
	if len(b.Trust.Anchors) != 6 || !b.Anchors.Has(certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeSign}) {
		t.Errorf("%d anchors, want four of authentication and two of signatures", len(b.Trust.Anchors))
	}
}

func TestEachChangeRaisesItsOwnNumber(t *testing.T) { // P9
	for _, try := range []struct {
		name         string
		change       func(r *rig)
		epoch        uint64
		rules, trust bool
	}{
		{"a rule", func(r *rig) { r.conf.Service[0].TooOld = "record" }, 1, true, false},
		{"an anchor less", func(r *rig) { r.conf.JPKI[0].SignAnchors = nil }, 1, false, true},
		{"a restored central", func(*rig) {}, 2, true, true}, // boxes may hold a later bundle than the restored disk does
	} {
		r := newRig(t)
		a := r.make(1)
		try.change(r)
		b := r.make(try.epoch)
		if got := b.Version().Compare(a.Version()) > 0; got != try.rules {
			t.Errorf("%s: rules rose from %v to %v, want %v", try.name, a.Version(), b.Version(), try.rules)
		}
		if got := b.Trust.Number > a.Trust.Number; got != try.trust {
			t.Errorf("%s: trust rose from %d to %d, want %v", try.name, a.Trust.Number, b.Trust.Number, try.trust)
		}
		if c := r.make(try.epoch); b.Version() != c.Version() || !bytes.Equal(b.TrustSigned, c.TrustSigned) {
			t.Errorf("%s: the start after signed anew", try.name)
		}
	}
}

// A clock that went back does not make a number fall as long as the kept files are there.
func TestNumbersRiseUnderAClockThatWentBack(t *testing.T) { // P8
	r := newRig(t)
	a := r.make(1)
	r.now = time.Unix(5, 0)
	r.conf.Service[0].TooOld, r.conf.JPKI[0].SignAnchors = "record", nil
	b := r.make(1)
	if b.Version().N != a.Version().N+1 || b.Trust.Number != a.Trust.Number+1 {
		t.Errorf("rules %d, then %d; trust %d, then %d; want one more each", a.Version().N, b.Version().N, a.Trust.Number, b.Trust.Number)
	}
}

// A disk restored without the files: numbers come from the time, which has passed every number given out.
func TestNumbersRiseWithoutTheFiles(t *testing.T) {
	r := newRig(t)
	a := r.make(1)
	must(t, errors.Join(r.db.Close(), os.RemoveAll(r.conf.DataDir+"/trust"), os.Remove(filepath.Join(r.conf.DataDir, "trust.cbor")),
		os.Remove(filepath.Join(r.conf.DataDir, sqlite.FileDatabase))))
	r.open()
	if b := r.make(1); b.Version().N <= a.Version().N || b.Trust.Number <= a.Trust.Number || len(b.Damaged) != 0 {
		t.Errorf("rules %d, then %d; trust %d, then %d", a.Version().N, b.Version().N, a.Trust.Number, b.Trust.Number)
	}
}

func TestADamagedFileIsSetAsideAndReported(t *testing.T) { // P9
	for _, name := range []string{"trust.cbor"} {
		for what, harm := range map[string]func([]byte) []byte{
			"cut":     func(b []byte) []byte { return b[:len(b)/2] },
			"empty":   func([]byte) []byte { return nil },
			"changed": func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		} {
			r := newRig(t)
			a := r.make(1)
			path := filepath.Join(r.conf.DataDir, name)
			whole, err := os.ReadFile(path)
			must(t, err)
			must(t, os.WriteFile(path, harm(whole), 0o600))
			b := r.make(1)
			if len(b.Damaged) != 1 || !strings.HasPrefix(b.Damaged[0], path+".set-aside-") {
				t.Errorf("%s %s: Damaged = %v, want it under another name", name, what, b.Damaged)
			}
			if b.Version().N < a.Version().N || b.Trust.Number < a.Trust.Number || b.Trust.Number+b.Version().N == a.Trust.Number+a.Version().N {
				t.Errorf("%s %s: numbers did not rise", name, what)
			}
		}
	}
}

func TestAChangedSigningKeySignsAnew(t *testing.T) { // P9
	r, other := newRig(t), newRig(t)
	a := r.make(1)
	r.keys.Sign = other.keys.Sign
	b := r.make(1)
	if a.Version() == b.Version() || b.Trust.Number <= a.Trust.Number {
		t.Error("rules or bundle of the old key are still given out")
	}
}

// A folder put together from two centrals' keys is found out before a box sees anything of it.
func TestKeysOfTwoCentrals(t *testing.T) {
	r, other := newRig(t), newRig(t)
	r.keys.Root = other.keys.Root
	if _, err := r.try(); !errors.Is(err, trust.ErrThreshold) && !errors.Is(err, sign.ErrUnknownKey) {
		t.Errorf("Make with a root key that the root set does not name = %v, want ErrThreshold", err)
	}
	if left, _ := filepath.Glob(filepath.Join(r.conf.DataDir, "*.cbor")); len(left) != 0 {
		t.Errorf("Make left %v", left)
	}
}

// Each fault of an anchor file is named with the file, and nothing is written: no number is spent on what cannot be given out.
func TestAnchorFaults(t *testing.T) {
	for name, try := range map[string]struct {
		spoil func(t *testing.T, path string, der []byte) []byte
		want  error
	}{
		"no certificate": {func(*testing.T, string, []byte) []byte { return []byte("hello") }, policy.ErrAnchor},
		"empty":          {func(*testing.T, string, []byte) []byte { return nil }, policy.ErrAnchor},
		"cut":            {func(_ *testing.T, _ string, der []byte) []byte { return der[:100] }, policy.ErrAnchor},
		"a second one behind it": {func(_ *testing.T, _ string, der []byte) []byte {
			return append(pemOf("CERTIFICATE", der), pemOf("CERTIFICATE", der)...)
		}, policy.ErrAnchor},
		"a key": {func(_ *testing.T, _ string, der []byte) []byte { return pemOf("PRIVATE KEY", der) }, policy.ErrAnchor},
		"gone":  {func(t *testing.T, path string, _ []byte) []byte { must(t, os.Remove(path)); return nil }, os.ErrNotExist},
	} {
		r := newRig(t)
		path := r.conf.JPKI[0].AuthAnchors[0]
		der, err := os.ReadFile(path)
		must(t, err)
		if b := try.spoil(t, path, der); !errors.Is(try.want, os.ErrNotExist) {
			must(t, os.WriteFile(path, b, 0o600))
		}
		_, err = r.try()
		if !errors.Is(err, try.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("Make(%s) = %v, want %v with the file's name", name, err, try.want)
		}
		if left, _ := filepath.Glob(filepath.Join(r.conf.DataDir, "*.cbor")); len(left) != 0 {
			t.Errorf("Make(%s) left %v", name, left)
		}
	}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestAnchorForms(t *testing.T) {
	r := newRig(t)
	want := r.make(1).Trust.Anchors
	path := r.conf.JPKI[0].AuthAnchors[0]
	der, err := os.ReadFile(path)
	must(t, err)
	must(t, os.WriteFile(path, append([]byte("a note before it\n"), pemOf("CERTIFICATE", der)...), 0o600))
	if got := r.make(1).Trust.Anchors; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Error("the same certificate as PEM is another anchor")
	}
	r.conf.JPKI[0].AuthAnchors = append(r.conf.JPKI[0].AuthAnchors, path)
	if _, err := r.try(); !errors.Is(err, jpki.ErrAnchor) {
		t.Errorf("Make with an anchor twice = %v, want ErrAnchor", err)
	}
	r.conf.JPKI[0].AuthAnchors, r.conf.JPKI[0].Hierarchy = r.conf.JPKI[0].AuthAnchors[:1], "production"
	if _, err := r.try(); !errors.Is(err, jpki.ErrAnchor) {
		t.Errorf("Make with a practice anchor as production = %v, want ErrAnchor", err)
	}
}
