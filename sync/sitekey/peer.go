package sitekey

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// MaxPeer caps a request or an answer between boxes, in octets.
const MaxPeer = 128 << 10

// Errors of what boxes say to each other.
var (
	// ErrPeer says that a request or answer is well signed but contradicts itself, or is the other of the two.
	ErrPeer = errors.New("not such a message between boxes of a site")
	// ErrMember says that the other box is no member of this site as central last named them.
	ErrMember = errors.New("the other box is no member of this site")
)

// Kinds of messages between boxes: both are signed for one purpose. Numbers are reserved for ever.
const (
	peerVersion = 1
	kindRequest = 1
	kindAnswer  = 2
)

// Nonce ties an answer to its request. The asking box makes it, keeps it in memory and takes one answer.
type Nonce struct{ record.ID128 }

// NewNonce makes a random one.
func NewNonce() (n Nonce) {
	_, _ = rand.Read(n.ID128[:]) // crypto/rand.Read never fails (Go 1.24)
	return n
}

// Request is a locked box asking an unlocked box of its site for the keys. It holds no secret.
type Request struct {
	Site  record.SiteID
	Box   record.BoxID
	Nonce Nonce
}

// Answer is every generation wrapped to the asking box. It may be carried by anybody.
type Answer struct {
	Site  record.SiteID
	To    record.BoxID
	Nonce Nonce // of the request
	From  record.BoxID
	Keys  []Wrapped    // at most MaxGenerations, the current one last
	Grant rule.Version // of the newest that the giving box took: how much it knows of which key is current
}

type peerForm struct {
	Version uint8         `cbor:"1,keyasint"`
	Kind    uint8         `cbor:"2,keyasint"`
	Site    record.SiteID `cbor:"3,keyasint"`
	Asking  record.BoxID  `cbor:"4,keyasint"`
	Nonce   Nonce         `cbor:"5,keyasint"`
	Giving  *record.BoxID `cbor:"6,keyasint,omitempty"`
	Keys    []Wrapped     `cbor:"7,keyasint,omitempty"`
	Grant   *rule.Version `cbor:"8,keyasint,omitempty"`
}

func (f peerForm) check(kind uint8) error {
	if f.Version != peerVersion || f.Kind != kind || record.CheckName(f.Site) != nil || f.Asking.IsZero() || f.Nonce.IsZero() {
		return ErrPeer
	}
	if kind == kindRequest {
		if f.Giving != nil || len(f.Keys) != 0 || f.Grant != nil {
			return ErrPeer
		}
		return nil
	}
	if f.Giving == nil || f.Giving.IsZero() || f.Grant == nil || len(f.Keys) == 0 || len(f.Keys) > MaxGenerations {
		return ErrPeer
	}
	for _, w := range f.Keys {
		if w.Check() != nil || w.Site != f.Site {
			return fmt.Errorf("%w: a key", ErrPeer)
		}
	}
	return nil
}

func (f peerForm) sign(kind uint8, device crypto.Signer) ([]byte, error) {
	f.Version, f.Kind = peerVersion, kind
	if err := f.check(kind); err != nil {
		return nil, err
	}
	b, err := canon.Encode(f)
	if err != nil {
		return nil, err
	}
	return sign.Sign(device, sign.PurposePeer, b)
}

// openPeer verifies a message by the device key of the member that the message itself names.
func openPeer(members []Member, kind uint8, msg []byte) (f peerForm, by Member, err error) {
	if len(msg) > MaxPeer {
		return f, by, fmt.Errorf("%w: %d octets, cap %d", canon.ErrSize, len(msg), MaxPeer)
	}
	claimed, err := sign.Payload(msg)
	if err != nil {
		return f, by, err
	}
	if err := canon.Decode(claimed, &f, MaxPeer); err != nil {
		return f, by, err
	}
	if err := f.check(kind); err != nil {
		return f, by, err
	}
	who := f.Asking
	if kind == kindAnswer {
		who = *f.Giving
	}
	by, ok := Grant{Members: members}.Member(who)
	if !ok {
		return f, by, ErrMember
	}
	key, err := by.DeviceKey()
	if err != nil {
		return f, by, err
	}
	_, _, err = sign.Open(sign.One{Key: key}, sign.PurposePeer, msg)
	return f, by, err
}

// Sign closes a request with the asking box's D.
func (r Request) Sign(device crypto.Signer) ([]byte, error) {
	return peerForm{Site: r.Site, Asking: r.Box, Nonce: r.Nonce}.sign(kindRequest, device)
}

// OpenRequest verifies a request of one of the members and says which. ErrPeer, ErrMember, or an error of packages sign and canon.
func OpenRequest(members []Member, msg []byte) (Request, Member, error) {
	f, by, err := openPeer(members, kindRequest, msg)
	if err != nil {
		return Request{}, Member{}, err
	}
	return Request{Site: f.Site, Box: f.Asking, Nonce: f.Nonce}, by, nil
}

// Sign closes an answer with the giving box's D.
func (a Answer) Sign(device crypto.Signer) ([]byte, error) {
	return peerForm{Site: a.Site, Asking: a.To, Nonce: a.Nonce, Giving: &a.From, Keys: a.Keys, Grant: &a.Grant}.sign(kindAnswer, device)
}

// OpenAnswer verifies an answer of one of the members. ErrPeer, ErrMember, or an error of packages sign and canon.
func OpenAnswer(members []Member, msg []byte) (Answer, error) {
	f, _, err := openPeer(members, kindAnswer, msg)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Site: f.Site, To: f.Asking, Nonce: f.Nonce, From: *f.Giving, Keys: f.Keys, Grant: *f.Grant}, nil
}
