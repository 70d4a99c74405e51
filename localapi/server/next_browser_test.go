//go:build integration

package server_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"kazashi.example/central/lab/stage/browser"
	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

const (
	nextView   = `document.getElementById("next").dataset.view`
	whyText    = `document.getElementById("why").textContent`
	faultText  = `document.getElementById("next-fault").querySelector("span")?.textContent`
	noticeText = `document.getElementById("next-notice").querySelector("span")?.textContent`
	focused    = `document.activeElement.id || document.activeElement.dataset.next || document.activeElement.name || document.activeElement.tagName`
	chosen     = `document.querySelectorAll("#next-form input:checked").length`
	plantedTwo = "9753"
	plantedDay = "19651009"
	// everywhere is all that a look into the page can find: markup, the values of fields, and what the browser stores.
	everywhere = `document.documentElement.outerHTML + [...document.querySelectorAll("input")].map((i) => i.type === "radio" ? "" : i.value)` +
		` + location.href + JSON.stringify(localStorage) + JSON.stringify(sessionStorage) + document.cookie`
)

// press clicks on what a selector finds; typeIn types into a field as a keyboard does.
func press(b *browser.Browser, selector string) {
	b.Eval(fmt.Sprintf(`document.querySelector(%q).click()`, selector))
}

func typeIn(b *browser.Browser, id, text string) {
	b.Eval(fmt.Sprintf(`document.getElementById(%q).focus(); document.execCommand("insertText", false, %q)`, id, text))
}

// forgot fails unless nothing that was typed is left in the page.
func forgot(t *testing.T, b *browser.Browser, when string) {
	t.Helper()
	all := b.Eval(everywhere)
	for _, planted := range []string{plantedPIN, plantedTwo, plantedDay} {
		if strings.Contains(all, planted) {
			t.Errorf("%s: %s is still in the page", when, planted)
		}
	}
}

// came has a card come for what the box waits for.
func came(box *scene.Box, e localapi.Event) {
	box.Publish(localapi.Event{Type: localapi.EventReading})
	if e.Tap != nil {
		box.Keep(*e.Tap)
	}
	box.Publish(e)
	box.Change(func(s *localapi.Status) { s.Next = nil })
}

func verdict(n uint64, v record.Verdict, r record.Reason, enrolled *localapi.Enrolled) localapi.Event {
	tap := scene.Tap(n, v, r)
	return localapi.Event{Type: localapi.EventVerdict, Time: tap.Time, Tap: &tap, Enrol: enrolled, Rests: &localapi.Rests{
		Basis: record.BasisPIN, Evidence: record.EvidencePIN, Answer: record.AnswerNotRevoked, Rule: 1, Confidence: record.ConfidenceChecked,
	}}
}

type size struct {
	name          string
	width, height int
}

