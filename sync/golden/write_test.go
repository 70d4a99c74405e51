package golden_test

import (
	"crypto"
	"crypto/ecdsa"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

const dir = "../../testdata/sync"

var write = flag.Bool("write", false, "write the vectors that do not exist yet, and run no test")

// TestMain runs the tests, or with -write makes vectors. A vector that exists is never changed.
func TestMain(m *testing.M) {
	flag.Parse()
	if !*write {
		m.Run()
		return
	}
	for name, vector := range map[string]func() any{
		"canon": canonVector, "epoch": epochVector, "content": contentVector, "signed": signedVector, "trust": trustVector,
		"join": joinVector, "uplink": uplinkVector, "proofs": proofsVector,
		"listed": listedVector, "links": linksVector, "offers": offersVector, "keys": keysVector, "attributes": attributesVector,
		"courier": courierVector,
	} {
		path := filepath.Join(dir, name+".json")
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		b, err := json.MarshalIndent(vector(), "", "  ")
		if err != nil {
			log.Fatal(err)
		}
		if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
			log.Fatal(err)
		}
	}
}

// octets are hex in a vector.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(o)), nil }

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

const aboutKeys = "Made-up test keys, known to everybody: SHA-256 of \"kazashi test key: \" and the name. "

// item is an encoded message and how to read it (diagnostic notation, RFC 8949 section 8).
type item struct {
	Name       string `json:"name"`
	CBOR       octets `json:"cbor"`
	Diagnostic string `json:"diagnostic"`
}

func itemOf(name string, v any) item {
	b := must(canon.Encode(v))
	return item{name, b, must(cbor.Diagnose(b))}
}

// key is a made-up ECDSA P-256 key.
type key struct {
	Name   string `json:"name"`
	Secret octets `json:"secret_scalar"`
	SPKI   octets `json:"spki"`
	ID     octets `json:"key_id"`
}

func keyOf(name string) key {
	p := public(byhand.Key(name))
	id := p.ID()
	return key{name, byhand.Seed(name), p.DER(), id[:]}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("writing vectors: %v", err)) // -write only
	}
	return v
}

type epochFile struct {
	About  string  `json:"about"`
	Device key     `json:"device"`
	Seal   sealKey `json:"seal_key"`
	Epochs []opens `json:"epochs"`
}

type sealKey struct {
	Name   string `json:"name"`
	Secret octets `json:"secret_seed"`
	Public octets `json:"public"`
	ID     octets `json:"key_id"`
}

// opens is one epoch: everything on the way from the header to the clear content.
type opens struct {
	Payload octets   `json:"header_payload"`
	Message octets   `json:"header_message"`
	Twin    octets   `json:"header_message_with_other_signature"`
	Root    octets   `json:"root"`
	Enc     octets   `json:"enc"`
	Info    octets   `json:"hpke_info"`
	Key     octets   `json:"epoch_key"`
	Records []sealed `json:"records"`
}

type sealed struct {
	Seq      uint64 `json:"seq"`
	Previous octets `json:"previous"`
	Nonce    octets `json:"nonce"`
	AAD      octets `json:"aad"`
	Content  octets `json:"content"`
	Envelope octets `json:"envelope"`
	Chain    octets `json:"chain"`
}

func epochVector() any {
	to := sealing("golden C-seal")
	id := to.Public().ID()
	f := epochFile{
		About:  aboutKeys + "Two epochs of one box, the second after the first; the encapsulation is random and was recorded once.",
		Device: keyOf("golden D"), Seal: sealKey{"golden C-seal", byhand.Seed("golden C-seal"), to.Public().Bytes(), id[:]},
	}
	first, end := writeEpoch(epoch.Predecessor{}, epoch1, nonce1, epoch.CauseStart, 3)
	second, _ := writeEpoch(end, epoch2, nonce2, epoch.CauseRotation, 1)
	f.Epochs = []opens{first, second}
	return f
}

func writeEpoch(before epoch.Predecessor, e record.EpochID, nonce epoch.Nonce, why epoch.Cause, n int) (opens, epoch.Predecessor) {
	to := sealing("golden C-seal").Public()
	h := headerValue(nil)
	h.Epoch, h.Nonce, h.Cause, h.Predecessor = e, nonce, why, before
	enc, key, err := seal.Encapsulate(to, h.Info())
	h.Enc = must(enc, err)
	s := must(h.Sign(byhand.Key("golden D")))
	info := infoByHand(h.Box, h.Epoch, h.Recipient)
	o := opens{
		Payload: must(sign.Payload(s.Message)), Message: s.Message, Twin: byhand.OtherSignature(s.Message), Root: s.Root[:],
		Enc: enc, Info: info, Key: must(epochKey(byhand.Seed("golden C-seal"), enc, info)),
	}
	w := epoch.NewWriter(s, key)
	for i := range n {
		c := contentValue()
		if i == 1 {
			c = unknownIssuer()
		}
		plain := must(c.Encode())
		before := w.End()
		r := must(w.Seal(plain))
		o.Records = append(o.Records, sealed{
			Seq: uint64(r.ID.Seq), Previous: before.Head[:], Nonce: nonceByHand(uint64(r.ID.Seq)), AAD: aadByHand(h.Epoch, uint64(r.ID.Seq), before.Head),
			Content: plain, Envelope: r.Bytes, Chain: r.Chain[:],
		})
	}
	return o, w.End()
}

