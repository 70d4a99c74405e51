package crlgen

import (
	"bufio"
	"crypto"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"hash"
	"io"
	"iter"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/crlset"
)

// Object identifiers of RFC 5280 §5.2 and of the algorithms in RFC 4055 §5 and RFC 5758 §3.2.
var (
	oidAuthorityKeyID = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidCRLNumber      = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidIssuingPoint   = asn1.ObjectIdentifier{2, 5, 29, 28}

	oidRSAWithSHA256   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}
)

// writeBuffer is the size of one write.
const writeBuffer = 256 << 10

// Head is what a list says beside its entries.
type Head struct {
	Number     uint64 // CRL number
	ThisUpdate time.Time
	NextUpdate time.Time // zero for none
	Point      []byte    // directory name (DER) of the issuing distribution point; nil for the whole list
	// Extensions stand in the list beside authority key identifier, CRL number and issuing distribution point.
	Extensions []pkix.Extension
}

// Write writes a list, signed by the authority (RSA with SHA-256, or P-384 with SHA-384), and says how many octets it has. It walks the
// entries twice or, with P-384, three times, and every walk must give the same. Entries are written as they come, wrong or right.
func Write(w io.Writer, a *pki.Authority, h Head, entries iter.Seq[Entry]) (int64, error) {
	return write(w, a, h, entries, sizeOf(entries))
}

// write is Write of entries whose size is known.
func write(w io.Writer, a *pki.Authority, h Head, entries iter.Seq[Entry], size uint64) (int64, error) {
	p, err := newPaper(a, h, entries, size)
	if err != nil {
		return 0, err
	}
	var signature []byte
	if _, fixed := a.Key.Public().(*rsa.PublicKey); !fixed { // the outer length counts the signature, which comes from the whole
		if signature, err = p.sign(io.Discard); err != nil {
			return 0, err
		}
	}
	return p.write(w, signature)
}

// Write writes the list, see the function [Write].
func (l *List) Write(w io.Writer, a *pki.Authority) (int64, error) {
	return write(w, a, l.Head(), l.Entries(), l.octets())
}

// octets is the size of all entries. Where they differ by their serials only, nothing else of them is worked out.
func (l *List) octets() uint64 {
	if len(l.over) > 0 || l.tell.noReason|l.tell.invalidity|l.tell.duplicates != 0 {
		return sizeOf(l.rising())
	}
	var size uint64
	var buf [maxEntry]byte
	rest := len(appendEntry(buf[:0], l.tell.tell(crlset.Key{C: 1}, false))) - len(appendSerial(nil, crlset.Key{C: 1}))
	for k := range l.keys() {
		size += uint64(rest + len(appendSerial(buf[:0], k)))
	}
	return size
}

func sizeOf(entries iter.Seq[Entry]) uint64 {
	var size uint64
	var buf [maxEntry]byte
	for e := range entries {
		size += uint64(len(appendEntry(buf[:0], e)))
	}
	return size
}

// paper is a list with everything but its signature.
type paper struct {
	key       crypto.Signer
	hash      crypto.Hash
	algorithm []byte // AlgorithmIdentifier
	head      []byte // tbsCertList up to its entries, without its own header
	entries   iter.Seq[Entry]
	size      uint64 // of the entries
	tail      []byte // extensions
}

func newPaper(a *pki.Authority, h Head, entries iter.Seq[Entry], size uint64) (*paper, error) {
	p := &paper{key: a.Key, hash: crypto.SHA256, entries: entries, size: size}
	oid := oidRSAWithSHA256
	if _, ok := a.Key.Public().(*rsa.PublicKey); !ok {
		p.hash, oid = crypto.SHA384, oidECDSAWithSHA384
	}
	var err error
	if p.algorithm, err = build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oid)
			if p.hash == crypto.SHA256 {
				b.AddASN1NULL()
			}
		})
	}); err != nil {
		return nil, err
	}
	if p.head, err = p.headOf(a, h); err != nil {
		return nil, err
	}
	if p.tail, err = tailOf(a, h); err != nil {
		return nil, err
	}
	return p, nil
}

func build(fill func(*cryptobyte.Builder)) ([]byte, error) {
	var b cryptobyte.Builder
	fill(&b)
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding a revocation list: %w", err)
	}
	return out, nil
}

func (p *paper) headOf(a *pki.Authority, h Head) ([]byte, error) {
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1) // version 2
		b.AddBytes(p.algorithm)
		b.AddBytes(a.Cert.RawSubject)
		b.AddBytes(appendTime(nil, h.ThisUpdate.Unix(), false))
		if !h.NextUpdate.IsZero() {
			b.AddBytes(appendTime(nil, h.NextUpdate.Unix(), false))
		}
	})
}

