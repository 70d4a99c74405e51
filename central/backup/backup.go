// Package backup makes named backups, which are what lets a box delete, and brings one back.
//
// A backup is a whole copy of the database and a manifest beside it, written in this order: copy, fsync, check from end to
// end, rename, fsync of the folder, manifest. Only then are the rows inside it marked safe, in one short transaction. A crash
// before that leaves at most a file without a manifest, which counts for nothing and is removed by the next run. A backup
// holds no key: without the key directory's own copy it opens nothing. A [Keeper] makes one backup at a time.
package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
)

// Errors.
var (
	// ErrName says that a backup's name is malformed or taken.
	ErrName = errors.New("a backup's name is 1 to 63 of a-z, 0-9, '.' and '-', and not taken")
	// ErrBackup says that a backup is damaged or not whole: nothing was changed.
	ErrBackup = errors.New("backup is damaged or not whole; take another one")
)

// Endings of the files of one backup. Automatic ones begin with autoPrefix, and only those are ever removed.
const (
	endCopy     = ".db"
	endManifest = ".json"
	endPart     = ".part"
	autoPrefix  = "auto-"
)

// Manifest says what a backup contains. A backup exists once its manifest does.
type Manifest struct {
	Name         string      `json:"name"`
	Made         time.Time   `json:"made"`
	CentralEpoch uint64      `json:"central_epoch"`
	Marks        store.Marks `json:"high_water"` // newest rows inside
	Octets       int64       `json:"octets"`
	SHA256       string      `json:"sha256"` // of the copy
}

// Database is what backups are made of.
type Database interface {
	store.Store
	// Copy writes a complete copy of the present state to a new file.
	Copy(ctx context.Context, path string) error
}

// Config is what a keeper works with.
type Config struct {
	Database Database
	Dir      string
	Every    time.Duration // between automatic backups; 0: none
	Keep     int           // automatic backups that stay
	Safe     func()        // called after rows became safe
	Now      func() time.Time
	Log      *slog.Logger
}

// Keeper makes backups.
type Keeper struct {
	Config

	mu sync.Mutex // guards the folder: one backup at a time
}

// New makes a keeper; Run starts automatic backups.
func New(c Config) *Keeper { return &Keeper{Config: c} }

// Run makes a backup at every tick when there is something new, until the context ends.
func (k *Keeper) Run(ctx context.Context) error {
	if k.Every <= 0 {
		<-ctx.Done()
		return ctx.Err()
	}
	t := time.NewTicker(k.Every)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
		if _, err := k.Auto(ctx); err != nil && ctx.Err() == nil {
			k.Log.ErrorContext(ctx, "the automatic backup failed; nothing more becomes safe until one succeeds", slog.Any("error", err))
		}
	}
}

// Auto makes an automatic backup if anything is not safe yet, and removes the oldest automatic ones. Empty name: nothing new.
func (k *Keeper) Auto(ctx context.Context) (Manifest, error) {
	fresh, err := k.fresh(ctx)
	if err != nil || !fresh {
		return Manifest{}, err
	}
	return k.Again(ctx)
}

// Again is Auto although nothing is new: something was erased.
func (k *Keeper) Again(ctx context.Context) (Manifest, error) {
	m, err := k.Make(ctx, autoPrefix+strings.ToLower(k.Now().UTC().Format("20060102t150405.000z")))
	if err != nil {
		return m, err
	}
	return m, k.prune()
}

// fresh reports whether any row is not inside a named backup.
func (k *Keeper) fresh(ctx context.Context) (fresh bool, err error) {
	err = k.Database.View(ctx, func(tx store.Tx) error {
		m, err := tx.Marks()
		if err != nil {
			return err
		}
		safe, err := tx.Safe()
		fresh = m.Beyond(safe)
		return err
	})
	return fresh, err
}

// Make makes a named backup and marks what is inside it safe. ErrName, or the error of the step that failed.
func (k *Keeper) Make(ctx context.Context, name string) (Manifest, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if record.CheckName(record.SiteID(name)) != nil {
		return Manifest{}, fmt.Errorf("%w: %q", ErrName, name)
	}
	if err := os.MkdirAll(k.Dir, 0o700); err != nil {
		return Manifest{}, fmt.Errorf("making the backup folder: %w", err)
	}
	if _, err := os.Lstat(filepath.Join(k.Dir, name+endManifest)); !errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, fmt.Errorf("%w: %q", ErrName, name)
	}
	if err := k.sweep(); err != nil {
		return Manifest{}, fmt.Errorf("clearing away unfinished backups: %w", err)
	}
	m, err := k.write(ctx, name)
	if err != nil {
		// What a full disk left half written would keep it full, and intake from writing.
		return Manifest{}, errors.Join(fmt.Errorf("making backup %s: %w", name, err), k.sweep())
	}
	if err := k.Database.Update(ctx, func(tx store.Tx) error { return tx.SetSafe(m.Marks) }); err != nil {
		return Manifest{}, fmt.Errorf("marking the rows of backup %s safe: %w", name, err)
	}
	k.Log.InfoContext(ctx, "backup made", slog.String("name", name), slog.Int64("octets", m.Octets))
	k.Safe()
	return m, nil
}