type itemsFile struct {
	About string `json:"about"`
	Items []item `json:"items"`
}

func contentVector() any {
	return itemsFile{"What is inside a sealed record. Made-up taps.", []item{
		itemOf("issuer known", contentValue()), itemOf("issuer not known", unknownIssuer()),
	}}
}

func uplinkVector() any {
	f := itemsFile{About: "Bodies of requests and answers; the signed parts in them are placeholders of an octet or two."}
	for _, name := range []string{"push", "pushed", "poll", "poll with nothing", "polled", "polled with nothing", "failure", "polled with central's clock"} {
		f.Items = append(f.Items, itemOf(name, uplinkValues()[name]))
	}
	return f
}

type signedFile struct {
	About    string       `json:"about"`
	Key      key          `json:"key"`
	Messages []signedItem `json:"messages"`
}

type signedItem struct {
	item
	Purpose    string `json:"purpose"`
	ToBeSigned octets `json:"sig_structure"`
	Message    octets `json:"message"`
}

func signedVector() any {
	const name = "golden C-sign"
	f := signedFile{About: aboutKeys + "COSE_Sign1 by C-sign; ECDSA is randomised, so the signatures were recorded once.", Key: keyOf(name)}
	for _, m := range []struct {
		name    string
		purpose sign.Purpose
		value   any
	}{
		{"acknowledgement", sign.PurposeAck, ackValue()},
		{"rules", sign.PurposeRules, rulesValue()},
		{"verdicts", sign.PurposeVerdicts, verdictsValue()},
	} {
		it := itemOf(m.name, m.value)
		f.Messages = append(f.Messages, signedItem{
			item: it, Purpose: string(m.purpose), Message: must(sign.Sign(byhand.Key(name), m.purpose, it.CBOR)),
			ToBeSigned: byhand.ToBeSigned("Signature1", byhand.Protected(public(byhand.Key(name)).ID()), string(m.purpose), it.CBOR),
		})
	}
	return f
}

type trustFile struct {
	About  string    `json:"about"`
	Keys   []key     `json:"root_keys"`
	Roots  []rootSet `json:"root_sets"`
	Bundle item      `json:"bundle_payload"`
	File   octets    `json:"travelling_bundle"`
}

type rootSet struct {
	Payload     item   `json:"payload"`
	Message     octets `json:"message"`
	Fingerprint octets `json:"fingerprint"`
	SignedBy    []int  `json:"signed_by"` // indices into root_keys, in the order of the signatures
}

func trustVector() any {
	f := trustFile{About: aboutKeys + "Root set 1 is 1 of 1, root set 2 is 2 of 3 and signed by both; the bundle is signed by 2a and 2c."}
	keys, signers := rootKeys(), [][]int{{0}, {0, 1, 2}}
	for _, name := range []string{"golden root 1", "golden root 2a", "golden root 2b", "golden root 2c"} {
		f.Keys = append(f.Keys, keyOf(name))
	}
	var roots [][]byte
	for i, set := range rootValues() {
		msg := must(set.Sign(pick(keys, signers[i])))
		print := must(trust.FingerprintOf(msg))
		roots = append(roots, msg)
		f.Roots = append(f.Roots, rootSet{itemOf(fmt.Sprintf("root set %d", i+1), set), msg, print[:], signers[i]})
	}
	f.Bundle = itemOf("bundle", bundleValue())
	f.File = must(bundleValue().Sign(roots, pick(keys, []int{1, 3})))
	return f
}

func pick(keys []*ecdsa.PrivateKey, which []int) (out []crypto.Signer) {
	for _, i := range which {
		out = append(out, keys[i])
	}
	return out
}

type joinFile struct {
	About       string   `json:"about"`
	Secret      octets   `json:"secret"`
	Root        octets   `json:"root_fingerprint"`
	Text        string   `json:"text"`
	ID          octets   `json:"code_id"`
	RequestMAC  octets   `json:"request_proof_input"`
	Request     item     `json:"request"`
	AnswerMAC   octets   `json:"answer_proof_input"`
	Answer      item     `json:"answer"`
	WrongCodes  []string `json:"not_codes"`
	SpelledAlso []string `json:"same_code"`
}

func joinVector() any {
	c := codeValue()
	id := c.ID()
	text := c.Text()
	return joinFile{
		About:  "A made-up join code. Proofs are HMAC-SHA-256 of the inputs under the secret.",
		Secret: c.Secret[:], Root: c.Root[:], Text: text, ID: id[:],
		RequestMAC: requestProofInput(), Request: itemOf("join", requestValue()),
		AnswerMAC: answerProofInput(), Answer: itemOf("joined", answerValue()),
		WrongCodes:  []string{"", "KZ1", text[:len(text)-1], text + "0", "KZ2" + text[3:], text[:4] + "U" + text[5:]},
		SpelledAlso: spellings(text),
	}
}
