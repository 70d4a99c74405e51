package sitebook

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Correction is what was said at the counter of a tap, and what central said in the end.
type Correction struct {
	Tap     record.TapID
	Time    time.Time // of the tap
	Desk    record.DeskID
	Service record.ServiceID
	First   localapi.Outcome
	Final   localapi.Outcome
	Settled time.Time // when central decided
}

// Correct takes final verdicts, the last word of each tap. What was enrolled, linked or taken back by a tap that central refused never was; a
// verdict that is to be looked at (localapi.Outcome.LooksAgain) goes on the work list, or changes there: one that is taken back leaves it, unless
// somebody has acted on it. The same verdict again changes nothing, nor does another reason for the same refusal, but for a hold: that it was
// lifted is to be looked at once more; and where that is taken back before anybody ticked it off, the list says what it would without it.
// upTo is the version up to which all final verdicts were handed in now; Corrected gives it back, so that whoever keeps the verdicts sees after a
// crash that some are to be handed in again. It needs no keys: a work list holds words of verdicts only.
func (b *Book) Correct(ctx context.Context, finals []Correction, upTo rule.Version) error {
	if upTo.CentralEpoch > math.MaxInt64 || upTo.N > math.MaxInt64 {
		return fmt.Errorf("%w: version of verdicts", ErrVisit)
	}
	b.write.Lock()
	defer b.write.Unlock()
	if b.closed {
		return ErrClosed
	}
	err := b.st.transact(ctx, func(tx *sql.Tx) error {
		for _, c := range finals {
			if err := correct(ctx, tx, c); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `UPDATE meta SET verdicts_epoch = ?, verdicts = ?`, int64(upTo.CentralEpoch), int64(upTo.N)) //nolint:gosec // checked above
		return err
	})
	if err != nil {
		return fmt.Errorf("noting final verdicts: %w", err)
	}
	return nil
}

// Corrected is the version up to which final verdicts were handed in; zero before the first. Where it differs from that of the verdicts
// held, those of every tap that is still listed are to be handed in again.
func (b *Book) Corrected(ctx context.Context) (v rule.Version, err error) {
	var epoch, n int64
	if err := b.store().r.QueryRowContext(ctx, `SELECT verdicts_epoch, verdicts FROM meta`).Scan(&epoch, &n); err != nil {
		return v, fmt.Errorf("reading up to where verdicts were noted: %w", err)
	}
	return rule.Version{CentralEpoch: uint64(epoch), N: uint64(n)}, nil //nolint:gosec // as it was written
}

func correct(ctx context.Context, tx *sql.Tx, c Correction) error {
	if c.Final.Verdict == record.VerdictRefused {
		list, err := all(ctx, tx, selectEntry+`WHERE e.tap = ? AND e.kind IN (?, ?, ?)`, c.Tap.ID128[:],
			int64(kindEnrolment), int64(kindLink), int64(kindUnlink))
		if err != nil {
			return err
		}
		if err := remove(ctx, tx, list); err != nil {
			return err
		}
	}
	var was localapi.Outcome
	var done bool
	err := tx.QueryRowContext(ctx, `SELECT final_verdict, final_reason, done FROM work WHERE tap = ?`, c.Tap.ID128[:]).Scan(&was.Verdict, &was.Reason, &done)
	differs := c.First.LooksAgain(c.Final)
	switch {
	case err != nil && !errors.Is(err, sql.ErrNoRows):
		return err
	case err != nil && !differs:
		return nil
	case err == nil && was.Verdict == c.Final.Verdict && !otherHold(was.Reason, c.Final.Reason, done):
		return nil
	case err == nil && !differs && !done:
		_, err := tx.ExecContext(ctx, `DELETE FROM work WHERE tap = ?`, c.Tap.ID128[:])
		return err
	}
	_, err = tx.ExecContext(ctx, `INSERT OR REPLACE INTO work (tap, at, desk, service, first_verdict, first_reason, final_verdict, final_reason, settled)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`, c.Tap.ID128[:], c.Time.UnixMilli(), string(c.Desk), string(c.Service),
		int64(c.First.Verdict), int64(c.First.Reason), int64(c.Final.Verdict), int64(c.Final.Reason), c.Settled.UnixMilli())
	return err
}

