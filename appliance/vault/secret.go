package vault

import (
	"fmt"
	"log/slog"
)

const redacted = "REDACTED"

// String prints REDACTED.
func (Identity) String() string { return redacted }

// GoString prints REDACTED.
func (Identity) GoString() string { return redacted }

// Format prints REDACTED for every verb, so that %x and %d do not reach the keys.
func (Identity) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText writes REDACTED, so that JSON and TOML cannot leak the keys.
func (Identity) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue logs REDACTED.
func (Identity) LogValue() slog.Value { return slog.StringValue(redacted) }