// P3: the whole of an enrolment at the counter, by keyboard; what was typed is in the box and nowhere in the page.
func TestBrowserEnrols(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, consent, same, input, enrolled, bound string }{
		{"ja", "読み取りに同意するか", "二つの暗証番号が同じか", "券面事項入力補助用の暗証番号を", "登録できました", "次回からは、暗証番号なしで"},
		{"en", "Choose whether you agree", "Choose whether the two PINs", "Type in the PIN for card information", "Registered", "a tap without the PIN is enough"},
	} {
		for _, at := range []size{{"desk", 1280, 1500}, {"tablet", 820, 1700}, {"narrow", 320, 2400}} {
			shot := func(name string) {
				b.Wait(overflowed, "false")
				screenshot(b, strings.Join([]string{lang.tag, at.name, name}, "-"))
			}
			box := scene.New()
			box.Keep(history()...)
			b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, at.width, at.height)
			b.Wait(panelKind, "idle")
			b.Wait(nextView, "closed")
			b.Wait(`document.getElementById("next").offsetHeight < document.getElementById("result").offsetHeight`, "true")
			shot("next-closed")

			press(b, `[data-next="enrol"]`)
			b.Wait(focused, "next-form-title")
			b.Wait(panelKind, "typing")
			b.Wait(chosen, "0")
			b.Wait(`document.getElementById("pin").type + document.getElementById("pin").inputMode + document.getElementById("pin").autocomplete`, "passwordnumericoff")
			shot("next-enrol")
			says := func(want, focus string) {
				t.Helper()
				press(b, `#next-form [type="submit"]`)
				b.Wait(faultText+`.startsWith("`+want+`")`, "true")
				b.Wait(focused, focus)
			}
			says(lang.consent, "consent")
			press(b, `[name="consent"][value="yes"]`)
			b.Wait(chosen, "1") // whether the PINs are the same is asked, not assumed
			says(lang.same, "same")
			press(b, `[name="same"][value="no"]`)
			typeIn(b, "pin", "8６-42x")
			b.Wait(`document.getElementById("pin").value`, plantedPIN)
			says(lang.input, "input-pin")
			typeIn(b, "input-pin", plantedTwo)
			shot("next-two-pins")
			press(b, `#next-form [type="submit"]`)
			b.Wait(nextView, "waiting")
			b.Wait(panelKind, "next")
			b.Wait(focused, "next-cancel")
			forgot(t, b, "after submit")
			shot("next-waiting")
			if got := box.Asked(); got.PIN.Reveal() != plantedPIN || got.InputPIN.Reveal() != plantedTwo || got.SamePIN || !got.Attributes || got.Kind != localapi.NextEnrol {
				t.Errorf("%s: the box was asked for %+v, want what was typed in", lang.tag, got)
			}

			came(box, verdict(9, record.VerdictAccepted, record.ReasonInOrder, &localapi.Enrolled{Bound: true, Attested: true}))
			b.Wait(nameText, lang.enrolled)
			b.Wait(whyText+`.includes("`+lang.bound+`")`, "true")
			b.Wait(nextView, "closed")
			b.Wait(focused, "enrol")
			shot("next-enrolled")
			forgot(t, b, "after the card")
		}
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}

// What is read, and what is agreed to, is the rule's own word; where it reads nothing nobody is asked, and another text is asked anew.
func TestBrowserAsksForTheRulesOwnConsent(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	const consentHidden, text = `document.getElementById("ask-consent").hidden`, "一行目\n<b>二行目</b>"
	for _, lang := range []struct{ tag, list, text string }{{"ja", "氏名・性別", text}, {"en", "name, sex", "line one"}} {
		box := scene.New()
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 375, 2400)
		b.Wait(panelKind, "idle")
		press(b, `[data-next="enrol"]`)
		b.Wait(consentHidden, "false")
		press(b, `[name="consent"][value="yes"]`)
		box.Change(func(s *localapi.Status) {
			s.Service.Attributes = []localapi.Attribute{localapi.AttributeName, localapi.AttributeSex}
			s.Service.Consent = &localapi.Consent{JA: text, EN: "line one"}
		})
		b.Wait(`document.querySelector("#consent-list span").textContent`, lang.list)
		b.Wait(`document.querySelector("#consent-text span").textContent`, lang.text) // word for word, and no markup
		b.Wait(chosen, "0")
		b.Wait(overflowed, "false")
		screenshot(b, lang.tag+"-phone-next-consent")
		box.Change(func(s *localapi.Status) { s.Service.Attributes, s.Service.Consent = nil, nil })
		b.Wait(consentHidden, "true")
		typeIn(b, "birth", plantedDay)
		typeIn(b, "pin", plantedPIN)
		press(b, `#next-form [type="submit"]`)
		b.Wait(nextView, "waiting")
		if got := box.Asked(); got.Attributes || got.Birth.Reveal() != plantedDay || got.Check() != nil {
			t.Errorf("%s: the box was asked for %+v, want the birth date alone", lang.tag, got)
		}
	}
}

