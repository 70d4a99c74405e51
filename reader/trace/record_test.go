package trace_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/apdu"
	"kazashi.example/reader/trace"
	"kazashi.example/reader/vcard"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// inProcess is the virtual card without a reader.
type inProcess struct{ card *vcard.Card }

func (l inProcess) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	return l.card.Transmit(cmd), nil
}

// script answers one after the other, whatever is asked: for answers that the virtual card does not give.
type script struct {
	answers []string // hex, or an error's text after "error "
	at      int
}

var errTorn = errors.New("card was removed")

func (s *script) Transmit(ctx context.Context, _ []byte) ([]byte, error) {
	a := s.answers[s.at]
	s.at++
	switch a {
	case "no-answer":
		return nil, fmt.Errorf("reader: %w", apdu.ErrNoAnswer)
	case "removed":
		return nil, errTorn
	case "ended":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return hex.DecodeString(strings.ReplaceAll(a, " ", ""))
}

// practiceCard is a card of the practice world and all that is on it.
func practiceCard(t *testing.T) (inProcess, *vcard.Profile) {
	t.Helper()
	w := worldtest.Open(t, world.Config{People: 1})
	people, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := vcard.LoadProfile(people[0].Profile)
	if err != nil {
		t.Fatal(err)
	}
	card, err := vcard.New(profile, vcard.NewFileStore(t.TempDir()+"/state"))
	if err != nil {
		t.Fatal(err)
	}
	return inProcess{card}, profile
}

const (
	selectJPKI   = "00A4040C0A D392F000260100000001"
	selectInput  = "00A4040C0A D3921000310001010408"
	selectFace   = "00A4040C0A D3921000310001010402"
	selectCommon = "00A4040C0A D3921000310001010100"
	selectJuki   = "00A4040C0A D3921000310001010401"
)

func verify(p2 byte, value string) string {
	return fmt.Sprintf("002000%02X%02X%X", p2, len(value), value)
}

// everything is a conversation with every instruction that carries something of a person, by each way to name a file.
func everything(p *vcard.Profile) []string {
	digest := "802A0097 33 3031300D060960864801650304020105000420" + strings.Repeat("A5", 32) + "00"
	return []string{
		"00B08A0000", // before anything is selected
		selectJPKI, "00B08600000000", "00B0860000", "00B08800000000", "00B08B00000000", "00B08200000000",
		"00B08A00000000", "00B08A0000", "00B0010000", "00B0020000", "00A4020C02 000A", "00B0000000", "00B0000100", "00B0400000",
		"00200098", verify(0x98, "0000"), verify(0x98, p.AuthPIN), digest, "00840000 08",
		"00A4020C02 0018", "00200080", verify(0x80, p.AuthPIN), "00240180 04" + hex.EncodeToString([]byte("8642")),
		"00A4020C02 0017", "802A0080 33 3031300D060960864801650304020105000420" + strings.Repeat("A5", 32) + "00",
		verify(0x9B, p.SignPassword), "00B08100000000", "802A029A 20" + strings.Repeat("A5", 32) + "00",
		selectInput, "00B0840000", "00B0010000", "00B08500000000",
		verify(0x91, p.InputPIN), "00B08100000000", "00B0810010", "00B08200000000", "00B0820000", "00B08300000000", "00B0830000", "00B0010000",
		"00B08700000000", "00A4020C02 0001", "00B0000300", "00A4020C02 0003", "00B0000000", "00B0004020",
		verify(0x94, p.IndividualNumber), "00A4020C02 0014", verify(0x80, p.IndividualNumber), verify(0x95, p.NumberB),
		"802A0000 20" + strings.Repeat("A5", 32) + "00",
		selectFace, "00B0840000", "00200091", verify(0x91, p.BirthKey), "00B08100000000", "00B0810000", "00B0010000",
		"802A0000 33 3031300D060960864801650304020105000420" + strings.Repeat("A5", 32) + "00",
		verify(0x93, p.IndividualNumber), "00B08200000000", "00B0850000", "00B0830000", verify(0x92, p.NumberB),
		selectCommon, "00B2010C00", "00B2010D00",
		selectJuki, verify(0x91, p.IndividualNumber),
		"00A4040C05 D392100031", verify(0x94, p.IndividualNumber), "00B08100000000", // by prefix
		"00CA3FFF00", "FFCA000000", "00200080",
	}
}

// converse sends a conversation through a recorder and returns every answer.
func converse(t *testing.T, r *trace.Recorder, commands []string) [][]byte {
	t.Helper()
	var out [][]byte
	for _, c := range commands {
		b, err := r.Transmit(t.Context(), unhex(t, c))
		if err != nil {
			t.Fatalf("Transmit(%s) = %v", c, err)
		}
		out = append(out, b)
	}
	return out
}

// text is the transcript so far.
func text(t *testing.T, r *trace.Recorder) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := r.WriteTo(&b); err != nil {
		t.Fatalf("WriteTo = %v", err)
	}
	return b.String()
}

