package jpki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// reasonHold is certificateHold (RFC 5280 §5.3.1): an entry that may disappear again.
const reasonHold = 6

// List is a verified revocation list, indexed. It is immutable.
type List struct {
	Scope      certid.Scope
	Issuer     certid.KeyID // the key that signed it: generations of one authority share a name
	Number     uint64       // CRL number (RFC 5280 §5.2.3)
	ThisUpdate time.Time
	NextUpdate time.Time
	DER        []byte // the authority's own signed bytes

	entries map[certid.Serial]entry
}

type entry struct {
	at   time.Time
	hold bool
}

// OpenList verifies a complete list as ExamineCRL does, and indexes it. A serial that stands twice keeps its earliest date,
// and revocation goes before hold. ErrCRLProfile for one partition of a list: Answer would say not_revoked of every serial
// outside it (P7).
func (s *Anchors) OpenList(der []byte) (*List, error) {
	crl, scope, issuer, err := s.ExamineCRL(der)
	if err != nil {
		return nil, err
	}
	if !crl.Number.IsUint64() {
		return nil, fmt.Errorf("%w: its number is beyond 64 bits", ErrCRLProfile)
	}
	if part, err := PartitionOf(crl); err != nil || part != nil {
		return nil, errors.Join(fmt.Errorf("%w: it is one partition of a list", ErrCRLProfile), err)
	}
	l := &List{
		Scope: scope, Issuer: issuer, Number: crl.Number.Uint64(),
		ThisUpdate: crl.ThisUpdate.UTC(), NextUpdate: crl.NextUpdate.UTC(), DER: crl.Raw,
	}
	if err := l.index(crl.RevokedCertificateEntries); err != nil {
		return nil, err
	}
	return l, nil
}

func (l *List) index(entries []x509.RevocationListEntry) error {
	l.entries = make(map[certid.Serial]entry, len(entries))
	for _, e := range entries {
		serial, err := certid.SerialOf(e.SerialNumber)
		if err != nil {
			return fmt.Errorf("%w: an entry: %w", ErrCRLProfile, err)
		}
		now := entry{at: e.RevocationTime.UTC(), hold: e.ReasonCode == reasonHold}
		old, twice := l.entries[serial]
		if twice && (old.hold == now.hold && old.at.Before(now.at) || !old.hold && now.hold) {
			continue
		}
		l.entries[serial] = now
	}
	return nil
}

// Covers reports whether the list speaks of what an authority key issued: its own and older generations' of the same scope. A
// newer generation may sign for older ones; that an older one knew what a newer one would issue cannot be. Which generation
// signs for which in the national hierarchy is not published, so this is the widest reading that can be right.
func (l *List) Covers(s *Anchors, issuer certid.KeyID) bool {
	signer, known := s.ByKey(l.Issuer)
	of, too := s.ByKey(issuer)
	return known && too && of.Scope() == l.Scope && !of.Cert.NotBefore.After(signer.Cert.NotBefore)
}

// Answer is what the list says of a serial of its scope, whatever the date of the entry.
func (l *List) Answer(s certid.Serial) record.Answer {
	e, ok := l.entries[s]
	switch {
	case !ok:
		return record.AnswerNotRevoked
	case e.hold:
		return record.AnswerOnHold
	default:
		return record.AnswerRevoked
	}
}

// AnswerAt is Answer as of a time: an entry dated later did not hold yet.
func (l *List) AnswerAt(s certid.Serial, at time.Time) record.Answer {
	if e, ok := l.entries[s]; ok && e.at.After(at) {
		return record.AnswerNotRevoked
	}
	return l.Answer(s)
}

// Len is the number of serials on the list.
func (l *List) Len() int { return len(l.entries) }
