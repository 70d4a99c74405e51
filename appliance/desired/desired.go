// Package desired keeps what central wants this box to have: the trust bundle, the rules, the final verdicts, and where the
// box stands.
//
// Everything is verified before it is kept and durable before it counts; nothing older replaces anything newer, by (central
// epoch, n). Bundle and rules are files that are replaced whole, the previous one kept beside them; verdicts are rows of a
// database of their own, so that central's news never make a tap wait. A [Store] may be used from any goroutine. It holds no
// PPID, on disk or off.
package desired

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/trust"
)

// Errors of this package.
var (
	// ErrNotJoined says that the box has no place yet.
	ErrNotJoined = errors.New("this box has not joined central yet; run `kazashi join CODE` with the code that central prints")
	// ErrOlder says that what came is not newer than what is held.
	ErrOlder = errors.New("not newer than what is held")
	// ErrElsewhere says that a signed message was made for another box.
	ErrElsewhere = errors.New("made for another box")
	// ErrGap says that verdicts are missing between those held and those that came.
	ErrGap = errors.New("verdicts are missing before these")
)

const (
	filePlace = "place.cbor"
	fileTrust = "trust.cbor"
	fileRules = "rules.cbor"
	previous  = ".previous"
	maxPlace  = 4 << 10
)

// Place is where the box stands, learnt at joining.
type Place struct {
	Box  record.BoxID      `cbor:"1,keyasint"`
	Site record.SiteID     `cbor:"2,keyasint"`
	Name string            `cbor:"3,keyasint"`
	Root trust.Fingerprint `cbor:"4,keyasint"` // the root set that the trust bundle is followed from
}

// Store is the box's desired state.
type Store struct {
	dir string
	db  *verdicts

	mu      sync.RWMutex // guards what follows
	place   Place
	trust   trust.Opened
	anchors *jpki.Anchors
	rules   rule.Set
}

// Create writes the place of a box that has just joined, with its first trust bundle, which must follow from place.Root.
// Joining again replaces both.
func Create(dir string, place Place, bundle []byte) error {
	if _, err := trust.Open(bundle, trust.Terms{Root: place.Root}); err != nil {
		return fmt.Errorf("checking the first trust bundle: %w", err)
	}
	b, err := canon.Encode(place)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(dir, fileTrust), bundle, 0o600); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, filePlace), b, 0o600)
}

// Open reads everything held. ErrNotJoined before Create.
func Open(ctx context.Context, dir string) (*Store, error) {
	s := &Store{dir: dir}
	b, err := os.ReadFile(filepath.Join(dir, filePlace))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotJoined
	}
	if err != nil {
		return nil, fmt.Errorf("reading this box's place: %w", err)
	}
	if err := canon.Decode(b, &s.place, maxPlace); err != nil {
		return nil, fmt.Errorf("reading this box's place: %w", err)
	}
	bundle, err := os.ReadFile(filepath.Join(dir, fileTrust))
	if err != nil {
		return nil, fmt.Errorf("reading the trust bundle: %w", err)
	}
	if err := s.believe(bundle, 0); err != nil {
		return nil, fmt.Errorf("reading the trust bundle: %w", err)
	}
	if err := s.readRules(); err != nil {
		return nil, err
	}
	s.db, err = openVerdicts(ctx, filepath.Join(dir, "desired.db"))
	return s, err
}

// Close closes the database.
func (s *Store) Close() error { return s.db.close() }

func (s *Store) readRules() error {
	b, err := os.ReadFile(filepath.Join(s.dir, fileRules))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the rules: %w", err)
	}
	set, err := rule.Open(s.trust, b)
	if err != nil {
		return fmt.Errorf("reading the rules: %w", err)
	}
	s.rules = set
	return nil
}

// believe opens a bundle and puts it in use in memory.
func (s *Store) believe(b []byte, number uint64) error {
	o, err := trust.Open(b, trust.Terms{Root: s.place.Root, Number: number})
	if err != nil {
		return err
	}
	anchors, err := anchorsOf(o.Bundle)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trust, s.anchors = o, anchors
	return nil
}

// Place is where the box stands.
func (s *Store) Place() Place { return s.place }

// Trust is the bundle in force.
func (s *Store) Trust() trust.Opened {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.trust
}

// Anchors are the certificate authorities of the bundle in force.
func (s *Store) Anchors() *jpki.Anchors {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.anchors
}

// ApplyTrust verifies a bundle against the one in force and puts it in its place. ErrOlder, or an error of package trust.
func (s *Store) ApplyTrust(b []byte) error {
	old := s.Trust()
	o, err := trust.Open(b, trust.Terms{Root: s.place.Root, Number: old.Number})
	if err != nil {
		return err
	}
	if o.Number == old.Number {
		return ErrOlder
	}
	if _, err := anchorsOf(o.Bundle); err != nil {
		return err
	}
	if err := s.replace(fileTrust, b); err != nil {
		return err
	}
	return s.believe(b, old.Number)
}

// For finds a service's rule and the version of the set it comes from.
func (s *Store) For(id record.ServiceID) (rule.Rule, rule.Version, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.rules.For(id)
	return r, s.rules.Version, ok
}

// Rules is the version of the rule set held; zero if none is.
func (s *Store) Rules() rule.Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rules.Version
}

// ApplyRules verifies a signed rule set and puts it in force. ErrOlder, or an error of package rule.
func (s *Store) ApplyRules(msg []byte) error {
	set, err := rule.Open(s.Trust(), msg)
	if err != nil {
		return err
	}
	if set.Version.Compare(s.Rules()) <= 0 {
		return ErrOlder
	}
	if err := s.replace(fileRules, msg); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = set
	return nil
}

// replace keeps the old file beside the new one, so that it can be gone back to by hand (P9).
func (s *Store) replace(name string, b []byte) error {
	path := filepath.Join(s.dir, name)
	old, err := os.ReadFile(path)
	if err == nil {
		err = durable.WriteFile(path+previous, old, 0o600)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keeping the previous %s: %w", name, err)
	}
	return durable.WriteFile(path, b, 0o600)
}
