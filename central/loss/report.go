package loss

import (
	_ "embed" // the report's words
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"kazashi.example/central/store"
)

//go:embed report.md.tmpl
var words string

// tokyo is where times are shown.
var tokyo = time.FixedZone("JST", 9*60*60)

var report = template.Must(template.New("report").Funcs(template.FuncMap{"at": at, "plain": plain}).Parse(words))

// Report writes the report in Markdown, Japanese first.
func Report(w io.Writer, f Facts) error {
	if err := report.Execute(w, shown{f, !f.Lost.IsZero()}); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// shown are facts of which a time that is not known counts as false.
type shown struct {
	Facts

	lost bool
}

// Lost is when the box was taken out of service; nil if it was not.
func (s shown) Lost() *time.Time {
	if !s.lost {
		return nil
	}
	return &s.Facts.Lost
}

// Before reports whether the box was out of service already, or told to erase itself, when it was said to be lost: then its site's key was made
// anew at that time.
func (s shown) Before() bool { return !s.KeyMade.IsZero() && s.KeyMade.Before(s.Facts.Lost) }

// Out reports whether the box was out of service when it was said to be lost.
func (s shown) Out() bool {
	return s.Was == store.BoxRevoked.String() || s.Was == store.BoxReplaced.String()
}

// at shows a time; nothing for none.
func at(v any) string {
	t, ok := v.(time.Time)
	if p, is := v.(*time.Time); is && p != nil {
		t, ok = *p, true
	}
	if !ok || t.IsZero() {
		return ""
	}
	return t.In(tokyo).Format("2006-01-02 15:04:05 JST")
}

// plain keeps what others wrote from being Markdown.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune("|`*_<>[]\\#", r) {
			return ' '
		}
		return r
	}, s)
}
