package golden_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/sync/ack"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

func read[T any](t *testing.T, name string) (v T) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("reading %s: %v", name, err)
	}
	return v
}

// is compares octets of ours with those of a vector.
func is(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s = %x, want %x", what, got, want)
	}
}

// reads checks that a vector's notation says what its octets say.
func reads(t *testing.T, it item) {
	t.Helper()
	if got, err := cbor.Diagnose(it.CBOR); err != nil || got != it.Diagnostic {
		t.Errorf("%s reads %s, %v, want %s", it.Name, got, err, it.Diagnostic)
	}
}

func infoByHand(b record.BoxID, e record.EpochID, recipient sign.KeyID) []byte {
	return bytes.Join([][]byte{{0x85, 0x72}, []byte("kazashi/records/v1"), {0x01, 0x50}, b.ID128[:], {0x50}, e.ID128[:], {0x50}, recipient[:]}, nil)
}

func idByHand(b record.BoxID, n epoch.Nonce) (e record.EpochID) {
	sum := sha256.Sum256(bytes.Join([][]byte{{0x83, 0x73}, []byte("kazashi/epoch-id/v1"), {0x50}, b.ID128[:], {0x50}, n[:]}, nil))
	copy(e.ID128[:], sum[:])
	return e
}

func aadByHand(e record.EpochID, seq uint64, previous epoch.Hash) []byte {
	return bytes.Join([][]byte{{0x84, 0x01, 0x50}, e.ID128[:], byhand.Uint(seq), {0x58, 0x20}, previous[:]}, nil)
}

func nonceByHand(seq uint64) []byte { return binary.BigEndian.AppendUint64(make([]byte, 4), seq) }

// epochKey is suite 1 up to the epoch's key, by the standard library alone.
func epochKey(seed, enc, info []byte) ([]byte, error) {
	k, err := hpke.MLKEM768P256().NewPrivateKey(seed)
	if err != nil {
		return nil, err
	}
	r, err := hpke.NewRecipient(enc, k, hpke.HKDFSHA256(), hpke.ExportOnly(), info)
	if err != nil {
		return nil, err
	}
	return r.Export("kazashi epoch", 32)
}

// open is AES-256-GCM by the standard library alone.
func open(key, nonce, aad, sealed []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, nonce, sealed, aad)
}

