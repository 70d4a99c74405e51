package localapi

import (
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/sync/record"
)

// NextKind says what the next card is laid for.
type NextKind string

// Kinds of the next card. Without one, the next card is an ordinary tap.
const (
	NextEnrol NextKind = "enrol" // first use: PIN, and what later taps without PIN need
	NextPIN   NextKind = "pin"   // one tap with the PIN
)

// NextLasts is how long the box waits for a card once a PIN was typed in; then it forgets the PIN.
const NextLasts = 60 * time.Second

// NextCard says that the box waits for a card to do something with it. It holds no PIN.
type NextCard struct {
	Kind       NextKind  `json:"kind"`
	Attributes bool      `json:"attributes"` // name, address, birth date and sex are read, on consent
	Until      time.Time `json:"until"`
}

// NextCardRequest is the body of PUT /v1/next-card. It is kept in memory until the card came, at most NextLasts.
type NextCardRequest struct {
	Kind NextKind `json:"kind"`
	PIN  Secret   `json:"pin"` // of the authentication certificate, 4 digits
	// SamePIN says that the input-assist PIN is the same; asked of the person, never assumed. InputPIN is it otherwise. Both
	// count only with Attributes.
	SamePIN    bool   `json:"same_pin,omitempty"`
	InputPIN   Secret `json:"input_pin,omitempty"`
	Attributes bool   `json:"attributes,omitempty"` // the person consents to name, address, birth date and sex being read
	Birth      Secret `json:"birth,omitempty"`      // eight digits YYYYMMDD, for an enrolment without Attributes
}

// Enrolled says what an enrolment has left for later taps.
type Enrolled struct {
	Bound     bool          `json:"bound"`                // later taps of this card need no PIN
	Hindrance record.Reason `json:"hindrance,omitzero"`   // why they do, when they do
	Attested  bool          `json:"attributes,omitempty"` // the four attributes were read and go to central
}

// Secret is what a person typed. It prints as REDACTED and never leaves in JSON.
type Secret struct{ text string }

// NewSecret wraps what was typed.
func NewSecret(s string) Secret { return Secret{s} }

// Reveal returns it.
func (s Secret) Reveal() string { return s.text }

// IsZero reports whether nothing was typed.
func (s Secret) IsZero() bool { return s.text == "" }

// UnmarshalText takes what was typed as it is.
func (s *Secret) UnmarshalText(b []byte) error { s.text = string(b); return nil }

// MarshalText writes REDACTED.
func (Secret) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// String prints REDACTED.
func (Secret) String() string { return "REDACTED" }

// GoString prints REDACTED.
func (Secret) GoString() string { return "REDACTED" }

// Format prints REDACTED for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// LogValue logs REDACTED.
func (Secret) LogValue() slog.Value { return slog.StringValue("REDACTED") }