// tailOf is crlExtensions [0].
func tailOf(a *pki.Authority, h Head) ([]byte, error) {
	all := h.Extensions
	for _, e := range []struct {
		id       asn1.ObjectIdentifier
		critical bool
		fill     func(*cryptobyte.Builder)
	}{
		{oidAuthorityKeyID, false, func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(der.Tag(0).ContextSpecific(), func(b *cryptobyte.Builder) { b.AddBytes(a.Cert.SubjectKeyId) })
			})
		}},
		{oidCRLNumber, false, func(b *cryptobyte.Builder) { b.AddASN1BigInt(new(big.Int).SetUint64(h.Number)) }},
		{oidIssuingPoint, true, func(b *cryptobyte.Builder) { addPoint(b, h.Point) }},
	} {
		if e.id.Equal(oidIssuingPoint) && h.Point == nil {
			continue
		}
		value, err := build(e.fill)
		if err != nil {
			return nil, err
		}
		all = append(all, pkix.Extension{Id: e.id, Critical: e.critical, Value: value})
	}
	inner, err := asn1.Marshal(all)
	if err != nil {
		return nil, fmt.Errorf("encoding the extensions of a revocation list: %w", err)
	}
	return build(func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(inner) })
	})
}

// addPoint is an IssuingDistributionPoint of one directory name (RFC 5280 §5.2.5).
func addPoint(b *cryptobyte.Builder, name []byte) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { // distributionPoint
			b.AddASN1(der.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { // fullName
				b.AddASN1(der.Tag(4).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(name) })
			})
		})
	})
}

// entriesSize is that of revokedCertificates, which is left out where it would be empty (RFC 5280 §5.1.2.6).
func (p *paper) entriesSize() uint64 {
	if p.size == 0 {
		return 0
	}
	return uint64(len(appendHeader(nil, tagSequence, p.size))) + p.size
}

func (p *paper) bodySize() uint64 { return uint64(len(p.head)) + p.entriesSize() + uint64(len(p.tail)) }

// sign writes tbsCertList to w and signs it.
func (p *paper) sign(w io.Writer) ([]byte, error) {
	sum := p.hash.New()
	if err := p.body(io.MultiWriter(w, sum)); err != nil {
		return nil, err
	}
	return p.signed(sum)
}

func (p *paper) signed(sum hash.Hash) ([]byte, error) {
	signature, err := p.key.Sign(nil, sum.Sum(nil), p.hash)
	if err != nil {
		return nil, fmt.Errorf("signing a revocation list: %w", err)
	}
	return signature, nil
}

func (p *paper) body(w io.Writer) error {
	out := bufio.NewWriterSize(w, writeBuffer)
	_, _ = out.Write(append(appendHeader(nil, tagSequence, p.bodySize()), p.head...)) // Flush says it
	if p.size > 0 {
		_, _ = out.Write(appendHeader(nil, tagSequence, p.size))
		for e := range p.entries {
			if out.Available() < maxEntry {
				if err := out.Flush(); err != nil {
					return fmt.Errorf("writing a revocation list: %w", err)
				}
			}
			_, _ = out.Write(appendEntry(out.AvailableBuffer(), e))
		}
	}
	_, _ = out.Write(p.tail)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("writing a revocation list: %w", err)
	}
	return nil
}

// write writes the whole list; signature is nil where its length is known before.
func (p *paper) write(w io.Writer, signature []byte) (int64, error) {
	length := len(signature)
	if k, ok := p.key.Public().(*rsa.PublicKey); ok {
		length = k.Size()
	}
	bitString := uint64(length) + 1
	end := append(p.algorithm[:len(p.algorithm):len(p.algorithm)], appendHeader(nil, tagBitString, bitString)...)
	end = append(end, 0) // no unused bits
	inner := uint64(len(appendHeader(nil, tagSequence, p.bodySize()))) + p.bodySize() + uint64(len(end)+length)
	start := appendHeader(nil, tagSequence, inner)
	if _, err := w.Write(start); err != nil {
		return 0, fmt.Errorf("writing a revocation list: %w", err)
	}
	signature, err := p.sign(w)
	if err != nil {
		return 0, err
	}
	if _, err := w.Write(append(end, signature...)); err != nil {
		return 0, fmt.Errorf("writing a revocation list: %w", err)
	}
	return int64(len(start)) + int64(inner), nil //nolint:gosec // a file's size
}
