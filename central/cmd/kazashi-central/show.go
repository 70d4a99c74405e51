package main

import (
	"encoding/json"
	"io"
	"strings"
	"time"
	"unicode"
)

// tokyo is where the counters stand; Japan keeps no summer time.
var tokyo = time.FixedZone("JST", 9*60*60)

func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(tokyo).Format("2006-01-02 15:04:05 MST")
}

// plain keeps what others named from steering the terminal that it is printed on.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
