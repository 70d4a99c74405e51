package proof_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
)

func challenge() proof.Challenge {
	return proof.Challenge{
		Purpose: proof.PurposePIN, Box: record.BoxID{ID128: record.ID128{1}}, Tap: record.TapID{ID128: record.ID128{2}},
		Verifier: "city.example", Service: "library-loan", Time: time.UnixMilli(1_795_000_000_123),
	}
}

// P5, design §2: every part of a challenge changes what is signed, so that a signature proves one tap only.
func TestP5EveryPartIsBound(t *testing.T) {
	base, err := challenge().Message()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*proof.Challenge){
		"purpose":  func(c *proof.Challenge) { c.Purpose = proof.PurposeCard },
		"box":      func(c *proof.Challenge) { c.Box.ID128[15]++ },
		"tap":      func(c *proof.Challenge) { c.Tap.ID128[15]++ },
		"verifier": func(c *proof.Challenge) { c.Verifier += "x" },
		"service":  func(c *proof.Challenge) { c.Service += "x" },
		"time":     func(c *proof.Challenge) { c.Time = c.Time.Add(time.Millisecond) },
		"nonce":    func(c *proof.Challenge) { c.Nonce = make([]byte, proof.NonceLen) },
		"border":   func(c *proof.Challenge) { c.Verifier, c.Service = "city.examplel", "ibrary-loan" },
	} {
		c := challenge()
		change(&c)
		if m, err := c.Message(); err != nil || bytes.Equal(m, base) {
			t.Errorf("another %s: Message = %x, %v, want other octets", name, m, err)
		}
	}
	later := challenge()
	later.Time = later.Time.Add(999 * time.Microsecond).In(time.FixedZone("JST", 9*3600))
	if m, err := later.Message(); err != nil || !bytes.Equal(m, base) {
		t.Errorf("the same millisecond elsewhere: Message = %x, %v, want the same octets", m, err)
	}
}

func TestRefusesWhatNamesNoTap(t *testing.T) {
	for name, change := range map[string]func(*proof.Challenge){
		"no purpose":      func(c *proof.Challenge) { c.Purpose = "" },
		"another purpose": func(c *proof.Challenge) { c.Purpose = "kazashi/epoch/v1" },
		"no box":          func(c *proof.Challenge) { c.Box = record.BoxID{} },
		"no tap":          func(c *proof.Challenge) { c.Tap = record.TapID{} },
		"no verifier":     func(c *proof.Challenge) { c.Verifier = "" },
		"no service":      func(c *proof.Challenge) { c.Service = "" },
		"no time":         func(c *proof.Challenge) { c.Time = time.Time{} },
		"short nonce":     func(c *proof.Challenge) { c.Nonce = []byte{1} },
		"long nonce":      func(c *proof.Challenge) { c.Nonce = make([]byte, proof.NonceLen+1) },
	} {
		c := challenge()
		change(&c)
		if m, err := c.Message(); !errors.Is(err, proof.ErrChallenge) || m != nil {
			t.Errorf("%s: Message = %x, %v, want ErrChallenge", name, m, err)
		}
	}
}
