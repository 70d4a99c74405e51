package segment

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"log/slog"
	"runtime/debug"
	"sync"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/sitekey"
)

// Ref is a keyed reference, by which somebody is found: HMAC-SHA-256, its first twelve octets.
type Ref [refSize]byte

func (r *Ref) compare(q *Ref) int {
	a, b := binary.BigEndian.Uint64(r[:]), binary.BigEndian.Uint64(q[:])
	if a == b {
		a, b = uint64(binary.BigEndian.Uint32(r[8:])), uint64(binary.BigEndian.Uint32(q[8:]))
	}
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	default:
		return 0
	}
}

// Keys are what one generation of a site's key opens of the site's rosters. They may be used from any goroutine, and print as REDACTED.
type Keys struct {
	gen   sitekey.Generation
	entry [32]byte
	aad   []byte
	macs  *sync.Pool // of *mac
}

// mac is an HMAC with its room.
type mac struct {
	h   hash.Hash
	buf []byte
}

// NewKeys derives a site's keys from one generation. The zero key is refused with sitekey.ErrKey.
func NewKeys(site record.SiteID, k sitekey.Key) (*Keys, error) {
	if k.IsZero() {
		return nil, sitekey.ErrKey
	}
	gen, ref := k.Generation(), k.Derive(sitekey.LabelRosterRef)
	aad, err := canon.Encode([]any{"kazashi/roster/entry/v1", site, gen})
	if err != nil {
		return nil, fmt.Errorf("deriving keys of a roster: %w", err)
	}
	pool := &sync.Pool{New: func() any { return &mac{h: hmac.New(sha256.New, ref[:])} }}
	return &Keys{gen: gen, entry: k.Derive(sitekey.LabelRosterEntry), aad: aad, macs: pool}, nil
}

// Generation names them.
func (k *Keys) Generation() sitekey.Generation { return k.gen }