// plants are the values that name somebody, by what they are. Long ones are looked for in pieces of eight octets, at every second
// octet, so that half an answer shows as well.
func plants(p *vcard.Profile) map[string][]byte {
	return map[string][]byte{
		"authentication PIN": []byte(p.AuthPIN), "input PIN": []byte(p.InputPIN), "changed PIN": []byte("8642"), "password": []byte(p.SignPassword),
		"birth key": []byte(p.BirthKey), "number B": []byte(p.NumberB), "Individual Number": []byte(p.IndividualNumber),
		"authentication certificate": p.AuthCert, "signature certificate": p.SignCert, "age record": p.FaceAge, "face": p.FaceRecord,
		"attributes": p.InputAttributes, "integrity record": p.InputIntegrity, "input key": p.InputPublic, "common record": []byte(p.CommonRecord[:20]),
		"face certificate": p.FaceCVC, "input certificate": p.InputCVC, "face info": p.FaceInfo,
	}
}

const piece = 8

// shared reports octets that a person's certificate has in common with its authority's, which is shown.
func shared(b []byte, p *vcard.Profile) bool {
	return bytes.Contains(p.AuthCA, b) || bytes.Contains(p.SignCA, b)
}

func leaks(s string, p *vcard.Profile) (found []string) {
	for what, v := range plants(p) {
		if len(v) <= 2*piece {
			if strings.Contains(s, fmt.Sprintf("%X", v)) || strings.Contains(s, string(v)) {
				found = append(found, what)
			}
			continue
		}
		for i := 0; i+piece <= len(v); i += 2 {
			if part := v[i : i+piece]; strings.Contains(s, fmt.Sprintf("%X", part)) && !shared(part, p) {
				found = append(found, fmt.Sprintf("%s at octet %d", what, i))
				break
			}
		}
	}
	return found
}

// P3, P4: in the ordinary mode nothing of anybody is in a transcript, whichever instruction carried it.
func TestP3P4MaskedTranscript(t *testing.T) {
	link, p := practiceCard(t)
	r := trace.NewRecorder(link, "pin")
	commands := everything(p)
	answers := converse(t, r, commands)
	said := text(t, r)
	if found := leaks(said, p); len(found) > 0 {
		t.Errorf("the transcript shows %v", found)
	}
	signatures := 0
	for i, c := range commands {
		if !strings.HasPrefix(c, "802A") || len(answers[i]) == 2 {
			continue
		}
		if signatures++; strings.Contains(said, fmt.Sprintf("%X", answers[i][:16])) {
			t.Errorf("the signature of command %d is in the transcript", i)
		}
	}
	if signatures != 5 {
		t.Errorf("the card signed %d times, want 5", signatures)
	}
	if strings.Contains(said, strings.Repeat("A5", 8)) {
		t.Error("what was signed is in the transcript")
	}
	for _, want := range []string{
		"00A4040C S 10:D392F000260100000001 - = - 9000",
		fmt.Sprintf("00B08600 X - 65536 = 160:%X* 9000", "JPKIAPICCTOKEN2                 "),
		"00B08800 X - 65536 = 3:8F8F00 9000",
		fmt.Sprintf("00B08B00 X - 65536 = %d:%X 9000", len(p.AuthCA), p.AuthCA),
		fmt.Sprintf("00B08A00 X - 65536 = %d:* 9000", len(p.AuthCert)),
		"00200098 S 4:* - = - 63C2",
		"00200098 S 4:* - = - 9000",
		"00A4040C S 5:* - = - ",
		"802A0097 S 51:* 256 = 256:* 9000",
		"00240180 S 4:* - = - 9000",
		"FFCA0000 S - 256 = - 6E00",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the transcript does not say %.80q", want)
		}
	}
}

