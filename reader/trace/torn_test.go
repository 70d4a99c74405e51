package trace_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"kazashi.example/reader/trace"
)

// written by hand, from the table of status words in reader/SOURCES.md without those that count something.
var listedWords = []string{
	"6282", "6300", "6581", "66F1", "6700", "6881", "6882", "6884", "6981", "6982", "6983", "6984", "6985", "6986",
	"6A80", "6A81", "6A82", "6A83", "6A86", "6A88", "6B00", "6D00", "6E00", "6F00", "9000",
}

// endings answers 9000 to SELECT and the certificate's read, and to everything else three octets that end with each word in turn.
type endings struct{ next int }

func (e *endings) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	if cmd[1] == 0xA4 {
		return []byte{0x90, 0x00}, nil
	}
	if cmd[2] == 0x8A {
		return []byte{0x30, 0x00, 0x90, 0x00}, nil
	}
	e.next++
	return []byte{0xC7, byte((e.next - 1) >> 8), byte(e.next - 1)}, nil
}

// shownWords selects and reads a file once for every word that its answer may end with, and returns those that a transcript tells.
func shownWords(t *testing.T, practice bool, selected, read string) (shown []string) {
	t.Helper()
	const block = 1 << 10
	out := &endings{}
	for out.next < 1<<16 {
		r := trace.NewRecorder(out, "torn")
		var first []string
		if practice {
			r = trace.NewPracticeRecorder(out, "torn", func([]byte) bool { return true })
			first = []string{selectJPKI, "00B08A0000"}
		}
		converse(t, r, append(first, slices.Repeat([]string{selected, read}, block)...))
		lines := strings.Split(text(t, r), "\n")[3+len(first):]
		for i := 1; i < 2*block; i += 2 {
			if f := strings.Fields(lines[i]); f[5] != "error" {
				shown = append(shown, f[6])
			} else if f[6] != "nonsense" {
				t.Fatalf("line %q, want nonsense", lines[i])
			}
		}
	}
	return shown
}

// P4: an answer that was cut off ends with two octets of the file. Of those of the integrity record, whatever they are, no transcript in any
// mode tells more than one of the listed words; of another masked file's, the words that count as well.
func TestP4TornAnswersAreNonsense(t *testing.T) {
	counted := make([]string, 0, 2*256+16)
	for n := range 256 {
		counted = append(counted, fmt.Sprintf("61%02X", n), fmt.Sprintf("6C%02X", n))
	}
	for n := range 16 {
		counted = append(counted, fmt.Sprintf("63C%X", n))
	}
	withCounts := slices.Sorted(slices.Values(append(counted, listedWords...)))
	var every []string
	for sw := range 1 << 16 {
		if sw1 := sw >> 8; sw1 > 0x60 && sw1 < 0x70 || sw1 >= 0x90 && sw1 < 0xA0 {
			every = append(every, fmt.Sprintf("%04X", sw))
		}
	}
	for _, tt := range []struct {
		name           string
		practice       bool
		selected, read string
		want           []string
	}{
		{"integrity record", false, selectInput, "00B0830000", listedWords},
		{"integrity record of a practice card", true, selectInput, "00B0830000", listedWords},
		{"file of an application unknown here", true, selectCommon, "00B0830000", listedWords},
		{"record", false, selectInput, "00B2010C00", listedWords},
		{"attributes", false, selectInput, "00B0820000", withCounts},
		{"attributes of a practice card", true, selectInput, "00B0820000", every},
		{"authority's certificate", false, selectJPKI, "00B08B0000", every},
		{"token info beyond its label", false, selectJPKI, "00B0861F00", withCounts},
		{"signature", false, selectJPKI, "802A009701AA00", withCounts},
	} {
		if got := shownWords(t, tt.practice, tt.selected, tt.read); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %d words are told, want %d", tt.name, len(got), len(tt.want))
		}
	}
}

// P4: the reference beside 照合番号A is masked like it, also on a practice card.
func TestP4ReferenceBesideTheNumberIsMasked(t *testing.T) {
	out := &script{answers: []string{"9000", "30009000", "9000", "63C2"}}
	r := trace.NewPracticeRecorder(out, "never", func([]byte) bool { return true })
	converse(t, r, []string{selectJPKI, "00B08A0000", selectInput, verify(0x92, "999900000007")})
	if said := text(t, r); !strings.Contains(said, "00200092 S 12:* - = - 63C2\n") {
		t.Errorf("transcript = %s, want 00200092 with masked data", said)
	}
}

// A transcript of one long line costs a few times its length, whatever is in the line.
func TestParseCostsNoMoreThanTheText(t *testing.T) {
	for name, octet := range map[string]string{"spaces": " ", "zeros": "0", "colons": ":", "line feeds": "\n"} {
		const ends = "\nend 1\n"
		in := []byte(head + strings.Repeat(octet, trace.MaxLen-len(head)-len(ends)) + ends)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := trace.Parse(in)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("Parse(%s) = nil, want ErrTranscript", name)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 3*trace.MaxLen {
			t.Errorf("Parse(%s) allocated %d octets for %d", name, n, len(in))
		}
	}
}
