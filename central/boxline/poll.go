package boxline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"kazashi.example/central/intake"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/uplink"
	"kazashi.example/sync/wire"
)

// Poll answers with what the box lacks, and waits up to p.Wait seconds if it lacks nothing.
func (l *Line) Poll(ctx context.Context, device sign.PublicKey, p wire.Poll) (wire.Polled, error) {
	if err := bounded(p); err != nil {
		return wire.Polled{}, err
	}
	b, err := l.box(ctx, device)
	if err != nil {
		return wire.Polled{}, err
	}
	if b.State == store.BoxRevoked {
		return l.parting(ctx, b, p)
	}
	if err := l.takeUp(ctx, b, p); err != nil {
		return wire.Polled{}, err
	}
	timer := time.NewTimer(time.Duration(min(p.Wait, wire.MaxWait)) * time.Second)
	defer timer.Stop()
	for last := p.Wait == 0; ; {
		b, err := l.serving(ctx, device)
		if err != nil {
			return wire.Polled{}, err
		}
		bell := l.Bells.Box(b.ID)
		answer, news, err := l.answer(ctx, b, p)
		if err != nil || news || last {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return wire.Polled{}, ctx.Err()
		case <-timer.C:
			last = true
		case <-bell:
		}
	}
}

// bounded refuses a poll with more of anything than wire has room for.
func bounded(p wire.Poll) error {
	if len(p.Epochs) > wire.MaxEpochs || len(p.Subjects) > wire.MaxSubjects || len(p.Sets) > wire.MaxOffers {
		return &uplink.Refusal{
			Code: wire.CodeBadMessage, Message: "a poll asks about at most 256 epochs and 256 taps, and names 16 revocation sets",
		}
	}
	if len(p.Made) > wire.MaxMade || len(p.Done) > wire.MaxDone {
		return &uplink.Refusal{Code: wire.CodeBadMessage, Message: "a poll brings at most 8 site keys and 4 outcomes of orders"}
	}
	return nil
}

// lacking is what the store holds for a box.
type lacking struct {
	central  uint64
	after    uint64 // number before the first verdict
	verdicts []wire.Verdict
	digests  map[record.EpochID]intake.Digest
	subjects []wire.Subject
}

// answer puts together what the box lacks now, and reports whether there is anything.
func (l *Line) answer(ctx context.Context, b store.Box, p wire.Poll) (wire.Polled, bool, error) {
	if err := l.hear(ctx, b, p); err != nil {
		return wire.Polled{}, false, err
	}
	if b.State == store.BoxReplaced {
		return l.replaced(ctx, b, p)
	}
	lack, err := l.look(ctx, b, p)
	if err != nil {
		return wire.Polled{}, false, fmt.Errorf("looking for what box %s lacks: %w", b.ID, err)
	}
	out := wire.Polled{CentralEpoch: lack.central, Subjects: lack.subjects, Time: l.Now().UnixMilli()}
	if len(lack.verdicts) > 0 {
		v := wire.Verdicts{Box: b.ID, After: lack.after, Verdicts: lack.verdicts}
		v.Version.CentralEpoch, v.Version.N = lack.central, lack.after+uint64(len(lack.verdicts))
		if out.Verdicts, err = v.Sign(l.Sign); err != nil {
			return wire.Polled{}, false, fmt.Errorf("signing verdicts: %w", err)
		}
	}
	if l.changed(b.ID, lack.digests) || before(p.Acks, lack.central) {
		held, err := l.Acks.For(ctx, b.ID, p.Epochs)
		if err != nil {
			return wire.Polled{}, false, err
		}
		out.Ack = held.Message
		l.with(b.ID, func(p *peer) { p.told.learn(held) })
	}
	if out.Grant, err = l.granted(ctx, b, p); err != nil {
		// The box goes on with the keys that it has.
		l.Log.ErrorContext(ctx, "a site's keys cannot be granted", slog.String("site", string(b.Site)), slog.Any("error", err))
	}
	if out.Orders, err = l.orders(ctx, b, p); err != nil {
		return wire.Polled{}, false, err
	}
	if out.RosterOffer, err = l.rosterOffer(ctx, b, p); err != nil {
		// The box goes on with the people that it has.
		l.Log.ErrorContext(ctx, "a site's roster cannot be offered", slog.String("site", string(b.Site)), slog.Any("error", err))
	}
	l.desired(ctx, &out, b, p)
	out.Sets = l.offers(b.ID, p)
	news := out.Ack != nil || out.Verdicts != nil || out.Rules != nil || out.Bundle != nil || out.Subjects != nil ||
		out.Sets != nil || out.Grant != nil || out.Orders != nil ||
		out.RosterOffer.Version.N > 0
	return out, news, nil
}

