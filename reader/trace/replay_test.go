package trace_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/trace"
)

const head = "kazashi-card-transcript 1\nmode masked\nprocedure pin\n"

// replay parses a transcript written by hand.
func replay(t *testing.T, lines ...string) *trace.Replayer {
	t.Helper()
	tr, err := trace.Parse([]byte(head + strings.Join(append(lines, fmt.Sprintf("end %d", len(lines))), "\n") + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return trace.NewReplayer(tr)
}

func TestReplay(t *testing.T) {
	r := replay(t, "00A4040C S 10:D392F000260100000001 - = - 9000", "00200098 S 4:* - = - 63C2", "00B08600 X - 65536 = 3:8F8F00 9000",
		"00B08A00 X - 65536 = error no-answer", "00B08A00 S - 256 = error nonsense", "00B00100 S - 256 = error ended", "00B08A00 S - 256 = 9:30* 9000",
		"00B08A00 S - 256 = error gone")
	for i, step := range []struct {
		cmd, want string
		err       error
	}{
		{selectJPKI, "9000", nil},
		{verify(0x98, "1234"), "63C2", nil},
		{"00B08600000000", "8F8F009000", nil},
		{"00B08A00000000", "", apdu.ErrNoAnswer},
		{"00B08A0000", "00", nil},
		{"00B0010000", "", context.DeadlineExceeded},
		{"00B08A0000", "", trace.ErrMasked},
		{"00B08A0000", "", trace.ErrGone},
		{"00B08A0000", "", trace.ErrDiffers},
	} {
		if n := r.Left(); n != max(0, 8-i) {
			t.Errorf("Left() before command %d = %d, want %d", i, n, max(0, 8-i))
		}
		got, err := r.Transmit(t.Context(), unhex(t, step.cmd))
		if !errors.Is(err, step.err) || fmt.Sprintf("%X", got) != step.want {
			t.Errorf("Transmit(%s) = %X, %v, want %s, %v", step.cmd, got, err, step.want, step.err)
		}
	}
}

func TestReplayDiffers(t *testing.T) {
	lines := []string{"00A4040C S 10:D392F000260100000001 - = - 9000", "00B08A00 S - 256 = 3:300102 9000"}
	for _, tt := range []struct {
		name, cmd, what string
	}{
		{"another file", "00B08B0000", "header"},
		{"another class", "80B08A0000", "header"},
		{"extended lengths", "00B08A00000000", "lengths"},
		{"the same length extended", "00B08A00000100", "lengths"},
		{"fewer octets", "00B08A0010", "lengths"},
		{"data", "00B08A0001AA00", "lengths"},
	} {
		r := replay(t, lines...)
		if _, err := r.Transmit(t.Context(), unhex(t, selectJPKI)); err != nil {
			t.Fatal(err)
		}
		_, err := r.Transmit(t.Context(), unhex(t, tt.cmd))
		var d *trace.DiffersError
		if !errors.As(err, &d) || !errors.Is(err, trace.ErrDiffers) || d.Line != 5 || d.What != tt.what {
			t.Errorf("%s: Transmit = %v, want ErrDiffers by %s in line 5", tt.name, err, tt.what)
		}
	}
	_, err := replay(t, lines...).Transmit(t.Context(), unhex(t, selectFace))
	if want := "command differs from the transcript: line 4, command 00 A4 04 0C: data"; err == nil || err.Error() != want {
		t.Errorf("Transmit(another application) = %v, want %s", err, want)
	}
	if _, err := replay(t, lines...).Transmit(t.Context(), nil); !errors.Is(err, apdu.ErrCommand) {
		t.Errorf("Transmit(nothing) = %v, want apdu.ErrCommand", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := replay(t, lines...).Transmit(ctx, unhex(t, selectJPKI)); !errors.Is(err, context.Canceled) {
		t.Errorf("Transmit after the end = %v, want context.Canceled", err)
	}
}

// What a practice card said is what a replayer says, command by command, but for what P4 masks.
func TestReplayIsWhatWasRecorded(t *testing.T) {
	link, p := practiceCard(t)
	r := trace.NewPracticeRecorder(link, "pin", func(der []byte) bool { return bytes.Equal(der, p.AuthCert) })
	commands := everything(p)
	answers := converse(t, r, commands)
	tr, err := trace.Parse([]byte(text(t, r)))
	if err != nil {
		t.Fatal(err)
	}
	again, masked := trace.NewReplayer(tr), 0
	for i, c := range commands {
		got, err := again.Transmit(t.Context(), unhex(t, c))
		if errors.Is(err, trace.ErrMasked) {
			masked++
			continue
		}
		if err != nil || !bytes.Equal(got, answers[i]) {
			t.Fatalf("Transmit(%s) = %d octets, %v, want the %d octets recorded", c, len(got), err, len(answers[i]))
		}
	}
	if again.Left() != 0 || masked == 0 || masked > len(commands)/3 {
		t.Errorf("%d commands left, %d answers masked of %d", again.Left(), masked, len(commands))
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "00B08A00 S - 256 = 3:300102 9000\n"
	if _, err := trace.Parse([]byte(head + good + "end 1\n")); err != nil {
		t.Fatalf("Parse = %v", err)
	}
	line := func(s string) string { return head + s + "\nend 1\n" }
	for name, in := range map[string]string{
		"nothing":                    "",
		"no line feed at the end":    head + good + "end 1",
		"another version":            "kazashi-card-transcript 2\nmode masked\nprocedure pin\nend 0\n",
		"another mode":               "kazashi-card-transcript 1\nmode open\nprocedure pin\nend 0\n",
		"no procedure":               "kazashi-card-transcript 1\nmode masked\nend 0\n",
		"procedure without a name":   "kazashi-card-transcript 1\nmode masked\nprocedure \nend 0\n",
		"name of 33 letters":         "kazashi-card-transcript 1\nmode masked\nprocedure " + strings.Repeat("a", 33) + "\nend 0\n",
		"name in capitals":           "kazashi-card-transcript 1\nmode masked\nprocedure PIN\nend 0\n",
		"cut off":                    head + good,
		"wrong count":                head + good + "end 2\n",
		"something behind":           head + good + "end 1\n\n",
		"two ends":                   head + "end 0\nend 1\n",
		"empty line":                 line(""),
		"header of three octets":     line("00B08A S - 256 = - 9000"),
		"lower case":                 line("00b08A00 S - 256 = - 9000"),
		"no form":                    line("00B08A00 - 256 = - 9000"),
		"another form":               line("00B08A00 L - 256 = - 9000"),
		"two spaces":                 line("00B08A00 S  - 256 = - 9000"),
		"leading zero":               line("00B08A00 S - 0256 = - 9000"),
		"expecting zero octets":      line("00B08A00 S - 0 = - 9000"),
		"expecting too many":         line("00B08A00 X - 65537 = - 9000"),
		"more than a short length":   line("00B08A00 S - 257 = - 9000"),
		"extended without lengths":   line("00B08A00 X - - = - 9000"),
		"data longer than it says":   line("00200098 S 1:3132 - = - 9000"),
		"data shorter than it says":  line("00200098 S 3:3132 - = - 9000"),
		"nothing masked":             line("00200098 S 2:3132* - = - 9000"),
		"zero octets of data":        line("00200098 S 0: - = - 9000"),
		"half an octet":              line("00200098 S 4:313* - = - 9000"),
		"data of 256 octets, short":  line("00200098 S 256:* - = - 9000"),
		"no colon":                   line("00200098 S 4 - = - 9000"),
		"status word of one octet":   line("00200098 S - - = - 90"),
		"unknown error":              line("00200098 S - - = error broken"),
		"the word for no error":      line("00200098 S - - = error none"),
		"carriage return":            line("00200098 S - - = - 9000\r"),
		"answer longer than any":     line("00B08A00 X - 65536 = 65537:* 9000"),
		"too many commands":          head + strings.Repeat(good, trace.MaxExchanges+1) + fmt.Sprintf("end %d\n", trace.MaxExchanges+1),
		"more octets than are taken": head + strings.Repeat("0", trace.MaxLen) + "\nend 1\n",
	} {
		if tr, err := trace.Parse([]byte(in)); !errors.Is(err, trace.ErrTranscript) {
			t.Errorf("Parse(%s) = %v, %v, want ErrTranscript", name, tr, err)
		}
	}
	_, err := trace.Parse([]byte(head + good + "00B0\nend 2\n"))
	if want := "not a card transcript: line 5"; err == nil || err.Error() != want {
		t.Errorf("Parse(flaw in line 5) = %v, want %s", err, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"end 0\n", "00A4040C S 10:D392F000260100000001 - = - 9000\nend 1\n", "00B08A00 X - 65536 = 1157:30* 9000\nend 1\n",
		"00200098 S 4:* - = error gone\nend 1\n", "802A0097 S 51:* 256 = 256:* 9000\n00200098 S - - = - 63C3\nend 2\n",
	} {
		f.Add([]byte(head + s))
		f.Add([]byte(strings.Replace(head, "masked", "unmasked", 1) + s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		tr, err := trace.Parse(in)
		if err != nil {
			if !errors.Is(err, trace.ErrTranscript) {
				t.Fatalf("Parse = %v, want ErrTranscript", err)
			}
			return
		}
		if out := tr.Bytes(); !bytes.Equal(out, in) {
			t.Fatalf("Parse(%q).Bytes() = %q", in, out)
		}
		r := trace.NewReplayer(tr)
		for range tr.Exchanges {
			if _, err := r.Transmit(t.Context(), []byte{0x00, 0xB0, 0x8A, 0x00, 0x00}); errors.Is(err, trace.ErrDiffers) {
				break
			}
		}
	})
}
