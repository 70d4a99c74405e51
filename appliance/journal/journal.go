// Package journal is where a tap becomes a record that cannot be lost: sealed to central, numbered, chained and durable.
//
// Append returns only after the record is committed and flushed (SQLite in WAL mode, synchronous FULL), and nobody may be told
// a verdict before that (P1). An epoch is opened at the first record after every start and after every doubt; none is ever
// continued. Its header is committed in the same transaction as its first record, so that no epoch without a record exists on
// disk. The key of an epoch lives in memory only: a journal that was closed can be sent, but no longer be opened, not even here.
//
// A Journal may be used from any goroutine. Records go through one connection; those that wait for it share the next commit. Reading and
// checkpoints go through others and hold no tap up. One process at a time has the journal open. What is deleted: the envelopes of records that
// central has signed as safe, and later their clear fields, oldest first. A damaged database is set aside, never deleted.
//
// It knows nothing of cards, of rules or of the network, and does not judge what it is given to seal.
package journal

import (
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
)

// DefaultMaxEpochAge is how long an epoch lasts at most while taps come (design §4).
const DefaultMaxEpochAge = time.Hour

// Errors of this package.
var (
	// ErrInUse says that another process, or another Journal of this one, has the journal open.
	ErrInUse = errors.New("journal is in use by another process; is `kazashi run` running already?")
	// ErrOtherBox says that the journal, or an acknowledgement, is another box's. The journal is left as it is.
	ErrOtherBox = errors.New("belongs to another box")
	// ErrNewer says that the journal was written by a newer release. It is left as it is.
	ErrNewer = errors.New("journal was written by a newer release; start that release again")
	// ErrDisk says that the disk under the journal fails, and so much that no journal can be opened or begun on it. What was there is neither changed nor
	// deleted; it may have been set aside, once.
	ErrDisk = errors.New("the disk under the journal fails, so that no record can be kept on it; replace the disk; " +
		"`kazashi recover` takes what can be read from the old one")
	// ErrNotDurable says that a record did not become durable, or may not have: no verdict may be shown for it.
	ErrNotDurable = errors.New("record could not be made durable")
	// ErrRecord says that what was handed to Append cannot be a record. Nothing was written and no number is spent.
	ErrRecord = errors.New("not a record")
	// ErrCentralBehind says that an acknowledgement comes from before central was restored; it changes nothing.
	ErrCentralBehind = errors.New("acknowledgement is from an older central epoch than the one known here")
	// ErrClosed says that the journal was closed.
	ErrClosed = errors.New("journal is closed")
)

// Options are what a journal needs of its box.
type Options struct {
	Device crypto.Signer // D: signs epoch headers
	Box    record.BoxID
	// Recipient is the key to seal to, from the trust bundle in force, parsed once and kept: it is asked at every record, from
	// any goroutine, and must not block. When it fails, an open epoch goes on until its time is over, and a new one cannot be opened.
	Recipient func() (seal.PublicKey, error)
	// Fresh says that this box identity was made just now and has never had a journal, so that a new file holds its first
	// epoch. Whoever keeps the identity keeps this as well: it is true from the making of the identity until Open has
	// returned for the first time, and false, durably, before the first Append. Where it is false and the file is not there,
	// records may be lost with it, and the next epoch says so (lineage unknown). An existing file ignores it.
	Fresh bool
	// Stretch names the stretch of the box's time that is under way: one measurement corrects all times said in it, and an epoch belongs to
	// one alone. It does not block. Nil: this run of the program is one.
	Stretch func() string
	// CentralEpoch is the highest central epoch that the box has heard of otherwise: a journal that begins anew must not believe what central said
	// before it was restored. It is asked at each acknowledgement. Nil: none.
	CentralEpoch func() uint64
	Now          func() time.Time // the box's clock; nil for time.Now
	Log          *slog.Logger     // nil discards
	MaxEpochAge  time.Duration    // 0 means DefaultMaxEpochAge
	Room         Room
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Stretch == nil {
		run := rand.Text()
		o.Stretch = func() string { return run }
	}
	if o.CentralEpoch == nil {
		o.CentralEpoch = func() uint64 { return 0 }
	}
	if o.MaxEpochAge <= 0 {
		o.MaxEpochAge = DefaultMaxEpochAge
	}
	return o
}

// Clear is what stays readable on this box, outside the seal: the whole of it (design §4).
type Clear struct {
	Tap     record.TapID
	Time    time.Time
	Desk    record.DeskID
	Service record.ServiceID
	Verdict record.Verdict
	Reason  record.Reason
	Code    string // spoken code
}

// maxCode caps a spoken code, in octets.
const maxCode = 16