// sweep removes what no manifest speaks of: copies that were not finished, and automatic ones cut short between copy and
// manifest. A named copy without its manifest stays: an operator may have parted the two.
func (k *Keeper) sweep() error {
	files, err := os.ReadDir(k.Dir)
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range files {
		path := filepath.Join(k.Dir, f.Name())
		name, copied := strings.CutSuffix(f.Name(), endCopy)
		_, err := os.Lstat(filepath.Join(k.Dir, name+endManifest))
		cut := copied && strings.HasPrefix(name, autoPrefix) && errors.Is(err, fs.ErrNotExist)
		if cut || partial(f.Name()) {
			errs = append(errs, remove(path))
		}
	}
	return errors.Join(errs...)
}

// partial reports whether a file is an unfinished copy, or what SQLite keeps beside one.
func partial(name string) bool {
	for _, end := range []string{"", "-journal", "-wal", "-shm"} {
		if strings.HasSuffix(name, endCopy+endPart+end) {
			return true
		}
	}
	return false
}

// write makes the two files durable, the manifest last.
func (k *Keeper) write(ctx context.Context, name string) (Manifest, error) {
	path := filepath.Join(k.Dir, name+endCopy)
	part := path + endPart
	if err := errors.Join(remove(part), remove(path)); err != nil { // left by a run that did not end
		return Manifest{}, err
	}
	if err := k.Database.Copy(ctx, part); err != nil {
		return Manifest{}, err
	}
	if err := syncFile(part); err != nil {
		return Manifest{}, err
	}
	central, marks, err := sqlite.Inspect(ctx, part)
	if err != nil {
		return Manifest{}, err
	}
	m := Manifest{Name: name, Made: k.Now().UTC(), CentralEpoch: central, Marks: marks}
	if m.Octets, m.SHA256, err = digest(part); err != nil {
		return Manifest{}, err
	}
	if err := os.Rename(part, path); err != nil {
		return Manifest{}, err
	}
	if err := durable.SyncDir(k.Dir); err != nil {
		return Manifest{}, err
	}
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Manifest{}, err
	}
	return m, durable.WriteFile(filepath.Join(k.Dir, name+endManifest), append(b, '\n'), 0o600)
}

// prune removes the oldest automatic backups, each manifest first, so that what is half removed is no backup any more.
func (k *Keeper) prune() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	all, err := List(k.Dir)
	if err != nil {
		return err
	}
	auto := slices.DeleteFunc(all, func(m Manifest) bool { return !strings.HasPrefix(m.Name, autoPrefix) })
	for _, m := range auto[:max(len(auto)-max(k.Keep, 1), 0)] {
		path := filepath.Join(k.Dir, m.Name)
		if err := errors.Join(remove(path+endManifest), durable.SyncDir(k.Dir), remove(path+endCopy)); err != nil {
			return fmt.Errorf("removing backup %s: %w", m.Name, err)
		}
	}
	return nil
}

// List reads the manifests of a folder, oldest first.
func List(dir string) ([]Manifest, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+endManifest))
	if err != nil {
		return nil, fmt.Errorf("listing backups: %w", err)
	}
	all := make([]Manifest, 0, len(names))
	for _, n := range names {
		m, err := readManifest(n)
		if err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b Manifest) int { return a.Made.Compare(b.Made) })
	return all, nil
}

func readManifest(path string) (m Manifest, err error) {
	b, err := os.ReadFile(path) //nolint:gosec // the operator's path
	if err != nil {
		return m, fmt.Errorf("reading a manifest: %w", err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("%w: manifest %s: %w", ErrBackup, filepath.Base(path), err)
	}
	if m.Name+endManifest != filepath.Base(path) {
		return m, fmt.Errorf("%w: manifest %s names %q", ErrBackup, filepath.Base(path), m.Name)
	}
	return m, nil
}

func digest(path string) (n int64, sum string, err error) {
	f, err := os.Open(path) //nolint:gosec // the operator's path
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	n, err = io.Copy(h, f)
	return n, hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // the operator's path
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
