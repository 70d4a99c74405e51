package main

import (
	"testing"
	"time"

	"kazashi.example/localapi"
)

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{
		"一番窓口 1":           "一番窓口 1",
		"one\x1b[2J\nroot": "one\ufffd[2J\ufffdroot",
		"\xff":             "\ufffd",
	} {
		if got := plain(in); got != want {
			t.Errorf("plain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestStamp(t *testing.T) {
	for want, in := range map[string]time.Time{
		"never":                   {},
		"2026-01-01 08:59:59 JST": time.Date(2025, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		if got := stamp(in); got != want {
			t.Errorf("stamp(%v) = %q, want %q", in, got, want)
		}
	}
}

func TestAnswered(t *testing.T) {
	at := time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)
	for want, in := range map[string]localapi.Line{
		"":                                      {},
		", last answer 2026-11-22 12:00:00 JST": {Up: true, Heard: at},
		", last answer 2026-11-22 12:00:00 JST, trouble revoked_box": {Heard: at, Trouble: localapi.LineRevoked},
		", trouble intercepted": {Trouble: localapi.LineIntercepted},
	} {
		if got := answered(in); got != want {
			t.Errorf("answered(%+v) = %q, want %q", in, got, want)
		}
	}
}
