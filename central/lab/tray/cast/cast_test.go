package cast_test

import (
	"os"
	"testing"

	"kazashi.example/central/lab/tray"
	"kazashi.example/central/lab/tray/cast"
	"kazashi.example/central/lab/world"
	"kazashi.example/central/lab/world/worldtest"
)

func TestCards(t *testing.T) {
	w := worldtest.Open(t, world.Config{})
	cards, err := cast.Cards(w)
	if err != nil {
		t.Fatal(err)
	}
	people, err := w.People()
	if err != nil {
		t.Fatal(err)
	}
	if len(cards) != len(people)+5 {
		t.Fatalf("Cards = %d cards, want the %d people, two wrongful and three faulty ones", len(cards), len(people))
	}
	by := map[string]tray.Person{}
	for _, c := range cards {
		by[c.Key] = c
		if c.Label.JA == "" || c.Label.EN == "" || c.First == "" || c.Final == "" {
			t.Errorf("card %q lacks a label or an expectation: %+v", c.Key, c)
		}
		if c.Profile != "" {
			if _, err := os.Stat(c.Profile); err != nil {
				t.Errorf("card %q: %v", c.Key, err)
			}
		}
	}
	for _, c := range []struct {
		key          string
		first, final tray.Outcome
		revocable    bool
	}{
		{"hanako", "served", "served", true},
		{"goro", "refused", "refused", false},       // revoked
		{"sachiko", "refused", "refused", false},    // expired
		{"mika", "refused", "refused", false},       // on hold
		{"ren", "refused", "refused", false},        // broken chain
		{"aoi", "served", "refused", false},         // unknown issuer: provisional here, refused by central
		{"sumire", "no_record", "no_record", false}, // a phone
		{"relay", "refused", "refused", false},
		{"blocked", "refused", "refused", false},
		{"torn", "no_record", "no_record", false},
		{"nonsense", "no_record", "no_record", false},
		{"not_my_number", "no_record", "no_record", false},
	} {
		if p := by[c.key]; p.First != c.first || p.Final != c.final || p.Revocable != c.revocable || (p.Serial == "") != (p.First == "no_record") {
			t.Errorf("%s = %q then %q, serial %q, revocable %v, want %q then %q, revocable %v", c.key, p.First, p.Final, p.Serial, p.Revocable, c.first, c.final, c.revocable)
		}
	}
	if relay := by["relay"]; relay.Serial != by["hanako"].Serial || relay.Profile != by["chika"].Profile {
		t.Errorf("relay shows %s on %s, want hanako's certificate on chika's card", relay.Serial, relay.Profile)
	}
	if k := by["hanako"].Knows; len(k.PIN) != 4 || len(k.InputPIN) != 4 || k.Birth != "19800412" {
		t.Errorf("hanako knows %+v", k)
	}
	if k := by["tsuru"].Knows; k.PIN != "" {
		t.Errorf("tsuru, who has no PIN, knows %+v", k)
	}
	if got, want := by["sachiko"].Note, (tray.Text{JA: "期限切れ", EN: "expired"}); got != want {
		t.Errorf("sachiko's note = %+v, want %+v", got, want)
	}
	if got, want := by["hanako"].Label, (tray.Text{JA: "練習 花子", EN: "Hanako · 練習 花子"}); got != want {
		t.Errorf("hanako's label = %+v, want %+v", got, want)
	}
}
