package tap

import (
	"context"
	"fmt"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/appliance/sitebook"
	"kazashi.example/localapi"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/gate"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Unlink takes a number back in the name of whoever is signed in, without the card of the person. It leaves a record like a tap, and
// nobody is told before that is durable. Errors: localapi.ErrDeskForm; ErrNextNotServed without a rule for the service; ErrNobody; ErrUnknown if the
// number is nobody's; ErrLocked; or what the disk said, with which the number stays.
func (c *Counter) Unlink(ctx context.Context, u localapi.Unlink) error {
	if err := u.Check(); err != nil {
		return err
	}
	number, err := localapi.CanonNumber(u.Number)
	if err != nil {
		return fmt.Errorf("%w: %w", localapi.ErrDeskForm, err)
	}
	u.Number = number
	r, set, ok := c.Rules.For(u.Service)
	if !ok {
		return localapi.ErrNextNotServed
	}
	staff, ok := c.Staff.SignedIn()
	if !ok {
		return localapi.ErrNobody
	}
	who, ok, err := c.People.ByNumber(ctx, u.Service, u.Number)
	if err != nil {
		return fmt.Errorf("looking up a number: %w", err)
	}
	if !ok {
		return fmt.Errorf("taking a number back: %w", localapi.ErrUnknown)
	}
	b := takeBack{Unlink: u, tap: record.NewTapID(), rule: r, set: set, staff: record.StaffID(staff.ID)}
	b.now, b.confidence = c.Clock.Now()
	b.now = b.now.Truncate(time.Millisecond)
	return c.takeBack(context.WithoutCancel(ctx), b, who)
}

// takeBack is a number that staff take back.
type takeBack struct {
	localapi.Unlink

	tap        record.TapID
	now        time.Time
	confidence record.Confidence
	rule       rule.Rule
	set        rule.Version
	staff      record.StaffID
}

func (c *Counter) takeBack(ctx context.Context, b takeBack, who sitebook.Person) error {
	d := gate.Decide(gate.Input{
		Rule: b.rule, Ruled: true, Cardless: true, Staffed: true, Clock: gate.Clock{Now: b.now, Confidence: b.confidence},
	})
	err := c.Book.Write(ctx, sitebook.Visit{Tap: b.tap, At: b.now, Service: b.Service, Person: who, Staff: b.staff, Unlink: b.Number})
	if err != nil {
		return fmt.Errorf("taking a number back: %w", err)
	}
	shown := journal.Clear{
		Tap: b.tap, Time: b.now, Desk: c.Desk, Service: b.Service, Verdict: d.Verdict, Reason: d.Reason, Code: localapi.SpokenCode(b.tap),
	}
	id, err := c.append(ctx, c.cardless(b, d), shown)
	if err != nil {
		c.Book.Doubt(b.tap)
		return fmt.Errorf("taking a number back: %w", err)
	}
	c.Book.Confirm(b.tap)
	c.publish(localapi.Event{
		Type: localapi.EventVerdict, Tap: shownTap(shown, id), Link: &localapi.Linked{Unlink: true, Done: true},
		Rests: &localapi.Rests{Basis: b.rule.Basis, Rule: b.set.N, Confidence: b.confidence},
	})
	return nil
}

// cardless is the record: of a card it has nothing.
func (c *Counter) cardless(b takeBack, d gate.Decision) content.Record {
	return content.New(content.Record{
		Tap: b.tap, Time: b.now.UnixMilli(), Service: b.Service, Desk: c.Desk, Basis: b.rule.Basis, Purpose: certid.PurposeAuth,
		Said:  content.Said{Verdict: d.Verdict, Reason: d.Reason, Rule: b.set, Clock: b.confidence},
		Staff: b.staff, Link: &content.Link{Number: b.Number, Unlink: true},
	})
}
