package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kazashi.example/central/store/sqlite"
	"kazashi.example/sync/durable"
)

// Restored says what a restore did.
type Restored struct {
	Manifest     Manifest
	CentralEpoch uint64 // raised: max(old+1, now in Unix seconds)
	Aside        string // where the database from before is; empty if there was none
	// Newer names the backups beside this one that hold what it does not, oldest first. Boxes may have deleted that as safe:
	// unless they cannot be used, the last of them should have been restored instead, which can still be done.
	Newer []string
}

// asidePrefix begins the name of a database that a restore replaced. Nothing removes it.
const asidePrefix = "central.before-restore-"

// Restore puts a backup, named by its manifest's path, in the place of the database in dir. The server must not run
// (store.ErrBusy). A damaged backup is refused (ErrBackup) before anything is changed. The old database is kept aside. An
// interrupted restore leaves a mark that keeps the server from starting; the same call again completes it.
func Restore(ctx context.Context, dir, manifest string, now time.Time) (r Restored, err error) {
	lock, err := sqlite.TakeLock(dir)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, lock.Free()) }()
	fresh := filepath.Join(dir, sqlite.FileDatabase+".restored")
	if r.Manifest, err = fetch(ctx, manifest, fresh); err != nil {
		return r, err
	}
	r.Newer = newer(filepath.Dir(manifest), r.Manifest)
	r.CentralEpoch = uint64(max(now.Unix(), 1)) //nolint:gosec // positive
	r.CentralEpoch = max(r.CentralEpoch, r.Manifest.CentralEpoch+1, beyondOld(ctx, dir)+1)
	if err := sqlite.Reopen(ctx, fresh, r.CentralEpoch); err != nil {
		return r, fmt.Errorf("preparing the restored database: %w", err)
	}
	if err := syncFile(fresh); err != nil {
		return r, fmt.Errorf("preparing the restored database: %w", err)
	}
	mark := filepath.Join(dir, sqlite.FileRestoring)
	if err := durable.WriteFile(mark, []byte(r.Manifest.Name+"\n"), 0o600); err != nil {
		return r, fmt.Errorf("marking the restore: %w", err)
	}
	if r.Aside, err = swap(dir, fresh, now); err != nil {
		return r, fmt.Errorf("putting the restored database in place: %w", err)
	}
	if err := remove(mark); err != nil {
		return r, fmt.Errorf("ending the restore: %w", err)
	}
	return r, durable.SyncDir(dir)
}

// fetch copies a backup beside the database and checks that it is what its manifest says.
func fetch(ctx context.Context, manifest, to string) (Manifest, error) {
	m, err := readManifest(manifest)
	if err != nil {
		return m, err
	}
	if err := copyFile(strings.TrimSuffix(manifest, endManifest)+endCopy, to); err != nil {
		return m, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	n, sum, err := digest(to)
	if err != nil {
		return m, fmt.Errorf("reading the backup: %w", err)
	}
	if n != m.Octets || sum != m.SHA256 {
		return m, fmt.Errorf("%w: %s is not the file that its manifest describes", ErrBackup, m.Name)
	}
	central, marks, err := sqlite.Inspect(ctx, to)
	if err != nil {
		return m, fmt.Errorf("%w: %w", ErrBackup, err)
	}
	if central != m.CentralEpoch || marks != m.Marks {
		return m, fmt.Errorf("%w: %s does not contain what its manifest says", ErrBackup, m.Name)
	}
	return m, nil
}

// Copy is the file of a backup that is named by its manifest or by its copy, once it is what its manifest describes, where there is one. ErrBackup.
func Copy(name string) (path string, err error) {
	manifest, isManifest := strings.CutSuffix(name, endManifest)
	path = name
	if isManifest {
		path = manifest + endCopy
	}
	m, err := readManifest(strings.TrimSuffix(path, endCopy) + endManifest)
	if errors.Is(err, fs.ErrNotExist) && !isManifest {
		return path, nil
	}
	if err != nil {
		return "", err
	}
	n, sum, err := digest(path)
	if err != nil {
		return "", fmt.Errorf("reading the backup: %w", err)
	}
	if n != m.Octets || sum != m.SHA256 {
		return "", fmt.Errorf("%w: %s is not the file that its manifest describes", ErrBackup, m.Name)
	}
	return path, nil
}

// newer lists the backups in a folder that go beyond m. What cannot be read there must not stand in the way of a restore.
func newer(dir string, m Manifest) (names []string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var beyond []Manifest
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), endManifest) {
			continue
		}
		if o, err := readManifest(filepath.Join(dir, f.Name())); err == nil && o.beyond(m) {
			beyond = append(beyond, o)
		}
	}
	slices.SortFunc(beyond, func(a, b Manifest) int { return a.Made.Compare(b.Made) })
	for _, o := range beyond {
		names = append(names, o.Name)
	}
	return names
}

// beyond reports whether a backup may hold what another lacks, by what the database counted and not by a clock.
func (m Manifest) beyond(o Manifest) bool {
	if m.CentralEpoch != o.CentralEpoch {
		return m.CentralEpoch > o.CentralEpoch
	}
	return m.Marks.Beyond(o.Marks)
}

func copyFile(from, to string) error {
	for _, end := range []string{"", "-journal", "-wal", "-shm"} {
		if err := remove(to + end); err != nil {
			return err
		}
	}
	src, err := os.Open(from) //nolint:gosec // the operator's path
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // inside the data directory
	if err != nil {
		return errors.Join(err, src.Close())
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Sync(), dst.Close(), src.Close())
}

// beyondOld is the central epoch of the database that is being replaced, if it can still be read: boxes may have seen it.
func beyondOld(ctx context.Context, dir string) uint64 {
	path := filepath.Join(dir, sqlite.FileDatabase)
	if _, err := os.Lstat(path); err != nil {
		return 0
	}
	central, _, err := sqlite.Inspect(ctx, path)
	if err != nil {
		return 0 // damaged, which is why it is being replaced
	}
	return central
}

// swap moves the old database and everything beside it away and the new one into its place.
func swap(dir, fresh string, now time.Time) (aside string, err error) {
	old, name := filepath.Join(dir, sqlite.FileDatabase), asideName(dir, now)
	for _, end := range []string{"-wal", "-shm", "-journal", ""} {
		to := name + end
		err := os.Rename(old+end, to)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return aside, err
		}
		aside = to
	}
	if err := os.Rename(fresh, old); err != nil {
		return aside, err
	}
	return aside, durable.SyncDir(dir)
}

// asideName is a name that no earlier restore used.
func asideName(dir string, now time.Time) string {
	for at := now.UTC(); ; at = at.Add(time.Second) {
		name := filepath.Join(dir, asidePrefix+at.Format("20060102T150405Z")+".db")
		if _, err := os.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name
		}
	}
}
