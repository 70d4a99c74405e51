// Package catalog holds every word that people at a counter read, in Japanese and English: what a verdict is called, what a
// reason means and what to do, what to say when a card could not be read, the errors of the local API and the labels of its page.
//
// It is read-only after init and safe for concurrent use. It decides nothing and knows nothing of any single tap. A word that a
// newer box says and this catalog does not know gets a sentence that sends the reader to the person in charge, never none.
package catalog

import (
	"maps"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// Lang is a language of the catalog: an RFC 5646 tag for the HTML lang attribute.
type Lang string

// Languages. Japanese comes first wherever both are shown and nobody chose.
const (
	Japanese Lang = "ja"
	English  Lang = "en"
)

// Text is one thing said in both languages.
type Text struct {
	JA string `json:"ja"`
	EN string `json:"en"`
}

// In returns the text in l; Japanese unless l is English.
func (t Text) In(l Lang) string {
	if l == English {
		return t.EN
	}
	return t.JA
}

// Sentence is a short name, readable from two metres, and what to do or say.
type Sentence struct {
	Name Text `json:"name"`
	Say  Text `json:"say"`
}

// unknown answers for words that this catalog does not hold.
var unknown = Sentence{
	Name: Text{"確認してください", "Please check"},
	Say: Text{
		"この画面が知らない結果です。担当者を呼び、装置のソフトウェアを確認してください。",
		"This page does not know this result. Call the person in charge and check the software of the box.",
	},
}

// Verdict returns what a verdict is called and what to say to the person.
func Verdict(v record.Verdict) Sentence { return lookup(verdicts, v) }

// Refusal returns what a refusal for a reason is called and what to say to the person: of the card only where it is at fault.
func Refusal(r record.Reason) Sentence {
	if r.OfBox() {
		return notTheCard
	}
	return Verdict(record.VerdictRefused)
}

// Reason returns what a reason is called and what it means for the counter.
func Reason(r record.Reason) Sentence { return lookup(reasons, r) }

// Failure returns what to say when a card did not become a tap.
func Failure(f localapi.ReadFailure) Sentence { return lookup(failures, f) }

// Trouble returns what the counter does about a line on which something answers that does not serve the box.
func Trouble(t localapi.LineTrouble) Sentence { return lookup(troubles, t) }

// Error returns the message for an error code of the local API.
func Error(c localapi.ErrorCode) Text {
	if t, ok := apiErrors[c]; ok {
		return t
	}
	return unknown.Say
}

// Label returns a label of the page. The empty Text for a name that does not exist, which the page's test forbids.
func Label(name string) Text { return labels[name] }

func lookup[K comparable](m map[K]Sentence, k K) Sentence {
	if s, ok := m[k]; ok {
		return s
	}
	return unknown
}

// Book is the part of the catalog that the counter page needs, keyed by the words of the API.
type Book struct {
	Verdicts map[string]Sentence `json:"verdicts"`
	Refusals map[string]Sentence `json:"refusals"` // by reason, where a refusal does not say what the verdict does
	Reasons  map[string]Sentence `json:"reasons"`
	Failures map[string]Sentence `json:"failures"`
	Troubles map[string]Sentence `json:"troubles"`
	Labels   map[string]Text     `json:"labels"`
	Unknown  Sentence            `json:"unknown"`
}

// All returns a copy of the whole book.
func All() Book {
	b := Book{
		Verdicts: make(map[string]Sentence, len(verdicts)),
		Refusals: map[string]Sentence{},
		Reasons:  make(map[string]Sentence, len(reasons)),
		Failures: make(map[string]Sentence, len(failures)),
		Troubles: make(map[string]Sentence, len(troubles)),
		Labels:   maps.Clone(labels),
		Unknown:  unknown,
	}
	for v, s := range verdicts {
		b.Verdicts[v.String()] = s
	}
	for r, s := range reasons {
		b.Reasons[r.String()] = s
		if r.OfBox() {
			b.Refusals[r.String()] = Refusal(r)
		}
	}
	for f, s := range failures {
		b.Failures[string(f)] = s
	}
	for t, s := range troubles {
		b.Troubles[string(t)] = s
	}
	return b
}
