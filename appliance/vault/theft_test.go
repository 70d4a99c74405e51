package vault_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/appliance/vault/tpm/swtpm"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

func TestMain(m *testing.M) {
	vault.CheapCodes()
	os.Exit(m.Run())
}

// stolen is a box that worked, was closed and is now in a thief's hands: its folder, its TPM, and what must not be found.
type stolen struct {
	*world
	dir     string
	chip    *swtpm.TPM
	id      *vault.Identity
	ring    sitekey.Ring
	secrets map[string][]byte
}

func steal(t *testing.T) *stolen {
	t.Helper()
	s := &stolen{world: newWorld(t), dir: t.TempDir(), chip: swtpm.Start(t), secrets: map[string][]byte{"code": code}}
	s.id = s.box(s.dir, s.chip.Where())
	v := s.site(s.dir, s.id)
	ok(t, "Create", v.Create(t.Context(), other))
	ok(t, "Rotate", v.Rotate(t.Context()))
	ok(t, "SetCode", v.SetCode(t.Context(), other, code))
	ok(t, "Take", v.Take(t.Context(), s.grant(s.id, s.made(v), s.id)))
	ok(t, "Rotate", v.Rotate(t.Context()))
	var err error
	s.ring, err = v.Ring()
	ok(t, "Ring", err)
	for i, k := range s.ring.Keys() {
		s.secrets["key "+string(rune('0'+i))] = k.Reveal()
		d := k.Derive(sitekey.LabelBookEntry)
		s.secrets["derived key "+string(rune('0'+i))] = d[:]
	}
	return s
}

func (s *stolen) read(name string) []byte {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

// P3: nothing that opens the site's keys, nor the code, lies on the disk or stands in the log.
func TestP3NothingLiesInTheClear(t *testing.T) {
	s := steal(t)
	files := 0
	ok(t, "WalkDir", filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		for name, secret := range s.secrets {
			if bytes.Contains(b, secret) || bytes.Contains([]byte(path), secret) {
				t.Errorf("%s holds the %s", d.Name(), name)
			}
		}
		return err
	}))
	for name, secret := range s.secrets {
		if bytes.Contains([]byte(s.log.String()), secret) {
			t.Errorf("the log holds the %s", name)
		}
	}
	if files < 2 {
		t.Fatalf("%d files searched, want identity and site keys", files)
	}
}

// P3: the disk in another machine opens nothing, even with the code, and says what is wrong.
func TestP3TheDiskAloneOpensNothing(t *testing.T) {
	s := steal(t)
	elsewhere := swtpm.Start(t)
	_, err := vault.Open(s.dir, vault.Options{TPM: elsewhere.Where()})
	wantErr(t, "Open at another TPM", err, tpm.ErrOther)
	_, err = vault.Open(s.dir, vault.Options{TPM: tpm.None})
	wantErr(t, "Open without a TPM", err, tpm.ErrGone)
	foreign, err := tpm.Open(elsewhere.Where())
	ok(t, "tpm.Open", err)
	wantErr(t, "Unlock at another TPM with the right code", s.site(s.dir, s.id.On(foreign)).Unlock(t.Context(), code), tpm.ErrBlob)
	s.chip.Clear()
	_, err = vault.Open(s.dir, vault.Options{TPM: s.chip.Where()})
	wantErr(t, "Open after the TPM was cleared", err, tpm.ErrCleared)
	s.chip.Stop()
	_, err = vault.Open(s.dir, vault.Options{TPM: s.chip.Where()})
	wantErr(t, "Open with the TPM switched off", err, tpm.ErrGone)
}

