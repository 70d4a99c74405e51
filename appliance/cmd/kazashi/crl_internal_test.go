package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kazashi.example/appliance/revocation/settest"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
)

// P6, P7: a technician reads the set's own answer with reason, date, number and age, from the set that is whole, and no serial.
func TestP7LookupSaysWhatTheSetSays(t *testing.T) {
	scope := certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}
	central := settest.New(t, scope, certid.KeyID{0xab})
	k := kept{dir: t.TempDir(), keys: central.Keys()}
	at := time.Date(2026, 11, 21, 18, 30, 0, 0, time.UTC)
	for range 2 {
		v := central.Publish(at, settest.Entry(0x7001, crlset.Superseded, at), settest.Entry(0x7002, crlset.CertificateHold, at))
		central.Export(k.dir, v, false)
	}
	look := func(asJSON bool) string {
		t.Helper()
		serials, err := readSerials(strings.NewReader("70:01\n7002\n\n7003\n"), false)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := errors.Join(k.look(), k.lookup(&out, scope, serials, asJSON)); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	text := look(false)
	for i, want := range []string{
		"1: revoked, superseded, since 2026-11-22 03:30:00 JST (2026-11-21T18:30:00Z); practice/auth number 1-2 of 2026-11-22 03:30:00 JST, ",
		"2: on_hold, certificateHold, since 2026-11-22 03:30:00 JST",
		"3: not_revoked; practice/auth number 1-2 of",
	} {
		if line := strings.Split(text, "\n")[i]; !strings.HasPrefix(line, want) {
			t.Errorf("lookup says %q, want %q", line, want)
		}
	}
	if strings.Contains(text, "700") || !strings.HasSuffix(text, "of issuer keys ab00000000000000\n") {
		t.Errorf("lookup says a serial, or not whose certificates it speaks of:\n%s", text)
	}
	newest := filepath.Join(k.dir, central.All[1].Name()+".set")
	if err := os.WriteFile(newest, bytes.Repeat([]byte{1}, len(central.All[1].Set)), 0o600); err != nil {
		t.Fatal(err)
	}
	var l lookedUp
	if err := json.NewDecoder(strings.NewReader(look(true))).Decode(&l); err != nil || l.Number != "1-1" || l.Answer != "revoked" || !l.Date.Equal(at) {
		t.Errorf("with a damaged newest: %+v, %v, want revoked of number 1-1", l, err)
	}
}

func FuzzSerial(f *testing.F) {
	for _, s := range []string{"0D123456", "0x00", "ffffffffffffffffffffffffffffffffffffffff", "1e400", "-1", "１２"} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, text string, decimal bool) {
		s, err := parseSerial(text, decimal)
		if err != nil {
			return
		}
		if again, err := parseSerial(s.Int().Text(map[bool]int{false: 16, true: 10}[decimal]), decimal); err != nil || again != s {
			t.Fatal("an accepted serial, written again, is another")
		}
	})
}

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
