package world

import (
	"context"
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
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// keyBits is RSA-2048, the only size of the national certificates and cards of today.
const keyBits = 2048

// curveMark ends the name of a key on P-384; all others are RSA-2048.
const curveMark = "-p384"

// keyring is a folder of private keys by name, made on demand.
type keyring struct {
	dir string

	mu   sync.Mutex // guards have
	have map[string]crypto.Signer
}

// ensure makes the keys that are missing, on all processors.
func (k *keyring) ensure(ctx context.Context, names []string, progress func(done, total int)) error {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return fmt.Errorf("making key folder: %w", err)
	}
	var done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, n := range names {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return fmt.Errorf("making keys: %w", err)
			}
			_, err := k.key(n)
			if now := done.Add(1); progress != nil && err == nil {
				progress(int(now), len(names))
			}
			return err
		})
	}
	return g.Wait() // key names the file
}

// rsa returns a key whose name has no curveMark.
func (k *keyring) rsa(name string) (*rsa.PrivateKey, error) {
	return typed[*rsa.PrivateKey](k.key(name))
}

// curve returns a key whose name has curveMark.
func (k *keyring) curve(name string) (*ecdsa.PrivateKey, error) {
	return typed[*ecdsa.PrivateKey](k.key(name))
}

func typed[K crypto.Signer](key crypto.Signer, err error) (K, error) {
	k, ok := key.(K)
	if err == nil && !ok {
		err = fmt.Errorf("%w: a practice key is of another algorithm", ErrOther)
	}
	return k, err
}

// key returns the key of that name, from memory, from disk or new.
func (k *keyring) key(name string) (crypto.Signer, error) {
	k.mu.Lock()
	key := k.have[name]
	k.mu.Unlock()
	if key != nil {
		return key, nil
	}
	path := filepath.Join(k.dir, name+".pem")
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		key, err = makeKey(path)
	}
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	k.have[name] = key
	k.mu.Unlock()
	return key, nil
}

func readKey(path string) (crypto.Signer, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading practice key: %w", err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%w: %s is not PEM; delete it to have a new key made", ErrOther, path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parsing practice key %s: %w", path, err)
	}
	curve := strings.HasSuffix(path, curveMark+".pem")
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if !curve && k.N.BitLen() == keyBits {
			return k, nil
		}
	case *ecdsa.PrivateKey:
		if curve && k.Curve == elliptic.P384() {
			return k, nil
		}
	}
	return nil, fmt.Errorf("%w: %s is not a key of the kind that its name says", ErrOther, path)
}

func generateKey(path string) (crypto.Signer, error) {
	if strings.HasSuffix(path, curveMark+".pem") {
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader) // makeKey wraps
	}
	return rsa.GenerateKey(rand.Reader, keyBits) // makeKey wraps
}

// makeKey writes a new key, or takes the one that another process put there first.
func makeKey(path string) (crypto.Signer, error) {
	key, err := generateKey(path)
	if err != nil {
		return nil, fmt.Errorf("making practice key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding practice key: %w", err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	tmp, err := writeTemp(filepath.Dir(path), text)
	if err != nil {
		return nil, err
	}
	defer os.Remove(tmp)
	if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
		return readKey(path)
	} else if err != nil {
		return nil, fmt.Errorf("keeping practice key: %w", err)
	}
	return key, nil
}
