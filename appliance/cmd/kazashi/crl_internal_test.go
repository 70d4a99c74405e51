package main

import (
	"errors"
	"testing"

	"kazashi.example/sync/certid"
)

func TestParseSerial(t *testing.T) {
	for _, c := range []struct {
		text    string
		decimal bool
		want    string // hexadecimal
		err     error
	}{
		{"0D123456", false, "d123456", nil}, // as openssl prints it; not decimal
		{"0xab", false, "ab", nil},
		{"10", true, "a", nil},
		{"0ab", true, "", errNotSerial},
		{"-1", true, "", errNotSerial},
		{"0", false, "", errNotSerial},
		{"", false, "", errNotSerial},
		{"1_0", false, "", errNotSerial},
		{"ffffffffffffffffffffffffffffffffffffffff", false, "ffffffffffffffffffffffffffffffffffffffff", nil},
		{"10000000000000000000000000000000000000000", false, "", errNotSerial},
	} {
		s, err := parseSerial(c.text, c.decimal)
		if got := s.Int().Text(16); !errors.Is(err, c.err) || err == nil && got != c.want {
			t.Errorf("parseSerial(%q, %v) = %s, %v, want %s, %v", c.text, c.decimal, got, err, c.want, c.err)
		}
		if err != nil && s != (certid.Serial{}) {
			t.Errorf("parseSerial(%q, %v) gives a serial beside its error", c.text, c.decimal)
		}
	}
}
