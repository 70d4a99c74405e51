// Package vault holds who this box is, and the keys of its site.
//
// An [Identity] is the box's id, its device key and its sealing key, born here and never leaving: in a TPM 2.0 if the box has one when it
// is born, else in one file, mode 0600, written once, whose weakness Weakness says and the daemon prints at every start. An Identity is
// read-only after Open and may be used from any goroutine.
//
// A [Site] is the ring of site keys (K_site). At rest it lies in one signed file, wrapped to a lock that opens by the operator's code,
// by the TPM alone or by the file alone; each change replaces the file whole, so that after a crash it opens as before or as after. Open,
// it is in memory alone. A Site may be used from any goroutine. Everything here prints as REDACTED. The package cannot promise that a key
// which was forgotten has left memory (Go moves and copies); [Harden] and [Swaps] keep memory off the disk instead.
package vault

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// What an operator must know about keys that no TPM holds, or one that is not this box's alone.
const (
	weakFile   = "device key is a plain file: whoever copies this disk can pretend to be this box (a TPM would prevent it)"
	weakUnused = weakFile + "; this machine has a TPM: join again as a new box to use it"
	weakChip   = "the authorisation of this TPM's lockout was set before this box was born: whoever knows it resets the count of wrong " +
		"codes; a code has to be longer here (clear the TPM and join again as a new box to close it)"
)

const (
	fileIdentity = "identity.key"
	fileStarted  = "epochs-began" // the box id, in hex: that identity has opened an epoch at some time
	maxIdentity  = 16 << 10
)

// Errors of Open, besides those of package tpm.
var (
	// ErrMode says that somebody beside the owner can read the identity.
	ErrMode = errors.New("identity file is readable by others; chmod 600 it, and think of the keys as known")
	// ErrFile says that the identity file is damaged. A box without identity must join again as another box.
	ErrFile = errors.New("identity file is damaged")
)

// Options are the operator's choices.
type Options struct {
	TPM string // where the TPM is, as package tpm reads it; "" is none, so that nobody changes a machine's TPM unasked
}

// Identity is this box.
type Identity struct {
	Box     record.BoxID
	Device  crypto.Signer   // D
	Sealing seal.PrivateKey // S

	dir    string
	tpm    *tpm.TPM // nil if there is none
	file   bool     // the keys are in the file, not in the TPM
	closed bool     // the TPM's lockout was closed when this identity was born: nobody resets its count
}

// chip is the TPM that codes and keys of the site may lie under: the one that holds the identity. Another one's lockout is open to anybody.
func (i *Identity) chip() *tpm.TPM {
	if i.file {
		return nil
	}
	return i.tpm
}

// counts reports whether a TPM counts wrong codes, and nobody resets its count.
func (i *Identity) counts() bool { return i.chip() != nil && i.closed }

// identityFile holds either Device and Sealing or TPM.
type identityFile struct {
	Version uint8        `cbor:"1,keyasint"`
	Box     record.BoxID `cbor:"2,keyasint"`
	Device  []byte       `cbor:"3,keyasint,omitempty"` // PKCS#8
	Sealing []byte       `cbor:"4,keyasint,omitempty"` // RFC 9180 form
	TPM     *tpmKeys     `cbor:"5,keyasint,omitempty"`
}

// tpmKeys are opened by one TPM alone.
type tpmKeys struct {
	Print    tpm.Print `cbor:"1,keyasint"`
	Device   tpm.Blob  `cbor:"2,keyasint"`
	Exchange tpm.Blob  `cbor:"3,keyasint"` // P-256 half of S
	Seed     tpm.Blob  `cbor:"4,keyasint"` // ML-KEM seed of S
	Closed   bool      `cbor:"5,keyasint"` // the lockout's authorisation was set here, and forgotten
}

func (k tpmKeys) check() error {
	return errors.Join(k.Print.Check(), k.Device.Check(), k.Exchange.Check(), k.Seed.Check())
}

// Open reads the identity in dir, and makes one where there is none. ErrMode, ErrFile, tpm.ErrWhere; tpm.ErrGone, tpm.ErrCleared or
// tpm.ErrOther if the keys are in a TPM that is not to be had.
func Open(dir string, o Options) (*Identity, error) {
	chip, err := tpm.Open(o.TPM)
	if errors.Is(err, tpm.ErrNone) {
		chip, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the TPM: %w", err)
	}
	id, err := open(filepath.Join(dir, fileIdentity), chip)
	if err != nil {
		if chip != nil {
			err = errors.Join(err, chip.Close())
		}
		return nil, err
	}
	id.dir, id.tpm = dir, chip
	return id, nil
}

