package mynumber_test

import (
	"bytes"
	"context"
	"errors"
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
)

// recorder is a transmitter that agrees to everything and keeps what reached it.
type recorder struct{ got [][]byte }

func (r *recorder) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	r.got = append(r.got, bytes.Clone(cmd))
	return []byte{0xAA, 0x90, 0x00}, nil
}

// P4: the allow-list is what this test says, no more. Whoever adds to it has to come here, and must not add what
// TestP4ForbiddenNeverReachesTheCard lists.
func TestP4AllowList(t *testing.T) {
	want := []mynumber.Permission{{Application: mynumber.JPKI, INS: 0xB0, File: 0x000A}}
	got := mynumber.Permissions()
	if len(got) != len(want) {
		t.Fatalf("Permissions() = %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("Permissions()[%d] = %v, want %v", i, got[i], want[i])
		}
	}
}

// P4: neither the Individual Number, nor what it can be computed from, nor anything else off the list can be asked for.
func TestP4ForbiddenNeverReachesTheCard(t *testing.T) {
	tests := []struct {
		name   string
		before []string // commands that are allowed, to bring the guard into a state
		cmd    string
	}{
		{"input-assist application", nil, selectInput},
		{"card-face application", nil, selectFace},
		{"resident-register application", nil, selectJuki},
		{"common-card application", nil, selectCommon},
		{"security domain", nil, "00A4040007 A0000001510000"},
		{"master file", nil, "00A40000 02 3F00"},
		{"JPKI by prefix", nil, "00A4040C05 D392F00026"},
		{"prefix of every application of the card", nil, "00A4040C02 D392"},
		{"JPKI with one octet more", nil, "00A4040C0B D392F00026010000000100"},
		{"JPKI on another logical channel", nil, "01A4040C0A D392F000260100000001"},
		{"JPKI with FCI", nil, "00A404000A D392F000260100000001"},
		{"next occurrence", nil, "00A4040E0A D392F000260100000001"},
		{"read with nothing selected", nil, "00B08A0000"},
		{"read at an offset with nothing current", []string{selectJPKI}, "00B0000000"},
		{"Individual Number by short identifier", nil, "00B0810000"},
		{"file 0001 of JPKI", []string{selectJPKI}, "00B0810000"},
		{"file 0003 by short identifier", []string{selectJPKI}, "00B0830000"},
		{"file 0005 by short identifier", []string{selectJPKI}, "00B0850000"},
		{"authority certificate", []string{selectJPKI}, "00B08B0000"},
		{"short identifier with reserved bits", []string{selectJPKI}, "00B0AA0000"},
		{"READ BINARY with data", []string{selectJPKI}, "00B08A0001AA00"},
		{"READ BINARY without Le", []string{selectJPKI}, "00B08A00"},
		{"READ BINARY odd", []string{selectJPKI}, "00B1000A04 5402000000"},
		{"SELECT file", []string{selectJPKI}, "00A4020C02 0001"},
		{"SELECT the very certificate file", []string{selectJPKI}, "00A4020C02 000A"},
		{"VERIFY of 照合番号A, card-face", nil, "00200093 0C 303030303030303030303030"},
		{"VERIFY of 照合番号A, input-assist", nil, "00200094 0C 303030303030303030303030"},
		{"VERIFY of the PIN", []string{selectJPKI}, "00200098 04 31323334"},
		{"asking for tries", []string{selectJPKI}, "00200098"},
		{"change of a PIN", []string{selectJPKI}, "00240180 04 31323334"},
		{"signature", []string{selectJPKI}, "802A0097 01 AA 00"},
		{"read of a record", []string{selectJPKI}, "00B2010C00"},
		{"GET DATA", []string{selectJPKI}, "00CB3FFF 04 5C027F21 00"},
		{"UPDATE BINARY", []string{selectJPKI}, "00D68A00 01 AA"},
		{"GET RESPONSE that nothing announced", []string{selectJPKI}, "00C0000000"},
		{"chaining", []string{selectJPKI}, "10B08A0000"},
		{"no APDU", nil, "00A4"},
		{"empty", nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := &recorder{}
			g := mynumber.Guard(rec)
			for _, b := range tt.before {
				if _, err := g.Transmit(t.Context(), unhex(t, b)); err != nil {
					t.Fatalf("Transmit(%s) = %v, want it allowed", b, err)
				}
			}
			rec.got = nil
			if _, err := g.Transmit(t.Context(), unhex(t, tt.cmd)); !errors.Is(err, mynumber.ErrForbidden) {
				t.Errorf("Transmit(%s) = %v, want ErrForbidden", tt.cmd, err)
			}
			if len(rec.got) > 0 {
				t.Errorf("Transmit(%s) reached the card", tt.cmd)
			}
		})
	}
}

// P4, walked: with JPKI selected or not, every header with every short body that is not on the list stays here.
func TestP4WalkEveryHeader(t *testing.T) {
	const jpkiRead = 0x8A
	for _, selected := range []bool{false, true} {
		rec := &recorder{}
		g := mynumber.Guard(rec)
		if selected {
			if _, err := g.Transmit(t.Context(), unhex(t, selectJPKI)); err != nil {
				t.Fatal(err)
			}
		}
		rec.got = nil
		for _, cla := range []byte{0x00, 0x01, 0x04, 0x0C, 0x10, 0x40, 0x80, 0x84, 0xFF} {
			for ins := range 256 {
				for p1 := range 256 {
					cmd := []byte{cla, byte(ins), byte(p1), 0, 0}
					if selected && cla == 0 && ins == 0xB0 && p1 == jpkiRead {
						continue // the one file that is on the list
					}
					if _, err := g.Transmit(t.Context(), cmd); !errors.Is(err, mynumber.ErrForbidden) {
						t.Fatalf("Transmit(%X), JPKI selected %v = %v, want ErrForbidden", cmd, selected, err)
					}
				}
			}
		}
		if len(rec.got) > 0 {
			t.Errorf("%d commands reached the card", len(rec.got))
		}
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

// FuzzGuard: whatever is asked, only reads of the certificate and SELECT of JPKI get through.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{selectJPKI, selectInput, "00B08A0000", "00B0010000", "00C0000010", "0020008004 31323334"} {
		f.Add(unhex(f, selectJPKI), unhex(f, s))
		f.Add(unhex(f, "00B08A0000"), unhex(f, s))
	}
	jpki := unhex(f, selectJPKI)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		rec := &recorder{}
		g := mynumber.Guard(rec)
		for _, cmd := range [][]byte{jpki, first, second} {
			if _, err := g.Transmit(t.Context(), cmd); err != nil && !errors.Is(err, mynumber.ErrForbidden) {
				t.Fatalf("Transmit(%X) = %v", cmd, err)
			}
		}
		current := false
		for _, cmd := range rec.got {
			c, err := apdu.ParseCommand(cmd)
			switch {
			case err != nil:
				t.Fatalf("%X reached the card", cmd)
			case bytes.Equal(cmd, jpki), c.INS == 0xA4 && bytes.Equal(c.Data, jpki[5:]):
				current = false
			case c.CLA == 0 && c.INS == 0xB0 && c.P1 == 0x8A:
				current = true
			case c.CLA == 0 && c.INS == 0xB0 && c.P1 < 0x80 && current:
			default:
				t.Fatalf("%X reached the card", cmd)
			}
		}
	})
}
