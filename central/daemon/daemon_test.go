package daemon_test

import (
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/daemon"
	"kazashi.example/central/keys"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

func TestOpenSaysWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(p *place) error
		want   error
		says   string
	}{
		{"no keys", func(p *place) error { return os.RemoveAll(p.conf.KeysDir) }, daemon.ErrNoKeys, "run `kazashi-central init` first"},
		{"a lost key", func(p *place) error { return os.Remove(filepath.Join(p.conf.KeysDir, "ppid-1.key")) }, fs.ErrNotExist, "put the copy of the key directory"},
		{"an open key", func(p *place) error { return os.Chmod(filepath.Join(p.conf.KeysDir, "tls.key"), 0o644) }, keys.ErrMode, "tls.key"},
		{"a damaged key", func(p *place) error {
			return os.WriteFile(filepath.Join(p.conf.KeysDir, "root.key"), []byte("x"), 0o600)
		}, keys.ErrFile, "root.key"},
		{"no anchor", func(p *place) error { return os.Remove(p.conf.JPKI[0].AuthAnchors[0]) }, fs.ErrNotExist, "reading an anchor"},
		{"a foreign database", func(p *place) error {
			return errors.Join(os.MkdirAll(p.conf.DataDir, 0o700), os.WriteFile(filepath.Join(p.conf.DataDir, "central.db"), []byte("x"), 0o600))
		}, store.ErrDamaged, "restore the last backup"},
		{"an interrupted restore", func(p *place) error {
			return errors.Join(os.MkdirAll(p.conf.DataDir, 0o700), os.WriteFile(filepath.Join(p.conf.DataDir, "central.restoring"), nil, 0o600))
		}, store.ErrRestoring, "run it again"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := setUp(t)
			must(t, c.damage(p))
			d, err := p.open(t)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("Open() = %v, %v, want %v with %q", d, err, c.want, c.says)
			}
		})
	}
}

func TestOpenGivesTheLockBack(t *testing.T) {
	p := setUp(t)
	anchor := p.conf.JPKI[0].AuthAnchors[0]
	must(t, os.Rename(anchor, anchor+".away"))
	if _, err := p.open(t); err == nil {
		t.Fatal("Open() without an anchor = nil, want an error")
	}
	must(t, os.Rename(anchor+".away", anchor))
	d, err := p.open(t)
	must(t, err)
	if _, err := p.open(t); !errors.Is(err, store.ErrBusy) {
		t.Errorf("Open() of a database in use = %v, want ErrBusy", err)
	}
	must(t, d.Close())
}

// Keys made anew beside a database that has served boxes would lead them all astray.
func TestOpenRefusesOtherKeys(t *testing.T) {
	p := setUp(t)
	d, err := p.open(t)
	must(t, err)
	must(t, d.Close())
	right := p.conf.KeysDir
	p.conf.KeysDir = filepath.Join(t.TempDir(), "keys")
	must(t, keys.Create(p.conf.KeysDir))
	bundle, err := os.ReadFile(filepath.Join(p.conf.DataDir, "trust.cbor"))
	must(t, err)
	if _, err := p.open(t); !errors.Is(err, daemon.ErrOtherKeys) {
		t.Fatalf("Open() with other keys = %v, want ErrOtherKeys", err)
	}
	after, err := os.ReadFile(filepath.Join(p.conf.DataDir, "trust.cbor"))
	if err != nil || string(after) != string(bundle) {
		t.Errorf("the trust bundle was changed: %v", err)
	}
	p.conf.KeysDir = right
	must(t, os.WriteFile(filepath.Join(p.conf.DataDir, "trust.cbor"), []byte("damaged"), 0o600))
	d, err = p.open(t)
	must(t, err) // made anew
	must(t, d.Close())
}

