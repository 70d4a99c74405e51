// Package revocation is the box's revocation sets: it keeps them, answers from them, and brings them up to date.
//
// A set is used only once its head verified against the trust bundle in force and its octets against the digests that the head
// vouches for; where they came from does not matter: from central in pieces over a bad line, as deltas, or from a folder that
// somebody carried. Nothing that fails is ever used, and nothing older replaces anything newer, by its number and by the lists that
// it was made from, whatever the box's clock says. Nothing is written that would leave less than a floor of room on the disk.
//
// Concurrency: a [Cache] may be used from any goroutine. An answer is a search in a memory map; it waits for no network, no
// download and no other set being made ready.
//
// Durability: per scope the newest set and the one before it lie in the folder, each as a file and its manifest. A set counts
// from the moment that its manifest has its name; a crash before that leaves what was in use, and what was fetched is gone on with.
// If chunks of the newest fail their digests or cannot be read, the one before answers at once and the newest is fetched anew.
//
// It does not judge how old a set may be: that is the rule's.
package revocation

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kazashi.example/appliance/fetch"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Errors of sets that came. Those of packages crlset, delta, manifest and sign come with them.
var (
	// ErrOlder says that the set in use is as new or newer.
	ErrOlder = errors.New("revocation set is not newer than the one in use")
	// ErrBackwards says that a set of a higher number was made from older lists than the one in use, as by a central that lost its lists
	// and was given old ones. It is taken when central has made it from lists that are as new.
	ErrBackwards = errors.New("revocation set is made from older lists than the one in use")
	// ErrRoot says that base and deltas did not give the set that the signed head names.
	ErrRoot = errors.New("applied deltas do not give the set that was signed")
	// ErrName says that what a file holds is not what its name says.
	ErrName = errors.New("file holds another revocation set than its name says")
	// ErrFull says that a set would leave too little room on the disk for the records of taps (P1); the one in use stays.
	ErrFull = errors.New("no room on the disk for a newer revocation set; the one in use stays")
	// ErrIrregular says that something in a folder is no regular file: a link, a pipe, a device or a folder.
	ErrIrregular = errors.New("not a regular file")
	// ErrCrowded says that a folder holds too many files to look at.
	ErrCrowded = errors.New("too many files in the folder of revocation sets")
	// ErrNothing says that a folder holds nothing that could be loaded.
	ErrNothing = errors.New("no revocation set and no delta in this folder")
)

// Inbox is the folder inside a Cache's from which a running box takes what `kazashi crl load` put there.
const Inbox = "inbox"

// Config is the parts of a Cache. Dir and Keys are required.
type Config struct {
	Dir  string           // its own; made if need be
	Keys func() sign.Keys // of the trust bundle in force; asked at each verification, and must not block
	// Now is the time and how far it can be trusted; nil: nobody knows. By a checked clock alone a list in use is found to be from the future,
	// and then compares with none: whatever is newer by its number may take its place.
	Now     func() (time.Time, record.Confidence)
	Learn   func(time.Time) // hears when the lists of a set that came into use were signed; nil: nobody does
	Changed func()          // hears that other sets are in use; does not block; nil: nobody does
	Log     *slog.Logger    // nil discards
}

// Remote is where sets come from.
type Remote = fetch.Remote

// Cache holds the sets.
type Cache struct {
	Config
	news    chan struct{} // offers changed, or a set was found damaged
	gained  atomic.Uint64 // octets that were fetched and verified
	loading sync.Mutex    // lets one folder at a time in

	changing sync.Mutex // lets one change of the folder at a time in; held across the disk, and no lookup waits for it

	mu      sync.RWMutex // guards what follows; held for moments only, a tap waits for it
	turn    uint64       // counts changes of trust
	shelves map[certid.Scope]shelf
	offers  []wire.SetOffer
	damaged []manifest.Head          // to be set aside
	broken  map[manifest.Digest]bool // roots of sets whose octets are as signed and contradict themselves
}

// shelf is what is in use in one scope; both may be nil.
type shelf struct{ newest, previous *held }

// Open reads what the folder holds, clears up what a crash left, and starts nothing. A set that cannot be used is reported and
// costs no more than itself. Close it after Run has ended.
func Open(ctx context.Context, conf Config) (*Cache, error) {
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	if conf.Learn == nil {
		conf.Learn = func(time.Time) {}
	}
	if conf.Changed == nil {
		conf.Changed = func() {}
	}
	if err := os.MkdirAll(filepath.Join(conf.Dir, Inbox), 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of revocation sets: %w", err)
	}
	c := &Cache{Config: conf, news: make(chan struct{}, 1), shelves: map[certid.Scope]shelf{}, broken: map[manifest.Digest]bool{}}
	if err := c.tidy(); err != nil {
		return nil, fmt.Errorf("clearing up the folder of revocation sets: %w", err)
	}
	if err := c.recall(ctx); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// Close lets the sets go. Lookups after it are not covered.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.shelves {
		s.newest.release()
		s.previous.release()
	}
	clear(c.shelves) // nobody looks up any more: the maps may go under the lock
}