// An enrolment without the attributes asks for the birth date, and says why the next visit needs the PIN again.
func TestBrowserEnrolsByBirthDate(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, need, echo, unbound, reason string }{
		{"ja", "生年月日を", "1965年10月9日 (昭和40年)", "次回も暗証番号が必要です。", "生年月日の照合は"},
		{"en", "Type in a birth date", "October 9, 1965 (Shōwa 40)", "The PIN is needed next time, too.", "Too few tries are left"},
	} {
		box := scene.New()
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 820, 1500)
		b.Wait(panelKind, "idle")
		press(b, `[data-next="enrol"]`)
		press(b, `[name="consent"][value="no"]`)
		b.Wait(`document.getElementById("ask-same").hidden`, "true")
		for _, bad := range []string{"1980021", "19800231", "19801301", "18670101", "29990101"} {
			b.Eval(`document.getElementById("birth").value = ""`)
			typeIn(b, "birth", bad)
			press(b, `#next-form [type="submit"]`)
			b.Wait(faultText+`.startsWith("`+lang.need+`")`, "true")
			b.Wait(`document.getElementById("birth-echo").textContent`, "")
		}
		b.Eval(`document.getElementById("birth").value = ""`)
		typeIn(b, "birth", plantedDay)
		b.Wait(`document.getElementById("birth-echo").textContent`, lang.echo)
		typeIn(b, "pin", plantedPIN)
		screenshot(b, lang.tag+"-next-birth")
		press(b, `#next-form [type="submit"]`)
		b.Wait(nextView, "waiting")
		forgot(t, b, "after submit")
		if got := box.Asked(); got.Birth.Reveal() != plantedDay || got.Attributes {
			t.Errorf("the box was asked for %+v, want the birth date alone", got)
		}
		came(box, verdict(9, record.VerdictAccepted, record.ReasonInOrder, &localapi.Enrolled{Hindrance: record.ReasonBirthKeyLocked}))
		b.Wait(whyText+`.includes("`+lang.unbound+`")`, "true")
		b.Wait(whyText+`.includes("`+lang.reason+`")`, "true")
		screenshot(b, lang.tag+"-next-unbound")
	}
}

// P5 at the counter: a check with the PIN, the tries that are left, and the sentences of cards that must not be tried further.
func TestBrowserChecksWithThePIN(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, wrong, left, blocked string }{
		{"ja", "暗証番号が違います", "利用者証明用の暗証番号：あと2回", "暗証番号がロックされています"},
		{"en", "Wrong PIN", "PIN for user authentication. Wrong entries left before it is blocked: 2.", "PIN is blocked"},
	} {
		box := scene.New()
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 1280, 1100)
		b.Wait(panelKind, "idle")
		ask := func() {
			t.Helper()
			press(b, `[data-next="pin"]`)
			b.Wait(focused, "pin")
			b.Wait(`[...document.querySelectorAll("#ask-consent, #ask-birth, #ask-same, #ask-input")].every((e) => e.hidden)`, "true")
			typeIn(b, "pin", plantedPIN)
			press(b, `#next-form [type="submit"]`)
			b.Wait(nextView, "waiting")
			forgot(t, b, "after submit")
		}
		ask()
		if got := box.Asked(); got.Kind != localapi.NextPIN || got.PIN.Reveal() != plantedPIN || got.Check() != nil {
			t.Errorf("the box was asked for %+v, want a check with the PIN", got)
		}
		came(box, localapi.Event{Type: localapi.EventReadFailed, Failure: localapi.FailurePINWrong, Tries: 2, TriesOf: localapi.PINAuth})
		b.Wait(nameText, lang.wrong)
		b.Wait(whyText+`.startsWith("`+lang.left+`")`, "true")
		b.Wait(nextView, "closed")
		b.Wait(noticeText, "<nil>") // the panel says it
		b.Wait(focused, "pin")
		b.Wait(`document.activeElement.tagName`, "BUTTON")
		screenshot(b, lang.tag+"-next-wrong")
		ask()
		came(box, localapi.Event{Type: localapi.EventReadFailed, Failure: localapi.FailurePINBlocked})
		b.Wait(nameText, lang.blocked)
		b.Wait(whyText, "")
		ask()
		came(box, verdict(7, record.VerdictAccepted, record.ReasonInOrder, nil))
		b.Wait(panelKind, "accepted")
		for n, c := range []struct {
			reason record.Reason
			kind   string // who has yet to register is not shown a red cross
		}{
			{record.ReasonCardDiffers, "refused"},
			{record.ReasonNotEnrolled, "todo"},
			{record.ReasonCardDiffers, "refused"},
			{record.ReasonCardRenewed, "todo"},
		} {
			box.Publish(verdict(uint64(10+n), record.VerdictRefused, c.reason, nil))
			b.Wait(panelKind, c.kind)
			screenshot(b, lang.tag+"-next-"+c.reason.String())
		}
	}
}

