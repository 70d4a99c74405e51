package vault_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kazashi.example/appliance/vault"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

func TestTheFirstBoxMakesItsKeysUnderACode(t *testing.T) {
	both(t, func(t *testing.T, where func() string) {
		w, dir, at := newWorld(t), t.TempDir(), where()
		id := w.box(dir, at)
		s := w.site(dir, id)
		_, err := s.Ring()
		wantErr(t, "Ring of a new box", err, vault.ErrNone)
		wantErr(t, "Unlock of a new box", s.Unlock(t.Context(), code), vault.ErrNone)
		wantErr(t, "Create with a short code", s.Create(t.Context(), []byte("12345")), vault.ErrForm)
		ok(t, "Create", s.Create(t.Context(), code))
		wantErr(t, "Create again", s.Create(t.Context(), code), vault.ErrExists)
		made := w.made(s)
		want(t, s, made)

		id = w.box(dir, at)
		s = w.site(dir, id)
		if st := s.State(); st.Phase != vault.PhaseLocked || st.Stored != vault.ByCode || st.Left < 2 || st.CodeWanted || !s.Wants() {
			t.Errorf("State after a restart = %+v, want locked by a code", st)
		}
		_, err = s.Ring()
		wantErr(t, "Ring after a restart", err, vault.ErrLocked)
		wantErr(t, "Unlock with a wrong code", s.Unlock(t.Context(), wrong), vault.ErrCode)
		wantErr(t, "Unlock without a code", s.Unlock(t.Context(), nil), vault.ErrCode)
		ok(t, "Unlock", s.Unlock(t.Context(), code))
		want(t, s, made)
		if st := s.State(); st.Phase != vault.PhaseOpen || st.By != vault.ByCode || st.Generations != 1 {
			t.Errorf("State = %+v, want open by the code", st)
		}
		ok(t, "Lock", s.Lock(t.Context()))
		_, err = s.Ring()
		wantErr(t, "Ring after Lock", err, vault.ErrLocked)
	})
}

func TestCodeAndKeysChange(t *testing.T) {
	both(t, func(t *testing.T, where func() string) {
		w, dir, at := newWorld(t), t.TempDir(), where()
		s := w.site(dir, w.box(dir, at))
		ok(t, "SetCode on a new box", s.SetCode(t.Context(), nil, code))
		first := w.made(s)
		wantErr(t, "SetCode without the old code", s.SetCode(t.Context(), nil, other), vault.ErrOld)
		wantErr(t, "SetCode with a wrong old code", s.SetCode(t.Context(), wrong, other), vault.ErrCode)
		ok(t, "Rotate", s.Rotate(t.Context()))
		ok(t, "SetCode", s.SetCode(t.Context(), code, other))
		both := w.made(s)
		if both.Len() != 2 || both.Generations()[0] != first.Generations()[0] {
			t.Fatalf("made %v, want the first and one more", both.Generations())
		}
		want(t, s, both)

		s = w.site(dir, w.box(dir, at))
		wantErr(t, "Rotate while locked", s.Rotate(t.Context()), vault.ErrLocked)
		wantErr(t, "Unlock with the code from before", s.Unlock(t.Context(), code), vault.ErrCode)
		ok(t, "SetCode while locked", s.SetCode(t.Context(), other, code))
		want(t, s, both)

		current, _, _ := both.Current()
		none := func(sitekey.Generation) bool { return false }
		ok(t, "Retire of what central has not named", s.Retire(t.Context(), none))
		want(t, s, both)
		id := w.box(dir, at)
		s = w.site(dir, id)
		ok(t, "Take", s.Take(t.Context(), w.grant(id, both)))
		if len(s.Made()) != 0 {
			t.Errorf("%d keys still made here after a grant that names them", len(s.Made()))
		}
		ok(t, "Retire of what central gives", s.Retire(t.Context(), none))
		want(t, s, both)
		ok(t, "Take of a grant that leaves the first out", s.Take(t.Context(), w.grant(id, both.Without(first.Generations()...))))
		ok(t, "Retire of what is needed", s.Retire(t.Context(), func(sitekey.Generation) bool { return true }))
		want(t, s, both)
		ok(t, "Retire", s.Retire(t.Context(), none))
		want(t, s, both.Without(first.Generations()...))
		s = w.site(dir, w.box(dir, at))
		ok(t, "Unlock", s.Unlock(t.Context(), code))
		if r, _ := s.Ring(); r.Len() != 1 || r.Generations()[0] != current {
			t.Errorf("after a restart %v, want the current generation alone", r.Generations())
		}
	})
}

