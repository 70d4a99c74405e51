//go:build integration

package server_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"kazashi.example/central/lab/stage/browser"
	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

const (
	operatorCode = "tsubaki-2026-kura"
	staffName    = "案山子 花子"
	whoText      = `document.getElementById("who").textContent`
	signInFault  = `document.getElementById("sign-in-fault").querySelector("span")?.textContent`
	unlockFault  = `document.getElementById("unlock-fault").querySelector("span")?.textContent`
	lockedHidden = `document.getElementById("keys-locked").hidden`
	workItems    = `document.querySelectorAll("#correction-list li").length`
)

// counter is a box with a desk and keys, whose status says what became of both.
type counter struct {
	*scene.Box
	*scene.Desk
	server.Keeper // what a page does not ask
	mu            sync.Mutex
	refuse        error // what Unlock answers, if set
}

func newCounter(t *testing.T) (c *counter, url string) {
	t.Helper()
	c = &counter{Box: scene.New(), Desk: scene.NewDesk()}
	must(t, c.SetStaff(t.Context(), localapi.NewStaff{ID: "s-01", Name: staffName, Code: localapi.NewSecret(plantedCode)}))
	c.Change(func(s *localapi.Status) {
		s.Keys = localapi.Keys{State: localapi.KeysOpen, By: "code", CodeSet: true, TPM: true}
		s.Able = able()
		s.Work = 1
	})
	h := server.New(server.Config{Box: c.Box, Desk: c, Keeper: c, Log: discard})
	return c, serveHandler(t, h).url
}

// able is what goes, but for what is named with its reason.
func able(not ...localapi.Ability) (all []localapi.Ability) {
	for _, what := range localapi.Capabilities() {
		a := localapi.Ability{What: what, OK: true}
		for _, n := range not {
			if n.What == what {
				a = n
			}
		}
		all = append(all, a)
	}
	return all
}

func (c *counter) SignIn(ctx context.Context, code localapi.Secret) (localapi.Staff, error) {
	who, err := c.Desk.SignIn(ctx, code)
	if err == nil {
		c.Change(func(s *localapi.Status) { s.Staff = &who })
	}
	return who, err
}

func (c *counter) SignOut(ctx context.Context) error {
	c.Change(func(s *localapi.Status) { s.Staff = nil })
	return c.Desk.SignOut(ctx)
}

func (c *counter) Tick(ctx context.Context, tap record.TapID) error {
	err := c.Desk.Tick(ctx, tap)
	if err == nil {
		c.Change(func(s *localapi.Status) { s.Work = 0 })
	}
	return err
}

func (c *counter) Keys(ctx context.Context) (localapi.Keys, error) {
	s, err := c.Status(ctx)
	return s.Keys, err
}

func (c *counter) Unlock(_ context.Context, code localapi.Secret) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != nil {
		return c.refuse
	}
	if code.Reveal() != operatorCode {
		return &server.TriesError{Reason: localapi.ErrKeyCode, Left: 4}
	}
	c.Change(func(s *localapi.Status) { s.Keys.State, s.Keys.By, s.Able = localapi.KeysOpen, "code", able() })
	return nil
}

func (c *counter) refusing(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = err
}

// lock is a power cut.
func (c *counter) lock() {
	why := record.ReasonRosterLocked
	c.Change(func(s *localapi.Status) {
		s.Staff, s.Mode = nil, localapi.ModeOffline
		s.Line = localapi.Line{Since: scene.Noon.Add(-20 * time.Hour)}
		s.List.AgeSeconds, s.List.AgeAtLeast = 20*3600, true
		s.Clock.Confidence = record.ConfidenceFloor
		s.Keys = localapi.Keys{State: localapi.KeysLocked, CodeSet: true, Tries: 5}
		s.Able = able(localapi.Ability{What: localapi.CanTap, Why: why}, localapi.Ability{What: localapi.CanEnrol, Why: why},
			localapi.Ability{What: localapi.CanLink, Why: why}, localapi.Ability{What: localapi.CanSettle},
			localapi.Ability{What: localapi.CanAccept, Why: record.ReasonClockPoor})
	})
}

func hasText(id, text string) string {
	return fmt.Sprintf(`document.getElementById(%q).textContent.includes(%q)`, id, text)
}

