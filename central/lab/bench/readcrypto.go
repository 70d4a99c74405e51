package bench

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/lab/bench/stats"
	"kazashi.example/central/lab/world"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/reader/tlv"
	"kazashi.example/reader/vcard/link"
)

// spoken is what a card said in one tap. It answers the same again, at once.
type spoken struct {
	commands, answers [][]byte
	next              int
}

var errOther = errors.New("tap asks for something else than it did before")

// Transmit gives the next answer.
func (s *spoken) Transmit(_ context.Context, command []byte) ([]byte, error) {
	if s.next == len(s.commands) || !bytes.Equal(command, s.commands[s.next]) {
		return nil, errOther
	}
	s.next++
	return bytes.Clone(s.answers[s.next-1]), nil // the reader overwrites it
}

// recorder is a way to a card that keeps what is said.
type recorder struct {
	line  *link.Line
	heard *spoken
}

// Transmit passes one command on.
func (r recorder) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := r.line.Transmit(ctx, command)
	r.heard.commands = append(r.heard.commands, bytes.Clone(command))
	r.heard.answers = append(r.heard.answers, bytes.Clone(answer))
	return answer, err //nolint:wrapcheck // the procedures look at the transmitter's errors
}

// measureCrypto times the verifications of a tap with evidence card, as the reader's own packages make them, and everything that a box
// computes for it, each against the four bare verifications in it.
func (r *readerRun) measureCrypto(ctx context.Context) error {
	card := r.cards[0]
	heard, der, err := r.hear(ctx, card)
	if err != nil {
		return fmt.Errorf("recording a tap: %w", err)
	}
	bare, err := r.primitives(heard, der)
	if err != nil {
		return fmt.Errorf("taking a tap apart: %w", err)
	}
	vouching := heard.beginning(tagCVC)
	primitives := timed(func() error { return verifyAll(bare) })
	crypto, err := r.against(ctx, "tap_crypto_vs_primitives", timed(func() error { return r.verify(der, vouching, bare) }), primitives)
	if err != nil {
		return err
	}
	computing, err := r.against(ctx, "tap_computing_vs_primitives", timed(func() error { return r.compute(ctx, heard, card) }), primitives)
	if err != nil {
		return err
	}
	return errors.Join(r.microseconds("tap_crypto_p50_us", crypto.A), r.microseconds("tap_computing_p50_us", computing.A),
		r.microseconds("primitives_p50_us", crypto.B))
}

// timed is what Alternate calls.
func timed(do func() error) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		begun := time.Now()
		err := do()
		return time.Since(begun), err
	}
}

// against prints the ratio of a to b, measured in turn once tables and caches are warm.
func (r *readerRun) against(ctx context.Context, figure string, a, b func() (time.Duration, error)) (stats.Pairs, error) {
	if _, err := stats.Alternate(ctx, ratioBlock, a, b); err != nil {
		return stats.Pairs{}, err
	}
	p, err := stats.Alternate(ctx, r.n.crypto, a, b)
	if err != nil {
		return p, err
	}
	ratio, err := p.Ratio(ratioBlock)
	if err == nil {
		r.figure(figure, "%.2f", ratio, "ratio")
	}
	return p, err
}

// verify is the chain of the certificate with its profile, the card-verifiable certificate, the age record's signature and the card's own.
func (r *readerRun) verify(der, vouching []byte, bare []primitive) error {
	found, err := r.anchors.Examine(der)
	if err != nil {
		return err
	}
	if found.Chain != jpki.ChainVerified || found.Profile != nil {
		return errNobody
	}
	cert, err := cvc.Parse(vouching)
	if err != nil {
		return err
	}
	if _, err := r.believed.Verify(cert, cvc.ForFace); err != nil {
		return err
	}
	record, own := bare[2], bare[3]
	if err := jpki.VerifySignature(cert.Key, record.signed, record.signature); err != nil {
		return err
	}
	return jpki.VerifySignature(own.key, own.signed, own.signature)
}

func (r *run) microseconds(name string, samples []time.Duration) error {
	d, err := stats.Median(samples)
	if err == nil {
		r.figure(name, "%.0f", float64(d)/float64(time.Microsecond), "us")
	}
	return err
}

// hear records one tap and the certificate in it.
func (r *readerRun) hear(ctx context.Context, p world.Person) (*spoken, []byte, error) {
	card, err := openCard(p.Profile, false)
	if err != nil {
		return nil, nil, err
	}
	heard := new(spoken)
	c := mynumber.New(recorder{link.Join(card, link.Model{}), heard}, mynumber.Options{Authorities: r.believed})
	if err := tapCard(ctx, c, p); err != nil {
		return nil, nil, err
	}
	cert, err := c.ReadAuthCert(ctx)
	return heard, cert.DER(), err
}

