// Package keys is central's key directory: one file a key, mode 0600, made once by Create.
//
// What each key protects and how long it lives stands in central/DESIGN.md. A key that an HSM holds is reached by the same
// crypto.Signer; the files here are the software form. Files are written durably and never over one another. A
// [Keys] is read-only after Open and may be used from any goroutine. It prints as REDACTED.
package keys

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
)

// Errors of this package.
var (
	// ErrExists says that Create found keys: they are never overwritten.
	ErrExists = errors.New("keys exist already; they are never overwritten")
	// ErrMode says that somebody beside the owner can read a key file.
	ErrMode = errors.New("key file is readable by others; chmod 600 it, and think of the key as known")
	// ErrFile says that a key file does not hold the key it should.
	ErrFile = errors.New("key file is damaged")
	// ErrUnfinished says that Create was cut short here. No key of the folder was ever used.
	ErrUnfinished = errors.New("keys were not made to the end; make them again with `kazashi-central init`")
)

// File names. The root key belongs off-line once there is more than a practice world: central goes on without it, and others sign what it
// would have signed.
const (
	fileRoot    = "root.key"       // R, PKCS#8 PEM
	fileRootSet = "root-sets.cbor" // the chain of signed root sets, oldest first
	fileSign    = "sign.key"       // C-sign
	fileTLS     = "tls.key"        // C-tls
	fileSeal    = "seal.key"       // C-seal, RFC 9180 form
	fileHandle  = "handle.key"     // K_handle, 32 octets
	filePPID    = "ppid-1.key"     // K_ppid(1)
	fileIndex   = "index.key"      // K_idx
	fileRow     = "row.key"        // K_row

	fileUnfinished = "unfinished" // empty; there while Create is at work
)

const (
	symmetricLen = 32
	keyMode      = 0o600
)

// Keys is everything that central keeps secret.
type Keys struct {
	Root   crypto.Signer // R; nil where it is kept elsewhere
	Roots  [][]byte      // chain of signed root sets, oldest first
	Sign   crypto.Signer // C-sign
	TLS    crypto.Signer // C-tls
	Seal   seal.PrivateKey
	Handle []byte
	PPID   []byte // of key epoch 1
	Rows   *Rows
}

// names of every file but the mark, in the order in which they are made.
var names = []string{fileRoot, fileSign, fileTLS, fileSeal, fileHandle, filePPID, fileIndex, fileRow, fileRootSet}

// Create makes every key in dir, which must not hold any. ErrExists otherwise. A creation that was cut short leaves its mark:
// Open refuses its files, and the next Create begins anew, since nothing can have been sealed or signed with them.
func Create(dir string) error { return create(dir, nil) }

// CreateUnder is Create for a central whose root keys are held elsewhere from the first day: chain is what they signed.
func CreateUnder(dir string, chain [][]byte) error { return create(dir, chain) }

func create(dir string, chain [][]byte) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the key directory: %w", err)
	}
	mark := filepath.Join(dir, fileUnfinished)
	if err := begin(dir, mark); err != nil {
		return err
	}
	if err := createAll(dir, chain); err != nil {
		return err
	}
	if err := os.Remove(mark); err != nil {
		return fmt.Errorf("completing the keys: %w", err)
	}
	return durable.SyncDir(dir)
}

// begin sets the mark in an empty folder, or clears one that has it. The mark is never set beside keys, so that no crash can
// make used keys look like unfinished ones.
func begin(dir, mark string) error {
	if _, err := os.Lstat(mark); err == nil {
		return makeRoom(dir)
	}
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%w: %s", ErrExists, filepath.Join(dir, name))
		}
	}
	return durable.CreateFile(mark, nil, keyMode)
}

// makeRoom moves away what a creation made that was cut short. Even unused keys are not deleted.
func makeRoom(dir string) error {
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, path+".unfinished"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("beginning the keys anew: %w", err)
		}
	}
	return durable.SyncDir(dir)
}

