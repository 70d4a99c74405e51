package golden_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/content"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
	"kazashi.example/sync/wire"
)

var nonceOfCentral = bytes.Repeat([]byte{0xdd}, proof.NonceLen)

func challengeValue(p proof.Purpose, nonce []byte) proof.Challenge {
	return proof.Challenge{
		Purpose: p, Box: boxID, Tap: tap1, Verifier: "city.example", Service: "library-loan", Time: time.UnixMilli(1_795_000_000_123), Nonce: nonce,
	}
}

// message stands in the table of values as what it decodes to, so that it is encoded like the others.
func message(c proof.Challenge) any {
	return cbor.RawMessage(must(c.Message()))
}

func enrolmentValue() content.Record {
	r := contentValue()
	r.Evidence, r.Certificate = record.EvidencePIN, []byte{0x30, 0}
	r.PIN = &content.PINProof{Verifier: "city.example", Signature: []byte{0x51, 0x51}}
	r.Card = &content.CardProof{Verifier: "city.example", Signature: []byte{0xc5, 0xc5}, Enrolled: r.Tap, Nonce: nonceOfCentral}
	r.Enrolment = &content.Enrolment{
		Birth: roster.Birth{Date: "19800217", Form: 1}, Key: []byte{0x30, 1},
		Attributes: &content.Attributes{Name: "練習　花子", Address: new("見本県"), Birth: "19800217", Sex: new(uint8(2))},
	}
	return r
}

func cardValue() content.Record {
	r := contentValue()
	r.Tap, r.Evidence = tap2, record.EvidenceCard
	r.Card = &content.CardProof{Verifier: "city.example", Signature: []byte{0xc5, 0xc5}, Enrolled: tap1}
	return r
}

func rosterValue() roster.Head {
	return roster.Head{Version: rule.Version{CentralEpoch: 1, N: 6}, Site: "branch-1", Made: 1_700_000_000, People: 3, Parts: []roster.Part{
		{Root: roster.Root{0xaa}, Size: 99, Generation: sitekey.Generation{ID128: record.ID128{0x51}}, Entries: 1, Gone: 1},
		{Root: roster.Root{0xbb}, Size: 70_000, Generation: sitekey.Generation{ID128: record.ID128{0x52}}, Entries: 3},
	}, Through: []roster.Through{
		{Box: record.BoxID{ID128: record.ID128{0xb0}}, Verdicts: rule.Version{CentralEpoch: 1, N: 300}},
		{Box: record.BoxID{ID128: record.ID128{0xb1}}, Verdicts: rule.Version{CentralEpoch: 1}},
	}}
}

// personValue is an entry as it is sealed.
func personValue() roster.Entry {
	return roster.Entry{
		Hierarchy: 3, Serial: []byte{0x12, 0x34, 0x56}, Verifier: "city.example", Enrolled: tap1,
		Birth: roster.Birth{Date: "19890100", Form: 2, Era: 3}, Key: []byte{0x30, 1}, Renewed: true, PINDay: 20_000,
		Services: []roster.Service{{ID: "library-loan", PPID: "MADEUP", Number: "L-1", Linked: tap2}},
	}
}

func proofValues() map[string]any {
	return map[string]any{
		"challenge, PIN":     message(challengeValue(proof.PurposePIN, nil)),
		"challenge, card":    message(challengeValue(proof.PurposeCard, nonceOfCentral)),
		"content, enrolment": enrolmentValue(), "content, card": cardValue(), "roster": rosterValue(), "roster entry": personValue(),
		"poll with a roster": wire.Poll{Roster: rule.Version{CentralEpoch: 1, N: 6}},
		"polled with a roster": wire.Polled{CentralEpoch: 1, RosterOffer: wire.RosterOffer{
			Version: rule.Version{CentralEpoch: 1, N: 6}, Head: wire.Blob{ID: wire.BlobID{0xcc}, Size: 5}, Segments: []wire.Blob{{ID: wire.BlobID{0xaa}, Size: 131}},
		}},
	}
}

