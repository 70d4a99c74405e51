package vcard

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
)

// MaxProfileLen is the longest profile file in octets; a whole card with its photo stays far below it.
const MaxProfileLen = 1 << 20

const redacted = "REDACTED"

// ErrProfile is wrapped by every fault that [LoadProfile], [ParseProfile] and [Profile.Validate] find.
var ErrProfile = errors.New("card profile is not usable")

// Kind is a type of card. They all stand behind [New] and one [Card].
type Kind string

// Kinds of card.
const (
	// Current is the My Number Card of today, plastic, RSA-2048; the empty Kind means it too.
	Current Kind = "current"
	// Next is the practice next-generation card, P-384 and two applications. No AID, file or command of the true one is public:
	// this one is a practice assumption throughout.
	Next Kind = "next"
	// Phone is the JPKI application alone, its authentication certificate behind the PIN (jpki/myna tag v0.6.1 _go/cmd/jpki.go).
	Phone Kind = "phone"
	// Token is no My Number Card but a handed-out or transit card that shows its UID or IDm.
	Token Kind = "token"
)

// Profile is what is personalised into one card; a JSON file ([]byte as base64, names in snake_case). All of it is made up.
//
// Which fields a card has depends on its Kind; a field that the kind does not have is a fault.
//
// Current: the authentication certificate and key (利用者証明用) must be there. Three groups may be left out whole: the signature
// certificate and key (a child's card has none), the card-face AP (Face…, CardKey, BirthKey) and the input-assist AP (Input…); the
// last two share IndividualNumber and NumberB. An application without its group is absent from the card, and so is
// the common-card AP without CommonRecord.
//
// Next: AuthCert, AuthKey, AuthPIN, CardKey, BirthKey, FaceAge, FaceCVC, InputAttributes, InputIntegrity and InputCVC must be there,
// with keys on P-384; the signature certificate, key and password may be left out together. No authority's certificate is on it.
//
// Phone: AuthCert, AuthCA, AuthKey and AuthPIN; the signature group, with SignCA, may be left out whole.
//
// Token: UID alone.
//
// Keys need not match their certificates, nor need files be well formed inside: flawed cards are wanted too.
// A Profile prints as REDACTED; only its JSON form shows what is in it.
type Profile struct {
	// Label names the card for whoever lays it on the reader.
	Label string `json:"label"`
	// Kind is the type of card; empty is Current.
	Kind Kind `json:"kind,omitempty"`
	// CardID names the plastic, 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'. With it a card keeps its counters and changed PINs when it
	// is renewed; without it the state goes by the authentication certificate, and new certificates make a new card.
	CardID string `json:"card_id,omitempty"`

	// AuthCert and AuthCA are JPKI AP EF 000A and 000B, SignCert and SignCA EF 0001 and 0002: X.509 DER. Next: EF 000A and 0001 of
	// the authentication application, no authorities.
	AuthCert []byte `json:"auth_cert,omitempty"`
	AuthCA   []byte `json:"auth_ca,omitempty"`
	SignCert []byte `json:"sign_cert,omitempty"`
	SignCA   []byte `json:"sign_ca,omitempty"`

	// AuthKey and SignKey are JPKI AP EF 0017 and 001A: PKCS#8, RSA-2048, or P-384 for Next.
	AuthKey []byte `json:"auth_key,omitempty"`
	SignKey []byte `json:"sign_key,omitempty"`

	// AuthPIN is 4 digits (JPKI AP EF 0018), SignPassword 6 to 16 of A–Z and 0–9 with one of each (EF 001B),
	// InputPIN 4 digits (input-assist AP EF 0011). Next has no InputPIN: AuthPIN opens its attributes too.
	AuthPIN      string `json:"auth_pin,omitempty"`
	SignPassword string `json:"sign_password,omitempty"`
	InputPIN     string `json:"input_pin,omitempty"`

	// WithoutPINs is a card issued without PINs (顔認証マイナンバーカード): AuthPIN and InputPIN are blocked from the first, for which
	// values of the right form still stand here. That it looks so to a reader is inferred: nobody knows a PIN to try.
	WithoutPINs bool `json:"without_pins,omitempty"`

	// IndividualNumber is the 12-digit 個人番号, which is 照合番号A as well.
	IndividualNumber string `json:"individual_number,omitempty"`
	// BirthKey is the 6-digit birth date in era form, the key of EF 0011 of the card-face AP.
	BirthKey string `json:"birth_key,omitempty"`
	// NumberB is the 14-digit 照合番号B.
	NumberB string `json:"number_b,omitempty"`

	// CardKey signs for the card-face AP (PKCS#8, RSA-2048, or P-384 for Next); its public half stands in FaceAge.
	CardKey []byte `json:"card_key,omitempty"`
	// InputKey signs for the input-assist AP, EF 0013 (PKCS#8, RSA-2048).
	InputKey []byte `json:"input_key,omitempty"`

	// FaceAge, FaceRecord, FaceInfo and FaceCVC are the whole contents of EF 0001 to 0004 of the card-face AP. Next: FaceAge and
	// FaceCVC are EF 0001 and 0004 of the card-face application.
	FaceAge    []byte `json:"face_age,omitempty"`
	FaceRecord []byte `json:"face_record,omitempty"`
	FaceInfo   []byte `json:"face_info,omitempty"`
	FaceCVC    []byte `json:"face_cvc,omitempty"`

	// InputAttributes, InputIntegrity, InputCVC, InputInfo and InputPublic are the whole contents of EF 0002, 0003, 0004, 0005 and
	// 0007 of the input-assist AP. Its EF 0001 is made from IndividualNumber. Next: the first three are EF 0012, 0013 and 0014 of the
	// authentication application.
	InputAttributes []byte `json:"input_attributes,omitempty"`
	InputIntegrity  []byte `json:"input_integrity,omitempty"`
	InputCVC        []byte `json:"input_cvc,omitempty"`
	InputInfo       []byte `json:"input_info,omitempty"`
	InputPublic     []byte `json:"input_public,omitempty"`

	// CommonRecord is the 28-digit record of the common-card AP.
	CommonRecord string `json:"common_record,omitempty"`

	// UID is what a token shows, 4, 7, 8 (a FeliCa IDm) or 10 octets in hex.
	UID string `json:"uid,omitempty"`
}

