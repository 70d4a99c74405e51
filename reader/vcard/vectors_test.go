package vcard_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/internal/testcard"
)

// step is one command and the answer to it, both in hex as written down from the sources; "~256" stands for that many octets of answer
// followed by 9000.
type step struct{ cmd, want string }

// Selections, written out.
const (
	selectJPKI   = "00A4040C0A D392F000260100000001"
	selectInput  = "00A4040C0A D3921000310001010408"
	selectFace   = "00A4040C0A D3921000310001010402"
	selectCommon = "00A4040C0A D3921000310001010100"
	// digestInfo is 51 octets: SHA-256 of nothing in a DigestInfo.
	digestInfo = "3031300D060960864801650304020105000420 E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855"
)

var vectors = []struct {
	name  string
	steps []step
}{
	{"selection", []step{
		{"00A4020C02 000A", "6A82"}, // no application yet
		{"00A40000", "6A86"},        // MF after reset
		{"00A4000C02 3F00", "6A82"},
		{"00B0000004", "6986"},
		{selectJPKI, "9000"},
		{selectJPKI, "9000"},
		{"00A40000", "9000"}, // and changes nothing
		{"00A4020C02 000A", "9000"},
		{"00A4020C02 2F10", "6A82"},
		{"00B0000004", "30820128 9000"}, // still EF 000A
		{"00A4020C01 0A", "6700"},
		{"00A4020402 000A", "6A86"},
		{"00A4080C02 000A", "6A86"},
		{"00A4040C", "6700"},
		{"00A4040C11 D392F0002601000000010203040506070809", "6700"},
		{"00A4040C0B D392F00026010000000100", "6A82"}, // longer than ours
		{"00A4040C0A D3921000310001010401", "6A82"},   // 住基AP is not there
		{"00A4040006 A00000030800", "6A82"},           // another card's
		{"00A4040C05 D392F00026", "9000"},             // a beginning of the AID
		{"00A404000A D392F000260100000001 00", "6F0C840AD392F000260100000001 9000"},
		{"00A4040C07 A0000001510000", "9000"}, // card manager: as after reset
		{"00A40000", "6A86"},
		{"00B0000004", "6986"},
	}},
	{"reading JPKI", []step{
		{selectJPKI, "9000"},
		{"00B0000004", "6986"},
		{"00A4020C02 000A", "9000"},
		{"00B0000004", "30820128 9000"},
		{"00B0000408", "A0A1A2A3A4A5A6A7 9000"},
		{"00B0010008", "9C9D9E9FA0A1A2A3 9000"},
		{"00B0012800", "C4C5C6C7 9000"},                         // the last four of 300 octets
		{"00B00128FF", "C4C5C6C7 9000"},                         // a longer Le ends there too
		{"00B0012C00", "6B00"},                                  // the first octet past the end
		{"00B07FFF00", "6B00"},                                  // the largest offset
		{"00B08A0004", "30820128 9000"},                         // by short id
		{"00B08B0004", "30820100 9000"},                         // EF 000B, now current
		{"00B0000404", "B0B1B2B3 9000"},                         // so it was current
		{"00B0820004", "30820101 9000"},                         // EF 0002
		{"00B08AFF02", "9B9C 9000"},                             // 8-bit offset
		{"00B08A00000004", "30820128 9000"},                     // extended Le
		{"00B0868000 ", "~32"},                                  // token info is 160 octets
		{"00B0860010", "4A504B494150494343544F4B454E3220 9000"}, // JPKIAPICCTOKEN2
		{"00B0880000", "8F8F00 9000"},
		{"00B0810004", "6982"}, // signature certificate
		{"00B0890004", "6982"},
		{"00B0830004", "6A82"},
		{"00B0970004", "6981"}, // a key
		{"00B0960004", "6981"},
		{"802A0096 0101 00", "6982"}, // the terminals' key signs for nobody
		{"00B0980004", "6981"},       // a PIN
		{"00B0800004", "6A86"},
		{"00B09F0004", "6A86"},
		{"00B0CA0004", "6A86"},
		{"00B08A00", "6700"},      // no Le
		{"00B08A0001 00", "6700"}, // data where none belongs
		{"00B08A000200", "6700"},  // lengths that do not agree
		{"00B0", "6700"},
		{"", "6700"},
	}},
	{"authentication PIN", []step{
		{selectJPKI, "9000"},
		{"00A4020C02 0018", "9000"},
		{"00200080", "63C3"},
		{"00200080", "63C3"}, // asking costs nothing
		{"0020008000", "6700"},
		{"00200180", "6A86"},
		{"00200000", "6A86"},
		{"0020009F", "6A86"},
		{"0020008004 39393939", "63C2"},
		{"00200080", "63C2"},
		{"0020008004 31323334", "9000"}, // gives all tries back
		{"00200080", "63C3"},
		{"0020009804 39393939", "63C2"},
		{"0020009804 31323334", "9000"},   // by short id
		{"0020008005 3132333430", "63C2"}, // a wrong length is a wrong value
		{"0020008004 39393939", "63C1"},
		{"0020008004 39393939", "63C0"},
		{"0020008004 31323334", "6984"}, // the right one, too late
		{"00200080", "63C0"},
		{"0020009B", "63C5"},
		{"0020009704 31323334", "6981"}, // a key is no PIN
		{"0020009C", "6A82"},
	}},
	{"signature password and certificate", []step{
		{selectJPKI, "9000"},
		{"0020009B", "63C5"},
		{"00B0810004", "6982"},
		{"0020009B08 6B617A6173686931", "63C4"}, // lower case
		{"0020009B08 4B415A4153484931", "9000"},
		{"0020009B", "63C5"},
		{"00B0810004", "30820110 9000"},
		{"802A009A33" + digestInfo + "00", "~256"},
		{"802A009733" + digestInfo + "00", "6982"}, // the other key has its own PIN
		{selectJPKI, "9000"},                       // ends the security status
		{"00B0810004", "6982"},
	}},
	{"signing", []step{
		{selectJPKI, "9000"},
		{"802A008033" + digestInfo + "00", "6986"},
		{"00A4020C02 0017", "9000"},
		{"802A008033" + digestInfo + "00", "6982"},
		{"0020009804 31323334", "9000"},
		{"802A008033" + digestInfo + "00", "6981"}, // the PIN is current now
		{"00A4020C02 0017", "9000"},
		{"802A008033" + digestInfo + "00", "~256"},
		{"802A008033" + digestInfo + "00", "~256"}, // the security status lasts
		{"802A009733" + digestInfo + "00", "~256"}, // by short id
		{"802A009733" + digestInfo, "6700"},        // no Le
		{"802A009733" + digestInfo + "80", "6C00"}, // Le too short for 256
		{"802A0097", "6700"},
		{"802A009700", "6700"},
		{"802A0697 0101 00", "6A86"},
		{"802A0297 0101 00", "6985"}, // not a digest
		{"802A0497 0101 00", "6985"},
		{"802A0397 0101 00", "~256"},
		{"802A00970000F6" + strings.Repeat("5A", 246) + "0000", "6985"}, // more than PKCS #1 leaves room for
		{"802A0097F5" + strings.Repeat("5A", 245) + "00", "~256"},
		{"802A0397000100" + strings.Repeat("5A", 256) + "0000", "6985"},
		{"802A000033" + digestInfo + "00", "6A88"}, // no default key here
		{"802A009E 0101 00", "6A82"},
		{"802A0017 0101 00", "6A86"},
	}},
	{"changing a PIN", []step{
		{selectJPKI, "9000"},
		{"0024019804 38383838", "6982"},
		{"0020009804 31323334", "9000"},
		{"0024009804 38383838", "6A86"},
		{"0024018004 38383838", "9000"},
		{"0024018003 383838", "6A80"},
		{"0024018004 41383838", "6A80"},
		{"00240180", "6700"},
		{"0024019704 38383838", "6981"},
		{"0020009804 31323334", "63C2"},
		{"0020009804 38383838", "9000"},
		{selectFace, "9000"},
		{"0020009106 353530323137", "9000"},
		{"0024019106 353530323138", "6982"}, // not for the holder to change
	}},
	{"input-assist AP", []step{
		{selectInput, "9000"},
		{"00B0810000", "6982"},
		{"00B0820000", "6982"},
		{"00B0830000", "6982"},
		{"00B0870000", "6982"},
		{"00B0860000", "6982"},
		{"00B0840000", "7F21026376 9000"},
		{"00B0850000", "FF4002696E 9000"},
		{"00200091", "63C3"},
		{"00200092", "63C0"}, // blocked since its issue
		{"0020009204 31323334", "6984"},
		{"00200094", "63CA"},
		{"00200095", "63CA"},
		{"0020009104 35363738", "9000"},
		{"00B0810000", "FF100C313233343536373839303132FFFF 9000"},
		{"00B0820000", "FF20024154 9000"},
		{"00B0830000", "FF30024947 9000"},
		{"00B0870000", "FF50025055 9000"},
		{"00B0860000", "6B00"}, // open, and empty on this card
		{"802A000033" + digestInfo + "00", "~256"},
	}},
	{"input-assist AP, number A", []step{
		{selectInput, "9000"},
		{"002000940C 313233343536373839303132", "9000"},
		{"00B0810000", "FF100C313233343536373839303132FFFF 9000"},
		{"00B0820000", "6982"}, // A does not open the attributes
		{"00B0830000", "FF30024947 9000"},
	}},
	{"input-assist AP, number B", []step{
		{selectInput, "9000"},
		{"002000950E 3535303231373230333532323835", "9000"},
		{"00B0810000", "6982"}, // nor B the number
		{"00B0820000", "FF20024154 9000"},
		{"00B0870000", "FF50025055 9000"},
	}},
	{"card-face AP, birth date", []step{
		{selectFace, "9000"},
		{"00B0830000", "FF3002494E 9000"},
		{"00B0840000", "7F21024356 9000"},
		{"00B0810000", "6982"},
		{"00200091", "63CA"},
		{"0020009106 383030323137", "63C9"}, // the Gregorian year
		{"0020009106 353530323137", "9000"},
		{"00200091", "63CA"},
		{"00B0810000", "FF10024147 9000"},
		{"00B0820000", "6982"},
		{"00B0850000", "6982"},
		{"802A000033" + digestInfo + "00", "~256"},
	}},
	{"card-face AP signs without a PIN", []step{
		{selectFace, "9000"},
		{"802A000033" + digestInfo + "00", "~256"},
		{"0088000020" + strings.Repeat("5A", 32) + "00", "6985"}, // and not by INTERNAL AUTHENTICATE
		{"0088010020" + strings.Repeat("5A", 32) + "00", "6A86"},
	}},
	{"card-face AP, number B", []step{
		{selectFace, "9000"},
		{"002000920E 3535303231373230333532323835", "9000"},
		{"00B0820000", "FF20025245 9000"},
		{"00B0810000", "6982"},
		{"00B0850000", "6982"},
	}},
	{"card-face AP, number A", []step{
		{selectFace, "9000"},
		{"002000930C 313233343536373839303132", "9000"},
		{"00B0820000", "FF20025245 9000"},
		{"00B0850000", "6B00"}, // open, and empty on this card
		{"00B0860000", "6B00"},
	}},
	{"common-card AP", []step{
		{"00B2010C00", "6A82"},
		{selectCommon, "9000"},
		{"00B2010C00", "011C34303030303030313237313938343331333232313230333530323137 9000"},
		{"00B2010400", "011C34303030303030313237313938343331333232313230333530323137 9000"},
		{"00B2010D00", "011C34303030303030313237313938343331333232313230333530323137 9000"},
		{"00B2010C10", "6C1E"},
		{"00B2020C00", "6A83"},
		{"00B2000C00", "6A83"},
		{"00B2010E00", "6A86"},
		{"00B2010C", "6700"},
		{"00B0810000", "6981"}, // records, not octets
		{"00B2011400", "6A82"},
		{selectJPKI, "9000"},
		{"00B2015400", "6981"}, // EF 000A has no records
		{"00B201DC00", "6981"}, // nor has a PIN
		{"00B201E400", "6A82"},
	}},
	{"challenge", []step{
		{"0084000010", "~16"},
		{"0084000000", "~256"},
		{"00840000", "6700"},
		{"0084000100", "6A86"},
		{"00840000000010", "6985"},
		{selectJPKI, "9000"},
		{"0084000001", "~1"},
	}},
	{"classes and instructions", []step{
		{"01A4040C0A D392F000260100000001", "6881"},
		{"83A4040C0A D392F000260100000001", "6881"},
		{"40A4040C0A D392F000260100000001", "6881"},
		{"0CB08A0000", "6882"},
		{"08B08A0000", "6882"},
		{"10A4040C0A D392F000260100000001", "6884"},
		{"A0A40000023F00", "6E00"},
		{"FFCA000000", "6E00"},
		{"00CB3FFF055C0300000000", "6D00"},
		{"00CADF3005", "6A88"},
		{"00D6000001 00", "6D00"},
		{"8088000020" + strings.Repeat("5A", 32) + "00", "6D00"},
		{"80FC0000", "6700"},
		{"80A200B60101", "6A86"},
		{"80AE00000101", "66F1"},
		{selectJPKI, "9000"},
		{"80AE00000101", "6982"},
		{"0088009720" + strings.Repeat("5A", 32) + "00", "6982"},
	}},
}

