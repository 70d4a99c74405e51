package pcscd_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/central/lab/pcscd"
)

func TestStartRefuses(t *testing.T) {
	program := filepath.Join(t.TempDir(), "vcard")
	if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		cfg  pcscd.Config
		want string
	}{
		{"no program", pcscd.Config{}, "go build ./reader/cmd/vcard"},
		{"a directory", pcscd.Config{VCard: t.TempDir()}, "go build ./reader/cmd/vcard"},
		{"too many slots", pcscd.Config{VCard: program, Slots: 17}, "17 slots, want 1 to 16"},
		{"negative slots", pcscd.Config{VCard: program, Slots: -1}, "want 1 to 16"},
	} {
		r, err := pcscd.Start(t.Context(), tt.cfg)
		if !errors.Is(err, pcscd.ErrConfig) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("Start(%s) = %v, %v, want %q", tt.name, r, err, tt.want)
		}
	}
}
