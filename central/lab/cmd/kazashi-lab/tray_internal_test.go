package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
)

func options(t *testing.T) trayOptions {
	t.Helper()
	addrs, err := stage.FreePorts(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return trayOptions{
		World: worldtest.Open(t, world.Config{}).Dir(), Keys: worldtest.KeyDir(), Ledger: filepath.Join(dir, "ledger.jsonl"),
		Socket: filepath.Join(dir, "none.sock"), JPKI: "http://127.0.0.1:1", Listen: addrs[0], LineListen: addrs[1], LineTarget: "127.0.0.1:1",
	}
}

func TestTrayComesUpAndGoes(t *testing.T) {
	o := options(t)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := openTray(ctx, o, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	resp, err := http.Get(r.URL() + "v1/state")
	if err != nil {
		t.Fatal(err)
	}
	var s tray.State
	err = json.NewDecoder(resp.Body).Decode(&s)
	_ = resp.Body.Close()
	if err != nil || len(s.People) != 26 || !s.Up {
		t.Errorf("state = %+v, %v, want 20 people, 5 false or faulty cards and the line up", s, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	again, err := openTray(t.Context(), o, slog.New(slog.DiscardHandler)) // ports and ledger are free again
	if err != nil {
		t.Fatalf("opening a second time = %v, want nil", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := again.Run(over); err != nil {
		t.Errorf("second Run = %v, want nil", err)
	}
}

func TestTrayOnAPortInUse(t *testing.T) {
	o := options(t)
	for what, addr := range map[string]string{"card tray": o.Listen, "line to central": o.LineListen} {
		ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, err = openTray(t.Context(), o, slog.New(slog.DiscardHandler))
		if !errors.Is(err, stage.ErrPortInUse) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), addr) {
			t.Errorf("openTray with %s taken = %v, want ErrPortInUse, the address and %q", addr, err, what)
		}
		_ = ln.Close()
	}
}
