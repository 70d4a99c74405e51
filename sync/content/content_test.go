package content_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// tap is a made-up tap.
func tap() content.Record {
	return content.New(content.Record{
		Tap: record.TapID{ID128: record.ID128{1, 2, 3}}, Time: 1_795_000_000_123,
		Service: "library-loan", Desk: "desk-1", Basis: record.BasisDrill, Evidence: record.EvidenceCertificate,
		Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Serial: []byte{0x12, 0x34, 0x56},
		Issuer: content.IssuerOf(certid.KeyID{0xaa, 0xbb}), NotBefore: 1_700_000_000, NotAfter: 1_900_000_000,
		Said: content.Said{
			Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Rule: rule.Version{CentralEpoch: 1, N: 2},
			Answer: record.AnswerNotRevoked, ListNumber: 77, ListTime: 1_794_990_000, Clock: record.ConfidenceFloor,
		},
	})
}

func TestDecodeIsTheInverseOfEncode(t *testing.T) {
	unknown := tap() // as a tap is whose issuer the box does not know
	unknown.Hierarchy, unknown.Issuer, unknown.Certificate = 0, content.Issuer{}, []byte{0x30, 0}
	unknown.Said.ListNumber, unknown.Said.ListTime, unknown.NotBefore = 0, 0, 0
	for name, r := range map[string]content.Record{"known issuer": tap(), "unknown issuer": unknown} {
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := content.Decode(b)
		if err != nil {
			t.Fatalf("Decode(%s) = %v", name, err)
		}
		again, err := got.Encode()
		if err != nil || !bytes.Equal(again, b) || got.Said != r.Said || got.Tap != r.Tap || got.Issuer != r.Issuer {
			t.Errorf("%s comes back changed (%v)", name, err)
		}
	}
	if at, want := tap().At(), time.UnixMilli(1_795_000_000_123).UTC(); !at.Equal(want) || at.Location() != time.UTC {
		t.Errorf("At = %v, want %v", at, want)
	}
	if id := tap().CertID(); !bytes.Equal(id.Serial.Bytes(), []byte{0x12, 0x34, 0x56}) || id.Scope != (certid.Scope{Hierarchy: 3, Purpose: 1}) {
		t.Errorf("CertID = %x in %s", id.Serial.Bytes(), id.Scope)
	}
	if id := (content.Record{}).CertID(); !id.Serial.IsZero() {
		t.Error("CertID of no record has a serial")
	}
}

func TestRefusesWhatContradictsItself(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(*content.Record)
	}{
		{"no version", func(r *content.Record) { r.Version = 0 }},
		{"tap id", func(r *content.Record) { r.Tap = record.TapID{} }},
		{"no service", func(r *content.Record) { r.Service = "" }},
		{"service with a space", func(r *content.Record) { r.Service = "a b" }},
		{"desk", func(r *content.Record) { r.Desk = "-" }},
		{"basis", func(r *content.Record) { r.Basis = 9 }},
		{"evidence", func(r *content.Record) { r.Evidence = 9 }},
		{"no evidence", func(r *content.Record) { r.Evidence = record.EvidenceNone }},
		{"hierarchy", func(r *content.Record) { r.Hierarchy = 4 }},
		{"purpose", func(r *content.Record) { r.Purpose = 0 }},
		{"no serial", func(r *content.Record) { r.Serial = nil }},
		{"serial with a zero before it", func(r *content.Record) { r.Serial = []byte{0, 1} }},
		{"serial too long", func(r *content.Record) { r.Serial = bytes.Repeat([]byte{1}, 21) }},
		{"verdict", func(r *content.Record) { r.Said.Verdict = 0 }},
		{"reason", func(r *content.Record) { r.Said.Reason = 0 }},
		{"answer", func(r *content.Record) { r.Said.Answer = 6 }},
		{"clock", func(r *content.Record) { r.Said.Clock = 3 }},
		{"certificate too long", func(r *content.Record) { r.Certificate = make([]byte, content.MaxCertificate+1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := tap()
			c.make(&r)
			if _, err := r.Encode(); !errors.Is(err, content.ErrContent) {
				t.Errorf("Encode = %v, want ErrContent", err)
			}
			b, err := canon.Encode(r)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := content.Decode(b); !errors.Is(err, content.ErrContent) {
				t.Errorf("Decode = %v, want ErrContent", err)
			}
		})
	}
	if _, err := content.Decode(make([]byte, content.MaxContent+1)); !errors.Is(err, canon.ErrSize) {
		t.Errorf("Decode(too long) = %v, want ErrSize", err)
	}
}

