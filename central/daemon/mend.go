package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/central/admin"
	"kazashi.example/central/opener"
	"kazashi.example/central/person"
	"kazashi.example/central/renewal"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
)

// maxListed bounds a list of conflicts or acts.
const maxListed = 1000

// Conflicts lists those that nobody settled.
func (d *Daemon) Conflicts(ctx context.Context) ([]admin.Conflict, error) {
	var all []store.Conflict
	if err := d.db.View(ctx, func(tx store.Tx) (err error) { all, err = tx.Conflicts(maxListed); return err }); err != nil {
		return nil, fmt.Errorf("listing conflicts: %w", err)
	}
	out := make([]admin.Conflict, 0, len(all))
	for _, c := range all {
		out = append(out, admin.Conflict{Kind: string(c.Kind), Verifier: c.Verifier, Person: c.Person, Other: c.Other, At: c.At})
	}
	return out, nil
}

// Acts lists what operators did to people and renewals, newest first.
func (d *Daemon) Acts(ctx context.Context) ([]admin.Act, error) {
	var all []store.Act
	if err := d.db.View(ctx, func(tx store.Tx) (err error) { all, err = tx.Acts(maxListed); return err }); err != nil {
		return nil, fmt.Errorf("listing acts: %w", err)
	}
	out := make([]admin.Act, 0, len(all))
	for _, a := range all {
		out = append(out, admin.Act{What: a.What, Detail: a.Detail, At: a.At})
	}
	return out, nil
}

// Merge makes one person of two.
func (d *Daemon) Merge(ctx context.Context, q admin.Merge) (admin.Mended, error) {
	reseal := func(s store.Subject, to int64) ([]byte, error) { return opener.Reseal(d.keys.Rows, s, to) }
	return d.mend(ctx, "merge", func(tx store.Tx) (person.Mended, error) {
		return d.people.Merge(tx, q.Person, q.Other, q.Keep, reseal, d.now())
	})
}

// Withdraw takes a renewal back.
func (d *Daemon) Withdraw(ctx context.Context, q admin.Pair) (admin.Mended, error) {
	older, errOld := renewal.ParseSerial(q.Old)
	newer, errNew := renewal.ParseSerial(q.New)
	if err := errors.Join(errOld, errNew); err != nil {
		return admin.Mended{}, &admin.Refused{Err: err}
	}
	h, err := certid.ParseHierarchy(d.conf.Renewals.Hierarchy)
	if err != nil {
		return admin.Mended{}, &admin.Refused{Err: errors.New("renewals are not configured here")}
	}
	scope := certid.Scope{Hierarchy: h, Purpose: certid.PurposeAuth}
	r := person.Renewal{Old: certid.CertID{Scope: scope, Serial: older}, New: certid.CertID{Scope: scope, Serial: newer}}
	return d.mend(ctx, "withdraw", func(tx store.Tx) (person.Mended, error) {
		return d.people.Withdraw(tx, r, d.now())
	})
}

// mend does one step, durable with its report, and rings for the boxes whose roster changed.
func (d *Daemon) mend(ctx context.Context, what string, do func(store.Tx) (person.Mended, error)) (admin.Mended, error) {
	var m person.Mended
	err := d.db.Update(ctx, func(tx store.Tx) (err error) { m, err = do(tx); return err })
	for _, known := range []error{person.ErrStranger, person.ErrVerifiers, person.ErrPPIDs, person.ErrNoRenewal} {
		if errors.Is(err, known) {
			return admin.Mended{}, &admin.Refused{Err: err}
		}
	}
	if err != nil {
		return admin.Mended{}, err
	}
	d.log.InfoContext(ctx, "an operator put right who is who", slog.String("what", what), slog.Int64("kept", m.Kept), slog.Int64("gone", m.Gone), slog.Int("certificates", m.Cut),
		slog.Int("enrolments", m.Enrolments))
	d.bells.RingAll() // rosters may have changed anywhere
	return admin.Mended{Kept: m.Kept, Gone: m.Gone, Moved: m.Moved, Ended: m.Ended, Certificates: m.Cut, Enrolments: m.Enrolments}, nil
}
