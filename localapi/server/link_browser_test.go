//go:build integration

package server_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/stage/browser"
	"kazashi.example/localapi"
	"kazashi.example/localapi/catalog"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/sync/record"
)

const plantedNumber = "L-0042-7719"

// linked is a verdict with what became of a number, and the number that the person has now.
func linked(n uint64, v record.Verdict, r record.Reason, number string, l localapi.Linked) localapi.Event {
	e := verdict(n, v, r, nil)
	e.Link, e.Number = &l, record.NewNumber(number)
	return e
}

// scan is a reader of barcodes: it types and presses Enter, here with a Japanese input method in wide letters.
func scan(b *browser.Browser, id, text string) {
	typeIn(b, id, text)
	b.Eval(`document.activeElement.form.requestSubmit()`)
}

// The library's own number is scanned, the card is laid, and each result has its words.
func TestBrowserLinksANumber(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct {
		tag     string
		results map[string]string // by what came of it
	}{
		{"ja", map[string]string{"linked": "ひも付けました", "already": "ひも付け済みです", "taken": "ひも付けできません", "other": "ひも付けできません", "refused": "登録が必要です"}},
		{"en", map[string]string{"linked": "Number linked", "already": "Linked already", "taken": "Not linked", "other": "Not linked", "refused": "Registration needed"}},
	} {
		for _, at := range []size{{"desk", 1280, 1500}, {"phone", 375, 2600}} {
			c, url := newCounter(t)
			b.Visit(url+"/?lang="+lang.tag, at.width, at.height)
			b.Wait(panelKind, "idle")
			n := uint64(20)
			for _, r := range []struct {
				name string
				e    func(n uint64) localapi.Event
				kind string
			}{
				{"linked", func(n uint64) localapi.Event {
					return linked(n, record.VerdictAccepted, record.ReasonInOrder, plantedNumber, localapi.Linked{Done: true})
				}, "accepted"},
				{"already", func(n uint64) localapi.Event {
					return linked(n, record.VerdictAccepted, record.ReasonInOrder, plantedNumber, localapi.Linked{Done: true, Why: localapi.LinkAlready})
				}, "accepted"},
				{"taken", func(n uint64) localapi.Event {
					return linked(n, record.VerdictAccepted, record.ReasonInOrder, "", localapi.Linked{Why: localapi.LinkTaken})
				}, "todo"},
				{"other", func(n uint64) localapi.Event {
					return linked(n, record.VerdictAccepted, record.ReasonInOrder, "L-0001", localapi.Linked{Why: localapi.LinkOther})
				}, "todo"},
				{"refused", func(n uint64) localapi.Event {
					return linked(n, record.VerdictRefused, record.ReasonNotEnrolled, "", localapi.Linked{})
				}, "todo"},
			} {
				n++
				press(b, `[data-next="link"]`)
				b.Wait(focused, "number")
				b.Wait(`document.getElementById("ask-pins").hidden`, "true") // this service's rule wants none
				if r.name == "linked" {
					scan(b, "number", " ")
					b.Wait(faultText+` === undefined`, "false")
					b.Wait(focused, "number")
					screenshot(b, strings.Join([]string{lang.tag, at.name, "link-form"}, "-"))
					b.Eval(`document.getElementById("number").value = ""`)
				}
				scan(b, "number", "Ｌ-００42-7719")
				b.Wait(nextView, "waiting")
				b.Wait(focused, "next-what") // no button, which a second Enter would press
				if got := c.Asked(); got.Number.Reveal() != plantedNumber || got.Kind != localapi.NextLink || !got.PIN.IsZero() || got.Check() != nil {
					t.Errorf("%s: the box was asked for %+v, want a link of what was scanned", lang.tag, got)
				}
				if strings.Contains(b.Eval(`[...document.querySelectorAll("input")].map((i) => i.value).join()`), plantedNumber) { // P3
					t.Error("the number is still in its field")
				}
				came(c.Box, r.e(n))
				b.Wait(nameText, lang.results[r.name])
				b.Wait(panelKind, r.kind)
				b.Wait(nextView, "closed")
				b.Wait(focused, "link")
				b.Wait(overflowed, "false")
				screenshot(b, strings.Join([]string{lang.tag, at.name, "link", r.name}, "-"))
			}
			b.Wait(rowCount, "5")
			b.Wait(`document.body.textContent.includes("`+plantedNumber+`")`, "false") // P3: the last of five had none
			b.Visit(url+"/?lang="+lang.tag, at.width, at.height)
			b.Wait(rowCount, "5")
			b.Wait(`document.body.textContent.includes("`+plantedNumber+`")`, "false")
		}
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}

// A number is taken back with the card; and without it in the name of whoever is signed in.
func TestBrowserTakesANumberBack(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, unlinked, none, first string }{
		{"ja", "ひも付けを外しました", "ひも付いている番号がありません", "先に、職員コードで"},
		{"en", "Number taken back", "There is no number to take back", "First sign in"},
	} {
		c, url := newCounter(t)
		b.Visit(url+"/?lang="+lang.tag, 820, 1700)
		b.Wait(panelKind, "idle")
		for _, r := range []struct {
			l    localapi.Linked
			kind string
			text string
		}{
			{localapi.Linked{Unlink: true, Done: true}, "accepted", nameText + ` === "` + lang.unlinked + `"`},
			{localapi.Linked{Unlink: true, Why: localapi.LinkNone}, "todo", whyText + `.startsWith("` + lang.none + `")`},
		} {
			press(b, `[data-next="unlink"]`)
			b.Wait(focused, "next-form-title")
			press(b, `#next-form [type="submit"]`)
			b.Wait(nextView, "waiting")
			if got := c.Asked(); got.Kind != localapi.NextUnlink || !got.Number.IsZero() || got.Check() != nil {
				t.Errorf("%s: the box was asked for %+v, want to take the person's number back", lang.tag, got)
			}
			came(c.Box, linked(30, record.VerdictAccepted, record.ReasonInOrder, "", r.l))
			b.Wait(panelKind, r.kind)
			b.Wait(r.text, "true")
			screenshot(b, lang.tag+"-tablet-unlink-"+r.kind)
		}
		press(b, `[data-next="unlink"]`)
		scan(b, "number", plantedNumber)
		b.Wait(faultText+`.startsWith("`+lang.first+`")`, "true")
		b.Wait(focused, "sign-in-code")
		scan(b, "sign-in-code", plantedCode)
		b.Wait(hasText("who", staffName), "true")
		screenshot(b, lang.tag+"-tablet-unlink-number")
		press(b, `#next-form [type="submit"]`)
		b.Wait(nextView, "closed")
		b.Wait(noticeText, lang.unlinked)
		if got := c.Unlinked(); len(got) != 1 || got[0] != (localapi.Unlink{Service: "library-card", Number: plantedNumber}) {
			t.Errorf("%s: unlinked %v, want the number at this service", lang.tag, got)
		}
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}

// Where the basis is the PIN, a number needs it too; where a card has shown that it does, the form asks from then on.
func TestBrowserAsksForThePINOfANumber(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	c, url := newCounter(t)
	b.Visit(url+"/?lang=en", 1280, 1500)
	b.Wait(panelKind, "idle")
	press(b, `[data-next="link"]`)
	scan(b, "number", plantedNumber)
	b.Wait(nextView, "waiting")
	came(c.Box, linked(1, record.VerdictRefused, record.ReasonEvidenceTooWeak, "", localapi.Linked{}))
	b.Wait(hasText("why", "No number was linked"), "true")
	press(b, `[data-next="link"]`)
	b.Wait(`document.getElementById("ask-pins").hidden`, "false")
	scan(b, "number", plantedNumber)
	b.Wait(focused, "pin")
	typeIn(b, "pin", plantedPIN)
	screenshot(b, "en-desk-link-pin")
	press(b, `#next-form [type="submit"]`)
	b.Wait(nextView, "waiting")
	if got := c.Asked(); got.PIN.Reveal() != plantedPIN || got.Number.Reveal() != plantedNumber || got.Check() != nil {
		t.Errorf("the box was asked for %+v, want number and PIN", got)
	}
	press(b, "#next-cancel")
	b.Wait(nextView, "closed")
	b.Visit(url+"/?lang=en", 1280, 1500)
	b.Wait(panelKind, "idle")
	c.Change(func(s *localapi.Status) { // a service that takes no tap without the PIN
		s.Able = slices.DeleteFunc(able(), func(a localapi.Ability) bool { return a.What == localapi.CanTap })
	})
	b.Wait(`document.querySelectorAll("#able li").length`, "7")
	press(b, `[data-next="link"]`)
	b.Wait(`document.getElementById("ask-pins").hidden`, "false")
	press(b, "#next-close")
	c.Change(func(s *localapi.Status) { s.Able = nil }) // a box that keeps no numbers
	b.Wait(`document.querySelector('[data-next="link"]').hidden`, "true")
}

// A second use is said with the time of the one before, whether it is served or not; and a refusal says whose fault it is not.
func TestBrowserSaysASecondUse(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, at, used string }{{"ja", "前回の利用は 10:30 です。", "ご利用済みです"}, {"en", "Last used at 10:30.", "Used already"}} {
		c, url := newCounter(t)
		b.Visit(url+"/?lang="+lang.tag, 1280, 1200)
		b.Wait(panelKind, "idle")
		for n, r := range []struct {
			v    record.Verdict
			r    record.Reason
			kind string
			said string
		}{
			{record.VerdictAccepted, record.ReasonAgain, "accepted", "true"},
			{record.VerdictRefused, record.ReasonUsedAlready, "refused", "true"},
			{record.VerdictRefused, record.ReasonRevoked, "refused", "false"},
			{record.VerdictRefused, record.ReasonRosterLocked, "todo", "false"}, // the card is not at fault
			{record.VerdictRefused, record.ReasonNobodySignedIn, "sign", "false"},
			{record.VerdictRefused, record.ReasonRosterUnreadable, "todo", "false"},
			{record.VerdictRefused, record.ReasonListAbsent, "refused", "false"},
		} {
			e := verdict(uint64(40+n), r.v, r.r, nil)
			e.Rests.Used = scene.Noon.Add(-90 * time.Minute)
			e.Number = record.NewNumber("L-0001")
			c.Publish(e)
			b.Wait(hasText("foot", localapi.SpokenCode(e.Tap.Tap)), "true")
			b.Wait(panelKind, r.kind)
			b.Wait(hasText("why", lang.at), r.said)
			b.Wait(hasText("name", lang.used), fmt.Sprint(r.r == record.ReasonUsedAlready))
			screenshot(b, lang.tag+"-desk-"+r.r.String())
		}
		b.Wait(hasText("say", catalog.Refusal(record.ReasonListAbsent).Say.In(catalog.Lang(lang.tag))), "true") // the box is at fault
	}
}
