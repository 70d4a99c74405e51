package vault_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/vault"
)

func TestAnIdentityIsBornOnce(t *testing.T) {
	dir := t.TempDir()
	a, err := vault.Open(dir, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := vault.Open(dir, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ka, _ := a.Public()
	kb, _ := b.Public()
	if a.Box != b.Box || !ka.Equal(kb) || a.Sealing.Public().ID() != b.Sealing.Public().ID() {
		t.Error("a second Open gave another identity")
	}
	if !a.Fresh() {
		t.Error("Fresh() = false before the first epoch")
	}
	if err := errors.Join(a.Begin(), b.Begin()); err != nil {
		t.Fatal(err)
	}
	if b.Fresh() {
		t.Error("Fresh() = true after Begin")
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(path string) error
		want  error
	}{
		{"readable by others", func(p string) error { return os.Chmod(p, 0o640) }, vault.ErrMode},
		{"cut", func(p string) error { return os.Truncate(p, 100) }, vault.ErrFile},
		{"empty", func(p string) error { return os.Truncate(p, 0) }, vault.ErrFile},
		{"with something after its end", func(p string) error { return appendTo(p, "x") }, vault.ErrFile},
		{"a folder", func(p string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }, vault.ErrMode},
		{"a link", func(p string) error { return errors.Join(os.Rename(p, p+"x"), os.Symlink(p+"x", p)) }, vault.ErrMode},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := vault.Open(dir, vault.Options{}); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(filepath.Join(dir, "identity.key")); err != nil {
				t.Fatal(err)
			}
			if _, err := vault.Open(dir, vault.Options{}); !errors.Is(err, c.want) {
				t.Errorf("Open = %v, want %v", err, c.want)
			}
		})
	}
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// However an identity is printed, logged or written, no key is in it: by itself, behind a pointer, inside something else.
func TestAnIdentityNeverPrints(t *testing.T) { // P3
	id, err := vault.Open(t.TempDir(), vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("planted", slog.Any("pointer", id), slog.Any("value", *id))
	asJSON, err := json.Marshal([]any{id, *id})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(asJSON); got != `["REDACTED","REDACTED"]` {
		t.Errorf("Marshal = %s, want REDACTED twice", got)
	}
	if got := strings.Count(log.String(), "REDACTED"); got != 2 {
		t.Errorf("log = %s, want REDACTED twice", &log)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		for _, v := range []any{id, *id} {
			if got := fmt.Sprintf(verb, v); got != "REDACTED" {
				t.Errorf("Sprintf(%s) = %.40s, want REDACTED", verb, got)
			}
		}
	}
}

// The note of the first epoch belongs to one identity: a new one made in an old folder is fresh, an unreadable note is not.
func TestFreshIsOfOneIdentity(t *testing.T) { // P2
	dir := t.TempDir()
	old, err := vault.Open(dir, vault.Options{})
	if err = errors.Join(err, old.Begin(), os.Remove(filepath.Join(dir, "identity.key"))); err != nil {
		t.Fatal(err)
	}
	next, err := vault.Open(dir, vault.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if next.Box == old.Box || !next.Fresh() {
		t.Errorf("new identity in an old folder: box id kept %v, Fresh = %v, want a fresh one", next.Box == old.Box, next.Fresh())
	}
	if err := os.WriteFile(filepath.Join(dir, "epochs-began"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if next.Fresh() {
		t.Error("Fresh with an unreadable note = true, want false")
	}
}

// Two programs that start at once agree on who the box is.
func TestTwoStartsAtOnceMakeOneIdentity(t *testing.T) {
	dir := t.TempDir()
	ids := make(chan string, 8)
	for range cap(ids) {
		go func() {
			id, err := vault.Open(dir, vault.Options{})
			if err != nil {
				ids <- err.Error()
				return
			}
			ids <- id.Box.String()
		}()
	}
	first := <-ids
	for range cap(ids) - 1 {
		if got := <-ids; got != first {
			t.Errorf("Open = %s, and %s", first, got)
		}
	}
}
