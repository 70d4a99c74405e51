package jpki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"

	"kazashi.example/sync/certid"
)

var (
	oidDelta        = asn1.ObjectIdentifier{2, 5, 29, 27} // deltaCRLIndicator, RFC 5280 §5.2.4
	oidIssuingPoint = asn1.ObjectIdentifier{2, 5, 29, 28} // issuingDistributionPoint, RFC 5280 §5.2.5
	oidReasonCode   = asn1.ObjectIdentifier{2, 5, 29, 21} // RFC 5280 §5.3.1
)

// ExamineCRL reads one complete revocation list (DER, nothing after it), finds the authority key that signed it by authority
// key identifier and signature, and returns the scope that this key issues for. It takes a whole list or one partition (see
// [PartitionOf]); delta lists, indirect lists, lists of some reasons only, unknown critical extensions and extensions that
// stand twice (RFC 5280 §4.2) are refused, because reading them as a whole list would give wrong answers. Errors: ErrNotCRL,
// ErrCRLProfile, ErrCRLIssuerUnknown, ErrCRLSignature. Whether nextUpdate has passed is the caller's question. Which authority
// keys a list covers is the trust bundle's to say: a newer generation may sign for older ones.
func (s *Anchors) ExamineCRL(der []byte) (*x509.RevocationList, certid.Scope, certid.KeyID, error) {
	fail := func(err error) (*x509.RevocationList, certid.Scope, certid.KeyID, error) {
		return nil, certid.Scope{}, certid.KeyID{}, err
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", ErrNotCRL, err))
	}
	if len(list.Raw) != len(der) { // crypto/x509 takes what follows the list without a word
		return fail(fmt.Errorf("%w: octets after its end", ErrNotCRL))
	}
	if err := checkCRLProfile(list); err != nil {
		return fail(err)
	}
	candidates := s.candidates(list.AuthorityKeyId, list.RawIssuer)
	if len(candidates) == 0 {
		return fail(ErrCRLIssuerUnknown)
	}
	for _, a := range candidates {
		if bytes.Equal(a.Cert.RawSubject, list.RawIssuer) && listSignedBy(list, a.Cert) {
			return list, a.Scope(), KeyIDOf(a.Cert), nil
		}
	}
	return fail(ErrCRLSignature)
}

// PartitionOf returns the directory name (DER) of the partition that a list covers, to be compared with AuthCert.CRLPoint;
// nil for a list that covers its whole scope. ErrCRLProfile for an issuing distribution point of another kind.
func PartitionOf(list *x509.RevocationList) ([]byte, error) {
	for _, e := range list.Extensions {
		if e.Id.Equal(oidIssuingPoint) {
			return partition(e.Value)
		}
	}
	return nil, nil
}

func listSignedBy(list *x509.RevocationList, issuer *x509.Certificate) bool {
	return algorithmOf(list.SignatureAlgorithm, issuer) != nil &&
		issuer.CheckSignature(list.SignatureAlgorithm, list.RawTBSRevocationList, list.Signature) == nil
}

func checkCRLProfile(list *x509.RevocationList) error {
	switch {
	case list.Number == nil || list.Number.Sign() < 0 || list.Number.BitLen() > 8*certid.MaxSerialLen:
		return fmt.Errorf("%w: no usable CRL number", ErrCRLProfile)
	case list.NextUpdate.IsZero() || list.NextUpdate.Before(list.ThisUpdate):
		return fmt.Errorf("%w: nextUpdate missing or before thisUpdate", ErrCRLProfile)
	}
	if err := checkCRLExtensions(list.Extensions); err != nil {
		return err
	}
	if _, err := PartitionOf(list); err != nil {
		return err
	}
	for i := range list.RevokedCertificateEntries {
		if err := checkCRLEntry(&list.RevokedCertificateEntries[i]); err != nil {
			return fmt.Errorf("reading entry %d: %w", i, err)
		}
	}
	return nil
}

// checkCRLExtensions refuses a delta list whatever the criticality of its mark: RFC 5280 §5.2.4 asks for a critical one, and a list that
// disregards this is no whole list yet. crypto/x509 does not look for extensions that stand twice, and PartitionOf reads the first.
func checkCRLExtensions(list []pkix.Extension) error {
	for i, e := range list {
		switch {
		case e.Id.Equal(oidDelta):
			return fmt.Errorf("%w: delta list", ErrCRLProfile)
		case e.Critical && !e.Id.Equal(oidIssuingPoint):
			return fmt.Errorf("%w: critical extension %s", ErrCRLProfile, e.Id)
		case stands(list[:i], e.Id):
			return fmt.Errorf("%w: extension %s stands twice", ErrCRLProfile, e.Id)
		}
	}
	return nil
}

func stands(list []pkix.Extension, id asn1.ObjectIdentifier) bool {
	return slices.ContainsFunc(list, func(e pkix.Extension) bool { return e.Id.Equal(id) })
}

func checkCRLEntry(e *x509.RevocationListEntry) error {
	if _, err := certid.SerialOf(e.SerialNumber); err != nil {
		return fmt.Errorf("%w: %w", ErrCRLProfile, err)
	}
	for i, x := range e.Extensions {
		if x.Critical && !x.Id.Equal(oidReasonCode) {
			return fmt.Errorf("%w: critical extension %s", ErrCRLProfile, x.Id)
		}
		if stands(e.Extensions[:i], x.Id) { // two reasons, of which one says hold
			return fmt.Errorf("%w: extension %s stands twice", ErrCRLProfile, x.Id)
		}
	}
	return nil
}

// issuingPoint is RFC 5280 §5.2.5.
type issuingPoint struct {
	Name struct {
		FullName []asn1.RawValue `asn1:"optional,tag:0"`
	} `asn1:"optional,tag:0"`
	OnlyUsers      bool           `asn1:"optional,tag:1"`
	OnlyAuthority  bool           `asn1:"optional,tag:2"`
	OnlyReasons    asn1.BitString `asn1:"optional,tag:3"`
	Indirect       bool           `asn1:"optional,tag:4"`
	OnlyAttributes bool           `asn1:"optional,tag:5"`
}

func partition(value []byte) ([]byte, error) {
	var p issuingPoint
	rest, err := asn1.Unmarshal(value, &p)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: unreadable issuing distribution point", ErrCRLProfile)
	}
	if p.OnlyAuthority || p.Indirect || p.OnlyAttributes || p.OnlyReasons.BitLength > 0 {
		return nil, fmt.Errorf("%w: indirect, or limited to authorities, attributes or some reasons", ErrCRLProfile)
	}
	if len(p.Name.FullName) == 0 {
		return nil, nil
	}
	name, err := directoryName(p.Name.FullName)
	if err != nil {
		return nil, fmt.Errorf("%w: issuing distribution point is %w", ErrCRLProfile, err)
	}
	return name, nil
}
