//go:build integration

package server_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"

	"kazashi.example/central/lab/stage/browser"
	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/record"
)

const (
	firstSlot  = "Virtual PCD 00 00"
	secondSlot = "Virtual PCD 00 01"
	// readersShown are those that can be chosen, the chosen one in brackets.
	readersShown = `document.getElementById("ask-reader").hidden ? "" : ` +
		`[...document.querySelectorAll('[name="reader"]')].map((r) => r.checked ? "[" + r.value + "]" : r.value).join(", ")`
	sureHidden = `document.getElementById("ask-sure").hidden`
)

// readers sets what is plugged in and where a card lies.
func readers(box *scene.Box, list ...localapi.Reader) {
	box.Change(func(s *localapi.Status) { s.Readers = list })
}

// P5: the page says that a card which lies there already is not the one, until it is lifted.
func TestBrowserHasALyingCardLifted(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, lift, lay string }{
		{"ja", "カードを外してください", "カードを置いてください"}, {"en", "Lift the card first", "Place a card"},
	} {
		box := scene.New()
		readers(box, localapi.Reader{Name: firstSlot, Card: true})
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 820, 1500)
		b.Wait(panelKind, "idle")
		press(b, `[data-next="pin"]`)
		typeIn(b, "pin", plantedPIN)
		press(b, `#next-form [type="submit"]`)
		b.Wait(nextView, "waiting")
		b.Wait(nameText, lang.lift)
		screenshot(b, lang.tag+"-next-lift")
		box.Publish(localapi.Event{Type: localapi.EventCardRemoved, Reader: firstSlot})
		b.Wait(nameText, lang.lay)
		came(box, verdict(9, record.VerdictAccepted, record.ReasonInOrder, nil))
		b.Wait(panelKind, "accepted")
	}
}

// P5: with two readers the page asks for the one that counts, and offers the one last used.
func TestBrowserAsksForTheReader(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, need, lift string }{
		{"ja", "カードを置くリーダーを選んで", "カードを外してください"}, {"en", "Choose the reader", "Lift the card first"},
	} {
		box := scene.New()
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 320, 1800)
		b.Wait(panelKind, "idle")
		press(b, `[data-next="pin"]`)
		b.Wait(readersShown, "")
		readers(box, localapi.Reader{Name: firstSlot}, localapi.Reader{Name: secondSlot}) // plugged in while the form is open
		b.Wait(readersShown, firstSlot+", "+secondSlot)
		typeIn(b, "pin", plantedPIN)
		press(b, `#next-form [type="submit"]`)
		b.Wait(faultText+`.startsWith("`+lang.need+`")`, "true")
		b.Wait(focused, "reader")
		b.Wait(overflowed, "false")
		screenshot(b, lang.tag+"-next-reader")
		press(b, `[name="reader"][value="`+secondSlot+`"]`)
		press(b, `#next-form [type="submit"]`)
		b.Wait(nextView, "waiting")
		if got := box.Asked(); got.Reader != secondSlot || got.Check() != nil {
			t.Errorf("%s: the box was asked for reader %q, want %q", lang.tag, got.Reader, secondSlot)
		}
		b.Wait(`document.getElementById("next-what").textContent.includes("`+secondSlot+`")`, "true")
		box.Publish(localapi.Event{Type: localapi.EventCardPresent, Reader: firstSlot}) // somebody's ordinary tap
		tap := verdict(8, record.VerdictAccepted, record.ReasonInOrder, nil)
		tap.Reader = firstSlot
		box.Publish(tap)
		b.Wait(panelKind, "accepted")
		b.Wait(nextView, "waiting")
		box.Change(func(s *localapi.Status) { s.Next = nil }) // and nobody came for the other
		b.Wait(noticeText+` === undefined`, "false")
		press(b, `[data-next="pin"]`)
		b.Wait(readersShown, "["+firstSlot+"], "+secondSlot) // where a card was laid last
		press(b, "#next-close")
	}
}

