package mynumber_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/mynumber"
)

// Written out by hand from the public sources that reader/SOURCES.md names, not taken from the package's own table.
const (
	selectJPKI   = "00A4040C0A D392F000260100000001"
	selectInput  = "00A4040C0A D3921000310001010408" // 券面事項入力補助AP
	selectFace   = "00A4040C0A D3921000310001010402" // 券面事項確認AP
	selectJuki   = "00A4040C0A D3921000310001010401" // 住基AP
	selectCommon = "00A4040C0A D3921000310001010100" // 共通カードAP
	selectNext   = "00A4040C0A F04B415A415348490001" // 認証AP, practice assumption
	selectNextFc = "00A4040C0A F04B415A415348490002" // 券面等AP, practice assumption
)

// licensed answers 63C3 to a query, 9000 to everything else.
func licensed(cmd []byte) ([]byte, error) {
	if len(cmd) == 4 && cmd[1] == 0x20 {
		return []byte{0x63, 0xC3}, nil
	}
	return []byte{0x90, 0x00}, nil
}

// allowed is the whole list, written by hand: application, instruction, file or reference or key.
var allowed = map[string]string{
	selectJPKI:   "B0:0001 B0:0006 B0:0008 B0:000A A4:0018 A4:001B 20:0018 20:001B 24:0018 24:001B 2A:0017",
	selectInput:  "B0:0002 B0:0004 A4:0011 20:0011 24:0011",
	selectFace:   "B0:0001 B0:0004 20:0011 2A:0000",
	selectNext:   "B0:0001 B0:0006 B0:000A B0:0012 B0:0014 A4:0018 A4:001B 20:0018 20:001B 24:0018 24:001B 2A:0017",
	selectNextFc: "B0:0001 B0:0004 20:0011 2A:0000",
}

var applicationOf = map[mynumber.Application]string{
	mynumber.JPKI: selectJPKI, mynumber.InputAssist: selectInput, mynumber.CardFace: selectFace,
	mynumber.NextAuth: selectNext, mynumber.NextFace: selectNextFc,
}

// P4: the allow-list is what stands above, no more. Whoever adds to it has to come here, and must not add what
// TestP4ForbiddenNeverReachesTheCard lists.
func TestP4AllowList(t *testing.T) {
	got := map[string]string{}
	for _, p := range mynumber.Permissions() {
		app := applicationOf[p.Application]
		got[app] = strings.TrimSpace(fmt.Sprintf("%s %02X:%s", got[app], p.INS, p.File))
	}
	if !maps.Equal(got, allowed) {
		t.Errorf("Permissions() = %v, want %v", got, allowed)
	}
}

// commandsOn are the ways to do an instruction on a file: by short identifier, and by SELECT of the file before.
func commandsOn(app string, ins byte, file byte) []string {
	hash := "3031300D060960864801650304020105000420" + strings.Repeat("AB", 32)
	if app == selectNext || app == selectNextFc {
		hash = strings.Repeat("AB", 48)
	}
	switch ins {
	case 0xA4:
		return []string{fmt.Sprintf("00A4020C02 00%02X", file)}
	case 0xB0:
		return []string{fmt.Sprintf("00B0%02X0000", 0x80|file), fmt.Sprintf("00B0%02X00000000", 0x80|file)}
	case 0x20:
		return []string{fmt.Sprintf("002000%02X", 0x80|file)}
	case 0x2A:
		if file == 0 {
			return []string{fmt.Sprintf("802A0000%02X %s 00", len(hash)/2, hash)}
		}
		return []string{fmt.Sprintf("802A00%02X%02X %s 00", 0x80|file, len(hash)/2, hash)}
	}
	return []string{
		fmt.Sprintf("00%02X00%02X", ins, 0x80|file), fmt.Sprintf("00%02X%02X0000", ins, 0x80|file),
		fmt.Sprintf("80%02X00%02X", ins, 0x80|file), fmt.Sprintf("00%02X0180 04 31323334", ins), fmt.Sprintf("00%02X0000 02 00%02X 00", ins, file),
	}
}

// P4, walked: every application × instruction × file against the list above, and against what the guard lets through. A change (24) needs
// more than one command, and is walked in TestP5ChangeOnlyAfterVerify.
func TestP4WalkApplicationsInstructionsFiles(t *testing.T) {
	for _, app := range []string{selectJPKI, selectInput, selectFace, selectNext, selectNextFc, selectJuki, selectCommon, ""} {
		for ins := range 256 {
			for file := range 0x20 {
				listed := slices.Contains(strings.Fields(allowed[app]), fmt.Sprintf("%02X:%04X", ins, file)) && ins != 0x24
				for _, cmd := range commandsOn(app, byte(ins), byte(file)) {
					l := &link{to: licensed}
					g := mynumber.Guard(l)
					if app != "" {
						_, _ = g.Transmit(t.Context(), unhex(t, app))
					}
					l.sent = nil
					if _, err := g.Transmit(t.Context(), unhex(t, cmd)); listed != (err == nil) || listed != (len(l.sent) == 1) {
						t.Errorf("after %q: Transmit(%s) = %v, %d commands sent, want it sent: %v", app, cmd, err, len(l.sent), listed)
					}
				}
			}
		}
	}
}

