package vault

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"

	"golang.org/x/crypto/argon2"

	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
)

// Bounds of a code, in octets. Without a TPM whoever has a copy of the disk can try codes on a machine of his own, as fast as Argon2id
// lets him, and nothing counts: hence the greater least length. It slows him down, it does not stop him. The same holds for who knows how to
// reset the count of a TPM.
const (
	MinCode        = 6
	MinCodeFile    = 12 // where no TPM counts, or its count can be reset
	MaxCode        = 128
	lockLen        = 32 // octets of the lock's secret, of the TPM's share and of each key below
	saltLen        = 16
	nonceLen       = 12
	maxArgonTime   = 16
	maxArgonMemory = 256 << 10 // KiB
)

// ErrForm says that a new code is too short or too long.
var ErrForm = fmt.Errorf("a code is %d to %d octets, without a TPM of the box's own at least %d", MinCode, MaxCode, MinCodeFile)

// argon is what a code is stretched with (RFC 9106 §4). With a TPM it protects against one that gave its secret away; without one that
// counts it is all there is: the second recommended choice.
type argon struct {
	Time    uint32 `cbor:"1,keyasint"`
	Memory  uint32 `cbor:"2,keyasint"` // KiB
	Threads uint8  `cbor:"3,keyasint"`
}

var (
	argonTPM  = argon{Time: 2, Memory: 19 << 10, Threads: 1}
	argonFile = argon{Time: 3, Memory: 64 << 10, Threads: 4}
)

// lockForm is K_lock as it lies on the disk: a suite 1 key pair, whose public half is there for everybody and whose secret half opens by
// one way.
type lockForm struct {
	Way    rule.Unlock `cbor:"1,keyasint"`
	Public []byte      `cbor:"2,keyasint"`
	TPM    *tpm.Blob   `cbor:"3,keyasint,omitempty"` // UnlockTPM: the secret; UnlockCode: the TPM's share of the key to Sealed, under the code
	Salt   []byte      `cbor:"4,keyasint,omitempty"`
	Argon  *argon      `cbor:"5,keyasint,omitempty"`
	Sealed []byte      `cbor:"6,keyasint,omitempty"` // UnlockCode: nonce, the secret by AES-256-GCM
	Secret []byte      `cbor:"7,keyasint,omitempty"` // UnlockFile: the secret itself
}

// check returns the public half. ErrRing.
func (l *lockForm) check() (seal.PublicKey, error) {
	to, err := seal.ParsePublicKey(l.Public)
	if err != nil {
		return to, fmt.Errorf("%w: lock: %w", ErrRing, err)
	}
	code := len(l.Salt) == saltLen && l.Argon.sane() && len(l.Sealed) == nonceLen+lockLen+seal.TagLen
	noCode := l.Salt == nil && l.Argon == nil && l.Sealed == nil
	chip := l.TPM != nil && l.TPM.Check() == nil
	fits := false
	switch l.Way {
	case rule.UnlockCode:
		fits = code && (chip || l.TPM == nil) && l.Secret == nil
	case rule.UnlockTPM:
		fits = noCode && chip && l.Secret == nil
	case rule.UnlockFile:
		fits = noCode && l.TPM == nil && len(l.Secret) == lockLen
	}
	if !fits {
		return to, fmt.Errorf("%w: lock", ErrRing)
	}
	return to, nil
}

func (a *argon) sane() bool {
	return a != nil && a.Time >= 1 && a.Time <= maxArgonTime && a.Memory >= 8 && a.Memory <= maxArgonMemory && a.Threads >= 1 && a.Threads <= 16
}

// stretch makes the authorisation towards a TPM and the code's share of the key, from the code.
func (a argon) stretch(code, salt []byte) (value, share []byte) {
	b := argon2.IDKey(code, salt, a.Time, a.Memory, a.Threads, 2*lockLen)
	debug.FreeOSMemory() // a box has little
	return b[:lockLen], b[lockLen:]
}

