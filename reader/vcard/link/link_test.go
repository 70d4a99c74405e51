package link_test

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/vcard/link"
)

// 10 etu an octet at fc/128: 1,500 octets, by hand 1500 × 10 × 128 / 13.56 MHz = 141.593 ms, and a half, a quarter, an eighth of it.
func TestRateTime(t *testing.T) {
	for _, tt := range []struct {
		rate link.Rate
		n    int
		want time.Duration
	}{
		{link.Rate106, 1500, 141_592_920},
		{link.Rate212, 1500, 70_796_460},
		{link.Rate424, 1500, 35_398_230},
		{link.Rate848, 1500, 17_699_115},
		{link.Rate106, 0, 0},
		{link.Rate106, 1, 94_395},
		{0, 1500, 0},
	} {
		if got := tt.rate.Time(tt.n); got != tt.want {
			t.Errorf("Rate(%d).Time(%d) = %v, want %v", tt.rate, tt.n, got, tt.want)
		}
	}
}

// exchange is a whole tap of n commands, of which the last is an RSA signature, with so many octets both ways in all.
func exchange(n, octets int) (tap [][2][]byte) {
	const first, signature = 4, 57 + 258
	tap = append(tap, [2][]byte{append([]byte{0x80, 0x2A}, make([]byte, 55)...), make([]byte, 258)})
	left := octets - signature - first*(n-1)
	for i := range n - 1 {
		part := left / (n - 1)
		if i == 0 {
			part += left % (n - 1)
		}
		tap = append(tap, [2][]byte{{0, 0xB0, 0, 0}, make([]byte, part)})
	}
	return tap
}

// The published table of whole reads: commands, octets, milliseconds at each rate with 5 and with 18 ms a command.
func TestModelAgainstTable(t *testing.T) {
	for _, tt := range []struct {
		n, octets int
		at5, at18 [4]int64
	}{
		{14, 1982, [4]int64{407, 313, 267, 243}, [4]int64{589, 495, 449, 425}},
		{8, 1888, [4]int64{368, 279, 235, 212}, [4]int64{472, 383, 339, 316}},
		{5, 360, [4]int64{209, 192, 183, 179}, [4]int64{274, 257, 248, 244}},
	} {
		for i, rate := range link.Rates() {
			for perAPDU, want := range map[time.Duration]int64{5 * time.Millisecond: tt.at5[i], 18 * time.Millisecond: tt.at18[i]} {
				m := link.Standard(rate)
				m.PerAPDU = perAPDU
				var got time.Duration
				for _, e := range exchange(tt.n, tt.octets) {
					got += m.Time(e[0], e[1])
				}
				if diff := got.Round(time.Millisecond).Milliseconds() - want; diff < -1 || diff > 1 {
					t.Errorf("%d commands, %d octets at %d, %v each = %v, want %d ms", tt.n, tt.octets, rate, perAPDU, got, want)
				}
			}
		}
	}
}

