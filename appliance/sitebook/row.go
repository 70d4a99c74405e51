package sitebook

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"kazashi.example/localapi"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/sitekey"
)

// kind says what an entry is. Numbers are reserved for ever.
type kind uint8

const (
	kindEnrolment kind = 1  // somebody enrolled here, of whom central has not said that it knows
	kindUse       kind = 2  // somebody was served
	kindLeave     kind = 3  // and has left
	kindLink      kind = 4  // a service's own number was linked
	kindUnlink    kind = 5  // or taken back
	kindTaken     kind = 6  // a link that was taken over from a file; it has no record
	kindTick      kind = 7  // somebody has looked at a correction
	kindStaff     kind = 8  // somebody who may sign in
	kindSession   kind = 9  // somebody signed in or out
	kindSalt      kind = 10 // what codes are hashed with
)

// recorded reports whether an entry counts only if its tap has a record.
func (k kind) recorded() bool {
	return k == kindEnrolment || k == kindUse || k == kindLink || k == kindUnlink
}

// maxRow caps the content of an entry, in octets.
const maxRow = 16 << 10

// errRow says that an entry opened to something that is none.
var errRow = errors.New("an entry of the site book contradicts itself")

// Person is whom a card names towards one verifier: the certificate it shows now and, for whoever is enrolled, the tap of the enrolment,
// which stays when the certificate is renewed. Either finds them. It prints as REDACTED.
type Person struct {
	Verifier  record.VerifierID `cbor:"1,keyasint"`
	Hierarchy certid.Hierarchy  `cbor:"2,keyasint"`
	Serial    []byte            `cbor:"3,keyasint"`
	Enrolled  record.TapID      `cbor:"4,keyasint,omitzero"`
}

// PersonOf is whom a certificate names; enrolled is zero for somebody who is not enrolled.
func PersonOf(v record.VerifierID, id certid.CertID, enrolled record.TapID) Person {
	return Person{Verifier: v, Hierarchy: id.Scope.Hierarchy, Serial: id.Serial.Bytes(), Enrolled: enrolled}
}

// Enrolled is whom an entry of the roster names.
func Enrolled(e roster.Entry) Person {
	return Person{Verifier: e.Verifier, Hierarchy: e.Hierarchy, Serial: e.Serial, Enrolled: e.Enrolled}
}

// Same reports whether both are one person, as far as this site knows.
func (p Person) Same(o Person) bool {
	if !p.Enrolled.IsZero() && p.Enrolled == o.Enrolled {
		return true
	}
	return p.Verifier == o.Verifier && p.Hierarchy == o.Hierarchy && bytes.Equal(p.Serial, o.Serial)
}

func (p Person) check() error {
	_, err := certid.ParseSerial(p.Serial)
	if err != nil || record.CheckName(p.Verifier) != nil || !p.Hierarchy.Valid() {
		return fmt.Errorf("%w: person", errRow)
	}
	return nil
}

// Format prints REDACTED for every verb.
func (Person) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED.
func (Person) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (Person) LogValue() slog.Value { return slog.StringValue("REDACTED") }

// row is what is sealed of an entry; which fields it has its kind says.
type row struct {
	Person    *Person        `cbor:"1,keyasint,omitempty"`
	Enrolment *roster.Entry  `cbor:"2,keyasint,omitempty"`
	Number    string         `cbor:"3,keyasint,omitempty"`
	Staff     record.StaffID `cbor:"4,keyasint,omitempty"`
	Name      string         `cbor:"5,keyasint,omitempty"`
	Secret    []byte         `cbor:"6,keyasint,omitempty"` // a salt, or a hashed code
	Desk      record.DeskID  `cbor:"7,keyasint,omitempty"`
	Out       bool           `cbor:"8,keyasint,omitempty"`
	// Of is the tap of the entry of which this one is a copy, made when the person enrolled anew.
	Of record.TapID `cbor:"9,keyasint,omitzero"`
	// Since is when a link that was taken over began, as its file says; Unix seconds, 0: not said.
	Since int64 `cbor:"10,keyasint,omitempty"`
	// At is when somebody was served or left, Unix milliseconds: outside the seal stands the day alone.
	At int64 `cbor:"11,keyasint,omitempty"`
}

