package daemon_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/config"
	"kazashi.example/central/daemon"
	"kazashi.example/central/keys"
	"kazashi.example/central/lab/jpki"
	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// waitLimit is how long a test waits for anything.
const waitLimit = 20 * time.Second

// place is a central that was set up and does not run.
type place struct {
	conf config.Config
	log  *diary
}

// diary keeps what was logged.
type diary struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (d *diary) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buf.Write(p)
}

func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.buf.String()
}

// setUp makes a world, its JPKI and central's keys.
func setUp(t *testing.T) *place {
	t.Helper()
	w := worldtest.Open(t, world.Config{People: 1})
	authority, err := jpki.NewService(w, jpki.Config{})
	must(t, err)
	web := httptest.NewServer(authority)
	t.Cleanup(web.Close)
	dir := t.TempDir()
	c := stage.Central{
		DataDir: filepath.Join(dir, "c"), JPKI: web.URL, Verifier: "practice-city", Services: []string{"practice.library"},
		ListEvery: time.Second, BackupEvery: time.Hour,
	}
	for _, a := range w.Anchors() {
		if a.Scope.Purpose == certid.PurposeAuth {
			path := filepath.Join(dir, "auth-"+string(rune('0'+a.Generation))+".cer")
			must(t, os.WriteFile(path, a.Cert, 0o600))
			c.AuthAnchors = append(c.AuthAnchors, path)
		}
	}
	ports, err := stage.FreePorts(t.Context(), 2)
	must(t, err)
	c.Uplink, c.HTTP = ports[0], ports[1]
	conf, err := config.Parse(c.TOML())
	must(t, err)
	must(t, keys.Create(conf.KeysDir))
	return &place{conf: conf, log: &diary{}}
}

func (p *place) open(t *testing.T) (*daemon.Daemon, error) {
	return daemon.Open(t.Context(), p.conf, "v1.2.3", slog.New(slog.NewJSONHandler(p.log, nil)))
}

// run runs central until the test ends or stop is called, which returns what Run returned.
func (p *place) run(t *testing.T) (d *daemon.Daemon, stop func() error) {
	t.Helper()
	d, err := p.open(t)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	var result error
	stop = sync.OnceValue(func() error {
		cancel()
		result = <-done
		return errors.Join(result, d.Close())
	})
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
	eventually(t, "central answers", func() bool { _, err := p.operator().Status(t.Context()); return err == nil })
	return d, stop
}

func (p *place) operator() *admin.Client {
	return admin.NewClient(filepath.Join(p.conf.DataDir, daemon.Socket))
}

// get asks the read-only side.
func (p *place) get(t *testing.T, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + p.conf.HTTP.Listen + path)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s = %s %s", path, resp.Status, b)
	}
	return string(b)
}

// join lets a new box in and returns its line.
func (p *place) join(t *testing.T) *uplink.Client {
	t.Helper()
	n, err := p.operator().NewCode(t.Context(), admin.Code{Site: "branch-1", Name: "one"})
	must(t, err)
	return p.joinBy(t, n.Code)
}

// joinBy lets a new box in by a code.
func (p *place) joinBy(t *testing.T, text string) *uplink.Client {
	t.Helper()
	code, err := wire.ParseJoinCode(text)
	must(t, err)
	device, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	own, err := sign.PublicKeyOf(device.Public())
	must(t, err)
	s, err := seal.GenerateKey()
	must(t, err)
	conf := uplink.Config{Address: p.conf.Uplink.Listen, Device: device}
	_, central, err := uplink.Join(t.Context(), conf, code, wire.JoinRequest{
		Box: record.NewBoxID(), Device: own.DER(), Sealing: s.Public().Bytes(), Release: "v1",
	})
	must(t, err)
	conf.Central = func() []sign.PublicKey { return []sign.PublicKey{central} }
	c, err := uplink.NewClient(conf)
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for deadline := time.After(waitLimit); !ok(); {
		select {
		case <-poll.C:
		case <-deadline:
			t.Fatalf("in vain waited that %s", what)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
