package vcard_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kazashi.example/reader/vcard"
	"kazashi.example/reader/vcard/internal/testcard"
)

func encode(t testing.TB, p *vcard.Profile) []byte {
	t.Helper()
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestLoadProfile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "card.json")
	want := testcard.Profile()
	if err := os.WriteFile(path, encode(t, want), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := vcard.LoadProfile(path)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("LoadProfile() = other content or %v, want what was written", err)
	}
	if _, err := vcard.LoadProfile(path + "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadProfile(absent) = %v, want %v", err, fs.ErrNotExist)
	}
	if _, err := vcard.LoadProfile(t.TempDir()); !errors.Is(err, vcard.ErrProfile) {
		t.Errorf("LoadProfile(directory) = %v, want %v", err, vcard.ErrProfile)
	}
	if _, err := vcard.Open(path); err != nil {
		t.Errorf("Open() = %v, want a card", err)
	}
}

func TestParseProfileRefuses(t *testing.T) {
	good := string(encode(t, testcard.Fixed()))
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"array", "[]", "not a JSON object"},
		{"cut", good[:len(good)/2], "JSON ends"},
		{"trailing data", good + "{}", "JSON ends or breaks"},
		{"unknown name", `{"colour":"red",` + good[1:], `unknown name "colour"`},
		{"name in other letters", strings.Replace(good, `"auth_pin"`, `"Auth_PIN"`, 1), `unknown name "Auth_PIN"`},
		{"doubled name", `{"auth_pin":"1234",` + good[1:], "auth_pin stands twice"},
		{"wrong type", strings.Replace(good, `"auth_pin":"1234"`, `"auth_pin":1234`, 1), "auth_pin is a JSON number"},
		{"not base64", strings.Replace(good, `"auth_cert":"`, `"auth_cert":"*`, 1), "base64"},
		{"too long", good + strings.Repeat(" ", vcard.MaxProfileLen), "longer than"},
	} {
		_, err := vcard.ParseProfile([]byte(tt.in))
		if !errors.Is(err, vcard.ErrProfile) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseProfile(%s) = %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestValidateNamesEveryFault(t *testing.T) {
	p := testcard.Fixed()
	p.AuthPIN, p.SignPassword, p.NumberB, p.BirthKey, p.CommonRecord = "12345", "kazashi1", "5502172035228X", "", "40"
	p.AuthCert, p.AuthKey, p.FaceAge = p.AuthCert[1:], p.AuthKey[:40], nil
	err := p.Validate()
	for _, want := range []string{
		"auth_pin", "sign_password", "number_b", "birth_key", "common_record", "auth_cert", "auth_key", "face_age",
	} {
		if !errors.Is(err, vcard.ErrProfile) || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate() = %v, want a word on %s", err, want)
		}
	}
	for _, secret := range []string{"12345", "kazashi1", "5502172035228X"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("Validate() = %v, want no value in it", err)
		}
	}
	if _, err := vcard.New(p, &vcard.MemoryStore{}); !errors.Is(err, vcard.ErrProfile) {
		t.Errorf("New(faulty) = %v, want %v", err, vcard.ErrProfile)
	}
}

func TestSignPassword(t *testing.T) {
	for password, want := range map[string]bool{
		"KAZASHI1": true, "A1B2C3": true, "ABCDEFGHIJKLMNO1": true,
		"A1B2C": false, "ABCDEFGHIJKLMNOP1": false, "KAZASHI": false, "1234567": false, "Kazashi1": false, "KAZASHI 1": false,
	} {
		p := testcard.Fixed()
		p.SignPassword = password
		if got := p.Validate() == nil; got != want {
			t.Errorf("Validate(password %s) = %t, want %t", password, got, want)
		}
	}
}

// P3: no way of printing a profile or a card's state shows what is in it.
func TestP3ProfileIsRedacted(t *testing.T) {
	p := testcard.Fixed()
	s := vcard.State{Changed: map[string]string{"jpki/0018": "9876"}}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", slog.Any("profile", p), slog.Any("value", *p), slog.Any("state", s))
	var out strings.Builder
	out.WriteString(log.String())
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		fmt.Fprintf(&out, format+format+format+format, p, *p, s, &s)
	}
	for _, secret := range []string{"1234", "KAZASHI1", "550217", "practice card 1", "9876"} {
		if strings.Contains(out.String(), secret) {
			t.Errorf("printing a profile shows %q: %s", secret, out.String())
		}
	}
	if !strings.Contains(out.String(), "REDACTED") {
		t.Errorf("printing a profile = %s, want REDACTED", out.String())
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add(encode(f, testcard.Fixed()))
	for _, s := range []string{"", "null", "{}", `{"label":"a"}`, `{"label":"a","label":"b"}`, `{"auth_cert":"MAA="}`, `{"label":`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := vcard.ParseProfile(b)
		if err != nil {
			if !errors.Is(err, vcard.ErrProfile) {
				t.Fatalf("ParseProfile() = %v, want %v", err, vcard.ErrProfile)
			}
			return
		}
		again, err := vcard.ParseProfile(encode(t, p))
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("ParseProfile(encoded again) differs or %v, want the same profile", err)
		}
	})
}
