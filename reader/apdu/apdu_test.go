package apdu_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/reader/apdu"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCommandBytes(t *testing.T) {
	long := bytes.Repeat([]byte{0xAB}, 256)
	tests := []struct {
		name string
		in   apdu.Command
		want string
	}{
		{"case 1", apdu.Command{INS: 0x20, P2: 0x80}, "00200080"},
		{"case 2 short", apdu.Command{INS: 0xB0, P1: 0x8A, Ne: 4}, "00B08A0004"},
		{"case 2 short 256", apdu.Command{INS: 0xB0, P1: 0x8A, Ne: 256}, "00B08A0000"},
		{"case 2 extended 257", apdu.Command{INS: 0xB0, P1: 0x8A, Ne: 257}, "00B08A00000101"},
		{"case 2 extended 65536", apdu.Command{INS: 0xB0, P1: 0x8A, Ne: 65536}, "00B08A00000000"},
		{"case 3 short", apdu.Command{INS: 0xA4, P1: 2, P2: 0x0C, Data: []byte{0, 0x0A}}, "00A4020C02000A"},
		{"case 3 extended", apdu.Command{CLA: 0x80, INS: 0xA2, Data: long}, "80A20000000100" + strings.Repeat("AB", 256)},
		{"case 4 short", apdu.Command{CLA: 0x80, INS: 0x2A, P2: 0x80, Data: []byte{1}, Ne: 256}, "802A0080010100"},
		{"case 4 extended by data", apdu.Command{CLA: 0x80, INS: 0x2A, Data: long, Ne: 256}, "802A0000000100" + strings.Repeat("AB", 256) + "0100"},
		{"case 4 extended by answer", apdu.Command{CLA: 0x80, INS: 0x2A, Data: []byte{1}, Ne: 65536}, "802A0000000001010000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.in.Bytes()
			if err != nil || !bytes.Equal(got, unhex(t, tt.want)) {
				t.Fatalf("Bytes(%v) = %X, %v, want %s", tt.in, got, err, tt.want)
			}
			back, err := apdu.ParseCommand(got)
			if err != nil || back.Header() != tt.in.Header() || back.Ne != tt.in.Ne || !bytes.Equal(back.Data, tt.in.Data) {
				t.Errorf("ParseCommand(%X) = %v, %v, want %v", got, back, err, tt.in)
			}
		})
	}
}

func TestCommandBytesRefuses(t *testing.T) {
	for _, c := range []apdu.Command{{Ne: -1}, {Ne: 65537}, {Data: make([]byte, 65536)}} {
		if _, err := c.Bytes(); !errors.Is(err, apdu.ErrLength) {
			t.Errorf("Bytes(%v) = %v, want ErrLength", c, err)
		}
	}
}

func TestParseCommandRefuses(t *testing.T) {
	for _, in := range []string{
		"", "00", "00A404", // no header
		"00A40400 02 01",        // data shorter than Lc
		"00A40400 01 0102 03",   // longer than Lc and Le
		"00A40400 00 01",        // half of an extended length
		"00A40400 00 0000 01",   // extended Lc of zero with data
		"00A40400 00 0002 01",   // extended data shorter than Lc
		"00A40400 00 0001 0102", // one octet of extended Le
	} {
		if c, err := apdu.ParseCommand(unhex(t, in)); !errors.Is(err, apdu.ErrCommand) {
			t.Errorf("ParseCommand(%q) = %v, %v, want ErrCommand", in, c, err)
		}
	}
}

func TestParseCommandTakesLongForm(t *testing.T) {
	c, err := apdu.ParseCommand(unhex(t, "00B08A00 00 0004"))
	if err != nil || c.Ne != 4 {
		t.Fatalf("ParseCommand(extended Le 4) = %v, %v, want Ne 4", c, err)
	}
	if b, _ := c.Bytes(); !bytes.Equal(b, unhex(t, "00B08A0004")) {
		t.Errorf("Bytes() = %X, want the short form", b)
	}
}

func TestParseResponse(t *testing.T) {
	r, err := apdu.ParseResponse(unhex(t, "0102 63C2"))
	if err != nil || !bytes.Equal(r.Data, []byte{1, 2}) || r.SW != 0x63C2 {
		t.Fatalf("ParseResponse = %v, %v, want 2 octets and 63C2", r, err)
	}
	for _, in := range [][]byte{
		nil,
		{0x90},
		append(make([]byte, apdu.MaxResponseLen-1), 0x90, 0x00),
		{0x30, 0x00, 0x00},
		{0x5F, 0xFF},
		{0x60, 0x00},
		{0x70, 0x00},
		{1, 2, 3, 0x8F, 0xFF},
		{0xA0, 0x00},
		{0xFF, 0xFF},
	} {
		if _, err := apdu.ParseResponse(in); !errors.Is(err, apdu.ErrResponse) {
			t.Errorf("ParseResponse(%d octets) = %v, want ErrResponse", len(in), err)
		}
	}
	for _, sw := range []apdu.StatusWord{0x6100, 0x6FFF, 0x9000, 0x9FFF} {
		if r, err := apdu.ParseResponse([]byte{byte(sw >> 8), byte(sw)}); err != nil || r.SW != sw {
			t.Errorf("ParseResponse(%04X) = %v, %v, want it taken", uint16(sw), r, err)
		}
	}
}