func TestRunRefusesATakenPort(t *testing.T) {
	for _, key := range []string{"uplink.listen", "http.listen"} {
		t.Run(key, func(t *testing.T) {
			p := setUp(t)
			at := p.conf.Uplink.Listen
			if key == "http.listen" {
				at = p.conf.HTTP.Listen
			}
			l, err := net.Listen("tcp", at)
			must(t, err)
			defer l.Close()
			d, err := p.open(t)
			must(t, err)
			defer d.Close()
			if err := d.Run(t.Context()); !errors.Is(err, daemon.ErrInUse) || !strings.Contains(err.Error(), key) {
				t.Errorf("Run() = %v, want ErrInUse naming %s", err, key)
			}
			if _, err := os.Lstat(filepath.Join(p.conf.DataDir, daemon.Socket)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the socket is there: %v", err)
			}
		})
	}
}

func TestListsBecomeSetsThatBoxesFetch(t *testing.T) {
	p := setUp(t)
	p.run(t)
	box := p.join(t)
	var offer wire.SetOffer
	eventually(t, "a box is offered the set", func() bool {
		got, err := box.Poll(t.Context(), wire.Poll{})
		must(t, err)
		if len(got.Sets) == 1 {
			offer = got.Sets[0]
		}
		return offer.Number.N > 0
	})
	if !regexp.MustCompile(`"msg":"a new revocation set is in force","scope":"practice/auth","number":"\d+-\d+".*"entries":0,`).MatchString(p.log.String()) {
		t.Errorf("the log does not tell of the set:\n%s", p.log)
	}
	body, err := box.Blob(t.Context(), offer.Manifest.ID, 0)
	must(t, err)
	b, err := io.ReadAll(body)
	must(t, errors.Join(err, body.Close()))
	if sum := sha256.Sum256(b); wire.BlobID(sum) != offer.Manifest.ID {
		t.Errorf("the manifest fetched is not the one offered")
	}
}

