package sitebook_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
)

func staff(id, code string) localapi.NewStaff {
	return localapi.NewStaff{ID: id, Name: "練習 " + id, Code: localapi.NewSecret(code)}
}

func TestStaffSignInByTheirCode(t *testing.T) {
	w := newWorld(t)
	b := w.open()
	ctx := t.Context()
	must(t, b.SetStaff(ctx, staff("sato", "code of sato")))
	must(t, b.SetStaff(ctx, staff("ito", "code of ito")))
	for name, c := range map[string]struct {
		in   localapi.NewStaff
		want error
	}{
		"another's code": {staff("kato", "code of sato"), localapi.ErrTaken},
		"a short code":   {staff("kato", "12345"), localapi.ErrDeskForm},
		"no id":          {staff("", "code of kato"), localapi.ErrDeskForm},
	} {
		if err := b.SetStaff(ctx, c.in); !errors.Is(err, c.want) {
			t.Errorf("SetStaff(%s) = %v, want %v", name, err, c.want)
		}
	}
	if who, ok := b.SignedIn(); ok {
		t.Errorf("SignedIn = %s, want nobody", who.ID)
	}
	in := func(code, want string) {
		t.Helper()
		who, err := b.SignIn(ctx, localapi.NewSecret(code))
		if err != nil || who.ID != want || !who.Since.Equal(noon) {
			t.Errorf("SignIn = %+v, %v, want %s", who, err, want)
		}
		if who, ok := b.SignedIn(); !ok || who.ID != want {
			t.Errorf("SignedIn = %s, %t, want %s", who.ID, ok, want)
		}
	}
	in("code of ito", "ito")
	in("code of sato", "sato") // in the place of who was
	list, err := b.Staff(ctx)
	if err != nil || len(list) != 2 || list[0].ID != "ito" || list[1].ID != "sato" || !list[0].Since.IsZero() || list[1].Since.IsZero() {
		t.Errorf("Staff = %+v, %v", list, err)
	}
	must(t, b.SignOut(ctx))
	must(t, b.SignOut(ctx))
	must(t, b.SetStaff(ctx, staff("sato", "another code")))
	if _, err := b.SignIn(ctx, localapi.NewSecret("code of sato")); !errors.Is(err, localapi.ErrCode) {
		t.Errorf("SignIn by a code that was replaced = %v, want ErrCode", err)
	}
	in("another code", "sato")
	must(t, b.RemoveStaff(ctx, "sato"))
	if _, ok := b.SignedIn(); ok {
		t.Error("somebody who was removed is still signed in")
	}
	if err := b.RemoveStaff(ctx, "sato"); !errors.Is(err, localapi.ErrUnknown) {
		t.Errorf("RemoveStaff twice = %v, want ErrUnknown", err)
	}
	in("code of ito", "ito")
	b = w.cut().open()
	if _, ok := b.SignedIn(); ok {
		t.Error("a restart left somebody signed in")
	}
	log, err := b.Sessions(ctx)
	must(t, err)
	var got []string
	for _, s := range log {
		got = append(got, map[bool]string{false: "+", true: "-"}[s.Out]+string(s.Staff))
	}
	if want := []string{"+ito", "+sato", "-sato", "+sato", "-sato", "+ito"}; len(got) != len(want) || got[3] != want[3] || got[5] != want[5] {
		t.Errorf("Sessions = %v, want %v", got, want)
	}
}

// Wrong codes are counted over restarts, and each after the first few doubles the waiting, up to a quarter of an hour.
func TestWrongCodesSlowDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.open()
		must(t, b.SetStaff(t.Context(), staff("sato", "made-up code")))
		wrong := func() error {
			_, err := b.SignIn(t.Context(), localapi.NewSecret("no such code"))
			return err
		}
		for range 3 {
			if err := wrong(); !errors.Is(err, localapi.ErrCode) {
				t.Fatalf("SignIn by a wrong code = %v, want ErrCode", err)
			}
		}
		for _, wait := range []time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second} {
			var e localapi.WaitError
			if err := wrong(); !errors.As(err, &e) || !errors.Is(err, localapi.ErrWait) || e.For != wait {
				t.Fatalf("SignIn at once = %v, want ErrWait for %v", err, wait)
			}
			if _, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code")); !errors.Is(err, localapi.ErrWait) {
				t.Fatalf("SignIn by the right code at once = %v, want ErrWait", err)
			}
			time.Sleep(wait) // the bubble's clock
			if err := wrong(); !errors.Is(err, localapi.ErrCode) {
				t.Fatalf("SignIn after %v = %v, want ErrCode", wait, err)
			}
		}
		must(t, b.Close())
		b = w.open()
		var e localapi.WaitError
		if err := wrong(); !errors.As(err, &e) || e.For != 16*time.Second {
			t.Fatalf("SignIn after a restart = %v, want ErrWait for 16 s", err)
		}
		for range 20 {
			time.Sleep(15 * time.Minute)
			if err := wrong(); !errors.Is(err, localapi.ErrCode) {
				t.Fatalf("SignIn after a quarter of an hour = %v, want ErrCode", err)
			}
		}
		time.Sleep(15 * time.Minute)
		_, err := b.SignIn(t.Context(), localapi.NewSecret("made-up code"))
		must(t, err)
		if err := wrong(); !errors.Is(err, localapi.ErrCode) {
			t.Errorf("SignIn by a wrong code after a right one = %v, want ErrCode", err)
		}
		time.Sleep(sitebook.SessionLasts + time.Second)
		if _, ok := b.SignedIn(); ok {
			t.Error("a session lasts longer than SessionLasts")
		}
	})
}