// after a power cut: what works is said, wrong codes are counted, the wait is said, and the right code opens.
func TestBrowserUnlocks(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, wrong, left, wait, cannot, least, clock, brief string }{
		{"ja", "解錠コードが違います", "あと4回まちがえると", "あと91 秒お待ちください", "今はできません。", "少なくとも 20 時間 経過", "センターと未照合", "名簿 施錠中"},
		{"en", "The operator's code is wrong", "Wrong codes left before a wait: 4", "Wait 91 s.", "Not possible now.", "at least 20 h old", "Not compared with central", "Roster locked"},
	} {
		for _, at := range []size{{"desk", 1280, 1700}, {"phone", 375, 2600}} {
			shot := func(name string) {
				b.Wait(overflowed, "false")
				screenshot(b, strings.Join([]string{lang.tag, at.name, name}, "-"))
			}
			c, url := newCounter(t)
			b.Visit(url+"/?lang="+lang.tag, at.width, at.height)
			b.Wait(panelKind, "idle")
			b.Wait(lockedHidden, "true")
			b.Wait(`[...document.querySelectorAll("#able li")].every((li) => li.dataset.ok === "true")`, "true")
			shot("counter-open")

			c.lock()
			b.Wait(lockedHidden, "false")
			b.Wait(`[...document.querySelectorAll('#able [data-ok="false"]')].map((li) => li.dataset.what).join(" ")`, "tap enrol link accept settle")
			for id, text := range map[string]string{"list": lang.least, "clock": lang.clock, "brief": lang.brief} {
				b.Wait(hasText(id, text), "true")
			}
			shot("counter-locked")
			press(b, `[data-next="enrol"]`) // no PIN is asked for in vain
			b.Wait(noticeText+`.startsWith("`+lang.cannot+`")`, "true")
			b.Wait(nextView, "closed")

			enter := func(code string) {
				t.Helper()
				b.Eval(`document.getElementById("unlock-code").value = ""`)
				typeIn(b, "unlock-code", code)
				const submitted = `document.querySelector('#unlock [type="submit"]').click(); document.getElementById("unlock-code").value`
				if left := b.Eval(submitted); left != "" {
					t.Errorf("as the request leaves, the field holds %q, want nothing", left)
				}
			}
			enter("wrong-" + operatorCode)
			b.Wait(unlockFault+`?.startsWith("`+lang.wrong+`")`, "true")
			b.Wait(unlockFault+`?.includes("`+lang.left+`")`, "true")
			b.Wait(focused, "unlock-code")
			shot("counter-wrong-code")
			c.refusing(&server.TriesError{Reason: localapi.ErrKeyWait, Wait: 91 * time.Second})
			enter("wrong-" + operatorCode)
			b.Wait(unlockFault+`?.includes("`+lang.wait+`")`, "true")
			b.Wait(`document.querySelector('#unlock [type="submit"]').disabled`, "true")
			shot("counter-code-wait")

			c.refusing(nil)
			b.Visit(url+"/?lang="+lang.tag, at.width, at.height)
			b.Wait(lockedHidden, "false")
			enter(operatorCode)
			b.Wait(lockedHidden, "true")
			b.Wait(focused, "result")
			if all := b.Eval(everywhere); strings.Contains(all, operatorCode) { // P3
				t.Error("the operator's code is still in the page")
			}
		}
	}
}

// Where no code is set, and none would help, the page asks for none.
func TestBrowserSaysWhenNoCodeIsSet(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	c, url := newCounter(t)
	c.lock()
	c.Change(func(s *localapi.Status) { s.Keys.CodeSet = false })
	b.Visit(url+"/?lang=en", 320, 2600)
	b.Wait(lockedHidden, "false")
	b.Wait(`document.getElementById("unlock").hidden`, "true")
	b.Wait(`document.getElementById("unlock-none").hidden`, "false")
	b.Wait(hasText("keys", "no operator's code set"), "true")
	b.Wait(`document.getElementById("sign-in-open").hidden`, "true") // nobody's code can be read
	b.Wait(hasText("who", "while the roster is locked"), "true")
	b.Wait(overflowed, "false")
	screenshot(b, "en-narrow-counter-no-code")
	b.Wait(nameText, "Place a card")
	c.Change(func(s *localapi.Status) { s.Service.Basis = record.BasisArt384 })
	b.Wait(nameText, "With the PIN only") // a tap alone would be in vain
	screenshot(b, "en-narrow-counter-pin-only")
	c.Change(func(s *localapi.Status) { s.Keys = localapi.Keys{State: localapi.KeysNone} })
	b.Wait(lockedHidden, "true")
	b.Wait(hasText("keys", "None yet"), "true")
	c.Change(func(s *localapi.Status) {
		s.Keys = localapi.Keys{State: localapi.KeysOpen, By: "tpm", CodeSet: true, CodeWanted: true}
	})
	b.Wait(hasText("keys", "should set an operator's code"), "true")
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}