func TestCentralOpensWhatItGrants(t *testing.T) {
	both(t, func(t *testing.T, where func() string) {
		w, dir, at := newWorld(t), t.TempDir(), where()
		id := w.box(dir, at)
		s := w.site(dir, id)
		r := ring(t, 2)
		g := w.grant(id, r, id)
		ok(t, "Take", s.Take(t.Context(), g))
		want(t, s, r)
		if st := s.State(); st.By != vault.ByCentral || st.Stored != "" || !st.CodeWanted {
			t.Errorf("State = %+v, want open by central, a code wanted", st)
		}
		wantErr(t, "Rotate of what is in memory alone", s.Rotate(t.Context()), vault.ErrNoCode)
		if l := lying(t, dir, id); len(l.Keys)+len(l.Made) != 0 {
			t.Errorf("a grant was kept: %d keys", len(l.Keys))
		}
		ok(t, "SetCode without an old one", s.SetCode(t.Context(), nil, code))
		want(t, s, r)

		s = w.site(dir, id) // a restart: the code forgotten, central opens, a new code is set
		ok(t, "the same grant again", s.Take(t.Context(), g))
		want(t, s, r)
		ok(t, "SetCode when the old one was forgotten", s.SetCode(t.Context(), nil, other))
		s = w.site(dir, id)
		wantErr(t, "Unlock with the forgotten code", s.Unlock(t.Context(), code), vault.ErrCode)

		more, err := r.With(sitekey.NewKey()) // central rotates while the box is locked; the code opens the new one too
		ok(t, "With", err)
		ok(t, "Lock", s.Lock(t.Context()))
		ok(t, "Take while locked by hand", s.Take(t.Context(), w.grant(id, more)))
		if _, err := s.Ring(); !errors.Is(err, vault.ErrLocked) || s.Wants() {
			t.Errorf("a grant opened what was locked by hand (%v), or is wanted: %v", err, s.Wants())
		}
		s = w.site(dir, id)
		ok(t, "Unlock", s.Unlock(t.Context(), other))
		want(t, s, more)
		wantErr(t, "Take of an older grant", s.Take(t.Context(), g), vault.ErrOlder)
	})
}

func TestTakeRefuses(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id, stranger := w.box(dir, "none"), w.box(t.TempDir(), "none")
	s := w.site(dir, id)
	r := ring(t, 1)
	wantErr(t, "Take of another box's grant", s.Take(t.Context(), w.grant(stranger, r)), vault.ErrElsewhere)
	forger := newWorld(t)
	if err := s.Take(t.Context(), forger.grant(id, r)); err == nil {
		t.Error("Take of a grant that another key signed = nil")
	}
	mixed := sitekey.Grant{Version: rule.Version{CentralEpoch: 1, N: 9}, Site: site, Box: id.Box}
	mixed.Keys, _ = sitekey.WrapAll(stranger.Sealing.Public(), site, r)
	mixed.Current, _, _ = r.Current()
	msg, err := mixed.Sign(w.sign)
	ok(t, "Sign", err)
	wantErr(t, "Take of keys wrapped to another box", s.Take(t.Context(), msg), sitekey.ErrRecipient)
	mixed.Site = "other-branch"
	mixed.Keys, _ = sitekey.WrapAll(id.Sealing.Public(), "other-branch", r)
	msg, err = mixed.Sign(w.sign)
	ok(t, "Sign", err)
	wantErr(t, "Take of another site's grant", s.Take(t.Context(), msg), vault.ErrElsewhere)
	if st := s.State(); st.Phase != vault.PhaseNone || s.Version() != (rule.Version{}) {
		t.Errorf("a refused grant left something: %+v, version %v", st, s.Version())
	}
}

// A key made here stays current until central has named it.
func TestAKeyMadeOffLineStaysCurrent(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id := w.box(dir, "none")
	s := w.site(dir, id)
	r := ring(t, 1)
	ok(t, "Take", s.Take(t.Context(), w.grant(id, r)))
	ok(t, "SetCode", s.SetCode(t.Context(), nil, code))
	ok(t, "Rotate", s.Rotate(t.Context()))
	made, _, _ := w.made(s).Current()
	more, err := r.With(sitekey.NewKey())
	ok(t, "With", err)
	ok(t, "Take", s.Take(t.Context(), w.grant(id, more)))
	if got, _ := s.Ring(); got.Len() != 3 || got.Generations()[2] != made {
		t.Errorf("Ring = %v, want %v last", got.Generations(), made)
	}
	s = w.site(dir, id)
	ok(t, "Unlock", s.Unlock(t.Context(), code))
	if got, _ := s.Ring(); got.Len() != 3 || got.Generations()[2] != made || len(s.Made()) != 1 {
		t.Errorf("after a restart Ring = %v, want %v last and still to be named", got.Generations(), made)
	}
}

