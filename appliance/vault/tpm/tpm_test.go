package tpm_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"

	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/appliance/vault/tpm/swtpm"
)

func open(t *testing.T, s *swtpm.TPM) *tpm.TPM {
	t.Helper()
	p, err := tpm.Open(s.Where())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestKeysWorkAcrossRestarts(t *testing.T) {
	s := swtpm.Start(t)
	p := open(t, s)
	signing, exchange := must[tpm.Blob](t)(p.NewSigner()), must[tpm.Blob](t)(p.NewExchanger())
	secret := bytes.Repeat([]byte{7}, 64)
	sealed := must[tpm.Blob](t)(p.Seal(secret, nil))
	print := p.Print()
	s.Stop()
	s.Start()
	p = open(t, s)
	if err := p.Is(print); err != nil {
		t.Fatalf("Is(itself) = %v", err)
	}

	signer := must[crypto.Signer](t)(p.Signer(signing))
	digest := sha256.Sum256([]byte("what is signed"))
	sig := must[[]byte](t)(signer.Sign(rand.Reader, digest[:], crypto.SHA256))
	if !ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest[:], sig) {
		t.Error("a signature of the TPM does not verify")
	}
	for _, restart := range []bool{false, true} { // from the context that was saved, and when that is void
		if restart {
			s.Stop()
			s.Start()
		}
		sig := must[[]byte](t)(signer.Sign(rand.Reader, digest[:], crypto.SHA256))
		if !ecdsa.VerifyASN1(signer.Public().(*ecdsa.PublicKey), digest[:], sig) {
			t.Errorf("a later signature does not verify (restarted: %v)", restart)
		}
	}
	if _, err := signer.Sign(rand.Reader, digest[:20], crypto.SHA1); err == nil {
		t.Error("Sign(SHA-1) = nil, want an error")
	}

	other := must[*ecdh.PrivateKey](t)(ecdh.P256().GenerateKey(rand.Reader))
	x := must[ecdh.KeyExchanger](t)(p.Exchanger(exchange))
	mine, theirs := must[[]byte](t)(x.ECDH(other.PublicKey())), must[[]byte](t)(other.ECDH(x.PublicKey()))
	if !bytes.Equal(mine, theirs) {
		t.Error("the TPM and the other side agree on different keys")
	}
	if got := must[[]byte](t)(p.Unseal(sealed, nil)); !bytes.Equal(got, secret) {
		t.Errorf("Unseal = %x, want what was sealed", got)
	}
}

// P3: another TPM, or the same one after it was cleared, opens nothing, and says which of both it is.
func TestP3AnotherTPMOpensNothing(t *testing.T) {
	s := swtpm.Start(t)
	p := open(t, s)
	signing, sealed := must[tpm.Blob](t)(p.NewSigner()), must[tpm.Blob](t)(p.Seal([]byte("secret"), nil))
	other := open(t, swtpm.Start(t))
	if err := other.Is(p.Print()); !errors.Is(err, tpm.ErrOther) {
		t.Errorf("Is on another TPM = %v, want ErrOther", err)
	}
	if _, err := other.Unseal(sealed, nil); !errors.Is(err, tpm.ErrBlob) {
		t.Errorf("Unseal on another TPM = %v, want ErrBlob", err)
	}
	digest := sha256.Sum256(nil)
	if _, err := must[crypto.Signer](t)(other.Signer(signing)).Sign(rand.Reader, digest[:], crypto.SHA256); !errors.Is(err, tpm.ErrBlob) {
		t.Errorf("Sign on another TPM = %v, want ErrBlob", err)
	}
	mine := must[crypto.Signer](t)(p.Signer(signing))
	_ = must[[]byte](t)(mine.Sign(rand.Reader, digest[:], crypto.SHA256))
	s.Clear()
	if _, err := mine.Sign(rand.Reader, digest[:], crypto.SHA256); !errors.Is(err, tpm.ErrCleared) {
		t.Errorf("Sign after the TPM was cleared = %v, want ErrCleared", err)
	}
	if _, err := p.Unseal(sealed, nil); !errors.Is(err, tpm.ErrCleared) {
		t.Errorf("Unseal after the TPM was cleared under a running program = %v, want ErrCleared", err)
	}
	if err := open(t, s).Is(p.Print()); !errors.Is(err, tpm.ErrCleared) {
		t.Errorf("Is after the TPM was cleared = %v, want ErrCleared", err)
	}
	s.Stop()
	if _, err := p.Unseal(sealed, nil); !errors.Is(err, tpm.ErrGone) {
		t.Errorf("Unseal without the TPM = %v, want ErrGone", err)
	}
	if _, err := tpm.Open(s.Where()); !errors.Is(err, tpm.ErrGone) {
		t.Errorf("Open without the TPM = %v, want ErrGone", err)
	}
}

