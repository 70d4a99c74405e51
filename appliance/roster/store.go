// Package roster is who is enrolled at this box's site as central says, kept sealed on the disk, also while there is no line.
//
// A [Store] holds segments of people sealed one by one under the site's key, named by a head that central signed. It fetches by the chunk
// over a bad line, mends what a disk spoilt, and looks people up by references that are keyed: while the site's keys are locked, neither
// it nor whoever has the disk can say who is enrolled. It decides nothing about a tap, and knows nothing of what was enrolled here and
// not settled yet: that is package sitebook's.
package roster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"

	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

// Errors of Store. Those of packages roster, segment and sign come with them.
var (
	// ErrOlder says that a roster is not newer than the one held.
	ErrOlder = errors.New("roster is not newer than the one held")
	// ErrSite says that a roster is another site's.
	ErrSite = errors.New("roster is another site's")
	// ErrOffer says that a head is not of the version that was offered, or no roster was.
	ErrOffer = errors.New("roster is not the one that was offered")
	// ErrDigest says that a head is not the file that was offered.
	ErrDigest = errors.New("roster's head is not the one that was offered")
	// ErrSize says that a head has not a size that one can have.
	ErrSize = errors.New("roster's head is too large")
	// ErrNoRoom says that a roster would leave too little room on the disk for the records of taps (P1); the one in use stays.
	ErrNoRoom = errors.New("no room on the disk for a newer roster; the one in use stays")
)

// Config is the parts of a Store. Dir, Site, Keys and Ring are required.
type Config struct {
	Dir     string // its own; made if need be
	Site    record.SiteID
	Keys    func() sign.Keys             // of the trust bundle in force; must not block
	Ring    func() (sitekey.Ring, error) // the site's keys as they are open now; an error: they are locked. Must not block
	Changed func()                       // hears that another roster is in use; does not block; nil: nobody does
	Log     *slog.Logger                 // nil discards
}

// Store is the roster of a site, sealed on the disk: who is enrolled here as central says. Part of central's word it may have only in
// an older version, and says so by [Store.Version].
//
// It may be used from any goroutine. Looking up is a search in a memory map and the opening of one entry; it waits for no network, no
// download and no other roster being made ready. A roster counts from the moment that its head has its name, when all its segments are
// durable: a crash before leaves the one in use, and what was fetched is gone on with. The one before it stays beside it, and answers at
// once if a chunk of the newest fails its digest or cannot be read; the newest is then mended chunk by chunk.
type Store struct {
	Config
	news     chan struct{}
	changing sync.Mutex               // lets one change of the folder at a time in; held across disk and line, and no lookup waits for it
	opened   atomic.Pointer[unlocked] // what the keys open, as it was found last

	mu       sync.RWMutex // guards what follows; held for moments only, a tap waits for it
	current  *edition     // that answers; nil: none
	previous *edition     // that was before it; nil: none
	newest   rule.Version // of the head that has its name, be it damaged
	offer    wire.RosterOffer
	damaged  []roster.Part      // to be mended
	stop     context.CancelFunc // ends what holds changing across the line; nil: nothing does
	wanted   int                // so many wait for changing who do not want to wait for the line
}

// Open reads what the folder holds, clears up what a crash left, and starts nothing. A roster that cannot be used is reported and costs no
// more than itself. Close it after Run has ended.
func Open(conf Config) (*Store, error) {
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	if conf.Changed == nil {
		conf.Changed = func() {}
	}
	if err := os.MkdirAll(conf.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of rosters: %w", err)
	}
	s := &Store{Config: conf, news: make(chan struct{}, 1)}
	s.changing.Lock()
	defer s.changing.Unlock()
	if err := s.tidy(); err != nil {
		return nil, fmt.Errorf("clearing up the folder of rosters: %w", err)
	}
	s.recall()
	return s, nil
}

// Close lets the rosters go. Lookups after it find nobody.
func (s *Store) Close() { s.use(nil, nil) }

