// Package cast chooses the cards that a practice tray offers: the people of a practice world, and three cards that are no tap
// at all.
//
// It says of each what a bystander may expect of a tap, from what was special about the person when the world was made. All
// functions only read; they may be used from any goroutine.
package cast

import (
	"encoding/hex"
	"fmt"
	"strings"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/reader/vcard/vpcd"
)

// afterSelect lets a faulty card answer the selection of an application and fail at what follows.
const afterSelect = 1

// Cards returns the people of a world in the world's order, then the faulty cards.
func Cards(w *world.World) ([]tray.Person, error) {
	all, err := w.People()
	if err != nil {
		return nil, fmt.Errorf("reading the practice world: %w", err)
	}
	out := make([]tray.Person, 0, len(all)+3)
	for _, p := range all {
		out = append(out, person(p))
	}
	return append(out, faulty(all)...), nil
}

func person(p world.Person) tray.Person {
	first, final := outcomes(p.Case)
	name := p.Family + " " + p.Given
	return tray.Person{
		Key: p.Key, Label: tray.Text{JA: name, EN: title(p.Key) + " · " + name}, Trait: string(p.Case), Note: note(p.Label),
		Serial: hex.EncodeToString(p.Auth.ID.Serial.Bytes()), Profile: p.Profile, First: first, Final: final,
		Revocable: p.Auth.Listed && final == tray.OutcomeServed,
	}
}

// outcomes says what the first verdict and the final one should be while everybody knows all that the world began with.
func outcomes(c people.Case) (first, final tray.Outcome) {
	switch c {
	case people.Expired, people.Revoked, people.OnHold, people.BrokenChain:
		return tray.OutcomeRefused, tray.OutcomeRefused
	case people.UnknownIssuer: // the box serves for the time being, central knows that there is no such issuer
		return tray.OutcomeServed, tray.OutcomeRefused
	case people.InOrder, people.RevokedLater, people.SignRevoked, people.NoPIN, people.Child:
		return tray.OutcomeServed, tray.OutcomeServed
	}
	return "", ""
}

// note takes what follows the name in the world's label, "練習 花子 · 正常 / in order".
func note(label string) tray.Text {
	_, special, ok := strings.Cut(label, " · ")
	if !ok {
		return tray.Text{JA: label, EN: label}
	}
	ja, en, ok := strings.Cut(special, " / ")
	if !ok {
		return tray.Text{JA: special, EN: special}
	}
	return tray.Text{JA: ja, EN: en}
}

func title(key string) string {
	if key == "" {
		return key
	}
	return strings.ToUpper(key[:1]) + key[1:]
}

// faulty are cards that end in an error at the counter. The first two are the first person's card, misbehaving.
func faulty(all []world.Person) []tray.Person {
	none := func(key, profile string, kind vpcd.Kind, after int, label, note tray.Text) tray.Person {
		return tray.Person{
			Key: key, Label: label, Trait: key, Note: note, Profile: profile,
			Fault: &tray.Fault{Kind: string(kind), AfterAPDUs: after}, First: tray.OutcomeNoRecord, Final: tray.OutcomeNoRecord,
		}
	}
	out := []tray.Person{none(
		"not_my_number", "", vpcd.Stranger, 0,
		tray.Text{JA: "交通系ICカード", EN: "A transport card"}, tray.Text{JA: "マイナンバーカードではありません", EN: "not a My Number Card"},
	)}
	if len(all) == 0 {
		return out
	}
	profile := all[0].Profile
	return append(out,
		none(
			"torn", profile, vpcd.Tear, afterSelect,
			tray.Text{JA: "せっかちな人", EN: "Someone in a hurry"}, tray.Text{JA: "読み取りの途中で離します", EN: "tears the card away while it is read"},
		),
		none(
			"nonsense", profile, vpcd.Nonsense, afterSelect,
			tray.Text{JA: "こわれたカード", EN: "A broken card"}, tray.Text{JA: "でたらめに応答します", EN: "answers nonsense"},
		),
	)
}