// P5: a birth date that does not fit is confirmed by a tick that counts for that date only, and is asked for after such a failure alone.
func TestBrowserHasABirthDateConfirmed(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, failed string }{{"ja", "生年月日を確かめてください"}, {"en", "Check the birth date"}} {
		box := scene.New()
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 320, 2400)
		b.Wait(panelKind, "idle")
		fill := func(hidden string) {
			t.Helper()
			press(b, `[data-next="enrol"]`)
			b.Wait(sureHidden, "true")
			press(b, `[name="consent"][value="no"]`)
			b.Wait(sureHidden, hidden)
			typeIn(b, "birth", plantedDay)
			typeIn(b, "pin", plantedPIN)
		}
		send := func(sure bool) {
			t.Helper()
			press(b, `#next-form [type="submit"]`)
			b.Wait(nextView, "waiting")
			forgot(t, b, "after submit")
			if got := box.Asked(); got.BirthSure != sure || got.Check() != nil {
				t.Errorf("%s: the box was asked for %+v, want a date confirmed %t", lang.tag, got, sure)
			}
		}
		fails := func(f localapi.ReadFailure) {
			t.Helper()
			came(box, localapi.Event{Type: localapi.EventReadFailed, Failure: f})
			b.Wait(nextView, "closed")
		}
		fill("true")
		send(false)
		fails(localapi.FailureBirthDoubt)
		b.Wait(nameText, lang.failed)
		screenshot(b, lang.tag+"-next-doubt-failed")
		fill("false")
		b.Wait(`document.getElementById("birth-sure").checked`, "false")
		press(b, "#birth-sure")
		b.Eval(`document.getElementById("birth").value = ""`)
		typeIn(b, "birth", plantedDay)
		b.Wait(`document.getElementById("birth-sure").checked`, "false") // it was said of what stood there before
		press(b, "#birth-sure")
		b.Wait(overflowed, "false")
		screenshot(b, lang.tag+"-next-doubt")
		send(true)
		fails(localapi.FailureTorn) // the same person tries again
		fill("false")
		press(b, "#birth-sure")
		send(true)
		came(box, verdict(9, record.VerdictAccepted, record.ReasonInOrder, &localapi.Enrolled{Bound: true}))
		b.Wait(nextView, "closed")
		fill("true") // somebody else
		press(b, "#next-close")
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}

// P6: what an enrolment came to is said as it is: with the PIN each time, and void once central has refused it.
func TestBrowserSaysWhatAnEnrolmentIsWorth(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, accepted, enrolled, each, birth, void, central, stop, wrong string }{
		{
			"ja", "受付できました", "登録できました", "このサービスは毎回、暗証番号で", "入力した生年月日は使わず", "登録は無効になりました", "センターには、このカードの有効な登録",
			"それも無効です", "この装置にありません",
		},
		{
			"en", "Accepted", "Registered", "This service asks for the PIN each time", "birth date that was typed in was not used", "The registration is void",
			"Central holds no registration", "that is void, too", "This box knows no",
		},
	} {
		box := scene.New()
		b.Visit(serveTCP(t, box, "127.0.0.1:0").url+"/?lang="+lang.tag, 1280, 1500)
		b.Wait(panelKind, "idle")
		says := func(text string) { t.Helper(); b.Wait(whyText+`.includes("`+text+`")`, "true") }
		came(box, verdict(7, record.VerdictAccepted, record.ReasonInOrder, &localapi.Enrolled{PINEachTime: true}))
		b.Wait(nameText, lang.accepted)
		says(lang.each)
		says(lang.birth)
		came(box, verdict(8, record.VerdictAccepted, record.ReasonInOrder, &localapi.Enrolled{PINEachTime: true, Attested: true}))
		b.Wait(nameText, lang.enrolled)
		says(lang.each)
		screenshot(b, lang.tag+"-next-each-time")
		e := verdict(9, record.VerdictAccepted, record.ReasonInOrder, &localapi.Enrolled{Bound: true})
		came(box, e)
		b.Wait(nameText, lang.enrolled)
		box.Settle(e.Tap.Tap, localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonNotEnrolled}, record.Subject{})
		b.Wait(panelKind, "refused")
		says(lang.void)
		says(lang.central)
		const list = `document.getElementById("corrections").textContent`
		b.Wait(list+`.includes("`+lang.stop+`") && `+list+`.includes("`+lang.central+`")`, "true")
		b.Wait(list+`.includes("`+lang.wrong+`") || `+whyText+`.includes("`+lang.wrong+`")`, "false")
		screenshot(b, lang.tag+"-next-void")
	}
}

