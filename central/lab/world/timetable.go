package world

import (
	"math/rand/v2"
	"time"

	"kazashi.example/central/lab/world/people"
	"kazashi.example/sync/certid"
)

// generation says when a key generation began and where its serials lie. Offsets copy the national history (roots of 2015-10-20,
// 2019-09-14 and 2023-07-16, files of jpki/myna) as seen from 2026-11-22, so that the first one has run out.
type generation struct {
	number      int
	years, days int    // before the world's day
	root        uint32 // the root's own serial, taken from the same counter
	first       uint32 // serial of the first day
	perDay      uint32 // serials a day; more than people.Max, so that a person's place fits into a day
	life        int    // years of the root
}

// rootYears is the life of a root.
const rootYears = 10

var authGenerations = []generation{
	{1, 11, 33, 1, 17_000_000, 1_000, rootYears},
	{2, 7, 69, 20_169_001, 30_000_000, 20_000, rootYears},
	{3, 3, 129, 114_393_001, 170_000_000, 10_000, rootYears},
	{nextGeneration, 0, 200, 199_990_001, 200_000_000, 10_000, 2 * rootYears},
}

// signGenerations of the signature CA: the first began with the second authentication CA so that it reaches back to every resident's issue.
var signGenerations = []generation{
	{signGeneration, 7, 69, 20_104_001, 150_000_000, 10_000, rootYears},
	{nextGeneration, 0, 200, 199_980_001, 200_000_000, 10_000, 2 * rootYears},
}

const (
	// currentGeneration issues renewals of today's cards, signGeneration their signature certificates.
	currentGeneration = 3
	signGeneration    = 2
	// nextGeneration is the next card's, on P-384, beside today's: that both authorities go on side by side is an assumption, as are
	// the root's twenty years (people's certificates are planned for ten).
	nextGeneration = 4
)

func generationsOf(p certid.Purpose) []generation {
	if p == certid.PurposeSign {
		return signGenerations
	}
	return authGenerations
}

func generationOf(p certid.Purpose, number int) generation {
	for _, g := range generationsOf(p) {
		if g.number == number {
			return g
		}
	}
	panic("no such generation in the timetable")
}

// current is the generation that issues for today's cards.
func current(p certid.Purpose) int {
	if p == certid.PurposeSign {
		return signGeneration
	}
	return currentGeneration
}

// lifeYears is the birthday at which a certificate ends.
func lifeYears(p people.Person) int {
	if p.Kind == people.NextCard {
		return 10
	}
	return 5
}

func (g generation) start(day time.Time) time.Time { return day.AddDate(-g.years, 0, -g.days) }

// end is the last second of the last day, in Japan.
func (g generation) end(day time.Time) time.Time {
	return g.start(day).AddDate(g.life, 0, 0).Add(-time.Second)
}

// serial counts on with the days: one counter for all generations, and place keeps people of one day apart.
func (g generation) serial(day, issued time.Time, place int) uint32 {
	days := uint32(issued.Sub(g.start(day)) / (24 * time.Hour))
	return g.first + days*g.perDay + uint32(place)
}

// nextSerial is the first number after the world's day.
func (g generation) nextSerial(day time.Time) uint32 { return g.serial(day, day.AddDate(0, 0, 1), 0) }

// window of days before the world's day in which a case's certificate was issued. Ends on the fifth birthday lie four to five years after
// the issue, so these windows decide between in date and expired.
func window(p people.Person) (from, to int) {
	switch {
	case p.Generation == 1:
		return 2950, 3600
	case p.Case == people.Expired:
		return 1940, 2400
	case p.Generation == 2:
		return 1240, 1420
	case p.Generation == nextGeneration:
		return 10, 180
	default:
		return 60, 1000
	}
}

// issued is when a person's card was made, in office hours.
func issued(p people.Person, day time.Time, r *rand.Rand) time.Time {
	from, to := window(p)
	ago := from + r.IntN(to-from)
	return day.AddDate(0, 0, -ago).Add(9*time.Hour + time.Duration(r.IntN(8*3600))*time.Second)
}

// dayOf is midnight in Japan.
func dayOf(t time.Time) time.Time {
	y, m, d := t.In(people.JST).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, people.JST)
}

// expiryYears of a card: the tenth birthday, for minors at the issue the fifth (番号法施行規則, adults from 18 since 2022-04-01).
func expiryYears(birth people.Date, issue time.Time) int {
	eighteenth := time.Date(birth.Year+18, time.Month(birth.Month), max(1, birth.Day), 0, 0, 0, 0, people.JST)
	if issue.Before(eighteenth) {
		return 5
	}
	return 10
}
