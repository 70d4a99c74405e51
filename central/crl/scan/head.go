package scan

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
)

// head is what stands before the entries, and where everything lies: offsets from the list's first octet.
type head struct {
	total                    int64
	tbsStart, tbsEnd         int64
	entriesStart, entriesEnd int64
	algorithm                *algorithm
	rawAlgorithm             []byte // DER of AlgorithmIdentifier
	issuer                   []byte // DER of Name
	thisUpdate, nextUpdate   time.Time
}

// An algorithm is one kind of signature that authorities make.
type algorithm struct {
	raw    string // DER of AlgorithmIdentifier
	hash   crypto.Hash
	verify func(issuer *x509.Certificate, sum, signature []byte) bool
}

// algorithms are those of package jpki. RFC 4055 §5 wants NULL parameters and lets them be absent, RFC 5758 §3.2 wants none.
var algorithms = []algorithm{
	{"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00", crypto.SHA256, verifyRSA},
	{"\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b", crypto.SHA256, verifyRSA},
	{"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", crypto.SHA384, verifyP384},
}

func verifyRSA(issuer *x509.Certificate, sum, signature []byte) bool {
	k, ok := issuer.PublicKey.(*rsa.PublicKey)
	return ok && rsa.VerifyPKCS1v15(k, crypto.SHA256, sum, signature) == nil
}

func verifyP384(issuer *x509.Certificate, sum, signature []byte) bool {
	k, ok := issuer.PublicKey.(*ecdsa.PublicKey)
	return ok && ecdsa.VerifyASN1(k, sum, signature)
}

// errShort says that the octets at hand end before what is read.
var errShort = errors.New("short")

// readHead reads the beginning of a list; b is all of it, or more than maxHead octets can be of use for.
func readHead(b []byte, o Options) (*head, error) {
	if bytes.HasPrefix(b, []byte("-----BEGIN")) {
		return nil, ErrPEM
	}
	h := &head{}
	err := h.read(&window{b: b, limit: o.MaxOctets}, o)
	if !errors.Is(err, errShort) {
		return h, err
	}
	if len(b) < maxHead {
		return nil, fmt.Errorf("%w: %d octets", ErrTruncated, len(b))
	}
	return nil, fmt.Errorf("%w: more than %d octets before the entries", ErrDER, maxHead)
}

// read takes apart CertificateList up to its entries (RFC 5280 §5.1).
func (h *head) read(w *window, o Options) error {
	var err error
	if h.total, err = w.enter(asn1.SEQUENCE); err != nil {
		return err
	}
	w.limit, h.tbsStart = h.total, w.at
	if h.tbsEnd, err = w.enter(asn1.SEQUENCE); err != nil {
		return err
	}
	w.limit = h.tbsEnd
	if err := h.readNames(w, o); err != nil {
		return err
	}
	if err := h.readTimes(w, o.Now); err != nil {
		return err
	}
	h.entriesStart, h.entriesEnd = w.at, w.at
	next, err := w.peek()
	if err != nil {
		return err
	}
	if next == asn1.SEQUENCE {
		if h.entriesEnd, err = w.enter(asn1.SEQUENCE); err != nil {
			return err
		}
		h.entriesStart = w.at
	}
	if h.total-h.entriesEnd > maxTail {
		return fmt.Errorf("%w: more than %d octets after the entries", ErrDER, maxTail)
	}
	return nil
}

// readNames reads version, algorithm and issuer. A list that nobody here can verify is not worth the reading.
func (h *head) readNames(w *window, o Options) error {
	version, err := w.element(asn1.INTEGER)
	if err != nil {
		return err
	}
	if string(version) != "\x02\x01\x01" { // version 2 is 1
		return fmt.Errorf("%w: not of version 2", ErrDER)
	}
	if h.rawAlgorithm, err = w.element(asn1.SEQUENCE); err != nil {
		return err
	}
	if h.issuer, err = w.element(asn1.SEQUENCE); err != nil {
		return err
	}
	h.rawAlgorithm, h.issuer = bytes.Clone(h.rawAlgorithm), bytes.Clone(h.issuer)
	if len(anchorsNamed(o.Anchors, h.issuer)) == 0 {
		return jpki.ErrCRLIssuerUnknown
	}
	for i := range algorithms {
		if algorithms[i].raw == string(h.rawAlgorithm) {
			h.algorithm = &algorithms[i]
			return nil
		}
	}
	return fmt.Errorf("%w: algorithm not accepted", jpki.ErrCRLSignature)
}

