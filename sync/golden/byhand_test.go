package golden_test

import (
	"encoding/hex"
	"maps"
	"strings"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/seal"
)

// Octets that stand in many places.
var (
	box  = strings.Repeat("b0", 16)
	e1   = "9a34a307d382d281697a82cb5db172f1" // SHA-256 of 83 73 "kazashi/epoch-id/v1" 50 b0… 50 e1…, first half
	t1   = strings.Repeat("71", 16)
	t2   = strings.Repeat("72", 16)
	none = strings.Repeat("00", 16)
)

func text(s string) string { return hex.EncodeToString([]byte(s)) }

// byHand is every message written out octet by octet from sync/DESIGN.md, without an encoder.
func byHand() map[string][]string {
	enc := strings.Repeat("0e", seal.EncLen)
	cseal := sealing("golden C-seal").Public()
	kid := cseal.ID().String()
	spki := func(name string) string { return hex.EncodeToString(public(byhand.Key(name)).DER()) }
	return map[string][]string{
		"header": {
			"a9", "01 01", "02 01", "03 50", box, "04 50", e1, "05 50", kid, "06 59 0481", enc,
			"07 a4", "01 00", "02 50", none, "03 00", "04 5820", none, none,
			"08 01", "09 50", strings.Repeat("e1", 16),
		},
		"envelope": {
			"a5", "01 01", "02 50", e1, "03 19 012c", "04 5820", strings.Repeat("c1", 32), "05 51", strings.Repeat("5e", 17),
		},
		"content": {
			"ae", "01 01", "02 50", t1, "03 1b 000001a1ee565e7b", "04 6c", text("library-loan"), "05 66", text("desk-1"),
			"06 04", "07 01", "08 03", "09 01", "0a 43 123456", "0b 48 aabb000000000000", "0c 1a 713fb300",
			"0d a7", "01 01", "02 01", "03 a2 01 01 02 02", "04 01", "05 18 4d", "06 1a 6afd5fb0", "07 01",
			"0f 1a 6553f100",
		},
		"content, issuer unknown": {
			"af", "01 01", "02 50", t2, "03 1b 000001a1ee565e7b", "04 6c", text("library-loan"), "05 66", text("desk-1"),
			"06 04", "07 01", "08 00", "09 01", "0a 43 123456", "0b 48 0000000000000000", "0c 1a 713fb300",
			"0d a5", "01 02", "02 04", "03 a2 01 01 02 02", "04 04", "07 02",
			"0e 42 3000", "0f 1a 6553f100",
		},
		"ack": {
			"a4", "01 a2 01 01 02 05", "02 50", box, "03 1b 000001a1ee565e00", "04 82",
			"a5", "01 50", e1, "02 01", "03 03", "04 5820", strings.Repeat("c1", 32), "05 02",
			"a5", "01 50", e1, "02 05", "03 19 012c", "04 5820", strings.Repeat("c2", 32), "05 01",
		},
		"rules": {
			"a5", "01 a2 01 01 02 04", "02 1a 6afd86c0", "03 82",
			"ac", "01 6c", text("library-loan"), "02 6c", text("city.example"), "03 01", "04 03", "05 f5",
			"06 1a 0003f480", "07 1a 00093a80", "08 01", "09 41 01", "0b 01", "0c 19 0258", "10 f5",
			"ad", "01 65", text("drill"), "02 6c", text("city.example"), "03 04", "04 01", "05 f4",
			"06 1a 0003f480", "07 1a 00093a80", "08 02", "09 42 0203", "0a f5",
			"0d 09", "0e a2 01 78 27", text("氏名と性別を読み取ります。"), "02 76", text("Name and sex are read."),
			"0f a3 01 19 0e42 02 18 5a 03 18 1e",
			"04 68", text("branch-1"), "05 02",
		},
		"verdicts": {
			"a4", "01 a2 01 02 02 09", "02 50", box, "03 07", "04 82",
			"a8", "01 50", e1, "02 01", "03 50", t1, "04 01", "05 01", "06 01", "07 01", "08 1b 000001a1ee565e00",
			"a8", "01 50", e1, "02 02", "03 50", t2, "04 03", "05 16", "06 02", "07 02", "08 1b 000001a1ee565e00",
		},
		"root set": {"a4", "01 01", "02 01", "03 01", "04 81", "58 5b", spki("golden root 1")},
		"bundle": {
			"a8", "01 01", "02 07", "03 1a 6afd86c0", "04 1a 713fb300", "05 81 01", "06 83",
			"a2", "01 81 6e", text("kazashi/tls/v1"), "02 58 5b", spki("golden C-tls"),
			"a2", "01 81 6f", text("kazashi/seal/v1"), "02 59 04e1", hex.EncodeToString(cseal.Bytes()),
			"a2", "01 83 6e", text("kazashi/ack/v1"), "73", text("kazashi/verdicts/v1"), "70", text("kazashi/rules/v1"),
			"02 58 5b", spki("golden C-sign"),
			"07 81", "a3", "01 03", "02 01", "03 42 3000",
			"08 81", "a3", "01 03", "02 50", strings.Repeat("ca", 16), "03 42 3000",
		},
		"push":   {"a2", "01 81 41 01", "02 82 41 02 42 03 04"},
		"pushed": {"a2", "01 43", text("abc"), "02 81", "a2", "01 02", "02 69", text("no header")},
		"poll": {
			"aa", "01 a2 01 01 02 09", "02 a2 01 01 02 05", "03 a2 01 01 02 04", "04 07",
			"06 81 50", e1, "07 81 50", t1, "08 18 37", "09 1b 000001a1ee565e7b", "0a 03", "0b 66", text("v1.2.3"),
		},
		"poll with nothing": {
			"a8", "01 a2 01 00 02 00", "02 a2 01 00 02 00", "03 a2 01 00 02 00", "04 00", "08 00", "09 00", "0a 00", "0b 60",
		},
		"polled": {
			"a6", "01 01", "02 41 01", "03 41 02", "04 41 03", "05 41 04",
			"07 81 a2 01 50", t1, "02 66", text("MADEUP"),
		},
		"polled with nothing":         {"a1", "01 01"},
		"polled with central's clock": {"a2", "01 01", "08 1b 000001a1ee565e7b"},
		"failure":                     {"a2", "01 68", text("internal"), "02 61", text("x")},
	}
}

