package link

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/appliance/desired"
	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/vault"
	"kazashi.example/sync/wire"
)

// Pace of polls that come back at once and bring nothing.
const (
	atOnce    = 200 * time.Millisecond
	freeTurns = 2 // such polls in a row before the first pause
	maxTurns  = 4 // after which the pause grows no longer: freeTurns + log2(askAgain / firstTurn)
	firstTurn = askAgain >> (maxTurns - 1)
)

// poll asks once for what the box lacks and applies it.
func (l *Link) poll(ctx context.Context) error {
	select {
	case <-l.asked: // the question that is made now has it
	default:
	}
	ask, err := l.question(ctx)
	if err != nil {
		return local(err)
	}
	began := time.Now()
	got, err := l.held(ctx, ask)
	if errors.Is(err, errAskAnew) {
		return l.poll(ctx)
	}
	var fault error
	if err == nil {
		fault = l.answered(ctx, ask, got)
	}
	l.meet.Do(func() { close(l.met) })
	l.heard(ctx, true, err)
	if err != nil {
		return err
	}
	news, err := l.apply(ctx, got)
	if err := errors.Join(fault, err); err != nil {
		return local(err)
	}
	l.pace(ctx, news || time.Since(began) >= atOnce)
	return nil
}

// answered is what an answer means by having come: how late it is, and that central has what the poll brought.
func (l *Link) answered(ctx context.Context, ask wire.Poll, got wire.Polled) error {
	if got.Time > 0 {
		l.Clock.Check(time.UnixMilli(got.Time))
	}
	return errors.Join(l.correct(ctx), l.told(ask.Done))
}

// errAskAnew says that a held poll was given up because another PPID is wanted.
var errAskAnew = errors.New("another PPID is wanted")

// held polls. Where central may hold the poll for long, it is given up as soon as a PPID is wanted that it does not ask for:
// somebody has just opened the page and would look at an empty place meanwhile.
func (l *Link) held(ctx context.Context, ask wire.Poll) (wire.Polled, error) {
	if time.Duration(ask.Wait)*time.Second <= askAgain {
		return l.Client.Poll(ctx, ask)
	}
	holding, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	go func() {
		select {
		case <-l.asked:
			giveUp(errAskAnew)
		case <-holding.Done():
		}
	}()
	got, err := l.Client.Poll(holding, ask)
	if err != nil && errors.Is(context.Cause(holding), errAskAnew) {
		return wire.Polled{}, errAskAnew
	}
	return got, err
}

// pace keeps the loop from spinning when central answers at once, again and again, with what is no news here.
func (l *Link) pace(ctx context.Context, fine bool) {
	if fine {
		l.turns = 0
		return
	}
	if l.turns++; l.turns > freeTurns {
		pause(ctx, firstTurn<<min(l.turns-freeTurns-1, maxTurns-1), nil, nil)
	}
}

func (l *Link) question(ctx context.Context) (wire.Poll, error) {
	p, err := l.State(ctx)
	if err != nil {
		return wire.Poll{}, err
	}
	epochs, err := l.Journal.Epochs(ctx)
	if err != nil {
		return wire.Poll{}, err
	}
	p.Epochs = epochs[:min(len(epochs), wire.MaxEpochs)]
	l.patience(&p)
	return p, nil
}

// State is what a poll says of the box, without what only an answer at once could serve: epochs, taps whose PPID is wanted, how long to wait.
func (l *Link) State(ctx context.Context) (wire.Poll, error) {
	held, err := l.Desired.Held(ctx)
	if err != nil {
		return wire.Poll{}, err
	}
	waiting, err := l.Journal.Waiting(ctx)
	if err != nil {
		return wire.Poll{}, err
	}
	p := wire.Poll{
		Verdicts: held, Acks: l.Journal.Version(), Rules: l.Desired.Rules(), Trust: l.Desired.TrustHeld(), Sets: l.Sets.Held(),
		Time: l.Now().UnixMilli(), Waiting: waiting, Release: l.Release,
	}
	l.bring(&p)
	return p, nil
}

// patience adds what the live page waits for, and how long central may hold the poll: not at all while it is not known
// whether it answers, and not long while a PPID is waited for, which comes only when it is safe, and nothing else announces that.
func (l *Link) patience(p *wire.Poll) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var young bool
	p.Subjects, young = l.wanted.taps(time.Now())
	wait := pollWait
	switch {
	case !l.line.up:
		wait = 0
	case young:
		wait = askAgain
	}
	p.Wait = uint16(wait / time.Second) //nolint:gosec // one of three constants
}

// News is what an answer of central's brought that was not here.
type News struct {
	Trust, Rules, Keys, Orders, Sets, Roster bool
	Verdicts                                 int // final verdicts
}

// any reports whether anything is news.
func (n News) any() bool { return n != News{} }

