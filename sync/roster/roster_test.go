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
	"kazashi.example/sync/sitekey"
)

var central = byhand.Key("roster central")

func entry(n byte) roster.Entry {
	return roster.Entry{
		Hierarchy: certid.HierarchyPractice, Serial: []byte{1, n}, Verifier: "city.example", Enrolled: record.TapID{ID128: record.ID128{n}},
		Birth: roster.Birth{Date: "19800217", Form: 1}, Key: []byte{0x30, n}, PINDay: 20_000,
		Services: []roster.Service{{ID: "gym", PPID: "MADEUP"}, {ID: "library", Number: "L-1", Linked: record.TapID{ID128: record.ID128{n, 2}}}},
	}
}

func head() roster.Head {
	part := func(n byte) roster.Part {
		return roster.Part{Root: roster.Root{n}, Size: 99, Generation: sitekey.Generation{ID128: record.ID128{7}}, Entries: 2, Gone: 1}
	}
	return roster.Head{
		Version: rule.Version{CentralEpoch: 1, N: 2}, Site: "branch-1", Made: 1, Parts: []roster.Part{part(1), part(2)}, People: 3,
		Through: []roster.Through{through(1, 1, 9), through(2, 1, 0)},
	}
}

func through(box byte, epoch, n uint64) roster.Through {
	return roster.Through{Box: record.BoxID{ID128: record.ID128{box}}, Verdicts: rule.Version{CentralEpoch: epoch, N: n}}
}

// P2: what waits at a box is settled by a roster that was made with the verdict in, be that the latest word on somebody or not; by no other.
func TestP2AHeadTellsOfVerdictsUpToANumber(t *testing.T) {
	for _, c := range []struct {
		of   roster.Through
		want bool
	}{
		{through(1, 1, 1), true},
		{through(1, 1, 9), true},
		{through(1, 1, 10), false},
		{through(2, 1, 1), false},
		{through(3, 1, 1), false},
		{through(1, 2, 1), false}, // the head is of a central that was restored since
	} {
		if got := head().TellsOf(c.of.Box, c.of.Verdicts); got != c.want {
			t.Errorf("TellsOf(%d, %v) = %t, want %t", c.of.Box.ID128[0], c.of.Verdicts, got, c.want)
		}
	}
	restored := head()
	restored.Through[0].Verdicts = rule.Version{CentralEpoch: 2, N: 3}
	if restored.TellsOf(restored.Through[0].Box, rule.Version{CentralEpoch: 1, N: 1}) {
		t.Error("a restored central's roster tells of a verdict that it may never have heard of")
	}
}

func TestOpenHeadIsTheInverseOfSign(t *testing.T) {
	empty := head()
	empty.Parts, empty.People = nil, 0
	for name, h := range map[string]roster.Head{"two": head(), "nobody": empty} {
		msg, err := h.Sign(central)
		if err != nil {
			t.Fatalf("Sign(%s) = %v", name, err)
		}
		got, err := roster.OpenHead(testkey.Only(t, central), msg)
		peeked, perr := roster.PeekHead(msg)
		if err != nil || perr != nil || fmt.Sprint(got) != fmt.Sprint(h) || fmt.Sprint(peeked) != fmt.Sprint(h) {
			t.Errorf("OpenHead(%s) = %v, %v, PeekHead = %v, %v", name, got, err, peeked, perr)
		}
	}
	id, err := entry(1).ID()
	if err != nil || !bytes.Equal(id.Serial.Bytes(), []byte{1, 1}) || id.Scope != (certid.Scope{Hierarchy: 3, Purpose: 1}) {
		t.Errorf("ID = %x in %s, %v", id.Serial.Bytes(), id.Scope, err)
	}
}