// newLock makes a lock that opens one way.
func (s *Site) newLock(way rule.Unlock, code []byte) (*lockForm, error) {
	key, err := seal.GenerateKey()
	if err != nil {
		return nil, err
	}
	secret, err := key.Bytes()
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	l := &lockForm{Way: way, Public: key.Public().Bytes()}
	switch way {
	case rule.UnlockTPM:
		var b tpm.Blob
		if b, err = s.Identity.chip().Seal(secret, nil); err == nil {
			l.TPM = &b
		}
	case rule.UnlockFile:
		l.Secret = append([]byte(nil), secret...)
	default:
		err = s.closeByCode(l, secret, code)
	}
	return l, err
}

func (s *Site) closeByCode(l *lockForm, secret, code []byte) error {
	l.Salt, l.Argon = make([]byte, saltLen), &argonFile
	_, _ = rand.Read(l.Salt) // crypto/rand.Read never fails (Go 1.24)
	if s.Identity.counts() {
		l.Argon = &argonTPM
	}
	chip := s.Identity.chip()
	value, share := l.Argon.stretch(code, l.Salt)
	defer clear(value)
	if chip != nil {
		own := make([]byte, lockLen)
		_, _ = rand.Read(own)
		b, err := chip.Seal(own, value)
		if err != nil {
			return err
		}
		l.TPM, share = &b, append(own, share...)
	}
	defer clear(share)
	aead, bound, err := s.codeKey(l, share)
	if err != nil {
		return err
	}
	nonce := make([]byte, nonceLen)
	_, _ = rand.Read(nonce)
	l.Sealed = aead.Seal(nonce, nonce, secret, bound)
	return nil
}

// codeKey is the AEAD under which a lock's secret lies, and what is bound to it. share is the TPM's share, if any, and the code's.
func (s *Site) codeKey(l *lockForm, share []byte) (cipher.AEAD, []byte, error) {
	key, err := hkdf.Key(sha256.New, share, l.Salt, "kazashi/lock/v1", lockLen)
	if err != nil {
		return nil, nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, nil, err
	}
	bound, err := canon.Encode(struct {
		Site   record.SiteID `cbor:"1,keyasint"`
		Box    record.BoxID  `cbor:"2,keyasint"`
		Public []byte        `cbor:"3,keyasint"`
	}{s.Site, s.Identity.Box, l.Public})
	return aead, bound, err
}

// openLock finds the private half. errWrong for a wrong code; tpm.ErrLockout; an error of the TPM; ErrRing.
func (s *Site) openLock(l *lockForm, code []byte) (seal.PrivateKey, error) {
	secret, err := s.lockSecret(l, code)
	if err != nil {
		return seal.PrivateKey{}, err
	}
	defer clear(secret)
	key, err := seal.ParsePrivateKey(secret)
	if err != nil {
		return key, fmt.Errorf("%w: lock", ErrRing)
	}
	if to, err := l.check(); err != nil || key.Public().ID() != to.ID() {
		return key, fmt.Errorf("%w: lock", ErrRing)
	}
	return key, nil
}

// errWrong says that a code opens nothing. It never leaves the package without how many tries are left.
var errWrong = errors.New("the code opens nothing")

func (s *Site) lockSecret(l *lockForm, code []byte) ([]byte, error) {
	chip := s.Identity.chip()
	if l.TPM != nil && chip == nil {
		return nil, tpm.ErrGone
	}
	switch l.Way {
	case rule.UnlockTPM:
		return chip.Unseal(*l.TPM, nil)
	case rule.UnlockFile:
		return append([]byte(nil), l.Secret...), nil
	case rule.UnlockCode:
	}
	value, share := l.Argon.stretch(code, l.Salt)
	defer clear(value)
	if l.TPM != nil {
		own, err := chip.Unseal(*l.TPM, value)
		if errors.Is(err, tpm.ErrAuth) {
			return nil, errWrong
		}
		if err != nil {
			return nil, err
		}
		share = append(own, share...)
	}
	defer clear(share)
	aead, bound, err := s.codeKey(l, share)
	if err != nil {
		return nil, err
	}
	secret, err := aead.Open(nil, l.Sealed[:nonceLen], l.Sealed[nonceLen:], bound)
	if err != nil {
		return nil, errWrong
	}
	return secret, nil
}

// checkNew returns ErrForm unless a new code is long enough for what guards it.
func (s *Site) checkNew(code []byte) error {
	least := MinCode
	if !s.Identity.counts() {
		least = MinCodeFile
	}
	if len(code) < least || len(code) > MaxCode {
		return ErrForm
	}
	return nil
}
