package opener_test

import (
	"bytes"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/person"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

// forms are the ways in which octets could stand in a file.
func forms(b []byte) map[string][]byte {
	wide := []byte{}
	for _, u := range utf16.Encode([]rune(string(b))) {
		wide = append(wide, byte(u), byte(u>>8))
	}
	return map[string][]byte{
		"raw": b, "hex": []byte(hex.EncodeToString(b)), "HEX": []byte(strings.ToUpper(hex.EncodeToString(b))),
		"base64": []byte(base64.RawStdEncoding.EncodeToString(b)), "base64url": []byte(base64.RawURLEncoding.EncodeToString(b)),
		"base32":  []byte(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b)),
		"decimal": []byte(new(big.Int).SetBytes(b).String()), "UTF-16": wide,
	}
}

// found lists where any form of a value stands in the files below a directory.
func found(t *testing.T, dir string, value []byte) (where []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		for name, form := range forms(value) {
			if bytes.Contains(b, form) || strings.Contains(path, string(form)) {
				where = append(where, filepath.Base(path)+" as "+name)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return where
}

func certOf(t *testing.T, serial []byte) certid.CertID {
	t.Helper()
	s, err := certid.ParseSerial(serial)
	if err != nil {
		t.Fatal(err)
	}
	return certid.CertID{Scope: certid.Scope{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth}, Serial: s}
}

// P3: neither database, WAL nor backup names anybody, enrolled or not. The same search finds what is planted on purpose.
func TestDatabaseNamesNobody(t *testing.T) {
	c := simcentral.New(t)
	c.World.SetRule(func(r *rule.Rule) { r.Attributes, r.Consent = 15, &rule.Consent{JA: "四つ", EN: "all four"} })
	b := c.Box()
	b.Start(t, epoch.CauseStart)
	serial := []byte{0x5a, 0x17, 0xc3, 0x99, 0x0e, 0x61, 0xd4, 0x28}
	r := simbox.Card(serial...)
	r.Certificate = []byte("CERTIFICATE-OF-HANAKO-REI")
	r.Hierarchy, r.Issuer = 0, [8]byte{}
	p := simbox.Known(t, serial...)
	plain := p.Enrol(t, b.ID)
	plain.Enrolment.Birth.Date = "19770913"
	plain.Enrolment.Attributes = &content.Attributes{
		Name: "架空花子", Address: new("架空県架空市一丁目二番三号"), Birth: plain.Enrolment.Birth.Date, Sex: new(uint8(2)),
	}
	e := b.Epochs[0]
	e.Tap(t, r)
	e.Tap(t, plain)
	renewed := []byte{0x6b, 0x28, 0xd4, 0xaa, 0x1f, 0x72, 0xe5, 0x39}
	c.Check(c.Store.Update(t.Context(), func(tx store.Tx) error {
		_, err := c.People.Renew(tx, person.Renewal{Old: certOf(t, serial), New: certOf(t, renewed)}, c.World.Now())
		return err
	}))
	c.Push(b, b.Push())
	c.Drain()
	if _, err := c.Keeper.Make(t.Context(), "one"); err != nil {
		t.Fatal(err)
	}
	got, _, _ := c.Poll(b, wire.Poll{})
	if got.Verdicts == nil {
		t.Fatal("nothing was applied")
	}
	if n := c.Counts(); n.Attested != 1 {
		t.Fatalf("%d records hold attributes, want 1", n.Attested)
	}
	if set := c.Roster(b); len(set.Entries) != 1 || !bytes.Equal(set.Entries[0].Serial, renewed) {
		t.Fatalf("the roster has %d people, want the one enrolled under the new serial", len(set.Entries))
	}
	ppid := c.PPID(b, plain.Tap)
	if len(ppid) < 40 {
		t.Fatalf("no PPID was issued: %d characters", len(ppid))
	}
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(ppid)
	if err != nil {
		t.Fatal(err)
	}
	birthday := []byte(strconv.FormatInt(simbox.Until.Unix(), 10))
	for name, v := range map[string][]byte{
		"serial": serial, "PPID": []byte(ppid), "PPID's octets": raw, "certificate": r.Certificate, "expiry": birthday,
		"own certificate": p.Certificate, "new serial": renewed, "birth date": []byte(plain.Enrolment.Birth.Date), "card key": plain.Enrolment.Key,
		"name": []byte(plain.Enrolment.Attributes.Name), "address": []byte(*plain.Enrolment.Attributes.Address),
		"signature": plain.PIN.Signature,
	} {
		if where := found(t, c.Dir, v); len(where) != 0 {
			t.Errorf("the %s stands in %v", name, where)
		}
	}
	planted := filepath.Join(c.Dir, "planted")
	for name, form := range forms(serial) {
		if err := os.WriteFile(planted, append([]byte("before"), form...), 0o600); err != nil {
			t.Fatal(err)
		}
		if where := found(t, c.Dir, serial); len(where) == 0 {
			t.Errorf("the search does not find a serial planted as %s", name)
		}
	}
}