// hear notes what the poll says of the box: which verdicts it holds durably settles their records, and an acknowledgement
// that is not the last one sent means that one was lost on the way.
func (l *Line) hear(ctx context.Context, b store.Box, p wire.Poll) error {
	l.with(b.ID, func(h *peer) {
		h.Seen, h.Clock, h.Waiting, h.Release = l.Now(), time.UnixMilli(p.Time).UTC(), p.Waiting, p.Release
		if h.told.version != p.Acks {
			h.told = told{}
		}
	})
	return l.holds(ctx, b, p)
}

// holds notes up to which verdict the box says that it holds them durably.
func (l *Line) holds(ctx context.Context, b store.Box, p wire.Poll) error {
	if p.Verdicts.N <= b.Holds {
		return nil
	}
	return l.Store.Update(ctx, func(tx store.Tx) error {
		central, err := tx.CentralEpoch()
		if err != nil {
			return err
		}
		last, err := tx.LastVerdict(b.ID)
		if err != nil || p.Verdicts.CentralEpoch < central {
			return err // numbers of an earlier central: sent again
		}
		if p.Verdicts.CentralEpoch > central || p.Verdicts.N > last {
			l.Log.ErrorContext(ctx, "a box holds verdicts that central never gave: was the database set back without `restore`?",
				slog.String("box", b.ID.String()), slog.Uint64("held", p.Verdicts.N), slog.Uint64("given", last))
			return nil
		}
		return tx.SetBoxHolds(b.ID, p.Verdicts.N)
	})
}

// before reports whether a box believes acknowledgements from before central was restored. It must hear of the restore even
// if central now holds nothing that it asks about: until then it takes for delivered what central has lost.
func before(held rule.Version, central uint64) bool {
	return held.CentralEpoch != 0 && held.CentralEpoch < central
}

func (l *Line) look(ctx context.Context, b store.Box, p wire.Poll) (lack lacking, err error) {
	err = l.Store.View(ctx, func(tx store.Tx) error {
		if lack.central, err = tx.CentralEpoch(); err != nil {
			return err
		}
		if p.Verdicts.CentralEpoch == lack.central {
			lack.after = p.Verdicts.N
		}
		if lack.verdicts, err = tx.VerdictsAfter(b.ID, lack.after, wire.MaxVerdicts); err != nil {
			return err
		}
		if lack.digests, err = l.Acks.Digests(tx, b.ID, p.Epochs); err != nil {
			return err
		}
		lack.subjects, err = l.subjects(tx, b, p.Subjects)
		return err
	})
	return lack, err
}

// changed reports whether any epoch stands otherwise than the box was last told.
func (l *Line) changed(id record.BoxID, now map[record.EpochID]intake.Digest) (news bool) {
	l.with(id, func(p *peer) {
		for e, d := range now {
			news = news || p.told.epochs[e] != d
		}
	})
	return news
}

// subjects opens the pseudonyms of the box's own taps that are safe.
func (l *Line) subjects(tx store.Tx, b store.Box, taps []record.TapID) (all []wire.Subject, err error) {
	if len(taps) == 0 {
		return nil, nil
	}
	safe, err := tx.Safe()
	if err != nil {
		return nil, err
	}
	for _, tap := range taps {
		s, err := tx.SubjectOfTap(b.ID, tap)
		if errors.Is(err, store.ErrNone) || err == nil && s.Row > safe.Subject {
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := opener.PPID(l.Rows, s)
		if err != nil {
			return nil, err
		}
		all = append(all, wire.Subject{Tap: tap, PPID: p.Reveal()})
	}
	return all, nil
}

// desired adds rules of the box's site and trust that are newer than the box's. Rules that cannot be signed keep nothing else from it.
func (l *Line) desired(ctx context.Context, out *wire.Polled, b store.Box, p wire.Poll) {
	v, signed, err := l.Desired.Rules(b.Site)
	if err != nil {
		l.Log.ErrorContext(ctx, "a site's rules cannot be signed; its boxes go on with what they have", slog.String("site", string(b.Site)),
			slog.Any("error", err))
	} else if v.Compare(p.Rules) > 0 {
		out.Rules = signed
	}
	if n, b := l.Desired.Bundle(); n > p.Trust {
		out.Bundle = b
	}
}
