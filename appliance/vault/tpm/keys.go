package tpm

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/google/go-tpm/tpm2"
)

// errDigest says that a signer was asked for another hash than SHA-256.
var errDigest = errors.New("the TPM's key signs SHA-256 digests alone")

// p256 is a key on P-256 that never leaves its TPM and asks for no authorisation.
func p256(attributes tpm2.TPMAObject, scheme tpm2.TPMTECCScheme) tpm2.TPMTPublic {
	attributes.FixedTPM, attributes.FixedParent, attributes.SensitiveDataOrigin = true, true, true
	attributes.UserWithAuth, attributes.NoDA = true, true
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: attributes,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256, Scheme: scheme}),
	}
}

// NewSigner makes a key for ECDSA on P-256 with SHA-256.
func (t *TPM) NewSigner() (Blob, error) {
	return t.create(p256(tpm2.TPMAObject{SignEncrypt: true}, tpm2.TPMTECCScheme{
		Scheme:  tpm2.TPMAlgECDSA,
		Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
	}), nil)
}

// NewExchanger makes a key for ECDH on P-256.
func (t *TPM) NewExchanger() (Blob, error) {
	return t.create(p256(tpm2.TPMAObject{Decrypt: true}, tpm2.TPMTECCScheme{
		Scheme:  tpm2.TPMAlgECDH,
		Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDH, &tpm2.TPMSKeySchemeECDH{HashAlg: tpm2.TPMAlgSHA256}),
	}), nil)
}

// point reads the public half of a Blob.
func (b Blob) point() (*ecdh.PublicKey, error) {
	if err := b.Check(); err != nil {
		return nil, err
	}
	public, err := tpm2.Unmarshal[tpm2.TPMTPublic](b.Public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	parms, err := public.Parameters.ECCDetail()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	unique, err := public.Unique.ECC()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	if parms.CurveID != tpm2.TPMECCNistP256 || len(unique.X.Buffer) > 32 || len(unique.Y.Buffer) > 32 {
		return nil, fmt.Errorf("%w: curve", ErrBlob)
	}
	k, err := ecdh.P256().NewPublicKey(uncompressed(unique))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	return k, nil
}

// uncompressed is SEC 1 §2.3.3: 04, X and Y in 32 octets each. Neither is longer.
func uncompressed(p *tpm2.TPMSECCPoint) []byte {
	b := make([]byte, 65)
	b[0] = 4
	copy(b[33-len(p.X.Buffer):33], p.X.Buffer)
	copy(b[65-len(p.Y.Buffer):], p.Y.Buffer)
	return b
}

// Signer is the key of a Blob that NewSigner made. ErrBlob. Whether the TPM takes it shows with the first signature.
func (t *TPM) Signer(b Blob) (crypto.Signer, error) {
	k, err := b.point()
	if err != nil {
		return nil, err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), k.Bytes())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBlob, err)
	}
	return &signer{tpm: t, blob: b, public: public}, nil
}

type signer struct {
	tpm    *TPM
	blob   Blob
	public *ecdsa.PublicKey
	kept   *saved // the box signs where a tap waits: once an hour, at the head of an epoch
}

var _ crypto.Signer = (*signer)(nil)

// Public is the *ecdsa.PublicKey.
func (s *signer) Public() crypto.PublicKey { return s.public }

// Sign makes an ECDSA signature in ASN.1 (RFC 3279 §2.2.3) of a SHA-256 digest; opts may be nil, as crypto/ecdsa takes it. The randomness is the TPM's own.
func (s *signer) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) (sig []byte, err error) {
	if opts != nil && opts.HashFunc() != crypto.SHA256 || len(digest) != crypto.SHA256.Size() {
		return nil, errDigest
	}
	err = s.tpm.withSaved(s.blob, &s.kept, func(key loaded) error {
		r, err := tpm2.Sign{
			KeyHandle:  key.auth(),
			Digest:     tpm2.TPM2BDigest{Buffer: digest},
			InScheme:   tpm2.TPMTSigScheme{Scheme: tpm2.TPMAlgNull},
			Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
		}.Execute(s.tpm.port)
		if err != nil {
			return err
		}
		e, err := r.Signature.Signature.ECDSA()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrBlob, err)
		}
		pair := struct{ R, S *big.Int }{new(big.Int).SetBytes(e.SignatureR.Buffer), new(big.Int).SetBytes(e.SignatureS.Buffer)}
		sig, err = asn1.Marshal(pair)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("signing in the TPM: %w", err)
	}
	return sig, nil
}

// Exchanger is the key of a Blob that NewExchanger made. ErrBlob.
func (t *TPM) Exchanger(b Blob) (ecdh.KeyExchanger, error) {
	k, err := b.point()
	if err != nil {
		return nil, err
	}
	return &exchanger{t, b, k}, nil
}

type exchanger struct {
	tpm    *TPM
	blob   Blob
	public *ecdh.PublicKey
}

var _ ecdh.KeyExchanger = (*exchanger)(nil)

// PublicKey is the key's other half.
func (e *exchanger) PublicKey() *ecdh.PublicKey { return e.public }

// Curve is P-256.
func (e *exchanger) Curve() ecdh.Curve { return ecdh.P256() }

// ECDH is the X coordinate of the shared point, 32 octets. It comes over the bus encrypted.
func (e *exchanger) ECDH(with *ecdh.PublicKey) (shared []byte, err error) {
	if with.Curve() != ecdh.P256() {
		return nil, fmt.Errorf("%w: curve", ErrBlob)
	}
	raw := with.Bytes()
	point := tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: raw[1:33]}, Y: tpm2.TPM2BECCParameter{Buffer: raw[33:]}}
	err = e.tpm.withObject(e.blob, func(root, key loaded) error {
		r, err := tpm2.ECDHZGen{
			KeyHandle: tpm2.AuthHandle{Handle: key.handle, Name: key.name, Auth: root.session(nil, outward)},
			InPoint:   tpm2.New2B(point),
		}.Execute(e.tpm.port)
		if err != nil {
			return err
		}
		p, err := r.OutPoint.Contents()
		if err != nil || len(p.X.Buffer) > 32 {
			return fmt.Errorf("%w: shared point", ErrBlob)
		}
		shared = make([]byte, 32)
		copy(shared[32-len(p.X.Buffer):], p.X.Buffer)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("agreeing on a key in the TPM: %w", err)
	}
	return shared, nil
}
