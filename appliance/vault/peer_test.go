package vault_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"kazashi.example/appliance/vault"
	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/appliance/vault/tpm/swtpm"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sitekey"
)

// P3: whoever was off the line when a stolen box was taken out of the site does not bring back the key that the thief has.
func TestP3APeerThatIsBehindChangesNoCurrentKey(t *testing.T) {
	for _, withCode := range []bool{false, true} {
		w, dirA, dirB := newWorld(t), t.TempDir(), t.TempDir()
		idA, idB := w.box(dirA, tpm.None), w.box(dirB, tpm.None)
		a, b := w.site(dirA, idA), w.site(dirB, idB)
		old := ring(t, 2)
		ok(t, "Take", a.Take(t.Context(), w.grant(idA, old, idA, idB)))
		fresh := next(t, old)
		ok(t, "Take", b.Take(t.Context(), w.grant(idB, fresh, idA, idB)))
		current, _, _ := fresh.Current()
		if withCode {
			ok(t, "SetCode", b.SetCode(t.Context(), nil, code))
		}
		ok(t, "Receive of what is open already", pass(t, a, b))
		wantCurrent(t, "open, with a stale answer", b, current)

		b = w.site(dirB, idB)
		wantErr(t, "Receive while locked", pass(t, a, b), vault.ErrBehind)
		if _, err := b.Ring(); err == nil {
			t.Error("the keys are open without the current one")
		}
		if withCode {
			for range 2 {
				ok(t, "Unlock", b.Unlock(t.Context(), code))
				wantCurrent(t, "after the code", b, current)
				b = w.site(dirB, idB)
			}
		}
		ok(t, "Take", a.Take(t.Context(), w.grant(idA, fresh, idA, idB)))
		ok(t, "Receive of one that knows", pass(t, a, b))
		wantCurrent(t, "after the answer of one that knows", b, current)
	}
}

// A peer that took a newer grant says which key is current; the next grant counts again.
func TestAPeerThatIsAheadIsHeard(t *testing.T) {
	w, dirA, dirB := newWorld(t), t.TempDir(), t.TempDir()
	idA, idB := w.box(dirA, tpm.None), w.box(dirB, tpm.None)
	a, b := w.site(dirA, idA), w.site(dirB, idB)
	old := ring(t, 1)
	ok(t, "Take", b.Take(t.Context(), w.grant(idB, old, idA, idB)))
	ok(t, "SetCode", b.SetCode(t.Context(), nil, code))
	ok(t, "Rotate", b.Rotate(t.Context())) // made here while alone: under the code, and nobody else has it
	own, _, _ := w.made(b).Current()
	b = w.site(dirB, idB)
	fresh := next(t, old)
	current, _, _ := fresh.Current()
	ok(t, "Take", a.Take(t.Context(), w.grant(idA, fresh, idA, idB)))
	ok(t, "Receive", pass(t, a, b))
	wantCurrent(t, "after the answer", b, current)
	ok(t, "Retire", b.Retire(t.Context(), func(sitekey.Generation) bool { return false }))
	wantCurrent(t, "after Retire", b, current)
	b = w.site(dirB, idB)
	ok(t, "Unlock", b.Unlock(t.Context(), code))
	wantCurrent(t, "a key made here, not named yet", b, own)
	all, err := b.Ring()
	if err != nil || all.Len() != 3 || len(b.Made()) != 1 {
		t.Fatalf("Ring = %d generations, %v, %d made; want three and one", all.Len(), err, len(b.Made()))
	}
	last := next(t, all)
	ok(t, "Take", b.Take(t.Context(), w.grant(idB, last, idA, idB)))
	current, _, _ = last.Current()
	wantCurrent(t, "after the next grant", b, current)
	ok(t, "Receive of a stale peer", pass(t, a, b))
	wantCurrent(t, "after a stale peer", b, current)
}