// P8: what a newer box wrote is told from nonsense, whatever else changed with its version.
func TestP8ALaterVersionIsNoNonsense(t *testing.T) {
	later := tap()
	later.Version, later.Basis, later.Serial = content.Version+1, 200, nil
	for name, v := range map[string]any{
		"same fields":      later,
		"other shapes":     map[int]any{1: 2, 2: "a tap id", 10: map[int]any{1: true}, 99: []int{1}},
		"above a octet":    map[int]any{1: 70_000},
		"above the cap":    map[int]any{1: 2, 14: make([]byte, content.MaxContent)},
		"nothing but that": map[int]any{1: 255},
	} {
		b, err := canon.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := content.Decode(b); !errors.Is(err, content.ErrNewer) {
			t.Errorf("Decode(%s) = %v, want ErrNewer", name, err)
		}
	}
	for name, v := range map[string]any{
		"no version": map[int]any{2: 2}, "version as text": map[int]any{1: "2"}, "negative version": map[int]any{1: -2}, "no map": 2,
		"this version": map[int]any{1: 1},
	} {
		b, err := canon.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := content.Decode(b); err == nil || errors.Is(err, content.ErrNewer) {
			t.Errorf("Decode(%s) = %v, want another error than ErrNewer", name, err)
		}
	}
	if _, err := content.Decode([]byte{0xa1, 0x01, 0x18, 0x02}); !errors.Is(err, canon.ErrForm) {
		t.Errorf("Decode(later version in another form) = %v, want ErrForm", err)
	}
}

// P8: a reason of a later release is no fault of the record.
func TestP8AReasonOfALaterReleaseIsRead(t *testing.T) {
	for _, reason := range []record.Reason{7, 29, 255} {
		r := tap()
		r.Said.Reason = reason
		b, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := content.Decode(b); err != nil || got.Said != r.Said {
			t.Errorf("Decode(reason %d) = %+v, %v, want %+v", reason, got.Said, err, r.Said)
		}
	}
}

// P3: an opened record that is printed, logged or marshalled by mistake shows nothing.
func TestP3PrintsRedacted(t *testing.T) {
	r, e := tap(), enrolment()
	for _, v := range []any{r, *e.PIN, e.PIN, *e.Card, *e.Enrolment, e.Enrolment, *e.Enrolment.Attributes} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
			if got := fmt.Sprintf(verb, v); got != "REDACTED" {
				t.Errorf("Sprintf(%s, %T) = %q, want REDACTED", verb, v, got)
			}
		}
		if b, err := json.Marshal(v); err != nil || string(b) != `"REDACTED"` {
			t.Errorf("json.Marshal(%T) = %s, %v, want REDACTED", v, b, err)
		}
	}
	if b, err := json.Marshal(r); err != nil || string(b) != `"REDACTED"` {
		t.Errorf("json.Marshal = %s, %v, want REDACTED", b, err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("tap", slog.Any("tap", r))
	if !strings.Contains(log.String(), "tap=REDACTED") {
		t.Errorf("logged %s, want REDACTED", log.String())
	}
}

func FuzzDecode(f *testing.F) {
	b, err := tap().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	for _, r := range []content.Record{linked(), cardless()} {
		b, err := r.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := content.Decode(in)
		if err != nil {
			return
		}
		out, err := r.Encode()
		if err != nil {
			t.Fatalf("Encode(accepted) = %v", err)
		}
		var v any
		if err := canon.Decode(in, &v, content.MaxContent); err != nil {
			t.Fatalf("accepted %x: %v", in, err)
		}
		if again, err := content.Decode(out); err != nil || again.Said != r.Said || !bytes.Equal(again.Serial, r.Serial) {
			t.Fatalf("accepted %x reads back differently from %x: %v", in, out, err)
		}
	})
}