// P3: a code that was typed and not sent is gone however it was left.
func TestBrowserForgetsTheCodes(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	c, url := newCounter(t)
	c.Change(func(s *localapi.Status) { s.Service.SignIn = true })
	b.Visit(url+"/", 1280, 1500)
	b.Wait(panelKind, "sign")
	const field = `document.getElementById("sign-in-code").value`
	for name, leave := range map[string]string{
		"escape":      `document.getElementById("sign-in-code").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }))`,
		"page hidden": `dispatchEvent(new Event("pagehide"))`,
	} {
		typeIn(b, "sign-in-code", plantedCode)
		b.Wait(field, plantedCode)
		if left := b.Eval(leave + "; " + field); left != "" {
			t.Errorf("%s: the field holds %q, want nothing", name, left)
		}
	}
	c.lock()
	b.Wait(lockedHidden, "false")
	typeIn(b, "unlock-code", operatorCode)
	c.Change(func(s *localapi.Status) {
		s.Keys = localapi.Keys{State: localapi.KeysOpen, By: "central", CodeSet: true}
	})
	b.Wait(lockedHidden, "true")
	if all := b.Eval(everywhere); strings.Contains(all, operatorCode) || strings.Contains(all, plantedCode) {
		t.Error("a code is still in the page")
	}
	b.Eval(`{ const real = setTimeout; window.setTimeout = (f, ms) => real(f, ms === 60000 ? 50 : 1e6); }`)
	typeIn(b, "sign-in-code", plantedCode)
	b.Wait(field, "") // nobody typed on
}

// The rule wants somebody at the desk: said before a card is laid; wrong code, waiting time, sign-in, and sign-out.
func TestBrowserSignsIn(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, first, wrong, wait, idle string }{
		{"ja", "先にサインイン", "この職員コードは登録されていません", "あと31 秒お待ちください", "カードを置いてください"},
		{"en", "Sign in first", "Nobody here has this code", "Wait 31 s.", "Place a card"},
	} {
		for _, at := range []size{{"desk", 1280, 1500}, {"narrow", 320, 2600}} {
			shot := func(name string) {
				b.Wait(overflowed, "false")
				screenshot(b, strings.Join([]string{lang.tag, at.name, name}, "-"))
			}
			c, url := newCounter(t)
			c.Change(func(s *localapi.Status) { s.Service.SignIn = true })
			b.Visit(url+"/?lang="+lang.tag, at.width, at.height)
			b.Wait(nameText, lang.first)
			b.Wait(`document.getElementById("sign-in").hidden`, "false")
			shot("desk-wanted")
			enter := func(code string) {
				t.Helper()
				b.Eval(`document.getElementById("sign-in-code").value = ""`)
				typeIn(b, "sign-in-code", code)
				press(b, `#sign-in [type="submit"]`)
			}
			enter("999999")
			b.Wait(signInFault+`?.startsWith("`+lang.wrong+`")`, "true")
			b.Wait(focused, "sign-in-code")
			shot("desk-wrong")
			enter(plantedCode)
			b.Wait(hasText("who", staffName), "true")
			b.Wait(nameText, lang.idle)
			b.Wait(`document.getElementById("sign-in").hidden`, "true")
			b.Wait(focused, "who")
			if all := b.Eval(everywhere); strings.Contains(all, plantedCode) { // P3
				t.Error("the staff code is still in the page")
			}
			shot("desk-signed-in")

			press(b, "#sign-in-open") // somebody takes over, and gives up
			b.Wait(focused, "sign-in-code")
			typeIn(b, "sign-in-code", "half a co")
			b.Eval(`document.getElementById("sign-in-code").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }))`)
			b.Wait(`document.getElementById("sign-in").hidden + document.getElementById("sign-in-code").value`, "true")
			b.Wait(focused, "sign-in-open")
			press(b, "#sign-out")
			b.Wait(nameText, lang.first)
			b.Wait(focused, "who")
			if who, ok := c.SignedIn(); ok {
				t.Errorf("after signing out %s is signed in", who.ID)
			}
			c.Err = localapi.WaitError{For: 30 * time.Second}
			enter("999998")
			b.Wait(signInFault+`?.includes("`+lang.wait+`")`, "true")
			b.Wait(`document.querySelector('#sign-in [type="submit"]').disabled`, "true")
			shot("desk-wait")
		}
	}
}
