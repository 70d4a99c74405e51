package desired_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/desired"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/rule"
)

// spoil is a way in which a file comes to harm.
type spoil func(t *testing.T, path string)

func cutTo(n int64) spoil {
	return func(t *testing.T, path string) { must(t, os.Truncate(path, n)) }
}

func overwrite(at int64, b string) spoil {
	return func(t *testing.T, path string) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteAt([]byte(b), at)
		must(t, errors.Join(err, f.Close()))
	}
}

func remove(t *testing.T, path string) { must(t, os.Remove(path)) }

func aside(t *testing.T, dir, name string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, name+".set-aside-*"))
	must(t, err)
	return found
}

func TestADamagedDatabaseDoesNotStopTheBox(t *testing.T) { // P1, P2
	for name, harm := range map[string]spoil{
		"cut":                   cutTo(3000),
		"overwritten head":      overwrite(0, "this is no database at all"),
		"overwritten page":      overwrite(4096, strings.Repeat("x", 9000)),
		"another program's":     overwrite(68, "\xde\xad\xbe\xef"), // application_id, SQLite file format §1.3.17
		"a later release's":     overwrite(60, "\x00\x00\x00\x63"), // user_version, §1.3.15
		"without what was held": func(t *testing.T, p string) { exec(t, p, "UPDATE held SET n = zeroblob(8); DROP TABLE held") },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCentral(t)
			dir := c.join()
			s := open(t, dir)
			_, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 100))
			must(t, err)
			shut(t, s)
			harm(t, filepath.Join(dir, "desired.db"))

			s, err = desired.Open(t.Context(), dir, quiet)
			must(t, err)
			defer shut(t, s)
			if held, err := s.Held(t.Context()); err != nil || held != (rule.Version{}) {
				t.Fatalf("Held = %v, %v, want nothing: central must send everything again", held, err)
			}
			if found := aside(t, dir, "desired.db"); len(found) != 1 {
				t.Errorf("set aside = %v, want one file", found)
			}
			if fresh, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 100)); err != nil || len(fresh) != 100 {
				t.Errorf("ApplyVerdicts(all again) = %d, %v, want 100", len(fresh), err)
			}
		})
	}
}

// A write-ahead log that a damaged database left behind must not be played into the one that takes its place.
func TestTheLogGoesAsideWithItsDatabase(t *testing.T) {
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	_, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 100))
	must(t, err)
	image := t.TempDir() // as a power cut leaves it: everything is in the log
	must(t, os.CopyFS(image, os.DirFS(dir)))
	overwrite(0, "this is no database at all")(t, filepath.Join(image, "desired.db"))
	cutTo(2000)(t, filepath.Join(image, "desired.db-wal"))

	s, err = desired.Open(t.Context(), image, quiet)
	must(t, err)
	defer shut(t, s)
	if held, err := s.Held(t.Context()); err != nil || held != (rule.Version{}) {
		t.Errorf("Held = %v, %v, want nothing", held, err)
	}
}

// A database that cannot be opened for another reason than damage is not set aside.
func TestAnUnreachableDatabaseIsNoDamage(t *testing.T) {
	c := newCentral(t)
	dir := c.join()
	must(t, os.Mkdir(filepath.Join(dir, "desired.db"), 0o700))
	if _, err := desired.Open(t.Context(), dir, quiet); err == nil {
		t.Error("Open with a folder in the database's place = nil, want an error")
	}
	must(t, os.Remove(filepath.Join(dir, "desired.db")))
	ctx, cancel := context.WithCancel(t.Context())
	shut(t, open(t, dir))
	cancel()
	if _, err := desired.Open(ctx, dir, quiet); !errors.Is(err, context.Canceled) {
		t.Errorf("Open with an ended context = %v, want context.Canceled", err)
	}
	if found := aside(t, dir, "desired.db"); len(found) != 0 {
		t.Errorf("set aside = %v, want nothing", found)
	}
}

func TestDamagedFiles(t *testing.T) { // P8
	newer, older := rule.Version{CentralEpoch: 1, N: 5}, rule.Version{CentralEpoch: 1, N: 4}
	for _, try := range []struct {
		name, file string
		harm       spoil
		want       error
		trust      uint64
		rules      rule.Version
	}{
		{"place cut", "place.cbor", cutTo(10), desired.ErrPlace, 0, rule.Version{}},
		{"place empty", "place.cbor", cutTo(0), desired.ErrPlace, 0, rule.Version{}},
		{"place gone", "place.cbor", remove, desired.ErrNotJoined, 0, rule.Version{}},
		{"trust cut: the one before", "trust.cbor", cutTo(100), nil, 2, newer},
		{"trust gone: the one before", "trust.cbor", remove, nil, 2, newer},
		{"trust and the one before", "trust.cbor", both(cutTo(100)), canon.ErrForm, 0, rule.Version{}},
		{"trust and the one before gone", "trust.cbor", both(remove), fs.ErrNotExist, 0, rule.Version{}},
		{"rules overwritten: those before", "rules.cbor", overwrite(50, "xxxx"), nil, 3, older},
		{"rules gone: those before", "rules.cbor", remove, nil, 3, older},
		{"rules and those before: none", "rules.cbor", both(overwrite(50, "xxxx")), nil, 3, rule.Version{}},
	} {
		t.Run(try.name, func(t *testing.T) {
			c := newCentral(t)
			dir := c.join()
			s := open(t, dir)
			must(t, errors.Join(s.ApplyTrust(c.bundle(2)), s.ApplyTrust(c.bundle(3)), s.ApplyRules(c.rules(older, "one")), s.ApplyRules(c.rules(newer, "one"))))
			shut(t, s)
			try.harm(t, filepath.Join(dir, try.file))
			for range 2 { // the second start is as sound as the first
				s, err := desired.Open(t.Context(), dir, quiet)
				if !errors.Is(err, try.want) {
					t.Fatalf("Open = %v, want %v", err, try.want)
				}
				if try.want != nil {
					continue
				}
				if s.Trust().Number != try.trust || s.Rules() != try.rules {
					t.Errorf("Trust, Rules = %d, %v, want %d, %v", s.Trust().Number, s.Rules(), try.trust, try.rules)
				}
				shut(t, s)
			}
		})
	}
}

func both(harm spoil) spoil {
	return func(t *testing.T, path string) { harm(t, path); harm(t, path+".previous") }
}

// What central sends next is taken by a box that came back with less than it had.
func TestWhatWasDamagedIsSentAgain(t *testing.T) { // P8
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, errors.Join(s.ApplyTrust(c.bundle(3)), s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 5}, "one"))))
	shut(t, s)
	cutTo(100)(t, filepath.Join(dir, "trust.cbor"))
	cutTo(100)(t, filepath.Join(dir, "rules.cbor"))
	s = open(t, dir)
	must(t, errors.Join(s.ApplyTrust(c.bundle(3)), s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 5}, "one"))))
}

// No file of this package is readable by others.
func TestFilesAreClosedToOthers(t *testing.T) { // P3
	c := newCentral(t)
	dir := c.join()
	s := open(t, dir)
	must(t, s.ApplyTrust(c.bundle(2)))
	must(t, s.ApplyRules(c.rules(rule.Version{CentralEpoch: 1, N: 1}, "one")))
	_, err := s.ApplyVerdicts(t.Context(), c.batch(1, 1, 2))
	must(t, err)
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		if info, err := f.Info(); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v, want 0600", f.Name(), info.Mode(), err)
		}
	}
	if len(files) < 6 {
		t.Errorf("looked at %d files only", len(files))
	}
}
