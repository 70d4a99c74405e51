package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"testing"

	"kazashi.example/sync/record"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

func code(seed byte) wire.JoinCode {
	c := wire.JoinCode{Root: trust.Fingerprint{seed, 0xff, 7}}
	for i := range c.Secret {
		c.Secret[i] = seed ^ byte(37*i)
	}
	return c
}

func TestJoinCodeReadsBackAsPeopleTypeIt(t *testing.T) {
	c := code(1)
	text := c.Text()
	if want := len("KZ1") + 56 + 12; len(text) != want {
		t.Errorf("Text has %d characters, want %d", len(text), want)
	}
	if i := strings.IndexFunc(text[4:], func(r rune) bool { return !strings.ContainsRune(alphabet+"-", r) }); i >= 0 {
		t.Errorf("Text has %q outside the alphabet", text[4+i])
	}
	for name, s := range map[string]string{
		"as printed": text, "lower case": strings.ToLower(text), "no dashes": strings.ReplaceAll(text, "-", ""),
		"spaces": " " + strings.ReplaceAll(text, "-", " ") + "\n", "I for 1": strings.ReplaceAll(text, "1", "I"),
		"l for 1": strings.ReplaceAll(text, "1", "l"), "O for 0": strings.ReplaceAll(text, "0", "O"),
	} {
		if got, err := wire.ParseJoinCode(s); err != nil || got != c {
			t.Errorf("ParseJoinCode(%s) = %v, want the code", name, err)
		}
	}
}

// P9: a mistyped code is noticed where it is typed: every change of one character, every one left out, doubled or swapped.
func TestP9JoinCodeNoticesTypos(t *testing.T) {
	for seed := range byte(16) {
		c := code(seed)
		text := c.Text()
		wrong := map[string]bool{}
		for i := range text {
			if text[i] == '-' {
				continue
			}
			for _, r := range alphabet {
				wrong[text[:i]+string(r)+text[i+1:]] = true
			}
			wrong[text[:i]+"U"+text[i+1:]] = true
			wrong[text[:i]+text[i+1:]] = true
			wrong[text[:i]+text[i:i+1]+text[i:]] = true
			if j := i + 1; j < len(text) && text[j] != '-' {
				wrong[text[:i]+text[j:j+1]+text[i:j]+text[j+1:]] = true
			}
		}
		delete(wrong, text)
		for s := range wrong {
			if got, err := wire.ParseJoinCode(s); !errors.Is(err, wire.ErrCode) || got != (wire.JoinCode{}) {
				t.Errorf("ParseJoinCode(%s) = %v for %s, want ErrCode", s, err, text)
			}
		}
	}
	for _, s := range []string{"", "KZ1", "KZ2" + code(1).Text()[3:], strings.Repeat("0", 1000), "KZ1-\x00\xff", "KZ1" + strings.Repeat("あ", 56)} {
		if _, err := wire.ParseJoinCode(s); !errors.Is(err, wire.ErrCode) {
			t.Errorf("ParseJoinCode(%.20q) = %v, want ErrCode", s, err)
		}
	}
}

// P3: a code shows itself where it is printed on purpose and nowhere else.
func TestP3JoinCodePrintsRedacted(t *testing.T) {
	c := code(1)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		if got := fmt.Sprintf(verb, c); got != "REDACTED" {
			t.Errorf("Sprintf(%s) = %q, want REDACTED", verb, got)
		}
	}
	if b, err := json.Marshal(c); err != nil || string(b) != `"REDACTED"` {
		t.Errorf("json.Marshal = %s, %v, want REDACTED", b, err)
	}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("code", slog.Any("code", c))
	if !strings.Contains(log.String(), "code=REDACTED") {
		t.Errorf("logged %s, want REDACTED", log.String())
	}
}

func request() wire.JoinRequest {
	return wire.JoinRequest{
		Box: record.NewBoxID(), Device: []byte("device key"), Sealing: []byte("sealing key"), Server: wire.MAC{1, 2, 3}, Release: "v1.2.3",
	}
}

