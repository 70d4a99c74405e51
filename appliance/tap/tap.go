// Package tap is the life of a tap on the box: a card is laid down, read, examined, asked for as much proof as the service's
// rule wants, decided, written down, and only then does anybody hear a verdict.
//
// Each laying of a card is one tap and one record, however long the card stays; a second laying is a second, true record. Every
// reader has a worker of its own; within one reader taps go one after another. No step waits for a network (P1). What a tap leaves in
// the site book is durable before its record, and the record before its verdict is announced; what could not be read, or could not be
// made durable, is announced as that and leaves no record. While the site's keys are locked nobody is looked up: certificates and PINs are
// checked as ever, and whatever would have to be remembered is refused before a PIN is asked of a card. What was typed in for the next card is kept in memory until that card was handled, localapi.NextLasts at
// most, and then overwritten; nothing else is kept here. Of a card nothing is logged but which reader it lay on and what
// became of it.
//
// The package does not know PC/SC (package tap/cards does), nor what the counter looks like: it announces local API events.
package tap

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/revocation"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Kind says what happened to a reader.
type Kind uint8

// Kinds of events.
const (
	ServiceLost   Kind = 1 // no reader can be reached; once until ServiceFound
	ServiceFound  Kind = 2
	ReaderAdded   Kind = 3
	ReaderRemoved Kind = 4
	CardArrived   Kind = 5
	CardRemoved   Kind = 6
	CardMute      Kind = 7 // something lies there and does not answer
)

// Event is one change of the readers.
type Event struct {
	Kind   Kind
	Reader string // its name; empty for the service's events
	// Already: the card lay there before anybody watched. Nobody has just held it on, so it is no tap.
	Already bool
	Err     error // of ServiceLost: what to do
}

// Cards is the readers and what lies on them.
type Cards interface {
	// Watch calls handle for each change, in order and from one goroutine, until ctx ends; it gets over a lost service by
	// itself. handle does not block.
	Watch(ctx context.Context, handle func(Event)) error
	// Open connects to the card on a reader, for this box alone. It ends when ctx does. Errors: *ReadError.
	Open(ctx context.Context, reader string) (Connection, error)
}

// Connection is a card that commands can be sent to. Where reader or service are at fault, Transmit's error wraps a *ReadError.
type Connection interface {
	mynumber.Transmitter
	// Close resets the card, so that nothing stays selected or verified on it, and lets it go.
	Close() error
}

// Certificates says what a certificate is. It does not block, and fails only for what is no certificate at all.
type Certificates interface {
	Examine(der []byte) (jpki.AuthCert, error)
}

// Revocations says what the revocation sets held here say. issuer is the key that signed the certificate. It waits for no network
// and for no newer set.
type Revocations interface {
	Answer(id certid.CertID, issuer certid.KeyID) revocation.Answer
}

var _ Revocations = (*revocation.Cache)(nil)

// Rules finds what a service demands, and the version of the set that says so. It is a look into memory.
type Rules interface {
	For(service record.ServiceID) (rule.Rule, rule.Version, bool)
}

// People is what is known here of whoever shows a certificate: the site book and central's roster. None of it waits for a network. An
// error, as localapi.ErrLocked, says that nobody can be looked up now.
type People interface {
	// Find looks a certificate up; one that is not enrolled is found as nothing but itself.
	Find(ctx context.Context, v record.VerifierID, id certid.CertID) (sitebook.Known, error)
	// Used is when a service served somebody last, not later than before; zero for never.
	Used(ctx context.Context, service record.ServiceID, who sitebook.Person, before time.Time) (time.Time, error)
	// Number is the number by which a service knows somebody; empty if by none.
	Number(ctx context.Context, service record.ServiceID, who sitebook.Known) (string, error)
	// ByNumber is whose number it is; false if nobody's.
	ByNumber(ctx context.Context, service record.ServiceID, number string) (sitebook.Person, bool, error)
}

var _ People = sitebook.People{}

// Book keeps what a tap leaves at this site.
type Book interface {
	// Write makes it durable before the tap's record. localapi.ErrLocked, with which nothing was written; after another error nobody may
	// be told a verdict.
	Write(ctx context.Context, v sitebook.Visit) error
	// Confirm says that the record is durable, Doubt that nobody knows.
	Confirm(tap record.TapID)
	Doubt(tap record.TapID)
	// Locked reports whether Write would say so.
	Locked() bool
}

var _ Book = (*sitebook.Book)(nil)

// Staff says who is signed in at the desk; false if nobody. It is a look into memory.
type Staff interface {
	SignedIn() (localapi.Staff, bool)
}

var _ Staff = (*sitebook.Book)(nil)

// Journal makes a record durable. It returns only when that is done; after an error nobody may be told a verdict.
type Journal interface {
	Append(ctx context.Context, content []byte, c journal.Clear) (record.ID, error)
	// State says whether there is room for a record. It does not block.
	State() journal.Space
}

var _ Journal = (*journal.Journal)(nil)

// Clock is the box's time.
type Clock interface {
	Now() (time.Time, record.Confidence)
}

// Announcer tells the counter. It does not block.
type Announcer interface {
	Publish(e localapi.Event)
}

// Defaults.
const (
	DefaultReadTimeout = 10 * time.Second // a plastic card needs about one
	queueLen           = 1                // layings that wait for the one under way on the same reader
)

// nobody signs in.
type nobody struct{}

// SignedIn is nobody.
func (nobody) SignedIn() (localapi.Staff, bool) { return localapi.Staff{}, false }

// Config is the parts of a Counter. All but Staff, Memory, Seen, Changed, ReadTimeout and Log are required.
type Config struct {
	Cards        Cards
	Certificates func() Certificates     // asked at every tap: trust may have been replaced
	Authorities  func() *cvc.Authorities // of the cards' own keys; asked at every tap, and the same set until trust is replaced
	Revocations  Revocations
	Rules        Rules
	People       People
	Book         Book
	Staff        Staff // nil: nobody signs in at this desk
	Journal      Journal
	Clock        Clock
	Announcer    Announcer
	Box          record.BoxID // stands in what a card signs
	Desk         record.DeskID
	Service      record.ServiceID
	Memory       *mynumber.Memory // what the process remembers of cards and readers; nil: a fresh one
	Seen         func(Event)      // hears every event of the readers before anything is done about it; does not block
	Changed      func()           // hears that what the next card is laid for has changed; does not block
	ReadTimeout  time.Duration    // for all procedures of one tap; 0 means DefaultReadTimeout
	Log          *slog.Logger     // nil discards
}

// Counter takes the taps of one desk. It may be used from any goroutine.
type Counter struct {
	Config

	unreadable atomic.Bool // the last look at roster and site book failed, and not for a lock

	mu     sync.Mutex        // guards what follows; held for moments only
	next   *next             // what the next card is laid for; nil: an ordinary tap
	places map[string]*place // every reader on which a card was ever seen, by name
}

// New checks the desk's and the service's names and starts nothing.
func New(c Config) (*Counter, error) {
	if err := errors.Join(record.CheckName(c.Desk), record.CheckName(c.Service)); err != nil {
		return nil, fmt.Errorf("setting up the counter: %w", err)
	}
	if c.ReadTimeout <= 0 {
		c.ReadTimeout = DefaultReadTimeout
	}
	if c.Seen == nil {
		c.Seen = func(Event) {}
	}
	if c.Changed == nil {
		c.Changed = func() {}
	}
	if c.Staff == nil {
		c.Staff = nobody{}
	}
	if c.Memory == nil {
		c.Memory = mynumber.NewMemory()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Counter{Config: c, places: map[string]*place{}}, nil
}
