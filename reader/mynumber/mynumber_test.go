package mynumber_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"kazashi.example/reader/apdu"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/vcard"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// link is the way to a card: it counts and may spoil what goes through.
type link struct {
	to    func(cmd []byte) ([]byte, error)
	sent  [][]byte
	spoil func(n int, cmd []byte) ([]byte, error, bool)
}

func (l *link) Transmit(ctx context.Context, cmd []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.sent = append(l.sent, bytes.Clone(cmd))
	if l.spoil != nil {
		if answer, err, done := l.spoil(len(l.sent), cmd); done {
			return answer, err
		}
	}
	return l.to(cmd)
}

// wantDER has the length of the published test card's certificate, 1157 octets.
var wantDER = func() []byte {
	b := bytes.Repeat([]byte{0xA5}, 1157)
	copy(b, []byte{0x30, 0x82, 0x04, 0x81})
	return b
}()

var cardKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return der
})

func virtual(t testing.TB, change func(*vcard.Profile)) *link {
	t.Helper()
	p := &vcard.Profile{Label: "practice", AuthCert: wantDER, AuthCA: []byte{0x30, 0}, AuthKey: cardKey(), AuthPIN: "1234"}
	if change != nil {
		change(p)
	}
	card, err := vcard.New(p, &vcard.MemoryStore{})
	if err != nil {
		t.Fatal(err)
	}
	return &link{to: func(cmd []byte) ([]byte, error) { return card.Transmit(cmd), nil }}
}

// extended reports a command that needs extended lengths.
func extended(cmd []byte) bool {
	c, err := apdu.ParseCommand(cmd)
	return err == nil && c.Extended()
}

func TestReadAuthCertInTwoCommands(t *testing.T) {
	l := virtual(t, nil)
	c, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(t.Context())
	if err != nil || !bytes.Equal(c.DER(), wantDER) {
		t.Fatalf("ReadAuthCert = %d octets, %v, want %d", len(c.DER()), err, len(wantDER))
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
			l := virtual(t, nil)
			l.spoil = spoil
			card := mynumber.New(l, mynumber.Options{})
			for i, want := range []int{7, 6} { // the refused one is tried once a connection
				l.sent = nil
				c, err := card.ReadAuthCert(t.Context())
				if err != nil || !bytes.Equal(c.DER(), wantDER) || len(l.sent) != want {
					t.Fatalf("read %d = %d octets in %d commands, %v, want %d in %d", i, len(c.DER()), len(l.sent), err, len(wantDER), want)
				}
			}
		})
	}
}

func TestReadAuthCertFollowsTheCard(t *testing.T) {
	tests := map[string]func(int, []byte) ([]byte, error, bool){
		"filler after the certificate": func(n int, _ []byte) ([]byte, error, bool) {
			return append(append(bytes.Clone(wantDER), 0xFF, 0xFF, 0xFF), 0x90, 0), nil, n == 2
		},
		"warning at the file's end": func(n int, _ []byte) ([]byte, error, bool) {
			return append(bytes.Clone(wantDER), 0x62, 0x82), nil, n == 2
		},
		"6Cxx once": func(n int, _ []byte) ([]byte, error, bool) { return []byte{0x6C, 0x00}, nil, n == 2 },
		"61xx": func(n int, cmd []byte) ([]byte, error, bool) {
			switch n {
			case 2:
				return append(bytes.Clone(wantDER[:1000]), 0x61, 157), nil, true
			case 3:
				return append(bytes.Clone(wantDER[1000:]), 0x90, 0), nil, bytes.Equal(cmd, []byte{0, 0xC0, 0, 0, 157})
			}
			return nil, nil, false
		},
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			l := virtual(t, nil)
			l.spoil = spoil
			c, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(t.Context())
			if err != nil || !bytes.Equal(c.DER(), wantDER) {
				t.Fatalf("ReadAuthCert = %d octets, %v, want %d", len(c.DER()), err, len(wantDER))
			}
		})
	}
}

// A reader may hand on less than the card gave; the rest is read from where it ended.
func TestReadAuthCertGoesOnAfterAShortAnswer(t *testing.T) {
	l := virtual(t, nil)
	card := l.to
	l.to = func(cmd []byte) ([]byte, error) {
		answer, err := card(cmd)
		if len(answer) > 258 {
			answer = append(answer[:256:256], 0x90, 0)
		}
		return answer, err
	}
	c, err := mynumber.New(l, mynumber.Options{}).ReadAuthCert(t.Context())
	if err != nil || !bytes.Equal(c.DER(), wantDER) || len(l.sent) != 6 {
		t.Fatalf("ReadAuthCert = %d octets in %d commands, %v, want %d in 6", len(c.DER()), len(l.sent), err, len(wantDER))
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
			l := virtual(t, nil)
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
	l := virtual(t, nil)
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
	c, err := mynumber.New(virtual(t, nil), mynumber.Options{}).ReadAuthCert(t.Context())
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
