package main

import (
	"testing"
	"time"

	"kazashi.example/localapi"
)

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