func open(path string, chip *tpm.TPM) (*Identity, error) {
	id, err := read(path, chip)
	if errors.Is(err, fs.ErrNotExist) {
		if err := create(path, chip); err != nil && !errors.Is(err, fs.ErrExist) { // another process was quicker: then it is its identity
			return nil, fmt.Errorf("making this box's identity: %w", err)
		}
		id, err = read(path, chip)
	}
	if err != nil {
		return nil, fmt.Errorf("reading this box's identity: %w", err)
	}
	return id, nil
}

func create(path string, chip *tpm.TPM) error {
	f, err := born(chip)
	if err != nil {
		return err
	}
	b, err := canon.Encode(f)
	if err != nil {
		return err
	}
	return durable.CreateFile(path, b, 0o600)
}

func born(chip *tpm.TPM) (f identityFile, err error) {
	f = identityFile{Version: 1, Box: record.NewBoxID()}
	if chip != nil {
		f.TPM, err = bornInTPM(chip)
		return f, err
	}
	d, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return f, err
	}
	s, err := seal.GenerateKey()
	if err != nil {
		return f, err
	}
	if f.Device, err = x509.MarshalPKCS8PrivateKey(d); err != nil {
		return f, err
	}
	f.Sealing, err = s.Bytes()
	return f, err
}

// bornInTPM makes the keys and closes the TPM's lockout, before anything can be locked by a code.
func bornInTPM(chip *tpm.TPM) (*tpmKeys, error) {
	closed, err := chip.Protect()
	if err != nil {
		return nil, err
	}
	seed := make([]byte, mlkem.SeedSize)
	_, _ = rand.Read(seed) // crypto/rand.Read never fails (Go 1.24)
	defer clear(seed)
	k := tpmKeys{Print: chip.Print(), Closed: closed}
	if k.Device, err = chip.NewSigner(); err != nil {
		return nil, err
	}
	if k.Exchange, err = chip.NewExchanger(); err != nil {
		return nil, err
	}
	if k.Seed, err = chip.Seal(seed, nil); err != nil {
		return nil, err
	}
	return &k, nil
}

func read(path string, chip *tpm.TPM) (*Identity, error) {
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
	f, err := decodeIdentity(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, path)
	}
	if f.TPM != nil {
		return f.fromTPM(chip)
	}
	return f.fromFile()
}

// decodeIdentity is ErrFile unless b is an identity in one of its two forms.
func decodeIdentity(b []byte) (f identityFile, err error) {
	if err := canon.Decode(b, &f, maxIdentity); err != nil || f.Version != 1 || f.Box.IsZero() {
		return f, ErrFile
	}
	inFile, inTPM := len(f.Device) > 0 && len(f.Sealing) > 0, f.TPM != nil && f.TPM.check() == nil
	if inFile == inTPM || inTPM && len(f.Device)+len(f.Sealing) > 0 {
		return f, ErrFile
	}
	return f, nil
}

func (f identityFile) fromFile() (*Identity, error) {
	k, err := x509.ParsePKCS8PrivateKey(f.Device)
	d, ok := k.(*ecdsa.PrivateKey)
	if err != nil || !ok || d.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: device key", ErrFile)
	}
	s, err := seal.ParsePrivateKey(f.Sealing)
	if err != nil {
		return nil, fmt.Errorf("%w: sealing key", ErrFile)
	}
	return &Identity{Box: f.Box, Device: d, Sealing: s, file: true}, nil
}

func (f identityFile) fromTPM(chip *tpm.TPM) (*Identity, error) {
	if chip == nil {
		return nil, tpm.ErrGone
	}
	if err := chip.Is(f.TPM.Print); err != nil {
		return nil, err
	}
	d, err := chip.Signer(f.TPM.Device)
	if err != nil {
		return nil, fmt.Errorf("%w: device key: %w", ErrFile, err)
	}
	half, err := chip.Exchanger(f.TPM.Exchange)
	if err != nil {
		return nil, fmt.Errorf("%w: sealing key: %w", ErrFile, err)
	}
	seed, err := chip.Unseal(f.TPM.Seed, nil)
	if err != nil {
		return nil, fmt.Errorf("opening the sealing key: %w", err)
	}
	defer clear(seed)
	s, err := seal.HardwareKey(half, seed)
	if err != nil {
		return nil, fmt.Errorf("%w: sealing key: %w", ErrFile, err)
	}
	return &Identity{Box: f.Box, Device: d, Sealing: s, closed: f.TPM.Closed}, nil
}

// Weakness is what an operator must know about where the keys are; empty if a TPM holds them whose count of wrong codes nobody resets.
func (i *Identity) Weakness() string {
	switch {
	case !i.file && i.closed:
		return ""
	case !i.file:
		return weakChip
	case i.tpm != nil:
		return weakUnused
	default:
		return weakFile
	}
}

// Close lets go of the TPM, if there is one; the keys that it holds fail from then on.
func (i *Identity) Close() error {
	if i.tpm == nil {
		return nil
	}
	return i.tpm.Close()
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