func (h *head) readTimes(w *window, now time.Time) error {
	var err error
	if h.thisUpdate, err = w.time(); err != nil {
		return fmt.Errorf("reading thisUpdate: %w", err)
	}
	if h.thisUpdate.After(now.Add(clockSkew)) {
		return fmt.Errorf("%w: %s", ErrFuture, h.thisUpdate.Format(time.RFC3339))
	}
	next, err := w.peek()
	if err != nil {
		return err
	}
	if next != asn1.UTCTime && next != asn1.GeneralizedTime {
		return ErrNextUpdate
	}
	if h.nextUpdate, err = w.time(); err != nil {
		return fmt.Errorf("reading nextUpdate: %w", err)
	}
	if h.nextUpdate.Before(h.thisUpdate) {
		return ErrNextUpdate
	}
	return nil
}

// anchorsNamed are the authority keys of all scopes with this name.
func anchorsNamed(anchors *jpki.Anchors, name []byte) []jpki.Anchor {
	var list []jpki.Anchor
	if anchors == nil {
		return nil
	}
	for _, h := range []certid.Hierarchy{certid.HierarchyProduction, certid.HierarchyTest, certid.HierarchyPractice} {
		for _, p := range []certid.Purpose{certid.PurposeAuth, certid.PurposeSign} {
			for _, c := range anchors.IssuerCerts(certid.Scope{Hierarchy: h, Purpose: p}) {
				if bytes.Equal(c.RawSubject, name) {
					list = append(list, jpki.Anchor{Cert: c, Hierarchy: h, Purpose: p})
				}
			}
		}
	}
	return list
}

// window walks over the beginning of a list.
type window struct {
	b     []byte
	at    int64
	limit int64 // where what is read ends
}

// enter steps into a constructed element and returns where it ends.
func (w *window) enter(tag asn1.Tag) (int64, error) {
	n, size, err := header(w.b[min(w.at, int64(len(w.b))):], tag)
	if err != nil {
		return 0, err
	}
	w.at += int64(n)
	if size > w.limit-w.at {
		if w.at == int64(n) {
			return 0, fmt.Errorf("%w: more than %d octets", ErrTooLarge, w.limit)
		}
		return 0, fmt.Errorf("%w: element longer than the one around it", ErrDER)
	}
	return w.at + size, nil
}

// element returns one element with its header, and steps over it.
func (w *window) element(tag asn1.Tag) ([]byte, error) {
	start := w.at
	end, err := w.enter(tag)
	if err != nil {
		return nil, err
	}
	if end > int64(len(w.b)) {
		return nil, errShort
	}
	w.at = end
	return w.b[start:end], nil
}

// peek is the next tag, 0 if there is none.
func (w *window) peek() (asn1.Tag, error) {
	switch {
	case w.at >= w.limit:
		return 0, nil
	case w.at >= int64(len(w.b)):
		return 0, errShort
	default:
		return asn1.Tag(w.b[w.at]), nil
	}
}

func (w *window) time() (time.Time, error) {
	tag, err := w.peek()
	if err != nil {
		return time.Time{}, err
	}
	raw, err := w.element(tag) // readTime looks at the tag
	if err != nil {
		return time.Time{}, err
	}
	s := cryptobyte.String(raw)
	at, err := readTime(&s)
	return time.Unix(at, 0).UTC(), err
}

// header reads tag and length of an element: octets of both, and the length. Lengths are in the shortest form (X.690 §10.1) and have at
// most five octets. errShort, ErrDER.
func header(b []byte, tag asn1.Tag) (n int, size int64, err error) {
	if len(b) > 0 && b[0] != byte(tag) {
		return 0, 0, fmt.Errorf("%w: tag %#02x, not %#02x", ErrDER, b[0], byte(tag))
	}
	if len(b) < 2 {
		return 0, 0, errShort
	}
	if b[1] < 0x80 {
		return 2, int64(b[1]), nil
	}
	n = int(b[1] & 0x7f)
	if n == 0 || n > 5 {
		return 0, 0, fmt.Errorf("%w: length of a form that DER does not have", ErrDER)
	}
	if len(b) < 2+n {
		return 0, 0, errShort
	}
	for _, o := range b[2 : 2+n] {
		size = size<<8 | int64(o)
	}
	if b[2] == 0 || size < 0x80 {
		return 0, 0, fmt.Errorf("%w: length not in its shortest form", ErrDER)
	}
	return 2 + n, size, nil
}