// octetsOf puts hand-written hex together.
func octetsOf(t *testing.T, parts []string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(strings.Join(parts, ""), " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMessagesAreAsWrittenByHand(t *testing.T) {
	values := uplinkValues()
	delete(values, "join") // written out beside their proofs
	delete(values, "joined")
	values["header"] = headerValue(octetsOf(t, []string{strings.Repeat("0e", seal.EncLen)}))
	values["envelope"] = epoch.Envelope{
		Version: 1, Epoch: epoch1, Seq: 300, Previous: hash(0xc1), Sealed: octetsOf(t, []string{strings.Repeat("5e", 17)}),
	}
	values["content"], values["content, issuer unknown"] = contentValue(), unknownIssuer()
	values["ack"], values["rules"], values["verdicts"] = ackValue(), rulesValue(), verdictsValue()
	maps.Copy(values, proofValues())
	values["root set"], values["bundle"] = rootValues()[0], bundleValue()
	hand := byHand()
	maps.Copy(hand, proofsByHand())
	if len(values) != len(hand) {
		t.Errorf("%d values, %d written by hand", len(values), len(hand))
	}
	for name, v := range values {
		got, err := canon.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		if want := octetsOf(t, hand[name]); string(got) != string(want) {
			t.Errorf("%s encodes to\n%x, want\n%x", name, got, want)
		}
	}
}
