package scan

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	stdasn1 "encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"kazashi.example/reader/jpki"
)

// Object identifiers of the list's extensions, as the octets that stand in DER.
const (
	oidCRLNumber    = "\x55\x1d\x14" // 2.5.29.20, RFC 5280 §5.2.3
	oidDelta        = "\x55\x1d\x1b" // 2.5.29.27, RFC 5280 §5.2.4
	oidIssuingPoint = "\x55\x1d\x1c" // 2.5.29.28, RFC 5280 §5.2.5
	oidAuthorityKey = "\x55\x1d\x23" // 2.5.29.35, RFC 5280 §5.2.1
)

// tail is what stands after the entries.
type tail struct {
	number    uint64
	numbered  bool
	keyID     []byte // empty: not said
	point     []byte // DER of Name; nil: the whole scope
	signature []byte
}

// readTail reads the list's extensions, the algorithm again, and the signature.
func readTail(b []byte, h *head) (*tail, error) {
	signed := h.tbsEnd - h.entriesEnd
	t := &tail{}
	if err := t.readExtensions(b[:signed]); err != nil {
		return nil, err
	}
	s := cryptobyte.String(b[signed:])
	var again cryptobyte.String
	if !s.ReadASN1Element(&again, asn1.SEQUENCE) || !bytes.Equal(again, h.rawAlgorithm) {
		return nil, fmt.Errorf("%w: algorithms inside and outside differ", ErrDER)
	}
	if !s.ReadASN1BitStringAsBytes(&t.signature) || !s.Empty() {
		return nil, fmt.Errorf("%w: signature", ErrDER)
	}
	return t, nil
}

func (t *tail) readExtensions(s cryptobyte.String) error {
	var outer, list cryptobyte.String
	if s.Empty() {
		return ErrNumber
	}
	if !s.ReadASN1(&outer, asn1.Tag(0).ContextSpecific().Constructed()) || !s.Empty() ||
		!outer.ReadASN1(&list, asn1.SEQUENCE) || !outer.Empty() {
		return fmt.Errorf("%w: extensions of the list", ErrDER)
	}
	seen := idSet{most: maxListExtensions}
	for !list.Empty() {
		x, err := readExtension(&list)
		if err != nil {
			return err
		}
		if err := seen.add(x.id); err != nil {
			return err
		}
		if err := t.take(x); err != nil {
			return err
		}
	}
	if !t.numbered {
		return ErrNumber
	}
	return nil
}

// take reads one extension. A delta list is refused whatever the criticality of its mark.
func (t *tail) take(x extension) error {
	switch id := string(x.id); {
	case id == oidDelta:
		return ErrDelta
	case id == oidIssuingPoint:
		return t.readPoint(x)
	case x.critical:
		return ErrCritical
	case id == oidCRLNumber:
		return t.readNumber(x.value)
	case id == oidAuthorityKey:
		return t.readAuthorityKey(x.value)
	}
	return nil
}

func (t *tail) readNumber(s cryptobyte.String) error {
	if !s.ReadASN1Integer(&t.number) || !s.Empty() {
		return ErrNumber
	}
	t.numbered = true
	return nil
}

func (t *tail) readAuthorityKey(s cryptobyte.String) error {
	var id, key cryptobyte.String
	var there bool
	if !s.ReadASN1(&id, asn1.SEQUENCE) || !s.Empty() || !id.ReadOptionalASN1(&key, &there, asn1.Tag(0).ContextSpecific()) {
		return fmt.Errorf("%w: authorityKeyIdentifier", ErrDER)
	}
	t.keyID = key
	return nil
}

// readPoint refuses what jpki.PartitionOf would not look at: a name relative to the issuer's, and fields that RFC 5280 does not have.
func (t *tail) readPoint(x extension) error {
	var point cryptobyte.String
	s := x.value
	if !s.ReadASN1(&point, asn1.SEQUENCE) || !s.Empty() {
		return ErrPoint
	}
	if err := checkPoint(point); err != nil {
		return err
	}
	name, err := jpki.PartitionOf(&x509.RevocationList{Extensions: []pkix.Extension{
		{Id: stdasn1.ObjectIdentifier{2, 5, 29, 28}, Critical: x.critical, Value: x.value},
	}})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPoint, err)
	}
	t.point = name
	return nil
}

func checkPoint(point cryptobyte.String) error {
	var there bool
	var name, full cryptobyte.String
	if !point.ReadOptionalASN1(&name, &there, asn1.Tag(0).ContextSpecific().Constructed()) {
		return ErrPoint
	}
	if there && (!name.ReadASN1(&full, asn1.Tag(0).ContextSpecific().Constructed()) || !name.Empty() || full.Empty()) {
		return fmt.Errorf("%w: no full name", ErrPoint)
	}
	for _, field := range []struct {
		tag     asn1.Tag
		refused error
	}{{1, nil}, {2, ErrLimited}, {3, ErrLimited}, {4, ErrIndirect}, {5, ErrLimited}} {
		var value cryptobyte.String
		if !point.ReadOptionalASN1(&value, &there, field.tag.ContextSpecific()) {
			return ErrPoint
		}
		if there && field.refused != nil && string(value) != "\x00" { // FALSE, written out, limits nothing
			return field.refused
		}
	}
	if !point.Empty() {
		return ErrPoint
	}
	return nil
}

// signerOf finds the authority key that made the signature: by the key identifier, or, where there is none, by the name alone.
func signerOf(anchors *jpki.Anchors, h *head, t *tail, sum []byte) (jpki.Anchor, error) {
	known := false
	for _, a := range anchorsNamed(anchors, h.issuer) {
		if len(t.keyID) > 0 && !bytes.Equal(a.Cert.SubjectKeyId, t.keyID) {
			continue
		}
		known = true
		if h.algorithm.verify(a.Cert, sum, t.signature) {
			return a, nil
		}
	}
	if !known {
		return jpki.Anchor{}, jpki.ErrCRLIssuerUnknown
	}
	return jpki.Anchor{}, jpki.ErrCRLSignature
}
