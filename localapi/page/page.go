// Package page is the counter page: a shell rendered in one language, and the files that fill it from the live stream.
//
// It is read-only after init and safe for concurrent use. It holds no state of a box: everything that changes is drawn by
// its scripts from the local API, and only from there, so that the page needs no network beyond its box.
package page

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"path"

	"kazashi.example/localapi"
	"kazashi.example/localapi/catalog"
)

//go:embed assets
var files embed.FS

//go:embed counter.html
var source string

// ErrLang is returned for a language that the page does not speak.
var ErrLang = errors.New("language is neither ja nor en")

var shell = template.Must(template.New("counter").Funcs(template.FuncMap{"t": catalog.Label}).Parse(source))

// Parts says what the box can be asked for beside status, taps and next card; what it cannot is left out of the page.
type Parts struct {
	Desk bool // staff, presence, links and corrections
	Keys bool // opening the site's keys

	Courier bool // the way by USB stick
	Unseen  bool // verdicts from before a restart that perhaps nobody saw
}

// view is what the shell is rendered from. Other is the language that comes second on the page.
type view struct {
	Lang, Other catalog.Lang
	Book        catalog.Book
	Parts       Parts
	Panels      []string // labels of the state of the box, which are also the ids that counter.js fills
	Columns     []string // labels of the columns of the table of taps
	Eras        []localapi.Era
}

func newView() view {
	return view{
		Book:    catalog.All(),
		Panels:  []string{"line", "list", "clock", "waiting", "readers", "roster", "keys", "journal"},
		Columns: []string{"col_time", "code", "col_first", "col_final", "col_state"},
		Eras:    localapi.Eras(),
	}
}

// words is one label in both languages, the page's first, for the template that shows both.
type words struct {
	Lang, Other catalog.Lang
	Text        catalog.Text
}

// Both looks a label up for what staff and the person before them read together.
func (v view) Both(name string) words { return words{v.Lang, v.Other, catalog.Label(name)} }

// Render returns the counter page with these parts in lang; Japanese for the empty string, ErrLang for an unknown one.
func Render(lang string, parts Parts) ([]byte, error) {
	v := newView()
	v.Parts = parts
	switch catalog.Lang(lang) {
	case "", catalog.Japanese:
		v.Lang, v.Other = catalog.Japanese, catalog.English
	case catalog.English:
		v.Lang, v.Other = catalog.English, catalog.Japanese
	default:
		return nil, ErrLang
	}
	var b bytes.Buffer
	if err := shell.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("rendering the counter page: %w", err)
	}
	return b.Bytes(), nil
}

// types of the files that may be served; a file of another type is not.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// Asset returns an embedded file and its media type; false when there is none of that name.
func Asset(name string) ([]byte, string, bool) {
	mediaType, ok := types[path.Ext(name)]
	if !ok || path.Base(name) != name {
		return nil, "", false
	}
	b, err := files.ReadFile("assets/" + name)
	return b, mediaType, err == nil
}