// P3: the TPM counts wrong values until it takes none, and nobody who has the whole box can reset the count.
func TestP3WrongValuesLockOut(t *testing.T) {
	s := swtpm.Start(t)
	p := open(t, s)
	if l := must[tpm.Lockout](t)(p.Lockout()); l.Set {
		t.Error("a new TPM says that its lockout is closed")
	}
	for _, fresh := range []bool{true, false} {
		if closed, err := p.Protect(); err != nil || closed != fresh {
			t.Fatalf("Protect = %v, %v, want %v", closed, err, fresh)
		}
	}
	right, wrong := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	sealed := must[tpm.Blob](t)(p.Seal([]byte("secret"), right))
	for n := range tpm.MaxTries {
		if l := must[tpm.Lockout](t)(p.Lockout()); l.Left != tpm.MaxTries-n || !l.Set || (l.Wait == 0) != (n == 0) {
			t.Errorf("after %d wrong values: Lockout = %+v", n, l)
		}
		value := wrong
		if n == 3 {
			value = nil
		}
		if _, err := p.Unseal(sealed, value); !errors.Is(err, tpm.ErrAuth) {
			t.Fatalf("Unseal with the wrong value = %v, want ErrAuth", err)
		}
	}
	if _, err := p.Unseal(sealed, right); !errors.Is(err, tpm.ErrLockout) {
		t.Errorf("Unseal with the right value after %d wrong ones = %v, want ErrLockout", tpm.MaxTries, err)
	}
	if l := must[tpm.Lockout](t)(p.Lockout()); l.Left != 0 || l.Wait != tpm.RecoverEach {
		t.Errorf("Lockout = %+v, want nothing left and %v", l, tpm.RecoverEach)
	}
	if err := s.ResetLockout(); err == nil {
		t.Error("TPM2_DictionaryAttackLockReset with an empty value = nil, want a refusal")
	}
}

// A value with a zero octet anywhere counts whole (the TPM's library cuts it there).
func TestValuesWithZeros(t *testing.T) {
	p := open(t, swtpm.Start(t))
	for at := range 32 {
		value := bytes.Repeat([]byte{9}, 32)
		value[at] = 0
		sealed := must[tpm.Blob](t)(p.Seal([]byte("secret"), value))
		if _, err := p.Unseal(sealed, value); err != nil {
			t.Errorf("Unseal with a zero at %d = %v", at, err)
		}
		if at == 0 {
			value[31] = 8
			if _, err := p.Unseal(sealed, value); !errors.Is(err, tpm.ErrAuth) {
				t.Errorf("Unseal with another value after the zero = %v, want ErrAuth", err)
			}
		}
	}
}

func TestOpenNamesWhatIsWrong(t *testing.T) {
	for where, want := range map[string]error{
		"none": tpm.ErrNone, "": tpm.ErrNone, "tcp:1": tpm.ErrWhere, "unix:/nowhere": tpm.ErrGone, "device:/nowhere": tpm.ErrGone, "device:/dev/null/x": tpm.ErrGone,
	} {
		if _, err := tpm.Open(where); !errors.Is(err, want) {
			t.Errorf("Open(%s) = %v, want %v", where, err, want)
		}
	}
}

// FuzzBlob puts damaged objects before the parser that looks at a Blob without its TPM.
func FuzzBlob(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0, 0x23, 0, 0x0b, 0, 4, 4, 0x72, 0, 0, 0, 0x10, 0, 0x18, 0, 0x0b, 0, 3, 0, 0x10, 0, 0, 0, 0}, []byte{1})
	f.Add([]byte{0, 8, 0, 0x0b, 0, 0, 0, 0x52, 0, 0, 0, 0x10, 0, 0}, []byte{1})
	f.Fuzz(func(t *testing.T, public, private []byte) {
		var p tpm.TPM
		if _, err := p.Signer(tpm.Blob{Public: public, Private: private}); err != nil && !errors.Is(err, tpm.ErrBlob) {
			t.Errorf("Signer = %v, want ErrBlob", err)
		}
		if _, err := p.Exchanger(tpm.Blob{Public: public, Private: private}); err != nil && !errors.Is(err, tpm.ErrBlob) {
			t.Errorf("Exchanger = %v, want ErrBlob", err)
		}
	})
}
