package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/daemon"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// What the story plays. Everybody's case stands in package people.
var (
	onlinePeople  = []string{"hanako", "taro", "sachiko", "ren", "aoi", "yuki"}
	offlinePeople = []string{"hanako", "kenji", "maria", "goro", "fumi", "mika"}
	faultyCards   = []faultyCard{
		{"not_my_number", localapi.FailureNotMyNumber}, {"torn", localapi.FailureTorn}, {"nonsense", localapi.FailureNonsense},
	}
)

const (
	twice        = "hanako" // taps on-line and off-line
	laterRevoked = "jiro"   // revoked at central alone while the line is cut
	afterKill    = "tsuru"  // taps after the restart, still without a line
	afterwards   = "nao"    // taps when all is well again
)

// settledWithin bounds a recovery: the longest pause between two tries of the box is 30 s.
const settledWithin = 60 * time.Second

// A line that is cut looks like one that is slow until a request has run out: the box still waits for one for so long. So many
// taps fall into that time.
const (
	noticedWithin = 45 * time.Second
	unnoticed     = 4
)

var errStory = errors.New("the story went wrong")

// faultyCard is no tap, with what the counter must say of it.
type faultyCard struct {
	card string
	want localapi.ReadFailure
}

// story is one run of the smoke.
type story struct {
	*ensemble

	began   time.Time
	client  *localapi.Client
	heard   *heard
	taps    []localapi.Tap // that must be at central in the end, as the counter showed them first
	offline int            // of them, those that central cannot have yet
	twice   []record.TapID // of one person
	cut     uint64         // octets that had passed the line when it was cut
}

// acts plays the whole story with the programs running.
func (s *story) acts(ctx context.Context) error {
	stop, err := s.listen(ctx)
	if err != nil {
		return err
	}
	err = s.online(ctx)
	if err == nil {
		err = s.outage(ctx)
	}
	if err == nil {
		err = s.powerCut(ctx)
	}
	stop()
	if err != nil {
		return err
	}
	if stop, err = s.listen(ctx); err != nil {
		return err
	}
	defer stop()
	if err := s.stillOffline(ctx); err != nil {
		return err
	}
	return s.recovery(ctx)
}

// listen follows the counter's live stream until the returned function is called.
func (s *story) listen(ctx context.Context) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	h, join := listen(ctx, s.client)
	s.heard = h
	stop = func() { cancel(); join() }
	_, err = h.await(ctx, 0, "the first word of the counter", func(e localapi.Event) bool { return e.Type == localapi.EventStatus })
	if err != nil {
		stop()
	}
	return stop, err
}

// online plays the taps with a line, and the cards that are no tap.
func (s *story) online(ctx context.Context) error {
	for _, person := range onlinePeople {
		if err := s.tap(ctx, person); err != nil {
			return err
		}
	}
	for _, f := range faultyCards {
		if err := s.faulty(ctx, f); err != nil {
			return err
		}
	}
	return s.awaitSettled(ctx)
}

// outage cuts the line and goes on tapping. One card is revoked where the box cannot hear of it.
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
	for i, person := range append(offlinePeople, laterRevoked) {
		if err := s.tap(ctx, person); err != nil {
			return err
		}
		if i+1 == unnoticed {
			if err := s.awaitOffline(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitOffline waits until the box has noticed for itself that nobody answers.
func (s *story) awaitOffline(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, noticedWithin, errStory)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		st, err := s.client.Status(ctx)
		if err == nil && st.Mode == localapi.ModeOffline {
			s.say("the counter says that it is off-line")
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%w: the counter says %q %s after the line was cut: %w", context.Cause(ctx), st.Mode, noticedWithin, err)
		}
	}
}

// powerCut kills the box while records wait; without those the kill would prove nothing.
func (s *story) powerCut(ctx context.Context) error {
	if err := s.mustWait(ctx, "at the kill"); err != nil {
		return err
	}
	s.stage.Kill(s.box)
	s.say("the box is killed (SIGKILL) with %d records that nobody else has", s.offline)
	box, err := s.stage.Start(ctx, s.boxSpec())
	if err != nil {
		return fmt.Errorf("starting the box again: %w", err)
	}
	s.box = box
	s.say("the box runs again, still without a line")
	return nil
}

// stillOffline finds what was written before the kill, and taps once more. A box that has heard of nobody is off-line.
func (s *story) stillOffline(ctx context.Context) error {
	if err := s.awaitOffline(ctx); err != nil {
		return err
	}
	if err := s.mustWait(ctx, "after the restart"); err != nil {
		return err
	}
	if err := s.tap(ctx, afterKill); err != nil {
		return err
	}
	return s.mustWait(ctx, "before the line comes back")
}

// recovery restores the line and waits until the box holds the last word on everything. Who tapped on-line and off-line must
// have one name.
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
	if err := s.tap(ctx, afterwards); err != nil {
		return err
	}
	if err := s.awaitSettled(ctx); err != nil {
		return err
	}
	first, err := s.heard.name(ctx, s.twice[0])
	if err != nil {
		return err
	}
	second, err := s.heard.name(ctx, s.twice[1])
	if err != nil {
		return err
	}
	if first != second {
		return fmt.Errorf("%w: %s has another PPID off-line than on-line", errStory, twice)
	}
	s.say("the live page shows one PPID for both taps of %s", twice)
	return nil
}