func (c Clear) check() error {
	if err := errors.Join(record.CheckName(c.Desk), record.CheckName(c.Service)); err != nil {
		return fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if c.Tap.IsZero() || !c.Verdict.Valid() || !c.Reason.Valid() || len(c.Code) > maxCode {
		return fmt.Errorf("%w: tap id, verdict, reason or code", ErrRecord)
	}
	return nil
}

// Journal is an open journal.
type Journal struct {
	o    Options
	path string
	lock *os.File

	spawn func(func(context.Context)) // does something in the background; its context ends with the journal
	end   func()                      // ends all of these and waits for them

	another chan struct{} // tells whoever reads what was set aside that there is more
	crashed []string      // the databases set aside that were here at the start, if that followed a crash

	forming sync.Mutex // guards group; held for moments only
	group   *group     // the next to be committed, to which whoever comes now is added; nil for none

	// write lets one writer at a time at the database. It guards everything down to the next blank line. Whoever changes st,
	// book or restored holds both locks, so that the writer may read them under this one alone.
	write  sync.Mutex
	writer *epoch.Writer
	opened time.Time   // when writer was opened
	within string      // the stretch in which that was
	cause  epoch.Cause // of the next epoch
	doubt  bool        // the book may differ from the disk and is read again before the next record
	broken error       // why the database is to be set aside before anything else; nil if it is not
	begun  time.Time   // when it was begun in the place of another; zero if it was not, in this run
	next   chan prepared
	forks  map[record.EpochID]bool // reported: central holds more of them than this box
	closed bool

	verified, toVerify atomic.Uint64 // records hashed again in the background

	mu       sync.RWMutex // guards what follows; held for moments only, never across a write to the disk
	st       *store
	book     book
	restored []idRange // records of the run before that perhaps nobody saw
}

// Open opens the journal at path, or makes it. A damaged one, or one that the disk no longer gives all of, is set aside under another name, reported to
// the log, and a new one begun, so that intake goes on. Errors: ErrInUse, ErrOtherBox, ErrNewer, ErrDisk, ErrNoRoom if not even
// what was kept back makes room to open it, or what else the disk said: read-only, not permitted. Nothing is set aside for those, but for ErrDisk where
// the journal is damaged and none can be begun in its place: then once, however often it is tried.
func Open(ctx context.Context, path string, o Options) (*Journal, error) {
	j, err := open(ctx, path, o.withDefaults())
	switch {
	case errors.Is(err, ErrDisk):
		return nil, err
	case failing(err):
		return nil, fmt.Errorf("%w: %w", ErrDisk, err)
	case full(err):
		return nil, fmt.Errorf("%w: %w", ErrNoRoom, err)
	default:
		return j, err
	}
}

func open(ctx context.Context, path string, o Options) (*Journal, error) {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	j := &Journal{
		o: o, path: path, lock: lock, cause: epoch.CauseStart, next: make(chan prepared, 1), forks: map[record.EpochID]bool{},
		another: make(chan struct{}, 1),
	}
	j.spawn, j.end = background()
	crashed := nonEmpty(path + "-wal") // a clean end leaves none behind
	if err := j.begin(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening journal: %w", err), lock.Close())
	}
	if crashed {
		j.restored, j.crashed = append(j.restored, j.st.ending), asideOf(path)
	}
	j.prepare()
	j.spawn(j.salvage)
	j.spawn(j.verify)
	j.spawn(j.keepReserve)
	return j, nil
}

// background makes the two ends of what is done in the background. After the end nothing begins any more.
func background() (spawn func(func(context.Context)), end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var mu sync.Mutex // guards the beginning of one against the end of all
	var all sync.WaitGroup
	spawn = func(do func(context.Context)) {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() == nil {
			all.Go(func() { do(ctx) })
		}
	}
	end = func() {
		mu.Lock()
		cancel()
		mu.Unlock()
		all.Wait()
	}
	return spawn, end
}

// begin opens or makes the database and reads the book from it.
func (j *Journal) begin(ctx context.Context) error {
	st, b, err := openStore(ctx, j.path, j.o, j.young())
	if err = sayRoom(j.path, err); full(err) && j.giveReserve() {
		st, b, err = openStore(ctx, j.path, j.o, j.young())
		err = sayRoom(j.path, err)
	}
	if err != nil {
		return err
	}
	if b.birth.cause == epoch.CauseSetAside && b.last() == nil {
		j.cause, j.begun = epoch.CauseSetAside, time.Now()
	}
	j.mu.Lock()
	j.st, j.book = st, b
	j.mu.Unlock()
	select {
	case j.another <- struct{}{}:
	default: // is told already
	}
	return nil
}

// Close forgets the keys and closes the database; the next start opens a new epoch.
func (j *Journal) Close() error {
	if !j.stop() {
		return nil
	}
	j.end() // some of it waits for the lock that stop has let go
	select {
	case p := <-j.next:
		p.key.Wipe()
	default:
	}
	return errors.Join(j.store().close(), j.lock.Close())
}

// stop takes no record from now on; false if it was called before.
func (j *Journal) stop() bool {
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed {
		return false
	}
	j.closed = true
	j.discard(epoch.CauseStart)
	return true
}

// Append seals plain as the next record and returns its id once it is durable. Several that wait share one commit, and none
// returns before it. After an error nobody may be told a verdict: ErrNotDurable when the disk failed (full, read-only, broken), ErrNoRoom before
// that when it is nearly full, ErrRecord, ErrClosed, or ctx's own before anything was done. After ErrNotDurable, which then all of the commit
// have, the next Append opens a new epoch by itself, so that a caller may simply try again with the next tap.
func (j *Journal) Append(ctx context.Context, plain []byte, c Clear) (record.ID, error) {
	if err := c.check(); err != nil {
		return record.ID{}, err
	}
	if len(plain) == 0 || len(plain) > content.MaxContent {
		return record.ID{}, fmt.Errorf("%w: content of %d octets", ErrRecord, len(plain))
	}
	if err := ctx.Err(); err != nil {
		return record.ID{}, err
	}
	r := request{plain: plain, clear: c}
	j.enter(&r)
	return r.id, r.err
}

// current is the number of the epoch that is being written.
func (j *Journal) current(head *epoch.Signed) int64 {
	n := j.book.lastN()
	if head != nil {
		n++
	}
	return n
}

// settle reads the book again after an append whose outcome is not known: what counts is what is on the disk. Where that
// fails, the database is opened anew, and set aside on the spot if it turns out to be damaged.
func (j *Journal) settle() error {
	if !j.doubt {
		return nil
	}
	ctx := context.Background() // see append
	var b book
	err := j.broken
	if err == nil {
		b, err = j.store().readBook(ctx)
	}
	if err != nil {
		return j.reopen(ctx, err)
	}
	j.mu.Lock()
	j.book = b
	j.mu.Unlock()
	j.doubt = false
	return nil
}

// reopen opens the database anew, after setting it aside if it is known to be damaged. One that was begun only now stays where it is, for reading, and
// takes nothing until its time is over.
func (j *Journal) reopen(ctx context.Context, why error) error {
	if j.broken != nil && j.young() {
		return damagedYoung(j.broken)
	}
	j.o.Log.ErrorContext(ctx, "journal cannot be used; opening it anew", slog.Any("error", why))
	if err := j.store().close(); err != nil {
		j.o.Log.WarnContext(ctx, "closing the journal failed", slog.Any("error", err))
	}
	j.discard(epoch.CauseAppendFailed)
	if j.broken != nil && exists(j.path) {
		if err := setAside(ctx, j.path, j.o, j.broken); err != nil {
			return err
		}
	}
	j.broken = nil
	j.mu.Lock()
	j.restored = nil // numbers begin anew in another database
	j.mu.Unlock()
	if err := j.begin(ctx); err != nil {
		return fmt.Errorf("opening the journal anew: %w", err)
	}
	j.doubt = false
	return nil
}

// young reports whether this journal was begun only now in the place of another, in this run.
func (j *Journal) young() bool { return !j.begun.IsZero() && time.Since(j.begun) < asideAgain }

func (j *Journal) store() *store {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.st
}

// checkpoint moves the write-ahead log into the database now and then, beside the taps: a passive checkpoint waits for nobody
// and nobody for it. The caller says how many appends its commit was worth.
func (j *Journal) checkpoint(st *store, commits int) {
	st.commits += commits
	if st.commits < checkpointEvery || !st.checkpointing.CompareAndSwap(false, true) {
		return
	}
	st.commits = 0
	j.spawn(func(ctx context.Context) {
		defer st.checkpointing.Store(false)
		if err := j.moveLog(ctx, st); err != nil && ctx.Err() == nil {
			j.o.Log.WarnContext(ctx, "moving the journal's log into its database failed", slog.Any("error", err))
		}
	})
}

// moveLog moves the log into the database. It begins anew with the next write if nothing was written meanwhile; under a stream of taps it never would,
// and go on growing. So the rest of a long one, once it is short, is moved while no write comes in between.
func (j *Journal) moveLog(ctx context.Context, st *store) error {
	before := 0
	for range checkpointTries {
		log, err := st.checkpoint(ctx)
		if err != nil || log < longLog {
			return j.readFailed(st, err)
		}
		if log-before < shortRest {
			break
		}
		before = log
	}
	j.write.Lock()
	defer j.write.Unlock()
	if j.closed || j.store() != st {
		return nil
	}
	_, err := st.checkpoint(ctx)
	return j.readFailed(st, err)
}