// P3: the whole box without the code opens nothing: not by any object of its TPM with an empty value, not by its sealing key.
func TestP3TheWholeBoxWithoutTheCodeOpensNothing(t *testing.T) {
	s := steal(t)
	device, err := s.id.Public()
	ok(t, "Public", err)
	lying, err := vault.ReadLying(sign.One{Key: device}, s.read("site-ring.cbor"))
	if err != nil || lying.TPM == nil || len(lying.Keys) != 3 || len(lying.Made) != 1 {
		t.Fatalf("the file of site keys: %v, %d keys, %d made", err, len(lying.Keys), len(lying.Made))
	}
	chip, err := tpm.Open(s.chip.Where())
	ok(t, "tpm.Open", err)
	if _, err := chip.Unseal(*lying.TPM, nil); !errors.Is(err, tpm.ErrAuth) {
		t.Errorf("the lock with an empty value = %v, want ErrAuth", err)
	}
	blobs, err := vault.Blobs(s.read("identity.key"))
	if err != nil || len(blobs) != 3 {
		t.Fatalf("%d objects of the TPM (%v), want 3", len(blobs), err)
	}
	for i, b := range blobs {
		got, err := chip.Unseal(b, nil) // the ML-KEM seed opens at this TPM, and opens no site key
		for name, secret := range s.secrets {
			if err == nil && bytes.Contains(got, secret) {
				t.Errorf("object %d is the %s", i, name)
			}
		}
	}
	for _, w := range append(lying.Keys, lying.Made...) {
		if _, err := sitekey.Unwrap(s.id.Sealing, w); !errors.Is(err, sitekey.ErrRecipient) {
			t.Errorf("Unwrap by the box's own key = %v, want ErrRecipient", err)
		}
		w.Recipient = s.id.Sealing.Public().ID()
		if _, err := sitekey.Unwrap(s.id.Sealing, w); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("Unwrap by the box's own key under its name = %v, want ErrOpen", err)
		}
	}
	s.way = rule.UnlockTPM // a thief's own rule changes nothing: the keys lie under the code
	v := s.site(s.dir, s.box(s.dir, s.chip.Where()))
	if _, err := v.Ring(); !errors.Is(err, vault.ErrLocked) {
		t.Errorf("Ring = %v, want ErrLocked", err)
	}
}

// P3: the TPM counts wrong codes until it takes none; how many are left and how long to wait is said.
func TestP3WrongCodesLockOutByTheTPM(t *testing.T) {
	s := steal(t)
	v := s.site(s.dir, s.id)
	var e *vault.TryError
	for v.State().Left > 0 {
		left := v.State().Left
		err := v.Unlock(t.Context(), wrong)
		if !errors.As(err, &e) || !errors.Is(e, vault.ErrCode) || e.Left != left-1 || e.Wait != tpm.RecoverEach {
			t.Fatalf("Unlock with %d tries left = %v", left, err)
		}
	}
	err := v.Unlock(t.Context(), code)
	if !errors.As(err, &e) || !errors.Is(e, vault.ErrWait) || e.Left != 0 || e.Wait != tpm.RecoverEach {
		t.Errorf("Unlock with the right code = %v, want ErrWait and %v", err, tpm.RecoverEach)
	}
	s.chip.Stop()
	s.chip.Start()
	if err := v.Unlock(t.Context(), code); !errors.Is(err, vault.ErrWait) {
		t.Errorf("Unlock after the power was cut = %v, want ErrWait", err)
	}
	if st := v.State(); st.Left != 0 || st.Wait == 0 {
		t.Errorf("State = %+v, want no try and a time to wait", st)
	}
}

// Without a TPM the box counts: five free tries, then a wait that doubles, up to an hour; a restart shortens nothing.
func TestWrongCodesAreCountedWithoutATPM(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, dir := newWorld(t), t.TempDir()
		id := w.box(dir, tpm.None)
		s := w.site(dir, id)
		ok(t, "Create", s.Create(t.Context(), code))
		s = w.site(dir, id)
		var e *vault.TryError
		for n := range vault.FreeTries {
			if err := s.Unlock(t.Context(), wrong); !errors.As(err, &e) || !errors.Is(e, vault.ErrCode) || e.Left != vault.FreeTries-1-n {
				t.Fatalf("wrong code %d: %v, left %d", n+1, err, e.Left)
			}
		}
		for wait := vault.FirstWait; wait < 3*vault.LastWait; wait *= 2 {
			s = w.site(dir, id) // a restart
			due := min(wait, vault.LastWait)
			if err := s.Unlock(t.Context(), code); !errors.As(err, &e) || !errors.Is(e, vault.ErrWait) || e.Wait != due {
				t.Fatalf("the right code too early: %v, wait %v, want %v", err, e.Wait, due)
			}
			time.Sleep(due - time.Second)
			wantErr(t, "the right code a second too early", s.Unlock(t.Context(), code), vault.ErrWait)
			time.Sleep(time.Second)
			if st := s.State(); st.Left != 1 || st.Wait != 0 {
				t.Errorf("State after the wait = %+v, want one try", st)
			}
			wantErr(t, "a wrong code after the wait", s.Unlock(t.Context(), wrong), vault.ErrCode)
		}
		time.Sleep(vault.LastWait)
		ok(t, "the right code", s.Unlock(t.Context(), code))
		s = w.site(dir, id)
		if st := s.State(); st.Left != vault.FreeTries {
			t.Errorf("tries left after the right code: %d, want %d", st.Left, vault.FreeTries)
		}
		ok(t, "WriteFile", os.WriteFile(filepath.Join(dir, "code-tries.cbor"), []byte("nonsense"), 0o600))
		wantErr(t, "the right code beside a broken count", s.Unlock(t.Context(), code), vault.ErrWait)
	})
}

