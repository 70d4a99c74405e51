package jpki

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"log/slog"
	"unicode/utf8"
)

// Attributes are a signature certificate's otherNames (RFC 5280 §4.2.1.6) below 1.2.392.200149.8.5.5, in the order of their last arc, 1 to
// 6 (jsrsasign's JPKI OID add-on; soltia48/myna-card's table). Text as the issuer wrote it. It prints as REDACTED.
type Attributes struct {
	Name string
	// NameSubstitutes says where in Name a character stands for one that cannot be written; empty if there is none.
	NameSubstitutes string
	Sex             string // one digit: 1 male, 2 female; others are not published for certificates
	// BirthDate is EYYYYMMDD: the era's number (1 Meiji to 5 Reiwa; 0, for none, is inferred) and the Gregorian date. Month and day
	// may be 00, for unknown.
	BirthDate string
	Address   string
	// AddressSubstitutes is NameSubstitutes for the address. One published table has this and the address the other way round.
	AddressSubstitutes string
}

// String prints REDACTED.
func (Attributes) String() string { return redacted }

// GoString prints REDACTED.
func (Attributes) GoString() string { return redacted }

// Format prints REDACTED for every verb.
func (Attributes) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue logs REDACTED.
func (Attributes) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes REDACTED.
func (Attributes) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// oidAttributes is the arc of personal data (jsrsasign's JPKI OID add-on).
var oidAttributes = asn1.ObjectIdentifier{1, 2, 392, 200149, 8, 5, 5}

// otherName is AnotherName of RFC 5280 §4.2.1.6.
type otherName struct {
	Type  asn1.ObjectIdentifier
	Value asn1.RawValue // [0] EXPLICIT, with its tag
}

// attributesOf reads the holder's attributes; ErrAttributes, ErrBirthDate, or ErrMissing with ErrAttributes.
func attributesOf(cert *x509.Certificate) (Attributes, error) {
	ext := find(cert, oidAltName)
	if ext == nil {
		return Attributes{}, fmt.Errorf("%w: %w", ErrMissing, ErrAttributes)
	}
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(ext.Value, &names); err != nil || len(rest) > 0 {
		return Attributes{}, ErrAttributes
	}
	var a Attributes
	into := []*string{&a.Name, &a.NameSubstitutes, &a.Sex, &a.BirthDate, &a.Address, &a.AddressSubstitutes}
	for _, n := range names {
		arc, text, err := attribute(n)
		if err != nil {
			return Attributes{}, err
		}
		if arc < 1 || arc > len(into) {
			continue // another kind of name, or an attribute that came later
		}
		if *into[arc-1] != "" {
			return Attributes{}, ErrAttributes
		}
		*into[arc-1] = text
	}
	if a.Name == "" || a.Address == "" || len(a.Sex) != 1 || a.Sex[0] < '0' || a.Sex[0] > '9' {
		return Attributes{}, ErrAttributes
	}
	if !birthDateFits(a.BirthDate) {
		return Attributes{}, ErrBirthDate
	}
	return a, nil
}

// attribute reads one general name; arc 0 is one that is no attribute.
func attribute(n asn1.RawValue) (arc int, text string, err error) {
	if n.Class != asn1.ClassContextSpecific || n.Tag != 0 {
		return 0, "", nil
	}
	var o otherName
	rest, err := asn1.UnmarshalWithParams(n.FullBytes, &o, "tag:0")
	if err != nil || len(rest) > 0 {
		return 0, "", ErrAttributes
	}
	if len(o.Type) != len(oidAttributes)+1 || !o.Type[:len(oidAttributes)].Equal(oidAttributes) {
		return 0, "", nil
	}
	if text, err = utf8Text(o.Value); err != nil {
		return 0, "", err
	}
	return o.Type[len(oidAttributes)], text, nil
}

// utf8Text takes [0] EXPLICIT UTF8String, or a PrintableString for what are digits; ErrAttributes otherwise.
func utf8Text(tagged asn1.RawValue) (string, error) {
	var v asn1.RawValue
	if tagged.Class != asn1.ClassContextSpecific || tagged.Tag != 0 || !tagged.IsCompound {
		return "", ErrAttributes
	}
	if rest, err := asn1.Unmarshal(tagged.Bytes, &v); err != nil || len(rest) > 0 {
		return "", ErrAttributes
	}
	known := v.Class == asn1.ClassUniversal && (v.Tag == asn1.TagUTF8String || v.Tag == asn1.TagPrintableString)
	if !known || v.IsCompound || len(v.Bytes) == 0 || !utf8.Valid(v.Bytes) {
		return "", ErrAttributes
	}
	return string(v.Bytes), nil
}

// eras are the first and last day of each, in the order of their numbers (Cabinet Office, list of eras).
var eras = [][2]string{
	1: {"18680125", "19120729"},
	2: {"19120730", "19261224"},
	3: {"19261225", "19890107"},
	4: {"19890108", "20190430"},
	5: {"20190501", "99999999"},
}

// birthDateFits takes EYYYYMMDD whose date can lie in its era. A month or a day of 00 is unknown and may be any.
func birthDateFits(s string) bool {
	if len(s) != 9 {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	month, day := s[5:7], s[7:]
	if month > "12" || day > monthEnd(s[1:5], month) || month == "00" && day != "00" {
		return false
	}
	era := int(s[0] - '0')
	if era == 0 || era >= len(eras) {
		return era == 0
	}
	first, last := s[1:], s[1:]
	if day == "00" {
		last = s[1:7] + "99"
	}
	if month == "00" {
		last = s[1:5] + "9999"
	}
	return last >= eras[era][0] && first <= eras[era][1]
}

// monthEnd is the last day of a month, two digits; 31 for an unknown month.
func monthEnd(year, month string) string {
	switch month {
	case "04", "06", "09", "11":
		return "30"
	case "02":
		if leap(year) {
			return "29"
		}
		return "28"
	}
	return "31"
}

// leap takes a year of four digits of the Gregorian calendar.
func leap(year string) bool {
	n := 0
	for i := range len(year) {
		n = 10*n + int(year[i]-'0')
	}
	return n%4 == 0 && n%100 != 0 || n%400 == 0
}
