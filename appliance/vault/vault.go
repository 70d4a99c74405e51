// Package vault holds who this box is: its id, its device key and its sealing key, born here and never leaving.
//
// This is the file form: one file, mode 0600, written once. Whoever copies the disk copies the box; Weakness says so, and the
// daemon prints it at every start. An [Identity] is read-only after Open and may be used from any goroutine. It prints as
// REDACTED.
package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// Weakness is what an operator must know about keys in a file.
const Weakness = "device key is a plain file: whoever copies this disk can pretend to be this box (a TPM would prevent it)"

const (
	fileIdentity = "identity.key"
	fileStarted  = "epochs-began" // the box id, in hex: that identity has opened an epoch at some time
	maxIdentity  = 16 << 10
)

// Errors of Open.
var (
	// ErrMode says that somebody beside the owner can read the identity.
	ErrMode = errors.New("identity file is readable by others; chmod 600 it, and think of the keys as known")
	// ErrFile says that the identity file is damaged. A box without identity must join again as another box.
	ErrFile = errors.New("identity file is damaged")
)

// Identity is this box.
type Identity struct {
	Box     record.BoxID
	Device  crypto.Signer   // D
	Sealing seal.PrivateKey // S

	dir string
}

type file struct {
	Version uint8        `cbor:"1,keyasint"`
	Box     record.BoxID `cbor:"2,keyasint"`
	Device  []byte       `cbor:"3,keyasint"` // PKCS#8
	Sealing []byte       `cbor:"4,keyasint"` // RFC 9180 form
}

// Open reads the identity in dir, and makes one where there is none.
func Open(dir string) (*Identity, error) {
	path := filepath.Join(dir, fileIdentity)
	id, err := read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path); err != nil && !errors.Is(err, fs.ErrExist) { // another process was quicker: then it is its identity
			return nil, fmt.Errorf("making this box's identity: %w", err)
		}
		id, err = read(path)
	}
	if err != nil {
		return nil, fmt.Errorf("reading this box's identity: %w", err)
	}
	id.dir = dir
	return id, nil
}

func create(path string) error {
	d, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	s, err := seal.GenerateKey()
	if err != nil {
		return err
	}
	f := file{Version: 1, Box: record.NewBoxID()}
	if f.Device, err = x509.MarshalPKCS8PrivateKey(d); err != nil {
		return err
	}
	if f.Sealing, err = s.Bytes(); err != nil {
		return err
	}
	b, err := canon.Encode(f)
	if err != nil {
		return err
	}
	return durable.CreateFile(path, b, 0o600)
}

func read(path string) (*Identity, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s", ErrMode, path)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var f file
	if err := canon.Decode(b, &f, maxIdentity); err != nil || f.Version != 1 || f.Box.IsZero() {
		return nil, fmt.Errorf("%w: %s", ErrFile, path)
	}
	k, err := x509.ParsePKCS8PrivateKey(f.Device)
	d, ok := k.(*ecdsa.PrivateKey)
	if err != nil || !ok || d.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: %s: device key", ErrFile, path)
	}
	s, err := seal.ParsePrivateKey(f.Sealing)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: sealing key", ErrFile, path)
	}
	return &Identity{Box: f.Box, Device: d, Sealing: s}, nil
}

// Public is the device key's public half.
func (i *Identity) Public() (sign.PublicKey, error) { return sign.PublicKeyOf(i.Device.Public()) }

// Fresh reports whether this identity has never opened an epoch, so that a missing journal means a new box and not a lost
// one. A note that cannot be read counts: a false report of damage is better than a loss unseen. One of another identity, made
// before this folder's was lost, does not.
func (i *Identity) Fresh() bool {
	b, err := os.ReadFile(filepath.Join(i.dir, fileStarted))
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	other, err := record.ParseID(string(b))
	return err == nil && other != i.Box.ID128
}

// Begin notes, durably, that the identity is about to open its first epoch. A crash right after it makes the next header say
// that its predecessor is unknown: a false report of damage, where the other order could hide a true one.
func (i *Identity) Begin() error {
	if !i.Fresh() {
		return nil
	}
	if err := durable.WriteFile(filepath.Join(i.dir, fileStarted), []byte(i.Box.String()), 0o600); err != nil {
		return fmt.Errorf("noting the first epoch: %w", err)
	}
	return nil
}
