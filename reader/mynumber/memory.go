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
	maxReaders    = 64
	maxSigners    = 64 // card-verifiable certificates: municipalities whose cards were seen

	// extendedAgain: where extended lengths were refused, they are tried again at every such connection.
	extendedAgain = 32
)

// Memory is what the process remembers of readers and cards: which readers refuse extended lengths, which values a card took for wrong,
// and which card-verifiable certificates were verified. It is bounded, lives in RAM only, and is safe to use from any goroutine.
// Cards and values stand in it as HMACs under a random key of this Memory; it prints as REDACTED.
type Memory struct {
	redaction
	key [sha256.Size]byte

	mu      sync.Mutex // guards everything below
	clock   uint64
	tries   map[tryKey]*tryState
	readers map[string]int // connections since extended lengths were refused
	signers []signer       // the newest last
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

type tryKey struct {
	card cardID
	ref  Reference
}

// tryState is what is known of one reference of one card.
type tryState struct {
	left    int      // tries left when last heard of
	wrong   []cardID // HMACs of values that were wrong
	pending *cardID  // of a value sent whose outcome is not known; left was read just before
	used    uint64
}

func (m *Memory) valueOf(k tryKey, value []byte) cardID {
	return m.mac([]byte("value"), k.card[:], []byte{byte(k.ref)}, value)
}

// wrongBefore reports whether this card took value for wrong and its counter has not risen since.
func (m *Memory) wrongBefore(k tryKey, value []byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.tries[k]
	return s != nil && slices.Contains(s.wrong, m.valueOf(k, value))
}

// sending remembers, before it is sent, a value with the tries left now.
func (m *Memory) sending(k tryKey, value []byte, left int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.tries[k]
	if s == nil {
		m.forgetOldest()
		s = &tryState{}
		m.tries[k] = s
	}
	m.clock++
	v := m.valueOf(k, value)
	s.left, s.pending, s.used = left, &v, m.clock
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
	delete(m.tries, k)
}

// failed keeps the value sent as wrong; left are the tries that the card has now.
func (m *Memory) failed(k tryKey, left int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.tries[k]; s != nil {
		s.condemn(left)
	}
}

// told takes what a card said of its counter. A value whose outcome was not known was wrong if the counter fell; if it rose, somebody
// gave the right one, and what was wrong before may be right now.
func (m *Memory) told(k tryKey, left int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.tries[k]
	switch {
	case s == nil:
	case left > s.left:
		delete(m.tries, k)
	case left < s.left && s.pending != nil:
		s.condemn(left)
	default:
		s.left, s.pending = left, nil
		if len(s.wrong) == 0 {
			delete(m.tries, k)
		}
	}
}

func (s *tryState) condemn(left int) {
	if s.pending != nil && len(s.wrong) < maxWrong {
		s.wrong = append(s.wrong, *s.pending)
	}
	s.left, s.pending = left, nil
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