// P1: a box without a code is opened by a peer after a restart: who the members are is kept, and no older grant is taken.
func TestP1APeerOpensABoxWithoutACode(t *testing.T) {
	w, dirA, dirB := newWorld(t), t.TempDir(), t.TempDir()
	idA, idB := w.box(dirA, tpm.None), w.box(dirB, tpm.None)
	a, b := w.site(dirA, idA), w.site(dirB, idB)
	r := ring(t, 2)
	older := w.grant(idB, r, idA, idB)
	ok(t, "Take", a.Take(t.Context(), w.grant(idA, r, idA, idB)))
	ok(t, "Take", b.Take(t.Context(), w.grant(idB, r, idA, idB)))
	if l := lying(t, dirB, idB); len(l.Keys)+len(l.Made) != 0 {
		t.Fatalf("%d keys lie on the disk, want none", len(l.Keys))
	}
	b = w.site(dirB, idB)
	wantErr(t, "Take of an older grant after a restart", b.Take(t.Context(), older), vault.ErrOlder)
	ok(t, "Receive", pass(t, a, b))
	want(t, b, r)
}

// A ring that is full forgets what nobody needs, the oldest first, and takes the next grant.
func TestAFullRingMakesRoom(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id := w.box(dir, tpm.None)
	s := w.site(dir, id)
	var asked int
	all := ring(t, sitekey.MaxGenerations)
	book := all.Generations()[1]
	var needed error
	s.Needed = func(context.Context) ([]sitekey.Generation, error) {
		asked++
		return []sitekey.Generation{book}, needed
	}
	ok(t, "Take", s.Take(t.Context(), w.grant(id, all, id)))
	ok(t, "SetCode", s.SetCode(t.Context(), nil, code))
	ok(t, "Rotate", s.Rotate(t.Context())) // made here, and never named
	if asked != 0 {
		t.Errorf("asked %d times what is needed of a ring with room", asked)
	}
	all = ring(t, sitekey.MaxGenerations-1)
	ok(t, "Take up to the last place", s.Take(t.Context(), w.grant(id, all, id)))
	before, err := s.Ring()
	if err != nil || before.Len() != sitekey.MaxRing || asked != 1 {
		t.Fatalf("Ring = %d generations, %v, asked %d times, want %d and once", before.Len(), err, asked, sitekey.MaxRing)
	}
	more := next(t, all)
	needed = errors.New("the book does not answer")
	wantErr(t, "Take while nobody knows what is needed", s.Take(t.Context(), w.grant(id, more, id)), sitekey.ErrFull)
	needed = nil
	ok(t, "Take", s.Take(t.Context(), w.grant(id, more, id)))
	after, err := s.Ring()
	ok(t, "Ring", err)
	gone := slices.DeleteFunc(before.Generations(), func(g sitekey.Generation) bool { return slices.Contains(after.Generations(), g) })
	if after.Len() != sitekey.MaxRing || len(gone) != 1 || gone[0] != before.Generations()[0] {
		t.Errorf("%d generations, %v went; want the oldest, %v", after.Len(), gone, before.Generations()[0])
	}
	ok(t, "Rotate", s.Rotate(t.Context()))
	s = w.site(dir, id)
	ok(t, "Unlock", s.Unlock(t.Context(), code))
	after, err = s.Ring()
	if _, has := after.Find(book); err != nil || !has || after.Len() != sitekey.MaxRing {
		t.Errorf("after a restart %d generations (%v), what the book needs among them: %v", after.Len(), err, has)
	}
	if _, _, err := s.Answer(t.Context(), request(t, s)); err != nil {
		t.Errorf("Answer out of a full ring = %v", err)
	}
}

func request(t *testing.T, s *vault.Site) []byte {
	t.Helper()
	q, err := s.Request()
	ok(t, "Request", err)
	return q
}

// What was wiped while it lay nowhere does not come back: the newest grant says which keys there were.
func TestWhatWasWipedWhileAbsentNeverComesBack(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id := w.box(dir, tpm.None)
	s := w.site(dir, id)
	r := ring(t, 2)
	ok(t, "Take", s.Take(t.Context(), w.grant(id, r, id)))
	s = w.site(dir, id) // no code: the keys went with the power
	if g := s.Generations(); !slices.Equal(g, r.Generations()) {
		t.Errorf("Generations = %v, want what central gave", g)
	}
	n, err := s.Wipe(t.Context())
	if err != nil || n != 2 || len(s.Generations()) != 0 {
		t.Errorf("Wipe = %d, %v, %d left, want two and none", n, err, len(s.Generations()))
	}
	for range 2 {
		wantErr(t, "Take", s.Take(t.Context(), w.grant(id, r, id)), vault.ErrWiped)
		s = w.site(dir, id)
	}
}

