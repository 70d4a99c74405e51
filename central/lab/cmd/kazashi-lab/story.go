package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"kazashi.example/central/lab/tray"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// What the story plays. Everybody's case stands in package people; who taps without the PIN has enrolled with it before.
var (
	enrolled = []string{"hanako", "taro", "kenji", "maria", "jiro", "nao", "haru"}
	byCard   = []string{"hanako", "kenji"}
	refused  = []refusal{
		{"sachiko", record.ReasonExpired},
		{"ren", record.ReasonChainBroken},
		{"aoi", record.ReasonNotEnrolled},
		{"sora", record.ReasonNotEnrolled},
		{"relay", record.ReasonCardDiffers},
		{"blocked", record.ReasonBirthKeyLocked},
	}
	faultyCards = []faultyCard{
		{"not_my_number", localapi.FailureNotMyNumber},
		{"torn", localapi.FailureTorn},
		{"nonsense", localapi.FailureNonsense},
		{"sumire", localapi.FailurePINProtected},
	}
	refusedEnrolment = refusal{"goro", record.ReasonRevoked}
	offlineByCard    = []string{"hanako", "kenji", "maria"}
)

const (
	mistypes     = "yuki"   // types a wrong PIN twice before the right one
	withoutPIN   = "tsuru"  // has a card without PINs
	offlineEnrol = "mirai"  // enrols with the next card while the line is cut, and has a library number linked
	laterRevoked = "jiro"   // revoked at central alone while the line is cut
	twice        = "hanako" // taps on-line and off-line, by card and with the PIN, with a library number linked; renews on the same card
	newCard      = "kenji"  // renews on a new card
	afterwards   = "nao"    // taps when all is well again
)

// refusal is a card that must be refused, with the reason that the counter must give.
type refusal struct {
	card string
	why  record.Reason
}

// settledWithin bounds a recovery: the longest pause between two tries of the box is 30 s.
const settledWithin = 60 * time.Second

// A line that is cut looks like one that is slow until a request has run out: the box still waits for one for so long.
const noticedWithin = 45 * time.Second

var errStory = errors.New("the story went wrong")

// faultyCard is no tap, with what the counter must say of it.
type faultyCard struct {
	card string
	want localapi.ReadFailure
}

// story is one run of the smoke.
type story struct {
	*ensemble

	began      time.Time
	client     *localapi.Client
	heard      *heard
	taps       []localapi.Tap            // that must be at central in the end, as the counter showed them first
	offline    int                       // of them, those that central cannot have yet
	served     map[string][]record.TapID // of each card, those after the last restart that must get its one PPID
	enrolments int
	people     map[string]bool   // who has enrolled
	numbers    map[string]string // library numbers that the counter must tell, by card
	corrected  record.TapID      // that central must correct
	counts     tally
	boxes      []record.BoxID
	cut        uint64 // octets that had passed the line when it was cut
	sets       int    // revocation sets that came to the box
	deltas     int    // of them, those that came as deltas
}

// tally is what the story saw beside the taps that are counted.
type tally struct{ provisional, linked, unlocked, worked, carried int }