// P3: the recorder keeps nothing in memory either that is not in the text.
func TestP3MaskedIsNotKept(t *testing.T) {
	link, p := practiceCard(t)
	r := trace.NewRecorder(link, "pin")
	converse(t, r, everything(p))
	tr, err := r.Transcript()
	if err != nil {
		t.Fatal(err)
	}
	var kept []byte
	for _, x := range tr.Exchanges {
		kept = append(append(kept, x.Data.Shown...), x.Answer.Shown...)
	}
	if found := leaks(fmt.Sprintf("%X", kept), p); len(found) > 0 {
		t.Errorf("the transcript keeps %v", found)
	}
	if said := fmt.Sprintf("%v %+v %#v %x", tr, tr, tr, tr) + slog.AnyValue(tr).Resolve().String(); strings.Contains(said, "JPKI") ||
		strings.Contains(said, "4A504B49") {
		t.Errorf("a transcript prints as %s", said)
	}
}

// P4: what the Individual Number can be found from is masked on a practice card too; all else can be read there.
func TestP4PracticeTranscript(t *testing.T) {
	link, p := practiceCard(t)
	r := trace.NewPracticeRecorder(link, "pin", func(der []byte) bool { return bytes.Equal(der, p.AuthCert) })
	converse(t, r, everything(p))
	said := text(t, r)
	if !strings.HasPrefix(said, "kazashi-card-transcript 1\nmode unmasked\nprocedure pin\n") {
		t.Fatalf("the transcript begins %.60q", said)
	}
	for _, what := range []string{"Individual Number", "integrity record", "common record"} {
		for _, found := range leaks(said, p) {
			if strings.HasPrefix(found, what) {
				t.Errorf("the transcript shows %s", found)
			}
		}
	}
	for _, want := range []string{
		fmt.Sprintf("00200098 S 4:%X - = - 9000", p.AuthPIN),
		fmt.Sprintf("00200091 S 6:%X - = - 9000", p.BirthKey),
		fmt.Sprintf("00B08A00 X - 65536 = %d:%X 9000", len(p.AuthCert), p.AuthCert),
		fmt.Sprintf("00B08200 X - 65536 = %d:%X 9000", len(p.InputAttributes), p.InputAttributes),
		fmt.Sprintf("00B08100 X - 65536 = %d:%X 9000", len(p.FaceAge), p.FaceAge),
		"00B08300 X - 65536 = 336:* 9000",
		"00B08100 X - 65536 = 17:* 9000",
		"00200094 S 12:* - = - 9000",
		"00200093 S 12:* - = - 9000",
		"00200080 S 12:* - = - 9000",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("the transcript does not say %.80q", want)
		}
	}
}

