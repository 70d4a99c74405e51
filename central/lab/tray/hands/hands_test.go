package hands_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"kazashi.example/central/lab/tray/hands"
	"kazashi.example/reader/vcard/control"
	"kazashi.example/reader/vcard/fault"
	"kazashi.example/reader/vcard/vpcd"
)

// TestSlot moves cards in the real control handler of the virtual cards; no pcscd is at their other end.
func TestSlot(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "vcard.sock")
	ln, err := control.Listen(t.Context(), socket)
	if err != nil {
		t.Fatal(err)
	}
	h := control.NewHandler(vpcd.New("127.0.0.1:1", slog.New(slog.DiscardHandler)), vpcd.New("127.0.0.1:2", slog.New(slog.DiscardHandler)))
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Second}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })

	s := hands.NewSlot(socket, 1)
	stranger := []string{string(fault.Stranger)}
	if err := s.Insert(t.Context(), "", stranger); err != nil {
		t.Fatalf("Insert = %v, want nil", err)
	}
	all, err := control.NewClient(socket).Slots(t.Context())
	if err != nil || len(all) != 2 || all[0].Inserted || !all[1].Inserted || all[1].Label != string(fault.Stranger) {
		t.Errorf("Slots = %+v, %v, want the stranger in slot 1 alone", all, err)
	}
	err = s.Insert(t.Context(), "", stranger)
	if e, ok := errors.AsType[*control.Error](err); !ok || e.Status != http.StatusConflict {
		t.Errorf("Insert into an occupied slot = %v, want its refusal", err)
	}
	for range 2 { // the second time there is none, as after a torn card
		if err := s.Remove(t.Context()); err != nil {
			t.Errorf("Remove = %v, want nil", err)
		}
	}
	if err := s.Insert(t.Context(), "/nowhere/profile.json", nil); err == nil {
		t.Error("Insert of a profile that does not exist = nil error, want one")
	}
}

func TestNobodyThere(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := hands.NewSlot(filepath.Join(t.TempDir(), "none"), 0).Remove(ctx); err == nil {
		t.Error("Remove without a server = nil error, want one")
	}
	if _, err := hands.NewPKI("http://127.0.0.1:1").Publish(ctx); err == nil {
		t.Error("Publish without a server = nil error, want one")
	}
}
