package scan_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"io"
	"math/big"
	"slices"
	"sync"
	"time"

	"kazashi.example/central/crl/scan"
	"kazashi.example/central/lab/world/pki"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/crlset"
)

var now = time.Date(2026, 11, 22, 3, 0, 0, 0, time.UTC)

// A practice world in small: three generations of one authority, of which the last signs with P-384, and one that nobody knows.
type world struct {
	rsa, rsa2, curve, stranger *pki.Authority
	anchors                    *jpki.Anchors
}

var practice = sync.OnceValue(func() *world {
	w := &world{
		rsa: authority(1, must(rsa.GenerateKey(rand.Reader, 2048))), rsa2: authority(2, must(rsa.GenerateKey(rand.Reader, 2048))),
		curve: authority(3, newCurveKey()), stranger: must(pki.NewStranger(9, now.AddDate(-1, 0, 0), now.AddDate(9, 0, 0), newCurveKey())),
	}
	var anchors []jpki.Anchor
	for _, a := range []*pki.Authority{w.rsa, w.rsa2, w.curve} {
		anchors = append(anchors, jpki.Anchor{Cert: a.Cert, Hierarchy: certid.HierarchyPractice, Purpose: certid.PurposeAuth})
	}
	w.anchors = must(jpki.NewAnchors(anchors...))
	return w
})

func authority(generation int, key crypto.Signer) *pki.Authority {
	return must(pki.NewAuthority(certid.PurposeAuth, generation, uint32(generation), now.AddDate(-1, 0, 0), now.AddDate(9, 0, 0), key))
}

func newCurveKey() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// tlv is one element with a length in the shortest form.
func tlv(tag byte, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	if len(body) < 0x80 {
		return append([]byte{tag, byte(len(body))}, body...)
	}
	length := bytes.TrimLeft(binary.BigEndian.AppendUint64(nil, uint64(len(body))), "\x00")
	return slices.Concat([]byte{tag, 0x80 | byte(len(length))}, length, body)
}

func seq(content ...[]byte) []byte { return tlv(0x30, content...) }

func utc(at time.Time) []byte { return tlv(0x17, []byte(at.Format("060102150405Z"))) }

func utcText(s string) []byte { return tlv(0x17, []byte(s)) }

func general(s string) []byte { return tlv(0x18, []byte(s)) }

func integer(octets ...byte) []byte { return tlv(0x02, octets) }

// ext is an extension below 2.5.29.
func ext(arc byte, critical bool, value ...[]byte) []byte {
	mark := []byte{}
	if critical {
		mark = []byte{0x01, 0x01, 0xff}
	}
	return seq([]byte{0x06, 0x03, 0x55, 0x1d, arc}, mark, tlv(0x04, value...))
}

func reason(code byte) []byte { return ext(21, false, []byte{0x0a, 0x01, code}) }

func entry(serial, at []byte, exts ...[]byte) []byte {
	if len(exts) == 0 {
		return seq(serial, at)
	}
	return seq(serial, at, seq(exts...))
}

var (
	rsaWithSHA256   = seq([]byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b}, []byte{0x05, 0x00})
	rsaWithoutNull  = seq([]byte{0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b})
	ecdsaWithSHA384 = seq([]byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03})
)

// paper is a revocation list whose parts may be anything.
type paper struct {
	by                                *pki.Authority
	version, algorithm, outer, issuer []byte
	this, next                        []byte
	entries                           []byte // the whole element; nil for none
	exts                              [][]byte
	allExts                           []byte // instead of exts, the whole element
	signature                         func([]byte) []byte
}

// sheet is a list that is in order, with one entry, its authority's key and number 7.
func sheet(by *pki.Authority) *paper {
	p := &paper{
		by: by, version: integer(1), algorithm: rsaWithSHA256, issuer: by.Cert.RawSubject,
		this: utc(now.Add(-time.Hour)), next: utc(now.Add(time.Hour)),
		entries: seq(entry(integer(5), utcText("261101000000Z"), reason(1))),
		exts:    [][]byte{keyID(by), ext(20, false, integer(7))},
	}
	if _, curve := by.Key.(*ecdsa.PrivateKey); curve {
		p.algorithm = ecdsaWithSHA384
	}
	return p
}

// unknown are so many extensions that mean nothing, each of another kind.
func unknown(n int) [][]byte {
	var all [][]byte
	for i := range n {
		all = append(all, seq([]byte{6, 3, 0x55, 0x1e, byte(i)}, []byte{4, 0}))
	}
	return all
}

func keyID(by *pki.Authority) []byte { return ext(35, false, seq(tlv(0x80, by.Cert.SubjectKeyId))) }

func (p *paper) with(change func(*paper)) *paper {
	change(p)
	return p
}

func (p *paper) tbs() []byte {
	exts := p.allExts
	if exts == nil {
		exts = tlv(0xa0, seq(p.exts...))
	}
	return seq(p.version, p.algorithm, p.issuer, p.this, p.next, p.entries, exts)
}

func sign(by *pki.Authority, message []byte) []byte {
	if k, ok := by.Key.(*ecdsa.PrivateKey); ok {
		sum := sha512.Sum384(message)
		return must(k.Sign(rand.Reader, sum[:], crypto.SHA384))
	}
	sum := sha256.Sum256(message)
	return must(by.Key.Sign(rand.Reader, sum[:], crypto.SHA256))
}

func (p *paper) der() []byte {
	tbs := p.tbs()
	outer := p.outer
	if outer == nil {
		outer = p.algorithm
	}
	signature := tlv(0x03, []byte{0}, sign(p.by, tbs))
	if p.signature != nil {
		signature = p.signature(signature)
	}
	return seq(tbs, outer, signature)
}

// read is scan.Read of a whole list, with copies of the entries.
func read(ctx context.Context, r io.Reader) (scan.List, []crlset.Entry, error) {
	var entries []crlset.Entry
	l, err := scan.Read(ctx, r, scan.Options{Anchors: practice().anchors, Now: now}, func(batch []crlset.Entry) error {
		entries = append(entries, batch...)
		return nil
	})
	return l, entries, err
}

func key(i *big.Int) crlset.Key { return crlset.KeyOf(must(certid.SerialOf(i))) }
