package erasure_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/erasure"
	"kazashi.example/sync/internal/testkey"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

func device(tb testing.TB) *ecdsa.PrivateKey {
	tb.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

func whole() erasure.Certificate {
	return erasure.Certificate{
		Version: 1, ID: erasure.NewID(), Box: record.NewBoxID(), Site: "practice-shelter", By: "staff-7",
		Began: 1_795_000_000_000, Ended: 1_795_000_004_000, Clock: record.ConfidenceChecked,
		Items:  []erasure.Item{{What: "site_keys", Count: 2}, {What: "roster", Count: 400}, {What: "site-book", Count: 0}},
		Unsafe: 3, Everything: true, Keys: []sitekey.Generation{sitekey.NewKey().Generation()},
	}
}

func TestACertificateSaysWhatWasErased(t *testing.T) {
	d, c := device(t), whole()
	msg, err := c.Sign(d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := erasure.Open(testkey.Only(t, d), msg)
	if err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("Open = %+v, %v, want what was signed", got, err)
	}
	if _, err := erasure.Open(testkey.Only(t, device(t)), msg); !errors.Is(err, sign.ErrUnknownKey) {
		t.Errorf("Open(by another box) = %v, want ErrUnknownKey", err)
	}
	if _, err := erasure.Open(testkey.Only(t, d), make([]byte, erasure.MaxCertificate+1)); !errors.Is(err, canon.ErrSize) {
		t.Errorf("Open(too large) = %v, want ErrSize", err)
	}
	text := c.Text(testkey.Public(t, d).ID())
	for _, part := range []string{c.ID.String(), c.Box.String(), "staff-7", "roster               400", "site_keys            2", "3 records", "identity", "2026-11-18"} {
		if !strings.Contains(text, part) {
			t.Errorf("the text does not say %q:\n%s", part, text)
		}
	}
	b, err := c.JSON(msg)
	var back struct {
		Signed []byte         `json:"signed"`
		Items  []erasure.Item `json:"items"`
		Unsafe uint64         `json:"records_not_safe"`
	}
	if err != nil || json.Unmarshal(b, &back) != nil || string(back.Signed) != string(msg) || len(back.Items) != 3 || back.Unsafe != 3 {
		t.Errorf("JSON = %s, %v", b, err)
	}
}

func TestACertificateThatContradictsItself(t *testing.T) {
	for name, spoil := range map[string]func(*erasure.Certificate){
		"no id":                    func(c *erasure.Certificate) { c.ID = erasure.ID{} },
		"no box":                   func(c *erasure.Certificate) { c.Box = record.BoxID{} },
		"no site":                  func(c *erasure.Certificate) { c.Site = "" },
		"nobody":                   func(c *erasure.Certificate) { c.By = "" },
		"central without an order": func(c *erasure.Certificate) { c.By = erasure.ByOrder },
		"an order of staff's":      func(c *erasure.Certificate) { c.Order = &record.ID128{1} },
		"no time":                  func(c *erasure.Certificate) { c.Began = 0 },
		"an end before the start":  func(c *erasure.Certificate) { c.Ended = c.Began - 1 },
		"nothing":                  func(c *erasure.Certificate) { c.Items = nil },
		"an item twice":            func(c *erasure.Certificate) { c.Items = append(c.Items, c.Items[0]) },
		"an item without a name":   func(c *erasure.Certificate) { c.Items[0].What = "" },
		"an item not counted":      func(c *erasure.Certificate) { c.Items[0] = erasure.Item{What: "site-keys", Unknown: true} },
		"records not counted":      func(c *erasure.Certificate) { c.Unsafe, c.Uncounted = 0, true },
		"unknown and counted": func(c *erasure.Certificate) {
			ordered(c)
			c.Items[0] = erasure.Item{What: "site-keys", Count: 1, Unknown: true}
		},
		"uncounted and counted":  func(c *erasure.Certificate) { ordered(c); c.Unsafe, c.Uncounted = 1, true },
		"central not verified":   func(c *erasure.Certificate) { ordered(c); c.Unverified = true },
		"an item in odd letters": func(c *erasure.Certificate) { c.Items[0].What = "site\nkeys" },
	} {
		c := whole()
		spoil(&c)
		if _, err := c.Sign(device(t)); !errors.Is(err, erasure.ErrCertificate) {
			t.Errorf("Sign(%s) = %v, want ErrCertificate", name, err)
		}
	}
}

func ordered(c *erasure.Certificate) { c.By, c.Order = erasure.ByOrder, &record.ID128{1} }

// What was not looked at is said as that, to people and to machines.
func TestWhatWasNotLookedAtIsSaid(t *testing.T) {
	d := device(t)
	said, order := whole(), whole()
	said.Unverified = true
	ordered(&order)
	order.Items[0] = erasure.Item{What: "site-keys", Unknown: true}
	order.Unsafe, order.Uncounted = 0, true
	for _, try := range []struct {
		cert           erasure.Certificate
		text, machines string
	}{
		{said, "not verified", `"by_unverified": true`},
		{order, "site-keys            could not be counted", `"unknown": true`},
		{order, "records that were not safe at central could not be counted", `"records_uncounted": true`},
	} {
		msg, err := try.cert.Sign(d)
		if err != nil {
			t.Fatal(err)
		}
		got, err := erasure.Open(testkey.Only(t, d), msg)
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := got.JSON(msg)
		if text := got.Text(sign.KeyID{}); err != nil || !strings.Contains(text, try.text) || !strings.Contains(string(asJSON), try.machines) {
			t.Errorf("want %q and %s in (%v)\n%s\n%s", try.text, try.machines, err, text, asJSON)
		}
	}
}

func FuzzOpen(f *testing.F) {
	d := device(f)
	msg, err := whole().Sign(d)
	if err != nil {
		f.Fatal(err)
	}
	payload, err := sign.Payload(msg)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(payload)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		msg, err := sign.Sign(d, sign.PurposeErasure, in)
		if err != nil {
			t.Fatal(err)
		}
		c, err := erasure.Open(testkey.Only(t, d), msg)
		if err != nil {
			return
		}
		if _, err := c.Sign(d); err != nil {
			t.Fatalf("Sign(accepted) = %v", err)
		}
		_ = c.Text(sign.KeyID{})
	})
}