// What stands on the disk is stretched as the design says; without a TPM that is all that stands against a copied disk.
func TestCodesAreStretched(t *testing.T) {
	vault.RealCodes()
	t.Cleanup(vault.CheapCodes)
	both(t, func(t *testing.T, where func() string) {
		w, dir, at := newWorld(t), t.TempDir(), where()
		id := w.box(dir, at)
		ok(t, "Create", w.site(dir, id).Create(t.Context(), code))
		b, err := os.ReadFile(filepath.Join(dir, "site-ring.cbor"))
		ok(t, "ReadFile", err)
		device, err := id.Public()
		ok(t, "Public", err)
		passes, memory, err := vault.Stretching(sign.One{Key: device}, b)
		if least := map[bool]uint32{true: 64 << 10, false: 19 << 10}[at == tpm.None]; err != nil || passes < 2 || memory < least {
			t.Errorf("stretched %d times over %d KiB (%v), want over %d KiB", passes, memory, err, least)
		}
	})
}

// Keys do not come into memory that may be written to an unencrypted disk.
func TestSwaps(t *testing.T) {
	dir := t.TempDir()
	blocks := filepath.Join(dir, "block")
	for name, uuid := range map[string]string{"dm-0": "CRYPT-PLAIN-swap\n", "dm-1": "LVM-x\n"} {
		ok(t, "MkdirAll", os.MkdirAll(filepath.Join(blocks, name, "dm"), 0o700))
		ok(t, "WriteFile", os.WriteFile(filepath.Join(blocks, name, "dm", "uuid"), []byte(uuid), 0o600))
	}
	const heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
	for _, c := range []struct {
		name, table string
		want        error
	}{
		{"no swap", heading, nil},
		{"compressed memory", heading + "/dev/zram0 partition 1 0 5\n", nil},
		{"encrypted", heading + "/dev/dm-0 partition 1 0 5\n", nil},
		{"a logical volume", heading + "/dev/dm-1 partition 1 0 5\n", vault.ErrSwap},
		{"a partition", heading + "/dev/sda2 partition 1 0 5\n", vault.ErrSwap},
		{"a file", heading + "/swap.img file 1 0 5\n", vault.ErrSwap},
		{"one of two", heading + "/dev/zram0 partition 1 0 5\n/dev/sda2 partition 1 0 4\n", vault.ErrSwap},
	} {
		path := filepath.Join(dir, "swaps")
		ok(t, "WriteFile", os.WriteFile(path, []byte(c.table), 0o600))
		wantErr(t, c.name, vault.SwapsOf(path, blocks), c.want)
	}
	if err := vault.SwapsOf(filepath.Join(dir, "none"), blocks); err != nil {
		t.Errorf("a kernel without swap: %v", err)
	}
}

func FuzzRingFile(f *testing.F) {
	dir := f.TempDir()
	id, err := vault.Open(dir, vault.Options{TPM: tpm.None})
	if err != nil {
		f.Fatal(err)
	}
	central, err := seal.GenerateKey()
	if err != nil {
		f.Fatal(err)
	}
	s, err := vault.OpenSite(f.Context(), vault.SiteConfig{
		Dir: dir, Identity: id, Site: site, Central: func() (seal.PublicKey, error) { return central.Public(), nil },
		Rule: func() rule.Unlock { return rule.UnlockCode }, Keys: func() sign.Keys { return sign.One{} }, AllowSwap: true,
		Log: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = s.Create(f.Context(), code)
	}
	if err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "site-ring.cbor"))
	if err != nil {
		f.Fatal(err)
	}
	payload, err := sign.Payload(b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, false)
	f.Add(payload, true)
	f.Add([]byte{0xa0}, true)
	f.Fuzz(func(t *testing.T, in []byte, bare bool) {
		if bare { // what is under a signature of the box's own
			var err error
			if in, err = sign.Sign(id.Device, sign.PurposeRing, in); err != nil {
				t.Fatal(err)
			}
		}
		out, err := vault.Rewrite(id, in)
		if err != nil {
			return
		}
		was, _ := sign.Payload(in)
		if is, err := sign.Payload(out); err != nil || len(is) > len(was) {
			t.Fatalf("accepted %x, written again as %x (%v)", was, is, err)
		}
	})
}

func FuzzIdentity(f *testing.F) {
	dir := f.TempDir()
	if _, err := vault.Open(dir, vault.Options{TPM: tpm.None}); err != nil {
		f.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, "identity.key"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte{0xa0})
	f.Fuzz(func(t *testing.T, in []byte) {
		if err := vault.DecodeIdentity(in); err != nil && !errors.Is(err, vault.ErrFile) {
			t.Fatalf("DecodeIdentity = %v, want ErrFile", err)
		}
	})
}
