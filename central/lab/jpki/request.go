package jpki

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"kazashi.example/sync/certid"
)

// Limits of a request. The protocol sets none but the nonce's (RFC 9654 §2.1: 1 to 128 octets).
const (
	MaxRequestLen = 16 << 10
	MaxCertIDs    = 100
	maxNonceLen   = 128
	maxHashLen    = 64
)

// ErrRequest says that octets are no OCSP request (RFC 6960 §4.1.1) or one beyond the limits.
var ErrRequest = errors.New("not an OCSP request")

// RFC 6960 §4.4.1 and the hash algorithms of RFC 3279 and RFC 5754.
var (
	oidNonce  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidSHA1   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
)

// CertID names a certificate by hashes of its issuer's name and key (RFC 6960 §4.1.1). It is kept as received, because an answer repeats it.
type CertID struct {
	raw              []byte // whole SEQUENCE
	hash             asn1.ObjectIdentifier
	nameHash, keyRef []byte
	serial           certid.Serial // zero if it cannot be a serial of ours: negative, zero or too long
}

// Request is what of an OCSP request matters to the responder. A signature of the requestor is read over and not checked.
type Request struct {
	Certs []CertID
	nonce []byte // extnValue as received; nil without
}

// ParseRequest reads a DER request; every fault is ErrRequest.
func ParseRequest(b []byte) (*Request, error) {
	if len(b) > MaxRequestLen {
		return nil, fmt.Errorf("%w: more than %d octets", ErrRequest, MaxRequestLen)
	}
	in := cryptobyte.String(b)
	var outer, tbs, signature cryptobyte.String
	var has bool
	if !in.ReadASN1(&outer, der.SEQUENCE) || !in.Empty() || !outer.ReadASN1(&tbs, der.SEQUENCE) ||
		!outer.ReadOptionalASN1(&signature, &has, context(0)) || !outer.Empty() {
		return nil, fmt.Errorf("%w: outer structure", ErrRequest)
	}
	return parseTBS(tbs)
}

func context(n uint8) der.Tag { return der.Tag(n).ContextSpecific().Constructed() }

func parseTBS(tbs cryptobyte.String) (*Request, error) {
	var version, requestor, list, ext cryptobyte.String
	var hasVersion, hasRequestor, hasExt bool
	if !tbs.ReadOptionalASN1(&version, &hasVersion, context(0)) || !tbs.ReadOptionalASN1(&requestor, &hasRequestor, context(1)) ||
		!tbs.ReadASN1(&list, der.SEQUENCE) || !tbs.ReadOptionalASN1(&ext, &hasExt, context(2)) || !tbs.Empty() {
		return nil, fmt.Errorf("%w: request data", ErrRequest)
	}
	if hasVersion {
		var v int64
		if !version.ReadASN1Integer(&v) || !version.Empty() || v != 0 {
			return nil, fmt.Errorf("%w: version is not 1", ErrRequest)
		}
	}
	r := new(Request)
	for !list.Empty() {
		id, err := parseSingle(&list)
		if err != nil {
			return nil, err
		}
		if r.Certs = append(r.Certs, id); len(r.Certs) > MaxCertIDs {
			return nil, fmt.Errorf("%w: more than %d certificates", ErrRequest, MaxCertIDs)
		}
	}
	if len(r.Certs) == 0 {
		return nil, fmt.Errorf("%w: asks for no certificate", ErrRequest)
	}
	if !hasExt {
		return r, nil
	}
	var err error
	if r.nonce, err = parseExtensions(ext); err != nil {
		return nil, err
	}
	return r, nil
}

// parseSingle takes one Request off the list.
func parseSingle(list *cryptobyte.String) (CertID, error) {
	var single, id, ext cryptobyte.String
	var hasExt bool
	if !list.ReadASN1(&single, der.SEQUENCE) || !single.ReadASN1Element(&id, der.SEQUENCE) ||
		!single.ReadOptionalASN1(&ext, &hasExt, context(0)) || !single.Empty() {
		return CertID{}, fmt.Errorf("%w: single request", ErrRequest)
	}
	if hasExt {
		if _, err := parseExtensions(ext); err != nil {
			return CertID{}, err
		}
	}
	return parseCertID(id)
}

func parseCertID(raw cryptobyte.String) (CertID, error) {
	out := CertID{raw: append([]byte(nil), raw...)}
	var body, algorithm, name, key cryptobyte.String
	serial := new(big.Int)
	if !raw.ReadASN1(&body, der.SEQUENCE) || !body.ReadASN1(&algorithm, der.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&out.hash) || !body.ReadASN1(&name, der.OCTET_STRING) ||
		!body.ReadASN1(&key, der.OCTET_STRING) || !body.ReadASN1Integer(serial) || !body.Empty() {
		return CertID{}, fmt.Errorf("%w: certificate id", ErrRequest)
	}
	if len(name) > maxHashLen || len(key) > maxHashLen {
		return CertID{}, fmt.Errorf("%w: hash too long", ErrRequest)
	}
	out.nameHash, out.keyRef = append([]byte(nil), name...), append([]byte(nil), key...)
	out.serial, _ = certid.SerialOf(serial) // one that is no serial matches nothing, which is the right answer: unknown
	return out, nil
}

// parseExtensions finds the nonce; any other critical extension is a fault.
func parseExtensions(ext cryptobyte.String) ([]byte, error) {
	var all cryptobyte.String
	if !ext.ReadASN1(&all, der.SEQUENCE) || !ext.Empty() {
		return nil, fmt.Errorf("%w: extensions", ErrRequest)
	}
	var nonce []byte
	for !all.Empty() {
		oid, critical, value, err := parseExtension(&all)
		if err != nil {
			return nil, err
		}
		switch {
		case !oid.Equal(oidNonce) && critical:
			return nil, fmt.Errorf("%w: critical extension %v", ErrRequest, oid)
		case !oid.Equal(oidNonce):
		case nonce != nil || !goodNonce(value):
			return nil, fmt.Errorf("%w: nonce", ErrRequest)
		default:
			nonce = append([]byte(nil), value...)
		}
	}
	return nonce, nil
}

func parseExtension(all *cryptobyte.String) (oid asn1.ObjectIdentifier, critical bool, value cryptobyte.String, err error) {
	var one cryptobyte.String
	if !all.ReadASN1(&one, der.SEQUENCE) || !one.ReadASN1ObjectIdentifier(&oid) ||
		!one.ReadOptionalASN1Boolean(&critical, der.BOOLEAN, false) || !one.ReadASN1(&value, der.OCTET_STRING) || !one.Empty() {
		return nil, false, nil, fmt.Errorf("%w: extension", ErrRequest)
	}
	return oid, critical, value, nil
}

// goodNonce asks for an OCTET STRING of 1 to 128 octets inside the extension's value (RFC 9654 §2.1).
func goodNonce(value cryptobyte.String) bool {
	var inner cryptobyte.String
	return value.ReadASN1(&inner, der.OCTET_STRING) && value.Empty() && len(inner) >= 1 && len(inner) <= maxNonceLen
}
