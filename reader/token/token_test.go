package token_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/token"
	"kazashi.example/reader/vcard"
)

// Written out by hand from the sources that reader/SOURCES.md names.
const (
	selectJPKI = "00A4040C0AD392F000260100000001"
	selectNext = "00A4040C0AF04B415A415348490001"
	getUID     = "FFCA000000"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// card answers by table; what is not in it gets 6D00. It keeps what reached it.
type card struct {
	answers map[string]string // "" is apdu.ErrNoAnswer, "gone" a card that was taken away
	got     []string
}

var errGone = errors.New("card was taken away")

func (c *card) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	key := strings.ToUpper(hex.EncodeToString(cmd))
	c.got = append(c.got, key)
	answer, ok := c.answers[key]
	switch {
	case !ok:
		return []byte{0x6D, 0x00}, nil
	case answer == "":
		return nil, apdu.ErrNoAnswer
	case answer == "gone":
		return nil, errGone
	}
	return hex.DecodeString(strings.ReplaceAll(answer, " ", ""))
}

func TestRead(t *testing.T) {
	tests := []struct {
		name    string
		answers map[string]string
		want    string
		kind    token.Kind
		err     error
	}{
		{"lent card", map[string]string{getUID: "01020304 9000"}, "01020304", token.Single, nil},
		{"double size", map[string]string{getUID: "04112233445566 9000"}, "04112233445566", token.Double, nil},
		{"transit card", map[string]string{getUID: "0101060112345678 9000", selectJPKI: "6A81", selectNext: "6A81"}, "0101060112345678", token.Eight, nil},
		{"transit card, reader passes no command", map[string]string{getUID: "0101060112345678 9000", selectJPKI: "", selectNext: ""}, "0101060112345678", token.Eight, nil},
		{"triple size", map[string]string{getUID: "04112233445566778899 9000"}, "04112233445566778899", token.Triple, nil},
		{"class not supported", map[string]string{getUID: "01020304 9000", selectJPKI: "6E00", selectNext: "6E00"}, "01020304", token.Single, nil},
		{"application not found", map[string]string{getUID: "01020304 9000", selectJPKI: "6A82", selectNext: "6A82"}, "01020304", token.Single, nil},
		{"double size, reader failed", map[string]string{getUID: "04112233445566 9000", selectJPKI: "6300", selectNext: "6300"}, "04112233445566", token.Double, nil},
		{"4 octets, reader failed", map[string]string{getUID: "01020304 9000", selectJPKI: "6300"}, "", 0, token.ErrNoUID},
		{"random", map[string]string{getUID: "08020304 9000"}, "", 0, token.ErrRandomUID},
		{"7 octets that begin with 08 are not random", map[string]string{getUID: "08112233445566 9000"}, "08112233445566", token.Double, nil},
		{"first part of a longer one", map[string]string{getUID: "88041122 9000"}, "", 0, token.ErrNoUID},
		{"zeros", map[string]string{getUID: "00000000 9000"}, "", 0, token.ErrNoUID},
		{"filler", map[string]string{getUID: "FFFFFFFFFFFFFF 9000"}, "", 0, token.ErrNoUID},
		{"empty", map[string]string{getUID: "9000"}, "", 0, token.ErrNoUID},
		{"5 octets", map[string]string{getUID: "0102030405 9000"}, "", 0, token.ErrNoUID},
		{"11 octets", map[string]string{getUID: "0102030405060708090A0B 9000"}, "", 0, token.ErrNoUID},
		{"contact reader", map[string]string{getUID: "6E00"}, "", 0, token.ErrNoUID},
		{"not supported", map[string]string{getUID: "6A81"}, "", 0, token.ErrNoUID},
		{"with a warning", map[string]string{getUID: "01020304 6282"}, "", 0, token.ErrNoUID},
		{"no status word", map[string]string{getUID: "90"}, "", 0, token.ErrNoUID},
		{"no answer", map[string]string{getUID: ""}, "", 0, token.ErrNoUID},
		{"taken away", map[string]string{getUID: "gone"}, "", 0, errGone},
		{"taken away at once", map[string]string{selectJPKI: "gone"}, "", 0, errGone},
		{"My Number Card", map[string]string{selectJPKI: "9000", getUID: "01020304 9000"}, "", 0, token.ErrMyNumber},
		{"My Number Card of the next generation", map[string]string{selectNext: "9000", getUID: "01020304 9000"}, "", 0, token.ErrMyNumber},
		{"My Number Card that has more to say", map[string]string{selectJPKI: "6110"}, "", 0, token.ErrMyNumber},
		{"My Number Card with a warning", map[string]string{selectJPKI: "6283"}, "", 0, token.ErrMyNumber},
		{"4 octets, not denied", map[string]string{selectJPKI: "", getUID: "01020304 9000"}, "", 0, token.ErrNoUID},
		{"4 octets, application not open", map[string]string{selectJPKI: "6985", getUID: "01020304 9000"}, "", 0, token.ErrNoUID},
		{"4 octets, next generation not denied", map[string]string{selectNext: "6982", getUID: "01020304 9000"}, "", 0, token.ErrNoUID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := token.Read(t.Context(), &card{answers: tt.answers})
			if !errors.Is(err, tt.err) || err != nil && tt.err == nil {
				t.Fatalf("Read = %v, want %v", err, tt.err)
			}
			if !bytes.Equal(got.Octets(), unhex(t, tt.want)) || got.Kind() != tt.kind {
				t.Errorf("Read = %X of %v, want %s of %v", got.Octets(), got.Kind(), tt.want, tt.kind)
			}
		})
	}
}

