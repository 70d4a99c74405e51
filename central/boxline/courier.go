package boxline

import (
	"context"
	"fmt"

	"kazashi.example/central/intake"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Said is what a box said of itself by courier, or what is assumed of one that never did.
type Said struct {
	Poll wire.Poll    // without epochs and taps
	Ends []intake.End // of the epochs about which it wants to hear
}

// HearCourier takes up what a box said by courier, as from a poll: site keys that it made, what became of its orders, and the verdicts that it
// holds. Again is no error. What the box is told on its line does not change by it.
func (l *Line) HearCourier(ctx context.Context, b store.Box, p wire.Poll) error {
	p.Epochs, p.Subjects = nil, nil
	if err := bounded(p); err != nil {
		return err
	}
	if err := l.takeUp(ctx, b, p); err != nil {
		return err
	}
	if b.State == store.BoxRevoked {
		return nil
	}
	return l.holds(ctx, b, p)
}

// Assumed is what is assumed of a box that said nothing by courier: it has nothing but the verdicts that it said it holds by its line. It
// makes the site's first key if there is none.
func (l *Line) Assumed(ctx context.Context, b store.Box) (Said, error) {
	s := Said{Poll: wire.Poll{Locked: true}}
	if b.State != store.BoxRevoked && b.State != store.BoxReplaced {
		if err := l.takeMade(ctx, b, s.Poll); err != nil {
			return s, fmt.Errorf("making a site's key: %w", err)
		}
	}
	if b.HoldsEpoch > 0 {
		s.Poll.Verdicts.CentralEpoch, s.Poll.Verdicts.N = b.HoldsEpoch, b.Holds
	}
	return s, nil
}

// Lacks tells all that a box lacks which said that, as a row of answers of which each is whole by itself, and of which the one with the trust
// bundle comes first, because the others are verified against it. No pseudonym is among them: they go by the line alone. Nothing of the row
// is remembered, so that the line tells the box what it would have told it. A row is not as of one moment: what comes while it is made may
// be in it.
func (l *Line) Lacks(ctx context.Context, b store.Box, s Said, yield func(wire.Polled) error) error {
	r := row{Line: l, box: b, said: s, yield: yield}
	err := l.Store.View(ctx, func(tx store.Tx) (err error) {
		if r.central, err = tx.CentralEpoch(); err != nil {
			return err
		}
		if r.last, err = tx.LastVerdict(b.ID); err != nil || b.State != store.BoxReplaced {
			return err
		}
		by, err := tx.Replacement(b.ID)
		r.by = by.ID
		return err
	})
	if err != nil {
		return err
	}
	if !r.by.IsZero() {
		if err := r.tell(wire.Polled{}); err != nil {
			return err
		}
	}
	if b.State != store.BoxRevoked && b.State != store.BoxReplaced {
		if err := r.wanted(ctx); err != nil {
			return err
		}
		if err := r.verdicts(ctx); err != nil {
			return err
		}
	}
	if err := r.orders(ctx); err != nil {
		return err
	}
	if b.State == store.BoxRevoked {
		return nil
	}
	return r.acks(ctx)
}

// row is one row of answers on its way.
type row struct {
	*Line

	box     store.Box
	said    Said
	central uint64
	last    uint64       // number of the newest verdict when it began
	by      record.BoxID // who took the box's place; zero: nobody did
	yield   func(wire.Polled) error
}

func (r *row) tell(p wire.Polled) error {
	p.CentralEpoch, p.ReplacedBy = r.central, r.by
	return r.yield(p)
}

// wanted tells trust, rules, keys, and which sets and roster there are.
func (r *row) wanted(ctx context.Context) error {
	var out wire.Polled
	r.desired(ctx, &out, r.box, r.said.Poll)
	if out.Bundle != nil {
		if err := r.tell(wire.Polled{Bundle: out.Bundle}); err != nil {
			return err
		}
		out.Bundle = nil
	}
	g, due, err := r.grant(ctx, r.box, r.said.Poll)
	if err != nil {
		return fmt.Errorf("granting the keys of site %s: %w", r.box.Site, err)
	}
	if due {
		if out.Grant, err = g.Sign(r.Sign); err != nil {
			return fmt.Errorf("signing a grant: %w", err)
		}
	}
	if out.RosterOffer, err = r.newerRoster(ctx, r.box, r.said.Poll); err != nil {
		return fmt.Errorf("looking for the roster of site %s: %w", r.box.Site, err)
	}
	out.Sets, _ = r.lackedSets(r.said.Poll)
	if out.Rules == nil && out.Grant == nil && out.Sets == nil && out.RosterOffer.Version.N == 0 {
		return nil
	}
	return r.tell(out)
}

// orders tells those that are open.
func (r *row) orders(ctx context.Context) error {
	open, err := r.Line.orders(ctx, r.box, r.said.Poll)
	if err != nil || len(open) == 0 {
		return err
	}
	return r.tell(wire.Polled{Orders: open})
}

// verdicts tells those after the last that the box holds, without a gap.
func (r *row) verdicts(ctx context.Context) error {
	after := uint64(0)
	if r.said.Poll.Verdicts.CentralEpoch == r.central {
		after = r.said.Poll.Verdicts.N
	}
	for after < r.last {
		v := wire.Verdicts{Box: r.box.ID, After: after}
		err := r.Store.View(ctx, func(tx store.Tx) (err error) {
			v.Verdicts, err = tx.VerdictsAfter(r.box.ID, after, wire.MaxVerdicts)
			return err
		})
		if err != nil || len(v.Verdicts) == 0 {
			return err
		}
		after += uint64(len(v.Verdicts))
		v.Version.CentralEpoch, v.Version.N = r.central, after
		msg, err := v.Sign(r.Sign)
		if err != nil {
			return fmt.Errorf("signing verdicts: %w", err)
		}
		if err := r.tell(wire.Polled{Verdicts: msg}); err != nil {
			return err
		}
	}
	return nil
}

// acks tells what is here of each epoch about which the box wants to hear. One that believes acknowledgements from before central was
// restored hears of that in any case.
func (r *row) acks(ctx context.Context) error {
	told := false
	err := r.Acks.About(ctx, r.box.ID, r.said.Ends, func(message []byte) error {
		told = true
		return r.tell(wire.Polled{Ack: message})
	})
	if err != nil || told || !before(r.said.Poll.Acks, r.central) {
		return err
	}
	message, err := r.Acks.Bare(ctx, r.box.ID)
	if err != nil {
		return err
	}
	return r.tell(wire.Polled{Ack: message})
}

// CountVerdicts is how many verdicts a box lacks that said that.
func (l *Line) CountVerdicts(ctx context.Context, id record.BoxID, s Said) (n uint64, err error) {
	err = l.Store.View(ctx, func(tx store.Tx) error {
		central, err := tx.CentralEpoch()
		if err != nil {
			return err
		}
		if n, err = tx.LastVerdict(id); err == nil && s.Poll.Verdicts.CentralEpoch == central {
			n -= min(n, s.Poll.Verdicts.N)
		}
		return err
	})
	return n, err
}
