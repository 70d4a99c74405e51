// Package worldtest opens practice worlds for tests, with private keys from a folder that all tests of a user share, so that the second
// run is quick.
package worldtest

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"kazashi.example/central/lab/world"
)

// Open makes a world in a temporary folder of the test. The zero Config is the default world of today.
func Open(tb testing.TB, cfg world.Config) *world.World {
	tb.Helper()
	if cfg.Keys == "" {
		cfg.Keys = KeyDir()
	}
	w, err := world.Open(tb.Context(), tb.TempDir(), cfg)
	if err != nil {
		tb.Fatalf("opening practice world: %v", err)
	}
	return w
}

// KeyDir is the shared folder of practice keys: in the user's cache folder, or among the temporary files without one.
func KeyDir() string {
	if dir, err := os.UserCacheDir(); err == nil {
		if os.MkdirAll(dir, 0o700) == nil {
			return filepath.Join(dir, "kazashi-practice-keys")
		}
	}
	return filepath.Join(os.TempDir(), "kazashi-practice-keys-"+strconv.Itoa(os.Getuid()))
}
