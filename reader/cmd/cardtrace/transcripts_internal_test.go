package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/trace"
	"kazashi.example/reader/vcard"
)

// update records the transcripts anew: go test ./reader/cmd/cardtrace -run Transcripts -update.
var update = flag.Bool("update", false, "record testdata/reader/transcripts anew")

const (
	transcripts = "../../../testdata/reader/transcripts"
	trustFile   = transcripts + "/practice-trust.pem"
)

// recorded is one transcript of a practice person's card.
type recorded struct {
	name      string // of the file
	person    string
	procedure string
	values    func(people.Person) []string
	masked    bool
	short     bool // the card refuses extended lengths
	blocked   bool // the authentication PIN's tries are used up
	want      error
	// stops says how far a replay comes: to the end without, or to the first masked answer.
	stops error
}

// octets are values as they are typed.
func octets(values []string) (out [][]byte) {
	for _, v := range values {
		out = append(out, []byte(v))
	}
	return out
}

func none(people.Person) []string            { return nil }
func birthOf(p people.Person) []string       { return []string{p.Birth.Compact()} }
func pinOf(p people.Person) []string         { return []string{p.AuthPIN} }
func wrongPIN(p people.Person) []string      { return []string{otherPIN(p.AuthPIN)} }
func inputPINOf(p people.Person) []string    { return []string{p.InputPIN} }
func passwordOf(p people.Person) []string    { return []string{p.SignPassword} }
func pinsOf(p people.Person) []string        { return []string{p.AuthPIN, p.InputPIN} }
func pinAndBirthOf(p people.Person) []string { return []string{p.AuthPIN, p.Birth.Compact()} }

// otherPIN is a PIN that is not this one.
func otherPIN(pin string) string {
	if pin == "0000" {
		return "1111"
	}
	return "0000"
}

var recordings = []recorded{
	{name: "certificate", person: "hanako", procedure: "certificate", values: none},
	{name: "certificate-short", person: "hanako", procedure: "certificate", values: none, short: true},
	{name: "info", person: "hanako", procedure: "info", values: none},
	{name: "pin-status", person: "hanako", procedure: "pin-status", values: none},
	{name: "card", person: "hanako", procedure: "card", values: birthOf},
	{name: "card-short", person: "hanako", procedure: "card", values: birthOf, short: true},
	{name: "card-bound", person: "hanako", procedure: "card-bound", values: none},
	{name: "pin", person: "hanako", procedure: "pin", values: pinOf},
	{name: "pin-wrong", person: "hanako", procedure: "pin", values: wrongPIN, want: mynumber.ErrWrongPIN},
	{name: "pin-blocked", person: "hanako", procedure: "pin", values: pinOf, blocked: true, want: mynumber.ErrBlocked},
	{name: "attributes", person: "hanako", procedure: "attributes", values: inputPINOf, stops: trace.ErrMasked},
	{name: "enrol", person: "hanako", procedure: "enrol", values: pinsOf, stops: trace.ErrMasked},
	{name: "enrol-without-attributes", person: "hanako", procedure: "enrol-without-attributes", values: pinAndBirthOf},
	{name: "sign-certificate", person: "hanako", procedure: "sign-certificate", values: passwordOf},
	{name: "next-card", person: "mirai", procedure: "card", values: birthOf},
	{name: "next-attributes", person: "mirai", procedure: "attributes", values: pinOf},
	{name: "next-enrol", person: "mirai", procedure: "enrol", values: pinsOf},
	{name: "masked-certificate", person: "hanako", procedure: "certificate", values: none, masked: true, stops: trace.ErrMasked},
	{name: "masked-info", person: "hanako", procedure: "info", values: none, masked: true},
	{name: "masked-pin-status", person: "hanako", procedure: "pin-status", values: none, masked: true},
	{name: "masked-phone", person: "sumire", procedure: "certificate", values: none, masked: true, want: mynumber.ErrPINNeeded},
}

func (r recorded) path() string { return filepath.Join(transcripts, r.name+".trace") }

// practicePerson is a person of the world that the transcripts are of; the seed fixes PIN and birth date.
func practicePerson(t *testing.T, key string) people.Person {
	t.Helper()
	for _, p := range people.Make(world.DefaultSeed, people.Max) {
		if p.Key == key {
			return p
		}
	}
	t.Fatalf("nobody in the practice world is called %s", key)
	return people.Person{}
}

// inProcess is a virtual card without a reader, which may refuse extended lengths.
type inProcess struct {
	card  *vcard.Card
	short bool
}

func (l inProcess) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	if l.short && len(cmd) > 5 && cmd[4] == 0 {
		return []byte{0x67, 0x00}, nil
	}
	return l.card.Transmit(cmd), nil
}

// lay makes a person's card of a world, with all its tries.
func lay(t *testing.T, w *world.World, key string, short bool) inProcess {
	t.Helper()
	p, err := w.Person(key)
	if err != nil {
		t.Fatal(err)
	}
	profile, err := vcard.LoadProfile(p.Profile)
	if err != nil {
		t.Fatal(err)
	}
	card, err := vcard.New(profile, vcard.NewFileStore(filepath.Join(t.TempDir(), "state")))
	if err != nil {
		t.Fatal(err)
	}
	return inProcess{card, short}
}

// block uses the authentication PIN's tries up.
func block(card *vcard.Card, wrong string) {
	card.Transmit([]byte("\x00\xA4\x04\x0C\x0A\xD3\x92\xF0\x00\x26\x01\x00\x00\x00\x01"))
	for range 3 {
		card.Transmit([]byte("\x00\x20\x00\x98\x04" + wrong))
	}
	card.Reset()
}

