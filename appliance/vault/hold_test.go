package vault_test

import (
	"errors"
	"os"
	"testing"

	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/appliance/vault/tpm/swtpm"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// P3: what was locked on purpose stays locked over a power cut, also where a rule lets the keys open without a code.
func TestP3ALockHoldsOverARestart(t *testing.T) {
	both(t, func(t *testing.T, where func() string) {
		w, dir, at := newWorld(t), t.TempDir(), where()
		w.way = map[bool]rule.Unlock{true: rule.UnlockFile, false: rule.UnlockTPM}[at == tpm.None]
		id := w.box(dir, at)
		s := w.site(dir, id)
		r := ring(t, 1)
		g := w.grant(id, r, id)
		ok(t, "Take", s.Take(t.Context(), g))
		for _, by := range []vault.Hold{vault.HeldByHand, vault.HeldByOrder, vault.HeldByHand} {
			ok(t, "LockBy", s.LockBy(t.Context(), by))
			for range 2 {
				wantErr(t, "Unlock", s.Unlock(t.Context(), []byte("anything")), vault.ErrHeld)
				wantErr(t, "SetCode", s.SetCode(t.Context(), nil, code), vault.ErrHeld)
				ok(t, "Review", s.Review(t.Context()))
				ok(t, "the same grant again", s.Take(t.Context(), g))
				_, err := s.Ring()
				wantErr(t, "Ring", err, vault.ErrLocked)
				if st := s.State(); st.Phase != vault.PhaseLocked || st.Held == vault.HeldNot || s.Wants() {
					t.Errorf("locked by %s: State = %+v, wants %v", by, st, s.Wants())
				}
				s = w.site(dir, id)
			}
			if by == vault.HeldByHand && s.State().Held == by {
				s.Ask()
				ok(t, "the same grant after Ask", s.Take(t.Context(), g))
				want(t, s, r)
			}
		}
		if st := s.State(); st.Held != vault.HeldByOrder {
			t.Errorf("a lock by hand after an ordered one: held by %q, want the order", st.Held)
		}
		s.Ask()
		ok(t, "the same grant after Ask", s.Take(t.Context(), g))
		_, err := s.Ring()
		wantErr(t, "Ring under an order, asked for", err, vault.ErrLocked)
		ok(t, "a newer grant", s.Take(t.Context(), w.grant(id, next(t, r), id))) // central reinstated the box
		s = w.site(dir, id)
		if st := s.State(); st.Phase != vault.PhaseOpen || st.Held != vault.HeldNot {
			t.Errorf("State after a newer grant and a restart = %+v, want open", st)
		}
	})
}

// P3: neither the operator's code nor a peer nor a new code opens what central locked; a lock by hand they do.
func TestP3CodesAndPeersUnderALock(t *testing.T) {
	w, dirA, dirB := newWorld(t), t.TempDir(), t.TempDir()
	idA, idB := w.box(dirA, tpm.None), w.box(dirB, tpm.None)
	a, b := w.site(dirA, idA), w.site(dirB, idB)
	r := ring(t, 2)
	ok(t, "Take", a.Take(t.Context(), w.grant(idA, r, idA, idB)))
	ok(t, "Take", b.Take(t.Context(), w.grant(idB, r, idA, idB)))
	ok(t, "SetCode", b.SetCode(t.Context(), nil, code))

	ok(t, "Lock", b.Lock(t.Context()))
	ok(t, "Unlock after a lock by hand", w.site(dirB, idB).Unlock(t.Context(), code))
	b = w.site(dirB, idB)
	ok(t, "Unlock", b.Unlock(t.Context(), code))
	ok(t, "Lock", b.Lock(t.Context()))
	ok(t, "Receive after a lock by hand", pass(t, a, b))
	ok(t, "Lock", b.Lock(t.Context()))
	ok(t, "SetCode after a lock by hand", b.SetCode(t.Context(), code, other))

	ok(t, "LockBy", b.LockBy(t.Context(), vault.HeldByOrder))
	for range 2 {
		wantErr(t, "Unlock", b.Unlock(t.Context(), other), vault.ErrHeld)
		wantErr(t, "SetCode", b.SetCode(t.Context(), other, code), vault.ErrHeld)
		wantErr(t, "Create", b.Create(t.Context(), code), vault.ErrExists)
		wantErr(t, "Receive", pass(t, a, b), vault.ErrHeld)
		_, err := b.Ring()
		wantErr(t, "Ring", err, vault.ErrLocked)
		b = w.site(dirB, idB)
	}
	if st := b.State(); st.Left != vault.FreeTries {
		t.Errorf("%d tries left, want all: no code was looked at", st.Left)
	}
	_, err := b.Wipe(t.Context())
	ok(t, "Wipe", err)
	for range 2 {
		wantErr(t, "SetCode on a wiped box under an order", b.SetCode(t.Context(), nil, code), vault.ErrHeld)
		wantErr(t, "Create on a wiped box under an order", b.Create(t.Context(), code), vault.ErrHeld)
		b = w.site(dirB, idB)
	}
	ok(t, "Take of a new generation", b.Take(t.Context(), w.grant(idB, next(t, r), idB)))
	if got, err := b.Ring(); err != nil || got.Len() != 1 {
		t.Errorf("Ring after central reinstated a wiped box = %d generations, %v, want the new one", got.Len(), err)
	}
}

// Keys that were in memory alone are locked, not missing, also after a restart; a peer or central opens them.
func TestWhatWasInMemoryAloneIsLocked(t *testing.T) {
	w, dirA, dirB := newWorld(t), t.TempDir(), t.TempDir()
	idA, idB := w.box(dirA, tpm.None), w.box(dirB, tpm.None)
	a, b := w.site(dirA, idA), w.site(dirB, idB)
	r := ring(t, 1)
	ok(t, "Take", a.Take(t.Context(), w.grant(idA, r, idA, idB)))
	ok(t, "Take", b.Take(t.Context(), w.grant(idB, r, idA, idB)))
	ok(t, "Lock", b.Lock(t.Context()))
	for range 2 {
		_, err := b.Ring()
		wantErr(t, "Ring", err, vault.ErrLocked)
		wantErr(t, "Rotate", b.Rotate(t.Context()), vault.ErrLocked)
		wantErr(t, "Unlock", b.Unlock(t.Context(), code), vault.ErrLocked)
		if st := b.State(); st.Phase != vault.PhaseLocked || st.Stored != "" {
			t.Errorf("State = %+v, want locked, nothing stored", st)
		}
		b = w.site(dirB, idB)
	}
	ok(t, "Receive", pass(t, a, b))
	want(t, b, r)
	if st := w.site(dirB, idB).State(); st.Held != vault.HeldNot {
		t.Errorf("State after a peer opened the keys, and a restart = %+v, want no hold", st)
	}
}

// A disk that takes nothing keeps no key open.
func TestALockClosesWhateverTheDiskSays(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id := w.box(dir, tpm.None)
	for name, do := range map[string]func(*vault.Site) error{
		"LockBy": func(s *vault.Site) error { return s.LockBy(t.Context(), vault.HeldByOrder) },
		"Wipe":   func(s *vault.Site) error { _, err := s.Wipe(t.Context()); return err },
	} {
		s := w.site(dir, id)
		ok(t, "Take", s.Take(t.Context(), w.grant(id, ring(t, 1), id)))
		ok(t, "Rename", os.Rename(dir, dir+".gone"))
		err := do(s)
		if _, open := s.Ring(); err == nil || open == nil {
			t.Errorf("%s without a disk = %v, and the keys are open: %v", name, err, open == nil)
		}
		ok(t, "Rename", os.Rename(dir+".gone", dir))
		ok(t, name+" again", do(s))
	}
}

// P3: a new code opens nothing that no rule lets open, unless central or a peer opened it.
func TestP3ANewCodeOpensNothingByItself(t *testing.T) {
	both(t, func(t *testing.T, where func() string) {
		w, dir := newWorld(t), t.TempDir()
		w.way = rule.UnlockFile
		id := w.box(dir, where())
		s := w.site(dir, id)
		r := ring(t, 2)
		g := w.grant(id, r, id)
		ok(t, "Take", s.Take(t.Context(), g))
		w.way = rule.UnlockCode // withdrawn, while the box is off
		s = w.site(dir, id)
		wantErr(t, "Unlock", s.Unlock(t.Context(), nil), vault.ErrRule)
		wantErr(t, "SetCode", s.SetCode(t.Context(), nil, code), vault.ErrRule)
		if _, err := s.Ring(); !errors.Is(err, vault.ErrLocked) {
			t.Errorf("Ring after a refused code = %v, want ErrLocked", err)
		}
		ok(t, "Take", s.Take(t.Context(), g))
		if l := lying(t, dir, id); l.Open {
			t.Error("the keys still lie open after central gave them")
		}
		ok(t, "SetCode of what central opened", s.SetCode(t.Context(), nil, code))
		s = w.site(dir, id)
		ok(t, "Unlock", s.Unlock(t.Context(), code))
		want(t, s, r)
	})
}

// P3: what no rule lets lie openly goes from the disk as soon as nothing is lost by that; a rule for a TPM moves it there.
func TestP3AWithdrawnRuleTakesKeysOffTheDisk(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	w.way = rule.UnlockFile
	id := w.box(dir, tpm.None)
	s := w.site(dir, id)
	ok(t, "Create", s.Create(t.Context(), nil))
	w.way = rule.UnlockCode
	ok(t, "Review", s.Review(t.Context()))
	if l := lying(t, dir, id); len(l.Keys) != 1 {
		t.Fatalf("%d keys lie on the disk, want the one that central has not got", len(l.Keys))
	}
	made := w.made(s)
	ok(t, "Take of a grant without it", s.Take(t.Context(), w.grant(id, ring(t, 1), id)))
	if l := lying(t, dir, id); len(l.Keys) != 2 {
		t.Fatalf("%d keys lie on the disk, want two", len(l.Keys))
	}
	all := next(t, made)
	ok(t, "Take of a grant with it", s.Take(t.Context(), w.grant(id, all, id)))
	if l := lying(t, dir, id); len(l.Keys) != 3 {
		t.Fatalf("%d keys lie on the disk, want three: the newest grant leaves one out", len(l.Keys))
	}
	ok(t, "Retire", s.Retire(t.Context(), func(sitekey.Generation) bool { return false }))
	ok(t, "Review", s.Review(t.Context()))
	if l := lying(t, dir, id); len(l.Keys) != 0 {
		t.Errorf("%d keys lie on the disk, want none", len(l.Keys))
	}
	want(t, s, all)
	_, err := w.site(dir, id).Ring()
	wantErr(t, "Ring after a restart", err, vault.ErrNone)
}

// A rule for a TPM alone, after one for a file alone, puts the keys into the TPM.
func TestP3AStricterRuleMovesTheKeys(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	w.way = rule.UnlockFile
	id := w.box(dir, swtpm.Start(t).Where())
	bare := w.site(dir, id.On(nil)) // the TPM does not answer when the keys are made
	ok(t, "Create", bare.Create(t.Context(), nil))
	s := w.site(dir, id)
	r := w.made(s)
	w.way = rule.UnlockTPM
	ok(t, "Review", s.Review(t.Context()))
	if l := lying(t, dir, id); l.TPM == nil || len(l.Keys) != 1 || len(l.Made) != 1 {
		t.Errorf("%d keys lie on the disk, %d for central, want one each, in the TPM: %v", len(l.Keys), len(l.Made), l.TPM != nil)
	}
	s = w.site(dir, id)
	want(t, s, r)
}
