// Package sitebook is what staff of a site must still see after a power cut, and what the box alone knows until central has taken it
// in: local enrolments, who used a service when and who is present, linked numbers, corrected verdicts to work through, who was at the
// desk.
//
// Everything that names somebody is sealed entry by entry under the site's keys and found by keyed references; outside the seal are what
// an entry is, tap, time, service and the words of verdicts (design §4). Where the site's keys are locked, whatever needs them
// returns localapi.ErrLocked; nothing waits for them.
//
// Durability: [Book.Write] returns once what a tap leaves is committed and flushed, before the tap's record is written. What has no
// record in the end counts for nothing: it is hidden until [Book.Confirm], and dropped at the next [Open] or after
// [Book.Doubt]. An import is taken whole or not at all. One process at a time has the book. A Book may be used from any goroutine;
// writers go one after another in short transactions, so that no tap waits for housekeeping.
//
// It knows nothing of cards or of the network, decides nothing about a tap, and does not know central's roster.
package sitebook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"kazashi.example/sync/record"
	"kazashi.example/sync/sitekey"
)

// Errors of this package. Besides, localapi.ErrLocked says that the site's keys are locked.
var (
	// ErrElsewhere says that the book is another site's. It is left as it is.
	ErrElsewhere = errors.New("site book is another site's; give that site's box its data directory back, or close that site first")
	// ErrNewer says that the book was written by a newer release. It is left as it is.
	ErrNewer = errors.New("site book was written by a newer release; start that release again")
	// ErrVisit says that what was handed in cannot be an entry. Nothing was written.
	ErrVisit = errors.New("not an entry of the site book")
	// ErrClosed says that the book was closed.
	ErrClosed = errors.New("site book is closed")
)

// Records says which taps have a record: the journal.
type Records interface {
	// Mark is a place in the order of records: whatever is written from now on lies after it. It must not block.
	Mark() int64
	// Has reports whether the record of a tap, written after a mark, is durable.
	Has(ctx context.Context, tap record.TapID, after int64) (bool, error)
}

// Options are what a book needs of its box.
type Options struct {
	Site record.SiteID
	Desk record.DeskID // stands in the log of who was signed in
	// Ring is the site's keys; an error of any kind says that they are locked. It is asked at every use and must not block.
	Ring func() (sitekey.Ring, error)
	// Records is asked at Open for the entries at the end, and after Doubt.
	Records Records
	Now     func() time.Time // the box's clock; nil for time.Now
	Log     *slog.Logger     // nil discards
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Book is an open site book.
type Book struct {
	o    Options
	path string
	keys atomic.Pointer[ring] // derived from the ring that was asked for last
	bg   sync.WaitGroup       // checkpoints under way

	staff sync.Mutex // lets one change or use of the codes at a time in; held while a code is hashed, and taken before write

	// write lets one writer at a time at the database. It guards closed and last.
	write  sync.Mutex
	st     *store // replaced by Erase, under both locks
	closed bool
	last   int64 // id of the newest entry

	// gathering guards crowd; held while entries are read, and taken under no other lock.
	gathering sync.Mutex
	crowd     *crowd // who is present; nil: to be read

	mu     sync.RWMutex // guards what follows, and st for readers; held for moments only, never across a write to the disk
	hidden map[record.TapID]state
	floors map[record.TapID]floor // of each tap in hidden
	desk   session
	wrong  tries
}

// floor is what lies before a visit: entries before its first are confirmed as far as it goes, and its record lies after the mark.
type floor struct{ first, mark int64 }

// state is why the entries of a tap do not count.
type state uint8

const (
	pending   state = 1 // its record is being written
	doubtful  state = 2 // its record may be there or not
	importing state = 3 // an import that is not complete
)

// Open opens the book at path or makes it, and drops what has no record. A damaged one is set aside under another name, reported to
// the log, and a new one begun. Errors: ErrElsewhere, ErrNewer, of Records, or what the disk said.
func Open(ctx context.Context, path string, o Options) (*Book, error) {
	b := &Book{o: o.withDefaults(), path: path, hidden: map[record.TapID]state{}, floors: map[record.TapID]floor{}}
	st, err := openStore(ctx, path, b.o)
	if err != nil {
		return nil, fmt.Errorf("opening the site book: %w", err)
	}
	b.st = st
	if err := b.recover(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the site book: %w", err), st.close())
	}
	return b, nil
}

// Close notes what was confirmed and closes the database.
func (b *Book) Close() error {
	b.write.Lock()
	defer b.write.Unlock()
	if b.closed {
		return nil
	}
	b.closed = true
	b.keys.Store(nil)
	b.bg.Wait()
	upTo, mark := b.floor()
	return errors.Join(b.st.confirm(context.Background(), upTo, mark), b.st.close())
}

// Changed is to be called when the site's keys were locked or opened: what was derived from keys that are locked is forgotten, and whoever
// was signed in is not any more.
func (b *Book) Changed() {
	if _, err := b.ring(); err == nil {
		return
	}
	b.mu.Lock()
	b.desk = session{}
	b.mu.Unlock()
	b.disperse()
}

// Locked reports whether the site's keys are locked.
func (b *Book) Locked() bool {
	_, err := b.ring()
	return err != nil
}

func (b *Book) store() *store {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.st
}

// counts reports whether the entries of a tap count.
func (b *Book) counts(tap record.TapID) bool {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.hidden[tap] == 0
}
