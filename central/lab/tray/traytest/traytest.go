// Package traytest sets up a tray for tests: a real ledger in a temporary folder, a real relay as its line, and small servers
// that write down what the tray's hands ask of the card's rig and of the practice JPKI.
//
// It is for tests only; a [Bench] may be used from any goroutine and ends with its test.
package traytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/relay"
	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/hands"
	"kazashi.example/central/lab/tray/ledger"
)

// Bench is a tray and what is around it.
type Bench struct {
	Tray   *tray.Tray
	Ledger *ledger.Ledger
	Path   string // of the ledger
	Relay  *relay.Relay

	slot *hands.Slot
	pki  *hands.PKI

	mu      sync.Mutex // guards what follows
	asked   []string
	broken  map[string]bool
	renewed int
}

// People are four cards: in order, one more in order, expired, and one that is no My Number Card.
func People() []tray.Person {
	return []tray.Person{
		{
			Key: "hanako", Label: tray.Text{JA: "練習　花子", EN: "Hanako Renshu"}, Trait: "in_order", Serial: "0a01", Revocable: true, Renewable: true,
			Knows:   tray.Knows{PIN: "1234", InputPIN: "5678", Birth: "19800412"},
			Profile: "/world/hanako.json", First: tray.OutcomeServed, Final: tray.OutcomeServed,
		},
		{
			Key: "taro", Label: tray.Text{JA: "見本　太郎", EN: "Taro Mihon"}, Trait: "revoked_later", Serial: "0a02", Revocable: true,
			Profile: "/world/taro.json", First: tray.OutcomeServed, Final: tray.OutcomeServed,
		},
		{
			Key: "tome", Label: tray.Text{JA: "練習　トメ", EN: "Tome Renshu"}, Trait: "expired", Serial: "0a03",
			Note:    tray.Text{JA: "証明書の期限が過ぎています。", EN: "The certificate has ended."},
			Profile: "/world/tome.json", First: tray.OutcomeRefused, Final: tray.OutcomeRefused,
		},
		{
			Key: "torn", Label: tray.Text{JA: "途中で離れるカード", EN: "A card torn away"}, Trait: "torn",
			Profile: "/world/hanako.json", Faults: []string{"tear-before=3"},
			First: tray.OutcomeNoRecord, Final: tray.OutcomeNoRecord,
		},
	}
}

// New sets up a bench. The line leads to a closed port.
func New(t *testing.T) *Bench {
	t.Helper()
	b := &Bench{Path: filepath.Join(t.TempDir(), "ledger.jsonl"), broken: map[string]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)

	socket := filepath.Join(t.TempDir(), "vcard.sock")
	ln, err := new(net.ListenConfig).Listen(ctx, "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	rig := &httptest.Server{Listener: ln, Config: &http.Server{Handler: b, ReadHeaderTimeout: time.Second}}
	rig.Start()
	t.Cleanup(rig.Close)
	b.slot = hands.NewSlot(socket, 0)
	pki := httptest.NewServer(b)
	t.Cleanup(pki.Close)
	b.pki = hands.NewPKI(pki.URL + "/")

	if b.Relay, err = relay.New("127.0.0.1:0", "127.0.0.1:1", slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = b.Relay.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	b.Open(t)
	t.Cleanup(func() { _ = b.Ledger.Close() })
	return b
}

// Open starts a tray on the bench's ledger; after closing that, it is a restart.
func (b *Bench) Open(t *testing.T) {
	t.Helper()
	var err error
	if b.Ledger, err = ledger.Open(b.Path, time.Now); err != nil {
		t.Fatal(err)
	}
	if b.Tray, err = tray.New(b.Config(0, 0)); err != nil {
		t.Fatal(err)
	}
}

// Config is a tray's configuration on this bench.
func (b *Bench) Config(hold, gap time.Duration) tray.Config {
	return tray.Config{
		People: People(), Slot: b.slot, Line: b.Relay, PKI: b.pki, Ledger: b.Ledger, Desk: "desk-1", Service: "library",
		Hold: hold, Gap: gap, Reload: b.reload,
	}
}

// reload gives hanako a new serial each time.
func (b *Bench) reload() ([]tray.Person, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renewed++
	all := People()
	all[0].Serial = fmt.Sprintf("0b%02d", b.renewed)
	return all, nil
}

// Break makes the server answer 500 at a path from now on, or no longer.
func (b *Bench) Break(path string, broken bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.broken[path] = broken
}

// Asked returns what was asked since the last call: method, path and body in one line each.
func (b *Bench) Asked() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	return asked
}

// ServeHTTP writes a request down. A body's "at" is left out: it is the time of day.
func (b *Bench) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fields := map[string]any{}
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &fields)
	}
	delete(fields, "at")
	line, merr := json.Marshal(fields)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, r.Method+" "+r.URL.Path+" "+string(line))
	switch {
	case err != nil || merr != nil:
		http.Error(w, "no JSON", http.StatusBadRequest)
	case b.broken[r.URL.Path]:
		http.Error(w, "out of order", http.StatusInternalServerError)
	case r.URL.Path == "/admin/publish":
		_, _ = io.WriteString(w, `{"number": 41}`)
	default:
		_, _ = io.WriteString(w, `{}`)
	}
}