func TestAPeerOpens(t *testing.T) {
	both(t, func(t *testing.T, where func() string) {
		w := newWorld(t)
		dirA, dirB := t.TempDir(), t.TempDir()
		idA, idB := w.box(dirA, where()), w.box(dirB, where())
		a, b := w.site(dirA, idA), w.site(dirB, idB)
		r := ring(t, 2)
		ok(t, "Take", a.Take(t.Context(), w.grant(idA, r, idA, idB)))
		ok(t, "Take", b.Take(t.Context(), w.grant(idB, r, idA, idB)))
		ok(t, "SetCode", b.SetCode(t.Context(), nil, code))
		b = w.site(dirB, idB)
		stale, err := b.Request()
		ok(t, "Request", err)
		old, _, err := a.Answer(t.Context(), stale)
		ok(t, "Answer", err)
		ask, err := b.Request()
		ok(t, "Request", err)
		answer, who, err := a.Answer(t.Context(), ask)
		if err != nil || who != idB.Box {
			t.Fatalf("Answer = %v, %v", who, err)
		}
		wantErr(t, "Receive of an answer to an earlier request", b.Receive(t.Context(), old), vault.ErrRequest)
		wantErr(t, "Receive of an answer for another box", a.Receive(t.Context(), answer), vault.ErrElsewhere)
		ok(t, "Receive", b.Receive(t.Context(), answer))
		want(t, b, r)
		wantErr(t, "Receive twice", b.Receive(t.Context(), answer), vault.ErrRequest)
		ok(t, "Lock", a.Lock(t.Context()))
		_, _, err = a.Answer(t.Context(), ask)
		wantErr(t, "Answer while locked", err, vault.ErrLocked)

		removed := w.site(t.TempDir(), idA) // central has taken B out of the site
		ok(t, "Take", removed.Take(t.Context(), w.grant(idA, r, idA)))
		_, _, err = removed.Answer(t.Context(), ask)
		wantErr(t, "Answer to a box that is no member", err, sitekey.ErrMember)
	})
}

func TestWithoutACodeByASignedRuleAlone(t *testing.T) {
	both(t, func(t *testing.T, where func() string) {
		w, dir, at := newWorld(t), t.TempDir(), where()
		w.way = rule.UnlockFile
		by := vault.ByFile
		if at != "none" {
			w.way, by = rule.UnlockTPM, vault.ByTPM
		}
		id := w.box(dir, at)
		s := w.site(dir, id)
		r := ring(t, 2)
		ok(t, "Take", s.Take(t.Context(), w.grant(id, r)))
		s = w.site(dir, id)
		want(t, s, r)
		if st := s.State(); st.By != by || st.Stored != by || st.CodeWanted {
			t.Errorf("State = %+v, want open by %s", st, by)
		}
		w.way = rule.UnlockCode // the rule changes: at once nothing lies open, and a person can set a code
		changes := 0
		s.Changed = func() { changes++ }
		for range 3 {
			ok(t, "Review", s.Review(t.Context()))
		}
		if changes != 1 || strings.Count(w.log.String(), "set a code") != 1 {
			t.Errorf("three looks at one rule: %d changes, log %s", changes, w.log.String())
		}
		if st := s.State(); st.Phase != vault.PhaseOpen || !st.CodeWanted || st.Stored != "" {
			t.Errorf("State after the rule changed = %+v, want open, a code wanted, nothing stored", st)
		}
		if l := lying(t, dir, id); len(l.Keys) != 0 || l.Open {
			t.Errorf("%d keys lie on the disk, beside what opens them: %v", len(l.Keys), l.Open)
		}
		want(t, s, r)
		ok(t, "SetCode", s.SetCode(t.Context(), nil, code))
		s = w.site(dir, id)
		wantErr(t, "Unlock without a code", s.Unlock(t.Context(), nil), vault.ErrCode)
		ok(t, "Unlock", s.Unlock(t.Context(), code))
		want(t, s, r)
	})
}

