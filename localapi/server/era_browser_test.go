//go:build integration

package server_test

import (
	"testing"

	"kazashi.example/central/lab/stage/browser"
	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/sync/record"
)

const (
	eraHidden = `document.getElementById("ask-era").hidden`
	// erasShown are those that can be chosen.
	erasShown = `document.getElementById("ask-era").hidden ? "" : ` +
		`[...document.querySelectorAll('[name="era"]')].filter((r) => !r.closest("label").hidden).map((r) => r.value).join(" ")`
	eraChosen = `document.querySelector('[name="era"]:checked')?.value`
)

// The page asks for the era only of a typed date that leaves it open, and only for the eras that it leaves.
func TestBrowserAsksForTheEraOfATypedDate(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, need, name string }{
		{"ja", "生年月日の元号を選んで", "昭和"},
		{"en", "Choose the era of the birth date", "Showa"},
	} {
		box := scene.New()
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 320, 2400)
		b.Wait(panelKind, "idle")
		press(b, `[data-next="enrol"]`)
		b.Wait(eraHidden, "true")
		press(b, `[name="consent"][value="yes"]`)
		b.Wait(eraHidden, "true")
		press(b, `[name="consent"][value="no"]`)
		for _, c := range []struct{ date, eras string }{
			{"18680000", ""},
			{"18670000", ""},
			{"19120000", "meiji taisho"},
			{"19120700", "meiji taisho"},
			{"19120800", ""},
			{"19260000", "taisho showa"},
			{"19261200", "taisho showa"},
			{"19261100", ""},
			{"19800000", ""},
			{"19890107", ""},
			{"19890200", ""},
			{"20190000", "heisei reiwa"},
			{"20190400", ""},
			{"20190500", ""},
			{"19890000", "showa heisei"},
			{"19890100", "showa heisei"},
		} {
			b.Eval(`document.getElementById("birth").value = ""`)
			typeIn(b, "birth", c.date)
			b.Wait(erasShown, c.eras)
		}
		b.Wait(`document.querySelector('[name="era"][value="showa"]').closest("label").textContent.includes("`+lang.name+`")`, "true")
		b.Wait(overflowed, "false")
		screenshot(b, lang.tag+"-next-era")
		typeIn(b, "pin", plantedPIN)
		press(b, `#next-form [type="submit"]`)
		b.Wait(faultText+`.startsWith("`+lang.need+`")`, "true")
		b.Wait(focused, "era")
		press(b, `[name="era"][value="heisei"]`)
		b.Eval(`document.getElementById("birth").value = ""`)
		typeIn(b, "birth", "19261200") // another date: what was chosen for the first counts no more
		b.Wait(eraChosen, "<nil>")
		b.Eval(`document.getElementById("birth").value = ""`)
		typeIn(b, "birth", "19890100")
		press(b, `[name="era"][value="showa"]`)
		press(b, `#next-form [type="submit"]`)
		b.Wait(nextView, "waiting")
		if got := box.Asked(); got.Era != localapi.EraShowa || got.Birth.Reveal() != "19890100" || got.Check() != nil {
			t.Errorf("%s: the box was asked for %+v, want Showa", lang.tag, got)
		}
		b.Wait(eraChosen, "<nil>")
		came(box, verdict(9, record.VerdictAccepted, record.ReasonInOrder, &localapi.Enrolled{Bound: true}))
		b.Wait(nextView, "closed")
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}

// Where only the card knows the date the page asks once a card has failed for it, until that person is enrolled or gives up.
func TestBrowserAsksForTheEraAfterACard(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, failed string }{{"ja", "元号を選んでください"}, {"en", "Choose the era"}} {
		box := scene.New()
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 820, 1900)
		b.Wait(panelKind, "idle")
		asks := func(want string) {
			t.Helper()
			press(b, `[data-next="enrol"]`)
			press(b, `[name="consent"][value="yes"]`)
			press(b, `[name="same"][value="yes"]`)
			typeIn(b, "pin", plantedPIN)
			b.Wait(erasShown, want)
		}
		send := func(want localapi.Era) {
			t.Helper()
			press(b, `#next-form [type="submit"]`)
			b.Wait(nextView, "waiting")
			forgot(t, b, "after submit")
			if got := box.Asked(); got.Era != want || !got.Attributes || got.Check() != nil {
				t.Errorf("%s: the box was asked for %+v, want era %q", lang.tag, got, want)
			}
		}
		fails := func(f localapi.ReadFailure) {
			t.Helper()
			came(box, localapi.Event{Type: localapi.EventReadFailed, Failure: f})
			b.Wait(nextView, "closed")
		}
		const all = "meiji taisho showa heisei reiwa"
		asks("")
		send("")
		fails(localapi.FailureBirthEra)
		b.Wait(nameText, lang.failed)
		screenshot(b, lang.tag+"-next-era-failed")
		asks(all)
		screenshot(b, lang.tag+"-next-era-all")
		press(b, `#next-form [type="submit"]`)
		b.Wait(focused, "era")
		press(b, `[name="era"][value="heisei"]`)
		send(localapi.EraHeisei)
		fails(localapi.FailureTorn) // the same person tries again
		asks(all)
		press(b, `[name="era"][value="heisei"]`)
		send(localapi.EraHeisei)
		came(box, verdict(9, record.VerdictAccepted, record.ReasonInOrder, &localapi.Enrolled{Bound: true, Attested: true}))
		b.Wait(nextView, "closed")
		asks("") // somebody else
		send("")
		fails(localapi.FailureBirthEra)
		asks(all)
		press(b, "#next-close") // gives up
		asks("")
		press(b, "#next-close")
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}
