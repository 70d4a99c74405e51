package vault_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"kazashi.example/appliance/vault"
)

func TestAnIdentityIsBornOnce(t *testing.T) {
	dir := t.TempDir()
	a, err := vault.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := vault.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	ka, _ := a.Public()
	kb, _ := b.Public()
	if a.Box != b.Box || !ka.Equal(kb) || a.Sealing.Public().ID() != b.Sealing.Public().ID() {
		t.Error("a second Open gave another identity")
	}
	if fmt.Sprint(a)+fmt.Sprintf("%#v", a) != "REDACTEDREDACTED" { // P3
		t.Error("identity prints")
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
		{"a link", func(p string) error { return errors.Join(os.Rename(p, p+"x"), os.Symlink(p+"x", p)) }, vault.ErrMode},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if _, err := vault.Open(dir); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(filepath.Join(dir, "identity.key")); err != nil {
				t.Fatal(err)
			}
			if _, err := vault.Open(dir); !errors.Is(err, c.want) {
				t.Errorf("Open = %v, want %v", err, c.want)
			}
		})
	}
}
