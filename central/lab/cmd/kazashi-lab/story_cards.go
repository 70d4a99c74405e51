package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/lab/stage"
	"kazashi.example/central/lab/tray"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// expected is what the counter must say of a card at once, and what central must come to.
type expected struct {
	outcome localapi.Outcome
	final   tray.Outcome
}

var (
	accepted = expected{localapi.Outcome{Verdict: record.VerdictAccepted, Reason: record.ReasonInOrder}, tray.OutcomeServed}
	pending  = expected{localapi.Outcome{Verdict: record.VerdictProvisional, Reason: record.ReasonEnrolmentPending}, tray.OutcomeServed}
	noRecord = expected{final: tray.OutcomeNoRecord}
)

func refusedFor(why record.Reason) expected {
	return expected{localapi.Outcome{Verdict: record.VerdictRefused, Reason: why}, tray.OutcomeRefused}
}

// first is the outcome in the tray's words.
func (e expected) first() tray.Outcome {
	switch {
	case e.outcome.Verdict == 0:
		return tray.OutcomeNoRecord
	case e.outcome.Verdict.Served():
		return tray.OutcomeServed
	default:
		return tray.OutcomeRefused
	}
}

// PINs that nobody in the practice world has: people's begin with other digits, and one of the two is wrong for everybody.
const (
	somePIN  = "0000"
	otherPIN = "9999"
)

var errNobody = errors.New("nobody in the practice world knows a PIN by this key")

// tap lays a card without a word at the counter, until that has shown its verdict.
func (s *story) tap(ctx context.Context, card string, want expected) error {
	_, err := s.laid(ctx, card, "tap", want)
	return err
}

// enrol types a person's PIN in at the counter and lays the card. Every other person consents to the attributes being read; the
// others give their birth date.
func (s *story) enrol(ctx context.Context, card string) error {
	attributes, err := s.askToEnrol(ctx, card)
	if err != nil {
		return err
	}
	e, err := s.laid(ctx, card, "enrol", accepted)
	if err != nil {
		return err
	}
	if e.Enrol == nil || !e.Enrol.Bound || e.Enrol.Attested != attributes {
		return fmt.Errorf("%w: the enrolment of %s came to %+v, want the card bound", errStory, card, e.Enrol)
	}
	s.people[card] = true
	return nil
}

// askToEnrol types in what somebody types who enrols.
func (s *story) askToEnrol(ctx context.Context, card string) (attributes bool, err error) {
	k, err := s.knows(card)
	if err != nil {
		return false, err
	}
	req := localapi.NextCardRequest{Kind: localapi.NextEnrol, PIN: localapi.NewSecret(k.PIN)}
	if s.enrolments++; s.enrolments%2 == 1 {
		req.Attributes, req.SamePIN = true, k.PIN == k.InputPIN
		if !req.SamePIN {
			req.InputPIN = localapi.NewSecret(k.InputPIN)
		}
	} else {
		req.Birth = localapi.NewSecret(k.Birth)
	}
	if _, err := s.client.SetNextCard(ctx, req); err != nil {
		return false, fmt.Errorf("asking for the enrolment of %s: %w", card, err)
	}
	return req.Attributes, nil
}

// refusedToEnrol types a person's PIN in, which the card must not get.
func (s *story) refusedToEnrol(ctx context.Context, r refusal) error {
	if _, err := s.askToEnrol(ctx, r.card); err != nil {
		return err
	}
	e, err := s.laid(ctx, r.card, "enrol", refusedFor(r.why))
	if err != nil {
		return err
	}
	if e.Enrol == nil || e.Enrol.Bound || e.Rests.Evidence == record.EvidencePIN {
		return fmt.Errorf("%w: the enrolment of %s came to %+v by %s, want nothing bound and no PIN asked", errStory, r.card, e.Enrol, e.Rests.Evidence)
	}
	return nil
}

