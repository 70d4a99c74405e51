package mynumber_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"kazashi.example/reader/mynumber"
)

// Era days: 1868-01-25, to which the edict of 1868-10-23 went back; proclamations of 1912-07-30 and 1926-12-25; cabinet orders for 1989-01-08
// and 2019-05-01.
func TestBirthKey(t *testing.T) {
	const era, west = mynumber.FormEra, mynumber.FormGregorian
	tests := []struct {
		name string
		in   string
		form mynumber.Form
		said mynumber.Era
		want string // the VERIFY that the card gets; empty: err
		err  error
	}{
		{"published test card", "19800217", era, 0, "550217", nil},
		{"the same in western form", "19800217", west, 0, "800217", nil},
		{"first day of Meiji", "18680125", era, 0, "010125", nil},
		{"last day of Meiji", "19120729", era, 0, "450729", nil},
		{"first day of Taisho", "19120730", era, 0, "010730", nil},
		{"last day of Taisho", "19261224", era, 0, "151224", nil},
		{"first day of Showa", "19261225", era, 0, "011225", nil},
		{"last day of Showa", "19890107", era, 0, "640107", nil},
		{"first day of Heisei", "19890108", era, 0, "010108", nil},
		{"last day of Heisei", "20190430", era, 0, "310430", nil},
		{"first day of Reiwa", "20190501", era, 0, "010501", nil},
		{"2020-02-24, as a public script has it", "20200224", era, 0, "020224", nil},
		{"leap day", "20000229", era, 0, "120229", nil},
		{"year 2000 in western form", "20000229", west, 0, "000229", nil},
		{"unknown day", "19800200", era, 0, "550200", nil},
		{"unknown month and day", "19800000", era, 0, "550000", nil},
		{"unknown day, western", "19800200", west, 0, "800200", nil},
		{"unknown in a year of two eras", "19890000", era, 0, "", mynumber.ErrEraUnclear},
		{"the same, Showa", "19890000", era, mynumber.Showa, "640000", nil},
		{"the same, Heisei", "19890000", era, mynumber.Heisei, "010000", nil},
		{"the same, an era that it cannot be", "19890000", era, mynumber.Reiwa, "", mynumber.ErrFormat},
		{"the same, western", "19890000", west, 0, "890000", nil},
		{"unknown day in a month of two eras", "19120700", era, 0, "", mynumber.ErrEraUnclear},
		{"unknown day in a month of one era, year of two", "19890200", era, 0, "010200", nil},
		{"unknown day in the month before the era changed", "20190400", era, 0, "310400", nil},
		{"a clear day and another era", "19800217", era, mynumber.Heisei, "", mynumber.ErrFormat},
		{"a clear day and its era", "19800217", era, mynumber.Showa, "550217", nil},
		{"no such form", "19800217", 3, 0, "", mynumber.ErrFormat},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, national())
			r := mynumber.FaceRequest{Birth: date(t, tt.in), Form: tt.form, Era: tt.said, Message: message}
			_, err := b.connect().ProveFace(t.Context(), r)
			got := ""
			for _, cmd := range b.sent {
				if cmd[1] == 0x20 && len(cmd) == 5+6 {
					got = string(cmd[5:])
				}
			}
			if got != tt.want || tt.err != nil && !errors.Is(err, tt.err) || tt.err != nil && len(b.sent) > 0 {
				t.Errorf("ProveFace(%s, form %d) verified %q, %v in %d commands, want %q, %v", tt.in, tt.form, got, err, len(b.sent), tt.want, tt.err)
			}
		})
	}
}

