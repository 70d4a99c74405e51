// Package golden checks sync as a whole against octets that were recorded once in testdata/sync or written out by hand, and
// against implementations of signing, sealing and proving that share nothing with the code under test. It holds tests only.
package golden_test

import (
	"bytes"
	"crypto/ecdsa"

	"kazashi.example/sync/ack"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/internal/byhand"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// Ids of the made-up world: sixteen times one octet each.
var (
	boxID  = record.BoxID{ID128: id(0xb0)}
	nonce1 = epoch.Nonce(id(0xe1))
	nonce2 = epoch.Nonce(id(0xe2))
	epoch1 = idByHand(boxID, nonce1)
	epoch2 = idByHand(boxID, nonce2)
	tap1   = record.TapID{ID128: id(0x71)}
	tap2   = record.TapID{ID128: id(0x72)}
)

func id(octet byte) (i record.ID128) { copy(i[:], bytes.Repeat([]byte{octet}, 16)); return i }

func hash(octet byte) (h epoch.Hash) { copy(h[:], bytes.Repeat([]byte{octet}, 32)); return h }

func public(k *ecdsa.PrivateKey) sign.PublicKey {
	p, err := sign.PublicKeyOf(k.Public())
	if err != nil {
		panic(err) // a test key on P-256
	}
	return p
}

func sealing(name string) seal.PrivateKey {
	k, err := seal.ParsePrivateKey(byhand.Seed(name))
	if err != nil {
		panic(err) // any 32 octets are a key
	}
	return k
}

func contentValue() content.Record {
	return content.New(content.Record{
		Tap: tap1, Time: 1_795_000_000_123, Service: "library-loan", Desk: "desk-1",
		Basis: record.BasisDrill, Evidence: record.EvidenceCertificate,
		Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Serial: []byte{0x12, 0x34, 0x56},
		Issuer: content.Issuer{0xaa, 0xbb}, NotBefore: 1_700_000_000, NotAfter: 1_900_000_000,
		Said: content.Said{
			Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Rule: rule.Version{CentralEpoch: 1, N: 2},
			Answer: record.AnswerNotRevoked, ListNumber: 77, ListTime: 1_794_990_000, Clock: record.ConfidenceFloor,
		},
	})
}

// unknownIssuer is a tap of a card whose issuer the box does not know: it carries the certificate itself, here two octets.
func unknownIssuer() content.Record {
	r := contentValue()
	r.Tap, r.Hierarchy, r.Issuer, r.Certificate = tap2, 0, content.Issuer{}, []byte{0x30, 0}
	r.Said = content.Said{
		Verdict: record.VerdictProvisional, Reason: record.ReasonIssuerNotVerified, Rule: r.Said.Rule,
		Answer: record.AnswerNotCovered, Clock: record.ConfidenceChecked,
	}
	return r
}

func ackValue() ack.Ack {
	return ack.Ack{
		Version: rule.Version{CentralEpoch: 1, N: 5}, Box: boxID, Issued: 1_795_000_000_000,
		Ranges: []ack.Range{
			{Epoch: epoch1, First: 1, Last: 3, Chain: hash(0xc1), Level: ack.Safe},
			{Epoch: epoch1, First: 5, Last: 300, Chain: hash(0xc2), Level: ack.Received},
		},
	}
}

func rulesValue() rule.Set {
	return rule.Set{Version: rule.Version{CentralEpoch: 1, N: 4}, Issued: 1_795_000_000, Site: "branch-1", Unlock: rule.UnlockTPM, Rules: []rule.Rule{
		{
			Service: "library-loan", Verifier: "city.example", Basis: record.BasisArt384, Evidence: record.EvidenceCard, Supervised: true,
			ListFull: 72 * 3600, ListProvisional: 168 * 3600, TooOld: rule.TooOldRefuse, Hierarchies: []certid.Hierarchy{certid.HierarchyProduction},
			SecondUse: rule.SecondUseTell, SecondWithin: 600, SignIn: true,
		},
		{
			Service: "drill", Verifier: "city.example", Basis: record.BasisDrill, Evidence: record.EvidenceCertificate,
			ListFull: 72 * 3600, ListProvisional: 168 * 3600, TooOld: rule.TooOldRecord,
			Hierarchies: []certid.Hierarchy{certid.HierarchyTest, certid.HierarchyPractice}, Practice: true,
			Attributes: rule.AttributeName | rule.AttributeSex, Consent: &rule.Consent{JA: "氏名と性別を読み取ります。", EN: "Name and sex are read."},
			Retention: rule.Retention{Record: 3650, Book: 90, Attributes: 30},
		},
	}}
}

func verdictsValue() wire.Verdicts {
	return wire.Verdicts{Version: rule.Version{CentralEpoch: 2, N: 9}, Box: boxID, After: 7, Verdicts: []wire.Verdict{
		{
			Epoch: epoch1, Seq: 1, Tap: tap1, Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder,
			Answer: record.AnswerNotRevoked, Source: wire.SourceOCSP, Settled: 1_795_000_000_000,
		},
		{
			Epoch: epoch1, Seq: 2, Tap: tap2, Verdict: record.VerdictRefused, Reason: record.ReasonRevoked,
			Answer: record.AnswerRevoked, Source: wire.SourceCRL, Settled: 1_795_000_000_000,
		},
	}}
}

func headerValue(enc []byte) epoch.Header {
	return epoch.Header{
		Version: 1, Suite: seal.Suite1, Box: boxID, Epoch: epoch1, Recipient: sealing("golden C-seal").Public().ID(), Enc: enc,
		Cause: epoch.CauseStart, Nonce: nonce1,
	}
}

func bundleValue() trust.Bundle {
	return trust.Bundle{
		Version: 1, Number: 7, Issued: 1_795_000_000, Expires: 1_900_000_000, Suites: []seal.Suite{seal.Suite1},
		Keys: []trust.Key{
			{Purposes: []sign.Purpose{trust.UseTLS}, Public: public(byhand.Key("golden C-tls")).DER()},
			{Purposes: []sign.Purpose{trust.UseSeal}, Public: sealing("golden C-seal").Public().Bytes()},
			{Purposes: []sign.Purpose{sign.PurposeAck, sign.PurposeVerdicts, sign.PurposeRules}, Public: public(byhand.Key("golden C-sign")).DER()},
		},
		Anchors: []trust.Anchor{{Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Certificate: []byte{0x30, 0}}},
		CardCAs: []trust.CardCA{{Hierarchy: certid.HierarchyPractice, Issuer: bytes.Repeat([]byte{0xca}, 16), Public: []byte{0x30, 0}}},
	}
}

// rootValues are two generations: one key, then two of three.
func rootValues() [2]trust.RootSet {
	var three []sign.PublicKey
	for _, k := range rootKeys() {
		three = append(three, public(k))
	}
	return [2]trust.RootSet{trust.NewRootSet(1, 1, three[:1]), trust.NewRootSet(2, 2, three[1:])}
}

func rootKeys() []*ecdsa.PrivateKey {
	return []*ecdsa.PrivateKey{
		byhand.Key("golden root 1"), byhand.Key("golden root 2a"), byhand.Key("golden root 2b"), byhand.Key("golden root 2c"),
	}
}

func codeValue() wire.JoinCode {
	c := wire.JoinCode{}
	copy(c.Secret[:], byhand.Seed("golden join code"))
	copy(c.Root[:], bytes.Repeat([]byte{0xf1}, 16))
	return c
}

func requestValue() wire.JoinRequest {
	r, err := wire.JoinRequest{
		Box: boxID, Device: []byte("D"), Sealing: []byte("S"), Server: wire.MAC(hash(0x5e)), Release: "v1.2.3",
	}.Prove(codeValue())
	if err != nil {
		panic(err) // these fields have an encoding
	}
	return r
}

func answerValue() wire.JoinAnswer {
	a, err := wire.JoinAnswer{Site: "branch-1", Name: "counter", Bundle: []byte("B")}.Prove(codeValue(), requestValue())
	if err != nil {
		panic(err) // these fields have an encoding
	}
	return a
}

// uplinkValues is one of each unsigned message.
func uplinkValues() map[string]any {
	return map[string]any{
		"join":   requestValue(),
		"joined": answerValue(),
		"push":   wire.Push{Headers: [][]byte{{1}}, Envelopes: [][]byte{{2}, {3, 4}}},
		"pushed": wire.Pushed{Ack: []byte("abc"), Refused: []wire.Refused{{Index: 2, Reason: "no header"}}},
		"poll": wire.Poll{
			Verdicts: rule.Version{CentralEpoch: 1, N: 9}, Acks: rule.Version{CentralEpoch: 1, N: 5}, Rules: rule.Version{CentralEpoch: 1, N: 4},
			Trust: 7, Epochs: []record.EpochID{epoch1}, Subjects: []record.TapID{tap1}, Wait: 55, Time: 1_795_000_000_123, Waiting: 3, Release: "v1.2.3",
		},
		"poll with nothing": wire.Poll{},
		"polled": wire.Polled{
			CentralEpoch: 1, Ack: []byte{1}, Verdicts: []byte{2}, Rules: []byte{3}, Bundle: []byte{4},
			Subjects: []wire.Subject{{Tap: tap1, PPID: "MADEUP"}},
		},
		"polled with nothing":         wire.Polled{CentralEpoch: 1},
		"polled with central's clock": wire.Polled{CentralEpoch: 1, Time: 1_795_000_000_123},
		"failure":                     wire.Failure{Code: wire.CodeInternal, Message: "x"},
	}
}
