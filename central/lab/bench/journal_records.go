package bench

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Sizes of what a card gives, in octets: signatures of RSA-2048, and an authentication certificate of the national PKI.
const (
	cardSignature   = 256
	cardCertificate = 1700
)

// kindOf is what a tap of the run proves.
type kindOf uint8

const (
	kindCard     kindOf = iota // by the card, as it is kept
	kindUnsigned               // the same without the card's signature
	kindPIN
)

// tapped makes the content of tap n, and what is shown of it.
func tapped(n int, kind kindOf) ([]byte, journal.Clear, error) {
	shown := journal.Clear{
		Tap: record.NewTapID(), Time: time.Date(2026, 11, 22, 0, 0, 0, n%1000*1e6, time.UTC).Add(time.Duration(n) * time.Second),
		Desk: "desk-1", Service: "lending", Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder, Code: "2K7M",
	}
	c := content.Record{
		Tap: shown.Tap, Time: shown.Time.UnixMilli(), Service: shown.Service, Desk: shown.Desk, Basis: record.BasisArt384, Evidence: record.EvidenceCard,
		Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth, Serial: binary.BigEndian.AppendUint32(nil, uint32(n)|1<<30), Issuer: content.Issuer{1},
		NotBefore: shown.Time.Unix() - 1e8, NotAfter: shown.Time.Unix() + 1e8,
		Said: content.Said{
			Verdict: shown.Verdict, Reason: shown.Reason, Rule: rule.Version{CentralEpoch: 1, N: 12}, Answer: record.AnswerNotRevoked,
			ListNumber: 340, ListEpoch: 1, ListTime: shown.Time.Unix() - 7200, Clock: record.ConfidenceChecked,
		},
	}
	switch kind {
	case kindPIN:
		c.Basis, c.Evidence, c.Certificate = record.BasisPIN, record.EvidencePIN, octets(cardCertificate)
		c.PIN = &content.PINProof{Verifier: "city", Signature: octets(cardSignature)}
	case kindCard:
		c.Card = &content.CardProof{Verifier: "city", Signature: octets(cardSignature), Enrolled: record.NewTapID()}
	case kindUnsigned:
		c.Card = &content.CardProof{Verifier: "city", Signature: []byte{0}, Enrolled: record.NewTapID()}
	}
	plain, err := content.New(c).Encode()
	return plain, shown, err
}

func octets(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}
