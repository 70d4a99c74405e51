// Package crl is central's store of revocation lists: it takes the authorities' lists, makes the numbered, signed revocation sets
// and deltas that boxes hold, and remembers what was in force at any time.
//
// [Store.Ingest] verifies a list and keeps it as an index, one for each partition; [Store.Build] merges the indexes into the next
// set of the scope. A [Store] may be used from any goroutine; ingesting and building a scope take turns, answers never wait for
// them. Whatever Ingest or Build returned without an error survives a power cut; a crash in between leaves the state before, and
// Open clears away what it left. central/DESIGN.md has the folder's layout. The store fetches only what it is told to, and decides
// nothing about certificates: package validity does.
package crl

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
	"kazashi.example/sync/sign"
)

// Errors, beside those of packages scan, index, crlset and manifest.
var (
	// ErrScope says that a list belongs to another scope than the one it was taken for.
	ErrScope = errors.New("list is for another scope")
	// ErrPartition says that a list is a partition where whole lists are expected, or the other way round.
	ErrPartition = errors.New("list is not of the kind that this scope is made from")
	// ErrOlder says that a list's number or time is below that of the one held for the same partition.
	ErrOlder = errors.New("list is older than the one held")
	// ErrLowNumber says that a list has a number below that of the one held for the same key and partition. It is ErrOlder.
	ErrLowNumber = fmt.Errorf("%w: its number is lower", ErrOlder)
	// ErrSameNumber says that a list has the number of the one held and other content: its authority numbers wrongly.
	ErrSameNumber = errors.New("list has the number of the one held, and says something else")
	// ErrIncomplete says that partitions are missing, so that nothing was published.
	ErrIncomplete = errors.New("not every partition of the list is here")
	// ErrNone says that there is no such set, list, delta or file.
	ErrNone = errors.New("there is no such thing in the store of revocation lists")
	// ErrHeld says that another process works with the store.
	ErrHeld = errors.New("another process holds the store of revocation lists")
	// ErrReadOnly says that the store was opened to be looked at.
	ErrReadOnly = errors.New("the store of revocation lists was opened for reading alone")
	// ErrHistory says that what was in force at a time cannot be read any more.
	ErrHistory = errors.New("history of the revocation set does not reach so far")
	// ErrDiffers says that the set in force was not made from the lists that it was compared with.
	ErrDiffers = errors.New("the set in force does not say what these lists say")
	// ErrOtherKey says that what is published was signed by another key than the store was opened with.
	ErrOtherKey = errors.New("the published sets are signed by another key: this is another central's store, or the key directory is not the right one")
	// ErrDamaged says that a file of the store contradicts itself or its neighbours.
	ErrDamaged = errors.New("file of the store of revocation lists is damaged")
)

// MaxList is how large a list may be where Config does not say, in octets of DER: a hundred million entries have four billion.
const MaxList = 8 << 30

// Expect says which lists make up a scope. The zero value is one whole list.
type Expect struct {
	// Count is how many partitions there are; 0 with no Sources: one whole list.
	Count int
	// Sources names where each partition comes from, as in IngestOptions.From. It goes before Count.
	Sources []string
}

// partitioned reports whether the scope is made from partitions.
func (e Expect) partitioned() bool { return e.Count > 0 || len(e.Sources) > 0 }

// Config is what a store works with.
type Config struct {
	// Dir is the folder. It is made if it is not there.
	Dir     string
	Anchors *jpki.Anchors
	// Sign is C-sign. A read-only store needs its public half alone.
	Sign crypto.Signer
	// CentralEpoch goes before the number of every set; a restored central raises it.
	CentralEpoch uint64
	// Columns of published sets; 0: all. Without dates an answer as of a time cannot tell what was revoked later that day.
	Columns crlset.Columns
	// Expect says what scopes are made from; a scope that is not in it has one whole list.
	Expect map[certid.Scope]Expect
	// MaxList caps a list, in octets; 0: the constant of that name.
	MaxList int64
	// ReadOnly opens the store beside the process that works with it, to look at what is published.
	ReadOnly bool
	Now      func() time.Time
	Log      *slog.Logger
}