// proofsByHand is what proofValues encodes to, as byHand.
func proofsByHand() map[string][]string {
	return map[string][]string{
		"challenge, PIN": {
			"87", "6e", text("kazashi/pin/v1"), "50", box, "50", t1, "6c", text("city.example"), "6c", text("library-loan"),
			"1b 000001a1ee565e7b", "f6",
		},
		"challenge, card": {
			"87", "6f", text("kazashi/card/v1"), "50", box, "50", t1, "6c", text("city.example"), "6c", text("library-loan"),
			"1b 000001a1ee565e7b", "50", strings.Repeat("dd", 16),
		},
		"content, enrolment": {
			"b2", "01 01", "02 50", t1, "03 1b 000001a1ee565e7b", "04 6c", text("library-loan"), "05 66", text("desk-1"),
			"06 04", "07 04", "08 03", "09 01", "0a 43 123456", "0b 48 aabb000000000000", "0c 1a 713fb300",
			"0d a7", "01 01", "02 01", "03 a2 01 01 02 02", "04 01", "05 18 4d", "06 1a 6afd5fb0", "07 01",
			"0e 42 3000", "0f 1a 6553f100",
			"10 a2 01 6c", text("city.example"), "02 42 5151",
			"11 a4 01 6c", text("city.example"), "02 42 c5c5", "03 50", t1, "04 50", strings.Repeat("dd", 16),
			"12 a3", "01 a2 01 68", text("19800217"), "02 01", "02 42 3001",
			"03 a4 01 6f", text("練習　花子"), "02 69", text("見本県"), "03 68", text("19800217"), "04 02",
		},
		"content, card": {
			"af", "01 01", "02 50", t2, "03 1b 000001a1ee565e7b", "04 6c", text("library-loan"), "05 66", text("desk-1"),
			"06 04", "07 03", "08 03", "09 01", "0a 43 123456", "0b 48 aabb000000000000", "0c 1a 713fb300",
			"0d a7", "01 01", "02 01", "03 a2 01 01 02 02", "04 01", "05 18 4d", "06 1a 6afd5fb0", "07 01",
			"0f 1a 6553f100",
			"11 a3 01 6c", text("city.example"), "02 42 c5c5", "03 50", t1,
		},
		"roster": {
			"a6", "01 a2 01 01 02 06", "02 68", text("branch-1"), "03 1a 6553f100", "04 82",
			"a5", "01 58 20 aa", zeroes(31), "02 18 63", "03 50 51", zeroes(15), "04 01", "05 01",
			"a4", "01 58 20 bb", zeroes(31), "02 1a 00011170", "03 50 52", zeroes(15), "04 03",
			"05 03", "06 82", "a2", "01 50 b0", zeroes(15), "02 a2 01 01 02 19 012c", "a2", "01 50 b1", zeroes(15), "02 a2 01 01 02 00",
		},
		"roster entry": {
			"a9", "01 03", "02 43 123456", "03 6c", text("city.example"), "04 50", t1, "05 a3 01 68", text("19890100"), "02 02", "03 03",
			"06 42 3001", "07 f5", "08 81", "a4", "01 6c", text("library-loan"), "02 66", text("MADEUP"), "03 63", text("L-1"), "04 50", t2,
			"09 19 4e20",
		},
		"poll with a roster": {"a9", "01 a2 01 00 02 00", "02 a2 01 00 02 00", "03 a2 01 00 02 00", "04 00", "08 00", "09 00", "0a 00", "0b 60", "0c a2 01 01 02 06"},
		"polled with a roster": {
			"a2", "01 01", "0d a3", "01 a2 01 01 02 06", "02 a2 01 58 20 cc", zeroes(31), "02 05", "03 81 a2 01 58 20 aa", zeroes(31), "02 18 83",
		},
	}
}

type proofsFile struct {
	About  string `json:"about"`
	Items  []item `json:"items"`
	Signer key    `json:"signer"`
	Roster octets `json:"signed_roster"`
}

func proofsVector() any {
	f := proofsFile{
		About:  aboutKeys + "What cards sign, records that carry it, and the roster of a site. Made-up people; signatures and keys of two octets.",
		Signer: keyOf("golden C-sign"), Roster: must(rosterValue().Sign(byhand.Key("golden C-sign"))),
	}
	for _, name := range []string{
		"challenge, PIN", "challenge, card", "content, enrolment", "content, card", "roster", "roster entry", "poll with a roster", "polled with a roster",
	} {
		f.Items = append(f.Items, itemOf(name, proofValues()[name]))
	}
	return f
}

// P3, P5: what a card signs and what a roster says stays as recorded.
func TestP5ProofsVector(t *testing.T) {
	f := read[proofsFile](t, "proofs")
	values := proofValues()
	if len(f.Items) != len(values) {
		t.Errorf("%d items recorded, %d values", len(f.Items), len(values))
	}
	for _, it := range f.Items {
		reads(t, it)
		is(t, it.Name, must(canon.Encode(values[it.Name])), it.CBOR)
	}
	for name, want := range map[string]content.Record{"content, enrolment": enrolmentValue(), "content, card": cardValue()} {
		for _, it := range f.Items {
			if it.Name != name {
				continue
			}
			r, err := content.Decode(it.CBOR)
			if err != nil {
				t.Fatalf("Decode(%s) = %v", name, err)
			}
			is(t, name, must(r.Encode()), must(want.Encode()))
		}
	}
	set, err := roster.OpenHead(sign.One{Key: public(byhand.Key("golden C-sign"))}, f.Roster)
	if err != nil {
		t.Fatalf("Open(signed roster) = %v", err)
	}
	is(t, "roster", must(canon.Encode(set)), must(canon.Encode(rosterValue())))
}

// zeroes are so many octets of zero in hexadecimal digits.
func zeroes(n int) string { return strings.Repeat("00", n) }
