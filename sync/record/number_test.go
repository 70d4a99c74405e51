package record_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kazashi.example/sync/record"
)

func TestCheckNumber(t *testing.T) {
	for _, c := range []struct {
		in string
		ok bool
	}{
		{"1", true},
		{"L-0042", true},
		{"図書 12", true},
		{"図書\u300012", false},
		{"１２３", false},
		{"ﾄｼｮ-1", false},
		{`1"2`, false},
		{`1\2`, false},
		{strings.Repeat("9", record.MaxNumber), true},
		{"", false},
		{strings.Repeat("9", record.MaxNumber+1), false},
		{" 1", false},
		{"1\u3000", false},
		{"1\n2", false},
		{"1\x002", false},
		{"\xff", false},
		{"1\u202e2", false},
	} {
		if err := record.CheckNumber(c.in); (err == nil) != c.ok || err != nil && !errors.Is(err, record.ErrNumber) {
			t.Errorf("CheckNumber(%q) = %v, want accepted %t", c.in, err, c.ok)
		}
	}
}

// P3: a number prints nothing.
func TestP3NumberPrintsRedacted(t *testing.T) {
	n := record.NewNumber("L-0042")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if got := fmt.Sprintf(verb, n); got != "REDACTED" {
			t.Errorf("Sprintf(%s, Number) = %q, want REDACTED", verb, got)
		}
	}
	if b, err := json.Marshal(n); err != nil || string(b) != `"REDACTED"` {
		t.Errorf("json.Marshal(Number) = %s, %v", b, err)
	}
	if n.Reveal() != "L-0042" || n.IsZero() || !(record.Number{}).IsZero() {
		t.Error("a number does not hold what it was made of")
	}
}
