package keys

import (
	"fmt"
	"log/slog"
)

const redacted = "REDACTED"

// String prints REDACTED.
func (Keys) String() string { return redacted }

// GoString prints REDACTED.
func (Keys) GoString() string { return redacted }

// Format prints REDACTED for every verb, so that %x and %d do not reach the keys.
func (Keys) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED, so that JSON and TOML cannot leak the keys.
func (Keys) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Keys) LogValue() slog.Value { return slog.StringValue(redacted) }

// String prints REDACTED.
func (Rows) String() string { return redacted }

// GoString prints REDACTED.
func (Rows) GoString() string { return redacted }

// Format prints REDACTED for every verb.
func (Rows) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED.
func (Rows) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Rows) LogValue() slog.Value { return slog.StringValue(redacted) }
