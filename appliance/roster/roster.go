// Package roster is who is enrolled at this box's site, as this box knows it now: what central sent, and the enrolments of this run
// that central has not settled yet.
//
// A [Book] is in memory alone and may be used from any goroutine; looking up is a look into memory. Nothing is durable: it is
// empty after a restart until central has answered, and the enrolments of before are then central's. It names people by serial
// number and birth date, so nothing of it is ever written or logged; what it hands out prints as REDACTED. It decides nothing
// about a tap.
package roster

import (
	"errors"
	"maps"
	"slices"
	"sync"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Errors of Book. Those of a set itself are package sync/roster's.
var (
	// ErrOlder says that a set is not newer than the one held.
	ErrOlder = errors.New("roster is not newer than the one held")
	// ErrElsewhere says that a set was made for another box.
	ErrElsewhere = errors.New("roster was made for another box")
	// ErrFull says that this run has enrolled roster.MaxEntries people whom central has not settled.
	ErrFull = errors.New("too many enrolments wait for central")
)

// place is where a person stands: handles are per verifier, so an enrolment is too.
type place struct {
	verifier record.VerifierID
	id       certid.CertID
}

func placeOf(e roster.Entry) (place, error) {
	id, err := e.ID()
	return place{e.Verifier, id}, err
}

// Book is the roster of one box.
type Book struct {
	box record.BoxID

	mu      sync.RWMutex // guards what follows; held for moments only, a tap waits for it
	msg     []byte       // central's set as it came, to be verified anew when the keys change
	version rule.Version
	central map[place]roster.Entry
	named   map[record.TapID]bool  // enrolments that central's set names
	local   map[place]roster.Entry // of this run, that central has not settled: the latest of each place
	extra   int                    // places in local that are not in central
	refused refusals
}

// New is a book that knows nobody.
func New(box record.BoxID) *Book {
	return &Book{box: box, local: make(map[place]roster.Entry), refused: refusals{taps: make(map[record.TapID]bool)}}
}

// maxRefused is how many refused taps are remembered. An enrolment is added moments after its record became durable, so that few of them
// matter.
const maxRefused = 4096

// refusals are the latest taps of this run that central has refused.
type refusals struct {
	taps  map[record.TapID]bool
	order []record.TapID // a ring once it is full
	next  int            // the oldest place of the ring
}

func (r *refusals) add(t record.TapID) {
	if r.taps[t] {
		return
	}
	r.taps[t] = true
	if len(r.order) < maxRefused {
		r.order = append(r.order, t)
		return
	}
	delete(r.taps, r.order[r.next])
	r.order[r.next] = t
	r.next = (r.next + 1) % maxRefused
}

// Version is that of central's set; zero if none is held.
func (b *Book) Version() rule.Version {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.version
}

// Len is how many people a card could be looked up for.
func (b *Book) Len() int {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return len(b.central) + b.extra
}

// count counts anew after either map was replaced. The caller holds mu.
func (b *Book) count() {
	b.extra = 0
	for at := range b.local {
		if _, known := b.central[at]; !known {
			b.extra++
		}
	}
}

// Find looks up who has enrolled with a verifier by a certificate. An enrolment of this run that central has not settled goes
// before central's entry, and a later one before an earlier.
func (b *Book) Find(v record.VerifierID, id certid.CertID) (roster.Entry, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	want := place{v, id}
	if e, ok := b.local[want]; ok {
		return e, true
	}
	e, ok := b.central[want]
	return e, ok
}

// Add takes an enrolment of this run whose record is durable. It stands until central's set names its tap or central's final
// verdict refuses it, either of which may have come already. An earlier one of the same person is gone for good: if central refuses the later
// one, it is central that names the earlier. ErrFull, or roster.ErrRoster.
func (b *Book) Add(e roster.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	at, err := placeOf(e)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.named[e.Enrolled] || b.refused.taps[e.Enrolled] { // central was quicker
		return nil
	}
	if _, again := b.local[at]; !again {
		if len(b.local) >= roster.MaxEntries {
			return ErrFull
		}
		if _, known := b.central[at]; !known {
			b.extra++
		}
	}
	b.local[at] = e
	return nil
}

// Apply verifies a signed set of central's and puts it in place of the one held. The enrolments of this run that it names, be it
// under the serial number of a renewed certificate, are central's from now on; the others stay. ErrOlder, ErrElsewhere, or an error
// of packages sign and sync/roster.
func (b *Book) Apply(keys sign.Keys, msg []byte) error {
	set, err := roster.Open(keys, msg)
	if err != nil {
		return err
	}
	if set.Box != b.box {
		return ErrElsewhere
	}
	central, named, err := index(set)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if set.Version.Compare(b.version) <= 0 {
		return ErrOlder
	}
	b.msg, b.version, b.central, b.named = slices.Clone(msg), set.Version, central, named
	maps.DeleteFunc(b.local, func(_ place, e roster.Entry) bool { return named[e.Enrolled] })
	b.count()
	return nil
}

func index(set roster.Set) (map[place]roster.Entry, map[record.TapID]bool, error) {
	central, named := make(map[place]roster.Entry, len(set.Entries)), make(map[record.TapID]bool, len(set.Entries))
	for _, e := range set.Entries {
		at, err := placeOf(e)
		if err != nil {
			return nil, nil, err
		}
		central[at], named[e.Enrolled] = e, true
	}
	return central, named, nil
}

// Review takes central's set out of force when the keys of a new trust bundle do not vouch for it; central then sends another. No
// tap waits while a signature is verified (P1).
func (b *Book) Review(keys sign.Keys) {
	b.mu.RLock()
	msg, version := b.msg, b.version
	b.mu.RUnlock()
	if msg == nil {
		return
	}
	if _, err := roster.Open(keys, msg); err == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.version == version { // or another has come meanwhile
		b.msg, b.version, b.central, b.named = nil, rule.Version{}, nil, nil
		b.count()
	}
}

// Settled takes central's final verdicts: an enrolment of this run that was refused never was one, be it that it is added only now.
func (b *Book) Settled(verdicts []wire.Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	refused := make(map[record.TapID]bool)
	for _, v := range verdicts {
		if v.Verdict == record.VerdictRefused {
			b.refused.add(v.Tap)
			refused[v.Tap] = true
		}
	}
	if len(refused) == 0 {
		return
	}
	maps.DeleteFunc(b.local, func(_ place, e roster.Entry) bool { return refused[e.Enrolled] })
	b.count()
}
