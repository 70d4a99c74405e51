// Package courier is the box's side of the way by USB stick: what waits is written to a stick, and what central wrote on one is taken in.
//
// An export is a row of parcels, each whole by itself: whatever interrupts it, the parcels before stay good, and the next export on that
// stick goes on where it ended. An import applies what central gave by the code that the line uses (package link), so that the two ways may
// bring the same things in any order, twice, or on any number of sticks. Parcels of this box are deleted from a stick only once central has
// signed all their records as safe, or where they are of no use to anybody. A stick may be pulled at any moment.
//
// A [Courier] may be used from any goroutine; it does one thing with a stick at a time. The number of the last parcel is durable before the
// parcel is begun, in a small file of the data directory; where that was lost, or the disk takes nothing, the clock takes its place. The
// package decides nothing about what it carries, and knows nothing of mounts.
package courier

import (
	"context"
	"crypto"
	"errors"
	"iter"
	"log/slog"
	"sync"
	"time"

	"kazashi.example/appliance/fetch"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// ErrNothing says that a stick has nothing for this box.
var ErrNothing = errors.New("nothing on the stick is for this box")

// Journal is what the courier needs of the journal.
type Journal interface {
	// Runs yields, oldest first, what central is not known to have received, each run of at most limit octets.
	Runs(ctx context.Context, limit int) iter.Seq2[journal.Run, error]
	// Ends says how far the epochs go that are not wholly safe.
	Ends(ctx context.Context) ([]journal.End, error)
	// Corrections are those of the clock that central is not known to have.
	Corrections(ctx context.Context) ([][]byte, error)
	// Waiting counts what Runs has, Unsafe what central has not signed as safe.
	Waiting(ctx context.Context) (uint64, error)
	Unsafe(ctx context.Context) (uint64, error)
	// Safe reports whether central signed every one of these records as safe; false for what is not known here.
	Safe(id record.EpochID, first, last record.Seq) bool
}

var _ Journal = (*journal.Journal)(nil)

// Link is what the courier needs of the link: the one place where what central says is applied.
type Link interface {
	// State is what a poll would say of the box.
	State(ctx context.Context) (wire.Poll, error)
	// Import applies what central gave, and takes what it offers from the remote.
	Import(ctx context.Context, got wire.Polled, from fetch.Remote) (link.News, error)
	// Trusted applies a trust bundle alone, and reports whether it was news.
	Trusted(ctx context.Context, bundle []byte) (bool, error)
	// Told notes that central has outcomes of orders.
	Told(done []wire.OrderDone) error
}

var _ Link = (*link.Link)(nil)

// Config is the parts of a Courier. All but Log are required.
type Config struct {
	Dir     string // data directory
	Box     record.BoxID
	Device  crypto.Signer    // D
	Sealing seal.PrivateKey  // S
	Trust   func() sign.Keys // of the trust bundle in force
	Now     func() time.Time // the box's clock
	Journal Journal
	Link    Link
	Log     *slog.Logger // nil discards
}

// Courier carries.
type Courier struct {
	Config
	keys sign.Keys // of this box

	working sync.Mutex // held from begin to end of one use of a stick; guards book
	book    book
}

// New reads the number of the last parcel. An error of the disk; what is damaged is reported and begun anew.
func New(conf Config) (*Courier, error) {
	if conf.Log == nil {
		conf.Log = slog.New(slog.DiscardHandler)
	}
	public, err := sign.PublicKeyOf(conf.Device.Public())
	if err != nil {
		return nil, err
	}
	c := &Courier{Config: conf, keys: sign.One{Key: public}}
	c.book, err = readBook(conf.Dir, conf.Log)
	return c, err
}

// Progress hears how far a use of a stick has come: records of an export, files of an import. It must not block.
type Progress func(done, total uint64)

// Summary says what was done, also by a use of a stick that ended early.
type Summary struct {
	Files    int       // parcels written, or taken in with news
	Records  uint64    // written; of an import: those that central says now that it has
	Known    int       // parcels of this box that were on the stick before and still serve; of an import: those that were no news
	Safe     uint64    // of an import: records that are safe at central now
	Verdicts int       // final verdicts that came
	News     link.News // what else came; its Verdicts are those above
	Removed  int       // parcels taken off the stick: of this box, or with site keys for it, that serve nobody there any more
	Refused  []Refused // files that were not taken, or not wholly; of an export: damaged ones, left since records in them may be nowhere else
}

// Refused is a file of a stick and why it was not taken: an error of package courier of the format, or what applying it said.
type Refused struct {
	File string // below the stick's root
	Err  error
}

// refuse notes a file.
func (s *Summary) refuse(n courier.Name, err error) {
	s.Refused = append(s.Refused, Refused{n.String(), err})
}

// add sums up news.
func (s *Summary) add(n link.News) {
	s.Verdicts += n.Verdicts
	s.News.Verdicts += n.Verdicts
	s.News.Trust = s.News.Trust || n.Trust
	s.News.Rules = s.News.Rules || n.Rules
	s.News.Keys = s.News.Keys || n.Keys
	s.News.Orders = s.News.Orders || n.Orders
	s.News.Sets = s.News.Sets || n.Sets
	s.News.Roster = s.News.Roster || n.Roster
}
