package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/reader/vcard/control"
)

func TestHelp(t *testing.T) {
	var out strings.Builder
	if err := run(t.Context(), []string{"--help"}, &out, io.Discard); err != nil {
		t.Fatalf("run(--help) = %v, want nil", err)
	}
	for _, want := range []string{
		"--control", "--vpcd", "--insert", "--fault", "--link", "Examples:", "/v1/slots/0/insert", "tear-after=N",
		"relay=PROFILE", "endless-61[=N][@FIRST[-LAST]]", "106, 212, 424, 848",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("run(--help) = %s, want %q in it", out.String(), want)
		}
	}
}

func TestRefusals(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{nil, "--control is needed"},
		{[]string{"--colour"}, "not defined: -colour (see vcard --help)"},
		{[]string{"--control", socket, "extra"}, `"extra" is not an option`},
		{[]string{"--control", socket, "--insert", "card.json"}, "not SLOT=PROFILE"},
		{[]string{"--control", socket, "--insert", "1=card.json"}, `no slot "1": there are 1`},
		{[]string{"--control", socket, "--insert", "0=absent.json"}, "no such file"},
		{[]string{"--control", socket, "--insert", "0=a.json", "--insert", "0=b.json"}, "--insert is given twice for slot 0"},
		{[]string{"--control", socket, "--insert", "0=a.json", "--link", "0=106", "--link", "0=212"}, "--link is given twice for slot 0"},
		{[]string{"--control", socket, "--fault", "0"}, "--fault \"0\" is not SLOT=FAULT"},
		{[]string{"--control", socket, "--fault", "0=tear-after=1"}, "profile must be an absolute path"},
		{[]string{"--control", socket, "--insert", "0=absent.json", "--fault", "0=hot"}, "none of the kinds"},
		{[]string{"--control", socket, "--insert", "0=absent.json", "--link", "0=fast"}, "not a link model"},
		{[]string{"--control", filepath.Join(socket, "x")}, "listening for control"},
	} {
		if err := run(t.Context(), tt.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("run(%v) = %v, want %q", tt.args, err, tt.want)
		}
	}
}

func TestServesUntilCancelled(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "control")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	args := []string{"--control", socket, "--vpcd", "127.0.0.1:1", "--vpcd", "127.0.0.1:2", "--fault", "1=not-a-my-number-card", "--link", "1=106"}
	go func() { done <- run(ctx, args, io.Discard, io.Discard) }()
	c := control.NewClient(socket)
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	slots, err := c.Slots(ctx)
	got, _ := json.Marshal(slots)
	want := `[{"slot":0,"inserted":false,"connected":false,"label":"","apdus":0,"bytes_up":0,"bytes_down":0,"link_time_ns":0},` +
		`{"slot":1,"inserted":true,"connected":false,"label":"not-a-my-number-card","apdus":0,"bytes_up":0,"bytes_down":0,"link_time_ns":0}]`
	if err != nil || string(got) != want {
		t.Errorf("Slots() = %s, %v, want %s", got, err, want)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("run() = %v after cancel, want nil", err)
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("socket after the end: %v, want it gone", err)
	}
}
