package clock

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"kazashi.example/sync/durable"
)

// File keeps the floor in a small file of its own: one RFC 3339 time, UTC.
type File string

var _ Floor = File("")

// Load reads the file; the zero time if there is none.
func (f File) Load() (time.Time, error) {
	b, err := os.ReadFile(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the clock's floor: %w", err)
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(string(b)))
	if err != nil {
		return time.Time{}, fmt.Errorf("reading the clock's floor: %w", err)
	}
	return t.UTC(), nil
}

// Store replaces the file.
func (f File) Store(t time.Time) error {
	if err := durable.WriteFile(string(f), []byte(t.UTC().Format(time.RFC3339)+"\n"), 0o600); err != nil {
		return fmt.Errorf("keeping the clock's floor: %w", err)
	}
	return nil
}
