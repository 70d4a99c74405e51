package trace_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
	"kazashi.example/reader/trace"
	"kazashi.example/reader/vcard"
)

// chatty is a virtual card that gives its answers in pieces of 61xx, so that GET RESPONSE is part of the game.
type chatty struct {
	card *vcard.Card
	rest []byte
}

func (c *chatty) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	answer := c.rest
	if len(cmd) < 2 || cmd[1] != 0xC0 {
		answer = c.card.Transmit(cmd)
	}
	c.rest = nil
	const most = 100
	if len(answer) <= most+2 {
		return answer, nil
	}
	c.rest = answer[most:]
	return append(bytes.Clone(answer[:most]), 0x61, byte(min(len(c.rest)-2, 0xFF))), nil
}

const (
	selectNextAuth = "00A4040C0AF04B415A415348490001" // not on a card of today
	selectNextFace = "00A4040C0AF04B415A415348490002"
	selectPrefix   = "00A4040C05D392100031" // of three applications
)

// moves are what a game is made of, one an octet: ways to select, to read, to go on, and to lose one's place.
var moves = []string{
	selectJPKI, selectInput, selectFace, selectCommon, selectJuki, selectNextAuth, selectNextFace, selectPrefix, "00A4040C05D392F00026", "00A404000AD3921000310001010408",
	"00A4020C020001", "00A4020C020002", "00A4020C020003", "00A4020C020005", "00A4020C02000A", "00A4020C02000B", "00A4020C020011", "00A4020C0200FF",
	"00A40000020003", "00A4000C023F00",
	"00B0810000", "00B0820000", "00B0830000", "00B0840000", "00B0850000", "00B0870000", "00B08A0000", "00B08B0000", "00B0860000", "00B08A00000000",
	"00B08B00000000", "00B08300000000", "00B0830820", "00B0810308", "00B0FF0000", "00B0800000", "00B0A30000",
	"00B0000000", "00B0000500", "00B0004000", "00B0010000", "00B00000000000", "00B00003000008", "01B0830000", "04B0830000", "10B0830000",
	"00B100030454020000000000", "00B1000304540200000000", "00C0000000", "00C0000010", "00C0000100",
	"00200080", "00200083", "00200091", "00200094", "00200098", "00B2010C00", "00840000" + "08", "00880000" + "0100" + "00", "00CA3FFF00", "FFCA000000",
	"802A0000" + "0101" + "00", "0070000001", "00A4", "00",
}

// table is the game on one card.
type table struct {
	card    *vcard.Card
	profile *vcard.Profile
	never   map[[piece]byte]string // what no transcript shows
	masked  map[[piece]byte]string // what none shows in the ordinary mode
}

func newTable(tb testing.TB) *table {
	tb.Helper()
	w := worldtest.Open(tb, world.Config{People: 1})
	people, err := w.People()
	if err != nil {
		tb.Fatal(err)
	}
	p, err := vcard.LoadProfile(people[0].Profile)
	if err != nil {
		tb.Fatal(err)
	}
	card, err := vcard.New(p, &vcard.MemoryStore{})
	if err != nil {
		tb.Fatal(err)
	}
	x := &table{card: card, profile: p, never: map[[piece]byte]string{}, masked: map[[piece]byte]string{}}
	for what, v := range plants(p) {
		into := x.masked
		if what == "integrity record" || what == "Individual Number" {
			into = x.never
		}
		for i := 0; i+piece <= len(v); i++ {
			if part := v[i : i+piece]; !shared(part, p) {
				into[[piece]byte(part)] = what
			}
		}
	}
	return x
}

// open verifies every PIN behind the recorder's back: it must not rely on having seen one.
func (x *table) open(selected string) {
	values := map[string][]string{
		selectJPKI:  {verify(0x98, x.profile.AuthPIN), verify(0x9B, x.profile.SignPassword)},
		selectInput: {verify(0x91, x.profile.InputPIN)},
		// Only one of the two is where the prefix leads.
		selectPrefix: {verify(0x95, x.profile.NumberB), verify(0x92, x.profile.NumberB)},
		selectFace:   {verify(0x91, x.profile.BirthKey), verify(0x92, x.profile.NumberB), verify(0x93, x.profile.IndividualNumber)},
	}
	for _, cmd := range values[selected] {
		b, _ := hex.DecodeString(cmd)
		x.card.Transmit(b)
	}
}

// play makes the moves in one mode and looks at the transcript.
func (x *table) play(t *testing.T, game []byte, practice bool) {
	t.Helper()
	x.card.Reset()
	if err := x.card.ResetCounts(); err != nil {
		t.Fatal(err)
	}
	out := &chatty{card: x.card}
	r := trace.NewRecorder(out, "game")
	if practice {
		// The certificate first, so that every game's transcript is given out.
		r = trace.NewPracticeRecorder(out, "game", func([]byte) bool { return true })
		converse(t, r, []string{selectJPKI, "00B08A00000000"})
		for out.rest != nil {
			converse(t, r, []string{"00C0000000"})
		}
	}
	for _, move := range game {
		cmd := moves[int(move)%len(moves)]
		_, _ = r.Transmit(t.Context(), unhex(t, cmd)) // what is no command is refused
		x.open(strings.ReplaceAll(cmd, "00A40400", "00A4040C"))
	}
	tr, err := r.Transcript()
	if err != nil {
		t.Fatalf("Transcript = %v", err)
	}
	x.judge(t, tr, practice)
}

func (x *table) judge(t *testing.T, tr *trace.Transcript, practice bool) {
	t.Helper()
	for _, e := range tr.Exchanges {
		for _, shown := range [][]byte{e.Data.Shown, e.Answer.Shown} {
			for i := 0; i+piece <= len(shown); i++ {
				part := [piece]byte(shown[i : i+piece])
				if what := x.never[part]; what != "" {
					t.Fatalf("the transcript shows the %s:\n%s", what, tr.Bytes())
				}
				if what := x.masked[part]; what != "" && !practice {
					t.Fatalf("the transcript shows the %s:\n%s", what, tr.Bytes())
				}
			}
		}
	}
}

// P3, P4: whatever is asked of a card whose files are all open, in whatever order, no transcript shows what its mode must not. What is
// selected the card knows, so that the recorder's own picture of it is tested against the card's.
func TestP3P4Games(t *testing.T) {
	x := newTable(t)
	r := rand.New(rand.NewPCG(4, 2026))
	for range 400 {
		game := make([]byte, 40)
		for i := range game {
			game[i] = byte(r.IntN(len(moves)))
		}
		x.play(t, game, false)
		x.play(t, game, true)
	}
}

func FuzzRecorder(f *testing.F) {
	x := newTable(f)
	f.Add([]byte{1, 19, 20, 46, 37, 18})
	f.Add([]byte{1, 10, 35, 46, 46, 8, 38})
	f.Add([]byte{0, 25, 1, 50, 35, 2, 22, 46})
	f.Fuzz(func(t *testing.T, game []byte) {
		if len(game) > 60 {
			return
		}
		x.play(t, game, false)
		x.play(t, game, true)
	})
}
