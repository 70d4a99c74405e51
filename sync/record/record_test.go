package record_test

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"kazashi.example/sync/record"
)

const hex32 = "00112233445566778899aabbccddeeff"

func TestParseID(t *testing.T) {
	want := record.ID128{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	if got, err := record.ParseID(hex32); err != nil || got != want || got.String() != hex32 {
		t.Errorf("ParseID(%s) = %s, %v", hex32, got, err)
	}
	for _, s := range []string{"", hex32[1:], hex32 + "0", strings.ToUpper(hex32), hex32[:31] + "g", " " + hex32[1:], "0x" + hex32[2:]} {
		if got, err := record.ParseID(s); !errors.Is(err, record.ErrID) {
			t.Errorf("ParseID(%q) = %s, %v, want ErrID", s, got, err)
		}
	}
	if got := (record.ID{Epoch: record.EpochID{ID128: want}, Seq: 7}).String(); got != hex32+"/7" {
		t.Errorf("ID = %s, want %s/7", got, hex32)
	}
}

func TestIDsAreFixedByteStrings(t *testing.T) {
	id := record.NewTapID()
	b, err := id.MarshalCBOR()
	if err != nil || !bytes.Equal(b, append([]byte{0x50}, id.ID128[:]...)) {
		t.Fatalf("MarshalCBOR = %x, %v, want 50 and the id", b, err)
	}
	var back record.TapID
	if err := back.UnmarshalCBOR(b); err != nil || back != id {
		t.Errorf("UnmarshalCBOR = %s, %v, want %s", back, err, id)
	}
	for _, bad := range [][]byte{nil, b[:16], append(bytes.Clone(b), 0), append([]byte{0x70}, b[1:]...), {0xf6}} {
		if err := back.UnmarshalCBOR(bad); !errors.Is(err, record.ErrID) {
			t.Errorf("UnmarshalCBOR(%x) = %v, want ErrID", bad, err)
		}
	}
	if one, two := record.NewBoxID(), record.NewBoxID(); one == two || record.NewEpochID().IsZero() || !(record.BoxID{}).IsZero() {
		t.Error("new ids repeat, or zero is not zero")
	}
}

func TestCheckName(t *testing.T) {
	for name, want := range map[string]error{
		"a": nil, "0": nil, "library-loan": nil, "city.example": nil, strings.Repeat("a", 63): nil,
		"": record.ErrName, strings.Repeat("a", 64): record.ErrName, "-a": record.ErrName, ".a": record.ErrName, "A": record.ErrName,
		"a_b": record.ErrName, "a b": record.ErrName, "a/b": record.ErrName, "図書館": record.ErrName, "a\n": record.ErrName,
	} {
		if err := record.CheckName(record.ServiceID(name)); !errors.Is(err, want) {
			t.Errorf("CheckName(%q) = %v, want %v", name, err, want)
		}
	}
}

// word is what every enumeration is.
type word interface {
	fmt.Stringer
	encoding.TextMarshaler
	Valid() bool
}

// P6: numbers stand in signed and sealed formats and words in the local API; neither ever changes.
func TestP6WordsKeepTheirNumbers(t *testing.T) {
	for _, c := range []struct {
		kind string
		make func(uint8) word
		read func(string) (word, error)
		want string // "number:word" of each that is valid
	}{
		{"evidence", func(n uint8) word { return record.Evidence(n) }, parse[record.Evidence], "0:none 1:certificate 2:card-bound 3:card 4:pin"},
		{"basis", func(n uint8) word { return record.Basis(n) }, parse[record.Basis], "1:art38-4 2:pin 3:disaster_intake 4:drill"},
		{"verdict", func(n uint8) word { return record.Verdict(n) }, parse[record.Verdict], "1:accepted 2:provisional 3:refused 4:recorded"},
		{"answer", func(n uint8) word { return record.Answer(n) }, parse[record.Answer], "0:unknown 1:not_revoked 2:revoked 3:on_hold 4:not_covered 5:expired"},
		{"confidence", func(n uint8) word { return record.Confidence(n) }, parse[record.Confidence], "0:none 1:floor 2:checked"},
		{
			"reason", func(n uint8) word { return record.Reason(n) }, parse[record.Reason],
			"1:in_order 2:list_old 3:list_missing 4:issuer_not_verified 5:clock_poor 6:record_only 7:enrolment_pending 8:again 20:expired 21:not_yet_valid 22:revoked " +
				"23:on_hold 24:chain_broken 25:profile 26:hierarchy 27:evidence_too_weak 28:unknown_issuer " +
				"29:not_enrolled 30:card_differs 31:card_not_genuine 32:pin_not_proved 33:birth_key_locked 34:phone 35:card_renewed " +
				"36:birth_differs 37:card_refuses 60:list_too_old 61:no_rule 62:used_already 63:roster_locked 64:nobody_signed_in " +
				"65:list_absent 66:roster_unreadable " +
				"80:tap_replayed 81:status_unknown 82:unreadable 83:number_taken 84:hold_lifted 99:later_release",
		},
	} {
		t.Run(c.kind, func(t *testing.T) {
			var got []string
			for n := range 256 {
				w := c.make(uint8(n))
				if !w.Valid() {
					continue
				}
				got = append(got, fmt.Sprintf("%d:%s", n, w))
				if back, err := c.read(w.String()); err != nil || back != w {
					t.Errorf("reading %q = %v, %v, want %d", w, back, err, n)
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("words are %q, want %q", strings.Join(got, " "), c.want)
			}
			if _, err := c.read("no such word"); !errors.Is(err, record.ErrWord) {
				t.Errorf("reading no word = %v, want ErrWord", err)
			}
			if got := c.make(255).String(); got != "unknown" {
				t.Errorf("number 255 prints %q, want unknown", got)
			}
		})
	}
}

// parse reads a word of any enumeration.
func parse[T word, P interface {
	*T
	encoding.TextUnmarshaler
}](s string) (word, error) {
	var v T
	err := P(&v).UnmarshalText([]byte(s))
	return v, err
}

func TestReasonOfALaterReleaseHasAWord(t *testing.T) {
	for in, want := range map[record.Reason]record.Reason{
		record.ReasonInOrder: record.ReasonInOrder, record.ReasonUnreadable: record.ReasonUnreadable,
		38: record.ReasonLater, 85: record.ReasonLater, 255: record.ReasonLater, 0: record.ReasonLater,
	} {
		if got := in.OrLater(); got != want {
			t.Errorf("OrLater(%d) = %v, want %v", in, got, want)
		}
	}
}

func TestOfCard(t *testing.T) {
	for in, want := range map[record.Reason]bool{
		record.ReasonInOrder: false, 19: false, record.ReasonExpired: true, record.ReasonUnknownIssuer: true, 29: true, 59: true,
		record.ReasonListTooOld: false, record.ReasonLater: false, 255: false,
	} {
		if got := in.OfCard(); got != want {
			t.Errorf("OfCard(%d) = %v, want %v", in, got, want)
		}
	}
}

func TestFalseProof(t *testing.T) {
	for n := range 256 {
		r := record.Reason(n)
		want := r == record.ReasonCardDiffers || r == record.ReasonCardNotGenuine || r == record.ReasonPINNotProved
		if got := r.FalseProof(); got != want {
			t.Errorf("FalseProof(%v) = %v, want %v", r, got, want)
		}
	}
}

func TestServed(t *testing.T) {
	for v, want := range map[record.Verdict]bool{0: false, 1: true, 2: true, 3: false, 4: true, 5: false} {
		if got := v.Served(); got != want {
			t.Errorf("Served(%v) = %v, want %v", v, got, want)
		}
	}
}

// P3: a PPID shows itself to Reveal alone.
func TestP3SubjectPrintsRedacted(t *testing.T) {
	s := record.NewSubject("made-up-ppid")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, s); got != "REDACTED" {
			t.Errorf("Sprintf(%s) = %q, want REDACTED", verb, got)
		}
	}
	if b, err := json.Marshal(s); err != nil || string(b) != `"REDACTED"` {
		t.Errorf("json.Marshal = %s, %v, want REDACTED", b, err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("subject", slog.Any("subject", s))
	if !strings.Contains(log.String(), "subject=REDACTED") || s.Reveal() != "made-up-ppid" || s.IsZero() {
		t.Errorf("logged %s, revealed %s", log.String(), s.Reveal())
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(hex32)
	f.Add(strings.ToUpper(hex32))
	f.Fuzz(func(t *testing.T, in string) {
		if id, err := record.ParseID(in); err == nil && id.String() != in {
			t.Fatalf("accepted %q, which prints %s", in, id)
		}
	})
}