// Version is that of the roster that answers; zero if none does.
func (s *Store) Version() rule.Version {
	h, _ := s.Head()
	return h.Version
}

// Len is how many people stand on the roster that answers, as central counted them.
func (s *Store) Len() int {
	h, _ := s.Head()
	return int(h.People)
}

// Head is that of the roster that answers; false if none does.
func (s *Store) Head() (roster.Head, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.current == nil {
		return roster.Head{}, false
	}
	return s.current.head, true
}

// Review takes rosters out of force that the keys of a new trust bundle do not vouch for, at once, and then those in again that they do.
func (s *Store) Review() {
	s.withdraw()
	defer s.alone()()
	s.recall()
	s.Changed()
}

// withdraw lets nothing answer that the keys in force do not vouch for.
func (s *Store) withdraw() {
	s.mu.RLock()
	current, previous := s.current.borrow(), s.previous.borrow()
	s.mu.RUnlock()
	defer current.release()
	defer previous.release()
	for _, e := range []*edition{current, previous} {
		if e == nil {
			continue
		}
		if _, err := s.judge(e.signed); err != nil {
			s.Log.Warn("the trust bundle no longer vouches for a roster", slog.Uint64("number", e.head.Version.N), slog.Any("error", err))
			s.drop(e)
		}
	}
}

// drop takes an edition out of use, if it is still in it.
func (s *Store) drop(e *edition) {
	s.mu.Lock()
	switch e {
	case s.current:
		s.current, s.previous = s.previous, nil
	case s.previous:
		s.previous = nil
	default:
		e = nil
	}
	s.mu.Unlock()
	e.release()
}

// alone ends a download under way, which is gone on with later, and keeps the folder for the caller until it calls what is returned.
func (s *Store) alone() (done func()) {
	s.mu.Lock()
	s.wanted++
	if s.stop != nil {
		s.stop()
	}
	s.mu.Unlock()
	s.changing.Lock()
	s.mu.Lock()
	s.wanted--
	s.mu.Unlock()
	return func() {
		s.changing.Unlock()
		s.knock()
	}
}

// across keeps the folder for what takes its time on the line; alone ends it.
func (s *Store) across(ctx context.Context, do func(context.Context) error) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.setStop(cancel)
	defer s.setStop(nil)
	return do(ctx)
}

// setStop says how to end what holds changing across the line, and ends it at once where somebody waits already: a lock goes to whoever comes
// first, which may be the next download.
func (s *Store) setStop(f context.CancelFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stop = f; f != nil && s.wanted > 0 {
		f()
	}
}

// Erase removes everything, durably. What was sealed in it opens for nobody once the site's keys are gone; see package closing. A crash
// leaves the roster in use, or none, and the next call completes it: the one before goes first, so that it does not answer again.
func (s *Store) Erase() error {
	defer s.alone()()
	s.use(nil, nil)
	errs := []error{os.Remove(filepath.Join(s.Dir, filePrevious))}
	if errors.Is(errs[0], fs.ErrNotExist) {
		errs[0] = nil
	}
	errs = append(errs, durable.SyncDir(s.Dir))
	files, err := os.ReadDir(s.Dir)
	errs = append(errs, err)
	for _, f := range files {
		errs = append(errs, os.Remove(filepath.Join(s.Dir, f.Name())))
	}
	s.mu.Lock()
	s.newest, s.offer, s.damaged = rule.Version{}, wire.RosterOffer{}, nil
	s.mu.Unlock()
	s.Changed()
	return errors.Join(append(errs, durable.SyncDir(s.Dir))...)
}

// use replaces the editions that answer. The caller holds changing.
func (s *Store) use(current, previous *edition) {
	s.mu.Lock()
	old := []*edition{s.current, s.previous}
	s.current, s.previous = current, previous
	s.mu.Unlock()
	s.opened.Store(nil)
	for _, e := range old {
		e.release()
	}
}

