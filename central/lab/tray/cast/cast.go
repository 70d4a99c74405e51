// Package cast chooses the cards that a practice tray offers: the people of a practice world, two cards that prove something false, and
// three that are no tap at all.
//
// It says of each what a bystander may expect of a tap, from what was special about the person when the world was made. All
// functions only read; they may be used from any goroutine.
package cast

import (
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/people"
	"kazashi.example/reader/vcard/fault"
)

// second is the command after the selection of an application: faulty cards answer that and fail at what follows.
const second = 2

// lockedOut is whose card has a blocked birth date key on the tray. It stays blocked: only a city office can help.
const lockedOut = "haru"

// birthKey is the birth date key of the card-face application, as virtual cards name it.
const birthKey = "face/0011"

// Cards returns the people of a world in the world's order, then the cards with a fault.
func Cards(w *world.World) ([]tray.Person, error) {
	all, err := w.People()
	if err != nil {
		return nil, fmt.Errorf("reading the practice world: %w", err)
	}
	out := make([]tray.Person, 0, len(all)+5)
	for _, p := range all {
		out = append(out, person(p))
	}
	two, err := wrongful(all)
	if err != nil {
		return nil, err
	}
	out = append(out, two...)
	return append(out, faulty(all)...), nil
}

func person(p world.Person) tray.Person {
	first, final := outcomes(p.Case)
	name := p.Family + " " + p.Given
	trait, serial := string(p.Case), hex.EncodeToString(p.Auth.ID.Serial.Bytes())
	if p.Kind == people.Phone { // its certificate is behind the PIN
		trait, serial, first, final = "phone", "", tray.OutcomeNoRecord, tray.OutcomeNoRecord
	}
	known := p.Auth.Listed && final == tray.OutcomeServed
	return tray.Person{
		Key: p.Key, Label: tray.Text{JA: name, EN: title(p.Key) + " · " + name}, Trait: trait, Note: note(p.Label),
		Serial: serial, Profile: p.Profile, First: first, Final: final, Revocable: known, Renewable: known, Knows: knows(p),
	}
}

// knows is empty where the person knows no PIN.
func knows(p world.Person) tray.Knows {
	k := tray.Knows{Birth: p.Birth.Compact()}
	if p.Case != people.NoPIN {
		k.PIN = p.AuthPIN
	}
	switch {
	case k.PIN == "" || p.Kind == people.Phone: // a phone has no input-assist application
	case p.Kind == people.NextCard: // has one PIN for both
		k.InputPIN = p.AuthPIN
	default:
		k.InputPIN = p.InputPIN
	}
	return k
}

// bornAlike is somebody with the first person's birth date, whose card the birth date key of the first one opens; the second person
// where nobody has.
func bornAlike(all []world.Person) world.Person {
	for _, p := range all[1:] {
		if p.Birth == all[0].Birth && p.Kind == people.Card {
			return p
		}
	}
	return all[1]
}

// wrongful are cards that are genuine, and are not what they should be. They need two people.
func wrongful(all []world.Person) ([]tray.Person, error) {
	if len(all) < 2 {
		return nil, nil
	}
	victim, other := person(all[0]), person(bornAlike(all))
	copied, err := filepath.Abs(victim.Profile) // the cards' program has a folder of its own
	if err != nil {
		return nil, fmt.Errorf("finding a card's profile: %w", err)
	}
	relay := tray.Person{
		Key: "relay", Label: tray.Text{JA: "証明書を写した装置", EN: "A device with a copied certificate"}, Trait: "relay",
		Note: tray.Text{
			JA: all[0].Family + " " + all[0].Given + " さんの証明書と、別人の本物のカード", EN: "the certificate of " + title(all[0].Key) + ", and somebody else's genuine card",
		},
		Serial: victim.Serial, Profile: other.Profile, Faults: []string{fault.Fault{Kind: fault.Relay, Name: copied}.String()},
		First: tray.OutcomeRefused, Final: tray.OutcomeRefused,
	}
	blocked := person(all[len(all)-1])
	for _, p := range all {
		if p.Key == lockedOut {
			blocked = person(p)
		}
	}
	owner := blocked.Label
	blocked.Key, blocked.Trait, blocked.Revocable, blocked.Renewable = "blocked", "blocked", false, false
	blocked.Label = tray.Text{JA: "生年月日の照合がロックされたカード", EN: "A card whose birth date key is blocked"}
	blocked.Note = tray.Text{JA: owner.JA + " さんのカード", EN: "the card of " + owner.EN}
	blocked.Faults = []string{fault.Fault{Kind: fault.Tries, Name: birthKey}.String()}
	blocked.First, blocked.Final = tray.OutcomeRefused, tray.OutcomeRefused
	return []tray.Person{relay, blocked}, nil
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
	none := func(key, profile string, f fault.Fault, label, note tray.Text) tray.Person {
		return tray.Person{
			Key: key, Label: label, Trait: key, Note: note, Profile: profile,
			Faults: []string{f.String()}, First: tray.OutcomeNoRecord, Final: tray.OutcomeNoRecord,
		}
	}
	out := []tray.Person{none(
		"not_my_number", "", fault.Fault{Kind: fault.Stranger},
		tray.Text{JA: "交通系ICカード", EN: "A transport card"}, tray.Text{JA: "マイナンバーカードではありません", EN: "not a My Number Card"},
	)}
	if len(all) == 0 {
		return out
	}
	profile := all[0].Profile
	return append(out,
		none(
			"torn", profile, fault.Fault{Kind: fault.TearBefore, N: second},
			tray.Text{JA: "せっかちな人", EN: "Someone in a hurry"}, tray.Text{JA: "読み取りの途中で離します", EN: "tears the card away while it is read"},
		),
		none(
			"nonsense", profile, fault.Fault{Kind: fault.Nonsense, First: second},
			tray.Text{JA: "こわれたカード", EN: "A broken card"}, tray.Text{JA: "でたらめに応答します", EN: "answers nonsense"},
		),
	)
}
