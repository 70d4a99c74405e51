// Package tray is the hand of the practice world: it lays made-up cards on a reader and takes them away, cuts the line and
// restores it, has certificates revoked at the practice JPKI and lists published, and writes each deed into its ledger before
// it does it.
//
// A [Tray] may be used from any goroutine; deeds happen one after the other. What the ledger says of a deed is durable before
// the deed begins, so a tap that a box can know of is always in the book. The tray knows neither box nor central: it touches
// only what a person at the counter, the weather and the national PKI could touch.
package tray

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"kazashi.example/central/lab/tray/ledger"
)

// Errors of the deeds.
var (
	ErrUnknownPerson  = errors.New("no such person in the practice world")
	ErrNoCard         = errors.New("no card lies on the reader")
	ErrLineAlready    = errors.New("the line is in that state already")
	ErrAlreadyRevoked = errors.New("this certificate is revoked already")
	ErrNotRevocable   = errors.New("this card carries no certificate that could be revoked")
	ErrNotRenewable   = errors.New("this card carries no certificate that could be renewed")
	ErrReason         = errors.New("unknown reason of revocation")
)

// Slot is the reader's slot, a place where one card can lie.
type Slot interface {
	// Insert lays the card of a profile file into the empty slot, with the faults that a card may have; the reader notices it a
	// little later.
	Insert(ctx context.Context, profile string, faults []string) error
	// Remove takes the card away; that none lies there (torn away by a fault) is no error.
	Remove(ctx context.Context) error
}

// Line is the line between box and central. Cut and Restore return when the line is so.
type Line interface {
	Cut()
	Restore()
	Up() bool
}

// PKI is the practice JPKI's administration.
type PKI interface {
	// Revoke makes the OCSP responder answer revoked from at on; no list changes.
	Revoke(ctx context.Context, person, reason string, at time.Time) error
	// Renew gives a person a new certificate, on the same card or on a new one, and lets it be known under which serial.
	Renew(ctx context.Context, person string, newCard bool, at time.Time) error
	// Publish issues new lists of all that is revoked and returns their CRL number, 0 if unknown.
	Publish(ctx context.Context) (int64, error)
}

// Text is what people read, in both languages.
type Text struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// Knows is what the person who holds a card knows, so that whoever plays that person can type it in. All of it made up.
type Knows struct {
	PIN      string `json:"pin,omitempty"`       // of the authentication certificate
	InputPIN string `json:"input_pin,omitempty"` // of the input-assist application
	Birth    string `json:"birth,omitempty"`     // YYYYMMDD
}

// Outcome is what a tap is expected to come to, as far as a bystander can tell.
type Outcome string

// Outcomes.
const (
	OutcomeServed   Outcome = "served"    // accepted, provisional or recorded
	OutcomeRefused  Outcome = "refused"   // a record with a refusal
	OutcomeNoRecord Outcome = "no_record" // an error at the counter, no record
)

// Person is one made-up card.
type Person struct {
	Key    string // in the practice world; also the key for the practice JPKI
	Label  Text   // the made-up name
	Trait  string // what is special, one word: "good", "expired", "revoked" … (the page has words for them)
	Note   Text   // the same in a sentence; may be empty
	Serial string // serial of the authentication certificate, hex; "" when the card has none
	// Revocable: the practice JPKI issued the certificate, it is in date, and nothing stands against it when the world begins.
	Revocable bool
	Renewable bool   // the practice JPKI issued the certificate and can issue the next
	Profile   string // path of the card's profile file
	// Faults are how the card misbehaves, in the text form of virtual cards' faults; none for a card that behaves.
	Faults []string
	Knows  Knows
	First  Outcome
	Final  Outcome
}

