package pki

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"

	"kazashi.example/sync/certid"
)

// attr is one relative distinguished name of one attribute, as JPKI writes all of its names.
type attr struct {
	oid   asn1.ObjectIdentifier
	value string
}

// name encodes a distinguished name: the country as PrintableString (X.520 §6.3.1), the rest as UTF8String.
func name(attrs ...attr) ([]byte, error) {
	var rdns pkix.RDNSequence
	for _, a := range attrs {
		tag := asn1.TagUTF8String
		if a.oid.Equal(oidCountry) {
			tag = asn1.TagPrintableString
		}
		value := asn1.RawValue{Tag: tag, Bytes: []byte(a.value)}
		rdns = append(rdns, pkix.RelativeDistinguishedNameSET{{Type: a.oid, Value: value}})
	}
	der, err := asn1.Marshal(rdns)
	if err != nil {
		return nil, fmt.Errorf("encoding a distinguished name: %w", err)
	}
	return der, nil
}

// unit is the English organisational unit of a purpose, the same words as the national CA's.
func unit(p certid.Purpose) string {
	if p == certid.PurposeSign {
		return "JPKI for digital signature"
	}
	return "JPKI for user authentication"
}

// AuthorityName is the one name (DER) that all generations of a purpose's practice CA share.
func AuthorityName(p certid.Purpose) ([]byte, error) {
	return name(attr{oidCountry, "JP"}, attr{oidOrganization, PracticeMark},
		attr{oidOrganizationalUnit, unit(p)}, attr{oidOrganizationalUnit, "Practice Agency (NOT REAL)"})
}

// StrangerName is the name (DER) of an authority that belongs to no trust bundle.
func StrangerName() ([]byte, error) {
	return name(attr{oidCountry, "JP"}, attr{oidOrganization, "UNLISTED-PRACTICE (NOT REAL)"},
		attr{oidOrganizationalUnit, "Authority that no trust bundle names"})
}

// PhoneName is the name (DER) of the practice authority for telephones. The national one's is not public: this one says the same of the
// organisation and has a unit of its own.
func PhoneName() ([]byte, error) {
	return name(attr{oidCountry, "JP"}, attr{oidOrganization, PracticeMark},
		attr{oidOrganizationalUnit, "JPKI for user authentication on mobile devices"}, attr{oidOrganizationalUnit, "Practice Agency (NOT REAL)"})
}

// japaneseName is the authority's alternative name.
func japaneseName(p certid.Purpose) ([]byte, error) {
	use := "公的個人認証サービス利用者証明用"
	if p == certid.PurposeSign {
		use = "公的個人認証サービス署名用"
	}
	return name(attr{oidCountry, "JP"}, attr{oidOrganization, "公的個人認証サービス（練習用・本物ではない）"},
		attr{oidOrganizationalUnit, use}, attr{oidOrganizationalUnit, "練習機関"})
}

// distributionName is the directory entry of a municipality's part of the list.
func distributionName(p certid.Purpose, prefecture, municipality string) ([]byte, error) {
	return name(attr{oidCountry, "JP"}, attr{oidOrganization, PracticeMark}, attr{oidOrganizationalUnit, unit(p)},
		attr{oidOrganizationalUnit, "CRL Distribution Points"}, attr{oidOrganizationalUnit, prefecture},
		attr{oidCommonName, municipality + " CRLDP"})
}
