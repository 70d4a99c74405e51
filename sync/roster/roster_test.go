package roster_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

var central = byhand.Key("roster central")

func entry(n byte) roster.Entry {
	return roster.Entry{
		Hierarchy: certid.HierarchyPractice, Serial: []byte{1, n}, Verifier: "city.example", Enrolled: record.TapID{ID128: record.ID128{n}},
		Birth: roster.Birth{Date: "19800217", Form: 1}, Key: []byte{0x30, n},
	}
}

func set() roster.Set {
	return roster.Set{
		Version: rule.Version{CentralEpoch: 1, N: 2}, Box: record.BoxID{ID128: record.ID128{9}}, Entries: []roster.Entry{entry(1), entry(2)},
	}
}

func TestOpenIsTheInverseOfSign(t *testing.T) {
	empty := set()
	empty.Entries = nil
	other := set() // one certificate enrolled with two verifiers of one site
	other.Entries[1].Serial, other.Entries[1].Verifier = other.Entries[0].Serial, "school.example"
	for name, s := range map[string]roster.Set{"two": set(), "nobody": empty, "two verifiers": other} {
		msg, err := s.Sign(central)
		if err != nil {
			t.Fatalf("Sign(%s) = %v", name, err)
		}
		got, err := roster.Open(testkey.Only(t, central), msg)
		if err != nil || got.Version != s.Version || got.Box != s.Box || len(got.Entries) != len(s.Entries) {
			t.Errorf("Open(%s) = %d people, %v", name, len(got.Entries), err)
		}
	}
	id, err := entry(1).ID()
	if err != nil || !bytes.Equal(id.Serial.Bytes(), []byte{1, 1}) || id.Scope != (certid.Scope{Hierarchy: 3, Purpose: 1}) {
		t.Errorf("ID = %x in %s, %v", id.Serial.Bytes(), id.Scope, err)
	}
}

// P9: a roster that contradicts itself, or that somebody else signed, counts for nothing.
func TestP9Refuses(t *testing.T) {
	for name, change := range map[string]func(*roster.Set){
		"no central epoch": func(s *roster.Set) { s.Version.CentralEpoch = 0 },
		"no number":        func(s *roster.Set) { s.Version.N = 0 },
		"no box":           func(s *roster.Set) { s.Box = record.BoxID{} },
		"somebody twice":   func(s *roster.Set) { s.Entries[1] = s.Entries[0] },
		"no hierarchy":     func(s *roster.Set) { s.Entries[0].Hierarchy = 0 },
		"hierarchy":        func(s *roster.Set) { s.Entries[0].Hierarchy = 9 },
		"no serial":        func(s *roster.Set) { s.Entries[0].Serial = nil },
		"serial with zero": func(s *roster.Set) { s.Entries[0].Serial = []byte{0, 1} },
		"no verifier":      func(s *roster.Set) { s.Entries[0].Verifier = "" },
		"no enrolment":     func(s *roster.Set) { s.Entries[0].Enrolled = record.TapID{} },
		"no key":           func(s *roster.Set) { s.Entries[0].Key = nil },
		"key too long":     func(s *roster.Set) { s.Entries[0].Key = make([]byte, roster.MaxKey+1) },
		"short date":       func(s *roster.Set) { s.Entries[0].Birth.Date = "1980021" },
		"date of letters":  func(s *roster.Set) { s.Entries[0].Birth.Date = "1980021x" },
		"no form":          func(s *roster.Set) { s.Entries[0].Birth.Form = 0 },
		"form":             func(s *roster.Set) { s.Entries[0].Birth.Form = 3 },
		"era":              func(s *roster.Set) { s.Entries[0].Birth.Era = 6 },
		"too many":         func(s *roster.Set) { s.Entries = make([]roster.Entry, roster.MaxEntries+1) },
	} {
		s := set()
		change(&s)
		if _, err := s.Sign(central); !errors.Is(err, roster.ErrRoster) {
			t.Errorf("%s: Sign = %v, want ErrRoster", name, err)
		}
		b, err := canon.Encode(s)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := sign.Sign(central, sign.PurposeRoster, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := roster.Open(testkey.Only(t, central), msg); !errors.Is(err, roster.ErrRoster) {
			t.Errorf("%s: Open = %v, want ErrRoster", name, err)
		}
	}
	msg, err := set().Sign(byhand.Key("somebody else"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roster.Open(testkey.Only(t, central), msg); err == nil {
		t.Error("Open(signed by somebody else) = nil, want an error")
	}
	b, err := canon.Encode(set())
	if err != nil {
		t.Fatal(err)
	}
	if msg, err = sign.Sign(central, sign.PurposeRules, b); err != nil {
		t.Fatal(err)
	}
	if _, err := roster.Open(testkey.Only(t, central), msg); err == nil {
		t.Error("Open(signed as rules) = nil, want an error")
	}
}

// P3: nobody is printed.
func TestP3PrintsRedacted(t *testing.T) {
	for _, v := range []any{set(), entry(1), entry(1).Birth} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
			if got := fmt.Sprintf(verb, v); got != "REDACTED" {
				t.Errorf("Sprintf(%s, %T) = %q, want REDACTED", verb, v, got)
			}
		}
		if b, err := json.Marshal(v); err != nil || string(b) != `"REDACTED"` {
			t.Errorf("json.Marshal(%T) = %s, %v, want REDACTED", v, b, err)
		}
		var log strings.Builder
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("v", v))
		if !strings.Contains(log.String(), "v=REDACTED") {
			t.Errorf("logged %s, want REDACTED", log.String())
		}
	}
}

func FuzzOpen(f *testing.F) {
	b, err := canon.Encode(set())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(central, sign.PurposeRoster, append([]byte{}, in...))
		if err != nil {
			t.Fatal(err)
		}
		s, err := roster.Open(testkey.Only(t, central), msg)
		if err != nil {
			return
		}
		if _, err := s.Sign(central); err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
		for _, e := range s.Entries {
			if _, err := e.ID(); err != nil {
				t.Fatalf("ID(accepted) = %v", err)
			}
		}
	})
}