// link ties somebody's library number to whoever lays the card. From then on the counter must tell it at every tap that is served.
func (s *story) link(ctx context.Context, card string, want expected) error {
	number := stage.Numbers()[card]
	_, err := s.client.SetNextCard(ctx, localapi.NextCardRequest{Kind: localapi.NextLink, Number: localapi.NewSecret(number)})
	if err != nil {
		return fmt.Errorf("asking for the link of %s: %w", card, err)
	}
	s.numbers[card] = number
	e, err := s.laid(ctx, card, "link", want)
	if err != nil {
		return err
	}
	if e.Link == nil || !e.Link.Done || e.Link.Why != "" {
		return fmt.Errorf("%w: the link of %s came to %+v, want it done", errStory, card, e.Link)
	}
	s.counts.linked++
	return nil
}

// withPIN is one tap with the PIN.
func (s *story) withPIN(ctx context.Context, card string) error {
	k, err := s.knows(card)
	if err != nil {
		return err
	}
	if _, err := s.client.SetNextCard(ctx, localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret(k.PIN)}); err != nil {
		return fmt.Errorf("asking for the PIN of %s: %w", card, err)
	}
	_, err = s.laid(ctx, card, "pin", accepted)
	return err
}

// mistype types a wrong PIN, the same once more, and then the right one. The card must not be asked twice about the wrong one.
func (s *story) mistype(ctx context.Context, card string) error {
	k, err := s.knows(card)
	if err != nil {
		return err
	}
	wrong := somePIN
	if k.PIN == wrong {
		wrong = otherPIN
	}
	if err := s.failAtPIN(ctx, card, wrong, localapi.FailurePINWrong, 2); err != nil {
		return err
	}
	if err := s.failAtPIN(ctx, card, wrong, localapi.FailurePINSame, 2); err != nil {
		return err
	}
	return s.enrol(ctx, card)
}

// failAtPIN asks for an enrolment that must end in one certain failure, with so many tries left.
func (s *story) failAtPIN(ctx context.Context, card, pin string, want localapi.ReadFailure, tries int) error {
	_, err := s.client.SetNextCard(ctx, localapi.NextCardRequest{
		Kind: localapi.NextEnrol, PIN: localapi.NewSecret(pin), Birth: localapi.NewSecret(s.birth(card)),
	})
	if err != nil {
		return fmt.Errorf("asking for the enrolment of %s: %w", card, err)
	}
	e, _, err := s.lay(ctx, card, noRecord)
	if err != nil {
		return err
	}
	if e.Failure != want || e.Tries != tries {
		return fmt.Errorf("%w: the counter said %q with %d tries of the card %s, want %q with %d", errStory, e.Failure, e.Tries, card, want, tries)
	}
	s.say("no tap  line up    %s: the counter says %s, %d tries left", card, e.Failure, e.Tries)
	return nil
}

// renew gives a person another certificate and waits until the box has heard of it.
func (s *story) renew(ctx context.Context, card string, onNewCard bool) error {
	heard, err := s.central().Status(ctx)
	if err != nil {
		return fmt.Errorf("asking central before a renewal: %w", err)
	}
	if _, err := s.tray.Tray.Renew(ctx, card, onNewCard); err != nil {
		return fmt.Errorf("renewing the certificate of %s: %w", card, err)
	}
	where := "the same card"
	if onNewCard {
		where = "a new card"
	}
	s.say("%s has a new certificate on %s", card, where)
	return s.awaitRenewal(ctx, heard.Renewals)
}

// oneName checks that every served tap of a card since the last restart has one PPID.
func (s *story) oneName(ctx context.Context, card string) error {
	taps := s.served[card]
	var one string
	for _, t := range taps {
		name, err := s.heard.name(ctx, t)
		if err != nil {
			return err
		}
		if one == "" {
			one = name.Reveal()
		}
		if name.Reveal() != one {
			return fmt.Errorf("%w: %s has more than one PPID", errStory, card)
		}
	}
	if len(taps) < 2 {
		return fmt.Errorf("%w: %s was served %d times, too few to compare", errStory, card, len(taps))
	}
	s.say("the live page shows one PPID for %d taps of %s", len(taps), card)
	return nil
}

// person is a card of the tray by its key.
func (s *story) person(card string) (tray.PersonNow, bool) {
	for _, p := range s.tray.Tray.State().People {
		if p.Key == card {
			return p, true
		}
	}
	return tray.PersonNow{}, false
}

