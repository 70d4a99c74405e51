package mynumber

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"sync"

	"kazashi.example/reader/cvc"
	"kazashi.example/sync/certid"
)

// Bounds of a Memory. What is oldest is forgotten first.
const (
	maxRemembered = 4096 // pairs of card and reference with a wrong value
	maxWrong      = 16   // wrong values of one pair: one more than a counter can count
	maxNameless   = 1024 // wrong values of cards without a name
	maxReaders    = 64
	maxSigners    = 64 // card-verifiable certificates: municipalities whose cards were seen

	// extendedAgain: where extended lengths were refused, they are tried again at every such connection.
	extendedAgain = 32
)

// Memory is what the process remembers of readers and cards: which readers refuse extended lengths, which values a card took for wrong,
// and which card-verifiable certificates were verified. It is bounded, the oldest being forgotten, lives in RAM only, and is safe to use from
// any goroutine. A card is known by its authentication certificate, so that a renewed one is another card. Before a phone has shown its own
// it is one of many: a value is refused that left some card without a name with as many tries as this one has, or more.
// Cards and values stand in it as HMACs under a random key of this Memory; it prints as REDACTED.
type Memory struct {
	redaction
	key [sha256.Size]byte

	mu       sync.Mutex // guards everything below
	clock    uint64
	tries    map[tryKey]*tryState
	nameless []nameless     // the newest last
	readers  map[string]int // connections since extended lengths were refused
	signers  []signer       // the newest last
}

// NewMemory makes an empty one.
func NewMemory() *Memory {
	m := &Memory{tries: map[tryKey]*tryState{}, readers: map[string]int{}}
	_, _ = rand.Read(m.key[:]) // never fails: crypto/rand ends the process instead
	return m
}

// cardID names a card inside one Memory.
type cardID [sha256.Size]byte

// nameCard is the same for the same certificate.
func (m *Memory) nameCard(certificate []byte) cardID { return m.mac([]byte("card"), certificate) }

// nameConnection is another one each time.
func (m *Memory) nameConnection() cardID {
	var id cardID
	_, _ = rand.Read(id[:]) // never fails
	return id
}

