//go:build integration

package server_test

import (
	"testing"

	"kazashi.example/central/lab/stage/browser"
	"kazashi.example/localapi"
	"kazashi.example/localapi/internal/scene"
	"kazashi.example/sync/record"
)

// P6: corrections come from the box's work list, over a restart of the page, and whoever is signed in ticks them off.
func TestBrowserWorksThroughCorrections(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, of, first, all string }{
		{"ja", "最近確定した 4 件のうち、見直しが必要な受付：1 件", "先に、職員コードでサインイン", "3 件すべてを表示"},
		{"en", "Of the latest 4 settled, 1 need a second look", "First sign in with your staff code", "Show all 3"},
	} {
		c, url := newCounter(t)
		work, err := c.Work(t.Context(), true)
		must(t, err)
		settled := work[0].Final
		for n := range uint64(4) {
			tap := scene.Tap(n, record.VerdictRefused, record.ReasonExpired)
			if n == 0 {
				tap.Tap, tap.Time, tap.First, tap.Corrected = work[0].Tap, work[0].Time, work[0].First, true
			}
			tap.State, tap.Final = localapi.StateSettled, &settled
			c.Keep(tap)
		}
		b.Visit(url+"/?lang="+lang.tag, 820, 1500)
		b.Wait(panelKind, "idle")
		b.Wait(workItems, "1")
		b.Wait(`document.getElementById("correction-count").textContent`, lang.of)
		screenshot(b, lang.tag+"-tablet-work")
		tick := `#correction-list li[data-tap="` + work[0].Tap.String() + `"] button`
		press(b, tick)
		b.Wait(signInFault+`?.startsWith("`+lang.first+`")`, "true")
		b.Wait(focused, "sign-in-code")
		screenshot(b, lang.tag+"-tablet-work-nobody")
		typeIn(b, "sign-in-code", plantedCode)
		press(b, `#sign-in [type="submit"]`)
		b.Wait(hasText("who", staffName), "true")
		b.Wait(workItems, "1")
		press(b, tick)
		b.Wait(`document.getElementById("corrections").hidden`, "true")
		if done, err := c.Work(t.Context(), true); err != nil || done[0].Done == nil || done[0].Done.By != "s-01" {
			t.Errorf("%s: work = %+v, %v, want it done by s-01", lang.tag, done, err)
		}
		b.Visit(url+"/?lang="+lang.tag, 820, 1500)
		b.Wait(panelKind, "idle")
		b.Wait(rowCount, "4")
		b.Wait(`document.getElementById("corrections").hidden`, "true") // though the tap stands in the table as corrected

		for n := range uint64(3) { // corrected just now, and not in the work list yet
			tap := scene.Tap(10+n, record.VerdictAccepted, record.ReasonInOrder)
			c.Say(tap)
			c.Settle(tap.Tap, settled, record.Subject{})
		}
		b.Wait(`document.getElementById("correction-all").textContent`, lang.all)
		b.Wait(workItems, "1")
		press(b, "#correction-all")
		b.Wait(workItems, "3")
		b.Wait(overflowed, "false")
		screenshot(b, lang.tag+"-tablet-work-all")
		press(b, "#correction-list button") // nothing there to tick off
		b.Wait(workItems, "2")
		for _, fault := range b.Faults() {
			t.Errorf("the browser complains: %s", fault)
		}
	}
}

// Where nobody was entered as staff nobody can sign in: the page says who can mend that.
func TestBrowserSaysThatThereIsNoStaff(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for lang, want := range map[string]string{"ja": "職員の登録を依頼してください", "en": "Ask the administrator of the box to enter staff"} {
		c, url := newCounter(t)
		all, err := c.Staff(t.Context())
		must(t, err)
		for _, s := range all {
			must(t, c.RemoveStaff(t.Context(), s.ID))
		}
		b.Visit(url+"/?lang="+lang, 820, 1500)
		b.Wait(workItems, "1")
		press(b, "#correction-list button")
		b.Wait(signInFault+`?.includes("`+want+`")`, "true")
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}

// A locked book gives no work list: the page says what the taps say.
func TestBrowserFallsBackToTheTaps(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	c, url := newCounter(t)
	c.lock()
	c.Err = localapi.ErrLocked
	c.Keep(history()...)
	b.Visit(url+"/", 1280, 1700)
	b.Wait(workItems, "1")
	press(b, "#correction-list button")
	b.Wait(`document.getElementById("corrections").hidden`, "true")

	// A hold that was lifted: whoever was served may have been taken back before, and whoever was not has nothing to take back.
	final := localapi.Outcome{Verdict: record.VerdictRefused, Reason: record.ReasonHoldLifted}
	for n, k := range []struct {
		first record.Verdict
		todo  string
	}{{record.VerdictProvisional, "受付の取り消しがまだの場合は"}, {record.VerdictRefused, "改めてかざせます"}} {
		tap := scene.Tap(uint64(20+n), k.first, record.ReasonOnHold) //nolint:gosec // small
		tap.State, tap.Final, tap.Corrected = localapi.StateSettled, &final, true
		c.Say(tap)
		b.Wait(`document.querySelector("#correction-list strong")?.textContent.startsWith("`+k.todo+`")`, "true")
	}
}

// Who is present is counted where the service counts, listed on demand, and let go by a second press.
func TestBrowserCountsWhoIsPresent(t *testing.T) {
	t.Parallel()
	b := browser.Start(t)
	for _, lang := range []struct{ tag, one, sure string }{{"ja", "1 人", "退出を確定 7KMR"}, {"en", "1", "Yes, has left 7KMR"}} {
		c, url := newCounter(t)
		b.Visit(url+"/?lang="+lang.tag, 375, 2600)
		b.Wait(panelKind, "idle")
		b.Wait(`document.getElementById("presence").hidden`, "true")
		c.Change(func(s *localapi.Status) {
			s.Service = localapi.Service{ID: "shelter", Basis: record.BasisDisasterIntake, Counts: true}
		})
		b.Wait(`document.getElementById("presence").hidden`, "false")
		b.Wait(`document.getElementById("present-count").textContent`, lang.one)
		press(b, "#present-open")
		b.Wait(`document.querySelectorAll("#present-list li").length`, "1")
		b.Wait(overflowed, "false")
		screenshot(b, lang.tag+"-phone-present")
		press(b, "#present-list button")
		b.Wait(`document.querySelector("#present-list button").getAttribute("aria-label")`, lang.sure)
		if here, err := c.Present(t.Context()); err != nil || len(here) != 1 {
			t.Errorf("after one press %d are present, %v, want 1", len(here), err)
		}
		press(b, "#present-list button")
		b.Wait(`document.getElementById("present-count").textContent.startsWith("0")`, "true")
		if here, err := c.Present(t.Context()); err != nil || len(here) != 0 {
			t.Errorf("after two presses %d are present, %v, want none", len(here), err)
		}
	}
	for _, fault := range b.Faults() {
		t.Errorf("the browser complains: %s", fault)
	}
}
