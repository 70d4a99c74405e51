package drill_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"kazashi.example/appliance/drill"
	"kazashi.example/sync/rule"
)

// columns is how wide a line is on a terminal of East Asia, reckoned otherwise than the package does: by what is not Latin.
func columns(line string) (n int) {
	for _, r := range line {
		n++
		if r >= 0x3000 && unicode.IsPrint(r) {
			n++
		}
	}
	return n
}

func printed(t *testing.T, r drill.Report, s drill.Style) string {
	t.Helper()
	var out strings.Builder
	must(t, r.Print(&out, s))
	return out.String()
}

// everything is a report with every class, finding and problem in it.
func everything(r drill.Report) drill.Report {
	n := int64(1_234_567)
	r.Classes = slices.Clone(r.Classes)
	for i := range r.Classes {
		r.Classes[i].Count = &n
		r.Classes[i].Red = i%2 == 0
		r.Classes[i].Reach = map[drill.Situation]drill.Reach{
			drill.Off: drill.Tries, drill.OffCode: drill.Guess, drill.On: drill.Maybe, drill.OnCode: drill.Use,
		}
	}
	r.Dir = "/" + strings.Repeat("a long path ", 12) + strings.Repeat("無", 120)
	var all []drill.Problem
	for _, id := range drill.Problems() {
		all = append(all, drill.Problem{ID: id, Where: "table.column", Count: 3})
	}
	r.Items = append(slices.Clone(r.Items), drill.Item{Path: strings.Repeat("y", 300) + "\x1b[2J", Kind: drill.KindUnknown, Problems: all})
	r.Findings = nil
	for _, id := range drill.Findings() {
		r.Findings = append(r.Findings, drill.Finding{ID: id, Level: drill.Red, Facts: map[string]int64{
			"passes": 3, "memory_kib": 65536, "try_ms": 123, "tries_a_day": 1_000_000, "problems": 7, "places": 2, "taps": 1_000_000,
			"groups": 1_000, "at_once": 10, "a_day": 144,
		}})
	}
	return r
}

// The printed report fits 100 columns in both languages, says every word, and steers no terminal.
func TestPrintFits(t *testing.T) {
	b := plant(t, "", rule.UnlockCode)
	r := look(t, b.dir, func(o *drill.Options) { o.Measure = true })
	for _, lang := range []drill.Lang{drill.Japanese, drill.English} {
		for name, r := range map[string]drill.Report{"as it is": r, "with everything": everything(r)} {
			text := printed(t, r, drill.Style{Lang: lang})
			for n, line := range strings.Split(text, "\n") {
				if columns(line) > drill.Columns {
					t.Errorf("%s, %s: line %d has %d columns: %s", lang, name, n+1, columns(line), line)
				}
			}
			if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("%s, %s: the terminal is steered by %q", lang, name, text[i:i+4])
			}
			if m := regexp.MustCompile(`\{[a-z_]+\}|%!`).FindString(text); m != "" {
				t.Errorf("%s, %s: %s was not filled in", lang, name, m)
			}
			if strings.Contains(text, "\n\n\n") || strings.HasSuffix(text, "\n\n") {
				t.Errorf("%s, %s: empty lines", lang, name)
			}
		}
	}
	red := printed(t, everything(r), drill.Style{Lang: drill.English, Color: true})
	if !strings.Contains(red, "\x1b[31m! ") || strings.Count(red, "\x1b[31m") != strings.Count(red, "\x1b[0m") {
		t.Error("red is not printed in red, or not ended")
	}
}

// Every word of the report has a text in both languages, and none that stands for nothing.
func TestEveryWordHasBothTexts(t *testing.T) {
	for what, pair := range drill.Texts() {
		for lang, text := range pair {
			if text == "" {
				t.Errorf("%s has no text in %s", what, lang)
			}
		}
		if han := strings.IndexFunc(pair[drill.English], func(r rune) bool { return r > 0x2fff }); han >= 0 {
			t.Errorf("the English text of %s is Japanese", what)
		}
	}
	for _, id := range drill.Classes() {
		if _, ok := drill.Texts()["class "+string(id)]; !ok {
			t.Errorf("class %s has no text", id)
		}
	}
}

// Where a file alone opens everything the drill says so in red, and still prints no value: nothing that was planted stands in what is printed or
// in the JSON; and JSON keeps its keys.
func TestP3SaysItAndPrintsNoValue(t *testing.T) {
	b := plant(t, "", rule.UnlockFile)
	r := look(t, b.dir)
	fileAlone(t, r)
	asJSON, err := json.Marshal(r)
	must(t, err)
	s := b.search()
	for name, text := range map[string]string{
		"JSON": string(asJSON), "Japanese": printed(t, r, drill.Style{Lang: drill.Japanese}), "English": printed(t, r, drill.Style{Lang: drill.English}),
	} {
		for _, f := range s.In(name, []byte(text)) {
			t.Error(f)
		}
	}
	var keys map[string]any
	must(t, json.Unmarshal(asJSON, &keys))
	for _, want := range []string{
		"version", "made", "data_dir", "box", "site", "copy", "running", "keys", "classes", "items", "findings", "complete", "answer", "sentence",
	} {
		if _, ok := keys[want]; !ok {
			t.Errorf("the JSON has no %s", want)
		}
	}
	if len(keys) != 14 || keys["version"] != float64(1) {
		t.Errorf("%d keys in version %v, want 14 in version 1", len(keys), keys["version"])
	}
}

// fileAlone wants a signed rule that chose a file alone to be red, and what it opens; the sentence says yes, in both languages.
func fileAlone(t *testing.T, r drill.Report) {
	t.Helper()
	for _, c := range r.Classes {
		if want := c.Under == drill.SiteRing && c.ID != drill.StaffCodes || c.ID == drill.SiteKeys; c.Red != want {
			t.Errorf("red of %s = %v, want %v", c.ID, c.Red, want)
		}
	}
	for _, want := range []drill.FindingID{drill.LiesFile, drill.RuleFile} {
		if !slices.ContainsFunc(r.Findings, func(f drill.Finding) bool { return f.ID == want && f.Level == drill.Red }) {
			t.Errorf("%s is not said in red", want)
		}
	}
	if !strings.HasPrefix(r.Sentence.English, "Yes.") || !strings.HasPrefix(r.Sentence.Japanese, "知り得る。") {
		t.Errorf("the sentence is %+v", r.Sentence)
	}
	text := fmt.Sprint(printed(t, r, drill.Style{Lang: drill.English}))
	if !strings.Contains(text, "! people on the roster") || !strings.Contains(text, "a file ALONE") {
		t.Errorf("the table does not show it:\n%s", text)
	}
}