// Nothing comes out unmasked before the card has shown a practice certificate, nor after it has shown another.
func TestUnmaskedIsHeldBack(t *testing.T) {
	link, p := practiceCard(t)
	readCert := []string{selectJPKI, "00B08A00000000"}
	pin := verify(0x98, p.AuthPIN)
	isIt := func(der []byte) bool { return bytes.Equal(der, p.AuthCert) }
	short := []string{selectJPKI, "00B08A0000"}
	for at := 256; at < len(p.AuthCert); at += 256 {
		short = append(short, fmt.Sprintf("00B0%04X%02X", at, byte(min(256, len(p.AuthCert)-at))))
	}
	tests := []struct {
		name     string
		commands []string
		practice func([]byte) bool
		want     error
	}{
		{"certificate last", append([]string{selectJPKI, pin}, readCert...), isIt, nil},
		{"certificate in short reads", short, isIt, nil},
		{"no certificate", []string{selectJPKI, pin}, isIt, trace.ErrNotPractice},
		{"half a certificate", short[:3], isIt, trace.ErrNotPractice},
		{"authority's certificate", []string{selectJPKI, "00B08B00000000", pin}, isIt, trace.ErrNotPractice},
		{"somebody else's certificate", readCert, func([]byte) bool { return false }, trace.ErrNotPractice},
		{"certificate of a file that is not known", []string{"00A4040C05 D392F00026", "00B08A00000000"}, isIt, trace.ErrNotPractice},
	}
	for _, tt := range tests {
		link.card.Reset()
		r := trace.NewPracticeRecorder(link, "pin", tt.practice)
		converse(t, r, tt.commands)
		var b bytes.Buffer
		if _, err := r.WriteTo(&b); !errors.Is(err, tt.want) || (tt.want != nil) != (b.Len() == 0) {
			t.Errorf("%s: WriteTo = %d octets, %v, want %v", tt.name, b.Len(), err, tt.want)
		}
	}
}

// A second card on the same connection, or one that changes its mind, takes the first one's word back.
func TestUnmaskedIsTakenBack(t *testing.T) {
	const a, b = "3003020101", "3003020102"
	r := trace.NewPracticeRecorder(&script{answers: []string{"9000", a + "9000", b + "9000"}}, "pin", func(der []byte) bool {
		return bytes.Equal(der, unhex(t, a))
	})
	converse(t, r, []string{selectJPKI, "00B08A0000", "00B08A0000"})
	if tr, err := r.Transcript(); !errors.Is(err, trace.ErrNotPractice) || tr != nil {
		t.Errorf("Transcript = %v, %v, want ErrNotPractice", tr, err)
	}
}

const plant = "C7C7C7C7"

var followUps = []struct {
	name     string
	unmasked bool
	commands []string
	answers  []string
	shown    bool
}{
	{"certificate by GET RESPONSE", false, []string{selectJPKI, "00B08A0000", "00C0000004"}, []string{"9000", plant + "6104", plant + "9000"}, false},
	{"certificate with its exact length", false, []string{selectJPKI, "00B08A0000", "00B08A0004"}, []string{"9000", "6C04", plant + "9000"}, false},
	{
		"authority by GET RESPONSE", false,
		[]string{selectJPKI, "00B08B0000", "00C0000004"},
		[]string{"9000", "6104", plant + "9000"},
		true,
	},
	{
		"token info behind its label", false,
		[]string{selectJPKI, "00B0860020", "00B0002004", "00B0860000", "00C0000004"},
		[]string{"9000", strings.Repeat("41", 32) + "9000", plant + "9000", strings.Repeat("41", 32) + "6104", plant + "9000"},
		false,
	},
	{
		"GET RESPONSE after another file's end", false,
		[]string{selectJPKI, "00B08B0000", "00C0000004"},
		[]string{"9000", "9000", plant + "9000"},
		false,
	},
	{
		"application that the card did not confirm", false,
		[]string{selectJPKI, "00B08B0000"},
		[]string{"6A82", plant + "9000"},
		false,
	},
	{
		"another application in between", false,
		[]string{selectJPKI, selectFace, "00B08B0000"},
		[]string{"9000", "9000", plant + "9000"},
		false,
	},
	{
		"current file unknown after a refused read", false,
		[]string{selectJPKI, "00B08B0000", "00B08A0000", "00B0000004"},
		[]string{"9000", "9000", "6982", plant + "9000"},
		false,
	},
	{
		"current file unknown after VERIFY by short identifier", true,
		[]string{selectInput, "00B0820004", verify(0x91, "1234"), "00B0000004"},
		[]string{"9000", "9000", "9000", plant + "9000"},
		false,
	},
	{
		"integrity record by GET RESPONSE", true,
		[]string{selectInput, "00B08300000000", "00C0000004"},
		[]string{"9000", plant + "6104", plant + "9000"},
		false,
	},
	{
		"Individual Number at an offset", true,
		[]string{selectInput, "00B0810000", "00B0000304"},
		[]string{"9000", plant + "6282", plant + "9000"},
		false,
	},
	{
		"Individual Number on another channel", true,
		[]string{selectInput, "01B0820000"},
		[]string{"9000", plant + "9000"},
		false,
	},
	{
		"READ BINARY with odd instruction", true,
		[]string{selectInput, "00B1000204 54020000 00"},
		[]string{"9000", plant + "9000"},
		false,
	},
	{
		"files after a command not known here", true,
		[]string{selectInput, "00B0820004", "0070000001", "00B0000004"},
		[]string{"9000", "9000", "9000", plant + "9000"},
		false,
	},
	{
		"a practice attribute", true,
		[]string{selectInput, "00B0820004", "00B0000404"},
		[]string{"9000", "9000", plant + "9000"},
		true,
	},
}

