// Package desired keeps what central wants this box to have: the trust bundle, the rules, the final verdicts, and where the
// box stands.
//
// Everything is verified before it is kept and durable before it counts; nothing older replaces anything newer, by (central
// epoch, n), also where what was newer is no longer in force. Bundle and rules are files that are replaced whole, the previous one
// kept beside them; verdicts are rows of a database of their own, so that central's news never make a tap wait. What is found damaged at
// the start is set aside under another name and never deleted: the file before it takes its place, and what neither file holds is asked
// of central again. Only without a place or a trust bundle the box does not start. A [Store] may be used from any goroutine. It holds
// no PPID, on disk or off, and it never asks central itself.
package desired

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/trust"
)

// Errors of this package.
var (
	// ErrNotJoined says that the box has no place yet.
	ErrNotJoined = errors.New("this box has not joined central yet; run `kazashi join CODE` with the code that central prints")
	// ErrPlace says that the place of a box names no box, site or root set, or is damaged on the disk.
	ErrPlace = errors.New("this box's place cannot be used; run `kazashi join CODE` again with the code that it joined with")
	// ErrOlder says that what came is not newer than what is held.
	ErrOlder = errors.New("not newer than what is held")
	// ErrElsewhere says that a signed message was made for another box.
	ErrElsewhere = errors.New("made for another box")
	// ErrNoPrevious says that there is no trust bundle to go back to.
	ErrNoPrevious = errors.New("no usable trust bundle from before is kept here")
	// ErrReverted says that the box went back to the bundle before already; another way on is a newer bundle.
	ErrReverted = errors.New("already back at the trust bundle before; only a newer one leads on")
	// ErrRootReplaced says that the bundle before was signed by root keys that others took the place of, maybe because they were stolen.
	ErrRootReplaced = errors.New("the trust bundle before was signed by root keys that have been replaced since")
	// ErrGap says that verdicts are missing between those held and those that came.
	ErrGap = errors.New("verdicts are missing before these")
)

const (
	filePlace    = "place.cbor"
	fileReverted = "trust.reverted"
	fileTrust    = "trust.cbor"
	fileRules    = "rules.cbor"
	fileFloor    = "rules.floor" // the highest version of rules ever in force here
	fileVerdicts = "desired.db"
	maxPlace     = 4 << 10 // octets
)

// Place is where the box stands, learnt at joining.
type Place struct {
	Box  record.BoxID      `cbor:"1,keyasint"`
	Site record.SiteID     `cbor:"2,keyasint"`
	Name string            `cbor:"3,keyasint"`
	Root trust.Fingerprint `cbor:"4,keyasint"` // the root set that every trust bundle's chain begins at or passes
	// Replaces is the box whose place this one took; zero: none's.
	Replaces record.BoxID `cbor:"5,keyasint,omitzero"`
}

func (p Place) check() error {
	if p.Box.IsZero() || p.Root == (trust.Fingerprint{}) || record.CheckName(p.Site) != nil {
		return ErrPlace
	}
	return nil
}

// Store is the box's desired state.
type Store struct {
	dir   string
	place Place
	log   *slog.Logger
	db    *verdicts

	applying sync.Mutex // lets one bundle or rule set at a time in; held across the write to the disk

	now func() (time.Time, record.Confidence) // nil: no date is known

	mu       sync.RWMutex // guards what follows; held for moments only, a tap waits for it
	trust    belief
	newest   newest
	reverted bool // trust is the bundle before newest
	rules    rule.Set
	floor    rule.Version // no older rules are taken, whatever became of those that were in force
}

// newest is what no later bundle may fall behind: the highest number and the last root set that were ever believed here.
type newest struct {
	Number uint64            `cbor:"1,keyasint"`
	Root   trust.Fingerprint `cbor:"2,keyasint"`
}

// belief is a verified bundle in the forms in which it is used.
type belief struct {
	trust.Opened
	anchors *jpki.Anchors
	cards   *cvc.Authorities
	sealTo  seal.PublicKey
}