// A box that waits for news when central stops is answered, and not cut off.
func TestP1HeldPollsAreAnsweredAtTheEnd(t *testing.T) {
	p := setUp(t)
	_, stop := p.run(t)
	box := p.join(t)
	first, err := box.Poll(t.Context(), wire.Poll{})
	must(t, err)
	ask := wire.Poll{Wait: wire.MaxWait, Waiting: 42, Trust: 1 << 40, Rules: rule.Version{CentralEpoch: first.CentralEpoch, N: 1 << 40}}
	eventually(t, "the box has the set", func() bool {
		got, err := box.Poll(t.Context(), wire.Poll{})
		must(t, err)
		for _, o := range got.Sets {
			ask.Sets = []wire.HeldSet{{Hierarchy: o.Hierarchy, Purpose: o.Purpose, Number: rule.Version{CentralEpoch: 1 << 40, N: 1}}}
		}
		return ask.Sets != nil
	})
	answered := make(chan error, 1)
	go func() {
		got, err := box.Poll(t.Context(), ask)
		if err == nil && got.CentralEpoch != first.CentralEpoch {
			err = errors.New("the answer is not central's")
		}
		answered <- err
	}()
	eventually(t, "the poll is held", func() bool {
		boxes, err := p.operator().Boxes(t.Context())
		must(t, err)
		return len(boxes) == 1 && boxes[0].Waiting == 42
	})
	select {
	case err := <-answered:
		t.Fatalf("the poll ended before central did: %v", err)
	default:
	}
	began := time.Now()
	if err := stop(); err != nil {
		t.Errorf("Run() = %v, want nil", err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("stopping took %s, want no waiting for the poll", took)
	}
	if err := <-answered; err != nil {
		t.Errorf("Poll() when central stopped = %v, want an answer", err)
	}
	if log := p.log.String(); strings.Contains(log, `"level":"ERROR"`) || strings.Contains(log, `"level":"WARN"`) {
		t.Errorf("stopping is no trouble, and yet the log says:\n%s", log)
	}
}

func TestABoxIsShownWithItsGaps(t *testing.T) {
	p := setUp(t)
	p.run(t)
	p.join(t)
	all, err := p.operator().Boxes(t.Context())
	must(t, err)
	b, err := p.operator().Box(t.Context(), all[0].ID)
	if err != nil || b.ID != all[0].ID || b.Name != "one" || b.Gaps == nil || len(b.Gaps) != 0 || b.MoreGaps {
		t.Errorf("Box() = %+v, %v, want the box and no gaps", b, err)
	}
	if page := p.get(t, "/v1/boxes/"+all[0].ID.String()); !strings.Contains(page, `"name":"one"`) || !strings.Contains(page, `"gaps":[]`) {
		t.Errorf("the read-only side says %s of the box", page)
	}
	var refused *admin.Refused
	if _, err := p.operator().Box(t.Context(), record.NewBoxID()); !errors.As(err, &refused) || !strings.Contains(refused.Error(), "no such box") {
		t.Errorf("Box() of an unknown box = %v, want a refusal", err)
	}
}

// A health check says what the database does, and counts nothing.
func TestHealthyAsksTheDatabase(t *testing.T) {
	p := setUp(t)
	d, err := p.open(t)
	must(t, err)
	if err := d.Healthy(t.Context()); err != nil {
		t.Errorf("Healthy() = %v, want nil", err)
	}
	must(t, d.Close())
	if err := d.Healthy(t.Context()); err == nil {
		t.Error("Healthy() of a closed database = nil, want an error")
	}
}

// P3: no label of a metric can name a person, a card, a service, a site or a box.
func TestP3MetricsNameNobody(t *testing.T) {
	p := setUp(t)
	p.run(t)
	p.join(t)
	_, err := p.operator().Status(t.Context()) // counted anew, for the metrics too
	must(t, err)
	page := p.get(t, "/metrics")
	if !strings.Contains(page, "\nkazashi_central_boxes 1\n") {
		t.Errorf("the metrics do not count the box:\n%s", page)
	}
	series := regexp.MustCompile(`(?m)^kazashi_central_\w+\{(.*)\} `).FindAllStringSubmatch(page, -1)
	allowed := regexp.MustCompile(`^(version="v1\.2\.3"|scope="practice/(auth|sign)")$`)
	for _, s := range series {
		if !allowed.MatchString(s[1]) {
			t.Errorf("labelled series = %q, want version and scopes of lists alone", s)
		}
	}
	if len(series) == 0 {
		t.Error("no labelled series, want the version at least")
	}
	for _, word := range []string{"branch-1", "one", "practice.library", "practice-city"} {
		if strings.Contains(page, `"`+word+`"`) {
			t.Errorf("the metrics say %q", word)
		}
	}
}

func TestOperatorIsToldWhatIsWrong(t *testing.T) {
	p := setUp(t)
	d, err := p.open(t)
	must(t, err)
	defer d.Close()
	for _, c := range []admin.Code{
		{Site: "", Name: "one"},
		{Site: "Branch 1", Name: "one"},
		{Site: "branch-1", Name: ""},
		{Site: "branch-1", Name: strings.Repeat("x", 121)},
		{Site: "branch-1", Name: "one\x1b[2J"},
		{Site: "branch-1", Name: "one\ntwo"},
		{Site: "branch-1", Name: "\xff"},
		{Site: "branch-1", Name: "one", Hours: -1},
		{Site: "branch-1", Name: "one", Hours: daemon.MaxCodeHours + 1},
	} {
		var refused *admin.Refused
		if _, err := d.NewCode(t.Context(), c); !errors.As(err, &refused) {
			t.Errorf("NewCode(%+v) = %v, want a refusal", c, err)
		}
	}
	for _, state := range []string{"", "Active", "gone"} {
		var refused *admin.Refused
		if err := d.SetState(t.Context(), record.NewBoxID(), state); !errors.As(err, &refused) {
			t.Errorf("SetState(%q) = %v, want a refusal", state, err)
		}
	}
	var refused *admin.Refused
	if err := d.SetState(t.Context(), record.NewBoxID(), "revoked"); !errors.As(err, &refused) {
		t.Errorf("SetState() of an unknown box = %v, want a refusal", err)
	}
	n, err := d.NewCode(t.Context(), admin.Code{Site: "branch-1", Name: "一番窓口", Hours: 1})
	if left := time.Until(n.Expires); err != nil || left > time.Hour || left < 59*time.Minute {
		t.Errorf("NewCode() = expires in %s, %v, want an hour", left, err)
	}
}