// P3, P4: the follow-ups of an answer are masked as it was. The script's octets C7 are the plant.
func TestP3P4FollowUps(t *testing.T) {
	for _, tt := range followUps {
		t.Run(tt.name, func(t *testing.T) {
			out := &script{answers: tt.answers}
			r := trace.NewRecorder(out, "pin")
			if tt.unmasked { // shows a certificate at the end, so that the transcript is given out
				out.answers = append(out.answers, "9000", "30009000")
				tt.commands = append(tt.commands, selectJPKI, "00B08A0000")
				r = trace.NewPracticeRecorder(out, "pin", func([]byte) bool { return true })
			}
			converse(t, r, tt.commands)
			if said := text(t, r); strings.Contains(said, plant) != tt.shown {
				t.Errorf("transcript shows the plant: %v, want %v\n%s", !tt.shown, tt.shown, said)
			}
		})
	}
}

func TestFailuresAreWords(t *testing.T) {
	out := &script{answers: []string{"no-answer", "removed", "90", "ended"}}
	r := trace.NewRecorder(out, "pin")
	ctx, cancel := context.WithCancel(t.Context())
	for i, want := range []error{apdu.ErrNoAnswer, errTorn, nil} {
		if _, err := r.Transmit(ctx, unhex(t, "00200098")); !errors.Is(err, want) {
			t.Errorf("Transmit %d = %v, want %v", i, err, want)
		}
	}
	cancel()
	if _, err := r.Transmit(ctx, unhex(t, "00200098")); !errors.Is(err, context.Canceled) {
		t.Errorf("Transmit after the end = %v, want context.Canceled", err)
	}
	want := "kazashi-card-transcript 1\nmode masked\nprocedure pin\n00200098 S - - = error no-answer\n00200098 S - - = error gone\n" +
		"00200098 S - - = error nonsense\n00200098 S - - = error ended\nend 4\n"
	if got := text(t, r); got != want {
		t.Errorf("transcript = %s, want %s", got, want)
	}
	if _, err := r.Transmit(t.Context(), []byte{0x00, 0xA4}); !errors.Is(err, apdu.ErrCommand) || out.at != 4 {
		t.Errorf("Transmit(two octets) = %v after %d commands, want apdu.ErrCommand and nothing sent", err, out.at)
	}
}

func TestTooLong(t *testing.T) {
	r := trace.NewRecorder(always("9000"), "pin")
	for range trace.MaxExchanges + 1 {
		if _, err := r.Transmit(t.Context(), unhex(t, "00200098")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Transcript(); !errors.Is(err, trace.ErrTooLong) {
		t.Errorf("Transcript after %d commands = %v, want ErrTooLong", trace.MaxExchanges+1, err)
	}
}

// always gives one answer.
type always string

func (a always) Transmit(context.Context, []byte) ([]byte, error) { return hex.DecodeString(string(a)) }