func TestModelTellsCommandsApart(t *testing.T) {
	m := link.Model{Select: 1, Read: 2, Verify: 4, SignRSA: 8, SignP384: 16, Other: 32}
	for _, tt := range []struct {
		name, command string
		answer        int
		want          time.Duration
	}{
		{"SELECT", "00A4040C0AD392F000260100000001", 2, 1},
		{"READ BINARY", "00B08A0000", 258, 2},
		{"READ RECORD", "00B2010C00", 32, 2},
		{"GET RESPONSE", "00C0000000", 32, 2},
		{"GET DATA", "FFCA000000", 10, 2},
		{"VERIFY", "002000980431323334", 2, 4},
		{"VERIFY, status query", "00200098", 2, 32},
		{"CHANGE", "002401980438383838", 2, 4},
		{"RSA signature", "802A000033" + strings.Repeat("00", 51) + "00", 258, 8},
		{"P-384 signature", "802A000030" + strings.Repeat("00", 48) + "00", 98, 16},
		{"refused signature", "802A000030" + strings.Repeat("00", 48) + "00", 2, 32},
		{"torn", "802A000030", 0, 32},
		{"GET CHALLENGE", "0084000010", 18, 32},
		{"too short", "00A4", 2, 32},
	} {
		command, err := hex.DecodeString(tt.command)
		if err != nil {
			t.Fatal(err)
		}
		if got := m.Time(command, make([]byte, tt.answer)); got != tt.want {
			t.Errorf("Time(%s) = %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := (link.Model{}).Time([]byte{0, 0xB0, 0, 0}, make([]byte, 1000)); got != 0 {
		t.Errorf("Time() of the zero model = %v, want 0", got)
	}
}

func TestParse(t *testing.T) {
	faster := link.Standard(link.Rate424)
	faster.PerAPDU, faster.SignRSA = 18*time.Millisecond, 200*time.Millisecond
	for in, want := range map[string]link.Model{
		"": {}, "none": {}, "106": link.Standard(link.Rate106), "848": link.Standard(link.Rate848), "slow": link.Slow(),
		"424,apdu=18ms,rsa=200ms": faster,
		"read=1h":                 {Read: time.Hour},
		"106,rate=0,apdu=0s,activation=0s,select=1ms,verify=2ms,rsa=0s,p384=3ms,other=4ms": {
			Select: time.Millisecond, Verify: 2 * time.Millisecond, SignP384: 3 * time.Millisecond, Other: 4 * time.Millisecond,
		},
	} {
		if got, err := link.Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, in := range []string{"0", "107", "fast", "106,slow", "106,", "rate=1", "rsa", "rsa=", "rsa=-1ms", "rsa=25h", "106,colour=1ms"} {
		if _, err := link.Parse(in); !errors.Is(err, link.ErrModel) {
			t.Errorf("Parse(%q) = %v, want %v", in, err, link.ErrModel)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "none", "106", "slow", "424,apdu=18ms", "rate=212,rsa=1h", "106,,", "106,rsa=1e9h"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := link.Parse(s)
		if err != nil {
			if !errors.Is(err, link.ErrModel) {
				t.Fatalf("Parse(%q) = %v, want %v", s, err, link.ErrModel)
			}
			return
		}
		if again, err := link.Parse(m.String()); err != nil || again != m {
			t.Fatalf("Parse(%q) = %v, %v, want %v", m.String(), again, err, m)
		}
		if m.Time([]byte{0, 0xB0, 0, 0}, make([]byte, 65538)) < 0 {
			t.Fatalf("Time() of %v is negative", m)
		}
	})
}

// echo answers with the command and 9000; torn and mute say otherwise.
type echo struct{ torn, mute bool }

func (echo) Reset() {}

func (e echo) Transmit(command []byte) []byte {
	switch {
	case e.torn:
		return nil
	case e.mute:
		return []byte{}
	}
	return append(append([]byte(nil), command...), 0x90, 0)
}

func TestLineTakesModelTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := link.Join(echo{}, link.Standard(link.Rate106))
		begun := time.Now()
		for range 3 {
			if answer, err := l.Transmit(t.Context(), []byte{0, 0xB0, 0, 0}); err != nil || len(answer) != 6 {
				t.Fatalf("Transmit() = %X, %v, want 6 octets", answer, err)
			}
		}
		want := 3 * (5*time.Millisecond + link.Rate106.Time(10))
		if got := time.Since(begun); got != want {
			t.Errorf("three commands took %v, want %v", got, want)
		}
		if got := l.Traffic(); got != (link.Traffic{APDUs: 3, BytesUp: 12, BytesDown: 18, Time: want}) {
			t.Errorf("Traffic() = %+v, want 3 commands of 4 and 6 octets in %v", got, want)
		}
	})
}

func TestLineEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		hangs := link.Join(echo{}, link.Model{Read: time.Hour})
		if _, err := hangs.Transmit(ctx, []byte{0, 0xB0, 0, 0}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Transmit() to a card that hangs = %v, want %v", err, context.DeadlineExceeded)
		}
		torn := link.Join(echo{torn: true}, link.Model{})
		for range 2 {
			if _, err := torn.Transmit(t.Context(), []byte{0, 0xB0, 0, 0}); !errors.Is(err, link.ErrTorn) {
				t.Errorf("Transmit() to a torn card = %v, want %v", err, link.ErrTorn)
			}
		}
		mute := link.Join(echo{mute: true}, link.Model{})
		if _, err := mute.Transmit(t.Context(), []byte{0, 0xB0, 0, 0}); !errors.Is(err, apdu.ErrNoAnswer) {
			t.Errorf("Transmit() without an answer = %v, want %v", err, apdu.ErrNoAnswer)
		}
	})
}
