package box

import (
	"context"
	"slices"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/link"
	"kazashi.example/localapi"
	"kazashi.example/localapi/server"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

var _ server.Box = (*Box)(nil)

// Status is the state now; it waits for no network.
func (b *Box) Status(ctx context.Context) (localapi.Status, error) {
	now, confidence := b.clock.Now()
	line := b.line()
	readers, problem := b.standing()
	s := localapi.Status{
		Software: b.release, Box: b.identity.Box, Site: b.desired.Place().Site,
		Desk: record.DeskID(b.conf.Desk), Service: b.service(), Mode: localapi.ModeOffline, Problem: problem,
		Line: line, Clock: localapi.Clock{Now: now, Confidence: confidence}, Readers: readers,
	}
	s.List = b.list(s)
	if err := b.statusOfJournal(ctx, &s); err != nil {
		return localapi.Status{}, err
	}
	if err := b.statusOfSite(ctx, &s); err != nil {
		return localapi.Status{}, err
	}
	if next, ok := b.counter.Armed(); ok {
		s.Next = &next
	}
	switch {
	case problem != "":
		s.Mode = localapi.ModeStopped
	case line.Up:
		s.Mode = localapi.ModeOnline
	}
	return s, nil
}

// statusOfSite fills in what is sealed under the site's keys, and what goes with it and without.
func (b *Box) statusOfSite(ctx context.Context, s *localapi.Status) error {
	local, err := b.book.People(ctx)
	if err != nil {
		return err
	}
	work, err := b.book.Work(ctx, false)
	if err != nil {
		return err
	}
	s.Roster = localapi.Roster{Number: b.rosters.Version().N, People: b.rosters.Len() + local}
	if s.Keys, err = b.keeper.Keys(ctx); err != nil {
		return err
	}
	s.Work = len(work)
	if who, ok := b.book.SignedIn(); ok {
		s.Staff = &who
	}
	s.Able = b.able(*s)
	return nil
}

// standing is the readers, and what stands in the way of any tap.
func (b *Box) standing() ([]localapi.Reader, localapi.ReadFailure) {
	readers, problem := b.readers.now()
	switch {
	case b.journal.State() == journal.SpaceFull:
		problem = localapi.FailureDiskFull
	case b.trouble.Load():
		problem = localapi.FailureJournal
	}
	return readers, problem
}

// NextCard waits for a card to do with it what r asks, if a tap can be taken now on a reader that is there.
func (b *Box) NextCard(_ context.Context, r localapi.NextCardRequest) (localapi.NextCard, error) {
	readers, problem := b.standing()
	if problem != "" {
		return localapi.NextCard{}, localapi.ErrNextUnready
	}
	named := func(known localapi.Reader) bool { return known.Name == r.Reader }
	if r.Reader != "" && !slices.ContainsFunc(readers, named) {
		return localapi.NextCard{}, localapi.ErrNextReader
	}
	return b.counter.Arm(r)
}

// CancelNextCard makes the next card an ordinary tap.
func (b *Box) CancelNextCard(context.Context) error {
	b.counter.Disarm()
	return nil
}

func (b *Box) line() localapi.Line {
	up, since := b.link.Line()
	heard, trouble := b.link.Heard()
	return localapi.Line{Up: up, Since: since, Heard: heard, Trouble: troubleOf(trouble)}
}

func troubleOf(code string) localapi.LineTrouble {
	switch code {
	case "":
		return ""
	case wire.CodeRevokedBox:
		return localapi.LineRevoked
	case link.Replaced:
		return localapi.LineReplaced
	case wire.CodeUnknownBox:
		return localapi.LineUnknown
	case wire.CodeUnavailable, wire.CodeInternal:
		return localapi.LineUnavailable
	case link.Intercepted:
		return localapi.LineIntercepted
	default:
		return localapi.LineRefused
	}
}

func (b *Box) service() localapi.Service {
	s := localapi.Service{ID: record.ServiceID(b.conf.Service)}
	if r, _, ok := b.desired.For(s.ID); ok {
		s.Basis, s.Practice, s.SignIn, s.Counts = r.Basis, r.Practice, r.SignIn, r.SecondUse != 0
		s.Attributes, s.Consent = attributesOf(r)
	}
	return s
}

// attributesOf is what a service keeps of the card at an enrolment, and what a person agrees to before.
func attributesOf(r rule.Rule) (all []localapi.Attribute, c *localapi.Consent) {
	for i, kind := range []rule.Attributes{rule.AttributeName, rule.AttributeAddress, rule.AttributeBirthDate, rule.AttributeSex} {
		if r.Attributes.Has(kind) {
			all = append(all, localapi.Attributes()[i])
		}
	}
	if r.Consent != nil {
		c = &localapi.Consent{JA: r.Consent.JA, EN: r.Consent.EN}
	}
	return all, c
}

// list is the oldest list among the hierarchies that the service takes: what a tap may have to be decided by.
func (b *Box) list(s localapi.Status) (oldest localapi.List) {
	r, _, _ := b.desired.For(s.Service.ID)
	for _, h := range r.Hierarchies {
		head, ok := b.lists.Newest(certid.Scope{Hierarchy: h, Purpose: certid.PurposeAuth})
		if at := head.At(); ok && (oldest.ThisUpdate.IsZero() || at.Before(oldest.ThisUpdate)) {
			oldest = localapi.List{
				Number: head.Number.N, ThisUpdate: at, AgeSeconds: int64(s.Clock.Now.Sub(at).Seconds()),
				AgeAtLeast: s.Clock.Confidence < record.ConfidenceChecked,
			}
		}
	}
	return oldest
}

// Taps lists the latest taps, newest first.
func (b *Box) Taps(ctx context.Context, limit int) ([]localapi.Tap, error) {
	rows, err := b.journal.Taps(ctx, limit)
	if err != nil {
		return nil, err
	}
	taps := make([]localapi.Tap, 0, len(rows))
	for _, r := range rows {
		t, err := b.tap(ctx, r)
		if err != nil {
			return nil, err
		}
		taps = append(taps, t)
	}
	return taps, nil
}

// Subscribe hands out the live events, and asks central again for the PPIDs of the latest taps: nobody keeps them here.
func (b *Box) Subscribe(ctx context.Context) (<-chan localapi.Event, error) {
	events, err := b.feed.Subscribe(ctx)
	if err != nil {
		return nil, err
	}
	taps, err := b.Taps(ctx, localapi.DefaultTaps)
	if err != nil {
		return nil, err
	}
	for _, t := range taps {
		if t.Final != nil && t.Final.Verdict == record.VerdictAccepted {
			b.link.Want(t.Tap)
		}
	}
	return events, nil
}

func (b *Box) tap(ctx context.Context, r journal.Row) (localapi.Tap, error) {
	t := localapi.Tap{
		Tap: r.Tap, Record: localapi.RecordID(r.ID), Time: r.Time, Desk: r.Desk, Service: r.Service, Spoken: r.Code,
		First: localapi.Outcome{Verdict: r.Verdict, Reason: r.Reason}, State: localapi.StateWaiting, Restored: b.unseen.has(r.ID),
	}
	switch r.State {
	case journal.Received:
		t.State = localapi.StateReceived
	case journal.Safe:
		t.State = localapi.StateSafe
	case journal.Waiting:
	}
	final, ok, err := b.desired.Final(ctx, r.ID)
	if err != nil || !ok {
		return t, err
	}
	return settled(t, final), nil
}

func settled(t localapi.Tap, f desired.Final) localapi.Tap {
	o := localapi.Outcome{Verdict: f.Verdict, Reason: f.Reason}
	t.State, t.Final, t.Corrected = localapi.StateSettled, &o, t.First.CorrectedBy(o)
	return t
}