// otherHold reports whether a refusal's other reason changes the list: that a hold was lifted, or, unless somebody has acted on that, that it was
// not, as a central says that was set back.
func otherHold(was, is record.Reason, done bool) bool {
	return was != is && (is == record.ReasonHoldLifted || was == record.ReasonHoldLifted && !done)
}

// Work lists corrected verdicts, the latest tap first; those that somebody has looked at only if all is set. By whom is shown while the site's
// keys are open.
func (b *Book) Work(ctx context.Context, all bool) ([]localapi.WorkItem, error) {
	rows, err := b.store().r.QueryContext(ctx, `SELECT tap, at, desk, service, first_verdict, first_reason, final_verdict, final_reason, done
		FROM work WHERE done = 0 OR ? ORDER BY at DESC, tap`, all)
	if err != nil {
		return nil, fmt.Errorf("reading the work list: %w", err)
	}
	defer rows.Close()
	list := []localapi.WorkItem{}
	for rows.Next() {
		var w localapi.WorkItem
		var tap []byte
		var at int64
		var done bool
		if err := rows.Scan(&tap, &at, &w.Desk, &w.Service, &w.First.Verdict, &w.First.Reason, &w.Final.Verdict, &w.Final.Reason, &done); err != nil {
			return nil, fmt.Errorf("reading the work list: %w", err)
		}
		if len(tap) != len(w.Tap.ID128) {
			return nil, fmt.Errorf("reading the work list: %w", errDamaged)
		}
		w.Tap.ID128, w.Time = [16]byte(tap), time.UnixMilli(at).UTC()
		w.Spoken = localapi.SpokenCode(w.Tap)
		w.First.Reason, w.Final.Reason = w.First.Reason.OrLater(), w.Final.Reason.OrLater()
		if done {
			w.Done = b.doneBy(ctx, w.Tap)
		}
		list = append(list, w)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the work list: %w", err)
	}
	return list, nil
}

// doneBy is who looked at a correction last; without a name while the keys are locked.
func (b *Book) doneBy(ctx context.Context, tap record.TapID) *localapi.WorkDone {
	r, err := b.ring()
	if err != nil {
		return &localapi.WorkDone{}
	}
	ticks, err := all(ctx, b.store().r, selectEntry+`WHERE e.tap = ? AND e.kind = ? ORDER BY e.id DESC LIMIT 1`, tap.ID128[:], int64(kindTick))
	if err != nil || len(ticks) == 0 || !r.opens(ticks[0]) {
		return &localapi.WorkDone{}
	}
	return &localapi.WorkDone{By: string(ticks[0].row.Staff), At: time.UnixMilli(ticks[0].at).UTC()}
}

// Tick notes that whoever is signed in has looked at a correction. localapi.ErrNobody, ErrNoStaff if nobody
// could be, ErrUnknown, ErrLocked.
func (b *Book) Tick(ctx context.Context, tap record.TapID) error {
	b.write.Lock()
	defer b.write.Unlock()
	r, err := b.sealing()
	if err != nil {
		return err
	}
	staff, ok := b.SignedIn()
	if !ok {
		return b.nobody(ctx)
	}
	e := &entry{kind: kindTick, tap: tap, at: b.o.Now().UnixMilli(), row: row{Staff: record.StaffID(staff.ID)}}
	if err := r.seal(e); err != nil {
		return fmt.Errorf("ticking off a correction: %w", err)
	}
	err = b.add(ctx, []*entry{e}, func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, `UPDATE work SET done = 1 WHERE tap = ?`, tap.ID128[:])
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, localapi.ErrUnknown)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("ticking off a correction: %w", err)
	}
	return nil
}
