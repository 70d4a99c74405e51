package courier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/appliance/link"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/wire"
)

// Import takes in every parcel on a stick that central made for this box, in rising order; what is no news changes nothing. One that was
// taken wholly goes off the stick at once, for site keys may be in it, and stolen with the box it would open them; and then parcels of this box
// whose records are all safe at central. What is at fault is listed in Summary and keeps nothing else out.
// Errors: courier.ErrNotStick, ErrNothing, courier.ErrGone, courier.ErrCrowded, ctx's; what was taken in by then stays.
func (c *Courier) Import(ctx context.Context, folder string, progress Progress) (sum Summary, err error) {
	c.working.Lock()
	defer c.working.Unlock()
	stick, err := courier.Find(folder)
	if err != nil {
		return sum, fmt.Errorf("opening the stick: %w", err)
	}
	defer func() { err = errors.Join(err, stick.Close()) }()
	names, err := stick.Parcels(courier.Down, c.Box)
	if err != nil {
		return sum, err
	}
	if len(names) == 0 {
		return sum, errors.Join(c.sweep(ctx, stick, &sum), ErrNothing)
	}
	for i, n := range names {
		tell(progress, i, len(names))
		news, err := c.take(ctx, stick, n, &sum)
		switch {
		case ctx.Err() != nil:
			return sum, ctx.Err()
		case errors.Is(err, courier.ErrGone):
			return sum, err
		case err != nil:
			sum.refuse(n, err)
			c.Log.WarnContext(ctx, "a parcel was not taken, or not wholly", slog.String("file", n.String()), slog.Any("error", err))
		}
		if news != (link.News{}) {
			sum.Files++
		} else if err == nil {
			sum.Known++
		}
		sum.add(news)
		if err == nil {
			if err := c.takeOff(ctx, stick, n, &sum); err != nil {
				return sum, err
			}
		}
	}
	tell(progress, len(names), len(names))
	return sum, c.sweep(ctx, stick, &sum)
}

func tell(p Progress, done, total int) {
	if p != nil {
		p(uint64(done), uint64(total)) //nolint:gosec // counts
	}
}

// takeOff takes a parcel off the stick that has served. On a stick that cannot be written to it stays.
func (c *Courier) takeOff(ctx context.Context, stick *courier.Stick, n courier.Name, sum *Summary) error {
	err := stick.Remove(n)
	if errors.Is(err, courier.ErrReadOnly) {
		c.Log.WarnContext(ctx, "a parcel that has served stays on a read-only stick", slog.String("file", n.String()))
		return nil
	}
	if err == nil {
		sum.Removed++
	}
	return err
}

// take takes one parcel in.
func (c *Courier) take(ctx context.Context, stick *courier.Stick, n courier.Name, sum *Summary) (news link.News, err error) {
	p, err := open(stick, n)
	if err != nil {
		return news, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	if err := p.Unseal(c.Sealing); err != nil {
		return news, err
	}
	trusted, err := c.believe(ctx, p)
	news.Trust = trusted
	if err != nil {
		return news, err
	}
	var faults []error
	for part, err := range p.Parts() {
		if err != nil {
			return news, errors.Join(append(faults, opened(err))...)
		}
		got, err := part.Polled()
		if err != nil {
			return news, errors.Join(append(faults, err)...)
		}
		got.Subjects = nil // never by a stick
		came, err := c.apply(ctx, got, stick, sum)
		news = joined(news, came)
		if errors.Is(err, courier.ErrGone) || ctx.Err() != nil {
			return news, err
		}
		faults = append(faults, err)
	}
	if p.Heard > 0 {
		faults = append(faults, c.heard(p.Heard))
	}
	return news, errors.Join(faults...)
}

// opened says of what does not open that it is another box's.
func opened(err error) error {
	if errors.Is(err, seal.ErrOpen) {
		return fmt.Errorf("%w: %w", courier.ErrOtherBox, err)
	}
	return err
}

// believe verifies who made a parcel. A box that was away for long may know no key of today's central: the trust bundle in the parcel, which
// proves itself by the root keys, then goes first.
func (c *Courier) believe(ctx context.Context, p *courier.Parcel) (trusted bool, err error) {
	_, unknown := p.Verify(c.Trust())
	if unknown == nil {
		return false, nil
	}
	for part, err := range p.Parts() {
		if err != nil {
			return false, opened(err)
		}
		got, err := part.Polled()
		if err != nil {
			return false, err
		}
		if len(got.Bundle) == 0 {
			continue
		}
		news, err := c.Link.Trusted(ctx, got.Bundle)
		if err != nil {
			return false, errors.Join(unknown, err)
		}
		trusted = trusted || news // the same bundle may come in each part
	}
	if !trusted {
		return false, unknown
	}
	_, err = p.Verify(c.Trust())
	return trusted, err
}

// apply applies one part, and counts what central has more of by it.
func (c *Courier) apply(ctx context.Context, got wire.Polled, stick *courier.Stick, sum *Summary) (link.News, error) {
	waiting, unsafe, err := c.counts(ctx)
	if err != nil {
		return link.News{}, err
	}
	news, fault := c.Link.Import(ctx, got, stick)
	after, atRisk, err := c.counts(ctx)
	if err != nil {
		return news, errors.Join(fault, err)
	}
	sum.Records += waiting - min(waiting, after)
	sum.Safe += unsafe - min(unsafe, atRisk)
	return news, fault
}

func (c *Courier) counts(ctx context.Context) (waiting, unsafe uint64, err error) {
	if waiting, err = c.Journal.Waiting(ctx); err != nil {
		return 0, 0, err
	}
	unsafe, err = c.Journal.Unsafe(ctx)
	return waiting, unsafe, err
}

func joined(a, b link.News) link.News {
	return link.News{
		Trust: a.Trust || b.Trust, Rules: a.Rules || b.Rules, Keys: a.Keys || b.Keys, Orders: a.Orders || b.Orders,
		Sets: a.Sets || b.Sets, Roster: a.Roster || b.Roster, Verdicts: a.Verdicts + b.Verdicts,
	}
}

// sweep takes parcels of this box off the stick that central has safe. On a stick that cannot be written to they stay.
func (c *Courier) sweep(ctx context.Context, stick *courier.Stick, sum *Summary) error {
	names, err := stick.Parcels(courier.Up, c.Box)
	if err != nil {
		return err
	}
	for _, n := range names {
		p, err := c.judge(ctx, stick, n, false)
		if errors.Is(err, courier.ErrGone) || ctx.Err() != nil {
			return err
		}
		if err != nil || len(p.covers) == 0 || !c.safe(p.covers) {
			continue
		}
		if err := c.takeOff(ctx, stick, n, sum); err != nil {
			return err
		}
	}
	return nil
}