// Config is what a tray needs.
type Config struct {
	People  []Person
	Slot    Slot
	Line    Line
	PKI     PKI
	Ledger  *ledger.Ledger
	Desk    string // of the reader, for the ledger
	Service string
	// Reload reads the people again, after a renewal has given one another certificate; nil if they never change.
	Reload func() ([]Person, error)
	// Enrols says that the service takes enrolled people alone. The tray does not know who is, so that of a card which is in order
	// either outcome is right.
	Enrols bool

	// Hold is how long a card lies at least, Gap how long the reader is empty between two: pcscd looks every 400 ms
	// (PCSC_STATUS_POLL), and what comes and goes between two looks was never there. DefaultHold and DefaultGap leave room
	// for a busy machine; zero waits for nothing.
	Hold, Gap time.Duration
}

// What a reader under pcscd needs to notice a card, and its absence.
const (
	DefaultHold = 1500 * time.Millisecond
	DefaultGap  = 1000 * time.Millisecond
)

// Tray does the deeds. Make it with [New].
type Tray struct {
	cfg Config

	deed  sync.Mutex // held through one deed, so that the ledger's order is the world's order; guards what follows
	moved time.Time  // when a card was last laid or taken
	doubt bool       // laying failed, or another tray was here before: a card may lie there that the ledger does not know of

	mu      sync.Mutex // guards what follows
	card    *Card
	people  []Person
	taps    int64
	revoked map[string]revocation // by person
	news    chan struct{}         // closed and replaced at each change
}

// Card is the card on the reader.
type Card struct {
	Tap    int64        `json:"tap"`
	Person string       `json:"person"`
	Since  ledger.Stamp `json:"since"`
}

type revocation struct{ published bool }

// New takes up a ledger where it ends: taps are numbered on, revocations and the card on the reader are remembered. The line
// is taken as it is.
func New(cfg Config) (*Tray, error) {
	t := &Tray{cfg: cfg, people: cfg.People, revoked: map[string]revocation{}, news: make(chan struct{})}
	for i, p := range cfg.People {
		if slices.ContainsFunc(cfg.People[:i], func(q Person) bool { return q.Key == p.Key }) {
			return nil, fmt.Errorf("two people with the key %q in the practice world", p.Key)
		}
	}
	old := cfg.Ledger.Entries()
	for _, e := range old {
		t.replay(e)
	}
	t.doubt = len(old) > 0
	if _, err := t.write(ledger.Entry{Kind: ledger.KindStart}); err != nil {
		return nil, err
	}
	return t, nil
}

// replay and the deeds change the memory in the same way.
func (t *Tray) replay(e ledger.Entry) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Kind {
	case ledger.KindLay:
		t.taps = e.Tap
		t.card = &Card{Tap: e.Tap, Person: e.Person, Since: e.At}
	case ledger.KindTake, ledger.KindFail:
		t.card = nil
	case ledger.KindRevoke:
		t.revoked[e.Person] = revocation{}
	case ledger.KindPublish:
		for k := range t.revoked {
			t.revoked[k] = revocation{published: true}
		}
	case ledger.KindStart: // a card that lay there lies there still
	case ledger.KindCut, ledger.KindRestore: // the line itself knows
	case ledger.KindRenew, ledger.KindReissue:
		delete(t.revoked, e.Person) // that was the former certificate
	}
	close(t.news)
	t.news = make(chan struct{})
}

// write appends an entry; the line's state is the present one unless the entry says another.
func (t *Tray) write(e ledger.Entry) (ledger.Entry, error) {
	if e.Line == "" {
		e.Line = lineWord(t.cfg.Line.Up())
	}
	e, err := t.cfg.Ledger.Append(e)
	if err != nil {
		return ledger.Entry{}, fmt.Errorf("writing the deed down: %w", err)
	}
	t.replay(e)
	return e, nil
}

func lineWord(up bool) string {
	if up {
		return ledger.LineUp
	}
	return ledger.LineDown
}

func (t *Tray) person(key string) (Person, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.people {
		if p.Key == key {
			return p, nil
		}
	}
	return Person{}, fmt.Errorf("%w: %q", ErrUnknownPerson, key)
}