// A rule that comes later lets keys lie without a code that were in memory alone, or opens those that lie so.
func TestARuleThatComesLater(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id := w.box(dir, "none")
	s := w.site(dir, id)
	r := ring(t, 1)
	ok(t, "Take", s.Take(t.Context(), w.grant(id, r)))
	w.way = rule.UnlockFile
	ok(t, "Review", s.Review(t.Context()))
	w.way = rule.UnlockTPM // a file alone is not a TPM alone
	s = w.site(dir, id)
	_, err := s.Ring()
	wantErr(t, "Ring", err, vault.ErrLocked)
	w.way = rule.UnlockFile
	ok(t, "Review", s.Review(t.Context()))
	want(t, s, r)
}

func TestWhatWasWipedNeverComesBack(t *testing.T) {
	both(t, func(t *testing.T, where func() string) {
		w, dir, at := newWorld(t), t.TempDir(), where()
		id := w.box(dir, at)
		s := w.site(dir, id)
		r := ring(t, 2)
		ok(t, "Take", s.Take(t.Context(), w.grant(id, r)))
		ok(t, "SetCode", s.SetCode(t.Context(), nil, code))
		s = w.site(dir, id) // locked: a wipe needs no code
		n, err := s.Wipe(t.Context())
		if n != 2 || err != nil {
			t.Fatalf("Wipe = %d, %v, want 2", n, err)
		}
		for range 2 {
			_, err = s.Ring()
			wantErr(t, "Ring", err, vault.ErrNone)
			wantErr(t, "Unlock", s.Unlock(t.Context(), code), vault.ErrNone)
			if !s.Wants() {
				t.Error("a box without keys wants none")
			}
			wantErr(t, "Take of the same keys", s.Take(t.Context(), w.grant(id, r)), vault.ErrWiped)
			if s.Wants() || s.Version().N != w.n {
				t.Error("a box asks again and again for a key that it will not take")
			}
			s = w.site(dir, id)
		}
		if n, err := s.Wipe(t.Context()); n != 0 || err != nil {
			t.Errorf("a second Wipe = %d, %v, want 0", n, err)
		}
		more, err := r.With(sitekey.NewKey())
		ok(t, "With", err)
		ok(t, "Take of a new generation", s.Take(t.Context(), w.grant(id, more)))
		want(t, s, more.Without(r.Generations()...))
	})
}

func TestADamagedFileIsSetAside(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id := w.box(dir, "none")
	s := w.site(dir, id)
	ok(t, "Create", s.Create(t.Context(), code))
	path := filepath.Join(dir, "site-ring.cbor")
	b, err := os.ReadFile(path)
	ok(t, "ReadFile", err)
	strange := w.site(t.TempDir(), w.box(t.TempDir(), "none"))
	ok(t, "Create", strange.Create(t.Context(), code))
	planted, err := os.ReadFile(filepath.Join(strange.Dir, "site-ring.cbor"))
	ok(t, "ReadFile", err)
	for name, spoilt := range map[string][]byte{"cut": b[:len(b)/2], "changed": append(b[:len(b)-1:len(b)-1], b[len(b)-1]^1), "another box's": planted} {
		ok(t, "WriteFile", os.WriteFile(path, spoilt, 0o600))
		w.log.Reset()
		s = w.site(dir, id)
		if _, err := s.Ring(); !errors.Is(err, vault.ErrNone) || !strings.Contains(w.log.String(), "set aside") {
			t.Errorf("%s: Ring = %v, logged %q", name, err, w.log.String())
		}
		if kept, err := os.ReadFile(filepath.Join(dir, "site-ring.damaged")); err != nil || string(kept) != string(spoilt) {
			t.Errorf("%s: not set aside (%v)", name, err)
		}
	}
}

// P1: whoever looks somebody up while keys change has the ring from before or the one after.
func TestP1LookingUpWaitsForNoChange(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	w.way = rule.UnlockFile
	s := w.site(dir, w.box(dir, "none"))
	ok(t, "Create", s.Create(t.Context(), nil))
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		last := 1
		for {
			select {
			case <-stop:
				return
			default:
			}
			r, err := s.Ring()
			if _, _, ok := r.Current(); err != nil || !ok || r.Len() < last {
				t.Errorf("Ring = %d generations, %v, after %d", r.Len(), err, last)
				return
			}
			last = r.Len()
			_ = s.State()
			_ = s.Made()
		}
	}()
	for range 5 {
		ok(t, "Rotate", s.Rotate(t.Context()))
	}
	close(stop)
	<-done
	if st := s.State(); st.Generations != 6 {
		t.Errorf("%d generations, want 6", st.Generations)
	}
}
