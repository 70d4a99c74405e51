package tap

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// who is what is known at this site of whoever a certificate names.
type who struct {
	known  sitebook.Known
	closed gate.Enrolment // why nobody could be looked up: locked or unreadable; 0 if they could
	used   time.Time      // when the service served them last; zero: never, or nobody asked
	number string         // the service's own; empty: none
}

// linked is what became of a number that was to be linked or taken back.
type linked struct {
	link   *content.Link    // for the record
	result *localapi.Linked // for the counter
}

// laidFor reports whether the card was laid down for this.
func (t *taken) laidFor(k localapi.NextKind) bool { return t.next != nil && t.next.card.Kind == k }

// linking reports whether the card was laid down for a number.
func (t *taken) linking() bool { return t.laidFor(localapi.NextLink) || t.laidFor(localapi.NextUnlink) }

// counted says that the site remembers who used the service: to tell a second use, or who is present.
func (t *taken) counted() bool {
	return !t.linking() && (t.rule.SecondUse != rule.SecondUseCounts || t.rule.Basis == record.BasisDisasterIntake)
}

// lookUp finds what is known here of whoever the certificate names. Of an issuer that is not known here nobody can be known.
func (c *Counter) lookUp(ctx context.Context, t *taken) {
	if t.cert.Chain != jpki.ChainVerified {
		return
	}
	err := c.find(ctx, t)
	if err == nil {
		c.unreadable.Store(false)
		return
	}
	t.who = who{known: sitebook.Known{Person: sitebook.PersonOf(t.rule.Verifier, t.id(), record.TapID{})}, closed: c.cannotLookUp(ctx, err)}
}

// Unreadable reports whether the last look at roster and site book failed for another reason than a lock.
func (c *Counter) Unreadable() bool { return c.unreadable.Load() }

// cannotLookUp reports that a tap went on without site book and roster, and says whether a code could have opened them.
func (c *Counter) cannotLookUp(ctx context.Context, err error) gate.Enrolment {
	if errors.Is(err, localapi.ErrLocked) || c.Book.Locked() {
		c.Log.InfoContext(ctx, "nobody can be looked up", slog.Any("error", err))
		return gate.EnrolmentLocked
	}
	if ctx.Err() == nil { // a tap that was cut short says nothing of the disk
		c.unreadable.Store(true)
	}
	c.Log.ErrorContext(ctx, "nobody can be looked up", slog.Any("error", err))
	return gate.EnrolmentUnreadable
}

func (c *Counter) find(ctx context.Context, t *taken) (err error) {
	if t.known, err = c.People.Find(ctx, t.rule.Verifier, t.id()); err != nil {
		return err
	}
	if t.number, err = c.People.Number(ctx, c.Service, t.known); err != nil {
		return err
	}
	if t.counted() {
		t.used, err = c.People.Used(ctx, c.Service, t.known.Person, t.now.Add(t.rule.Within()))
	}
	return err
}

// enrolmentKnown is the gate's word for it.
func (t *taken) enrolmentKnown() gate.Enrolment {
	switch {
	case t.closed != 0:
		return t.closed
	case t.known.Source == sitebook.Central:
		return gate.EnrolmentCentral
	case t.known.Source == sitebook.Here:
		return gate.EnrolmentLocal
	default:
		return gate.EnrolmentNone
	}
}

// linkNumber links the number that was typed in, or takes the person's back, if the person was served.
func (c *Counter) linkNumber(ctx context.Context, t *taken) {
	if !t.linking() {
		return
	}
	t.result = &localapi.Linked{Unlink: t.laidFor(localapi.NextUnlink)}
	v := t.decision.Verdict
	if v != record.VerdictAccepted && v != record.VerdictProvisional || t.cert.Chain != jpki.ChainVerified {
		return // the verdict says why
	}
	switch {
	case t.closed != 0:
		t.result.Why = whyClosed(t.closed)
	case c.Book.Locked():
		t.result.Why = localapi.LinkLocked
	case t.result.Unlink && t.number == "":
		t.result.Why = localapi.LinkNone
	case t.result.Unlink:
		t.result.Done, t.link = true, &content.Link{Number: t.number, Unlink: true}
		t.number = ""
	default:
		c.linkTyped(ctx, t)
	}
}

func (c *Counter) linkTyped(ctx context.Context, t *taken) {
	number, err := localapi.CanonNumber(t.next.request.Number.Reveal())
	var owner sitebook.Person
	var owned bool
	if err == nil {
		owner, owned, err = c.People.ByNumber(ctx, c.Service, number)
	}
	switch {
	case err != nil:
		t.result.Why = whyClosed(c.cannotLookUp(ctx, err))
	case t.number == number:
		t.result.Done, t.result.Why = true, localapi.LinkAlready
	case owned && !owner.Same(t.known.Person):
		t.result.Why = localapi.LinkTaken
	case t.number != "":
		t.result.Why = localapi.LinkOther
	case t.known.Source == sitebook.Nowhere:
		t.result.Why = localapi.LinkNobody
	default:
		t.result.Done, t.link, t.number = true, &content.Link{Number: number}, number
	}
}

// whyClosed is why no number could be linked where nobody could be looked up.
func whyClosed(e gate.Enrolment) localapi.LinkFault {
	if e == gate.EnrolmentUnreadable {
		return localapi.LinkUnreadable
	}
	return localapi.LinkLocked
}
