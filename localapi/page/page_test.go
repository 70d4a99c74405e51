package page_test

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"kazashi.example/localapi/catalog"
	"kazashi.example/localapi/page"
)

func TestRenderSpeaksTheLanguageAskedFor(t *testing.T) {
	for _, c := range []struct{ ask, lang, title, other string }{
		{"", "ja", "かざし 窓口", `href="/?lang=en"`},
		{"ja", "ja", "かざし 窓口", `href="/?lang=en"`},
		{"en", "en", "Kazashi counter", `href="/?lang=ja"`},
	} {
		html := render(t, c.ask)
		for _, want := range []string{`<html lang="` + c.lang + `"`, "<title>" + c.title + "</title>", c.other} {
			if !strings.Contains(html, want) {
				t.Errorf("Render(%q) has no %s", c.ask, want)
			}
		}
	}
	for _, lang := range []string{"fr", "JA", "ja-JP", "<script>"} {
		if _, err := page.Render(lang, page.Parts{}); !errors.Is(err, page.ErrLang) {
			t.Errorf("Render(%q) = %v, want ErrLang", lang, err)
		}
	}
}

// The book in the page is JSON that the page's script can read, whatever html/template made of it.
func TestPageCarriesTheWholeBook(t *testing.T) {
	found := regexp.MustCompile(`(?s)<script type="application/json" id="book">(.*?)</script>`).FindStringSubmatch(render(t, "ja"))
	if found == nil {
		t.Fatal("the page has no book")
	}
	var got catalog.Book
	if err := json.Unmarshal([]byte(found[1]), &got); err != nil {
		t.Fatalf("the book is no JSON: %v", err)
	}
	want := catalog.All()
	if len(got.Verdicts) != len(want.Verdicts) || len(got.Reasons) != len(want.Reasons) || len(got.Failures) != len(want.Failures) {
		t.Errorf("the book has %d, %d, %d entries, want %d, %d, %d", len(got.Verdicts), len(got.Reasons), len(got.Failures),
			len(want.Verdicts), len(want.Reasons), len(want.Failures))
	}
	if got.Verdicts["accepted"] != want.Verdicts["accepted"] {
		t.Errorf("accepted = %+v, want %+v", got.Verdicts["accepted"], want.Verdicts["accepted"])
	}
}

// The policy forbids inline script and style, and everything that another machine would have to serve.
func TestPageObeysItsOwnPolicy(t *testing.T) {
	all := map[string]string{"page": render(t, "en")}
	for _, name := range append(scripts(t), "counter.css", "icon.svg") {
		all[name] = asset(t, name)
	}
	for _, banned := range []string{
		`\bstyle\s*=`, `\son[a-z]+\s*=\s*["']`, `<style`, `<script>`, `\.innerHTML`, `insertAdjacentHTML`, `\beval\(`, `@import`,
		`url\(`, `//[a-z0-9-]+\.[a-z]`, `localStorage`, `sessionStorage`, `document\.cookie`,
	} {
		re := regexp.MustCompile(banned)
		for name, text := range all {
			text = strings.ReplaceAll(text, `xmlns="http://www.w3.org/2000/svg"`, "")
			if hit := re.FindString(text); hit != "" {
				t.Errorf("%s contains %q, which matches %s", name, hit, banned)
			}
		}
	}
}

// The keyboard and a screen reader go through the page in the order in which it is read.
func TestNothingIsTakenOutOfTheOrderOfThePage(t *testing.T) {
	for _, m := range regexp.MustCompile(`tabindex="([^"]*)"`).FindAllStringSubmatch(render(t, "ja"), -1) {
		if m[1] != "-1" {
			t.Errorf("tabindex %s, want none but -1", m[1])
		}
	}
	if css := asset(t, "counter.css"); regexp.MustCompile(`(?m)^\.(result|locked|desk|storage|unseen|corrections|next|presence|courier|state|taps)[^{]*\{[^}]*[ ;{](order|float):`).MatchString(css) {
		t.Error("a section is moved by style")
	}
	last := -1
	for _, id := range []string{"result", "keys-locked", "at-desk", "storage", "unseen", "corrections", "next", "presence", "courier", "state-title", "taps-title"} {
		at := strings.Index(render(t, "ja"), `id="`+id+`"`)
		if at < last {
			t.Errorf("%s stands before what should come first", id)
		}
		last = at
	}
}

