package page

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/ledger"
)

var literal = regexp.MustCompile(`\.L "([a-z._]+)"`)

// TestCatalog: whatever the page can show has words in both languages.
func TestCatalog(t *testing.T) {
	html, err := os.ReadFile("assets/page.html")
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, m := range literal.FindAllStringSubmatch(string(html), -1) {
		keys = append(keys, m[1])
	}
	for _, k := range []ledger.Kind{
		ledger.KindStart, ledger.KindLay, ledger.KindFail, ledger.KindTake,
		ledger.KindCut, ledger.KindRestore, ledger.KindRevoke, ledger.KindPublish,
	} {
		keys = append(keys, "kind."+string(k))
	}
	for _, o := range []tray.Outcome{tray.OutcomeServed, tray.OutcomeRefused, tray.OutcomeNoRecord} {
		keys = append(keys, "outcome."+string(o))
	}
	for _, f := range faults {
		if f.code != "deed" && f.code != "reason" { // the page's own forms cannot cause these
			keys = append(keys, "problem."+f.code)
		}
	}
	keys = append(keys, "problem.rig", ledger.LineUp, ledger.LineDown)
	if len(keys) < 40 {
		t.Fatalf("found %d words on the page, want at least 40", len(keys))
	}
	for _, k := range keys {
		if say(japanese, k) == "" || say(english, k) == "" {
			t.Errorf("word %q lacks Japanese or English", k)
		}
	}
	for k, w := range words {
		if strings.TrimSpace(w.ja) == "" || strings.TrimSpace(w.en) == "" {
			t.Errorf("word %q is empty in a language", k)
		}
	}
}
