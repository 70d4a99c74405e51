package ppid_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"kazashi.example/central/ppid"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
)

func deriver(t *testing.T) *ppid.Deriver {
	t.Helper()
	d, err := ppid.NewDeriver(bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), 1)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func person(t *testing.T, serial ...byte) certid.CertID {
	t.Helper()
	s, err := certid.ParseSerial(serial)
	if err != nil {
		t.Fatal(err)
	}
	return certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: s}
}

// The inputs of the two HMACs, written out by hand from design: arrays of text, integers and byte strings.
func TestDerivationsAreThoseOfTheDesign(t *testing.T) {
	d := deriver(t)
	h, err := d.Handle("kiyose", person(t, 0x0a, 0x21, 0xfe, 0x80))
	if err != nil {
		t.Fatal(err)
	}
	in, _ := hex.DecodeString("85" + "69" + hex.EncodeToString([]byte("handle/v1")) + "66" + hex.EncodeToString([]byte("kiyose")) + "03" + "01" + "44" + "0a21fe80")
	m := hmac.New(sha256.New, bytes.Repeat([]byte{1}, 32))
	m.Write(in)
	if want := m.Sum(nil); !bytes.Equal(h[:], want) {
		t.Errorf("Handle = %x, want %x", h[:], want)
	}
	s, err := d.PPID("library.kiyose", h)
	if err != nil {
		t.Fatal(err)
	}
	in, _ = hex.DecodeString("83" + "67" + hex.EncodeToString([]byte("ppid/v1")) + "6e" + hex.EncodeToString([]byte("library.kiyose")) + "5820" + hex.EncodeToString(h[:]))
	m = hmac.New(sha256.New, bytes.Repeat([]byte{2}, 32))
	m.Write(in)
	if want := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(m.Sum(nil)); s.Reveal() != want {
		t.Errorf("PPID = %s, want %s", s.Reveal(), want)
	}
}

func TestSectorsAndVerifiersDoNotShareNames(t *testing.T) {
	d := deriver(t)
	a, _ := d.Handle("kiyose", person(t, 1, 2))
	b, _ := d.Handle("aizu", person(t, 1, 2))
	if a == b {
		t.Error("two verifiers share a handle")
	}
	x, _ := d.PPID("one", a)
	y, _ := d.PPID("two", a)
	if x == y || len(x.Reveal()) != 52 {
		t.Errorf("PPIDs of two sectors: equal %v, length %d", x == y, len(x.Reveal()))
	}
}

func TestRefusesWhatNamesNobody(t *testing.T) {
	d := deriver(t)
	if _, err := d.Handle("", person(t, 1)); !errors.Is(err, ppid.ErrInput) {
		t.Errorf("Handle(no verifier) = %v, want ErrInput", err)
	}
	if _, err := d.Handle("kiyose", certid.CertID{}); !errors.Is(err, ppid.ErrInput) {
		t.Errorf("Handle(no certificate) = %v, want ErrInput", err)
	}
	if _, err := d.PPID("", ppid.Handle{1}); !errors.Is(err, ppid.ErrInput) {
		t.Errorf("PPID(no sector) = %v, want ErrInput", err)
	}
	if _, err := ppid.NewDeriver(nil, nil, 1); !errors.Is(err, ppid.ErrInput) {
		t.Errorf("NewDeriver(no keys) = %v, want ErrInput", err)
	}
}

func TestNothingPrints(t *testing.T) { // P3
	h := ppid.Handle{0xab, 0xcd}
	d := deriver(t)
	for _, f := range []string{"%v", "%x", "%s", "%+v", "%#v", "%d"} {
		for _, v := range []any{h, &h, d, *d, record.NewSubject("X")} {
			if got := fmt.Sprintf(f, v); got != "REDACTED" {
				t.Errorf("Sprintf(%q, %T) = %s, want REDACTED", f, v, got)
			}
		}
	}
	if b, err := json.Marshal(h); string(b) != `"REDACTED"` || err != nil {
		t.Errorf("Marshal = %s, %v, want REDACTED", b, err)
	}
}

// A restored central derives the same names again, whatever became of the memory that its keys were read into.
func TestNamesDependOnKeyAndInputAlone(t *testing.T) { // P2, design §5.6
	handleKey, ppidKey := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	a, err := ppid.NewDeriver(handleKey, ppidKey, 1)
	if err != nil {
		t.Fatal(err)
	}
	clear(handleKey)
	clear(ppidKey)
	b := deriver(t)
	x, errX := a.Handle("kiyose", person(t, 1, 2))
	y, errY := b.Handle("kiyose", person(t, 1, 2))
	if x != y || errors.Join(errX, errY) != nil {
		t.Error("the same keys give another handle")
	}
	p, errP := a.PPID("one", x)
	q, errQ := b.PPID("one", y)
	if p != q || errors.Join(errP, errQ) != nil {
		t.Error("the same keys give another PPID")
	}
	if z, _ := b.Handle("kiyose", person(t, 1, 3)); z == y {
		t.Error("two people share a handle")
	}
}