// Whatever a card answers to SELECT, it is a token only if it said in so many words that it is no My Number Card: a My Number Card with a
// failing memory, or a torn answer, must not become one. 8 octets are asked about too: what was said has to be understood.
func TestOnlyADenialMakesAToken(t *testing.T) {
	denials := map[string]bool{"6A81": true, "6A82": true, "6D00": true, "6E00": true}
	for _, asked := range []string{selectJPKI, selectNext} {
		for sw := range 1 << 16 {
			said := fmt.Sprintf("%04X", sw)
			there := said[:2] == "90" || said[:2] == "61" || said[:2] == "62"
			c := &card{answers: map[string]string{asked: said, getUID: "5A010203 9000"}}
			u, err := token.Read(t.Context(), c)
			switch {
			case denials[said]:
				if err != nil || u.Kind() != token.Single {
					t.Errorf("Read(%s answered to %s) = %v of %v, want a token", said, asked, err, u.Kind())
				}
			case there:
				if !errors.Is(err, token.ErrMyNumber) || u != (token.UID{}) {
					t.Errorf("Read(%s answered to %s) = %v of %v, want ErrMyNumber", said, asked, err, u.Kind())
				}
			case !errors.Is(err, token.ErrNoUID) || u != (token.UID{}):
				t.Errorf("Read(%s answered to %s) = %v of %v, want ErrNoUID", said, asked, err, u.Kind())
			}
			c.answers[getUID] = "0101060112345678 9000"
			u, err = token.Read(t.Context(), c)
			if token := denials[said] || said == "6300"; token != (err == nil) || token != (u.Kind() != 0) {
				t.Errorf("Read(8 octets, %s answered to %s) = %v of %v, want a token: %v", said, asked, err, u.Kind(), token)
			}
		}
	}
}

// A card that is a My Number Card is not even asked for its identifier.
func TestReadStopsAtAMyNumberCard(t *testing.T) {
	c := &card{answers: map[string]string{selectJPKI: "9000"}}
	if _, err := token.Read(t.Context(), c); !errors.Is(err, token.ErrMyNumber) {
		t.Fatalf("Read = %v, want ErrMyNumber", err)
	}
	if want := []string{selectJPKI}; !slices.Equal(c.got, want) {
		t.Errorf("commands = %v, want %v", c.got, want)
	}
}

// virtual passes commands to a virtual card.
type virtual struct{ card *vcard.Card }

func (v virtual) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	return v.card.Transmit(cmd), nil
}

// The virtual token agrees with this package, which does not use its code.
func TestReadVirtualToken(t *testing.T) {
	for _, uid := range []string{"01020304", "04112233445566", "0101060112345678", "04112233445566778899"} {
		c, err := vcard.New(&vcard.Profile{Label: "lent", Kind: vcard.Token, UID: uid}, new(vcard.MemoryStore))
		if err != nil {
			t.Fatal(err)
		}
		got, err := token.Read(t.Context(), virtual{c})
		if err != nil || !bytes.Equal(got.Octets(), unhex(t, uid)) {
			t.Errorf("Read(virtual token %s) = %X, %v", uid, got.Octets(), err)
		}
	}
}