// P3: what was typed is gone however the form ends: cancelled, left alone, out of sight, refused, or with the box gone.
func TestBrowserForgetsThePIN(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := scene.New()
	s := serveTCP(t, box, "127.0.0.1:0")
	b.Visit(s.url+"/", 1280, 1100)
	b.Wait(panelKind, "idle")
	fill := func() {
		t.Helper()
		press(b, `[data-next="pin"]`)
		typeIn(b, "pin", plantedPIN)
		b.Wait(`document.getElementById("pin").value`, plantedPIN)
	}
	for name, end := range map[string]string{
		"cancel": `document.getElementById("next-close").click()`,
		"opener": `document.querySelector('[data-next="pin"]').click()`,
		"escape": `document.getElementById("pin").dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }))`,
	} {
		fill()
		b.Eval(end)
		b.Wait(nextView, "closed")
		b.Wait(focused, "pin") // the opener, data-next="pin"
		b.Wait(`document.activeElement.tagName`, "BUTTON")
		b.Wait(panelKind, "idle")
		forgot(t, b, name)
	}
	fill()
	b.Eval(`dispatchEvent(new Event("pagehide"))`)
	forgot(t, b, "page hidden")
	press(b, "#next-close")

	b.Eval(`{ const real = setTimeout; window.setTimeout = (f, ms) => real(f, ms / 200); }`)
	fill()
	b.Wait(nextView, "closed") // nobody typed on
	b.Wait(noticeText+`.startsWith("入力がない")`, "true")
	forgot(t, b, "left alone")
	b.Eval(`{ const real = setTimeout; window.setTimeout = (f, ms) => real(f, ms === 20000 ? 50 : 1e6); }`)
	fill()
	b.Eval(`document.getElementById("result").focus()`)
	b.Wait(nextView, "closed")
	b.Wait(focused, "result") // whoever went on with other work is not called back
	forgot(t, b, "focus elsewhere")

	fill()
	press(b, `#next-form [type="submit"]`)
	b.Wait(nextView, "waiting")
	press(b, "#next-cancel")
	b.Wait(nextView, "closed")
	b.Wait(noticeText+`.startsWith("中止しました")`, "true")
	b.Wait(panelKind, "idle")
	if !box.Asked().PIN.IsZero() {
		t.Error("after cancelling, the box still holds the PIN")
	}
	fill()
	press(b, `#next-form [type="submit"]`)
	b.Wait(nextView, "waiting")
	box.Change(func(s *localapi.Status) { s.Next = nil }) // the box's minute is over
	b.Wait(noticeText+`.startsWith("カードを待つのをやめました")`, "true")
	b.Wait(panelKind, "idle")

	press(b, `[data-next="pin"]`)
	box.Fail(localapi.ErrNextNotServed)
	typeIn(b, "pin", plantedPIN)
	press(b, `#next-form [type="submit"]`)
	b.Wait(faultText+`.startsWith("このサービスでは使えない")`, "true")
	b.Wait(focused, "pin")
	screenshot(b, "ja-next-not-served")
	forgot(t, b, "refused")
	typeIn(b, "pin", plantedPIN)
	s.stop()
	b.Wait(panelKind, "lost")
	b.Wait(nextView, "closed")
	forgot(t, b, "box gone")
}

// instant is a box on which the card is laid at once: it is done before the status can say that the box waits.
type instant struct{ *scene.Box }

func (i instant) NextCard(_ context.Context, r localapi.NextCardRequest) (localapi.NextCard, error) {
	i.Publish(localapi.Event{Type: localapi.EventReading})
	i.Publish(verdict(9, record.VerdictAccepted, record.ReasonInOrder, nil))
	i.Change(func(*localapi.Status) {})
	return localapi.NextCard{Kind: r.Kind, Until: scene.Noon.Add(localapi.NextLasts)}, nil
}

func TestBrowserTakesACardThatIsQuickerThanTheStatus(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := instant{scene.New()}
	s := serveHandler(t, server.New(server.Config{Box: box, Log: discard}))
	b.Visit(s.url+"/", 1280, 900)
	b.Wait(panelKind, "idle")
	press(b, `[data-next="pin"]`)
	b.Wait(panelKind, "typing")
	typeIn(b, "pin", plantedPIN)
	const submitted = `document.querySelector('#next-form [type="submit"]').click(); document.getElementById("pin").value`
	if left := b.Eval(submitted); left != "" {
		t.Errorf("as the request leaves, the field holds %q, want nothing", left)
	}
	b.Wait(nextView, "closed")
	b.Wait(panelKind, "accepted")
	b.Wait(noticeText, "<nil>")
	b.Wait(`document.activeElement.tagName`, "BUTTON")
	forgot(t, b, "after the card")
}