// apply takes every part that came by the line, and reports whether any of it was news. What is offered is fetched later, by those who use it. One
// part at fault does not keep the others out, and is an error only where there was nothing else.
func (l *Link) apply(ctx context.Context, got wire.Polled) (news bool, err error) {
	n, err := l.take(ctx, got, false)
	if len(got.Sets) > 0 {
		l.Sets.Offered(bounded(got.Sets)) // what comes of it is news when it is in use
	}
	if o := got.RosterOffer; l.Rosters != nil && offers(o) {
		l.Rosters.Offered(o)
	}
	named := l.named(ctx, got.Subjects)
	if named {
		l.Watch.Changed(ctx)
	}
	news = named || n.any()
	if err != nil && news {
		l.report(ctx, "", local(err))
		return true, nil
	}
	return news, err
}

// take applies what came, by whatever way. Trust goes first, because the others are verified against it. What was carried may be old: that an
// acknowledgement is from before central was restored is no fault then, and an order may have been done long ago.
func (l *Link) take(ctx context.Context, got wire.Polled, carried bool) (news News, err error) {
	l.applying.Lock()
	defer l.applying.Unlock()
	var faults []error
	note := func(what string, flag *bool, err error) {
		switch {
		case err == nil:
			*flag = true
		case errors.Is(err, desired.ErrOlder), errors.Is(err, vault.ErrOlder):
		default:
			faults = append(faults, fmt.Errorf("applying %s: %w", what, err))
		}
	}
	if !got.ReplacedBy.IsZero() {
		l.replaced(ctx, got.ReplacedBy)
	}
	if len(got.Bundle) > 0 {
		note("the trust bundle", &news.Trust, l.applyTrust(ctx, got.Bundle))
	}
	if len(got.Rules) > 0 {
		note("the rules", &news.Rules, l.Desired.ApplyRules(got.Rules))
	}
	if len(got.Verdicts) > 0 {
		var came bool
		n, err := l.settle(ctx, got.Verdicts)
		note("final verdicts", &came, err)
		news.Verdicts = n
	}
	if len(got.Grant) > 0 && l.Keys != nil {
		before, wanted := l.Keys.Version(), l.Keys.Wants()
		note("site keys", &news.Keys, l.Keys.Take(ctx, got.Grant))
		news.Keys = news.Keys && (l.Keys.Version() != before || l.Keys.Wants() != wanted) // a grant on a stick may come again
	}
	if len(got.Orders) > 0 && l.Orders != nil {
		var failed bool
		var err error
		take := l.Orders.Take
		if carried {
			take = l.Orders.Carried
		}
		if news.Orders, err = take(ctx, l.Desired.Trust(), got.Orders); err != nil {
			note("orders", &failed, err)
		}
	}
	if len(got.Ack) > 0 {
		err := l.applyAck(ctx, got.Ack)
		if err != nil && (!carried || !errors.Is(err, journal.ErrCentralBehind)) {
			faults = append(faults, fmt.Errorf("applying an acknowledgement: %w", err))
		}
	}
	if news.any() || len(got.Ack) > 0 {
		l.learn()
		l.Watch.Changed(ctx)
	}
	return news, errors.Join(faults...)
}

// offers reports whether there is an offer that can be one.
func offers(o wire.RosterOffer) bool { return o.Version.N > 0 && len(o.Segments) <= wire.MaxSegments }

// bounded is what of the offers is within the caps: what central never sends is not acted on.
func bounded(offers []wire.SetOffer) []wire.SetOffer {
	offers = offers[:min(len(offers), wire.MaxOffers)]
	for i := range offers {
		if len(offers[i].Deltas) > wire.MaxDeltas {
			offers[i].Deltas = nil
		}
	}
	return offers
}

func (l *Link) applyTrust(ctx context.Context, bundle []byte) error {
	if err := l.Desired.ApplyTrust(bundle); err != nil {
		return err
	}
	return l.TrustChanged(ctx)
}

// TrustChanged has roster and sets looked at anew after the bundle changed, and leaves connections behind on which central was recognised by a
// key that the bundle in force may not name. Whoever changes the bundle otherwise than by the line calls it.
func (l *Link) TrustChanged(ctx context.Context) error {
	l.Client.Close()
	if l.Rosters != nil {
		l.Rosters.Review()
	}
	return l.Sets.Trust(ctx)
}

func (l *Link) settle(ctx context.Context, verdicts []byte) (fresh int, err error) {
	came, err := l.Desired.ApplyVerdicts(ctx, verdicts)
	if err == nil {
		l.Watch.Settled(ctx, came)
	}
	return len(came), err
}

// applyAck also sees to it that what a restored central lacks is sent again.
func (l *Link) applyAck(ctx context.Context, msg []byte) error {
	before, err := l.Journal.Waiting(ctx)
	if err != nil {
		return err
	}
	if err := l.acknowledge(ctx, msg); err != nil {
		return err
	}
	after, err := l.Journal.Waiting(ctx)
	if after > before {
		l.Wake()
	}
	return err
}

// named hands on what was waited for, and reports whether that was anything.
func (l *Link) named(ctx context.Context, subjects []wire.Subject) bool {
	l.mu.Lock()
	subjects = slices.DeleteFunc(subjects, func(s wire.Subject) bool { return !l.wanted.drop(s.Tap) })
	l.mu.Unlock()
	if len(subjects) == 0 {
		return false
	}
	l.Watch.Named(ctx, subjects)
	return true
}
