package content

import (
	"fmt"
	"log/slog"

	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

// Link ties the person to the number by which the record's service knows them, or takes that back. The latest record of a person and
// service counts, by the latest moment at which the tap can have been.
type Link struct {
	Number string `cbor:"1,keyasint,omitempty"` // record.CheckNumber; with Unlink the number taken back, empty: whichever it is
	Unlink bool   `cbor:"2,keyasint,omitempty"`
}

// checkLink refuses a link for somebody who was not served, and one without a number.
func (r Record) checkLink(fail func(string) error) error {
	l := r.Link
	switch {
	case l == nil:
		return nil
	case !r.Said.Verdict.Served():
		return fail("link of somebody who was not served")
	case l.Number == "" && !l.Unlink, l.Number != "" && record.CheckNumber(l.Number) != nil:
		return fail("number")
	default:
		return nil
	}
}

// checkCardless holds the one record without a card: somebody who was signed in took a number back. It has nothing of a card in it.
func (r Record) checkCardless(fail func(string) error) error {
	if r.Link == nil || !r.Link.Unlink || r.Link.Number == "" || r.Staff == "" {
		return fail("evidence none, and no number taken back by staff")
	}
	if r.Serial == nil {
		return fail("serial")
	}
	card := r.Hierarchy != 0 || r.Purpose != certid.PurposeAuth || len(r.Serial) > 0 || r.Issuer != Issuer{} || r.NotAfter != 0 || r.NotBefore != 0
	if card || len(r.Certificate) > 0 || r.PIN != nil || r.Card != nil || r.Enrolment != nil {
		return fail("evidence none, and something of a card")
	}
	return nil
}

// Format prints REDACTED for every verb.
func (Link) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("REDACTED")) }

// MarshalText writes REDACTED.
func (Link) MarshalText() ([]byte, error) { return []byte("REDACTED"), nil }

// LogValue logs REDACTED.
func (Link) LogValue() slog.Value { return slog.StringValue("REDACTED") }