// digestInfo is one of SHA-256, in hex.
const digestInfo = "3031300D060960864801650304020105000420" + "ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB"

// forbidden are commands that must stay here.
var forbidden = []struct {
	name   string
	before []string // commands that are allowed, to bring the guard into a state
	cmd    string
}{
	{"resident-register application", nil, selectJuki},
	{"common-card application", nil, selectCommon},
	{"security domain", nil, "00A4040007 A0000001510000"},
	{"master file", nil, "00A40000 02 3F00"},
	{"JPKI by prefix", nil, "00A4040C05 D392F00026"},
	{"prefix of every application of the card", nil, "00A4040C02 D392"},
	{"prefix of three applications", nil, "00A4040C09 D39210003100010104"},
	{"JPKI with one octet more", nil, "00A4040C0B D392F00026010000000100"},
	{"JPKI on another logical channel", nil, "01A4040C0A D392F000260100000001"},
	{"JPKI with FCI", nil, "00A404000A D392F000260100000001"},
	{"next occurrence", nil, "00A4040E0A D392F000260100000001"},
	{"read with nothing selected", nil, "00B08A0000"},
	{"read at an offset with nothing current", []string{selectJPKI}, "00B0000000"},
	{"Individual Number with nothing selected", nil, "00B0810000"},
	{"Individual Number by short identifier", []string{selectInput}, "00B0810000"},
	{"Individual Number by SELECT", []string{selectInput}, "00A4020C02 0001"},
	{"integrity record", []string{selectInput}, "00B0830000"},
	{"integrity record by SELECT", []string{selectInput}, "00A4020C02 0003"},
	{"integrity record of the next card", []string{selectNext}, "00B0930000"},
	{"session key delivery", []string{selectInput}, "00B0860000"},
	{"picture of the Individual Number", []string{selectFace}, "00B0850000"},
	{"card face", []string{selectFace}, "00B0820000"},
	{"query of 照合番号A, card-face", []string{selectFace}, "00200093"},
	{"VERIFY of 照合番号A, card-face", []string{selectFace}, "00200093 0C 303030303030303030303030"},
	{"VERIFY of 照合番号B, card-face", []string{selectFace}, "00200092 0E 3030303030303030303030303030"},
	{"VERIFY of 照合番号A, input-assist", []string{selectInput}, "00200094 0C 303030303030303030303030"},
	{"VERIFY of 照合番号B, input-assist", []string{selectInput}, "00200095 0E 3030303030303030303030303030"},
	{"query of the blocked reference", []string{selectInput}, "00200092"},
	{"SELECT of 照合番号A", []string{selectInput}, "00A4020C02 0014"},
	{"signature by the input-assist application", []string{selectInput}, "802A0000 33" + digestInfo + "00"},
	{"authority certificate", []string{selectJPKI}, "00B08B0000"},
	{"short identifier with reserved bits", []string{selectJPKI}, "00B0AA0000"},
	{"READ BINARY with data", []string{selectJPKI}, "00B08A0001AA00"},
	{"READ BINARY without Le", []string{selectJPKI}, "00B08A00"},
	{"READ BINARY odd", []string{selectJPKI}, "00B1000A04 5402000000"},
	{"SELECT of a file that is read", []string{selectJPKI}, "00A4020C02 000A"},
	{"SELECT file with answer", []string{selectJPKI}, "00A4020002 0018 00"},
	{"read of a selected reference", []string{selectJPKI, "00A4020C02 0018"}, "00B0000000"},
	{"read at an offset after a query", []string{selectJPKI, "00B08A0000", "00200098"}, "00B0000100"},
	{"query with Le", []string{selectJPKI}, "0020009800"},
	{"signature key", []string{selectJPKI}, "802A009A 33" + digestInfo + "00"},
	{"signature by the current key", []string{selectJPKI}, "802A0080 33" + digestInfo + "00"},
	{"signature by the application of no name", []string{selectJPKI}, "802A0000 33" + digestInfo + "00"},
	{"signature by a named key of the card face", []string{selectFace}, "802A0097 33" + digestInfo + "00"},
	{"signature over raw octets", []string{selectJPKI}, "802A0097 01 AA 00"},
	{"signature over a bare hash", []string{selectJPKI}, "802A0097 20" + digestInfo[38:] + "00"},
	{"signature over another DigestInfo", []string{selectJPKI}, "802A0097 33" + strings.Replace(digestInfo, "0402010500", "0402030500", 1) + "00"},
	{"signature over an octet more", []string{selectJPKI}, "802A0097 34" + digestInfo + "00 00"},
	{"signature over a hash by the card", []string{selectJPKI}, "802A0397 33" + digestInfo + "00"},
	{"signature over a DigestInfo on the next card", []string{selectNext}, "802A0097 33" + digestInfo + "00"},
	{"signature without Le", []string{selectJPKI}, "802A0097 33" + digestInfo},
	{"signature of class 00", []string{selectJPKI}, "002A0097 33" + digestInfo + "00"},
	{"terminal key", []string{selectJPKI}, "80A20000 01 AA"},
	{"read of a record", []string{selectJPKI}, "00B2010C00"},
	{"GET DATA", []string{selectJPKI}, "00CB3FFF 04 5C027F21 00"},
	{"UPDATE BINARY", []string{selectJPKI}, "00D68A00 01 AA"},
	{"RESET RETRY COUNTER", []string{selectJPKI}, "002C0398"},
	{"GET RESPONSE that nothing announced", []string{selectJPKI}, "00C0000000"},
	{"chaining", []string{selectJPKI}, "10B08A0000"},
	{"no APDU", nil, "00A4"},
	{"empty", nil, ""},
}

