package tlv_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"kazashi.example/reader/tlv"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name, in string
		tag      tlv.Tag
		value    string
		rest     string
	}{
		{"one-octet tag", "04 02 AABB", 0x04, "AABB", ""},
		{"two-octet tag, number below 31", "DF11 08 3139383030323137", 0xDF11, "3139383030323137", ""},
		{"filler after", "FF10 01 AA FFFF", 0xFF10, "AA", "FFFF"},
		{"three-octet tag", "7F8101 00", 0x7F8101, "", ""},
		{"length 81", "5F4E 81 01 AA", 0x5F4E, "AA", ""},
		{"length 83", "5F4E 83 000001 AA", 0x5F4E, "AA", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := unhex(t, tt.in)
			e, rest, err := tlv.Decode(in)
			if err != nil || e.Tag != tt.tag || !bytes.Equal(e.Value, unhex(t, tt.value)) || !bytes.Equal(rest, unhex(t, tt.rest)) {
				t.Fatalf("Decode(%s) = %v %X, rest %X, %v", tt.in, e.Tag, e.Value, rest, err)
			}
			if n, err := tlv.TotalLen(in); err != nil || n != len(in)-len(rest) {
				t.Errorf("TotalLen(%s) = %d, %v, want %d", tt.in, n, err, len(in)-len(rest))
			}
		})
	}
}

func TestDecodeRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"nothing", "", tlv.ErrShort},
		{"tag cut", "7F", tlv.ErrShort},
		{"no length", "7F21", tlv.ErrShort},
		{"length cut", "7F21 82 02", tlv.ErrShort},
		{"value cut", "04 02 AA", tlv.ErrShort},
		{"indefinite", "30 80 0000", tlv.ErrLength},
		{"length of four octets", "30 84 00000001 AA", tlv.ErrLength},
		{"tag of four octets", "7F818101 00", tlv.ErrTag},
		{"filler", "FFFFFFFF", tlv.ErrTag},
		{"zero tag", "00 00", tlv.ErrTag},
	}
	for _, tt := range tests {
		if e, _, err := tlv.Decode(unhex(t, tt.in)); !errors.Is(err, tt.want) {
			t.Errorf("%s: Decode(%s) = %v, %v, want %v", tt.name, tt.in, e.Tag, err, tt.want)
		}
	}
}

// The age record of the card-face application, in small: soltia48/myna-card src/ap/surface.rs.
const record = "FF10 13  DF11 08 3139383030323137  DF12 05 90 03 010001  FFFFFF"

func TestFind(t *testing.T) {
	in := unhex(t, record)
	if e, err := tlv.Find(in, 0xFF10, 0xDF12); err != nil || !bytes.Equal(e.Raw, unhex(t, "DF12 05 9003010001")) {
		t.Errorf("Find(DF12) = %X, %v", e.Raw, err)
	}
	if e, err := tlv.Find(in, 0xFF10); err != nil || len(e.Raw) != 22 {
		t.Errorf("Find(FF10) = %d octets, %v, want 22 without filler", len(e.Raw), err)
	}
	for _, path := range [][]tlv.Tag{nil, {0xFF20}, {0xFF10, 0xDF13}} {
		if _, err := tlv.Find(in, path...); !errors.Is(err, tlv.ErrNotFound) {
			t.Errorf("Find(%v) = %v, want ErrNotFound", path, err)
		}
	}
	if _, err := tlv.Find(in, 0xFF10, 0xDF11, 0x90); !errors.Is(err, tlv.ErrTag) {
		t.Errorf("Find inside a primitive = %v, want ErrTag", err)
	}
}

func TestChildrenRefuses(t *testing.T) {
	cut := tlv.Element{Tag: 0xFF10, Value: unhex(t, "DF11 05 00")}
	if _, err := cut.Children(); !errors.Is(err, tlv.ErrShort) {
		t.Errorf("Children(cut) = %v, want ErrShort", err)
	}
	many := tlv.Element{Tag: 0x30, Value: bytes.Repeat([]byte{0x05, 0x00}, tlv.MaxChildren+1)}
	if _, err := many.Children(); !errors.Is(err, tlv.ErrTag) {
		t.Errorf("Children(%d elements) = %v, want ErrTag", tlv.MaxChildren+1, err)
	}
}

func TestAppend(t *testing.T) {
	tests := []struct {
		tag  tlv.Tag
		n    int
		head string
	}{
		{0x90, 3, "9003"},
		{0xDF24, 127, "DF247F"},
		{0x30, 128, "308180"},
		{0xDF33, 256, "DF33820100"},
		{0x7F21, 563, "7F21820233"},
		{0xFF20, 65536, "FF2083010000"},
	}
	for _, tt := range tests {
		got := tlv.Append(nil, tt.tag, make([]byte, tt.n/2), make([]byte, tt.n-tt.n/2))
		if head := unhex(t, tt.head); !bytes.HasPrefix(got, head) || len(got) != len(head)+tt.n {
			t.Errorf("Append(%v, %d octets) = %X… of %d, want %s…", tt.tag, tt.n, got[:7], len(got), tt.head)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{record, "04 02 AABB", "7F21 82 0001 00", "30 80 0000", "FFFFFFFF", "5F4E 83 000001 AA"} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		e, rest, err := tlv.Decode(in)
		if err != nil {
			return
		}
		if !bytes.Equal(append(bytes.Clone(e.Raw), rest...), in) {
			t.Fatalf("Decode(%X) lost octets", in)
		}
		out := tlv.Append(nil, e.Tag, e.Value)
		if len(out) == len(e.Raw) && !bytes.Equal(out, e.Raw) || len(out) > len(e.Raw) {
			t.Fatalf("Append(Decode(%X)) = %X", e.Raw, out)
		}
		if n, err := tlv.TotalLen(in); err != nil || n != len(e.Raw) {
			t.Fatalf("TotalLen(%X) = %d, %v, want %d", in, n, err, len(e.Raw))
		}
		if list, err := e.Children(); err == nil {
			var joined []byte
			for _, c := range list {
				joined = append(joined, c.Raw...)
			}
			if !bytes.Equal(joined, e.Value) {
				t.Fatalf("Children(%X) lost octets", e.Raw)
			}
		}
	})
}