// P3: what a power cut left of a file of keys goes at the start and by a wipe; another's does not.
func TestP3NothingHalfWrittenStays(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	w.way = rule.UnlockFile
	id := w.box(dir, tpm.None)
	s := w.site(dir, id)
	ok(t, "Create", s.Create(t.Context(), nil))
	left, others := filepath.Join(dir, ".new-site-ring.cbor-123"), filepath.Join(dir, ".new-clock.floor-123")
	for name, clean := range map[string]func(){
		"a start": func() { w.site(dir, id) },
		"a wipe":  func() { _, err := s.Wipe(t.Context()); ok(t, "Wipe", err) },
	} {
		for _, path := range []string{left, others} {
			ok(t, "WriteFile", os.WriteFile(path, []byte("made-up keys"), 0o600))
		}
		clean()
		if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s leaves what was half written (%v)", name, err)
		}
		if _, err := os.Stat(others); err != nil {
			t.Errorf("%s removes another's: %v", name, err)
		}
	}
}

// A key that was made here, and that central has not got, is not lost by a new code when the old one was forgotten.
func TestAForgottenCodeLosesNoKey(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id := w.box(dir, tpm.None)
	s := w.site(dir, id)
	ok(t, "Create", s.Create(t.Context(), code))
	own := w.made(s)
	s = w.site(dir, id)
	r := ring(t, 1)
	ok(t, "Take", s.Take(t.Context(), w.grant(id, r, id)))
	err := s.SetCode(t.Context(), nil, other)
	wantErr(t, "SetCode", err, vault.ErrUntaken)
	wantErr(t, "SetCode", err, vault.ErrOld)
	ok(t, "Unlock by the code in force", s.Unlock(t.Context(), code))
	want(t, s, func() sitekey.Ring { m, err := r.With(own.Keys()[0]); ok(t, "With", err); return m }())

	s = w.site(dir, id)
	all, err := own.With(r.Keys()[0])
	ok(t, "With", err)
	ok(t, "Take of a grant that names it", s.Take(t.Context(), w.grant(id, all, id)))
	ok(t, "SetCode", s.SetCode(t.Context(), nil, other))
	want(t, s, all)
}

// P3: the lockout of a TPM that is not known to be closed counts for nothing: another TPM than the identity's takes no code, and one that
// somebody had closed before asks for a longer code and says so.
func TestP3ALockoutThatCanBeReset(t *testing.T) {
	w, dir, chip := newWorld(t), t.TempDir(), swtpm.Start(t)
	ok(t, "Close", w.box(dir, tpm.None).Close()) // born without a TPM
	id := w.box(dir, chip.Where())
	s := w.site(dir, id)
	wantErr(t, "Create with a short code", s.Create(t.Context(), []byte("123456")), vault.ErrForm)
	ok(t, "Create", s.Create(t.Context(), code))
	if l := lying(t, dir, id); l.TPM != nil || id.Weakness() == "" {
		t.Errorf("the code lies under a TPM that anybody resets; weakness %q", id.Weakness())
	}
	s = w.site(dir, id)
	wantErr(t, "Unlock", s.Unlock(t.Context(), wrong), vault.ErrCode)
	left := s.State().Left
	_ = chip.ResetLockout()
	if now := s.State().Left; now != left || left != vault.FreeTries-1 {
		t.Errorf("%d tries left, %d after the TPM's count was reset, want %d", left, now, vault.FreeTries-1)
	}
	w.way = rule.UnlockTPM
	if st := w.site(t.TempDir(), id); st.Create(t.Context(), nil) == nil {
		t.Error("TPM alone by a TPM that has not got the identity")
	}

	closed := swtpm.Start(t)
	ok(t, "Close", w.box(t.TempDir(), closed.Where()).Close()) // whoever had it before
	dir = t.TempDir()
	for range 2 {
		id = w.box(dir, closed.Where())
		if id.Weakness() == "" {
			t.Error("a lockout that somebody else closed is no weakness")
		}
		w.way = rule.UnlockCode
		s = w.site(dir, id)
		wantErr(t, "SetCode of a short code", s.SetCode(t.Context(), nil, []byte("123456")), vault.ErrForm)
		ok(t, "Close", id.Close())
	}
	dir = t.TempDir()
	id = w.box(dir, swtpm.Start(t).Where())
	ok(t, "SetCode of six characters", w.site(dir, id).SetCode(t.Context(), nil, []byte("123456")))
	if id.Weakness() != "" {
		t.Errorf("Weakness = %q of a TPM whose lockout this box closed", id.Weakness())
	}
}