func TestStatusWord(t *testing.T) {
	tests := []struct {
		sw      apdu.StatusWord
		tries   int
		has     bool
		blocked bool
	}{
		{0x9000, 0, false, false},
		{0x63C3, 3, true, false},
		{0x63C0, 0, true, true},
		{0x63CF, 15, true, false},
		{0x6300, 0, false, false},
		{0x6983, 3, false, true},
		{0x6984, 4, false, true},
		{0x62C1, 1, false, false},
	}
	for _, tt := range tests {
		n, ok := tt.sw.TriesLeft()
		if ok != tt.has || ok && n != tt.tries || tt.sw.Blocked() != tt.blocked {
			t.Errorf("%v: TriesLeft = %d, %v, Blocked = %v, want %d, %v, %v", tt.sw, n, ok, tt.sw.Blocked(), tt.tries, tt.has, tt.blocked)
		}
	}
	for sw, want := range map[apdu.StatusWord]bool{0x9000: true, 0x6A82: true, 0x6581: true, 0x63C2: false, 0x6C10: false, 0x6A12: false} {
		if got := sw.Named(); got != want {
			t.Errorf("Named(%04X) = %v, want %v", uint16(sw), got, want)
		}
	}
	if n, ok := apdu.StatusWord(0x6100).More(); n != 256 || !ok {
		t.Errorf("More(6100) = %d, %v, want 256, true", n, ok)
	}
	if n, ok := apdu.StatusWord(0x6C10).ExactLe(); n != 16 || !ok {
		t.Errorf("ExactLe(6C10) = %d, %v, want 16, true", n, ok)
	}
}

func TestResponseErr(t *testing.T) {
	c := apdu.Command{INS: apdu.InsSelect, P1: 4, P2: 0x0C, Data: []byte{1}}
	if err := (apdu.Response{SW: apdu.SWOK}).Err(c); err != nil {
		t.Errorf("Err(9000) = %v, want nil", err)
	}
	var se *apdu.StatusError
	err := (apdu.Response{SW: apdu.SWNotFound}).Err(c)
	if !errors.As(err, &se) || se.SW != apdu.SWNotFound || se.Command != c.Header() {
		t.Errorf("Err(6A82) = %v, want a StatusError of the command", err)
	}
}

// Data fields carry PINs and certificates (P3): no verb may print them.
func TestP3NothingPrintsData(t *testing.T) {
	secret := []byte("7391")
	c := apdu.Command{INS: apdu.InsVerify, P2: 0x80, Data: secret}
	r := apdu.Response{Data: secret, SW: apdu.SWOK}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%X", "%d", "%q"} {
		for _, v := range []any{c, &c, r, &r} {
			s := fmt.Sprintf(verb, v)
			for _, leak := range []string{"7391", "37333931", "55 51 57 49"} {
				if strings.Contains(s, leak) {
					t.Errorf("Sprintf(%q, %T) = %q prints the data", verb, v, s)
				}
			}
		}
	}
}

// P3: nor may a log or JSON.
func TestP3NothingLogsData(t *testing.T) {
	secret := []byte("7391")
	var log bytes.Buffer
	for _, v := range []any{apdu.Command{INS: apdu.InsVerify, P2: 0x80, Data: secret}, apdu.Response{Data: secret, SW: apdu.SWOK}} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		log.Write(text)
		slog.New(slog.NewTextHandler(&log, nil)).LogAttrs(t.Context(), slog.LevelInfo, "value", slog.Any("value", v))
	}
	for _, leak := range []string{"7391", "37333931", "NzM5MQ"} {
		if strings.Contains(log.String(), leak) {
			t.Errorf("%q shows the data", log.String())
		}
	}
	if !strings.Contains(log.String(), "00 20 00 80 data=4") {
		t.Errorf("%q does not name the command", log.String())
	}
}

// What a technician reads.
func TestStatusErrorNamesCommandAndWord(t *testing.T) {
	verify := apdu.Command{INS: apdu.InsVerify, P2: 0x98, Data: []byte("7391")}
	for sw, want := range map[apdu.StatusWord]string{
		0x63C2: "card answered 63C2 (2 tries left) to command 00 20 00 98",
		0x6984: "card answered 6984 (reference data not usable) to command 00 20 00 98",
		0x66F1: "card answered 66F1 to command 00 20 00 98",
	} {
		if got := (apdu.Response{SW: sw}).Err(verify).Error(); got != want {
			t.Errorf("Err(%04X) = %q, want %q", uint16(sw), got, want)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, s := range []string{
		"00200080", "00B08A0000", "00B08A00000000", "00A4040C0AD392F000260100000001", "802A0080010100", "80A2000000000101", "00B08A00000004",
	} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		c, err := apdu.ParseCommand(in)
		if err != nil {
			return
		}
		out, err := c.Bytes()
		if err != nil {
			t.Fatalf("Bytes(%v) = %v after parsing", c, err)
		}
		longForm := len(in) > 5 && in[4] == 0
		if (!longForm || c.Extended()) && !bytes.Equal(in, out) {
			t.Fatalf("Bytes(ParseCommand(%X)) = %X", in, out)
		}
		again, err := apdu.ParseCommand(out)
		if err != nil || again.Ne != c.Ne || again.Header() != c.Header() || !bytes.Equal(again.Data, c.Data) {
			t.Fatalf("ParseCommand(%X) = %v, %v, want %v", out, again, err, c)
		}
	})
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte{0x90, 0x00})
	f.Add([]byte{0x30, 0x00, 0x6A, 0x82})
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := apdu.ParseResponse(in)
		if err == nil && !bytes.Equal(r.Bytes(), in) {
			t.Fatalf("ParseResponse(%X).Bytes() = %X", in, r.Bytes())
		}
	})
}