func TestGuard(t *testing.T) {
	for _, allowed := range []string{selectJPKI, selectNext, getUID} {
		c := &card{}
		if _, err := token.Guard(c).Transmit(t.Context(), unhex(t, allowed)); err != nil || len(c.got) != 1 {
			t.Errorf("Transmit(%s) = %v, %d sent, want it sent", allowed, err, len(c.got))
		}
	}
	for name, cmd := range map[string]string{
		"input-assist application":    "00A4040C0AD3921000310001010408",
		"card-face application":       "00A4040C0AD3921000310001010402",
		"resident-register":           "00A4040C0AD3921000310001010401",
		"JPKI by prefix":              "00A4040C05D392F00026",
		"next generation's card face": "00A4040C0AF04B415A415348490002",
		"JPKI with an answer":         "00A404000AD392F000260100000001",
		"certificate":                 "00B08A0000",
		"PIN":                         "002000800431323334",
		"tries":                       "00200080",
		"historical octets":           "FFCA010000",
		"identifier, 4 octets of it":  "FFCA000004",
		"load a key into the reader":  "FF82000006FFFFFFFFFFFF",
		"read a block":                "FFB0000010",
		"write a block":               "FFD6000401AA",
		"reader's own":                "FF00000002D406",
		"half a command":              "FFCA",
		"empty":                       "",
	} {
		c := &card{}
		if _, err := token.Guard(c).Transmit(t.Context(), unhex(t, cmd)); !errors.Is(err, token.ErrForbidden) || len(c.got) != 0 {
			t.Errorf("%s: Transmit(%s) = %v, %d sent, want ErrForbidden and none", name, cmd, err, len(c.got))
		}
	}
}

// P3: an identifier names a person and prints nowhere.
func TestP3UIDPrintsRedacted(t *testing.T) {
	u, err := token.Parse(unhex(t, "71727374"))
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("token", slog.Any("uid", u))
	text, err := json.Marshal(map[string]any{"uid": u})
	if err != nil {
		t.Fatal(err)
	}
	printed := []string{log.String(), string(text)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
		printed = append(printed, fmt.Sprintf(verb, u), fmt.Sprintf(verb, &u), fmt.Sprintf(verb, struct{ U token.UID }{u}))
	}
	for _, s := range printed {
		if !strings.Contains(s, "REDACTED") || strings.Contains(s, "qrst") || strings.Contains(s, "71727374") || strings.Contains(s, "113 114") {
			t.Errorf("printed %q", s)
		}
	}
}

func TestUIDsCompare(t *testing.T) {
	a, _ := token.Parse(unhex(t, "01020304"))
	b, _ := token.Parse(unhex(t, "01020304"))
	c, _ := token.Parse(unhex(t, "01020304000000"))
	if a != b || a == c || a == (token.UID{}) {
		t.Error("identifiers do not compare by their octets and length")
	}
	a.Octets()[0] = 0xEE
	if a != b {
		t.Error("Octets hands out the identifier itself")
	}
}

// FuzzRead: whatever reader and card answer, what comes is an identifier of a known length or an error, and nothing but Read's
// commands was sent.
func FuzzRead(f *testing.F) {
	f.Add([]byte{0x6A, 0x82}, []byte{0x6D, 0x00}, []byte{1, 2, 3, 4, 0x90, 0x00})
	f.Add([]byte{0x90, 0x00}, []byte{0x6D, 0x00}, []byte{8, 2, 3, 4, 0x90, 0x00})
	f.Add([]byte{}, []byte{0x69, 0x85}, []byte{4, 2, 3, 4, 5, 6, 7, 0x90, 0x00})
	f.Fuzz(func(t *testing.T, jpki, next, uid []byte) {
		c := &card{answers: map[string]string{
			selectJPKI: hex.EncodeToString(jpki), selectNext: hex.EncodeToString(next), getUID: hex.EncodeToString(uid),
		}}
		u, err := token.Read(t.Context(), c)
		for _, cmd := range c.got {
			if cmd != selectJPKI && cmd != selectNext && cmd != getUID {
				t.Fatalf("%s was sent", cmd)
			}
		}
		if err != nil {
			if u != (token.UID{}) {
				t.Fatal("an identifier beside an error")
			}
			return
		}
		if again, err := token.Parse(u.Octets()); err != nil || again != u || u.Kind() == 0 || !bytes.HasPrefix(uid, u.Octets()) {
			t.Fatalf("identifier of %d octets out of %X", len(u.Octets()), uid)
		}
		if len(jpki) > 1 && jpki[len(jpki)-2] == 0x90 {
			t.Fatal("a My Number Card became a token")
		}
	})
}