func TestEveryLabelIsUsedAndExists(t *testing.T) {
	var sources strings.Builder
	for _, name := range scripts(t) {
		sources.WriteString(asset(t, name))
	}
	for _, file := range []string{"counter.html", "page.go"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sources.WriteString(string(b))
	}
	labels := catalog.All().Labels
	for _, m := range regexp.MustCompile(`\((?:t|\.Both) "(\w+)"\)|\b(?:label|fill|cell)\("(\w+)"[,)]|book\.labels\.(\w+)`).FindAllStringSubmatch(sources.String(), -1) {
		name := m[1] + m[2] + m[3]
		if _, ok := labels[name]; !ok {
			t.Errorf("label %s is used but not in the catalog", name)
		}
	}
	composed := regexp.MustCompile(`^(clock|state|basis|evidence|era)_|^pin_(auth|input_assist)$|^next_(enrol|pin|link|unlink)(_say)?$|^keys_(by_)?(none|locked|open|code|tpm|file|peer|central)$|^(can|attribute)_|^link_(taken|other|none|locked|unreadable|nobody)$|^(online|offline|stopped)$|^correct_not_enrolled$|^courier_(export|import)_(on|done|failed)$|^update_|^disk_(is_ok|(is_)?(low|full)(_say)?)$|^aside_(reading|damaged|unreadable)_say$`) // by the words of the API
	for name := range labels {
		if !composed.MatchString(name) && !regexp.MustCompile(`["'.]`+name+`\b`).MatchString(sources.String()) {
			t.Errorf("label %s is in the catalog but not used", name)
		}
	}
}

// Contrast by WCAG 2.2: 7:1 for words (1.4.6), 3:1 for the edges that carry the kind (1.4.11).
func TestColoursKeepTheirContrast(t *testing.T) {
	css := asset(t, "counter.css")
	for _, c := range []struct {
		fore, back string
		want       float64
	}{
		{"gray-900", "white", 7},
		{"gray-900", "gray-50", 7},
		{"gray-700", "white", 7},
		{"gray-800", "gray-100", 7},
		{"green-900", "green-50", 7},
		{"orange-1000", "orange-50", 7},
		{"red-1100", "red-50", 7},
		{"blue-1000", "blue-50", 7},
		{"green-900", "white", 7},
		{"orange-1000", "white", 7},
		{"red-1100", "white", 7},
		{"blue-1000", "white", 7},
		{"gray-900", "orange-50", 7},
		{"gray-900", "red-50", 7},
		{"gray-800", "red-50", 7},
		{"gray-800", "green-50", 7},
		{"gray-800", "orange-50", 7},
		{"red-1100", "orange-50", 7},
		{"black", "yellow-300", 7},
		{"white", "red-1000", 7},
		{"white", "blue-900", 7},
		{"blue-900", "white", 7},
		{"blue-1000", "white", 7},
		{"gray-900", "blue-50", 7},
		{"blue-900", "blue-50", 7},
		{"green-800", "green-50", 3},
		{"orange-900", "orange-50", 3},
		{"red-900", "red-50", 3},
		{"blue-900", "blue-50", 3},
		{"gray-536", "white", 3},
		{"red-900", "white", 3},
		{"gray-536", "gray-100", 3},
	} {
		if got := contrast(t, css, c.fore, c.back); got < c.want {
			t.Errorf("contrast of --%s on --%s = %.2f, want at least %.1f", c.fore, c.back, got, c.want)
		}
	}
}

func TestAssetServesItsOwnFilesOnly(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../page.go", "assets/counter.js", "counter.html", "counter.go", "nothing.js", "a/../counter.js"} {
		if _, _, ok := page.Asset(name); ok {
			t.Errorf("Asset(%q) is served", name)
		}
	}
}

func render(t *testing.T, lang string) string {
	t.Helper()
	b, err := page.Render(lang, page.Parts{Desk: true, Keys: true})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// scripts are all that the page has.
func scripts(t *testing.T) (names []string) {
	t.Helper()
	paths, err := filepath.Glob("assets/*.js")
	if err != nil || len(paths) < 2 {
		t.Fatalf("scripts %q, %v, want several", paths, err)
	}
	for _, p := range paths {
		names = append(names, filepath.Base(p))
	}
	return names
}

func asset(t *testing.T, name string) string {
	t.Helper()
	b, _, ok := page.Asset(name)
	if !ok {
		t.Fatalf("no asset %s", name)
	}
	return string(b)
}

func contrast(t *testing.T, css, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, css, a), luminance(t, css, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of WCAG 2.2 of a custom property.
func luminance(t *testing.T, css, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`--` + name + `: #([0-9a-f]{6});`).FindStringSubmatch(css)
	if m == nil {
		t.Fatalf("no custom property --%s", name)
	}
	rgb, err := strconv.ParseUint(m[1], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	linear := func(shift uint) float64 {
		c := float64(rgb>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(16) + 0.7152*linear(8) + 0.0722*linear(0)
}