func TestParseBirthDateRefuses(t *testing.T) {
	tomorrow := time.Now().Add(48 * time.Hour).UTC()
	if floor := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC); tomorrow.Before(floor) {
		tomorrow = floor
	}
	for _, in := range []string{
		"", "1980021", "198002170", "1980-2-17", "19800230", "19810229", "19801301", "19800017", "18680124", "18670000", "00000000",
		"99990101", tomorrow.Format("20060102"), "１９８０",
	} {
		if d, err := mynumber.ParseBirthDate(in); !errors.Is(err, mynumber.ErrFormat) || !d.IsZero() {
			t.Errorf("ParseBirthDate(%q) = %v, want ErrFormat", in, err)
		}
	}
	for _, d := range []mynumber.BirthDate{{}, {Year: 1980, Month: 13, Day: 1}, {Year: 1980, Day: 3}, {Year: 1980, Month: -1}, {Year: 1 << 40, Month: 2}} {
		b := newBench(t, national())
		if _, err := b.connect().ProveFace(t.Context(), mynumber.FaceRequest{Birth: d}); !errors.Is(err, mynumber.ErrFormat) || len(b.sent) > 0 {
			t.Errorf("ProveFace of a day that is none = %v in %d commands, want ErrFormat in none", err, len(b.sent))
		}
	}
}

func TestSecretsHaveTheCardsForm(t *testing.T) {
	for in, good := range map[string]bool{"1234": true, "0000": true, "123": false, "12345": false, "12a4": false, "": false, "１２３４": false} {
		if _, err := mynumber.NewPIN(in); (err == nil) != good || !good && !errors.Is(err, mynumber.ErrFormat) {
			t.Errorf("NewPIN(%q) = %v, want good: %v", in, err, good)
		}
	}
	for in, good := range map[string]bool{
		"KAZASHI1": true, "A00000": true, "ABCDEFGHIJKLMNO1": true, "A0000": false, "ABCDEFGHIJKLMNOP1": false, "KAZASHI": false,
		"12345678": false, "kazashi1": false, "KAZASHI 1": false, "": false,
	} {
		if _, err := mynumber.NewPassword(in); (err == nil) != good || !good && !errors.Is(err, mynumber.ErrFormat) {
			t.Errorf("NewPassword(%q) = %v, want good: %v", in, err, good)
		}
	}
}

// A cleared or missing value is none, and nothing is sent for it.
func TestP5NoValueNoCommand(t *testing.T) {
	cleared := right(t)
	cleared.pin.Clear()
	cleared.input.Clear()
	cleared.password.Clear()
	cleared.birth = mynumber.BirthDate{}
	for _, v := range []values{{}, cleared} {
		for _, p := range procedures {
			if p.refs == nil {
				continue
			}
			b := newBench(t, national())
			if _, err := p.run(t.Context(), b.connect(), v); !errors.Is(err, mynumber.ErrFormat) || len(b.sent) > 0 {
				t.Errorf("%s without values = %v in %d commands, want ErrFormat in none", p.name, err, len(b.sent))
			}
		}
	}
}

// P3: what was typed or read must not reach a log.
func TestP3SecretsPrintRedacted(t *testing.T) {
	v := right(t)
	b := newBench(t, national())
	c := b.connect()
	e, err := c.Enrol(t.Context(), enrolRequest(v))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.ReadSignCert(t.Context(), v.password)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []any{v.pin, &v.pin, v.password, v.birth, e, &e, *e.Attributes, e.Attributes, e.Face, e.Cert, s, c, b.options.Memory} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%s", "%d"} {
			if got := fmt.Sprintf(verb, x); got != "REDACTED" {
				t.Errorf("Sprintf(%q, %T) = %d octets, want REDACTED", verb, x, len(got))
			}
		}
		if got, err := json.Marshal(x); err != nil || string(got) != `"REDACTED"` {
			t.Errorf("json.Marshal(%T) = %d octets, %v, want REDACTED", x, len(got), err)
		}
	}
}

// FuzzParseBirthDate: what is taken is written back the same, and has at most one key a form.
func FuzzParseBirthDate(f *testing.F) {
	for _, s := range []string{birthDay, "19890000", "18680125", "20190500", "99991231", "00000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := mynumber.ParseBirthDate(s)
		switch {
		case err == nil && d.Digits() != s:
			t.Fatalf("ParseBirthDate(%q).Digits() = %q", s, d.Digits())
		case err != nil && !errors.Is(err, mynumber.ErrFormat):
			t.Fatalf("ParseBirthDate(%q) = %v, want ErrFormat", s, err)
		}
	})
}
