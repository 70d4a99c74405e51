package mynumber_test

import (
	"bytes"
	"testing"

	"kazashi.example/reader/mynumber"
)

// Each procedure sends no more commands than its evidence needs; DESIGN.md argues each number. Cold is a card and a reader that are new
// here, warm is the next card of the same municipality on the same reader, short is warm with lengths of one octet only.
func TestCommandCounts(t *testing.T) {
	type counts struct{ cold, warm, short int }
	want := map[string]counts{
		"ReadAuthCert":   {2, 2, 6},
		"SignAuth":       {2 + 3, 2 + 3, 6 + 3},
		"SignFace":       {1 + 2, 1 + 2, 1 + 2},
		"ProveFace":      {2 + 6, 2 + 5, 6 + 7},
		"ReadAttributes": {2 + 6, 2 + 5, 6 + 6},
		"Enrol":          {17, 15, 6 + 3 + 6 + 7},
		"ReadSignCert":   {2 + 3, 2 + 3, 6 + 7},
		"PINStatus":      {7, 7, 7},
		"ChangePIN":      {2 + 5, 2 + 5, 6 + 5},
		"ChangePassword": {2 + 5, 2 + 5, 6 + 5},
		"Info":           {5, 5, 5},
	}
	for _, p := range procedures {
		t.Run(p.name, func(t *testing.T) {
			b := newBench(t, national())
			run := func() int {
				t.Helper()
				if _, err := p.run(t.Context(), b.connect(), right(t)); err != nil {
					t.Fatalf("%s = %v", p.name, err)
				}
				return len(b.sent)
			}
			var got counts
			got.cold = run()
			got.warm = run()
			b.shortOnly()
			run() // learns it
			got.short = run()
			if got != want[p.name] {
				t.Errorf("%s sent %+v commands, want %+v", p.name, got, want[p.name])
			}
			if got, all := triesOf(b.card), triesOf(newBench(t, national()).card); got != all {
				t.Errorf("%s left tries %s, want %s", p.name, got, all)
			}
		})
	}
}

// A tap on the stored evidence levels, as the box runs it: the certificate first, then the proof.
func TestTapCounts(t *testing.T) {
	b := newBench(t, national())
	tap := func(f func(*mynumber.Card) error) int {
		t.Helper()
		c := b.connect()
		if _, err := c.ReadAuthCert(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := f(c); err != nil {
			t.Fatal(err)
		}
		return len(b.sent)
	}
	prove := func(c *mynumber.Card) error {
		_, err := c.ProveFace(t.Context(), mynumber.FaceRequest{Birth: date(t, birthDay), Form: mynumber.FormEra, Message: message})
		return err
	}
	bound := func(c *mynumber.Card) error {
		_, err := c.SignFace(t.Context(), message)
		return err
	}
	if got := tap(prove); got != 8 {
		t.Errorf("tap with evidence card sent %d commands, want 8", got)
	}
	if got := tap(prove); got != 7 {
		t.Errorf("tap with evidence card and known municipality sent %d commands, want 7", got)
	}
	if got := tap(bound); got != 4 {
		t.Errorf("tap with evidence card-bound sent %d commands, want 4", got)
	}
}

// The next card takes one command more to be found, and has one PIN for two things.
func TestCommandCountsNextAndPhone(t *testing.T) {
	v := right(t)
	v.input = v.pin
	want := map[string]int{
		"ReadAuthCert": 3, "SignAuth": 6, "SignFace": 4, "ProveFace": 9, "ReadAttributes": 8, "Enrol": 15, "ReadSignCert": 6,
		"PINStatus": 6, "ChangePassword": 8, "Info": 4,
	}
	for _, p := range procedures {
		n, there := want[p.name]
		if !there {
			continue
		}
		b := newBench(t, nextCard())
		if _, err := p.run(t.Context(), b.connect(), v); err != nil || len(b.sent) != n {
			t.Errorf("%s on the next card = %v in %d commands, want %d", p.name, err, len(b.sent), n)
		}
	}
	b := newBench(t, phone())
	c := b.connect()
	if _, err := c.SignAuth(t.Context(), v.pin, message); err != nil || len(b.sent) != 6 {
		t.Errorf("SignAuth on a phone = %v in %d commands, want 6", err, len(b.sent))
	}
	cert, err := c.ReadAuthCert(t.Context())
	if err != nil || !bytes.Equal(cert.DER(), certificates()[0]) || len(b.sent) != 6 {
		t.Errorf("ReadAuthCert after it = %d octets, %v in %d commands, want no more", len(cert.DER()), err, len(b.sent)-6)
	}
}