// String prints REDACTED.
func (Profile) String() string { return redacted }

// GoString prints REDACTED.
func (Profile) GoString() string { return redacted }

// LogValue prints REDACTED.
func (Profile) LogValue() slog.Value { return slog.StringValue(redacted) }

var _ slog.LogValuer = Profile{}

// LoadProfile reads and checks a profile file. The error names every fault found and none of the values.
func LoadProfile(path string) (*Profile, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // opening a pipe would wait for its other end
		return nil, fmt.Errorf("opening %s: %w: not a regular file", path, ErrProfile)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening card profile: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, MaxProfileLen+1))
	if err != nil {
		return nil, fmt.Errorf("reading card profile: %w", err)
	}
	p, err := ParseProfile(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return p, nil
}

// ParseProfile reads a profile's JSON form strictly: a name that is unknown, doubled or in other letters, data after the
// object and a file above [MaxProfileLen] are faults, and so is all that [Profile.Validate] refuses.
func ParseProfile(b []byte) (*Profile, error) {
	if len(b) > MaxProfileLen {
		return nil, fmt.Errorf("%w: longer than %d octets", ErrProfile, MaxProfileLen)
	}
	if err := checkNames(b); err != nil {
		return nil, err
	}
	p := new(Profile)
	if err := json.Unmarshal(b, p); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrProfile, jsonFault(err))
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

// checkNames refuses unknown and doubled names, which encoding/json lets pass.
func checkNames(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("%w: not a JSON object", ErrProfile)
	}
	known, seen := profileNames(), map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return fmt.Errorf("%w: %s", ErrProfile, jsonFault(err))
		}
		name, _ := t.(string)
		if !known[name] {
			return fmt.Errorf("%w: unknown name %.40q", ErrProfile, name)
		}
		if seen[name] {
			return fmt.Errorf("%w: %s stands twice", ErrProfile, name)
		}
		seen[name] = true
		var v json.RawMessage
		if err := d.Decode(&v); err != nil {
			return fmt.Errorf("%w: %s: %s", ErrProfile, name, jsonFault(err))
		}
	}
	return nil
}

func profileNames() map[string]bool {
	t, names := reflect.TypeFor[Profile](), map[string]bool{}
	for field := range t.Fields() {
		names[jsonName(field)] = true
	}
	return names
}

func jsonName(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

// jsonFault says what is wrong without repeating a value.
func jsonFault(err error) string {
	if ute, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return ute.Field + " is a JSON " + strings.Fields(ute.Value + " value")[0]
	}
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("JSON ends or breaks at octet %d", se.Offset)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return "JSON ends too soon"
	}
	return "not JSON with base64 octet strings"
}

// tries is how many tries a PIN has when all are there.
func (p *Profile) tries(n uint8) uint8 {
	if p.WithoutPINs {
		return 0
	}
	return n
}
