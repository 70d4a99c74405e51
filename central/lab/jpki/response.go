package jpki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"time"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/pki"
)

// responseStatus is OCSPResponseStatus (RFC 6960 §4.2.1).
type responseStatus byte

const (
	statusSuccessful       responseStatus = 0
	statusMalformedRequest responseStatus = 1
	statusInternalError    responseStatus = 2
)

var (
	oidBasic           = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}
	oidSHA256WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11} // RFC 4055 §5, parameters NULL
	oidECDSAWithSHA384 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}   // RFC 5758 §3.2, no parameters
)

// answer is one SingleResponse.
type answer struct {
	id     CertID
	status world.Status
}

// responder is who signs.
type responder struct {
	cert     *x509.Certificate
	key      crypto.Signer
	delegate bool // the certificate travels with the answer
}

func (r responder) curve() bool {
	_, ok := r.key.Public().(*ecdsa.PublicKey)
	return ok
}

// sign uses the algorithm of the responder's key.
func (r responder) sign(data []byte) ([]byte, error) {
	if r.curve() {
		digest := sha512.Sum384(data)
		return r.key.Sign(rand.Reader, digest[:], crypto.SHA384) // the caller wraps
	}
	digest := sha256.Sum256(data)
	return r.key.Sign(rand.Reader, digest[:], crypto.SHA256) // the caller wraps
}

// failure is an answer without response bytes.
func failure(s responseStatus) []byte {
	return []byte{0x30, 0x03, 0x0A, 0x01, byte(s)}
}

// encodeResponse signs the answers. thisUpdate and producedAt are now, nextUpdate is end.
func encodeResponse(answers []answer, nonce []byte, by responder, now, end time.Time) ([]byte, error) {
	data, err := responseData(answers, nonce, by, now, end)
	if err != nil {
		return nil, err
	}
	sig, err := by.sign(data)
	if err != nil {
		return nil, fmt.Errorf("signing an OCSP answer: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // OCSPResponse
		b.AddASN1(der.ENUM, func(b *cryptobyte.Builder) { b.AddUint8(byte(statusSuccessful)) })
		b.AddASN1(context(0), func(b *cryptobyte.Builder) {
			b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { // ResponseBytes
				b.AddASN1ObjectIdentifier(oidBasic)
				b.AddASN1(der.OCTET_STRING, func(b *cryptobyte.Builder) { addBasic(b, data, sig, by) })
			})
		})
	})
	return finish(&b)
}

// addBasic writes BasicOCSPResponse.
func addBasic(b *cryptobyte.Builder, data, sig []byte, by responder) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(data)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			if by.curve() {
				b.AddASN1ObjectIdentifier(oidECDSAWithSHA384)
				return
			}
			b.AddASN1ObjectIdentifier(oidSHA256WithRSA)
			b.AddASN1NULL()
		})
		b.AddASN1BitString(sig)
		if by.delegate {
			b.AddASN1(context(0), func(b *cryptobyte.Builder) {
				b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(by.cert.Raw) })
			})
		}
	})
}

// responseData is what is signed; the responder is named by its key.
func responseData(answers []answer, nonce []byte, by responder, now, end time.Time) ([]byte, error) {
	keyHash, err := pki.KeyHash(by.cert.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("naming the responder: %w", err)
	}
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(context(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(keyHash) }) // byKey
		b.AddASN1GeneralizedTime(now)
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			for _, a := range answers {
				addAnswer(b, a, now, end)
			}
		})
		if nonce != nil {
			b.AddASN1(context(1), func(b *cryptobyte.Builder) { addNonce(b, nonce) })
		}
	})
	return finish(&b)
}

func addAnswer(b *cryptobyte.Builder, a answer, now, end time.Time) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(a.id.raw)
		switch {
		case !a.status.Known:
			b.AddASN1(der.Tag(2).ContextSpecific(), func(*cryptobyte.Builder) {})
		case !a.status.Revoked:
			b.AddASN1(der.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {})
		default:
			b.AddASN1(context(1), func(b *cryptobyte.Builder) { // RevokedInfo
				b.AddASN1GeneralizedTime(a.status.At.UTC())
				b.AddASN1(context(0), func(b *cryptobyte.Builder) {
					b.AddASN1(der.ENUM, func(b *cryptobyte.Builder) { b.AddUint8(byte(a.status.Reason)) })
				})
			})
		}
		b.AddASN1GeneralizedTime(now)
		b.AddASN1(context(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(end) })
	})
}

// addNonce repeats the request's nonce in responseExtensions (RFC 6960 §4.4.1).
func addNonce(b *cryptobyte.Builder, nonce []byte) {
	b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(der.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidNonce)
			b.AddASN1OctetString(nonce)
		})
	})
}

func finish(b *cryptobyte.Builder) ([]byte, error) {
	out, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding an OCSP answer: %w", err)
	}
	return out, nil
}