// practiceTrust is a trust file for a world.
func practiceTrust(t *testing.T, w *world.World) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, a := range w.Anchors() {
		headers := map[string]string{"Hierarchy": a.Scope.Hierarchy.String(), "Purpose": a.Scope.Purpose.String()}
		if err := pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Headers: headers, Bytes: a.Cert}); err != nil {
			t.Fatal(err)
		}
	}
	cards, err := w.CardAnchors()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range cards {
		headers := map[string]string{"Hierarchy": "practice", "Key-Id": fmt.Sprintf("%X", a.KeyID)}
		if err := pem.Encode(&b, &pem.Block{Type: "PUBLIC KEY", Headers: headers, Bytes: a.Key}); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// record runs a recording on an in-process card, as the record command does on a reader.
func (r recorded) record(t *testing.T, w *world.World, trusted trust) *trace.Transcript {
	t.Helper()
	p, ok := findProcedure(r.procedure)
	if !ok {
		t.Fatalf("no procedure %s", r.procedure)
	}
	link := lay(t, w, r.person, r.short)
	if r.blocked {
		block(link.card, wrongPIN(practicePerson(t, r.person))[0])
	}
	rec := trace.NewRecorder(link, p.name)
	if !r.masked {
		rec = trace.NewPracticeRecorder(link, p.name, trusted.practice)
	}
	if err := p.perform(t.Context(), rec, trusted, !r.masked, octets(r.values(practicePerson(t, r.person)))); !errors.Is(err, r.want) {
		t.Fatalf("recording %s = %v, want %v", r.name, err, r.want)
	}
	tr, err := rec.Transcript()
	if err != nil {
		t.Fatalf("Transcript of %s = %v", r.name, err)
	}
	return tr
}

// The transcripts in testdata run through the real procedures, without a card and without pcscd: command by command as recorded, and with
// the same end. P4: what needs the integrity record of 券面事項入力補助AP cannot be replayed past it.
func TestTranscripts(t *testing.T) {
	if *update {
		recordAll(t)
	}
	trusted, err := loadTrust(trustFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recordings {
		t.Run(r.name, func(t *testing.T) {
			tr, err := load(r.path())
			if err != nil {
				t.Fatal(err)
			}
			if tr.Procedure != r.procedure || tr.Unmasked == r.masked {
				t.Errorf("transcript of %s, unmasked %v, want %s, %v", tr.Procedure, tr.Unmasked, r.procedure, !r.masked)
			}
			p, _ := findProcedure(tr.Procedure)
			n, err := replay(t.Context(), p, tr, trusted, octets(r.values(practicePerson(t, r.person))))
			want := r.want
			if r.stops != nil {
				want = r.stops
			}
			if !errors.Is(err, want) || r.stops == nil && n != len(tr.Exchanges) {
				t.Errorf("replay = %d of %d commands, %v, want %v", n, len(tr.Exchanges), err, want)
			}
		})
	}
}

// What is recorded from a card of another world today has the commands, lengths and status words of the transcripts: a certificate of
// another world may differ in length by an octet or two, its answer alone.
func TestTranscriptsAreOfToday(t *testing.T) {
	w := worldtest.Open(t, world.Config{Now: madeOn})
	trusted, err := parseTrust(practiceTrust(t, w))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recordings {
		old, err := load(r.path())
		if err != nil {
			t.Fatal(err)
		}
		if got, want := headers(r.record(t, w, trusted)), headers(old); !slices.Equal(got, want) {
			t.Errorf("%s today:\n%s\nin testdata:\n%s", r.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func headers(t *trace.Transcript) []string {
	var out []string
	for _, x := range t.Exchanges {
		out = append(out, fmt.Sprintf("%s lc=%d answered %v", x.Header, x.Data.Len, x.SW))
	}
	return out
}

// madeOn is the day around which the recorded world was built.
var madeOn = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

// recordAll writes every transcript, and the trust file that they are replayed with, from the default practice world.
func recordAll(t *testing.T) {
	t.Helper()
	w := worldtest.Open(t, world.Config{Now: madeOn})
	file := practiceTrust(t, w)
	trusted, err := parseTrust(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(transcripts, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(trustFile, file, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, r := range recordings {
		if err := os.WriteFile(r.path(), r.record(t, w, trusted).Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// P3, P4: no file in testdata shows the Individual Number's file, its digest, or what a masked transcript must not.
func TestP3P4TranscriptsShowNothing(t *testing.T) {
	files, err := filepath.Glob(transcripts + "/*.trace")
	if err != nil || len(files) != len(recordings) {
		t.Fatalf("%d transcripts, %v, want %d", len(files), err, len(recordings))
	}
	for _, r := range recordings {
		b, err := os.ReadFile(r.path())
		if err != nil {
			t.Fatal(err)
		}
		p := practicePerson(t, r.person)
		secrets := []string{p.IndividualNumber}
		if r.masked {
			secrets = append(secrets, p.Birth.Compact(), p.AuthPIN, p.InputPIN, p.Family, p.Address)
		}
		for _, s := range secrets {
			if bytes.Contains(b, fmt.Appendf(nil, "%X", s)) {
				t.Errorf("%s shows %X", r.name, s)
			}
		}
		if r.person == "hanako" && strings.Contains(r.procedure, "attributes") && r.procedure != "enrol-without-attributes" &&
			!bytes.Contains(b, []byte("00B08300 X - 65536 = 336:* 9000")) {
			t.Errorf("%s does not mask the integrity record", r.name)
		}
	}
}