// recall takes into use what lies in the folder and can be used. The caller holds changing.
func (s *Store) recall() {
	var found []*edition
	var newest rule.Version
	for _, name := range []string{fileHead, filePrevious} {
		e, err := s.read(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if e != nil && newest == (rule.Version{}) {
			newest = e.head.Version
		}
		if err != nil {
			s.Log.Warn("a roster in the folder is at fault", slog.String("file", name), slog.Any("error", err))
			continue
		}
		if len(found) == 0 || e.head.Version.Compare(found[0].head.Version) < 0 {
			found = append(found, e)
		} else {
			e.release()
		}
	}
	found = append(found, nil, nil)
	s.mu.Lock()
	s.newest = newest
	s.mu.Unlock()
	s.use(found[0], found[1])
}

// read opens the edition of a head in the folder. It is given with an error where its head is right and a segment is not.
func (s *Store) read(name string) (*edition, error) {
	b, err := os.ReadFile(filepath.Join(s.Dir, name))
	if err != nil {
		return nil, err
	}
	head, err := s.judge(b)
	if err != nil {
		return nil, err
	}
	return s.assemble(head, b)
}

// judge verifies a head.
func (s *Store) judge(signed []byte) (roster.Head, error) {
	head, err := roster.OpenHead(s.Keys(), signed)
	if err == nil && head.Site != s.Site {
		err = fmt.Errorf("%w: %s", ErrSite, head.Site)
	}
	return head, err
}

// assemble opens the segments of a head, sharing maps with the editions in use. An edition with an error holds no map; the segments at
// fault are to be mended.
func (s *Store) assemble(head roster.Head, signed []byte) (*edition, error) {
	e := &edition{head: head, signed: signed}
	e.users.Store(1)
	s.mu.RLock()
	inUse := slices.Concat(s.current.layers(), s.previous.layers())
	for _, p := range head.Parts {
		i := slices.IndexFunc(inUse, func(h *held) bool { return h.part.Root == p.Root })
		if i >= 0 {
			inUse[i].users.Add(1)
			e.held = append(e.held, inUse[i])
		} else {
			e.held = append(e.held, nil)
		}
	}
	s.mu.RUnlock()
	var errs []error
	for i, p := range head.Parts {
		if e.held[i] != nil {
			continue
		}
		h, err := openHeld(s.path(p), p)
		if err != nil {
			errs = append(errs, fmt.Errorf("opening segment %d: %w", i, err))
			s.condemn(p)
			continue
		}
		e.held[i] = h
	}
	if err := errors.Join(errs...); err != nil {
		e.release()
		return e, err
	}
	return e, nil
}

// condemn remembers a segment that is to be mended.
func (s *Store) condemn(p roster.Part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.damaged, func(q roster.Part) bool { return q.Root == p.Root }) {
		s.damaged = append(s.damaged, p)
	}
}

// Offered takes what central said last of the newest roster. It never blocks; Run fetches it.
func (s *Store) Offered(o wire.RosterOffer) {
	s.mu.Lock()
	same := s.offer.Version == o.Version && s.offer.Head == o.Head
	s.offer = o
	s.mu.Unlock()
	if !same {
		s.knock()
	}
}

func (s *Store) knock() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Offer takes an offered roster into use, if it is newer, and returns when that is done, for whoever does not Run. fetch.ErrLine where the
// line was cut: the next call goes on. ErrOlder, ErrSite, ErrOffer, ErrDigest, ErrSize, ErrNoRoom, or an error of packages sign, roster and
// segment; the roster in use stays then.
func (s *Store) Offer(ctx context.Context, from Remote, o wire.RosterOffer) error {
	return s.across(ctx, func(ctx context.Context) error { return s.take(ctx, from, o) })
}

// newer is ErrOlder unless a version is above that of the newest head here.
func (s *Store) newer(v rule.Version) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if v.Compare(s.newest) <= 0 {
		return fmt.Errorf("%w: %d-%d, held %d-%d", ErrOlder, v.CentralEpoch, v.N, s.newest.CentralEpoch, s.newest.N)
	}
	return nil
}