// P3: who closes the page takes back what it asked for, and nothing that another asked for.
func TestBrowserTakesBackWhatItAskedFor(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := scene.New()
	s := serveTCP(t, box, "127.0.0.1:0")
	b.Visit(s.url+"/", 1280, 1100)
	b.Wait(panelKind, "idle")
	other := localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret(plantedTwo)}
	if _, err := box.NextCard(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	b.Wait(nextView, "waiting")
	b.Visit(s.url+"/?lang=en", 1280, 1100)
	b.Wait(nextView, "waiting") // another program's request is there still
	press(b, "#next-cancel")
	b.Wait(nextView, "closed")
	press(b, `[data-next="pin"]`)
	typeIn(b, "pin", plantedPIN)
	press(b, `#next-form [type="submit"]`)
	b.Wait(nextView, "waiting")
	b.Visit(s.url+"/?lang=ja", 1280, 1100)
	b.Wait(nextView, "closed")
	if !box.Asked().PIN.IsZero() {
		t.Error("the page has gone, and the box still holds the PIN")
	}
}

// reading is a box whose card is being read when somebody cancels.
type reading struct{ *scene.Box }

func (reading) CancelNextCard(context.Context) error { return nil }

func TestBrowserCannotCancelACardThatIsRead(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := reading{scene.New()}
	b.Visit(serveHandler(t, server.New(server.Config{Box: box, Log: discard})).url+"/", 1280, 1100)
	b.Wait(panelKind, "idle")
	press(b, `[data-next="pin"]`)
	typeIn(b, "pin", plantedPIN)
	press(b, `#next-form [type="submit"]`)
	b.Wait(nextView, "waiting")
	press(b, "#next-cancel")
	b.Wait(noticeText+`.startsWith("カードを読み取っている")`, "true")
	b.Wait(nextView, "waiting")
	came(box.Box, verdict(9, record.VerdictAccepted, record.ReasonInOrder, nil))
	b.Wait(nextView, "closed")
	b.Wait(noticeText, "<nil>")
}

// P6: where the box does not answer the page asks it what it does, and claims nothing that it does not know.
func TestBrowserDoesNotGuessWhatAnUnansweredRequestDid(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	box := scene.New()
	inner := server.New(server.Config{Box: box, Log: discard})
	var arms, deaf atomic.Bool
	s := serveHandler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPut && !arms.Load(), r.Method == http.MethodGet && r.URL.Path == "/v1/next-card" && deaf.Load():
			<-r.Context().Done()
		case r.Method == http.MethodPut:
			inner.ServeHTTP(silent{http.Header{}}, r)
			<-r.Context().Done()
		default:
			inner.ServeHTTP(w, r)
		}
	}))
	b.Visit(s.url+"/", 1280, 1100)
	b.Wait(panelKind, "idle")
	b.Eval(`{ const real = AbortSignal.timeout.bind(AbortSignal); AbortSignal.timeout = () => real(300); }`)
	press(b, `[data-next="pin"]`)
	try := func() {
		typeIn(b, "pin", plantedPIN)
		press(b, `#next-form [type="submit"]`)
	}
	try()
	b.Wait(faultText+`.startsWith("装置はカードを待っていません")`, "true")
	deaf.Store(true)
	try()
	b.Wait(faultText+`.startsWith("装置から返事がありません")`, "true")
	deaf.Store(false)
	arms.Store(true)
	try()
	b.Wait(nextView, "waiting")
	forgot(t, b, "after a request that was not answered")
	press(b, "#next-cancel")
	b.Wait(nextView, "closed")
	b.Wait(noticeText+`.startsWith("中止しました")`, "true")
}

// silent is an answer that does not arrive.
type silent struct{ header http.Header }

func (s silent) Header() http.Header       { return s.header }
func (silent) Write(b []byte) (int, error) { return len(b), nil }
func (silent) WriteHeader(int)             {}