// P4: neither the Individual Number, nor what it can be computed from, nor anything else off the list can be asked for.
func TestP4ForbiddenNeverReachesTheCard(t *testing.T) {
	for _, tt := range forbidden {
		t.Run(tt.name, func(t *testing.T) {
			l := &link{to: licensed}
			g := mynumber.Guard(l)
			for _, b := range tt.before {
				if _, err := g.Transmit(t.Context(), unhex(t, b)); err != nil {
					t.Fatalf("Transmit(%s) = %v, want it allowed", b, err)
				}
			}
			l.sent = nil
			if _, err := g.Transmit(t.Context(), unhex(t, tt.cmd)); !errors.Is(err, mynumber.ErrForbidden) {
				t.Errorf("Transmit(%s) = %v, want ErrForbidden", tt.cmd, err)
			}
			if len(l.sent) > 0 {
				t.Errorf("Transmit(%s) reached the card", tt.cmd)
			}
		})
	}
}

// What the card did not confirm is not selected.
func TestP4GuardBelievesOnlyTheCard(t *testing.T) {
	for name, answer := range map[string][]byte{"refused": {0x6A, 0x82}, "no status word": {0x90}, "nothing": nil} {
		l := &link{to: func([]byte) ([]byte, error) { return answer, nil }}
		g := mynumber.Guard(l)
		if _, err := g.Transmit(t.Context(), unhex(t, selectJPKI)); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Transmit(t.Context(), unhex(t, "00B08A0000")); !errors.Is(err, mynumber.ErrForbidden) {
			t.Errorf("%s: read after SELECT = %v, want ErrForbidden", name, err)
		}
	}
	l := &link{to: func([]byte) ([]byte, error) { return nil, errors.New("card was removed") }}
	g := mynumber.Guard(l)
	if _, err := g.Transmit(t.Context(), unhex(t, selectJPKI)); err == nil {
		t.Fatal("Transmit to a removed card = nil, want its error")
	}
	if _, err := g.Transmit(t.Context(), unhex(t, "00B08A0000")); !errors.Is(err, mynumber.ErrForbidden) {
		t.Errorf("read after a SELECT without answer = %v, want ErrForbidden", err)
	}
}

// FuzzGuard: whatever is asked, in any order, nothing gets through that could reach what P4 forbids, and no value without a licence.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{selectJPKI, selectInput, "00B08A0000", "00B0010000", "00C0000010", "0020009804 31323334"} {
		f.Add(unhex(f, selectInput), unhex(f, s), unhex(f, "00B0010000"))
		f.Add(unhex(f, "00A4020C02 0011"), unhex(f, "00200080"), unhex(f, s))
	}
	reads := map[byte]string{0x02: "attributes", 0x04: "certificate"}
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		l := &link{to: licensed}
		g := mynumber.Guard(l)
		for _, cmd := range [][]byte{unhex(t, selectInput), first, second, third} {
			var tries *mynumber.TriesError
			if _, err := g.Transmit(t.Context(), cmd); err != nil && !errors.Is(err, mynumber.ErrForbidden) && !errors.As(err, &tries) {
				t.Fatalf("Transmit(%X) = %v", cmd, err)
			}
		}
		input := false
		for i, cmd := range l.sent {
			c, err := apdu.ParseCommand(cmd)
			if err != nil {
				t.Fatalf("%X reached the card", cmd)
			}
			if c.INS == 0xA4 && c.P1 == 4 {
				input = bytes.Equal(c.Data, unhex(t, selectInput)[5:])
			}
			switch {
			case !input:
			case c.INS == 0xB0 && c.P1 >= 0x80 && reads[c.P1&0x1F] == "", c.INS == 0x2A:
				t.Fatalf("%X reached the input-assist application", cmd)
			case c.INS == 0xB0 && c.P1 < 0x80 && l.sent[i-1][1] != 0xB0:
				t.Fatalf("%X reached a file that no read has named", cmd)
			case c.INS == 0x20 && len(c.Data) > 0 && (l.sent[i-1][1] != 0x20 || len(l.sent[i-1]) != 4 || len(c.Data) != 4):
				t.Fatalf("%X reached the card after %X", cmd, l.sent[i-1])
			}
		}
	})
}
