package main

import (
	"context"
	"fmt"
	"strings"

	"kazashi.example/central/lab/stage"
	"kazashi.example/localapi"
	"kazashi.example/sync/record"
)

// wrongCode is nobody's.
const wrongCode = "asagao-3776-renshu"

// locked finds the box after a power cut without a line: it knows nobody, until the operator's code is typed in.
func (s *story) locked(ctx context.Context) error {
	if _, err := awaitKeys(ctx, s.client, localapi.KeysLocked); err != nil {
		return err
	}
	if err := s.tap(ctx, twice, refusedFor(record.ReasonRosterLocked)); err != nil {
		return err
	}
	if said, err := s.typing(ctx, stage.StaffCode, "kazashi", "desk", "in", "--config", s.boxConfig()); err == nil {
		return fmt.Errorf("%w: somebody could sign in at a locked box: %s", errStory, said)
	}
	if said, err := s.typing(ctx, wrongCode, "kazashi", "unlock", "--config", s.boxConfig()); err == nil {
		return fmt.Errorf("%w: a wrong operator's code opened the box: %s", errStory, said)
	}
	said, err := s.typing(ctx, stage.OperatorCode, "kazashi", "unlock", "--config", s.boxConfig())
	if err != nil {
		return err
	}
	if !strings.Contains(said, "open, by code") {
		return fmt.Errorf("%w: the operator's code did not open the box: %s", errStory, said)
	}
	s.counts.unlocked++
	s.say("a wrong operator's code is refused, the right one has opened the box, still without a line")
	return s.signIn(ctx)
}

// correction finds what central corrected on the work list: one tap, of somebody who should not have been served.
func (s *story) correction(ctx context.Context) error {
	list, err := s.client.Work(ctx, false)
	if err != nil {
		return fmt.Errorf("reading the work list: %w", err)
	}
	if len(list) != 1 || list[0].Tap != s.corrected || list[0].Final.Verdict != record.VerdictRefused {
		return fmt.Errorf("%w: %d corrections on the work list, want the tap of %s alone", errStory, len(list), laterRevoked)
	}
	s.say("the work list has one correction, the tap of %s with the code %s", laterRevoked, list[0].Spoken)
	return nil
}

// workGoesOn finds it there after a restart with a line, by which central has opened the keys, and ticks it off.
func (s *story) workGoesOn(ctx context.Context) error {
	k, err := awaitKeys(ctx, s.client, localapi.KeysOpen)
	if err != nil {
		return err
	}
	if k.By != "central" {
		return fmt.Errorf("%w: the keys were opened by %s, want central", errStory, k.By)
	}
	s.say("central has opened the box")
	if err := s.correction(ctx); err != nil {
		return err
	}
	if err := s.signIn(ctx); err != nil {
		return err
	}
	if _, err := s.once(ctx, "kazashi", "work", "done", "--config", s.boxConfig(), localapi.SpokenCode(s.corrected)); err != nil {
		return err
	}
	left, err := s.client.Work(ctx, false)
	if err != nil {
		return fmt.Errorf("reading the work list: %w", err)
	}
	all, err := s.client.Work(ctx, true)
	if err != nil {
		return fmt.Errorf("reading the work list: %w", err)
	}
	if len(left) != 0 || len(all) != 1 || all[0].Done == nil || all[0].Done.By != stage.StaffID {
		return fmt.Errorf("%w: %d corrections are left of %+v, want one that %s has looked at", errStory, len(left), all, stage.StaffID)
	}
	s.counts.worked++
	s.say("%s has looked at it", stage.StaffID)
	return nil
}