// P9: each side proves the code over everything that it says, and to this other side alone.
func TestP9ProofsCoverEveryField(t *testing.T) {
	c := code(1)
	req, err := request().Prove(c)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*wire.JoinRequest){
		"code":         func(r *wire.JoinRequest) { r.Code[0] ^= 1 },
		"box":          func(r *wire.JoinRequest) { r.Box = record.NewBoxID() },
		"device":       func(r *wire.JoinRequest) { r.Device = []byte("another") },
		"sealing":      func(r *wire.JoinRequest) { r.Sealing = nil },
		"server":       func(r *wire.JoinRequest) { r.Server[31] ^= 1 },
		"release":      func(r *wire.JoinRequest) { r.Release += "x" },
		"proof":        func(r *wire.JoinRequest) { r.Proof[0] ^= 1 },
		"no proof":     func(r *wire.JoinRequest) { r.Proof = wire.MAC{} },
		"moved border": func(r *wire.JoinRequest) { r.Device, r.Sealing = append(r.Device, 's'), r.Sealing[1:] },
	} {
		r := req
		r.Device, r.Sealing = bytes.Clone(req.Device), bytes.Clone(req.Sealing)
		change(&r)
		if err := r.Verify(c); !errors.Is(err, wire.ErrProof) {
			t.Errorf("request with another %s: Verify = %v, want ErrProof", name, err)
		}
	}
	answer, err := wire.JoinAnswer{Site: "branch-1", Name: "counter", Bundle: []byte("bundle")}.Prove(c, req)
	if err != nil {
		t.Fatal(err)
	}
	other := req
	other.Proof[5] ^= 1
	for name, change := range map[string]func(*wire.JoinAnswer, *wire.JoinRequest){
		"site":         func(a *wire.JoinAnswer, _ *wire.JoinRequest) { a.Site = "branch-2" },
		"name":         func(a *wire.JoinAnswer, _ *wire.JoinRequest) { a.Name = "" },
		"bundle":       func(a *wire.JoinAnswer, _ *wire.JoinRequest) { a.Bundle = []byte("bundlf") },
		"proof":        func(a *wire.JoinAnswer, _ *wire.JoinRequest) { a.Proof[31] ^= 1 },
		"request":      func(_ *wire.JoinAnswer, r *wire.JoinRequest) { *r = other },
		"replaced box": func(a *wire.JoinAnswer, _ *wire.JoinRequest) { a.Replaces = record.NewBoxID() },
		"reflected proof": func(a *wire.JoinAnswer, r *wire.JoinRequest) {
			a.Proof = r.Proof
		},
	} {
		a, r := answer, req
		change(&a, &r)
		if err := a.Verify(c, r); !errors.Is(err, wire.ErrProof) {
			t.Errorf("answer with another %s: Verify = %v, want ErrProof", name, err)
		}
	}
	spare, err := wire.JoinAnswer{Site: "branch-1", Name: "counter", Bundle: []byte("bundle"), Replaces: record.NewBoxID()}.Prove(c, req)
	if err != nil || spare.Proof == answer.Proof || spare.Verify(c, req) != nil {
		t.Errorf("answer with a replaced box: %v, or not proved", err)
	}
	if spare.Replaces = (record.BoxID{}); !errors.Is(spare.Verify(c, req), wire.ErrProof) {
		t.Error("answer without the replaced box verifies, want ErrProof")
	}
	if err := errors.Join(req.Verify(c), answer.Verify(c, req)); err != nil {
		t.Errorf("Verify(as proved) = %v", err)
	}
	if err := req.Verify(code(2)); !errors.Is(err, wire.ErrProof) {
		t.Errorf("Verify(another code) = %v, want ErrProof", err)
	}
	if err := answer.Verify(code(2), req); !errors.Is(err, wire.ErrProof) {
		t.Errorf("Verify(answer, another code) = %v, want ErrProof", err)
	}
}

// The root's fingerprint is no part of the proofs: it names what the answer's bundle is checked against.
func TestCodeIDNamesTheSecretAlone(t *testing.T) {
	a, b := code(1), code(1)
	b.Root[0] ^= 1
	if a.ID() != b.ID() || a.ID() == code(2).ID() {
		t.Error("ID does not name the secret alone")
	}
}

func FuzzParseJoinCode(f *testing.F) {
	f.Add(code(1).Text())
	f.Add("kz1 " + strings.ToLower(code(2).Text()[3:]))
	f.Add("KZ1-00000")
	f.Fuzz(func(t *testing.T, in string) {
		c, err := wire.ParseJoinCode(in)
		if err != nil {
			return
		}
		again, err := wire.ParseJoinCode(c.Text())
		if err != nil || again != c {
			t.Fatalf("accepted %q, whose text %q reads back differently: %v", in, c.Text(), err)
		}
	})
}

// A change of several characters passes with probability 2^-24; none of these does.
func TestJoinCodeNoticesScrambledText(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	text := []byte(code(3).Text())
	for range 20_000 {
		b := bytes.Clone(text)
		for range 2 + r.IntN(6) {
			b[4+r.IntN(len(b)-4)] = alphabet[r.IntN(len(alphabet))]
		}
		plain := bytes.ReplaceAll(b, []byte("-"), nil)
		if bytes.Equal(plain, bytes.ReplaceAll(text, []byte("-"), nil)) {
			continue
		}
		if _, err := wire.ParseJoinCode(string(b)); !errors.Is(err, wire.ErrCode) {
			t.Errorf("ParseJoinCode(%s) = %v, want ErrCode", b, err)
		}
	}
}
