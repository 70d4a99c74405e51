package localapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/sync/record"
)

// What a made-up person types in.
const (
	madeUpPIN   = "8642"
	madeUpInput = "9753"
	madeUpBirth = "19800217"
)

func secret(s string) localapi.Secret { return localapi.NewSecret(s) }

func TestNextCardRequestCheck(t *testing.T) {
	pin, input, birth := secret(madeUpPIN), secret(madeUpInput), secret(madeUpBirth)
	type request = localapi.NextCardRequest
	for _, c := range []struct {
		name  string
		in    request
		field string // that the error names; empty when r is whole
	}{
		{"PIN alone", request{Kind: "pin", PIN: pin}, ""},
		{"enrolment with a birth date", request{Kind: "enrol", PIN: pin, Birth: birth}, ""},
		{"enrolment, month and day unknown", request{Kind: "enrol", PIN: pin, Birth: secret("19250000")}, ""},
		{"enrolment with attributes, one PIN", request{Kind: "enrol", PIN: pin, Attributes: true, SamePIN: true}, ""},
		{"enrolment with attributes, two PINs", request{Kind: "enrol", PIN: pin, Attributes: true, InputPIN: input}, ""},
		{"two PINs that happen to be equal", request{Kind: "enrol", PIN: pin, Attributes: true, InputPIN: pin}, ""},
		{"enrolment with an era", request{Kind: "enrol", PIN: pin, Birth: secret("19890100"), Era: "heisei"}, ""},
		{"enrolment with attributes and an era", request{Kind: "enrol", PIN: pin, Attributes: true, SamePIN: true, Era: "showa"}, ""},
		{"a reader", request{Kind: "pin", PIN: pin, Reader: "ACS ACR1252 [Picc] (2) 00 01"}, ""},
		{"a reader with a name in Japanese", request{Kind: "pin", PIN: pin, Reader: "窓口リーダー 00"}, ""},
		{"a birth date that was looked at again", request{Kind: "enrol", PIN: pin, Birth: birth, BirthSure: true}, ""},
		{"sure of no birth date", request{Kind: "enrol", PIN: pin, Attributes: true, SamePIN: true, BirthSure: true}, "birth_sure"},
		{"sure, at a check", request{Kind: "pin", PIN: pin, BirthSure: true}, "birth_sure"},
		{"a reader with a quote", request{Kind: "pin", PIN: pin, Reader: `a"b`}, "reader"},
		{"a reader with a backslash", request{Kind: "pin", PIN: pin, Reader: `a\b`}, "reader"},
		{"a reader with a control octet", request{Kind: "pin", PIN: pin, Reader: "a\x00"}, "reader"},
		{"a reader that is no text", request{Kind: "pin", PIN: pin, Reader: "\xff"}, "reader"},
		{"a reader of the greatest length", request{Kind: "pin", PIN: pin, Reader: strings.Repeat("a", 256)}, ""},
		{"a reader that is too long", request{Kind: "pin", PIN: pin, Reader: strings.Repeat("a", 257)}, "reader"},
		{"no kind", request{PIN: pin}, "kind"},
		{"unknown kind", request{Kind: "Enrol", PIN: pin, Birth: birth}, "kind"},
		{"no PIN", request{Kind: "pin"}, "pin"},
		{"PIN of three", request{Kind: "pin", PIN: secret("864")}, "pin"},
		{"PIN of five", request{Kind: "pin", PIN: secret("86420")}, "pin"},
		{"letters", request{Kind: "pin", PIN: secret("86A2")}, "pin"},
		{"wide digits", request{Kind: "pin", PIN: secret("８６４２")}, "pin"},
		{"one wide digit and one of ASCII", request{Kind: "pin", PIN: secret("８2")}, "pin"},
		{"attributes with a check", request{Kind: "pin", PIN: pin, Attributes: true, SamePIN: true}, "attributes"},
		{"same PIN without attributes", request{Kind: "enrol", PIN: pin, SamePIN: true, Birth: birth}, "same_pin"},
		{"same PIN and another", request{Kind: "enrol", PIN: pin, Attributes: true, SamePIN: true, InputPIN: input}, "same_pin"},
		{"attributes and nothing said of their PIN", request{Kind: "enrol", PIN: pin, Attributes: true}, "input_pin"},
		{"input-assist PIN of three", request{Kind: "enrol", PIN: pin, Attributes: true, InputPIN: secret("975")}, "input_pin"},
		{"input-assist PIN without attributes", request{Kind: "enrol", PIN: pin, InputPIN: input, Birth: birth}, "input_pin"},
		{"bad input-assist PIN without attributes", request{Kind: "enrol", PIN: pin, InputPIN: secret("9"), Birth: birth}, "input_pin"},
		{"enrolment with nothing", request{Kind: "enrol", PIN: pin}, "birth"},
		{"attributes and birth date", request{Kind: "enrol", PIN: pin, Attributes: true, SamePIN: true, Birth: birth}, "birth"},
		{"birth date with a check", request{Kind: "pin", PIN: pin, Birth: birth}, "birth"},
		{"birth date of six", request{Kind: "enrol", PIN: pin, Birth: secret("550217")}, "birth"},
		{"month 13", request{Kind: "enrol", PIN: pin, Birth: secret("19801317")}, "birth"},
		{"day 32", request{Kind: "enrol", PIN: pin, Birth: secret("19800232")}, "birth"},
		{"era with a check", request{Kind: "pin", PIN: pin, Era: "showa"}, "era"},
		{"an era that never was", request{Kind: "enrol", PIN: pin, Birth: birth, Era: "Showa"}, "era"},
		{"a link", request{Kind: "link", Number: secret("L-0042")}, ""},
		{"a link with the PIN", request{Kind: "link", PIN: pin, Number: secret("図書 42")}, ""},
		{"a link without a number", request{Kind: "link"}, "number"},
		{"a link with a bad PIN", request{Kind: "link", PIN: secret("1"), Number: secret("L-0042")}, "pin"},
		{"a link with a long number", request{Kind: "link", Number: secret(strings.Repeat("1", 65))}, "number"},
		{"a link with a quote", request{Kind: "link", Number: secret(`1"2`)}, "number"},
		{"a link with a backslash", request{Kind: "link", Number: secret(`1\2`)}, "number"},
		{"a link with spaces around it, and wide", request{Kind: "link", Number: secret(" １２")}, ""},
		{"a link with nothing but spaces", request{Kind: "link", Number: secret(" 　")}, "number"},
		{"a link with a birth date", request{Kind: "link", Number: secret("12"), Birth: birth}, "birth"},
		{"a number taken back", request{Kind: "unlink"}, ""},
		{"a number taken back with the PIN", request{Kind: "unlink", PIN: pin}, ""},
		{"a number taken back and said", request{Kind: "unlink", Number: secret("12")}, "number"},
		{"a number at a check", request{Kind: "pin", PIN: pin, Number: secret("12")}, "number"},
		{"birth date in words", request{Kind: "enrol", PIN: pin, Birth: secret("1980-217")}, "birth"},
	} {
		err := c.in.Check()
		if c.field == "" {
			if err != nil {
				t.Errorf("%s: Check = %v, want nil", c.name, err)
			}
			continue
		}
		want := localapi.ErrNextForm.Error() + ": " + c.field
		if !errors.Is(err, localapi.ErrNextForm) || err.Error() != want {
			t.Errorf("%s: Check = %v, want %s", c.name, err, want)
		}
	}
}