// Store keeps lists and sets. See the package comment.
type Store struct {
	Config

	keys  sign.Keys // C-sign's public half
	lock  *os.File  // nil when read-only
	plans []planner

	refusals refusals

	mu     sync.Mutex // guards scopes
	scopes map[certid.Scope]*scope
}

// scope is everything about one scope.
type scope struct {
	of  certid.Scope
	dir string

	work  sync.Mutex // held while lists are taken and sets made; guards state
	state state

	mu  sync.RWMutex // guards pub and what it points to; held for reading while a set is searched
	pub published

	damaged atomic.Bool // a lookup found the set in force to be another than was published; the next set mends it
	opened  opened
}

// Open reads what an earlier run kept and clears away what a crash left. A file that cannot be believed is set aside and logged. ErrHeld
// when another process works with the folder; ErrOtherKey, or the error of a disk that cannot be read: nothing is removed then.
func Open(ctx context.Context, c Config) (_ *Store, err error) {
	pub, err := sign.PublicKeyOf(c.Sign.Public())
	if err != nil {
		return nil, err
	}
	if c.Columns == 0 {
		c.Columns = crlset.Full
	}
	if c.MaxList == 0 {
		c.MaxList = MaxList
	}
	s := &Store{Config: c, keys: sign.One{Key: pub}, plans: planners, scopes: map[certid.Scope]*scope{}}
	if !c.ReadOnly {
		if err := os.MkdirAll(c.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("making the store of revocation lists: %w", err)
		}
		if s.lock, err = hold(filepath.Join(c.Dir, fileLock)); err != nil {
			return nil, err
		}
	}
	if err := s.openAll(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openAll opens the scopes that have a folder.
func (s *Store) openAll(ctx context.Context) error {
	files, err := os.ReadDir(s.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading the store of revocation lists: %w", err)
	}
	for _, f := range files {
		of, ok := scopeNamed(f.Name())
		if !ok || !f.IsDir() {
			continue
		}
		if _, err := s.scope(ctx, of); err != nil {
			return fmt.Errorf("opening %s: %w", of, err)
		}
	}
	return nil
}

// Close lets the folder and every map go. Nothing may be asked any more; a second Close does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, sc := range s.scopes {
		errs = append(errs, sc.close())
	}
	clear(s.scopes)
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
		s.lock = nil
	}
	return errors.Join(errs...)
}

func (sc *scope) close() error {
	sc.work.Lock()
	defer sc.work.Unlock()
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return errors.Join(sc.pub.close(), sc.opened.close())
}

// Scopes are those that have a folder, in order.
func (s *Store) Scopes() []certid.Scope {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.scopes), func(a, b certid.Scope) int { return strings.Compare(a.String(), b.String()) })
}

// known is the scope if it has a folder; ErrNone otherwise.
func (s *Store) known(of certid.Scope) (*scope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sc := s.scopes[of]; sc != nil {
		return sc, nil
	}
	return nil, fmt.Errorf("%w: nothing of %s", ErrNone, of)
}

// scope opens a scope, and makes its folder if need be.
func (s *Store) scope(ctx context.Context, of certid.Scope) (*scope, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sc := s.scopes[of]; sc != nil {
		return sc, nil
	}
	sc := &scope{of: of, dir: filepath.Join(s.Dir, folder(of))}
	if err := s.openScope(ctx, sc); err != nil {
		return nil, err
	}
	s.scopes[of] = sc
	return sc, nil
}

func (s *Store) openScope(ctx context.Context, sc *scope) (err error) {
	if !s.ReadOnly {
		if err := sc.makeFolders(); err != nil {
			return err
		}
	}
	if sc.state, err = s.loadState(ctx, sc); err != nil {
		return err
	}
	return s.loadPublished(ctx, sc)
}

// folder is a scope's name in the file system.
func folder(of certid.Scope) string { return strings.ReplaceAll(of.String(), "/", "-") }

func scopeNamed(name string) (of certid.Scope, ok bool) {
	h, p, ok := strings.Cut(name, "-")
	if !ok {
		return of, false
	}
	var errs [2]error
	of.Hierarchy, errs[0] = certid.ParseHierarchy(h)
	of.Purpose, errs[1] = certid.ParsePurpose(p)
	return of, errors.Join(errs[:]...) == nil
}
