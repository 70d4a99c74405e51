//go:build integration

package page_test

import (
	"slices"
	"testing"

	"kazashi.example/central/lab/stage/browser"
)

// TestInABrowser works the page as a person does, in both languages, and follows what others do to the tray meanwhile.
func TestInABrowser(t *testing.T) {
	s := serve(t)
	b := browser.Start(t)
	for _, lang := range []string{"ja", "en"} {
		b.Visit("http://"+s.host+"/?lang="+lang, 1280, 900)
		b.Wait(`document.readyState + document.documentElement.lang`, "complete"+lang)
		before := len(s.Tray.Entries())

		b.Eval(`document.getElementById("lay-hanako").focus(), document.getElementById("lay-hanako").click()`)
		b.Wait(`document.querySelector(".card.big .name").innerText`, map[string]string{"ja": "練習　花子", "en": "Hanako Renshu"}[lang])
		b.Wait(`String(document.getElementById("lay-hanako").disabled)`, "true")
		b.Eval(`document.getElementById("line").focus(), document.getElementById("line").click()`)
		b.Wait(`document.querySelector(".line").className`, "line down")
		if got := b.Eval(`document.activeElement.id`); got != "line" {
			t.Errorf("in %s the focus went from the button to %q, want it kept on the button", lang, got)
		}

		// What another does shows without anyone touching this page.
		if _, err := s.Tray.SetLine(true); err != nil {
			t.Fatal(err)
		}
		b.Wait(`document.querySelector(".line").className`, "line up")
		if _, err := s.Tray.Take(t.Context()); err != nil {
			t.Fatal(err)
		}
		b.Wait(`document.querySelectorAll(".card.big.none").length`, "1")
		b.Wait(`document.documentElement.lang + document.getElementById("tray").dataset.lang`, lang+lang)
		if got := len(s.Tray.Entries()) - before; got != 4 {
			t.Errorf("in %s the ledger grew by %d entries, want 4: no deed twice", lang, got)
		}
	}
	if f := b.Faults(); len(f) != 0 {
		t.Errorf("the browser complained: %q", f)
	}

	// A deed that fails is told, and the next one works.
	s.Break("/v1/slots/0/insert", true)
	b.Eval(`document.getElementById("lay-taro").click()`)
	b.Wait(`document.querySelectorAll("[role=alert]").length`, "1")
	s.Break("/v1/slots/0/insert", false)
	b.Eval(`document.getElementById("lay-taro").click()`)
	b.Wait(`document.querySelectorAll("[role=alert]").length + document.querySelector(".card.big .name").innerText`, "0Taro Mihon")
}

// TestWidths: at the widths of a phone, a tablet and a desk the page does not have to be scrolled sideways.
func TestWidths(t *testing.T) {
	s := serve(t)
	b := browser.Start(t)
	var wide []int
	for _, width := range []int{360, 768, 1280} {
		b.Visit("http://"+s.host+"/", width, 900)
		b.Wait(`document.readyState + innerWidth`, "complete"+map[int]string{360: "360", 768: "768", 1280: "1280"}[width])
		if b.Eval(`String(document.documentElement.scrollWidth > innerWidth)`) != "false" {
			wide = append(wide, width)
		}
	}
	if len(wide) != 0 {
		t.Errorf("the page is wider than the window at %v", slices.Sorted(slices.Values(wide)))
	}
}
