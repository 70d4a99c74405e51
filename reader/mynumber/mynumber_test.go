package mynumber_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/mynumber"
)

// wantDER has the length of the published test card's certificate, 1157 octets.
func wantDER() []byte { return certificates()[0] }

// virtual is the way to a card of today.
func virtual(t testing.TB) *link {
	t.Helper()
	return newBench(t, national()).link
}

func TestReadAuthCertInTwoCommands(t *testing.T) {
	l := virtual(t)
	c, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(t.Context())
	if err != nil || !bytes.Equal(c.DER(), wantDER()) {
		t.Fatalf("ReadAuthCert = %d octets, %v, want %d", len(c.DER()), err, len(wantDER()))
	}
	want := []string{"00A4040C0AD392F000260100000001", "00B08A00000000"}
	if len(l.sent) != len(want) {
		t.Fatalf("sent %d commands %X, want %d", len(l.sent), l.sent, len(want))
	}
	for i := range want {
		if !bytes.Equal(l.sent[i], unhex(t, want[i])) {
			t.Errorf("command %d = %X, want %s", i, l.sent[i], want[i])
		}
	}
}

func TestReadAuthCertFallsBack(t *testing.T) {
	refusals := map[string]func(int, []byte) ([]byte, error, bool){
		"card answers 6700":       func(_ int, cmd []byte) ([]byte, error, bool) { return []byte{0x67, 0}, nil, extended(cmd) },
		"card answers 6F00":       func(_ int, cmd []byte) ([]byte, error, bool) { return []byte{0x6F, 0}, nil, extended(cmd) },
		"card answers nothing":    func(_ int, cmd []byte) ([]byte, error, bool) { return []byte{0x90, 0}, nil, extended(cmd) },
		"reader brings no answer": func(_ int, cmd []byte) ([]byte, error, bool) { return nil, apdu.ErrNoAnswer, extended(cmd) },
	}
	for name, spoil := range refusals {
		t.Run(name, func(t *testing.T) {
			l := virtual(t)
			l.spoil = spoil
			o := mynumber.Options{Reader: "practice reader", Memory: mynumber.NewMemory()}
			for i, want := range []int{7, 6, 6} { // the refused one is not tried again on this reader
				l.sent = nil
				c, err := mynumber.New(l, o).ReadAuthCert(t.Context())
				if err != nil || !bytes.Equal(c.DER(), wantDER()) || len(l.sent) != want {
					t.Fatalf("read %d = %d octets in %d commands, %v, want %d in %d", i, len(c.DER()), len(l.sent), err, len(wantDER()), want)
				}
			}
		})
	}
}

func TestReadAuthCertFollowsTheCard(t *testing.T) {
	tests := map[string]func(int, []byte) ([]byte, error, bool){
		"filler after the certificate": func(n int, _ []byte) ([]byte, error, bool) {
			return append(append(bytes.Clone(wantDER()), 0xFF, 0xFF, 0xFF), 0x90, 0), nil, n == 2
		},
		"warning at the file's end": func(n int, _ []byte) ([]byte, error, bool) {
			return append(bytes.Clone(wantDER()), 0x62, 0x82), nil, n == 2
		},
		"6Cxx once": func(n int, _ []byte) ([]byte, error, bool) { return []byte{0x6C, 0x00}, nil, n == 2 },
		"61xx": func(n int, cmd []byte) ([]byte, error, bool) {
			switch n {
			case 2:
				return append(bytes.Clone(wantDER()[:1000]), 0x61, 157), nil, true
			case 3:
				return append(bytes.Clone(wantDER()[1000:]), 0x90, 0), nil, bytes.Equal(cmd, []byte{0, 0xC0, 0, 0, 157})
			}
			return nil, nil, false
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			l := virtual(t)
			l.spoil = spoil
			c, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(t.Context())
			if err != nil || !bytes.Equal(c.DER(), wantDER()) {
				t.Fatalf("ReadAuthCert = %d octets, %v, want %d", len(c.DER()), err, len(wantDER()))
			}
		})
	}
}

// A reader may hand on less than the card gave; the rest is read from where it ended.
func TestReadAuthCertGoesOnAfterAShortAnswer(t *testing.T) {
	l := virtual(t)
	card := l.to
	l.to = func(cmd []byte) ([]byte, error) {
		answer, err := card(cmd)
		if len(answer) > 258 {
			answer = append(answer[:256:256], 0x90, 0)
		}
		return answer, err
	}
	c, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(t.Context())
	if err != nil || !bytes.Equal(c.DER(), wantDER()) || len(l.sent) != 6 {
		t.Fatalf("ReadAuthCert = %d octets in %d commands, %v, want %d in 6", len(c.DER()), len(l.sent), err, len(wantDER()))
	}
}