func TestNextCardRequestIsReadStrictly(t *testing.T) {
	for _, c := range []struct {
		in string
		ok bool
	}{
		{`{"kind":"pin","pin":"8642"}`, true},
		{" {\n\t\"pin\" : \"8642\" ,\r\n \"kind\" : \"pin\" } ", true},
		{`{"kind":"enrol","pin":"8642","attributes":true,"same_pin":false,"input_pin":"9753"}`, true},
		{`{"kind":"enrol","pin":"8642","birth":"19890100","era":"heisei"}`, true},
		{`{"kind":"enrol","pin":"8642","era":"showa","era":"heisei"}`, false},
		{`{"kind":"enrol","pin":"8642","Era":"showa"}`, false},
		{`{"kind":"enrol","pin":"8642","era":4}`, false},
		{`{"kind":"enrol","pin":"8642","birth":"19800217","birth_sure":true,"reader":"Reader [a] 00 00"}`, true},
		{`{"kind":"pin","pin":"8642","birth_sure":"true"}`, false},
		{`{"kind":"pin","pin":"8642","reader":true}`, false},
		{`{"kind":"pin","pin":"8642","reader":null}`, false},
		{`{"kind":"pin","pin":"8642","Reader":"a"}`, false},
		{`{"kind":"pin","pin":"8642","reader":"a","reader":"b"}`, false},
		{`{"kind":"pin","pin":"8642","reader":"a\"b"}`, false},
		{`{"kind":"link","number":"L-0042"}`, true},
		{`{"kind":"link","number":"1","number":"2"}`, false},
		{`{"kind":"link","number":42}`, false},
		{`{}`, true}, // read; Check refuses it
		{`{"kind":"pin","pin":"8642","PIN":"1111"}`, false},
		{`{"kind":"pin","Pin":"8642"}`, false},
		{`{"kind":"pin","pin":"8642","pin":"8642"}`, false},
		{`{"kind":"pin","pin":"8642","note":"x"}`, false},
		{`{"kind":"pin","pin":8642}`, false},
		{`{"kind":"pin","pin":["8642"]}`, false},
		{`{"kind":"pin","pin":{"pin":"8642"}}`, false},
		{`{"kind":"pin","pin":null}`, false},
		{`{"kind":"pin","pin":"\u0038642"}`, false},
		{`{"kind":"pin","\u0070in":"8642"}`, false},
		{`{"kind":"pin","pin":"8642","attributes":"true"}`, false},
		{`{"kind":"pin","pin":"8642","attributes":1}`, false},
		{`{"kind":true,"pin":"8642"}`, false},
		{`{"kind":"pin","pin":"8642"} {}`, false},
		{`{"kind":"pin","pin":"8642"`, false},
		{`{"kind":"pin","pin":"8642",}`, false},
		{`["pin","8642"]`, false},
		{`"8642"`, false},
		{`null`, false},
		{``, false},
	} {
		var r localapi.NextCardRequest
		err := json.Unmarshal([]byte(c.in), &r)
		if (err == nil) != c.ok {
			t.Errorf("Unmarshal(%s) = %v, want accepted %t", c.in, err, c.ok)
		}
		if err != nil && (strings.Contains(err.Error(), "8642") || !r.PIN.IsZero()) {
			t.Errorf("Unmarshal(%s) = %v, want an error without the PIN and a request without it", c.in, err)
		}
	}
}

