package page

import (
	"bytes"
	"html/template"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/ledger"
)

// shownEntries is how much of the ledger the page shows, newest first; the API gives all of it.
const shownEntries = 30

// tokyo is Japan's zone: no summer time since 1951.
var tokyo = time.FixedZone("JST", 9*60*60)

var page = template.Must(template.New("page.html").ParseFS(assets, "assets/page.html"))

// view is what page.html is filled with.
type view struct {
	lang    string
	State   tray.State
	OnTop   *tray.PersonNow // whose card lies on the reader
	Entries []ledger.Entry
	Names   map[string]tray.Text
	Counter string
	Problem string // code of a failed deed, "" if none
	Detail  string
}

// L is a word of the catalog in the page's language.
func (v view) L(key string) string { return say(v.lang, key) }

// In is a text of the practice world in the page's language.
func (v view) In(t tray.Text) string {
	if v.lang == english {
		return t.EN
	}
	return t.JA
}

// Lang is the page's language, Other the one it can be changed to.
func (v view) Lang() string { return v.lang }

// Other is the other language.
func (v view) Other() string {
	if v.lang == english {
		return japanese
	}
	return english
}

// Trait is what is special about a card, in a word.
func (v view) Trait(p tray.PersonNow) string {
	t := p.Trait
	if p.Revoked {
		t = "revoked"
	}
	if s := say(v.lang, "trait."+t); s != "" {
		return s
	}
	return t
}

// Tone is the colour class of a card.
func (v view) Tone(p tray.PersonNow) string {
	if p.Revoked {
		return "bad"
	}
	return tone(p.Trait)
}

// Note is what is special about a card in a sentence, "" if its trait says the same or all is changed since.
func (v view) Note(p tray.PersonNow) string {
	if n := v.In(p.Note); !p.Revoked && !strings.EqualFold(n, v.Trait(p)) {
		return n
	}
	return ""
}

// Void is how far a revocation from here has come, "" if there is none.
func (v view) Void(p tray.PersonNow) string {
	switch {
	case p.Published:
		return v.L("listed")
	case p.Revoked:
		return v.L("revoked")
	default:
		return ""
	}
}

// Knows is what the person types in, each with its name.
func (v view) Knows(p tray.PersonNow) []string {
	var parts []string
	for _, k := range []struct{ name, value string }{
		{"knows.pin", p.Knows.PIN}, {"knows.input", p.Knows.InputPIN}, {"knows.birth", p.Knows.Birth},
	} {
		if k.value != "" {
			parts = append(parts, v.L(k.name)+" "+k.value)
		}
	}
	return parts
}

// Clock is a time of day in Japan.
func (v view) Clock(s ledger.Stamp) string { return s.In(tokyo).Format("15:04:05") }

// Name is whose card an entry is about.
func (v view) Name(person string) string {
	if n, ok := v.Names[person]; ok {
		return v.In(n)
	}
	return person
}

func language(r *http.Request) string {
	if r.URL.Query().Get("lang") == english {
		return english
	}
	return japanese
}

func (h *Handler) show(w http.ResponseWriter, r *http.Request) {
	h.render(w, http.StatusOK, h.look(language(r)))
}

// form does a deed for the page's own forms and sends the browser back to the page.
func (h *Handler) form(w http.ResponseWriter, r *http.Request) {
	lang := language(r)
	err := r.ParseForm()
	if err == nil {
		req := request{Person: r.PostForm.Get("person"), Reason: r.PostForm.Get("reason"), Card: r.PostForm.Get("card")}
		if s := r.PostForm.Get("up"); s != "" {
			up := s == "true"
			req.Up = &up
		}
		_, err = h.perform(r, req)
	}
	if err == nil {
		http.Redirect(w, r, "/?lang="+lang, http.StatusSeeOther)
		return
	}
	f := h.failed(r, err)
	v := h.look(lang)
	v.Problem, v.Detail = f.code, err.Error()
	h.render(w, f.status, v)
}

func (h *Handler) look(lang string) view {
	v := view{lang: lang, State: h.tray.State(), Entries: h.tray.Entries(), Counter: h.counter, Names: map[string]tray.Text{}}
	slices.Reverse(v.Entries)
	v.Entries = v.Entries[:min(len(v.Entries), shownEntries)]
	for i, p := range v.State.People {
		v.Names[p.Key] = p.Label
		if c := v.State.Card; c != nil && c.Person == p.Key {
			v.OnTop = &v.State.People[i]
		}
	}
	return v
}

func (h *Handler) render(w http.ResponseWriter, status int, v view) {
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		h.log.Error("page not rendered", slog.String("error", err.Error()))
		h.refuse(w, http.StatusInternalServerError, "page", "the page could not be made")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", v.lang)
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}