// P9: a head that contradicts itself, or that somebody else signed, counts for nothing.
func TestP9RefusesHeads(t *testing.T) {
	for name, change := range map[string]func(*roster.Head){
		"no central epoch": func(h *roster.Head) { h.Version.CentralEpoch = 0 },
		"no number":        func(h *roster.Head) { h.Version.N = 0 },
		"no site":          func(h *roster.Head) { h.Site = "" },
		"no time":          func(h *roster.Head) { h.Made = 0 },
		"too many people":  func(h *roster.Head) { h.People = roster.MaxPeople + 1 },
		"too many parts":   func(h *roster.Head) { h.Parts = make([]roster.Part, roster.MaxParts+1) },
		"no size":          func(h *roster.Head) { h.Parts[0].Size = 0 },
		"too large":        func(h *roster.Head) { h.Parts[0].Size = roster.MaxSegment + 1 },
		"no generation":    func(h *roster.Head) { h.Parts[0].Generation = sitekey.Generation{} },
		"too many entries": func(h *roster.Head) { h.Parts[0].Entries = roster.MaxPeople + 1 },
		"too many gone":    func(h *roster.Head) { h.Parts[0].Gone = roster.MaxPeople + 1 },
		"a segment twice":  func(h *roster.Head) { h.Parts[1] = h.Parts[0] },
		"no box":           func(h *roster.Head) { h.Through[0].Box = record.BoxID{} },
		"a box twice":      func(h *roster.Head) { h.Through[1] = h.Through[0] },
		"boxes turned":     func(h *roster.Head) { h.Through[0], h.Through[1] = h.Through[1], h.Through[0] },
		"no epoch":         func(h *roster.Head) { h.Through[1].Verdicts.CentralEpoch = 0 },
		"too many boxes":   func(h *roster.Head) { h.Through = make([]roster.Through, roster.MaxBoxes+1) },
	} {
		h := head()
		change(&h)
		if _, err := h.Sign(central); !errors.Is(err, roster.ErrRoster) {
			t.Errorf("%s: Sign = %v, want ErrRoster", name, err)
		}
		b, err := canon.Encode(h)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := sign.Sign(central, sign.PurposeRoster, b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := roster.OpenHead(testkey.Only(t, central), msg); !errors.Is(err, roster.ErrRoster) {
			t.Errorf("%s: OpenHead = %v, want ErrRoster", name, err)
		}
	}
	msg, err := head().Sign(byhand.Key("somebody else"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roster.OpenHead(testkey.Only(t, central), msg); !errors.Is(err, sign.ErrUnknownKey) {
		t.Errorf("OpenHead(signed by somebody else) = %v, want ErrUnknownKey", err)
	}
	b, err := canon.Encode(head())
	if err != nil {
		t.Fatal(err)
	}
	if msg, err = sign.Sign(central, sign.PurposeRules, b); err != nil {
		t.Fatal(err)
	}
	if _, err := roster.OpenHead(testkey.Only(t, central), msg); !errors.Is(err, sign.ErrSignature) {
		t.Errorf("OpenHead(signed as rules) = %v, want ErrSignature", err)
	}
	if _, err := roster.OpenHead(testkey.Only(t, central), make([]byte, roster.MaxHead+1)); !errors.Is(err, canon.ErrSize) {
		t.Errorf("OpenHead(too long) = %v, want ErrSize", err)
	}
}

func TestRefusesEntries(t *testing.T) {
	if err := entry(1).Check(); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*roster.Entry){
		"no hierarchy":     func(e *roster.Entry) { e.Hierarchy = 0 },
		"hierarchy":        func(e *roster.Entry) { e.Hierarchy = 9 },
		"no serial":        func(e *roster.Entry) { e.Serial = nil },
		"serial with zero": func(e *roster.Entry) { e.Serial = []byte{0, 1} },
		"no verifier":      func(e *roster.Entry) { e.Verifier = "" },
		"no enrolment":     func(e *roster.Entry) { e.Enrolled = record.TapID{} },
		"no key":           func(e *roster.Entry) { e.Key = nil },
		"key too long":     func(e *roster.Entry) { e.Key = make([]byte, roster.MaxKey+1) },
		"short date":       func(e *roster.Entry) { e.Birth.Date = "1980021" },
		"date of letters":  func(e *roster.Entry) { e.Birth.Date = "1980021x" },
		"no form":          func(e *roster.Entry) { e.Birth.Form = 0 },
		"form":             func(e *roster.Entry) { e.Birth.Form = 3 },
		"era":              func(e *roster.Entry) { e.Birth.Era = 6 },
		"services turned":  func(e *roster.Entry) { e.Services[0], e.Services[1] = e.Services[1], e.Services[0] },
		"a service twice":  func(e *roster.Entry) { e.Services[1].ID = e.Services[0].ID },
		"no service id":    func(e *roster.Entry) { e.Services[0].ID = "" },
		"long PPID":        func(e *roster.Entry) { e.Services[0].PPID = strings.Repeat("A", roster.MaxPPID+1) },
		"long number":      func(e *roster.Entry) { e.Services[1].Number = strings.Repeat("1", record.MaxNumber+1) },
		"nobody linked":    func(e *roster.Entry) { e.Services[1].Linked = record.TapID{} },
		"too many":         func(e *roster.Entry) { e.Services = make([]roster.Service, roster.MaxServices+1) },
	} {
		e := entry(1)
		change(&e)
		if err := e.Check(); !errors.Is(err, roster.ErrRoster) {
			t.Errorf("%s: Check = %v, want ErrRoster", name, err)
		}
	}
}

// P2: an entry names the records that it took in: what waits for them here is settled.
func TestP2AnEntryNamesWhatItTookIn(t *testing.T) {
	e := entry(3)
	for name, c := range map[string]struct {
		tap  record.TapID
		want bool
	}{
		"the enrolment": {e.Enrolled, true}, "the link": {e.Services[1].Linked, true}, "another": {record.TapID{ID128: record.ID128{9}}, false},
	} {
		if got := e.Settles(c.tap); got != c.want {
			t.Errorf("Settles(%s) = %t, want %t", name, got, c.want)
		}
	}
	if got := e.Of("library"); got != e.Services[1] {
		t.Error("Of(library) is not what the library knows")
	}
	if got := e.Of("pool"); got != (roster.Service{ID: "pool"}) {
		t.Error("Of(pool) knows something")
	}
}

// P3: nobody is printed.
func TestP3PrintsRedacted(t *testing.T) {
	for _, v := range []any{entry(1), entry(1).Birth, entry(1).Services[0]} {
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

func FuzzOpenHead(f *testing.F) {
	b, err := canon.Encode(head())
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
		h, err := roster.OpenHead(testkey.Only(t, central), msg)
		if err != nil {
			return
		}
		if _, err := h.Sign(central); err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
	})
}