func TestReadAuthCertErrors(t *testing.T) {
	gone := errors.New("card was removed")
	answer := func(at int, hexes string) func(int, []byte) ([]byte, error, bool) {
		return func(n int, _ []byte) ([]byte, error, bool) { return unhex(t, hexes), nil, n >= at }
	}
	tests := []struct {
		name  string
		spoil func(int, []byte) ([]byte, error, bool)
		want  error
	}{
		{"no such application", answer(1, "6A82"), mynumber.ErrNotMyNumber},
		{"a card that knows no SELECT", answer(1, "6D00"), mynumber.ErrNotMyNumber},
		{"torn before anything", func(int, []byte) ([]byte, error, bool) { return nil, gone, true }, mynumber.ErrTorn},
		{"torn in the middle", func(n int, _ []byte) ([]byte, error, bool) { return nil, gone, n == 2 }, mynumber.ErrTorn},
		{"reader brings no answer at all", func(int, []byte) ([]byte, error, bool) { return nil, apdu.ErrNoAnswer, true }, mynumber.ErrTorn},
		{"PIN needed", answer(2, "6982"), mynumber.ErrPINNeeded},
		{"no such file", answer(2, "6A82"), mynumber.ErrNoCertificate},
		{"empty file", answer(2, "9000"), mynumber.ErrNoCertificate},
		{"file of filler", answer(2, "FFFFFFFFFFFFFFFF 9000"), mynumber.ErrNoCertificate},
		{"file of zeros", answer(2, "0000000000000000 9000"), mynumber.ErrNoCertificate},
		{"no status word", answer(2, "90"), mynumber.ErrNonsense},
		{"not a SEQUENCE", answer(2, "04820100 01020304 9000"), mynumber.ErrNonsense},
		{"indefinite length", answer(2, "30800000 01020304 9000"), mynumber.ErrNonsense},
		{"length beyond every certificate", answer(2, "3083010000 01020304 9000"), mynumber.ErrNonsense},
		{"length beyond the file", answer(2, "30820481 01020304 6282"), mynumber.ErrNonsense},
		{"6Cxx for ever", answer(2, "6C10"), mynumber.ErrNonsense},
		{"61xx for ever", answer(2, "AA 6110"), mynumber.ErrNonsense},
		{"every read fails", answer(2, "6F00"), mynumber.ErrNonsense},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := virtual(t)
			l.spoil = tt.spoil
			c, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(t.Context())
			if !errors.Is(err, tt.want) || c.DER() != nil {
				t.Fatalf("ReadAuthCert = %d octets, %v, want %v", len(c.DER()), err, tt.want)
			}
			if len(l.sent) > 90 {
				t.Errorf("sent %d commands to a card that answers nonsense", len(l.sent))
			}
		})
	}
}

func TestReadAuthCertEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := virtual(t)
	l.spoil = func(n int, _ []byte) ([]byte, error, bool) {
		cancel()
		return nil, context.Canceled, true
	}
	if _, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, mynumber.ErrTorn) {
		t.Errorf("ReadAuthCert with a cancelled context = %v, want context.Canceled alone", err)
	}
}

// P3: a certificate must not reach a log.
func TestP3CertificatePrintsRedacted(t *testing.T) {
	c, err := mynumber.New(virtual(t), mynumber.Options{}).ReadAuthCert(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s"} {
		if got := fmt.Sprintf(verb, c); got != "REDACTED" {
			t.Errorf("Sprintf(%q) prints %d octets, want REDACTED", verb, len(got))
		}
	}
}

// FuzzReadAuthCert lets a card answer anything: the input is cut into answers of the lengths that its first octets say.
func FuzzReadAuthCert(f *testing.F) {
	f.Add([]byte{2, 0x90, 0x00, 6, 0x30, 0x82, 0x04, 0x81, 0x90, 0x00})
	f.Add([]byte{2, 0x90, 0x00, 6, 0x30, 0x02, 0x05, 0x00, 0x90, 0x00})
	f.Add([]byte{2, 0x90, 0x00, 2, 0x6C, 0x10, 3, 0xAA, 0x61, 0x01, 2, 0x90, 0x00})
	f.Add([]byte{2, 0x6A, 0x82})
	known := []error{mynumber.ErrNotMyNumber, mynumber.ErrNoCertificate, mynumber.ErrPINNeeded, mynumber.ErrTorn, mynumber.ErrNonsense}
	f.Fuzz(func(t *testing.T, script []byte) {
		l := &link{to: func([]byte) ([]byte, error) {
			if len(script) == 0 {
				return nil, errors.New("card was removed")
			}
			n := min(int(script[0]), len(script)-1)
			answer := script[1 : 1+n]
			script = script[1+n:]
			return answer, nil
		}}
		c, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(t.Context())
		if len(l.sent) > 90 {
			t.Fatalf("sent %d commands", len(l.sent))
		}
		if err == nil {
			if len(c.DER()) == 0 || c.DER()[0] != 0x30 {
				t.Fatalf("accepted %X", c.DER())
			}
			return
		}
		for _, k := range known {
			if errors.Is(err, k) {
				return
			}
		}
		t.Fatalf("ReadAuthCert = %v, want one of the package's errors", err)
	})
}