func (s *story) knows(card string) (tray.Knows, error) {
	p, ok := s.person(card)
	if !ok || p.Knows.PIN == "" {
		return tray.Knows{}, fmt.Errorf("%w: %s", errNobody, card)
	}
	return p.Knows, nil
}

func (s *story) birth(card string) string {
	p, _ := s.person(card)
	return p.Knows.Birth
}

// laid lays a card until the counter has shown its verdict, which must be the one expected. When the line is cut it must be cut
// all the while.
func (s *story) laid(ctx context.Context, card, how string, want expected) (localapi.Event, error) {
	up := s.tray.Line.Up()
	e, took, err := s.lay(ctx, card, want)
	if err != nil {
		return e, err
	}
	if s.tray.Line.Up() != up {
		return e, fmt.Errorf("%w: the line changed while %s was tapped", errStory, card)
	}
	s.taps = append(s.taps, *e.Tap)
	line := "up"
	if !up {
		line = "down"
		s.offline++
	}
	s.say("tap %2d  line %-4s  %-5s %-8s %s (%s) by %s after %d ms",
		len(s.taps), line, how, card, e.Tap.First.Verdict, e.Tap.First.Reason, e.Rests.Evidence, took.Milliseconds())
	if e.Tap.First != want.outcome {
		return e, fmt.Errorf("%w: the counter said %s (%s) of the card %s, want %s (%s)",
			errStory, e.Tap.First.Verdict, e.Tap.First.Reason, card, want.outcome.Verdict, want.outcome.Reason)
	}
	if e.Tap.First.Verdict == record.VerdictProvisional {
		s.counts.provisional++
	}
	if want, served := s.numbers[card], e.Tap.First.Verdict.Served(); served && e.Number.Reveal() != want || !served && e.Number.Reveal() != "" {
		return e, fmt.Errorf("%w: the counter told a library number of %s that is not theirs, or none", errStory, card)
	}
	if want.final == tray.OutcomeServed {
		s.served[card] = append(s.served[card], e.Tap.Tap)
	}
	return e, nil
}

// faulty lays a card that must end in one certain error at the counter.
func (s *story) faulty(ctx context.Context, f faultyCard) error {
	e, _, err := s.lay(ctx, f.card, noRecord)
	if err != nil {
		return err
	}
	if e.Failure != f.want {
		return fmt.Errorf("%w: the counter said %q of the card %s, want %q", errStory, e.Failure, f.card, f.want)
	}
	s.say("no tap  line up    %s: the counter says %s", f.card, e.Failure)
	return nil
}

// lay lays a card, waits for what the counter says of it, takes the card away and waits until the counter has seen that too.
func (s *story) lay(ctx context.Context, person string, want expected) (localapi.Event, time.Duration, error) {
	none := localapi.Event{}
	mark, began := s.heard.mark(), time.Now()
	if _, err := s.tray.Tray.LayExpecting(ctx, person, tray.Expected{First: want.first(), Final: want.final}); err != nil {
		return none, 0, fmt.Errorf("laying the card %s: %w", person, err)
	}
	e, err := s.heard.await(ctx, mark, "a word about the card "+person, func(e localapi.Event) bool {
		return e.Type == localapi.EventVerdict || e.Type == localapi.EventReadFailed
	})
	took := time.Since(began)
	if err != nil {
		return none, 0, err
	}
	if failed := want.final == tray.OutcomeNoRecord; failed != (e.Type == localapi.EventReadFailed) || !failed && (e.Tap == nil || e.Rests == nil) {
		return none, 0, fmt.Errorf("%w: the counter said %s %s of the card %s, want %s", errStory, e.Type, e.Failure, person, want.first())
	}
	if _, err := s.tray.Tray.Take(ctx); err != nil {
		return none, 0, fmt.Errorf("taking the card %s: %w", person, err)
	}
	_, err = s.heard.await(ctx, mark, "the end of the card "+person, func(e localapi.Event) bool { return e.Type == localapi.EventCardRemoved })
	return e, took, err
}