// Answer is what the sets say of one certificate, and the set that says so (P6).
type Answer struct {
	Answer     record.Answer
	Number     rule.Version // zero: no set speaks of it
	ThisUpdate time.Time    // UTC; zero with a zero number
}

// Answer looks a certificate up in the set of its scope; issuer is the key that signed it. not_covered and nothing else when there is
// none, or when the serial is not on the set and the set does not speak of what that key issued (P7). Any entry counts, whatever
// its date: a set speaks of the present. It is a look into memory that the disk is mapped into.
func (c *Cache) Answer(id certid.CertID, issuer certid.KeyID) Answer {
	for {
		h := c.borrow(id.Scope)
		if h == nil {
			return Answer{Answer: record.AnswerNotCovered}
		}
		a, err := h.set.Answer(id.Serial)
		if err != nil {
			c.damage(h, err)
			h.release()
			continue
		}
		said := Answer{a, h.head.Number, h.head.At()}
		if a == record.AnswerNotRevoked && !h.head.Covers(issuer) {
			said = Answer{Answer: record.AnswerNotCovered}
		}
		h.release()
		return said
	}
}

// borrow returns the set that answers for a scope; the caller releases it. nil if there is none.
func (c *Cache) borrow(s certid.Scope) *held {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.shelves[s].newest.borrow()
}

// Held names the sets that answer, for asking central for newer ones; in order of their scopes.
func (c *Cache) Held() []wire.HeldSet {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var sets []wire.HeldSet
	for _, s := range c.shelves {
		if s.newest == nil {
			continue
		}
		h := s.newest.head
		sets = append(sets, wire.HeldSet{Hierarchy: h.Hierarchy, Purpose: h.Purpose, Number: h.Number, Root: wire.BlobID(h.Root)})
	}
	slices.SortFunc(sets, func(a, b wire.HeldSet) int {
		return cmp.Or(cmp.Compare(a.Hierarchy, b.Hierarchy), cmp.Compare(a.Purpose, b.Purpose))
	})
	return sets
}

// Newest is the head of the set that answers for a scope.
func (c *Cache) Newest(s certid.Scope) (manifest.Head, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if h := c.shelves[s].newest; h != nil {
		return h.head, true
	}
	return manifest.Head{}, false
}

// onward is nil for a set that may take the place of the one in use: ErrOlder, or ErrBackwards if one of the lists in both tables goes back
// or, where none is in both, the whole does. Lists may come and go: only a list that comes again is compared with itself. One in use that is
// from the future binds nobody, or a single false date would keep every right list out for ever.
func (c *Cache) onward(next manifest.Head, table []manifest.Row) error {
	if err := c.newer(next.Scope(), next.Number); err != nil {
		return err
	}
	c.mu.RLock()
	h := c.shelves[next.Scope()].newest
	c.mu.RUnlock()
	if h == nil {
		return nil
	}
	common := 0
	for _, row := range table {
		i, ok := slices.BinarySearchFunc(h.table, row, byList)
		if !ok {
			continue
		}
		if common++; row.ThisUpdate < h.table[i].ThisUpdate && !c.beyond(h.table[i].ThisUpdate) {
			return backwards(next, row.ThisUpdate, h.table[i].ThisUpdate)
		}
	}
	if common == 0 && next.ThisUpdate < h.head.ThisUpdate && !c.beyond(h.head.ThisUpdate) {
		return backwards(next, next.ThisUpdate, h.head.ThisUpdate)
	}
	return nil
}

// beyond says for certain that a list was signed as of a time that has not come.
func (c *Cache) beyond(thisUpdate int64) bool {
	if c.Now == nil {
		return false
	}
	now, confidence := c.Now()
	return confidence == record.ConfidenceChecked && time.Unix(thisUpdate, 0).After(now.Add(gate.Ahead))
}

// byList is the order of a manifest's table.
func byList(a, b manifest.Row) int {
	return cmp.Or(bytes.Compare(a.Point, b.Point), bytes.Compare(a.Key, b.Key))
}

func backwards(next manifest.Head, at, before int64) error {
	return fmt.Errorf("%w: %s number %s has a list of %s, in use is %s", ErrBackwards, next.Scope(), number(next.Number),
		time.Unix(at, 0).UTC().Format(time.RFC3339), time.Unix(before, 0).UTC().Format(time.RFC3339))
}

// newer is ErrOlder unless number is above that of the set that answers for the scope.
func (c *Cache) newer(s certid.Scope, number rule.Version) error {
	if h, ok := c.Newest(s); ok && number.Compare(h.Number) <= 0 {
		return fmt.Errorf("%w: %s number %d-%d, in use %d-%d", ErrOlder, s, number.CentralEpoch, number.N, h.Number.CentralEpoch, h.Number.N)
	}
	return nil
}