// Create writes the place of a box that has just joined, with its first trust bundle, which must follow from place.Root.
// Joining again replaces both. What another central said, or what was said to another box, is set aside first, because its
// numbers mean nothing here. ErrPlace, or an error of package trust. After a crash in the middle joining again completes it.
func Create(dir string, place Place, bundle []byte) error {
	if err := place.check(); err != nil {
		return err
	}
	if _, err := open(bundle, trust.Terms{Root: place.Root}); err != nil {
		return fmt.Errorf("checking the first trust bundle: %w", err)
	}
	if old, err := readPlace(dir); err != nil || old.Root != place.Root || old.Box != place.Box {
		if err := setAsideAll(dir); err != nil {
			return err
		}
	}
	b, err := canon.Encode(place)
	if err != nil {
		return err
	}
	// What somebody went back from ends with the place, and so do numbers that a thief of keys may have driven up.
	for _, name := range []string{fileReverted, fileFloor} {
		if err := setAside(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := durable.WriteFile(filepath.Join(dir, fileTrust), bundle, 0o600); err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, filePlace), b, 0o600)
}

// Open reads everything held. ErrNotJoined before Create; ErrPlace or an error of package trust where joining again is the
// only way on.
func Open(ctx context.Context, dir string, log *slog.Logger) (*Store, error) {
	place, err := readPlace(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, place: place, log: log}
	if err := s.recallTrust(ctx); err != nil {
		return nil, err
	}
	if err := s.recallRules(ctx); err != nil {
		return nil, err
	}
	s.db, err = openVerdicts(ctx, filepath.Join(dir, fileVerdicts), log)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func readPlace(dir string) (Place, error) {
	b, err := os.ReadFile(filepath.Join(dir, filePlace))
	if errors.Is(err, fs.ErrNotExist) {
		return Place{}, ErrNotJoined
	}
	if err != nil {
		return Place{}, fmt.Errorf("reading this box's place: %w", err)
	}
	var p Place
	if err := canon.Decode(b, &p, maxPlace); err != nil {
		return Place{}, fmt.Errorf("%w: %w", ErrPlace, err)
	}
	return p, p.check()
}

// Close closes the database.
func (s *Store) Close() error { return s.db.close() }

// Place is where the box stands.
func (s *Store) Place() Place { return s.place }

// Trust is the bundle in force.
func (s *Store) Trust() trust.Opened {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.trust.Opened
}

// Anchors are the certificate authorities of the bundle in force.
func (s *Store) Anchors() *jpki.Anchors {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.trust.anchors
}

// CardAuthorities are the issuers of card-verifiable certificates of the bundle in force: the same set until another bundle comes.
func (s *Store) CardAuthorities() *cvc.Authorities {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.trust.cards
}

// SealKey is the key of the bundle in force to seal records to. It was parsed when the bundle came, because every tap asks.
func (s *Store) SealKey() seal.PublicKey {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.trust.sealTo
}

// For finds a service's rule and the version of the set it comes from. A rule whose legal approval is over, or no longer in the bundle, is
// out of force.
func (s *Store) For(id record.ServiceID) (rule.Rule, rule.Version, bool) {
	today, _ := s.today()
	s.mu.RLock()
	defer s.mu.RUnlock()
	r, ok := s.rules.For(id)
	if ok && r.NeedsApproval() && !s.trust.Approves(r.Verifier, today) {
		return rule.Rule{}, s.rules.Version, false
	}
	return r, s.rules.Version, ok
}

// RuleSet is the set held, rules out of force included; without a version if there is none.
func (s *Store) RuleSet() rule.Set {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rules
}

// Clock lets dates in bundles be judged, by what the box knows of the time: an approval's end by any time it has, since a wrong one can only
// end it early, a bundle's by a checked one alone. To be called before the store is shared.
func (s *Store) Clock(now func() (time.Time, record.Confidence)) { s.now = now }

func (s *Store) today() (time.Time, record.Confidence) {
	if s.now == nil {
		return time.Time{}, record.ConfidenceNone
	}
	return s.now()
}

// Rules is the version of the rule set held; zero if none is.
func (s *Store) Rules() rule.Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.rules.Version
}

// Issued is when the latest of the bundle and the rules in force was signed.
func (s *Store) Issued() time.Time {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return time.Unix(max(s.trust.Issued, s.rules.Issued), 0).UTC()
}
