package certid_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"
	"testing"

	"kazashi.example/sync/certid"
)

func TestSerialHasOneForm(t *testing.T) {
	for _, b := range [][]byte{{1}, {0xff}, {0x12, 0x34}, bytes.Repeat([]byte{0xff}, certid.MaxSerialLen)} {
		s, err := certid.ParseSerial(b)
		if err != nil || !bytes.Equal(s.Bytes(), b) || s.Int().Cmp(new(big.Int).SetBytes(b)) != 0 || s.IsZero() {
			t.Errorf("ParseSerial(%x) = %x, %v", b, s.Bytes(), err)
		}
		if again, err := certid.SerialOf(new(big.Int).SetBytes(b)); err != nil || again != s {
			t.Errorf("SerialOf(%x) = %x, %v, want the same", b, again.Bytes(), err)
		}
	}
	for _, b := range [][]byte{nil, {}, {0}, {0, 1}, bytes.Repeat([]byte{1}, certid.MaxSerialLen+1)} {
		if s, err := certid.ParseSerial(b); !errors.Is(err, certid.ErrSerial) || !s.IsZero() || s.Bytes() != nil {
			t.Errorf("ParseSerial(%x) = %x, %v, want ErrSerial", b, s.Bytes(), err)
		}
	}
	for _, i := range []*big.Int{nil, big.NewInt(0), big.NewInt(-1), new(big.Int).Lsh(big.NewInt(1), 160)} {
		if _, err := certid.SerialOf(i); !errors.Is(err, certid.ErrSerial) {
			t.Errorf("SerialOf(%v) = %v, want ErrSerial", i, err)
		}
	}
}

// P3: a serial in a log is a person in a log.
func TestP3SerialPrintsRedacted(t *testing.T) {
	s, err := certid.ParseSerial([]byte{0x12, 0x34, 0x56})
	if err != nil {
		t.Fatal(err)
	}
	id := certid.CertID{Scope: certid.Scope{Hierarchy: 1, Purpose: 1}, Serial: s}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, s); got != "REDACTED" {
			t.Errorf("Sprintf(%s) = %q, want REDACTED", verb, got)
		}
		if got := fmt.Sprintf(verb, id); !strings.Contains(got, "REDACTED") || strings.Contains(got, "123456") {
			t.Errorf("Sprintf(%s, CertID) = %q", verb, got)
		}
	}
	b, err := json.Marshal(s)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("card", slog.Any("serial", s))
	if err != nil || string(b) != `"REDACTED"` || !strings.Contains(log.String(), "serial=REDACTED") {
		t.Errorf("json.Marshal = %s, %v, logged %s", b, err, log.String())
	}
}

// Numbers stand in signed formats; they never change.
func TestScopesKeepTheirNumbers(t *testing.T) {
	var hierarchies, purposes []string
	for n := range 256 {
		if h := certid.Hierarchy(n); h.Valid() {
			hierarchies = append(hierarchies, fmt.Sprintf("%d:%s", n, h))
			if back, err := certid.ParseHierarchy(h.String()); err != nil || back != h {
				t.Errorf("ParseHierarchy(%s) = %v, %v", h, back, err)
			}
		}
		if p := certid.Purpose(n); p.Valid() {
			purposes = append(purposes, fmt.Sprintf("%d:%s", n, p))
			if back, err := certid.ParsePurpose(p.String()); err != nil || back != p {
				t.Errorf("ParsePurpose(%s) = %v, %v", p, back, err)
			}
		}
	}
	if got := strings.Join(append(hierarchies, purposes...), " "); got != "1:production 2:test 3:practice 1:auth 2:sign" {
		t.Errorf("scopes are %q", got)
	}
	if _, err := certid.ParseHierarchy("unknown"); !errors.Is(err, certid.ErrScope) {
		t.Errorf("ParseHierarchy(unknown) = %v, want ErrScope", err)
	}
	s := certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}
	if s.String() != "practice/auth" || !s.Valid() || (certid.Scope{}).Valid() {
		t.Errorf("scope %s, valid %v", s, s.Valid())
	}
}
