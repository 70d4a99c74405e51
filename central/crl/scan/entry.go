package scan

import (
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
)

// Object identifiers, as the octets that stand in DER.
const (
	oidReasonCode        = "\x55\x1d\x15" // 2.5.29.21, RFC 5280 §5.3.1
	oidCertificateIssuer = "\x55\x1d\x1d" // 2.5.29.29, RFC 5280 §5.3.3
)

// readEntry reads one entry of revokedCertificates (RFC 5280 §5.1, §5.3) of any accepted shape and returns its length in octets. errShort
// if b ends before it does.
func readEntry(b []byte) (crlset.Entry, int, error) {
	var e crlset.Entry
	n, size, err := header(b, asn1.SEQUENCE)
	if err != nil {
		return e, 0, err
	}
	if size > int64(maxEntry-n) {
		return e, 0, fmt.Errorf("%w: entry of more than %d octets", ErrDER, maxEntry)
	}
	n += int(size)
	if len(b) < n {
		return e, 0, errShort
	}
	s := cryptobyte.String(b[n-int(size) : n])
	if e.Key, err = readSerial(&s); err != nil {
		return e, 0, err
	}
	if e.Date, err = readTime(&s); err != nil {
		return e, 0, fmt.Errorf("reading revocationDate: %w", err)
	}
	if s.Empty() {
		return e, n, nil
	}
	e.Reason, err = readEntryExtensions(&s)
	return e, n, err
}

func readSerial(s *cryptobyte.String) (crlset.Key, error) {
	var v cryptobyte.String
	switch {
	case !s.ReadASN1(&v, asn1.INTEGER) || !shortest(v):
		return crlset.Key{}, fmt.Errorf("%w: serial is no INTEGER in its shortest form", ErrDER)
	case v[0]&0x80 != 0:
		return crlset.Key{}, fmt.Errorf("%w: negative", ErrSerial)
	case v[0] == 0:
		v = v[1:]
	}
	serial, err := certid.ParseSerial(v)
	if err != nil {
		return crlset.Key{}, ErrSerial
	}
	return crlset.KeyOf(serial), nil
}

// shortest reports whether v is the content of an INTEGER or ENUMERATED in its shortest form (X.690 §8.3.2).
func shortest(v []byte) bool {
	return len(v) == 1 || len(v) > 1 && (v[0] != 0 || v[1]&0x80 != 0) && (v[0] != 0xff || v[1]&0x80 == 0)
}

func readEntryExtensions(s *cryptobyte.String) (crlset.Reason, error) {
	var list cryptobyte.String
	if !s.ReadASN1(&list, asn1.SEQUENCE) || !s.Empty() {
		return 0, fmt.Errorf("%w: entry's extensions", ErrDER)
	}
	reason := crlset.Unspecified
	seen := idSet{most: maxEntryExtensions}
	for !list.Empty() {
		x, err := readExtension(&list)
		if err != nil {
			return 0, err
		}
		if err := seen.add(x.id); err != nil {
			return 0, err
		}
		switch {
		case string(x.id) == oidCertificateIssuer:
			return 0, ErrIndirect
		case string(x.id) == oidReasonCode:
			if reason, err = readReason(x.value); err != nil {
				return 0, err
			}
		case x.critical:
			return 0, ErrCritical
		}
	}
	return reason, nil
}

func readReason(s cryptobyte.String) (crlset.Reason, error) {
	var v cryptobyte.String
	if !s.ReadASN1(&v, asn1.ENUM) || !s.Empty() || !shortest(v) {
		return 0, fmt.Errorf("%w: reasonCode", ErrDER)
	}
	if r := crlset.Reason(v[0]); len(v) == 1 && r.Valid() {
		return r, nil
	}
	return 0, ErrReason
}

type extension struct {
	id       []byte
	critical bool
	value    cryptobyte.String
}

// readExtension reads one Extension (RFC 5280 §4.2). A critical of FALSE that is written out is taken, as crypto/x509 does.
func readExtension(s *cryptobyte.String) (extension, error) {
	var x extension
	var body, id cryptobyte.String
	ok := s.ReadASN1(&body, asn1.SEQUENCE) && body.ReadASN1(&id, asn1.OBJECT_IDENTIFIER) && validID(id)
	if ok && body.PeekASN1Tag(asn1.BOOLEAN) {
		ok = body.ReadASN1Boolean(&x.critical)
	}
	if !ok || !body.ReadASN1(&x.value, asn1.OCTET_STRING) || !body.Empty() {
		return extension{}, fmt.Errorf("%w: extension", ErrDER)
	}
	x.id = id
	return x, nil
}

// validID reports whether v is an object identifier (X.690 §8.19) with arcs below 2^31.
func validID(v []byte) bool {
	arc, first := uint64(0), true
	for _, o := range v {
		if first && o == 0x80 {
			return false
		}
		arc, first = arc<<7|uint64(o&0x7f), o&0x80 == 0
		if arc >= 1<<31 {
			return false
		}
		if first {
			arc = 0
		}
	}
	return first && len(v) > 0
}

// Extensions that an entry and a list may have. RFC 5280 defines four and seven.
const (
	maxEntryExtensions = 16
	maxListExtensions  = 64
)

// idSet are the extensions of one entry or list, at most so many.
type idSet struct {
	ids  [][]byte
	most int
}

// add returns ErrDuplicate or ErrExtensions where another one may not be.
func (s *idSet) add(id []byte) error {
	if len(s.ids) == s.most {
		return ErrExtensions
	}
	for _, have := range s.ids {
		if string(have) == string(id) {
			return ErrDuplicate
		}
	}
	s.ids = append(s.ids, id)
	return nil
}
