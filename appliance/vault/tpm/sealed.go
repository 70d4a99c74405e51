package tpm

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-tpm/tpm2"
)

// What the lockout is set to (TPM 2.0 Part 1, "Dictionary Attack Protection"): ten tries, then one more every ten minutes. A power cut
// after a try costs one more.
const (
	MaxTries    = 10
	RecoverEach = 10 * time.Minute
)

// lockoutRecovery is how long the lockout hierarchy itself stays shut after a wrong try at it.
const lockoutRecovery = 24 * time.Hour

// MaxSecret is the longest secret that a TPM seals, in octets (MAX_SYM_DATA).
const MaxSecret = 128

// Lockout is how the TPM stands about wrong tries.
type Lockout struct {
	Left int           // tries that it would still take now
	Wait time.Duration // after which it takes one more than now; at most, since the TPM does not say how long ago the last was; 0 if none was wrong
	Set  bool          // somebody set the lockout's authorisation: whoever knows it can reset the count, with none set anybody can
}

// Ways in which a session encrypts the first parameter.
var (
	inward  = tpm2.AESEncryption(128, tpm2.EncryptIn)
	outward = tpm2.AESEncryption(128, tpm2.EncryptOut)
)

// session authorises by value over a session that is salted with the storage root key and encrypts one way on the bus.
func (l loaded) session(value []byte, way tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, tpm2.Auth(value), way, tpm2.Salted(l.handle, l.public))
}

// authorisation is the TPM's form of a value: 32 characters of base64 of its SHA-256, since it may be no longer than the name's hash (TPM
// 2.0 Part 1, "Authorization Values"), and since go-tpm v0.9.8 cuts a value at its first zero octet wherever that stands
// (sessions.go, hmacKeyFromAuthValue; only trailing ones are to go). No value stays none.
func authorisation(value []byte) []byte {
	if len(value) == 0 {
		return nil
	}
	sum := sha256.Sum256(value)
	return base64.RawStdEncoding.AppendEncode(nil, sum[:24])
}

// Seal closes a secret of up to MaxSecret octets so that this TPM alone opens it again. With an authorisation value each wrong try counts
// towards the lockout; without one anybody at this TPM opens it.
func (t *TPM) Seal(secret, value []byte) (Blob, error) {
	return t.create(tpm2.TPMTPublic{
		Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: len(value) == 0},
	}, &tpm2.TPMSSensitiveCreate{
		UserAuth: tpm2.TPM2BAuth{Buffer: authorisation(value)},
		Data:     tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret}),
	})
}

// Unseal opens what Seal closed. ErrAuth, ErrLockout, ErrBlob, ErrCleared or ErrGone.
func (t *TPM) Unseal(b Blob, value []byte) (secret []byte, err error) {
	err = t.withObject(b, func(root, o loaded) error {
		r, err := tpm2.Unseal{
			ItemHandle: tpm2.AuthHandle{Handle: o.handle, Name: o.name, Auth: root.session(authorisation(value), outward)},
		}.Execute(t.port)
		switch {
		case errors.Is(err, tpm2.TPMRCAuthFail), errors.Is(err, tpm2.TPMRCBadAuth):
			return ErrAuth
		case errors.Is(err, tpm2.TPMRCLockout):
			return ErrLockout
		case err != nil:
			return err
		}
		secret = r.OutData.Buffer
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("opening a secret of the TPM: %w", err)
	}
	return secret, nil
}

// lockoutAuthSet is a bit of TPM_PT_PERMANENT (TPM 2.0 Part 2, TPMA_PERMANENT): somebody has set the lockout's authorisation.
const lockoutAuthSet = 1 << 2

// Lockout asks how many tries are left.
func (t *TPM) Lockout() (Lockout, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, err := t.properties(tpm2.TPMPTPermanent, tpm2.TPMPTLockoutInterval)
	if err != nil {
		return Lockout{}, fmt.Errorf("asking the TPM for its lockout: %w", err)
	}
	l := Lockout{
		Left: max(0, int(p[tpm2.TPMPTMaxAuthFail])-int(p[tpm2.TPMPTLockoutCounter])),
		Set:  p[tpm2.TPMPTPermanent]&lockoutAuthSet != 0,
	}
	if p[tpm2.TPMPTLockoutCounter] > 0 {
		l.Wait = time.Duration(p[tpm2.TPMPTLockoutInterval]) * time.Second
	}
	return l, nil
}

func (t *TPM) properties(from, to tpm2.TPMPT) (map[tpm2.TPMPT]uint32, error) {
	r, err := tpm2.GetCapability{
		Capability: tpm2.TPMCapTPMProperties, Property: uint32(from), PropertyCount: uint32(to-from) + 1,
	}.Execute(t.port)
	if err != nil {
		return nil, err
	}
	list, err := r.CapabilityData.Data.TPMProperties()
	if err != nil {
		return nil, fmt.Errorf("%w: properties", ErrBlob)
	}
	p := map[tpm2.TPMPT]uint32{}
	for _, one := range list.TPMProperty {
		p[one.Property] = one.Value
	}
	return p, nil
}

// Protect sets the lockout's numbers and then its authorisation to a random value that is forgotten at once: who has the whole box could
// otherwise reset the count and try on. It reports whether it did: where somebody has set an authorisation before, nothing is changed, and
// who knows it cannot be told.
func (t *TPM) Protect() (closed bool, err error) {
	if l, err := t.Lockout(); err != nil || l.Set {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r, err := t.port.Send(parameters(MaxTries, RecoverEach, lockoutRecovery))
	if err != nil {
		return false, fmt.Errorf("setting the TPM's lockout: %w", err)
	}
	if len(r) < 10 || binary.BigEndian.Uint32(r[6:]) != uint32(tpm2.TPMRCSuccess) {
		return false, fmt.Errorf("setting the TPM's lockout: the TPM answered %x", r)
	}
	value := make([]byte, 32)
	_, _ = rand.Read(value) // crypto/rand.Read never fails (Go 1.24)
	defer clear(value)
	root, err := t.primary(tpm2.TPMRHOwner, tpm2.ECCSRKTemplate)
	if err != nil {
		return false, err
	}
	defer t.flush(root.handle)
	_, err = tpm2.HierarchyChangeAuth{
		AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHLockout, Auth: tpm2.PasswordAuth(nil)},
		NewAuth:    tpm2.TPM2BAuth{Buffer: value},
	}.Execute(t.port, root.session(nil, inward))
	if err != nil {
		return false, fmt.Errorf("closing the TPM's lockout: %w", err)
	}
	return true, nil
}

// parameters is the command TPM2_DictionaryAttackParameters (TPM 2.0 Part 3 §25.3) authorised by an empty value; the module has no word
// for it.
func parameters(tries uint32, each, lockout time.Duration) []byte {
	const (
		tagSessions = 0x8002
		command     = 0x0000013A
		size        = 10 + 4 + 4 + 9 + 3*4
	)
	b := binary.BigEndian.AppendUint16(nil, tagSessions)
	b = binary.BigEndian.AppendUint32(b, size)
	b = binary.BigEndian.AppendUint32(b, command)
	b = binary.BigEndian.AppendUint32(b, uint32(tpm2.TPMRHLockout))
	b = binary.BigEndian.AppendUint32(b, 9) // octets of the authorisation area: a password session with an empty password
	b = binary.BigEndian.AppendUint32(b, uint32(tpm2.TPMRSPW))
	b = append(b, 0, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, tries)
	b = binary.BigEndian.AppendUint32(b, uint32(each/time.Second))
	return binary.BigEndian.AppendUint32(b, uint32(lockout/time.Second))
}
