package files

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"time"
	"unicode"
	"unicode/utf8"

	"kazashi.example/reader/tlv"
)

// Tags of the attributes, EF 0002 of 券面事項入力補助AP (soltia48/myna-card src/ap/text.rs; jpki/myna _go/libmyna/text_ap.go).
const (
	tagAttributes = tlv.Tag(0xFF20)
	tagOffsets    = tlv.Tag(0xDF21)
	tagName       = tlv.Tag(0xDF22)
	tagAddress    = tlv.Tag(0xDF23)
	tagBirth      = tlv.Tag(0xDF24)
	tagSex        = tlv.Tag(0xDF25)
)

// Bounds of the two texts in octets. Nothing public says how long they may be; these are 200 and 400 characters of three octets.
const (
	maxName    = 600
	maxAddress = 1200
)

// firstYear is when the first era began that a birth key can be written in, Meiji (soltia48/myna-card src/data.rs).
const firstYear = 1868

// Attributes are the four that the input-assist application gives (基本4情報). Unverified until [VerifyIntegrity] has returned nil
// for the same file. It prints as REDACTED.
type Attributes struct {
	Name    string // 氏名; an ideographic space, U+3000, between family and given name
	Address string // 住所; may be empty
	Birth   string // 生年月日, YYYYMMDD, Gregorian; 00 where month or day is not known
	Sex     byte   // 性別, a digit of JIS X 0303: '1' male, '2' female, '0' not known, '9' not applicable
}

// ParseAttributes reads the attributes file: FF20 { DF21 offsets, DF22 name, DF23 address, DF24 birth date, DF25 sex } and after it
// nothing but filler. The four offsets, of 16 bits, have to be where the four others begin in the file. The texts are UTF-8 without
// control characters, the name not empty. ErrFile otherwise.
func ParseAttributes(b []byte) (Attributes, error) {
	outer, list, err := attributeFields(b)
	if err != nil {
		return Attributes{}, err
	}
	if !offsetsAgree(outer, list) {
		return Attributes{}, fmt.Errorf("%w: offsets", ErrFile)
	}
	name, address, birth, sex := list[1].Value, list[2].Value, list[3].Value, list[4].Value
	switch {
	case len(name) == 0 || !isText(name, maxName):
		return Attributes{}, fmt.Errorf("%w: name", ErrFile)
	case !isText(address, maxAddress):
		return Attributes{}, fmt.Errorf("%w: address", ErrFile)
	case !isDate(birth):
		return Attributes{}, fmt.Errorf("%w: birth date", ErrFile)
	case len(sex) != 1 || sex[0] != '0' && sex[0] != '1' && sex[0] != '2' && sex[0] != '9':
		return Attributes{}, fmt.Errorf("%w: sex", ErrFile)
	}
	return Attributes{Name: string(name), Address: string(address), Birth: string(birth), Sex: sex[0]}, nil
}

func attributeFields(b []byte) (outer tlv.Element, list []tlv.Element, err error) {
	if outer, err = object(b, tagAttributes); err != nil {
		return tlv.Element{}, nil, err
	}
	list, err = fields(outer, tagOffsets, tagName, tagAddress, tagBirth, tagSex)
	return outer, list, err
}

// offsetsAgree compares the table with where the fields begin, counted from the file's first octet.
func offsetsAgree(outer tlv.Element, list []tlv.Element) bool {
	table, rest := list[0].Value, list[1:]
	if len(table) != 2*len(rest) {
		return false
	}
	at := len(outer.Raw) - len(outer.Value) + len(list[0].Raw)
	for i, e := range rest {
		if int(binary.BigEndian.Uint16(table[2*i:])) != at {
			return false
		}
		at += len(e.Raw)
	}
	return true
}

// isText takes UTF-8 without control characters: what goes to a screen or is typed into another system must not hold a line feed.
func isText(b []byte, limit int) bool {
	if len(b) > limit || !utf8.Valid(b) {
		return false
	}
	for _, r := range string(b) {
		if unicode.IsControl(r) {
			return false
		}
	}
	return true
}

// isDate takes eight digits: a day of the calendar from 1868 on, or 00 for a day, or for day and month, that nobody knows. That the
// unknown is written so is a guess; card and law know such birth dates.
func isDate(b []byte) bool {
	if len(b) != 8 {
		return false
	}
	n := 0
	for _, o := range b {
		if o < '0' || o > '9' {
			return false
		}
		n = 10*n + int(o-'0')
	}
	year, month, day := n/10000, n/100%100, n%100
	switch {
	case year < firstYear || month > 12 || month == 0 && day != 0:
		return false
	case day == 0:
		return true
	}
	return time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC).Day() == day
}

// String prints REDACTED.
func (Attributes) String() string { return redacted }

// Format prints REDACTED for every verb.
func (Attributes) Format(f fmt.State, _ rune) { redact(f) }

// LogValue logs REDACTED.
func (Attributes) LogValue() slog.Value { return redactedValue() }

// MarshalText writes REDACTED.
func (Attributes) MarshalText() ([]byte, error) { return []byte(redacted), nil }