// octets is how many have passed the line in both directions.
func (s *story) octets() uint64 {
	n := s.tray.Line.Stats()
	return n.ToTarget + n.FromTarget
}

// tap lays a card until the counter has shown its verdict. When the line is cut it must be cut all the while.
func (s *story) tap(ctx context.Context, person string) error {
	up := s.tray.Line.Up()
	e, took, err := s.lay(ctx, person, localapi.EventVerdict)
	if err != nil {
		return err
	}
	if s.tray.Line.Up() != up {
		return fmt.Errorf("%w: the line changed while %s was tapped", errStory, person)
	}
	s.taps = append(s.taps, *e.Tap)
	if person == twice {
		s.twice = append(s.twice, e.Tap.Tap)
	}
	line := "up"
	if !up {
		line = "down"
		s.offline++
	}
	s.say("tap %2d  line %-4s  %-8s %s (%s) after %d ms", len(s.taps), line, person, e.Tap.First.Verdict, e.Tap.First.Reason, took.Milliseconds())
	return nil
}

// faulty lays a card that must end in one certain error at the counter.
func (s *story) faulty(ctx context.Context, f faultyCard) error {
	e, _, err := s.lay(ctx, f.card, localapi.EventReadFailed)
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
func (s *story) lay(ctx context.Context, person string, want localapi.EventType) (localapi.Event, time.Duration, error) {
	none := localapi.Event{}
	mark, began := s.heard.mark(), time.Now()
	if _, err := s.tray.Tray.Lay(ctx, person); err != nil {
		return none, 0, fmt.Errorf("laying the card %s: %w", person, err)
	}
	e, err := s.heard.await(ctx, mark, "a word about the card "+person, func(e localapi.Event) bool {
		return e.Type == localapi.EventVerdict || e.Type == localapi.EventReadFailed
	})
	took := time.Since(began)
	if err != nil {
		return none, 0, err
	}
	if e.Type != want || want == localapi.EventVerdict && e.Tap == nil {
		return none, 0, fmt.Errorf("%w: the counter said %s %s of the card %s, want %s", errStory, e.Type, e.Failure, person, want)
	}
	if _, err := s.tray.Tray.Take(ctx); err != nil {
		return none, 0, fmt.Errorf("taking the card %s: %w", person, err)
	}
	_, err = s.heard.await(ctx, mark, "the end of the card "+person, func(e localapi.Event) bool { return e.Type == localapi.EventCardRemoved })
	return e, took, err
}

// mustWait checks that every tap off-line waits on the box, and that central has none of them.
func (s *story) mustWait(ctx context.Context, when string) error {
	box, err := s.client.Status(ctx)
	if err != nil {
		return fmt.Errorf("asking the box %s: %w", when, err)
	}
	central, err := admin.NewClient(filepath.Join(s.path("central"), daemon.Socket)).Status(ctx)
	if err != nil {
		return fmt.Errorf("asking central %s: %w", when, err)
	}
	if held := len(s.taps) - s.offline; box.Waiting.Records != s.offline || central.Records != int64(held) || s.offline == 0 {
		return fmt.Errorf("%w: %s %d records wait on the box and central has %d, want %d and %d",
			errStory, when, box.Waiting.Records, central.Records, s.offline, held)
	}
	return nil
}

// awaitSettled waits until the box lists central's last word on every tap of the story.
func (s *story) awaitSettled(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settledWithin, errStory)
	defer cancel()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for settled := 0; ; {
		listed, err := s.client.Taps(ctx, localapi.MaxTaps)
		if err == nil {
			if settled = s.settled(listed); settled == len(s.taps) {
				s.say("all %d taps are settled", settled)
				return nil
			}
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("waiting for central's word on every tap: %w: %d of %d after %s: %w", context.Cause(ctx), settled, len(s.taps), settledWithin, err)
		}
	}
}

// settled counts the story's own taps that are listed as settled.
func (s *story) settled(listed []localapi.Tap) int {
	n := 0
	for _, l := range listed {
		for _, t := range s.taps {
			if l.Tap == t.Tap && l.State == localapi.StateSettled {
				n++
			}
		}
	}
	return n
}