// verifies checks ES256 by the standard library alone.
func verifies(t *testing.T, spki, octets, sig []byte) bool {
	t.Helper()
	k, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(octets)
	return ecdsa.Verify(k.(*ecdsa.PublicKey), sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
}

// P2, P3: the recorded epochs open by an implementation that shares nothing with sync/seal and sync/epoch.
func TestP2EpochVectorOpensIndependently(t *testing.T) {
	f := read[epochFile](t, "epoch")
	for _, e := range f.Epochs {
		// Header: a map of nine, the encapsulation after 5 fixed fields of 57 octets and its own head of 4.
		at := 1 + 2 + 2 + 18 + 18 + 18 + 4
		is(t, "enc in the header", e.Payload[at:at+1153], e.Enc)
		root := sha256.Sum256(e.Payload)
		is(t, "root", root[:], e.Root)
		key, err := epochKey(f.Seal.Secret, e.Enc, e.Info)
		if err != nil {
			t.Fatal(err)
		}
		is(t, "epoch key", key, e.Key)
		is(t, "info", bytes.Join([][]byte{{0x85, 0x72}, []byte("kazashi/records/v1"), {0x01}, e.Payload[6:23], e.Payload[24:41], e.Payload[42:59]}, nil), e.Info)
		previous := root[:]
		for _, r := range e.Records {
			id := e.Payload[25:41]
			is(t, "previous", previous, r.Previous)
			is(t, "nonce", nonceByHand(r.Seq), r.Nonce)
			is(t, "aad", bytes.Join([][]byte{{0x84, 0x01, 0x50}, id, {byte(r.Seq)}, {0x58, 0x20}, previous}, nil), r.AAD)
			sealedPart := cut(t, r, id, previous)
			plain, err := open(key, r.Nonce, r.AAD, sealedPart)
			if err != nil {
				t.Errorf("record %d: %v", r.Seq, err)
			}
			is(t, "content", plain, r.Content)
			chain := sha256.Sum256(append(bytes.Clone(previous), r.Envelope...))
			is(t, "chain", chain[:], r.Chain)
			previous = chain[:]
		}
		for _, msg := range []octets{e.Message, e.Twin} {
			checkSign1(t, msg, f.Device, "kazashi/epoch/v1", e.Payload)
		}
		if bytes.Equal(e.Message, e.Twin) {
			t.Error("the other signature is the same")
		}
	}
}

// cut takes the sealed part out of an envelope whose other octets are known.
func cut(t *testing.T, r sealed, id, previous []byte) []byte {
	t.Helper()
	n := len(r.Content) + 16
	front := bytes.Join([][]byte{{0xa5, 0x01, 0x01, 0x02, 0x50}, id, {0x03, byte(r.Seq), 0x04, 0x58, 0x20}, previous, {0x05, 0x58, byte(n)}}, nil)
	if n > 255 || !bytes.HasPrefix(r.Envelope, front) || len(r.Envelope) != len(front)+n {
		t.Fatalf("envelope %x does not begin %x with %d octets after it", r.Envelope, front, n)
	}
	return r.Envelope[len(front):]
}

// checkSign1 checks a COSE_Sign1 octet by octet and its signature.
func checkSign1(t *testing.T, msg []byte, k key, purpose string, payload []byte) {
	t.Helper()
	sig := msg[len(msg)-64:]
	protected := append([]byte{0xa2, 0x01, 0x26, 0x04, 0x50}, k.ID...)
	is(t, purpose, msg, bytes.Join([][]byte{{0xd2, 0x84, 0x55}, protected, {0xa0}, byhand.Bytes(payload), {0x58, 0x40}, sig}, nil))
	tbs := bytes.Join([][]byte{{0x84, 0x6a}, []byte("Signature1"), {0x55}, protected, byhand.Bytes([]byte(purpose)), byhand.Bytes(payload)}, nil)
	if !verifies(t, k.SPKI, tbs, sig) {
		t.Errorf("%s: the signature does not verify", purpose)
	}
	id := sha256.Sum256(k.SPKI)
	is(t, "key id", id[:16], k.ID)
}

// P2: the code under test opens the recorded epochs as well.
func TestP2EpochVectorOpens(t *testing.T) {
	f := read[epochFile](t, "epoch")
	device, err := sign.ParsePublicKey(f.Device.SPKI)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range f.Epochs {
		s, _, err := epoch.OpenHeader(sign.One{Key: device}, e.Message)
		if err != nil {
			t.Fatal(err)
		}
		is(t, "root", s.Root[:], e.Root)
		o, err := epoch.NewOpener(s.Header, sealing(f.Seal.Name))
		if err != nil {
			t.Fatal(err)
		}
		at := s.Root
		for _, r := range e.Records {
			env, err := epoch.DecodeEnvelope(r.Envelope)
			if err != nil {
				t.Fatal(err)
			}
			plain, err := o.Open(env)
			if err != nil || env.Previous != at {
				t.Errorf("Open(%s) = %v after %s, want after %s", env.ID(), err, env.Previous, at)
			}
			is(t, "content", plain, r.Content)
			at = at.Next(r.Envelope)
			is(t, "chain", at[:], r.Chain)
		}
	}
	if p := mustHeader(t, f.Epochs[1]).Predecessor; p.Epoch != epoch1 || p.LastSeq != 3 || !bytes.Equal(p.Head[:], f.Epochs[0].Records[2].Chain) {
		t.Errorf("the second epoch follows %+v", p)
	}
}

func mustHeader(t *testing.T, e opens) epoch.Header {
	t.Helper()
	s, err := epoch.Read(e.Message)
	if err != nil {
		t.Fatal(err)
	}
	return s.Header
}

func TestCanonVector(t *testing.T) {
	f := read[canonFile](t, "canon")
	words := map[string]error{"form": canon.ErrForm, "": nil}
	for _, c := range f.Items {
		var v any
		err := canon.Decode(c.CBOR, &v, 1<<16)
		if want := words[c.Refused]; !errors.Is(err, want) {
			t.Errorf("%s: Decode(%x) = %v, want %v", c.Name, []byte(c.CBOR), err, want)
		}
		if err == nil {
			again, err := canon.Encode(v)
			if err != nil {
				t.Fatal(err)
			}
			is(t, c.Name, again, c.CBOR)
		}
	}
}

func TestContentVector(t *testing.T) {
	f := read[itemsFile](t, "content")
	for i, want := range []content.Record{contentValue(), unknownIssuer()} {
		b, err := want.Encode()
		if err != nil {
			t.Fatal(err)
		}
		is(t, f.Items[i].Name, b, f.Items[i].CBOR)
		reads(t, f.Items[i])
		if got, err := content.Decode(f.Items[i].CBOR); err != nil || got.Said != want.Said || got.Tap != want.Tap {
			t.Errorf("%s: Decode = %v, or another tap", f.Items[i].Name, err)
		}
	}
}

// rewritten reads a message and writes it again.
func rewritten[T any](b []byte) ([]byte, error) {
	var m T
	if err := canon.Decode(b, &m, wire.MaxPoll); err != nil {
		return nil, err
	}
	return canon.Encode(m)
}

// withRetired are the messages that were recorded with a key that is no more: it is passed over.
var withRetired = map[string]func([]byte) ([]byte, error){"poll": rewritten[wire.Poll], "polled": rewritten[wire.Polled]}

func TestUplinkVector(t *testing.T) {
	for _, it := range read[itemsFile](t, "uplink").Items {
		b, err := canon.Encode(uplinkValues()[it.Name])
		if err != nil {
			t.Fatal(err)
		}
		reads(t, it)
		recorded := []byte(it.CBOR)
		if again := withRetired[it.Name]; again != nil {
			if recorded, err = again(it.CBOR); err != nil || len(recorded) >= len(it.CBOR) {
				t.Errorf("%s read and written again = %x, %v, want it without the retired key", it.Name, recorded, err)
			}
		}
		is(t, it.Name, b, recorded)
	}
}

// P9: what central signed once is opened for ever, and is octet for octet what sync/DESIGN.md says.
func TestP9SignedVectorOpens(t *testing.T) {
	f := read[signedFile](t, "signed")
	k, err := sign.ParsePublicKey(f.Key.SPKI)
	if err != nil {
		t.Fatal(err)
	}
	keys := sign.One{Key: k}
	for i, open := range []func([]byte) (any, error){
		func(b []byte) (any, error) { return ack.Open(keys, b) },
		func(b []byte) (any, error) { return rule.Open(keys, b, rule.Terms{Site: "branch-1"}) },
		func(b []byte) (any, error) { return wire.OpenVerdicts(keys, b) },
	} {
		m := f.Messages[i]
		checkSign1(t, m.Message, f.Key, m.Purpose, m.CBOR)
		is(t, "sig_structure", byhand.ToBeSigned("Signature1", byhand.Protected([16]byte(f.Key.ID)), m.Purpose, m.CBOR), m.ToBeSigned)
		reads(t, m.item)
		v, err := open(m.Message)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		b, err := canon.Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		is(t, m.Name, b, m.CBOR)
	}
}

// P8: a box that trusts either generation opens the recorded bundle.
func TestP8TrustVectorOpens(t *testing.T) {
	f := read[trustFile](t, "trust")
	reads(t, f.Bundle)
	for i, r := range f.Roots {
		sum := sha256.Sum256(r.Payload.CBOR)
		is(t, "fingerprint", sum[:16], r.Fingerprint)
		reads(t, r.Payload)
		checkSignatures(t, f, r)
		o, err := trust.Open(f.File, trust.Terms{Root: trust.Fingerprint(r.Fingerprint)})
		if err != nil || o.Number != 7 || !bytes.Equal(o.Root[:], f.Roots[1].Fingerprint) {
			t.Errorf("generation %d: Open = bundle %d, root %s, %v", i+1, o.Number, o.Root, err)
		}
		b, err := canon.Encode(o.Bundle)
		if err != nil {
			t.Fatal(err)
		}
		is(t, "bundle", b, f.Bundle.CBOR)
	}
	front := bytes.Join([][]byte{{0xa2, 0x01, 0x82}, byhand.Bytes(f.Roots[0].Message), byhand.Bytes(f.Roots[1].Message), {0x02}}, nil)
	if !bytes.HasPrefix(f.File, front) {
		t.Error("the travelling bundle does not begin with its root sets")
	}
}

// checkSignatures checks a signed root set octet by octet.
func checkSignatures(t *testing.T, f trustFile, r rootSet) {
	t.Helper()
	want := bytes.Join([][]byte{{0xd8, 0x62, 0x84, 0x40, 0xa0}, byhand.Bytes(r.Payload.CBOR), {0x80 + byte(len(r.SignedBy))}}, nil)
	for _, i := range r.SignedBy {
		protected := append([]byte{0xa2, 0x01, 0x26, 0x04, 0x50}, f.Keys[i].ID...)
		want = append(append(append(want, 0x83, 0x55), protected...), 0xa0, 0x58, 0x40)
		sig := r.Message[len(want) : len(want)+64]
		tbs := bytes.Join([][]byte{{0x85, 0x69}, []byte("Signature"), {0x40, 0x55}, protected, byhand.Bytes([]byte("kazashi/root/v1")), byhand.Bytes(r.Payload.CBOR)}, nil)
		if !verifies(t, f.Keys[i].SPKI, tbs, sig) {
			t.Errorf("%s: the signature of %s does not verify", r.Payload.Name, f.Keys[i].Name)
		}
		want = append(want, sig...)
	}
	is(t, r.Payload.Name, r.Message, want)
}

// Hand-written inputs of the proofs.
func requestProofInput() []byte {
	c := sha256.Sum256(byhand.Seed("golden join code")[:16])
	return bytes.Join([][]byte{
		{0x87, 0x6f},
		[]byte("kazashi/join/v1"),
		{0x48},
		c[:8],
		{0x50},
		bytes.Repeat([]byte{0xb0}, 16),
		{0x41, 'D', 0x41, 'S', 0x58, 0x20},
		bytes.Repeat([]byte{0x5e}, 32),
		{0x66},
		[]byte("v1.2.3"),
	}, nil)
}

func answerProofInput() []byte {
	proof := proofOf(requestProofInput())
	return bytes.Join([][]byte{
		{0x85, 0x71}, []byte("kazashi/joined/v1"), {0x58, 0x20}, proof, {0x68}, []byte("branch-1"), {0x67}, []byte("counter"), {0x41, 'B'},
	}, nil)
}

func proofOf(input []byte) []byte {
	h := hmac.New(sha256.New, byhand.Seed("golden join code")[:16])
	h.Write(input)
	return h.Sum(nil)
}

func spellings(text string) []string {
	return []string{
		strings.ToLower(text), strings.ReplaceAll(text, "-", ""), strings.ReplaceAll(text, "-", " "),
		strings.NewReplacer("1", "l", "0", "o").Replace(strings.ToLower(text)),
	}
}

// P9: join code and proofs, written out by hand.
func TestP9JoinVector(t *testing.T) {
	f := read[joinFile](t, "join")
	c, err := wire.ParseJoinCode(f.Text)
	if err != nil || c != codeValue() || c.Text() != f.Text {
		t.Fatalf("ParseJoinCode(%s) = %v, or another code", f.Text, err)
	}
	is(t, "text by hand", []byte(f.Text), []byte(textByHand(f.Secret, f.Root)))
	id := sha256.Sum256(f.Secret)
	is(t, "code id", id[:8], f.ID)
	is(t, "request proof input", requestProofInput(), f.RequestMAC)
	is(t, "answer proof input", answerProofInput(), f.AnswerMAC)
	is(t, "request", f.Request.CBOR, bytes.Join([][]byte{
		{0xa7, 0x01, 0x48},
		id[:8],
		{0x02, 0x50},
		bytes.Repeat([]byte{0xb0}, 16),
		{0x03, 0x41, 'D', 0x04, 0x41, 'S', 0x05, 0x58, 0x20},
		bytes.Repeat([]byte{0x5e}, 32),
		{0x06, 0x66},
		[]byte("v1.2.3"),
		{0x07, 0x58, 0x20},
		proofOf(f.RequestMAC),
	}, nil))
	is(t, "answer", f.Answer.CBOR, bytes.Join([][]byte{
		{0xa4, 0x01, 0x68}, []byte("branch-1"), {0x02, 0x67}, []byte("counter"), {0x03, 0x41, 'B', 0x04, 0x58, 0x20}, proofOf(f.AnswerMAC),
	}, nil))
	reads(t, f.Request)
	reads(t, f.Answer)
	var req wire.JoinRequest
	var a wire.JoinAnswer
	err = errors.Join(canon.Decode(f.Request.CBOR, &req, wire.MaxJoin), canon.Decode(f.Answer.CBOR, &a, wire.MaxJoin))
	if err = errors.Join(err, req.Verify(c), a.Verify(c, req)); err != nil {
		t.Errorf("the recorded proofs do not verify: %v", err)
	}
	for _, s := range f.SpelledAlso {
		if got, err := wire.ParseJoinCode(s); err != nil || got != c {
			t.Errorf("ParseJoinCode(%q) = %v, want the code", s, err)
		}
	}
	for _, s := range f.WrongCodes {
		if _, err := wire.ParseJoinCode(s); !errors.Is(err, wire.ErrCode) {
			t.Errorf("ParseJoinCode(%q) = %v, want ErrCode", s, err)
		}
	}
}

// textByHand writes a code five bits at a time.
func textByHand(secret, root []byte) string {
	raw := append(bytes.Clone(secret), root...)
	sum := sha256.Sum256(raw)
	raw = append(raw, sum[:3]...)
	n := new(big.Int).SetBytes(raw)
	digits := make([]byte, 56)
	for i := range digits {
		digits[55-i] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[new(big.Int).Rsh(n, uint(5*i)).Uint64()&31]
	}
	var out strings.Builder
	out.WriteString("KZ1")
	for i := 0; i < 56; i += 5 {
		fmt.Fprintf(&out, "-%s", digits[i:min(i+5, 56)])
	}
	return out.String()
}