// P3: a request prints as nothing that was typed, under every verb, in JSON and in a log.
func TestSecretsPrintRedacted(t *testing.T) {
	r := localapi.NextCardRequest{Kind: "enrol", PIN: secret(madeUpPIN), InputPIN: secret(madeUpInput), Birth: secret(madeUpBirth)}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%p"} {
		fmt.Fprintf(&out, verb+" "+verb+" "+verb+"\n", r, &r, r.PIN)
	}
	out.Write(marshal(t, r))
	log := slog.New(slog.NewJSONHandler(&out, nil))
	log.Info("planted", slog.Any("request", r), slog.Any("pin", r.PIN))
	slog.New(slog.NewTextHandler(&out, nil)).Info("planted", slog.Any("request", r), slog.Any("pin", r.PIN))
	for _, planted := range []string{madeUpPIN, madeUpInput, madeUpBirth, fmt.Sprintf("%x", madeUpPIN), "56 54 52 50"} {
		if strings.Contains(out.String(), planted) {
			t.Errorf("%s is printed in\n%s", planted, out.String())
		}
	}
	if !strings.Contains(out.String(), "REDACTED") {
		t.Errorf("nothing says REDACTED in\n%s", out.String())
	}
}

func TestWipeReachesEveryCopy(t *testing.T) {
	r := localapi.NextCardRequest{PIN: secret(madeUpPIN), InputPIN: secret(madeUpInput), Birth: secret(madeUpBirth), Number: secret("L-0042")}
	kept, octets := r, r.PIN.Octets()
	r.Wipe()
	for _, b := range [][]byte{octets, kept.PIN.Octets(), kept.InputPIN.Octets(), kept.Birth.Octets(), kept.Number.Octets()} {
		if len(b) == 0 || !bytes.Equal(b, make([]byte, len(b))) {
			t.Errorf("after Wipe a copy holds %q, want zeroes", b)
		}
	}
	kept.Kind = localapi.NextPIN
	if err := kept.Check(); !errors.Is(err, localapi.ErrNextForm) { // P5: what was wiped is sent to no card
		t.Errorf("Check of a wiped request = %v, want ErrNextForm", err)
	}
}

