package golden_test

import (
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
)

// linkValue is a tap at which somebody at the desk tied the number of a library card to the person.
func linkValue() content.Record {
	r := contentValue()
	r.Staff, r.Link = "sato", &content.Link{Number: "L-0042"}
	return r
}

// unlinkValue is a tap at which the person took it back.
func unlinkValue() content.Record {
	r := contentValue()
	r.Tap, r.Link = tap2, &content.Link{Unlink: true}
	return r
}

// cardlessValue is the same by somebody of staff, without the card.
func cardlessValue() content.Record {
	r := content.New(content.Record{
		Tap: tap2, Time: 1_795_000_000_123, Service: "library-loan", Desk: "desk-1", Basis: record.BasisDrill, Purpose: certid.PurposeAuth,
		Staff: "sato", Link: &content.Link{Number: "L-0042", Unlink: true},
	})
	r.Serial = []byte{}
	r.Said = contentValue().Said
	r.Said.Verdict, r.Said.Reason, r.Said.Answer = record.VerdictRecorded, record.ReasonRecordOnly, record.AnswerUnknown
	r.Said.ListNumber, r.Said.ListTime = 0, 0
	return r
}

func linkValues() map[string]content.Record {
	return map[string]content.Record{"link": linkValue(), "unlink": unlinkValue(), "unlink without the card": cardlessValue()}
}

// linksByHand is what linkValues encodes to, as byHand.
func linksByHand() map[string][]string {
	by := []string{
		"02 50", "", "03 1b 000001a1ee565e7b", "04 6c", text("library-loan"), "05 66", text("desk-1"),
		"06 04", "07 01", "08 03", "09 01", "0a 43 123456", "0b 48 aabb000000000000", "0c 1a 713fb300",
		"0d a7", "01 01", "02 01", "03 a2 01 01 02 02", "04 01", "05 18 4d", "06 1a 6afd5fb0", "07 01", "0f 1a 6553f100",
	}
	head := func(first, tap string) []string {
		b := append([]string{first, "01 01"}, by...)
		b[3] = tap
		return b
	}
	return map[string][]string{
		"link":   append(head("b0", t1), "13 64", text("sato"), "14 a1 01 66", text("L-0042")),
		"unlink": append(head("af", t2), "14 a1 02 f5"),
		"unlink without the card": {
			"af", "01 01", "02 50", t2, "03 1b 000001a1ee565e7b", "04 6c", text("library-loan"), "05 66", text("desk-1"),
			"06 04", "07 00", "08 00", "09 01", "0a 40", "0b 48 0000000000000000", "0c 00",
			"0d a5", "01 04", "02 06", "03 a2 01 01 02 02", "04 00", "07 01",
			"13 64", text("sato"), "14 a2 01 66", text("L-0042"), "02 f5",
		},
	}
}

type linksFile struct {
	About string `json:"about"`
	Items []item `json:"items"`
}

func linksVector() any {
	f := linksFile{About: "Records that tie a service's own number to a person, or take it back. Nobody's serial, nobody's number."}
	for _, name := range []string{"link", "unlink", "unlink without the card"} {
		f.Items = append(f.Items, itemOf(name, linkValues()[name]))
	}
	return f
}

// P2: what links a number stays as recorded.
func TestP2LinksVector(t *testing.T) {
	f := read[linksFile](t, "links")
	if len(f.Items) != len(linkValues()) {
		t.Fatalf("%d items recorded, want %d", len(f.Items), len(linkValues()))
	}
	for _, it := range f.Items {
		reads(t, it)
		is(t, it.Name, octetsOf(t, linksByHand()[it.Name]), it.CBOR)
		is(t, it.Name, must(canon.Encode(linkValues()[it.Name])), it.CBOR)
		got, err := content.Decode(it.CBOR)
		if err != nil || got.Staff != linkValues()[it.Name].Staff || *got.Link != *linkValues()[it.Name].Link {
			t.Errorf("Decode(%s) = staff %q, %v, or another link", it.Name, got.Staff, err)
		}
	}
}