func createAll(dir string, chain [][]byte) error {
	signers := []string{fileSign, fileTLS}
	if chain == nil {
		signers = append(signers, fileRoot)
	}
	for _, name := range signers {
		if err := createSigner(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if err := createSeal(filepath.Join(dir, fileSeal)); err != nil {
		return err
	}
	for _, name := range []string{fileHandle, filePPID, fileIndex, fileRow} {
		var secret [symmetricLen]byte
		_, _ = rand.Read(secret[:]) // never fails (Go 1.24)
		if err := durable.CreateFile(filepath.Join(dir, name), secret[:], keyMode); err != nil {
			return err
		}
	}
	if chain != nil {
		return SetRoots(dir, chain)
	}
	return createRootSet(dir)
}

func createSeal(path string) error {
	k, err := seal.GenerateKey()
	if err != nil {
		return fmt.Errorf("making the sealing key: %w", err)
	}
	b, err := k.Bytes()
	if err != nil {
		return fmt.Errorf("making the sealing key: %w", err)
	}
	return durable.CreateFile(path, b, keyMode)
}

func createSigner(path string) error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return fmt.Errorf("making %s: %w", path, err)
	}
	return durable.CreateFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), keyMode)
}

// createRootSet signs the first root set: one of one.
func createRootSet(dir string) error {
	root, err := ReadSigner(filepath.Join(dir, fileRoot))
	if err != nil {
		return err
	}
	pub, err := sign.PublicKeyOf(root.Public())
	if err != nil {
		return err
	}
	msg, err := trust.NewRootSet(1, 1, []sign.PublicKey{pub}).Sign([]crypto.Signer{root})
	if err != nil {
		return err
	}
	b, err := canon.Encode([][]byte{msg})
	if err != nil {
		return err
	}
	return durable.CreateFile(filepath.Join(dir, fileRootSet), b, keyMode)
}

// SetRoots replaces the chain of root sets.
func SetRoots(dir string, chain [][]byte) error {
	b, err := canon.Encode(chain)
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, fileRootSet), b, keyMode)
}

// CreateSigner makes a new signing key at path, which must not exist.
func CreateSigner(path string) error { return createSigner(path) }

// Open reads every key. ErrUnfinished, ErrMode or ErrFile name what is at fault; a missing file says so.
func Open(dir string) (*Keys, error) {
	mark := filepath.Join(dir, fileUnfinished)
	if _, err := os.Lstat(mark); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", ErrUnfinished, mark)
	}
	var k Keys
	for _, f := range []struct {
		name string
		into *crypto.Signer
	}{{fileRoot, &k.Root}, {fileSign, &k.Sign}, {fileTLS, &k.TLS}} {
		s, err := ReadSigner(filepath.Join(dir, f.name))
		if f.name == fileRoot && errors.Is(err, fs.ErrNotExist) {
			continue // kept elsewhere
		}
		if err != nil {
			return nil, err
		}
		*f.into = s
	}
	var index, row []byte
	for _, f := range []struct {
		name string
		into *[]byte
	}{{fileHandle, &k.Handle}, {filePPID, &k.PPID}, {fileIndex, &index}, {fileRow, &row}} {
		b, err := readFile(filepath.Join(dir, f.name))
		if err != nil {
			return nil, err
		}
		if len(b) != symmetricLen {
			return nil, fmt.Errorf("%w: %s", ErrFile, filepath.Join(dir, f.name))
		}
		*f.into = b
	}
	b, err := readFile(filepath.Join(dir, fileSeal))
	if err != nil {
		return nil, err
	}
	if k.Seal, err = seal.ParsePrivateKey(b); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrFile, filepath.Join(dir, fileSeal))
	}
	if b, err = readFile(filepath.Join(dir, fileRootSet)); err != nil {
		return nil, err
	}
	if err := canon.Decode(b, &k.Roots, trust.MaxBundle); err != nil || len(k.Roots) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrFile, filepath.Join(dir, fileRootSet))
	}
	if _, err := k.Fingerprint(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrFile, filepath.Join(dir, fileRootSet), err)
	}
	k.Rows, err = NewRows(index, row)
	return &k, err
}

// Fingerprint names the first root set: the one that stays the same whatever follows it.
func (k *Keys) Fingerprint() (trust.Fingerprint, error) { return trust.FingerprintOf(k.Roots[0]) }

// ReadSigner reads a signing key that CreateSigner or Create made. ErrMode, ErrFile, fs.ErrNotExist.
func ReadSigner(path string) (crypto.Signer, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(b)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) != 0 {
		return nil, fmt.Errorf("%w: %s", ErrFile, path)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	ec, ok := k.(*ecdsa.PrivateKey)
	if err != nil || !ok || ec.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: %s", ErrFile, path)
	}
	return ec, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s", ErrMode, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading a key: %w", err)
	}
	return b, nil
}