// acts plays the whole story with the programs running.
func (s *story) acts(ctx context.Context) error {
	for _, part := range [][]func(context.Context) error{
		{s.online, s.outage, s.powerCut}, {s.locked, s.stillOffline, s.recovery, s.correction, s.restart}, {s.workGoesOn, s.renewals, s.byStick},
	} {
		if err := s.part(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// part plays what lies between two starts of the box.
func (s *story) part(ctx context.Context, acts []func(context.Context) error) error {
	stop, err := s.listen(ctx)
	if err != nil {
		return err
	}
	defer stop()
	for _, act := range acts {
		if err := act(ctx); err != nil {
			return err
		}
	}
	return nil
}

// listen follows the counter's live stream until the returned function is called. It waits for the readers: a card that lies there before a
// box that was just started watches them is no tap.
func (s *story) listen(ctx context.Context) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	h, join := listen(ctx, s.client)
	if s.heard != nil {
		maps.Copy(h.names, s.heard.names) // the stream before has ended
	}
	s.heard = h
	stop = func() { cancel(); join() }
	_, err = h.await(ctx, 0, "the counter's word of its readers", func(e localapi.Event) bool {
		return e.Type == localapi.EventStatus && e.Status != nil && len(e.Status.Readers) > 0
	})
	if err != nil {
		stop()
	}
	return stop, err
}

// online enrols people with their PIN, plays their taps without it, and the cards that are refused or no tap at all.
func (s *story) online(ctx context.Context) error {
	for _, card := range enrolled {
		if err := s.enrol(ctx, card); err != nil {
			return err
		}
	}
	if err := s.mistype(ctx, mistypes); err != nil {
		return err
	}
	if err := s.failAtPIN(ctx, withoutPIN, somePIN, localapi.FailureNoPINs, 0); err != nil {
		return err
	}
	if err := s.awaitEnrolled(ctx); err != nil {
		return err
	}
	for _, card := range byCard {
		if err := s.tap(ctx, card, accepted); err != nil {
			return err
		}
	}
	if err := s.link(ctx, twice, accepted); err != nil {
		return err
	}
	for _, r := range refused {
		if err := s.tap(ctx, r.card, refusedFor(r.why)); err != nil {
			return err
		}
	}
	if err := s.refusedToEnrol(ctx, refusedEnrolment); err != nil {
		return err
	}
	for _, f := range faultyCards {
		if err := s.faulty(ctx, f); err != nil {
			return err
		}
	}
	if err := s.setComes(ctx); err != nil {
		return err
	}
	if err := s.awaitSettled(ctx); err != nil {
		return err
	}
	return s.allNamed(ctx)
}

// outage cuts the line and goes on tapping. One card is revoked where the box cannot hear of it, another is put on hold and its list
// carried to the box.
func (s *story) outage(ctx context.Context) error {
	if _, err := s.tray.Tray.SetLine(false); err != nil {
		return fmt.Errorf("cutting the line: %w", err)
	}
	s.cut = s.octets()
	s.say("the line is cut")
	if _, err := s.tray.Tray.Revoke(ctx, laterRevoked, ""); err != nil {
		return fmt.Errorf("revoking at the practice JPKI: %w", err)
	}
	s.say("the certificate of %s is revoked at central alone: on no list", laterRevoked)
	if err := s.tap(ctx, listRevoked, refusedFor(record.ReasonRevoked)); err != nil {
		return err
	}
	for _, card := range offlineByCard {
		if err := s.tap(ctx, card, accepted); err != nil {
			return err
		}
	}
	e, err := s.laid(ctx, laterRevoked, "tap", expected{accepted.outcome, tray.OutcomeRefused})
	if err != nil {
		return err
	}
	s.corrected = e.Tap.Tap
	if err := s.awaitOffline(ctx); err != nil {
		return err
	}
	if err := s.enrol(ctx, offlineEnrol); err != nil {
		return err
	}
	if err := s.tap(ctx, offlineEnrol, pending); err != nil {
		return err
	}
	if err := s.link(ctx, offlineEnrol, pending); err != nil {
		return err
	}
	return s.setIsCarried(ctx)
}

// powerCut kills the box while records wait; without those the kill would prove nothing.
func (s *story) powerCut(ctx context.Context) error {
	if err := s.mustWait(ctx, "at the kill"); err != nil {
		return err
	}
	return s.restart(ctx)
}

// restart kills the box and starts it again.
func (s *story) restart(ctx context.Context) error {
	s.stage.Kill(s.box)
	s.say("the box is killed (SIGKILL) with %d records that nobody else has", s.offline)
	box, err := s.stage.Start(ctx, s.boxSpec())
	if err != nil {
		return fmt.Errorf("starting the box again: %w", err)
	}
	s.box = box
	s.say("the box runs again, with the line %s", map[bool]string{true: "up", false: "still cut"}[s.tray.Line.Up()])
	return nil
}

// stillOffline finds what was written before the kill: the people of central's roster and whoever enrolled without a line, their numbers, and the
// set that was carried to the box.
func (s *story) stillOffline(ctx context.Context) error {
	if err := s.awaitOffline(ctx); err != nil {
		return err
	}
	if err := s.mustWait(ctx, "after the restart"); err != nil {
		return err
	}
	if err := s.tap(ctx, listHeld, refusedFor(record.ReasonOnHold)); err != nil {
		return err
	}
	if err := s.tap(ctx, twice, accepted); err != nil {
		return err
	}
	if err := s.tap(ctx, offlineEnrol, pending); err != nil {
		return err
	}
	if err := s.withPIN(ctx, twice); err != nil {
		return err
	}
	return s.mustWait(ctx, "before the line comes back")
}

// recovery restores the line and waits until the box holds the last word on everything.
func (s *story) recovery(ctx context.Context) error {
	if now := s.octets(); now != s.cut {
		return fmt.Errorf("%w: %d octets passed a line that was cut", errStory, now-s.cut)
	}
	if _, err := s.tray.Tray.SetLine(true); err != nil {
		return fmt.Errorf("restoring the line: %w", err)
	}
	s.say("the line is restored")
	s.offline = 0
	if err := s.awaitSettled(ctx); err != nil {
		return err
	}
	if err := s.awaitEnrolled(ctx); err != nil {
		return err
	}
	for _, card := range []string{offlineEnrol, afterwards} {
		if err := s.tap(ctx, card, accepted); err != nil {
			return err
		}
	}
	if err := s.awaitSettled(ctx); err != nil {
		return err
	}
	if err := s.allNamed(ctx); err != nil {
		return err
	}
	return s.oneName(ctx, offlineEnrol)
}

// renewals gives two people new certificates. On the same card nothing changes for the person; on a new card the bound key is
// another, and only the PIN helps. Whoever it is keeps the pseudonym.
func (s *story) renewals(ctx context.Context) error {
	if err := s.renew(ctx, twice, false); err != nil {
		return err
	}
	if err := s.tap(ctx, twice, accepted); err != nil {
		return err
	}
	if err := s.renew(ctx, newCard, true); err != nil {
		return err
	}
	if err := s.tap(ctx, newCard, refusedFor(record.ReasonCardRenewed)); err != nil {
		return err
	}
	if err := s.enrol(ctx, newCard); err != nil {
		return err
	}
	if err := s.tap(ctx, newCard, accepted); err != nil {
		return err
	}
	if err := s.awaitSettled(ctx); err != nil {
		return err
	}
	for _, card := range []string{twice, newCard} {
		if err := s.oneName(ctx, card); err != nil {
			return err
		}
	}
	return nil
}

// octets is how many have passed the line in both directions.
func (s *story) octets() uint64 {
	n := s.tray.Line.Stats()
	return n.ToTarget + n.FromTarget
}
