package vault

import (
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// Lying is what a test looks at of the file of site keys.
type Lying struct {
	Keys, Made []sitekey.Wrapped
	TPM        *tpm.Blob
	Sealed     []byte
	Open       bool // beside what opens them: the lock's secret, or the TPM alone
}

// ReadLying decodes the file as its box does.
func ReadLying(keys sign.Keys, b []byte) (Lying, error) {
	f, err := decodeRing(keys, b)
	if err != nil || f.Lock == nil {
		return Lying{}, err
	}
	return Lying{f.Keys, f.Made, f.Lock.TPM, f.Lock.Sealed, f.Lock.Way != rule.UnlockCode}, nil
}

// Rewrite decodes and encodes the file again; for fuzzing.
func Rewrite(id *Identity, b []byte) ([]byte, error) {
	key, err := id.Public()
	if err != nil {
		return nil, err
	}
	f, err := decodeRing(sign.One{Key: key}, b)
	if err != nil {
		return nil, err
	}
	return f.encode(id.Device)
}

// DecodeIdentity parses an identity file.
func DecodeIdentity(b []byte) error {
	_, err := decodeIdentity(b)
	return err
}

// Blobs are the objects of the identity's TPM that lie on the disk.
func Blobs(b []byte) ([]tpm.Blob, error) {
	f, err := decodeIdentity(b)
	if err != nil || f.TPM == nil {
		return nil, err
	}
	return []tpm.Blob{f.TPM.Device, f.TPM.Exchange, f.TPM.Seed}, nil
}

// On is the identity as somebody would pretend to have it at another TPM.
func (i *Identity) On(t *tpm.TPM) *Identity {
	other := *i
	other.tpm = t
	return &other
}

// SwapsOf is Swaps for made-up tables of a kernel.
var SwapsOf = swaps

// FreeTries is how many wrong codes cost no waiting without a TPM, FirstWait the first wait, LastWait the longest.
const (
	FreeTries = freeTries
	FirstWait = firstWait
	LastWait  = lastWait
)

var realTPM, realFile = argonTPM, argonFile

// CheapCodes has codes stretched next to nothing, so that tests of everything else are quick.
func CheapCodes() { argonTPM, argonFile = argon{1, 8, 1}, argon{1, 8, 1} }

// RealCodes undoes it.
func RealCodes() { argonTPM, argonFile = realTPM, realFile }

// Stretching is what the code on the disk is stretched with: passes, KiB.
func Stretching(keys sign.Keys, b []byte) (passes, memory uint32, err error) {
	f, err := decodeRing(keys, b)
	if err != nil {
		return 0, 0, err
	}
	return f.Lock.Argon.Time, f.Lock.Argon.Memory, nil
}