// While the TPM takes no code, none is stretched: whoever asks again and again costs the box nothing.
func TestNoCodeIsStretchedForNothing(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	at := swtpm.Start(t)
	id := w.box(dir, at.Where())
	vault.RealCodes()
	ok(t, "Create", w.site(dir, id).Create(t.Context(), code))
	vault.CheapCodes()
	s, chip := w.site(dir, id), openTPM(t, at)
	for s.State().Left > 0 {
		if _, err := chip.Unseal(*lying(t, dir, id).TPM, wrong); !errors.Is(err, tpm.ErrAuth) {
			t.Fatalf("Unseal = %v, want ErrAuth", err)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	wantErr(t, "Unlock", s.Unlock(t.Context(), code), vault.ErrWait)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 10<<20 {
		t.Errorf("a code that was not taken used %d octets, stretching takes 19 MiB", used)
	}
}

func openTPM(t *testing.T, at *swtpm.TPM) *tpm.TPM {
	t.Helper()
	chip, err := tpm.Open(at.Where())
	ok(t, "tpm.Open", err)
	t.Cleanup(func() { _ = chip.Close() })
	return chip
}

// P1: keys that open by themselves do so at every start, and nobody is told of a Site that he cannot know yet.
func TestP1OpeningTellsNobody(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	w.way = rule.UnlockFile
	id := w.box(dir, tpm.None)
	ok(t, "Create", w.site(dir, id).Create(t.Context(), nil))
	var s *vault.Site
	told := 0
	s, err := vault.OpenSite(t.Context(), vault.SiteConfig{
		Dir: dir, Identity: id, Site: site, Central: func() (seal.PublicKey, error) { return w.seal.Public(), nil },
		Rule: func() rule.Unlock { return w.way }, Keys: w.keys, AllowSwap: true, Log: slog.New(slog.DiscardHandler),
		Changed: func() {
			told++
			if s == nil {
				t.Error("told before OpenSite returned")
			}
		},
	})
	ok(t, "OpenSite", err)
	if _, err := s.Ring(); err != nil || told != 0 {
		t.Errorf("Ring = %v, told %d times, want open and never", err, told)
	}
	ok(t, "Lock", s.Lock(t.Context()))
	if told != 1 {
		t.Errorf("told %d times of a lock, want once", told)
	}
}

// A grant's keys stay as long as it is the newest, whatever is sealed here: a roster under any of them may be on its way.
func TestWhatTheNewestGrantNamesStays(t *testing.T) {
	w, dir := newWorld(t), t.TempDir()
	id := w.box(dir, tpm.None)
	s := w.site(dir, id)
	r := ring(t, 3)
	ok(t, "Take", s.Take(t.Context(), w.grant(id, r, id)))
	ok(t, "Retire", s.Retire(t.Context(), func(sitekey.Generation) bool { return false }))
	want(t, s, r)
	less := next(t, r.Without(r.Generations()[0]))
	ok(t, "Take", s.Take(t.Context(), w.grant(id, less, id)))
	ok(t, "Retire", s.Retire(t.Context(), func(sitekey.Generation) bool { return false }))
	want(t, s, less)
}