func TestVectors(t *testing.T) {
	for _, tt := range vectors {
		t.Run(tt.name, func(t *testing.T) {
			play(t, newCard(t, testcard.Fixed(), &vcard.MemoryStore{}), tt.steps)
		})
	}
}

func newCard(t testing.TB, p *vcard.Profile, s vcard.Store) *vcard.Card {
	t.Helper()
	c, err := vcard.New(p, s)
	if err != nil {
		t.Fatalf("New() = %v, want a card", err)
	}
	return c
}

func play(t *testing.T, c *vcard.Card, steps []step) {
	t.Helper()
	for i, s := range steps {
		got := c.Transmit(octets(t, s.cmd))
		if n, ok := strings.CutPrefix(s.want, "~"); ok {
			checkLength(t, i, s.cmd, got, n)
			continue
		}
		if want := octets(t, s.want); string(got) != string(want) {
			t.Errorf("step %d: Transmit(%s) = %X, want %X", i, s.cmd, got, want)
		}
	}
}

func checkLength(t *testing.T, i int, cmd string, got []byte, want string) {
	t.Helper()
	lengths := map[string]int{"1": 1, "16": 16, "32": 32, "96": 96, "404": 404, "256": 256}
	if len(got) != lengths[want]+2 || string(got[len(got)-2:]) != "\x90\x00" {
		t.Errorf("step %d: Transmit(%s) = %X, want %s octets and 9000", i, cmd, got, want)
	}
}

func octets(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("test vector %q: %v", s, err)
	}
	return b
}
