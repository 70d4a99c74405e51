package mynumber_test

import (
	"errors"
	"slices"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
)

// cut makes every read of a file, by its short identifier, end after so many octets, status word and all.
func (b *bench) cut(sfi byte, octets int) {
	b.to = func(cmd []byte) ([]byte, error) {
		answer := b.transmit(cmd)
		if cmd[1] == 0xB0 && cmd[2] == sfi && len(answer) > octets {
			answer = answer[:octets]
		}
		return answer, nil
	}
}

// P3, P4: the last two octets of an answer that was cut off are no status word, and do not come out as one: of a file behind a PIN, and of
// the integrity record, nothing is told but words of the list.
func TestP4CutAnswersTellNothing(t *testing.T) {
	for _, tt := range []struct {
		procedure string
		sfi       byte
		file      func(*vcard.Profile) []byte
	}{
		{"ReadAttributes", 0x82, func(p *vcard.Profile) []byte { return p.InputAttributes }},
		{"ReadAttributes", 0x83, func(p *vcard.Profile) []byte { return p.InputIntegrity }},
		{"ReadSignCert", 0x81, func(p *vcard.Profile) []byte { return p.SignCert }},
		{"ProveFace", 0x81, func(p *vcard.Profile) []byte { return p.FaceAge }},
	} {
		p := national()
		b, file, proc := newBench(t, p), tt.file(p), procedureNamed(t, tt.procedure)
		for octets := 3; octets < len(file); octets++ {
			b.cut(tt.sfi, octets)
			_, err := proc.run(t.Context(), b.connect(), right(t))
			var se *apdu.StatusError
			if errors.As(err, &se) && !listed(se.SW) {
				t.Fatalf("%s with file %02X cut after %d octets = %v, want none of them told", tt.procedure, tt.sfi, octets, err)
			}
		}
	}
}

// listed are the words that may come out, written by hand.
func listed(sw apdu.StatusWord) bool {
	return slices.Contains([]apdu.StatusWord{
		0x6282, 0x6300, 0x6581, 0x6700, 0x6881, 0x6882, 0x6884, 0x6981, 0x6982, 0x6983, 0x6984, 0x6985, 0x6986, 0x6A80, 0x6A81, 0x6A82,
		0x6A83, 0x6A86, 0x6A88, 0x6B00, 0x6D00, 0x6E00, 0x6F00,
	}, sw)
}

// A reader that cuts off long answers is one that does not take extended lengths: short ones do.
func TestReaderThatCutsLongAnswers(t *testing.T) {
	for _, end := range [][]byte{{0x12, 0x34}, {0x6A, 0x12}, {0x64}} {
		b := newBench(t, national())
		b.to = func(cmd []byte) ([]byte, error) {
			answer := b.card.Transmit(cmd)
			if len(answer) > 258 {
				answer = append(answer[:300:300], end...)
			}
			return answer, nil
		}
		if _, err := b.connect().ReadAuthCert(t.Context()); err != nil {
			t.Errorf("ReadAuthCert with answers that end in %X = %v, want it done with short lengths", end, err)
		}
	}
}

// The guard takes a command in the form in which this package writes it: a card may read another form as something else. Only a read may ask
// in extended form for what the short one could say.
func TestP4GuardTakesOneForm(t *testing.T) {
	for _, tt := range []struct {
		cmd  string
		want error
	}{
		{selectJPKI, nil},
		{"00A4040C00000A D392F000260100000001", mynumber.ErrForbidden},
		{"00B08A00000100", nil},
		{"00B08A00000000", nil},
		{"00200098", nil},
		{"00200098000004 31323334", mynumber.ErrForbidden},
		{"00200098", nil},
		{"0020009804 31323334", nil},
		{"802A009700003331 3031300D060960864801650304020105000420" + "4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B4B" + "0100", mynumber.ErrForbidden},
	} {
		t.Run(tt.cmd, func(t *testing.T) {
			l := &link{to: licensed}
			g := mynumber.Guard(l)
			for _, before := range []string{selectJPKI, "00200098"} {
				if _, err := g.Transmit(t.Context(), unhex(t, before)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := g.Transmit(t.Context(), unhex(t, tt.cmd)); !errors.Is(err, tt.want) || (len(l.sent) > 2) != (tt.want == nil) {
				t.Errorf("Transmit(%s) = %v, want %v", tt.cmd, err, tt.want)
			}
		})
	}
}