// Format prints REDACTED for every verb.
func (*Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (*Keys) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// Kinds of references. They are part of the format.
const (
	refCert   = 'c'
	refTap    = 't'
	refPPID   = 'p'
	refNumber = 'n'
)

// ref keys a kind, a name and a value; the name's length stands before it.
func (k *Keys) ref(kind byte, name string, more, value []byte) (r Ref) {
	m := k.macs.Get().(*mac) //nolint:forcetypeassert // the pool holds nothing else
	m.buf = append(append(append(append(m.buf[:0], kind, byte(len(name))), name...), more...), value...)
	m.h.Reset()
	m.h.Write(m.buf)
	clear(m.buf)
	copy(r[:], m.h.Sum(m.buf[:0]))
	k.macs.Put(m)
	return r
}

// Cert is the reference of a certificate at a verifier.
func (k *Keys) Cert(v record.VerifierID, id certid.CertID) Ref {
	return k.cert(v, id.Scope.Hierarchy, id.Serial.Bytes())
}

func (k *Keys) cert(v record.VerifierID, h certid.Hierarchy, serial []byte) Ref {
	return k.ref(refCert, string(v), []byte{byte(h)}, serial)
}

// Tap is the reference of an enrolment, which an entry keeps for as long as it lives.
func (k *Keys) Tap(t record.TapID) Ref { return k.ref(refTap, "", nil, t.ID128[:]) }

// PPID is the reference of a pseudonym.
func (k *Keys) PPID(ppid string) Ref { return k.ref(refPPID, "", nil, []byte(ppid)) }

// Number is the reference of a service's own user number.
func (k *Keys) Number(s record.ServiceID, number string) Ref {
	return k.ref(refNumber, string(s), nil, []byte(number))
}

// Opener opens entries of one segment. It may be used from any goroutine.
type Opener struct {
	s    *Segment
	keys *Keys
	aead cipher.AEAD
}

// Opener sets a segment's key up. ErrOpen for keys of another generation.
func (s *Segment) Opener(k *Keys) (*Opener, error) {
	if k.gen != s.gen {
		return nil, fmt.Errorf("%w: keys of another generation", ErrOpen)
	}
	var salt [saltLen]byte
	err := s.guard(func() error {
		copy(salt[:], s.b[headerSize-saltLen:]) // in the first chunk, which was compared
		return nil
	})
	if err != nil {
		return nil, err
	}
	aead, err := k.aead(salt)
	return &Opener{s, k, aead}, err
}

func (s *Segment) guard(do func() error) error {
	if s.file == nil {
		return do()
	}
	return s.file.Guard(do)
}

// aead is the cipher of the segment of a salt: its key is HKDF-Expand (RFC 5869 §2.3) of the generation's key for entries.
func (k *Keys) aead(salt [saltLen]byte) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, k.entry[:], "kazashi/roster/segment/v1"+string(salt[:]), len(k.entry))
	if err != nil {
		return nil, fmt.Errorf("deriving the key of a segment: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// nonceOf is a place, as 96 bits: each entry of a segment lies somewhere else.
func nonceOf(p Place) (n [12]byte) {
	binary.BigEndian.PutUint32(n[8:], uint32(p))
	return n
}

// rooms are for opened entries, cleared after use.
var rooms = sync.Pool{New: func() any { return new([maxPlain]byte) }}

// Entry opens what lies at a place; of an enrolment that is gone, its tap alone. ErrOpen, ErrFormat, ErrDigest, ErrUnreadable, os.ErrClosed.
func (o *Opener) Entry(p Place) (e roster.Entry, err error) {
	room := rooms.Get().(*[maxPlain]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer rooms.Put(room)
	plain, err := o.plain(room[:0], p)
	if err != nil {
		return e, err
	}
	defer clear(plain)
	if plain, err = unpad(plain); err != nil {
		return e, err
	}
	if e, err = decode(plain); err != nil {
		return e, err
	}
	if p.Gone() {
		return roster.Entry{Enrolled: e.Enrolled}, nil
	}
	if err := e.Check(); err != nil {
		return roster.Entry{}, fmt.Errorf("%w: %w", ErrOpen, err)
	}
	return e, nil
}

// plain opens into room.
func (o *Opener) plain(room []byte, p Place) (plain []byte, err error) {
	if f := o.s.file; f != nil {
		if f.Closed() {
			return nil, errClosed
		}
		defer f.Caught(debug.SetPanicOnFault(true), &err)
	}
	sealed, err := o.s.sealed(p)
	if err != nil {
		return nil, err
	}
	if len(sealed) > maxPlain {
		return nil, fmt.Errorf("%w: an entry of %d octets", ErrFormat, len(sealed))
	}
	nonce := nonceOf(p)
	if plain, err = o.aead.Open(room, nonce[:], sealed, o.keys.aad); err != nil {
		return nil, ErrOpen
	}
	return plain, nil
}

// unpad takes the padding off: an octet 80 and zeroes (ISO/IEC 7816-4).
func unpad(b []byte) ([]byte, error) {
	n := len(b)
	for n > 0 && b[n-1] == 0 {
		n--
	}
	if n == 0 || b[n-1] != 0x80 {
		return nil, fmt.Errorf("%w: padding", ErrOpen)
	}
	return b[:n-1], nil
}

// All gives every entry in the order in which they lie, and says of each whether it is one that is gone. Errors are Entry's, and yield's.
func (o *Opener) All(yield func(e roster.Entry, gone bool) error) error {
	dead, err := o.s.dead()
	if err != nil {
		return err
	}
	for at := uint64(headerSize); at < o.s.from; {
		p := Place(at - uint64(headerSize)) //nolint:gosec // at most MaxSegment
		if dead[p] {
			p |= gone
		}
		var n int
		err := o.s.guard(func() error {
			sealed, err := o.s.sealed(p)
			n = len(sealed)
			return err
		})
		if err != nil {
			return err
		}
		e, err := o.Entry(p)
		if err != nil {
			return err
		}
		if err := yield(e, p.Gone()); err != nil {
			return err
		}
		at += lenSize + uint64(n) //nolint:gosec // a length
	}
	return nil
}

// dead are the places of enrolments that are gone.
func (s *Segment) dead() (map[Place]bool, error) {
	dead := make(map[Place]bool, s.part.Gone)
	err := s.guard(func() error {
		for i := range s.rows {
			if err := s.need(s.from+uint64(i)*rowSize, rowSize); err != nil { //nolint:gosec // not negative
				return err
			}
			if p := Place(binary.LittleEndian.Uint32(s.index[i*rowSize+refSize:])); p.Gone() {
				dead[p&^gone] = true
			}
		}
		return nil
	})
	return dead, err
}
