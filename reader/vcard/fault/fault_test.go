package fault_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/fault"
	"kazashi.example/reader/vcard/internal/testcard"
)

// step is one command and the answer to it in hex; "torn" and "none" are no answer, with and without the card's leaving; "~" is compared by
// its beginning and its end, around "…".
type step struct{ cmd, want string }

const (
	selectJPKI     = "00A4040C0A D392F000260100000001"
	selectFace     = "00A4040C0A D3921000310001010402"
	selectNextAuth = "00A4040C0A F04B415A415348490001"
	selectNextFace = "00A4040C0A F04B415A415348490002"
	askPIN         = "00200098"
	wrongPIN       = "0020009804 30303030"
	rightPIN       = "0020009804 31323334"
	readStart      = "00B08A0008"
	readExtended   = "00B08A00000008"
	digestInfo     = "3031300D060960864801650304020105000420 E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
)

func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("test vector %q: %v", s, err)
	}
	return b
}

func newCard(t testing.TB, p *vcard.Profile) *vcard.Card {
	t.Helper()
	c, err := vcard.New(p, &vcard.MemoryStore{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wrap(t testing.TB, c fault.Card, texts ...string) fault.Card {
	t.Helper()
	var faults []fault.Fault
	for _, text := range texts {
		f, err := fault.Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q) = %v, want a fault", text, err)
		}
		faults = append(faults, f)
	}
	w, err := fault.Wrap(c, faults...)
	if err != nil {
		t.Fatalf("Wrap(%v) = %v, want a card", texts, err)
	}
	return w
}

func play(t *testing.T, c fault.Card, steps []step) {
	t.Helper()
	for i, s := range steps {
		got := c.Transmit(octets(t, s.cmd))
		text := fmt.Sprintf("%X", got)
		switch {
		case got == nil:
			text = "torn"
		case len(got) == 0:
			text = "none"
		}
		want := strings.ReplaceAll(s.want, " ", "")
		if before, after, ok := strings.Cut(want, "…"); ok {
			if !strings.HasPrefix(text, before) || !strings.HasSuffix(text, after) {
				t.Errorf("step %d: Transmit(%s) = %s, want %s", i, s.cmd, text, want)
			}
			continue
		}
		if text != want {
			t.Errorf("step %d: Transmit(%s) = %s, want %s", i, s.cmd, text, want)
		}
	}
}

// The certificate begins 30 82 01 28 A0 A1 A2 A3, the age record is FF 10 02 41 47.
func TestFaults(t *testing.T) {
	opened := []step{{selectFace, "9000"}, {"0020009106 353530323137", "9000"}}
	for _, tt := range []struct {
		fault string
		steps []step
	}{
		{"tear-before=2", []step{{selectJPKI, "9000"}, {wrongPIN, "torn"}, {askPIN, "torn"}}},
		{"tear-after=2", []step{{selectJPKI, "9000"}, {wrongPIN, "torn"}, {askPIN, "torn"}}},
		{"tear-octet=17", []step{{selectJPKI, "torn"}, {selectJPKI, "torn"}}},
		{"tear-octet=18", []step{{selectJPKI, "9000"}, {askPIN, "torn"}}},
		{"tear-octet=22", []step{{selectJPKI, "9000"}, {askPIN, "torn"}}},
		{"tear-octet=24", []step{{selectJPKI, "9000"}, {askPIN, "63C3"}, {askPIN, "torn"}}},
		{"answer-short", []step{{selectJPKI, "9000"}, {readStart, "30820128A0A1A2 9000"}, {askPIN, "63C3"}}},
		{"answer-short=100", []step{{selectJPKI, "9000"}, {readStart, "9000"}}},
		{"answer-long=2", []step{{selectJPKI, "9000"}, {readStart, "30820128A0A1A2A3 A5A5 9000"}}},
		{"length-short=2", []step{{selectJPKI, "9000"}, {readStart, "30820126A0A1A2A3 9000"}, {"00B08A0102", "8201 9000"}}},
		{"length-long=256", []step{{selectJPKI, "9000"}, {readStart, "30820228A0A1A2A3 9000"}}},
		{"length-long=65536", []step{{selectJPKI, "9000"}, {readStart, "3082FFFFA0A1A2A3 9000"}}},
		{"length-huge", []step{{selectJPKI, "9000"}, {readStart, "30847FFFFFFFA0A1A2A3 9000"}}},
		{"length-indefinite", []step{{selectJPKI, "9000"}, {readStart, "3080A0A1A2A3 9000"}}},
		{"length-long", append(opened, step{"00B0810000", "FF10034147 9000"})},
		{"length-short=9", append(opened, step{"00B0810000", "FF10004147 9000"})},
		{"length-long=65535", append(opened, step{"00B0810000", "FF107F4147 9000"}, step{"00B0810001", "FF 9000"})},
		{"endless-61=3", []step{
			{selectJPKI, "9000"}, {readStart, "A5A5A5 6110"}, {"00C0000010", "A5A5A5 6110"}, {"00C0000010", "A5A5A5 6110"},
		}},
		{"endless-61=0@3", []step{{selectJPKI, "9000"}, {readStart, "30820128A0A1A2A3 9000"}, {readStart, "6110"}}},
		{"endless-6c", []step{{selectJPKI, "9000"}, {readStart, "6C11"}, {"00B08A0011", "6C10"}, {"00B08A0010", "6C11"}}},
		{"flood=9", []step{{selectJPKI, "9000"}, {readStart, "3083000004A5A5A5A5 9000"}}},
		{"flood=2", []step{{selectJPKI, "9000"}, {readStart, "3083 9000"}}},
		{"tlv-bomb=12", []step{{selectJPKI, "9000"}, {readStart, "3083000007 3083000002 3083 9000"}}},
		{"flip-answer=9@3", []step{{selectJPKI, "9000"}, {readStart, "30820128A0A1A2A3 9000"}, {readStart, "30C20128A0A1A2A3 9000"}, {askPIN, "63C3"}}},
		{"flip-answer=64", []step{{selectJPKI, "9000"}, {readStart, "B0820128A0A1A2A3 9000"}}},
		{"refuse-extended", []step{{selectJPKI, "9000"}, {readExtended, "6700"}, {readStart, "30820128A0A1A2A3 9000"}}},
		{"refuse-extended@3", []step{{selectJPKI, "9000"}, {readExtended, "30820128A0A1A2A3 9000"}, {readExtended, "6700"}}},
		{"ignore-extended", []step{{selectJPKI, "9000"}, {readExtended, "none"}, {readStart, "30820128A0A1A2A3 9000"}}},
		{"status-9000", []step{{selectJPKI, "9000"}, {askPIN, "9000"}, {wrongPIN, "63C2"}, {askPIN, "9000"}}},
		{"tries=jpki/0018:1", []step{{selectJPKI, "9000"}, {askPIN, "63C1"}, {wrongPIN, "63C0"}, {rightPIN, "6984"}}},
		{"tries=face/0011:0", []step{{selectFace, "9000"}, {"00200091", "63C0"}, {"0020009106 353530323137", "6984"}}},
		{"sw=6F00@2-3", []step{{selectJPKI, "9000"}, {wrongPIN, "6F00"}, {wrongPIN, "6F00"}, {askPIN, "63C3"}}},
		{"sw=6982", []step{{selectJPKI, "6982"}}},
		{"not-a-my-number-card", []step{{selectJPKI, "6A82"}, {readStart, "6D00"}}},
	} {
		t.Run(tt.fault, func(t *testing.T) { play(t, wrap(t, newCard(t, testcard.Fixed()), tt.fault), tt.steps) })
	}
}

func TestFaultsTogether(t *testing.T) {
	c := wrap(t, newCard(t, testcard.Fixed()), "tries=jpki/0018:0", "blocked-6983", "refuse-extended", "tear-before=5")
	play(t, c, []step{
		{selectJPKI, "9000"}, {askPIN, "63C0"}, {rightPIN, "6983"}, {readExtended, "6700"}, {readStart, "torn"},
	})
}

// P5: whether the card did the command that it was torn away in shows in its counter.
func TestP5TearBeforeAndAfter(t *testing.T) {
	for text, want := range map[string]uint8{
		"tear-before=2": 3, "tear-after=2": 2,
		"tear-octet=26": 3, // 15 up, 2 down, and the last of 9 up
		"tear-octet=27": 2, // the first octet of the answer
		"tear-octet=28": 2,
	} {
		card := newCard(t, testcard.Fixed())
		play(t, wrap(t, card, text), []step{{selectJPKI, "9000"}, {wrongPIN, "torn"}})
		if got := card.Tries()["jpki/0018"]; got != want {
			t.Errorf("%s: %d tries left, want %d", text, got, want)
		}
	}
}

func TestFloodIsWhatVPCDCarries(t *testing.T) {
	c := wrap(t, newCard(t, testcard.Fixed()), "flood")
	c.Transmit(octets(t, selectJPKI))
	got := c.Transmit(octets(t, readStart))
	if len(got) != 65535 || fmt.Sprintf("%X", got[:6]) != "308300FFF8A5" {
		t.Errorf("flood = %d octets that begin %X, want 65535 that begin 308300FFF8A5", len(got), got[:6])
	}
}

func TestFlipSignature(t *testing.T) {
	for text, want := range map[string]string{"flip-signature": "80", "flip-signature=15": "0001", "flip-signature=2047": strings.Repeat("00", 255) + "01"} {
		card := newCard(t, testcard.Fixed())
		sign := octets(t, "802A000033"+digestInfo+"00") // PKCS #1 v1.5: the same every time
		card.Transmit(octets(t, selectFace))
		honest := card.Transmit(sign)
		got := wrap(t, card, text).Transmit(sign)
		for i, b := range octets(t, want) {
			honest[i] ^= b
		}
		if len(got) != 258 || string(got) != string(honest) {
			t.Errorf("%s = %X, want one bit changed: %X", text, got, honest)
		}
	}
}

func TestNonsense(t *testing.T) {
	answers := map[string]bool{}
	for range 2 {
		c := wrap(t, newCard(t, testcard.Fixed()), "nonsense@2")
		play(t, c, []step{{selectJPKI, "9000"}})
		for range 50 {
			got := c.Transmit(octets(t, readStart))
			if len(got) == 0 || len(got) > 302 {
				t.Errorf("Transmit() = %d octets, want 1 to 302", len(got))
			}
			answers[string(got)] = true
		}
	}
	if len(answers) < 45 || len(answers) > 50 {
		t.Errorf("two runs gave %d different answers, want the same 50 or nearly so", len(answers))
	}
}

func write(t *testing.T, p *vcard.Profile) string {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "victim.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The victim's certificate is 30 03 01 02 03; the genuine card has its own, and its own age record.
func TestRelay(t *testing.T) {
	victim := testcard.Fixed()
	victim.AuthCert, victim.FaceAge = octets(t, "3003010203"), octets(t, "FF100156")
	genuine := newCard(t, testcard.Fixed())
	c := wrap(t, genuine, "relay="+write(t, victim))
	play(t, c, []step{
		{selectJPKI, "9000"},
		{"00B08A0000", "3003010203 9000"},
		{"00B0810000", "6A82"}, // not free to read, so not there
		{askPIN, "63C3"},
		{"0020009804 39393939", "9000"}, // takes every PIN
		{"802A009733" + digestInfo + "00", "…9000"},
		{selectFace, "9000"},
		{"00200091", "63CA"},
		{"0020009106 353530323137", "9000"},
		{"00B0810000", "FF10024147 9000"}, // the genuine card's
		{"802A000033" + digestInfo + "00", "…9000"},
		{selectJPKI, "9000"},
		{"00B08A0000", "3003010203 9000"},
		{selectFace, "9000"},
		{"00B0810000", "6982"}, // a selection ends the security status, as on one card
	})
	genuine.Transmit(octets(t, selectFace))
	sign := octets(t, "802A000033"+digestInfo+"00")
	want := genuine.Transmit(sign)
	c.Transmit(octets(t, selectFace))
	if got := c.Transmit(sign); string(got) != string(want) {
		t.Error("signature of the face application is another's, want the genuine card's")
	}
	if got := genuine.Tries()["jpki/0018"]; got != 3 {
		t.Errorf("the genuine card has %d tries left, want 3", got)
	}
	c.Reset()
	play(t, c, []step{{"00B0000000", "6986"}})
	if string(c.ATR()) != string(genuine.ATR()) {
		t.Errorf("ATR() = %X, want the genuine card's", c.ATR())
	}
}

func TestRelayOfNextGeneration(t *testing.T) {
	victim := testcard.Next()
	victim.AuthCert = octets(t, "3003010203")
	c := wrap(t, newCard(t, testcard.Next()), "relay="+write(t, victim))
	play(t, c, []step{
		{selectNextAuth, "9000"},
		{"00B08A0000", "3003010203 9000"},
		{rightPIN, "9000"},
		{"00B0920000", "6A82"}, // attributes are behind the PIN
		{selectNextFace, "9000"},
		{"00B0840000", "7F21024356 9000"},
	})
	c.Transmit(octets(t, selectNextAuth))
	if got := c.Transmit(octets(t, "802A009730"+strings.Repeat("5A", 48)+"00")); len(got) != 98 {
		t.Errorf("signature without a key = %d octets, want 98", len(got))
	}
}

func TestWrapRefuses(t *testing.T) {
	card := newCard(t, testcard.Fixed())
	phone := write(t, testcard.Phone())
	token := write(t, &vcard.Profile{Label: "lent", Kind: vcard.Token, UID: "01020304"})
	for name, tt := range map[string]struct {
		card   fault.Card
		faults []fault.Fault
	}{
		"nothing":             {nil, nil},
		"zero":                {card, []fault.Fault{{}}},
		"unknown":             {card, []fault.Fault{{Kind: "hot"}}},
		"tear without a card": {nil, []fault.Fault{{Kind: fault.TearBefore, N: 1}}},
		"relay without card":  {nil, []fault.Fault{{Kind: fault.Relay, Name: phone}}},
		"out of range":        {card, []fault.Fault{{Kind: fault.TearBefore}}},
		"window":              {card, []fault.Fault{{Kind: fault.Endless6C, First: 3, Last: 2}}},
		"window of a tear":    {card, []fault.Fault{{Kind: fault.TearBefore, N: 1, First: 1}}},
		"name of none":        {card, []fault.Fault{{Kind: fault.Endless6C, Name: "x"}}},
		"no such reference":   {card, []fault.Fault{{Kind: fault.Tries, Name: "jpki/0099"}}},
		"too many tries":      {card, []fault.Fault{{Kind: fault.Tries, Name: "jpki/0018", N: 4}}},
		"tries of a stranger": {nil, []fault.Fault{{Kind: fault.Stranger}, {Kind: fault.Tries, Name: "jpki/0018"}}},
		"no victim":           {card, []fault.Fault{{Kind: fault.Relay, Name: phone + "x"}}},
		"victim is a phone":   {card, []fault.Fault{{Kind: fault.Relay, Name: phone}}},
		"victim is a token":   {card, []fault.Fault{{Kind: fault.Relay, Name: token}}},
	} {
		if _, err := fault.Wrap(tt.card, tt.faults...); !errors.Is(err, fault.ErrFault) {
			t.Errorf("%s: Wrap() = %v, want %v", name, err, fault.ErrFault)
		}
	}
	if got, err := fault.Wrap(card); err != nil || got != fault.Card(card) {
		t.Errorf("Wrap() without faults = %v, %v, want the card itself", got, err)
	}
}

func TestParse(t *testing.T) {
	for in, want := range map[string]fault.Fault{
		"tear-after=3":             {Kind: fault.TearAfter, N: 3},
		"endless-61":               {Kind: fault.Endless61, N: 16},
		"endless-61@2":             {Kind: fault.Endless61, N: 16, First: 2},
		"endless-61=0@2-5":         {Kind: fault.Endless61, First: 2, Last: 5},
		"sw=6f00@4-4":              {Kind: fault.StatusWord, N: 0x6F00, First: 4, Last: 4},
		"tries=face/0011:2":        {Kind: fault.Tries, Name: "face/0011", N: 2},
		"relay=/a=b@3/c.json":      {Kind: fault.Relay, Name: "/a=b@3/c.json"},
		"refuse-extended":          {Kind: fault.RefuseExtended},
		"not-a-my-number-card":     {Kind: fault.Stranger},
		"flip-signature=2047@1-99": {Kind: fault.FlipSignature, N: 2047, First: 1, Last: 99},
	} {
		if got, err := fault.Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %+v, %v, want %+v", in, got, err, want)
		}
	}
	for _, in := range []string{
		"", "hot", "tear-before", "tear-before=", "tear-before=0", "tear-before=-1", "tear-before=+1", "tear-before=1@2", "tear-after=x",
		"sw", "sw=60", "sw=5FFF", "sw=06F00", "endless-61=256", "endless-61@", "endless-61@0", "endless-61@3-2", "endless-61@1-", "endless-6c=1",
		"refuse-extended=", "refuse-extended=@3", "relay", "relay=", "tries=face/0011", "tries=:2", "tries=face/0011:16",
		"tries=a:b:1", "not-a-my-number-card@1", "length-huge=1", "flip-signature=2048",
	} {
		if _, err := fault.Parse(in); !errors.Is(err, fault.ErrFault) {
			t.Errorf("Parse(%q) = %v, want %v", in, err, fault.ErrFault)
		}
	}
}

// Every kind stands in the help with a form that Parse takes.
func TestUsage(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(fault.Usage()), "\n")
	if len(lines) != 24 {
		t.Errorf("Usage() = %d lines, want 24", len(lines))
	}
	values := map[string]string{"N": "1", "BIT": "1", "PROFILE": "/x", "REFERENCE:N": "a:1", "XXXX": "6A82"}
	for _, line := range lines {
		form, window := strings.CutSuffix(strings.Fields(line)[0], "[@FIRST[-LAST]]")
		form, optional := strings.CutSuffix(form, "]")
		name, value, ok := strings.Cut(form, "=")
		forms := []string{name}
		if ok {
			name = strings.TrimSuffix(name, "[")
			forms = []string{name + "=" + values[value]}
		}
		if optional {
			forms = append(forms, name)
		}
		for _, text := range forms {
			if window {
				text += "@1-2"
			}
			if _, err := fault.Parse(text); err != nil {
				t.Errorf("Parse(%q) = %v, want the form of the help to work", text, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", "tear-after=3", "endless-61@2-5", "sw=6F00@4", "tries=face/0011:2", "relay=/x@1", "flood=65536", "not-a-my-number-card", "sw==@-",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := fault.Parse(s)
		if err != nil {
			if !errors.Is(err, fault.ErrFault) {
				t.Fatalf("Parse(%q) = %v, want %v", s, err, fault.ErrFault)
			}
			return
		}
		if again, err := fault.Parse(got.String()); err != nil || again != got {
			t.Fatalf("Parse(%q) = %+v, %v, want %+v", got.String(), again, err, got)
		}
	})
}

// No fault makes a card panic or answer more than it may, whatever it is asked.
func FuzzTransmit(f *testing.F) {
	for _, s := range []string{"", "00", readStart, readExtended, askPIN, wrongPIN, "802A000003 616263 00", "00C0000010"} {
		f.Add(uint8(1), octets(f, s))
	}
	texts := []string{
		"tear-after=3", "tear-octet=30", "answer-short=3", "answer-long=3", "length-short", "length-long", "length-huge", "length-indefinite",
		"endless-61", "endless-6c", "flood", "tlv-bomb", "flip-answer=77", "flip-signature", "refuse-extended", "ignore-extended", "status-9000", "blocked-6983", "nonsense",
	}
	card := newCard(f, testcard.Fixed())
	f.Fuzz(func(t *testing.T, which uint8, command []byte) {
		card.Reset()
		if err := card.ResetCounts(); err != nil {
			t.Fatal(err)
		}
		c := wrap(t, card, texts[int(which)%len(texts)])
		for _, cmd := range [][]byte{octets(t, selectJPKI), command, octets(t, selectFace), command} {
			if got := c.Transmit(cmd); len(got) > 65536+2 {
				t.Fatalf("Transmit(%X) = %d octets, want no more than 65538", cmd, len(got))
			}
		}
	})
}
