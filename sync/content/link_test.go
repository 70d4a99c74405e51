package content_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

func linked() content.Record {
	r := tap()
	r.Staff, r.Link = "sato", &content.Link{Number: "L-0042"}
	return r
}

// cardless is a number taken back by staff, without the card.
func cardless() content.Record {
	r := content.New(content.Record{
		Tap: tap().Tap, Time: tap().Time, Service: "library-loan", Desk: "desk-1", Basis: record.BasisDrill, Purpose: certid.PurposeAuth,
		Serial: []byte{}, Staff: "sato", Link: &content.Link{Number: "L-0042", Unlink: true}, Said: tap().Said,
	})
	r.Said.Verdict, r.Said.Reason = record.VerdictRecorded, record.ReasonRecordOnly
	return r
}

func TestLinksComeBack(t *testing.T) {
	back, nameless := tap(), cardless()
	back.Link = &content.Link{Unlink: true}
	nameless.Serial = nil
	for name, r := range map[string]content.Record{"link": linked(), "unlink": back, "without the card": cardless(), "no serial at all": nameless} {
		b, err := r.Encode()
		if err != nil {
			t.Fatalf("Encode(%s) = %v", name, err)
		}
		got, err := content.Decode(b)
		if err != nil || *got.Link != *r.Link || got.Staff != r.Staff {
			t.Fatalf("Decode(%s) = %v, or another link", name, err)
		}
		if again, err := got.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%s comes back changed (%v)", name, err)
		}
	}
	if id := cardless().CertID(); !id.Serial.IsZero() {
		t.Error("CertID without a card has a serial")
	}
}

// P6: a link rests on a person who was served; without the card only staff by name can take one back, and the record has nothing of a card.
func TestP6RefusesLinksThatNothingProves(t *testing.T) {
	for _, c := range []struct {
		name string
		from func() content.Record
		make func(*content.Record)
	}{
		{"staff", linked, func(r *content.Record) { r.Staff = "Sato" }},
		{"refused", linked, func(r *content.Record) { r.Said.Verdict = record.VerdictRefused }},
		{"no number", linked, func(r *content.Record) { r.Link.Number = "" }},
		{"long number", linked, func(r *content.Record) { r.Link.Number = strings.Repeat("1", record.MaxNumber+1) }},
		{"number with a line break", linked, func(r *content.Record) { r.Link.Number = "1\n2" }},
		{"cardless without staff", cardless, func(r *content.Record) { r.Staff = "" }},
		{"cardless without a link", cardless, func(r *content.Record) { r.Link = nil }},
		{"cardless without a number", cardless, func(r *content.Record) { r.Link.Number = "" }},
		{"cardless that links", cardless, func(r *content.Record) { r.Link.Unlink = false }},
		{"cardless with a serial", cardless, func(r *content.Record) { r.Serial = []byte{1} }},
		{"cardless with a hierarchy", cardless, func(r *content.Record) { r.Hierarchy = certid.HierarchyPractice }},
		{"cardless with another purpose", cardless, func(r *content.Record) { r.Purpose = certid.PurposeSign }},
		{"cardless with an issuer", cardless, func(r *content.Record) { r.Issuer[0] = 1 }},
		{"cardless with an end", cardless, func(r *content.Record) { r.NotAfter = 1 }},
		{"cardless with a beginning", cardless, func(r *content.Record) { r.NotBefore = 1 }},
		{"cardless with a certificate", cardless, func(r *content.Record) { r.Certificate = []byte{0x30, 0} }},
		{"cardless with a proof", cardless, func(r *content.Record) { r.PIN = withPIN().PIN }},
		{"cardless with a card", cardless, func(r *content.Record) { r.Card = byCard().Card }},
		{"cardless with an enrolment", cardless, func(r *content.Record) { r.Enrolment = enrolment().Enrolment }},
	} {
		r := c.from()
		c.make(&r)
		if _, err := r.Encode(); !errors.Is(err, content.ErrContent) {
			t.Errorf("%s: Encode = %v, want ErrContent", c.name, err)
		}
		b, err := canon.Encode(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := content.Decode(b); !errors.Is(err, content.ErrContent) {
			t.Errorf("%s: Decode = %v, want ErrContent", c.name, err)
		}
	}
}

// P3: a number prints nothing.
func TestP3LinkPrintsRedacted(t *testing.T) {
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
		if got := fmt.Sprintf(verb, *linked().Link); got != "REDACTED" {
			t.Errorf("Sprintf(%s, Link) = %q, want REDACTED", verb, got)
		}
	}
}
