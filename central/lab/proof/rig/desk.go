package rig

import (
	"fmt"

	"kazashi.example/central/lab/world"
	"kazashi.example/localapi"
)

// Tap lays a person's card, waits for the verdict and takes the card away. The verdict goes into the rig's ledger, as it does
// after every other way to lay a card.
func (b *Box) Tap(key string) Told {
	b.r.tb.Helper()
	return b.verdict(key, b.plain)
}

// Enrol types in what somebody types who enrols, and lays the card: with both PINs and consent to the attributes, or with the PIN
// and the birth date.
func (b *Box) Enrol(key string, attributes bool) Told {
	b.r.tb.Helper()
	p := b.r.Person(key)
	b.Next(Enrolment(p, attributes))
	return b.verdict(key, b.plain)
}

// Enrolment is what somebody types who enrols.
func Enrolment(p world.Person, attributes bool) localapi.NextCardRequest {
	q := localapi.NextCardRequest{Kind: localapi.NextEnrol, PIN: localapi.NewSecret(p.AuthPIN)}
	switch {
	case !attributes:
		q.Birth = localapi.NewSecret(p.Birth.Compact())
	case p.InputPIN == p.AuthPIN:
		q.Attributes, q.SamePIN = true, true
	default:
		q.Attributes, q.InputPIN = true, localapi.NewSecret(p.InputPIN)
	}
	return q
}

// TapPIN types in a person's PIN and lays the card.
func (b *Box) TapPIN(key string) Told {
	b.r.tb.Helper()
	b.Next(localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret(b.r.Person(key).AuthPIN)})
	return b.verdict(key, b.plain)
}

// Relay lays a device that shows a person's certificate before somebody else's genuine card.
func (b *Box) Relay(victim, other string) Told {
	b.r.tb.Helper()
	return b.verdict(victim, func(t Told) error { return b.Hand.LayRelay(b.r.tb.Context(), t.Person, b.r.Person(other)) })
}

// Next types in what the next card is laid for, once the card before is done with.
func (b *Box) Next(q localapi.NextCardRequest) {
	b.r.tb.Helper()
	b.r.Eventually(func() string {
		if _, err := b.client.SetNextCard(b.r.tb.Context(), q); err != nil {
			return err.Error()
		}
		return ""
	})
}

// Torn lays a person's card and tears it away after some commands: no tap comes of it.
func (b *Box) Torn(key string, after int) localapi.ReadFailure {
	b.r.tb.Helper()
	return b.failure(key, func(t Told) error { return b.Hand.LayTorn(b.r.tb.Context(), t.Person, after) })
}

// Fails lays a person's card, of which no tap comes.
func (b *Box) Fails(key string) localapi.ReadFailure {
	b.r.tb.Helper()
	return b.failure(key, b.plain)
}

func (b *Box) plain(t Told) error { return b.Hand.Lay(b.r.tb.Context(), t.Person) }

func (b *Box) verdict(key string, how func(Told) error) Told {
	b.r.tb.Helper()
	e := b.lay(key, how)
	if e.Event.Type != localapi.EventVerdict {
		b.r.tb.Fatalf("tap of %s: %s %s, want a verdict", key, e.Event.Type, e.Event.Failure)
	}
	b.r.Note(e.Told)
	return e.Told
}

func (b *Box) failure(key string, how func(Told) error) localapi.ReadFailure {
	b.r.tb.Helper()
	e := b.lay(key, how)
	if e.Event.Type != localapi.EventReadFailed || e.Event.Failure == "" {
		b.r.tb.Fatalf("card of %s: %s, want a failed reading", key, e.Event.Type)
	}
	return e.Event.Failure
}

// laid is what became of one laying.
type laid struct {
	Told
	Event localapi.Event
}

func (b *Box) lay(key string, how func(Told) error) laid {
	b.r.tb.Helper()
	t := Told{Box: b.ID, Person: b.r.Person(key)}
	from := b.heard.Len()
	b.r.must(how(t))
	e := b.heard.Await(from, func(e localapi.Event) bool {
		return e.Type == localapi.EventVerdict || e.Type == localapi.EventReadFailed
	})
	b.r.must(b.Hand.Take(b.r.tb.Context()))
	b.heard.Await(from, func(e localapi.Event) bool { return e.Type == localapi.EventCardRemoved })
	if e.Tap != nil && e.Rests != nil {
		t.Tap, t.Rests, t.Enrol, t.Link, t.Number = *e.Tap, *e.Rests, e.Enrol, e.Link, e.Number.Reveal()
	}
	return laid{t, e}
}

// Knows waits until so many people may tap without the PIN, by a roster of central with a greater number than after, unless that is 0.
func (b *Box) Knows(people int, after uint64) (number uint64) {
	b.r.tb.Helper()
	b.r.Eventually(func() string {
		s := b.Status().Roster
		if number = s.Number; s.People != people || after > 0 && s.Number <= after {
			return fmt.Sprintf("box %s knows %d people by roster %d, want %d by one after %d", b.ID, s.People, s.Number, people, after)
		}
		return ""
	})
	return number
}

// Person is somebody as their card is now.
func (r *Rig) Person(key string) world.Person {
	r.tb.Helper()
	p, err := r.World.Person(key)
	r.must(err)
	return p
}
