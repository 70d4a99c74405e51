package people_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"kazashi.example/central/lab/world/people"
)

func TestMakeIsStable(t *testing.T) {
	small, large := people.Make(3, 5), people.Make(3, 200)
	if !reflect.DeepEqual(small, large[:5]) {
		t.Error("Make(3, 5) differs from the first five of Make(3, 200)")
	}
	if reflect.DeepEqual(people.Make(4, 5), small) {
		t.Error("Make(4, 5) = Make(3, 5), want other people")
	}
	keys := map[string]bool{}
	for _, p := range large {
		if keys[p.Key] {
			t.Errorf("key %q stands twice", p.Key)
		}
		keys[p.Key] = true
	}
}

// The weights are those of the ordinance; the loop is written from the right end on purpose, unlike the package's.
func TestIndividualNumbersHaveACheckDigit(t *testing.T) {
	weights := []int{6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2}
	seen := map[string]bool{}
	for _, p := range people.Make(1, 300) {
		n := p.IndividualNumber
		if len(n) != 12 || !strings.HasPrefix(n, "99990000") || seen[n] {
			t.Fatalf("number of %s is not a new one of 12 digits from 99990000", p.Key)
		}
		seen[n] = true
		sum := 0
		for i, w := range weights {
			sum += int(n[i]-'0') * w
		}
		want := 11 - sum%11
		if want > 9 {
			want = 0
		}
		if got := int(n[11] - '0'); got != want {
			t.Errorf("check digit of %s = %d, want %d", p.Key, got, want)
		}
	}
}

func TestBirthKey(t *testing.T) {
	for _, c := range []struct {
		in        people.Date
		key, full string
		err       error
	}{
		{people.Date{Year: 1980, Month: 2, Day: 17}, "550217", "319800217", nil}, // the test card of soltia48/myna-card
		{people.Date{Year: 1989, Month: 1, Day: 7}, "640107", "319890107", nil},
		{people.Date{Year: 1989, Month: 1, Day: 8}, "010108", "419890108", nil},
		{people.Date{Year: 2019, Month: 4, Day: 30}, "310430", "420190430", nil},
		{people.Date{Year: 2019, Month: 5, Day: 1}, "010501", "520190501", nil},
		{people.Date{Year: 1926, Month: 12, Day: 24}, "151224", "219261224", nil},
		{people.Date{Year: 1926, Month: 12, Day: 25}, "011225", "319261225", nil},
		{people.Date{Year: 1912, Month: 7, Day: 29}, "450729", "119120729", nil},
		{people.Date{Year: 1948, Month: 6}, "230600", "319480600", nil}, // day of birth not known
		{people.Date{Year: 1868, Month: 1, Day: 24}, "", "", people.ErrEra},
		{people.Date{Year: 2118, Month: 1, Day: 1}, "", "", people.ErrEra},
	} {
		key, err := c.in.BirthKey()
		if key != c.key || !errors.Is(err, c.err) {
			t.Errorf("BirthKey(%v) = %q, %v, want %q, %v", c.in, key, err, c.key, c.err)
		}
		full, err := c.in.EraCompact()
		if full != c.full || !errors.Is(err, c.err) {
			t.Errorf("EraCompact(%v) = %q, %v, want %q, %v", c.in, full, err, c.full, c.err)
		}
	}
	if b := people.NumberB("550217", 2035, "2285"); b != "55021720352285" {
		t.Errorf("NumberB of the published test card = %q, want 55021720352285", b)
	}
}

func TestBirthdayEnd(t *testing.T) {
	birth := people.Date{Year: 1980, Month: 2, Day: 17}
	leap := people.Date{Year: 2000, Month: 2, Day: 29}
	jst := func(y int, m time.Month, d, h int) time.Time { return time.Date(y, m, d, h, 0, 0, 0, people.JST) }
	for _, c := range []struct {
		birth people.Date
		from  time.Time
		n     int
		want  string
	}{
		{birth, jst(2025, 10, 27, 12), 5, "2030-02-17T14:59:59Z"}, // the published test card
		{birth, jst(2026, 2, 16, 23), 1, "2026-02-17T14:59:59Z"},
		{birth, jst(2026, 2, 17, 0), 1, "2027-02-17T14:59:59Z"},
		{birth, jst(2026, 2, 17, 0), 5, "2031-02-17T14:59:59Z"},
		{people.Date{Year: 1948, Month: 6}, jst(2026, 6, 29, 9), 1, "2026-06-30T14:59:59Z"},
		{people.Date{Year: 1948, Month: 6}, jst(2026, 6, 30, 9), 1, "2027-06-30T14:59:59Z"},
		{people.Date{Year: 1948, Month: 2}, jst(2026, 6, 1, 9), 2, "2028-02-29T14:59:59Z"},
		{leap, jst(2026, 6, 1, 9), 5, "2031-02-28T14:59:59Z"},
		{leap, jst(2027, 6, 1, 9), 5, "2032-02-29T14:59:59Z"},
	} {
		if got := c.birth.BirthdayEnd(c.from, c.n).Format(time.RFC3339); got != c.want {
			t.Errorf("BirthdayEnd(%v, %v, %d) = %s, want %s", c.birth, c.from, c.n, got, c.want)
		}
	}
}

func TestPersonPrintsAsKey(t *testing.T) {
	p := people.Make(1, 1)[0]
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, p); got != "hanako" {
			t.Errorf("%s of a person = %q, want hanako", verb, got)
		}
	}
}

func TestInventedPlaces(t *testing.T) {
	for _, m := range people.Municipalities() {
		if len(m.Code) != 5 || m.Code[:2] <= "47" {
			t.Errorf("municipality code %q: want 5 digits of a prefecture above 47", m.Code)
		}
	}
}

func TestBirthKeyOfAPerson(t *testing.T) {
	keys := map[string]string{"maria": "511014", "tomas": "840303", "kiku": "230600", "mirai": "080616"}
	for _, p := range people.Make(1, people.Named()) {
		want, ok := keys[p.Key]
		if !ok {
			continue
		}
		delete(keys, p.Key)
		if got, err := p.BirthKey(); got != want || err != nil {
			t.Errorf("BirthKey of %s = %q, %v, want %q", p.Key, got, err, want)
		}
	}
	if len(keys) > 0 {
		t.Errorf("nobody is called %v", keys)
	}
}
