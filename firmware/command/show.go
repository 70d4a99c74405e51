package command

import (
	"encoding/json"
	"io"
	"strings"
	"time"
	"unicode"
)

// tokyo is where the counters stand; Japan keeps no summer time.
var tokyo = time.FixedZone("JST", 9*60*60)

// Stamp is a time in Japan for people, to the second: "2026-01-01 08:59:59 JST". The zero time is "never".
func Stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(tokyo).Format("2006-01-02 15:04:05 MST")
}

// Plain keeps what others named from steering the terminal that it is printed on: each rune that unicode.IsPrint refuses, line
// breaks and broken UTF-8 too, becomes U+FFFD.
func Plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// PrintJSON writes v as indented JSON that ends with a line break. It is meant for programs: of what
// Plain replaces, JSON escapes only characters below U+0020 and broken UTF-8.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