// compute is a tap without its card: the guard, the files, and every verification. Nothing is remembered, as in a box's first tap.
func (r *readerRun) compute(ctx context.Context, heard *spoken, p world.Person) error {
	heard.next = 0
	c := mynumber.New(heard, mynumber.Options{Authorities: r.believed})
	cert, err := c.ReadAuthCert(ctx)
	if err != nil {
		return err
	}
	if _, err := r.anchors.Examine(cert.DER()); err != nil {
		return err
	}
	return tapCard(ctx, c, p)
}

// primitive is one signature to verify.
type primitive struct {
	key               *rsa.PublicKey
	signed, signature []byte
}

func verifyAll(all []primitive) error {
	for _, p := range all {
		sum := sha256.Sum256(p.signed)
		if err := rsa.VerifyPKCS1v15(p.key, crypto.SHA256, sum[:], p.signature); err != nil {
			return fmt.Errorf("verifying: %w", err)
		}
	}
	return nil
}

// Tags of the files in which the signatures are: card-verifiable certificate and age record, as in reader/cvc and reader/internal/files.
const (
	tagCVC      = tlv.Tag(0x7F21)
	tagBody     = tlv.Tag(0x5F4E)
	tagCVCSign  = tlv.Tag(0x5F37)
	tagAge      = tlv.Tag(0xFF10)
	tagAgeBirth = tlv.Tag(0xDF11)
	tagAgeKey   = tlv.Tag(0xDF12)
	tagAgeSign  = tlv.Tag(0xDF13)
)

// primitives are the four signatures of a tap, with keys ready to use: the certificate's by its authority, the card-verifiable
// certificate's by its authority, the age record's by that certificate's key, and the card's own.
func (r *readerRun) primitives(heard *spoken, der []byte) ([]primitive, error) {
	chain, err := r.chain(der)
	if err != nil {
		return nil, err
	}
	vouched, cert, err := r.vouched(heard.beginning(tagCVC))
	if err != nil {
		return nil, err
	}
	age := heard.beginning(tagAge)
	parts := make([]tlv.Element, 3)
	for i, tag := range []tlv.Tag{tagAgeBirth, tagAgeKey, tagAgeSign} {
		if parts[i], err = tlv.Find(age, tagAge, tag); err != nil {
			return nil, fmt.Errorf("age record: %w", err)
		}
	}
	key, err := cvc.ParseKey(parts[1].Value)
	if err != nil {
		return nil, fmt.Errorf("age record: %w", err)
	}
	last := heard.answers[len(heard.answers)-1]
	all := []primitive{
		chain, vouched,
		{asRSA(cert.Key), slices.Concat(parts[0].Raw, parts[1].Raw), parts[2].Value},
		{asRSA(key), message, last[:len(last)-2]},
	}
	return all, verifyAll(all)
}

func asRSA(key crypto.PublicKey) *rsa.PublicKey {
	k, _ := key.(*rsa.PublicKey) // the cards were chosen for it
	return k
}

func (r *readerRun) chain(der []byte) (primitive, error) {
	found, err := r.anchors.Examine(der)
	if err != nil {
		return primitive{}, fmt.Errorf("certificate: %w", err)
	}
	issuer, ok := r.anchors.ByKey(found.Issuer)
	if !ok {
		return primitive{}, errNobody
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return primitive{}, fmt.Errorf("certificate: %w", err)
	}
	return primitive{asRSA(issuer.Cert.PublicKey), cert.RawTBSCertificate, cert.Signature}, nil
}

// vouched is the card-verifiable certificate and its authority's signature.
func (r *readerRun) vouched(file []byte) (primitive, cvc.Certificate, error) {
	cert, err := cvc.Parse(file)
	if err != nil {
		return primitive{}, cert, fmt.Errorf("card-verifiable certificate: %w", err)
	}
	body, err := tlv.Find(file, tagCVC, tagBody)
	if err != nil {
		return primitive{}, cert, fmt.Errorf("card-verifiable certificate: %w", err)
	}
	signature, err := tlv.Find(file, tagCVC, tagCVCSign)
	if err != nil {
		return primitive{}, cert, fmt.Errorf("card-verifiable certificate: %w", err)
	}
	for _, a := range r.believedKeys {
		if cvc.KeyID(a.KeyID) != cert.Issuer {
			continue
		}
		key, err := x509.ParsePKIXPublicKey(a.Key)
		return primitive{asRSA(key), body.Value, signature.Value}, cert, err //nolint:wrapcheck // parsed before
	}
	return primitive{}, cert, errNobody
}

// beginning is the answer that begins with a tag, without its status word; nothing if there is none.
func (s *spoken) beginning(tag tlv.Tag) []byte {
	for _, a := range s.answers {
		if t, total, err := tlv.Peek(a); err == nil && t == tag {
			return a[:total]
		}
	}
	return nil
}