func TestGoldenNext(t *testing.T) {
	next := localapi.NextCard{Kind: localapi.NextEnrol, Attributes: true, Until: scene.Noon.Add(localapi.NextLasts)}
	golden(t, "next_card.json", marshal(t, localapi.NextState{Next: &next}))
	next.Reader = "Virtual PCD 00 01"
	golden(t, "next_card_reader.json", marshal(t, localapi.NextState{Next: &next}))
	golden(t, "next_card_none.json", marshal(t, localapi.NextState{}))
	for name, r := range map[string]localapi.NextCardRequest{
		"next_card_request_pin.json":   {Kind: "pin", PIN: secret(madeUpPIN)},
		"next_card_request_enrol.json": {Kind: "enrol", PIN: secret(madeUpPIN), Birth: secret(madeUpBirth)},
		"next_card_request_era.json":   {Kind: "enrol", PIN: secret(madeUpPIN), Birth: secret("19890100"), Era: localapi.EraHeisei},
		"next_card_request_reader.json": {
			Kind: "enrol", PIN: secret(madeUpPIN), Birth: secret(madeUpBirth), BirthSure: true, Reader: "Virtual PCD 00 01",
		},
		"next_card_request_link.json":       {Kind: "link", Number: secret("L-0042")},
		"next_card_request_attributes.json": {Kind: "enrol", PIN: secret(madeUpPIN), Attributes: true, InputPIN: secret(madeUpInput)},
	} {
		b := localapi.RequestBody(r)
		golden(t, name, b)
		var got localapi.NextCardRequest
		if err := json.Unmarshal(b, &got); err != nil || !bytes.Equal(localapi.RequestBody(got), b) {
			t.Errorf("%s read and written again = %s, %v", name, localapi.RequestBody(got), err)
		}
	}
	tap := scene.Tap(1, record.VerdictAccepted, record.ReasonInOrder)
	for name, e := range map[string]localapi.Event{
		"event_verdict_enrolled.json": {Type: localapi.EventVerdict, Time: scene.Noon, Tap: &tap, Enrol: &localapi.Enrolled{Bound: true, Attested: true}},
		"event_verdict_unbound.json": {
			Type: localapi.EventVerdict, Time: scene.Noon, Tap: &tap,
			Enrol: &localapi.Enrolled{Hindrance: record.ReasonBirthKeyLocked},
		},
		"event_verdict_pin_each_time.json": {
			Type: localapi.EventVerdict, Time: scene.Noon, Tap: &tap, Enrol: &localapi.Enrolled{PINEachTime: true, Attested: true},
		},
		"event_verdict_linked.json": {
			Type: localapi.EventVerdict, Time: scene.Noon, Tap: &tap, Link: &localapi.Linked{Done: true}, Number: record.NewNumber("L-0042"),
		},
		"event_verdict_link_taken.json": {
			Type: localapi.EventVerdict, Time: scene.Noon, Tap: &tap, Link: &localapi.Linked{Why: localapi.LinkTaken},
		},
		"event_read_failed_doubt.json": {Type: localapi.EventReadFailed, Time: scene.Noon, Failure: localapi.FailureBirthDoubt},
		"event_read_failed_era.json":   {Type: localapi.EventReadFailed, Time: scene.Noon, Failure: localapi.FailureBirthEra},
		"event_read_failed_pin.json": {
			Type: localapi.EventReadFailed, Time: scene.Noon, Failure: localapi.FailurePINWrong,
			Tries: 2, TriesOf: localapi.PINInputAssist,
		},
	} {
		b, err := localapi.MarshalLive(e)
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, b)
	}
}

// What is accepted is what encoding/json reads as well, and holds no octet of the text that was handed in.
func FuzzNextCardRequest(f *testing.F) {
	f.Add([]byte(`{"kind":"enrol","pin":"8642","attributes":true,"same_pin":false,"input_pin":"9753"}`))
	f.Add([]byte(`{"kind":"enrol","pin":"8642","birth":"19800217"}`))
	f.Add([]byte(`{"kind":"enrol","pin":"8642","birth":"19890100","era":"showa"}`))
	f.Add([]byte(`{"kind":"enrol","pin":"8642","birth":"19800217","birth_sure":true,"reader":"Virtual PCD 00 01"}`))
	f.Add([]byte(`{"kind":"link","number":"L-0042"}`))
	f.Add([]byte(` { } `))
	f.Add([]byte(`{"pin":"\"","pin":tru}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r localapi.NextCardRequest
		if err := r.UnmarshalJSON(b); err != nil {
			return
		}
		var plain struct {
			Kind       string `json:"kind"`
			PIN        string `json:"pin"`
			SamePIN    bool   `json:"same_pin"`
			InputPIN   string `json:"input_pin"`
			Attributes bool   `json:"attributes"`
			Birth      string `json:"birth"`
			Era        string `json:"era"`
			BirthSure  bool   `json:"birth_sure"`
			Reader     string `json:"reader"`
			Number     string `json:"number"`
		}
		if err := json.Unmarshal(b, &plain); err != nil {
			t.Fatalf("accepted %q, which is no such JSON: %v", b, err)
		}
		clear(b)
		valid := r.Check() == nil
		if valid && (plain.Kind != string(r.Kind) || plain.PIN != r.PIN.Reveal() || plain.InputPIN != r.InputPIN.Reveal() ||
			plain.Birth != r.Birth.Reveal() || plain.Era != string(r.Era) || plain.SamePIN != r.SamePIN || plain.Attributes != r.Attributes ||
			plain.BirthSure != r.BirthSure || plain.Reader != r.Reader || plain.Number != r.Number.Reveal()) {
			t.Errorf("read %+v otherwise than encoding/json", plain)
		}
	})
}
