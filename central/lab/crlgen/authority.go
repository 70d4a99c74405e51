package crlgen

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kazashi.example/central/lab/world/pki"
	"kazashi.example/sync/certid"
)

// Files of a folder of [OpenAuthority].
const (
	CertFile = "ca.pem"
	keyFile  = "ca-key.pem"
	keyBits  = 2048
)

// Generation is the key generation of an authority of OpenAuthority with an RSA key; one with P-384 is of the next.
const Generation = 3

// NewAuthority makes a practice authority for authentication certificates, with a new key: P-384, or RSA-2048.
func NewAuthority(curve bool) (*pki.Authority, error) {
	var key crypto.Signer
	var err error
	generation := Generation
	if curve {
		generation++
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, keyBits)
	}
	if err != nil {
		return nil, fmt.Errorf("making a key to sign lists with: %w", err)
	}
	from := DefaultThisUpdate.AddDate(-6, 0, 0)
	return pki.NewAuthority(certid.PurposeAuth, generation, uint32(generation), from, from.AddDate(20, 0, 0), key)
}

// OpenAuthority is the authority whose certificate (CertFile) and private key lie in a folder, in the clear; it is made if it is not there.
func OpenAuthority(dir string, curve bool) (*pki.Authority, error) {
	a, err := readAuthority(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	if a, err = NewAuthority(curve); err != nil {
		return nil, err
	}
	key, err := x509.MarshalPKCS8PrivateKey(a.Key)
	if err != nil {
		return nil, fmt.Errorf("encoding a key to sign lists with: %w", err)
	}
	if err := errors.Join(os.MkdirAll(dir, 0o700), writePEM(filepath.Join(dir, CertFile), "CERTIFICATE", a.Cert.Raw),
		writePEM(filepath.Join(dir, keyFile), "PRIVATE KEY", key)); err != nil {
		return nil, fmt.Errorf("keeping an authority: %w", err)
	}
	return a, nil
}

func writePEM(path, kind string, b []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b}), 0o600)
}

func readPEM(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading an authority: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%w: %s is not PEM", ErrSpec, path)
	}
	return block.Bytes, nil
}

func readAuthority(dir string) (*pki.Authority, error) {
	secret, err := readPEM(filepath.Join(dir, keyFile))
	if err != nil {
		return nil, err
	}
	raw, err := readPEM(filepath.Join(dir, CertFile))
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(secret)
	if err != nil {
		return nil, fmt.Errorf("parsing the key of an authority: %w", err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil, fmt.Errorf("parsing the certificate of an authority: %w", err)
	}
	a := &pki.Authority{Purpose: certid.PurposeAuth, Generation: Generation, Cert: cert}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		a.Key = k
	case *ecdsa.PrivateKey:
		a.Key, a.Generation = k, Generation+1
	default:
		return nil, fmt.Errorf("%w: an authority's key is neither RSA nor on a curve", ErrSpec)
	}
	return a, nil
}
