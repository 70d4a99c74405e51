package invariant

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// readBackups wants what counts as safe to be in a named backup that is whole.
func (c *checker) readBackups(ctx context.Context, f *centralFacts) error {
	var envelopes, epochs int64
	err := f.db.QueryRowContext(ctx, "SELECT coalesce((SELECT max(row) FROM envelopes), 0), coalesce((SELECT max(row) FROM epochs), 0)").Scan(&envelopes, &epochs)
	if err != nil {
		return err
	}
	if f.safeEnvelope > envelopes || f.safeEpoch > epochs {
		c.violate(Safe, f.path, "rows up to %d and %d count as safe, and there are %d and %d", f.safeEnvelope, f.safeEpoch, envelopes, epochs)
	}
	if f.safeEnvelope == 0 && f.safeEpoch == 0 {
		return nil
	}
	dir := c.places.Backups
	if dir == "" {
		dir = filepath.Join(c.places.Central, "backups")
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".json") {
			continue
		}
		if ok, err := c.backup(ctx, f, filepath.Join(dir, e.Name())); ok || err != nil {
			return err
		}
	}
	c.violate(Safe, f.path, "no backup has the rows up to %d, which count as safe", f.safeEnvelope)
	return nil
}

// backup reports whether one backup, which must be whole, has everything that counts as safe.
func (c *checker) backup(ctx context.Context, f *centralFacts, manifest string) (bool, error) {
	text, err := os.ReadFile(filepath.Clean(manifest))
	if err != nil {
		return false, err
	}
	var m struct {
		Marks struct {
			Epoch    int64 `json:"epoch"`
			Envelope int64 `json:"envelope"`
		} `json:"high_water"`
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return false, fmt.Errorf("reading %s: %w", manifest, err)
	}
	if m.Marks.Envelope < f.safeEnvelope || m.Marks.Epoch < f.safeEpoch {
		return false, nil // an older one
	}
	path := strings.TrimSuffix(manifest, ".json") + ".db"
	if sum, _ := digest(path); sum != m.SHA256 { // also of none
		c.violate(Safe, path, "the backup is not the one of its manifest")
		return false, nil
	}
	db, err := c.database(path)
	if err != nil {
		return false, err
	}
	const inside = "SELECT (SELECT count(*) FROM envelopes WHERE row <= ?), (SELECT count(*) FROM epochs WHERE row <= ?)"
	var have, want [2]int64
	if err := db.QueryRowContext(ctx, inside, f.safeEnvelope, f.safeEpoch).Scan(&have[0], &have[1]); err != nil {
		return false, fmt.Errorf("reading %s: %w", path, err)
	}
	if err := f.db.QueryRowContext(ctx, inside, f.safeEnvelope, f.safeEpoch).Scan(&want[0], &want[1]); err != nil {
		return false, err
	}
	if have != want {
		c.violate(Safe, path, "of %d envelopes and %d headers that count as safe the backup has %d and %d", want[0], want[1], have[0], have[1])
	}
	return true, nil
}

func digest(path string) (string, error) {
	in, err := os.Open(filepath.Clean(path))
	if err != nil {
		return "", err
	}
	defer in.Close()
	h := sha256.New()
	_, err = io.Copy(h, in)
	return hex.EncodeToString(h.Sum(nil)), err
}
