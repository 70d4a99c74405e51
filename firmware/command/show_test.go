package command_test

import (
	"strings"
	"testing"
	"time"

	"kazashi.example/firmware/command"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"一番窓口 1":           "一番窓口 1",
		"one\x1b[2J\nroot": "one\ufffd[2J\ufffdroot",
		"\xff":             "\ufffd",
	} {
		if got := command.Plain(in); got != want {
			t.Errorf("Plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestStamp(t *testing.T) {
	for want, in := range map[string]time.Time{
		"never":                   {},
		"2026-01-01 08:59:59 JST": time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		if got := command.Stamp(in); got != want {
			t.Errorf("Stamp(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestPrintJSON(t *testing.T) {
	var out strings.Builder
	const want = "{\n  \"name\": \"\\u001b\"\n}\n"
	if err := command.PrintJSON(&out, map[string]string{"name": "\x1b"}); err != nil || out.String() != want {
		t.Errorf("PrintJSON = %q, %v, want %q", out.String(), err, want)
	}
}