func (r row) encode(k kind) ([]byte, error) {
	if err := r.check(k); err != nil {
		return nil, err
	}
	return canon.Encode(r)
}

func decodeRow(k kind, b []byte) (row, error) {
	var r row
	if err := canon.Decode(b, &r, maxRow); err != nil {
		return row{}, err
	}
	return r, r.check(k)
}

// check returns errRow unless the row has what its kind needs.
func (r row) check(k kind) error {
	fail := func(what string) error { return fmt.Errorf("%w: %s", errRow, what) }
	if r.Person != nil && r.Person.check() != nil {
		return fail("person")
	}
	if r.Staff != "" && record.CheckName(r.Staff) != nil || r.Desk != "" && record.CheckName(r.Desk) != nil {
		return fail("staff or desk")
	}
	whole := false
	switch k {
	case kindEnrolment:
		whole = r.Enrolment != nil && r.Enrolment.Check() == nil
	case kindUse, kindLeave:
		whole = r.Person != nil
	case kindLink, kindUnlink, kindTaken:
		whole = r.Person != nil && record.CheckNumber(r.Number) == nil
	case kindTick:
		whole = r.Staff != ""
	case kindStaff:
		whole = r.Staff != "" && len(r.Secret) == tagLen && len(r.Name) <= localapi.MaxStaffName && utf8.ValidString(r.Name)
	case kindSession:
		whole = r.Staff != "" && r.Desk != ""
	case kindSalt:
		whole = len(r.Secret) == saltLen
	}
	if !whole {
		return fail("fields")
	}
	return nil
}

// Words that references begin with.
const (
	refEnrolment = "enrolment"
	refUse       = "use"
	refLink      = "link"
	refNumber    = "number"
)

// names are what an entry is found by.
func (r row) names(k kind, service record.ServiceID) [][]any {
	switch k {
	case kindEnrolment:
		e := r.Enrolment
		return [][]any{{refEnrolment, e.Verifier, e.Hierarchy, e.Serial}}
	case kindUse, kindLeave:
		return r.Person.names(refUse, service)
	case kindLink, kindUnlink, kindTaken:
		return append(r.Person.names(refLink, service), []any{refNumber, service, r.Number})
	case kindTick, kindStaff, kindSession, kindSalt:
	}
	return nil
}

// names are the certificate and, of whoever is enrolled, the enrolment: each at one service, so that references do not tell who uses two.
func (p Person) names(word string, service record.ServiceID) [][]any {
	list := [][]any{{word, service, p.Verifier, p.Hierarchy, p.Serial}}
	if !p.Enrolled.IsZero() {
		list = append(list, []any{word, service, p.Enrolled})
	}
	return list
}

// entry is one row of the database.
type entry struct {
	id         int64
	kind       kind
	generation sitekey.Generation
	tap        record.TapID // of the tap, or of the import
	at         int64        // Unix milliseconds by the box's clock; of a use or leaving when its day began
	service    record.ServiceID
	refs       []ref
	sealed     []byte
	row        row // opened, or to be sealed
}

// time is when it was.
func (e *entry) time() time.Time {
	if e.row.At != 0 {
		return time.UnixMilli(e.row.At).UTC()
	}
	return time.UnixMilli(e.at).UTC()
}

// blur seals the time of a use or leaving, and leaves its day.
func (e *entry) blur() {
	if e.kind != kindUse && e.kind != kindLeave {
		return
	}
	if e.row.At == 0 {
		e.row.At = e.at
	}
	const inJapan = int64(9 * time.Hour / time.Millisecond)
	local := e.row.At + inJapan
	e.at = local - local%day.Milliseconds() - inJapan
}