func (m *Memory) mac(parts ...[]byte) [sha256.Size]byte {
	h := hmac.New(sha256.New, m.key[:])
	for _, p := range parts {
		_, _ = h.Write(p)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// tryKey is a reference of a card. A nameless card is known by its connection alone.
type tryKey struct {
	card     cardID
	ref      Reference
	nameless bool
}

// tryState is what is known of one reference of one card.
type tryState struct {
	first   int      // tries left when it was first heard of
	left    int      // tries left when last heard of
	wrong   []cardID // HMACs of values that were wrong
	pending *cardID  // of a value sent whose outcome is not known; left was read just before
	before  int      // of a nameless card: what is to stand in Memory.nameless if the pending value was not wrong
	used    uint64
}

// valueOf is the same for every card: what is known of one moves when it gets its name.
func (m *Memory) valueOf(ref Reference, value []byte) cardID {
	return m.mac([]byte("value"), []byte{byte(ref)}, value)
}

// wrongBefore reports whether this card took value for wrong and its counter has not risen since. A nameless card, with left tries now, may
// be every one that the value left with as many or more.
func (m *Memory) wrongBefore(k tryKey, value []byte, left int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := m.valueOf(k.ref, value)
	if k.nameless && m.leftBy(v) >= left {
		return true
	}
	s := m.tries[k]
	return s != nil && slices.Contains(s.wrong, v)
}

// sending remembers, before it is sent, a value with the tries left now.
func (m *Memory) sending(k tryKey, value []byte, left int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.tries[k]
	if s == nil {
		m.forgetOldest()
		s = &tryState{first: left}
		m.tries[k] = s
	}
	m.clock++
	v := m.valueOf(k.ref, value)
	s.left, s.pending, s.used = left, &v, m.clock
	if k.nameless { // whose next connection is nobody's
		s.before = m.leftBy(v)
		m.leaves(v, left-1)
	}
}

func (m *Memory) forgetOldest() {
	if len(m.tries) < maxRemembered {
		return
	}
	var oldest tryKey
	first := true
	for k, s := range m.tries {
		if first || s.used < m.tries[oldest].used {
			oldest, first = k, false
		}
	}
	delete(m.tries, oldest)
}

// passed forgets: the value sent was right, and the card has all its tries again.
func (m *Memory) passed(k tryKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.tries[k]; s != nil {
		m.acquit(k, s)
	}
	delete(m.tries, k)
}

// told takes what a card said of its counter, to a query or to a value. A value whose outcome was not known was wrong if the counter fell, and only then: a card
// that calls it wrong and does not count may be a copy that teaches wrong things of another. If the counter rose, as a full one has since any
// value was wrong, somebody gave the right one, and what was wrong before may be right now.
func (m *Memory) told(k tryKey, left int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.tries[k]
	switch {
	case s == nil:
	case left < s.left:
		s.condemn(left)
	case left > s.left:
		m.acquit(k, s)
		delete(m.tries, k)
	default:
		m.acquit(k, s)
		if len(s.wrong) == 0 {
			delete(m.tries, k)
		}
	}
}

// condemn keeps the value that was sent as wrong. For a nameless card it was so from its sending on.
func (s *tryState) condemn(left int) {
	if s.pending != nil {
		s.add(*s.pending)
	}
	s.left, s.pending = left, nil
}

// acquit takes back what was remembered of the value that was sent. The caller holds mu.
func (m *Memory) acquit(k tryKey, s *tryState) {
	if s.pending != nil && k.nameless {
		m.leaves(*s.pending, s.before)
	}
	s.pending = nil
}

func (s *tryState) add(wrong cardID) {
	if len(s.wrong) < maxWrong && !slices.Contains(s.wrong, wrong) {
		s.wrong = append(s.wrong, wrong)
	}
}

// rename gives a card, so far known by its connection, the name of its certificate. What it took for wrong under either stays.
func (m *Memory) rename(connection, card cardID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for ref := range maxTries {
		old, known := tryKey{connection, ref, true}, tryKey{card, ref, false}
		s := m.tries[old]
		if s == nil {
			continue
		}
		delete(m.tries, old)
		if k := m.tries[known]; k != nil && k.left >= s.first {
			s.inherit(k)
		}
		m.tries[known] = s
	}
}

// inherit takes over what was known of the same card before, when it had as many tries or more.
func (s *tryState) inherit(before *tryState) {
	if before.pending != nil && before.left > s.first {
		s.add(*before.pending)
	}
	for _, v := range before.wrong {
		s.add(v)
	}
}

// nameless is a value that a card without a name took for wrong, and the most tries that it left one with.
type nameless struct {
	value cardID
	left  int
}

// leftBy is how many tries value left some nameless card with, at most; 0 for a value that none took for wrong. The caller holds mu.
func (m *Memory) leftBy(value cardID) int {
	i := slices.IndexFunc(m.nameless, func(n nameless) bool { return n.value == value })
	if i < 0 {
		return 0
	}
	return m.nameless[i].left
}

// leaves keeps that, or forgets it for 0. The caller holds mu.
func (m *Memory) leaves(value cardID, left int) {
	m.nameless = slices.DeleteFunc(m.nameless, func(n nameless) bool { return n.value == value })
	if left <= 0 {
		return
	}
	if len(m.nameless) == maxNameless {
		m.nameless = slices.Delete(m.nameless, 0, 1)
	}
	m.nameless = append(m.nameless, nameless{value, left})
}

// short reports whether a new connection to a reader should begin with short lengths.
func (m *Memory) short(reader string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, refused := m.readers[reader]
	if !refused {
		return false
	}
	m.readers[reader] = n + 1
	return (n+1)%extendedAgain != 0
}

// lengths remembers whether extended lengths work on a reader; one without a name is not remembered.
func (m *Memory) lengths(reader string, extended bool) {
	if reader == "" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if extended {
		delete(m.readers, reader)
		return
	}
	if _, there := m.readers[reader]; there {
		return
	}
	if len(m.readers) >= maxReaders {
		clear(m.readers)
	}
	m.readers[reader] = 0
}

// signer is a key that signs the files of an application, as a verified card-verifiable certificate says. It counts only for those who
// believe the same authorities.
type signer struct {
	by        *cvc.Authorities
	app       Application
	id        cvc.KeyID
	key       crypto.PublicKey
	hierarchy certid.Hierarchy
}

// signersOf are those of an application, the newest first.
func (m *Memory) signersOf(by *cvc.Authorities, app Application) []signer {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []signer
	for _, s := range slices.Backward(m.signers) {
		if s.by == by && s.app == app {
			list = append(list, s)
		}
	}
	return list
}

// keepSigner remembers one, in place of one of the same name.
func (m *Memory) keepSigner(s signer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.signers = slices.DeleteFunc(m.signers, func(o signer) bool {
		return o.by != s.by || o.app == s.app && o.id == s.id
	})
	if len(m.signers) == maxSigners {
		m.signers = slices.Delete(m.signers, 0, 1)
	}
	m.signers = append(m.signers, s)
}
