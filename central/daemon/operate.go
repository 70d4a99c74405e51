package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/backup"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

var _ admin.Watched = (*Daemon)(nil)

// Status counts anew.
func (d *Daemon) Status(ctx context.Context) (admin.Status, error) { return d.tally.fresh(ctx) }

// Recent is the last count, made anew when it is older than recentFor.
func (d *Daemon) Recent(ctx context.Context) (admin.Status, error) { return d.tally.recent(ctx) }

// Healthy reads one row.
func (d *Daemon) Healthy(ctx context.Context) error {
	return d.db.View(ctx, func(tx store.Tx) error { _, err := tx.CentralEpoch(); return err })
}

func (d *Daemon) count(ctx context.Context) (admin.Status, error) {
	s := admin.Status{Release: d.release, Started: d.started.UTC()}
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		if s.CentralEpoch, err = tx.CentralEpoch(); err != nil {
			return err
		}
		n, err := tx.Counts()
		s.Boxes, s.Quarantined, s.Waiting, s.SetAside = n.Boxes, n.Quarantined, n.Ready+n.Held-n.Awaiting, n.Aside
		s.Records, s.Settled, s.Corrected, s.Persons, s.Reports = n.Records, n.Settled, n.Corrected, n.Persons, n.Reports
		s.Awaiting = n.Awaiting
		s.Gaps, s.Enrolments, s.Renewals, s.Conflicts = n.Gaps, n.Enrolments, n.Renewals, n.Conflicts
		s.Proved = admin.Proved{PIN: n.ProvedPIN, Card: n.ProvedCard, CardBound: n.ProvedCardBound, Certificate: n.ProvedCertificate}
		if err != nil {
			return err
		}
		s.Erased, s.Attested = n.Erased, n.Attested
		round, err := tx.RetentionRound()
		if err != nil {
			return err
		}
		s.RetentionAsOf = round.AsOf
		asked, err := tx.RenewalsAsked()
		s.RenewalsAsked = asked.At
		return err
	})
	return s, err
}

// Boxes lists every box with what was last heard of it.
func (d *Daemon) Boxes(ctx context.Context) ([]admin.Box, error) {
	boxes, err := d.registry.Boxes(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]admin.Box, 0, len(boxes))
	for _, b := range boxes {
		box, err := d.box(ctx, b)
		if err != nil {
			return nil, err
		}
		all = append(all, box)
	}
	return all, nil
}

func (d *Daemon) box(ctx context.Context, b store.Box) (admin.Box, error) {
	peer := d.line.Peer(b.ID)
	reports, err := d.registry.Reports(ctx, b.ID)
	if err != nil {
		return admin.Box{}, err
	}
	stick, err := d.byStick(ctx, b.ID)
	var by store.Box
	if err == nil && b.State != store.BoxActive {
		if by, err = d.registry.Replacement(ctx, b.ID); errors.Is(err, registry.ErrUnknown) {
			err = nil
		}
	}
	return admin.Box{
		ID: b.ID, Site: b.Site, Name: b.Name, State: b.State.String(), Joined: b.Joined, Release: b.Release,
		Seen: peer.Seen, Stick: stick, Waiting: peer.Waiting, Reports: shown(reports), Withheld: b.Withheld,
		Replaces: idOf(b.Replaces), ReplacedBy: idOf(by.ID),
	}, err
}

// idOf is an id as text; empty for none.
func idOf(id record.BoxID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

// gapsTimeout bounds one look for gaps, which reads what is held of every epoch of the box.
const gapsTimeout = 20 * time.Second

// Box is one box with what is missing of it. One look for gaps is under way at a time.
func (d *Daemon) Box(ctx context.Context, id record.BoxID) (out admin.Detail, err error) {
	b, err := d.registry.Box(ctx, id)
	if errors.Is(err, registry.ErrUnknown) {
		err = &admin.Refused{Err: err}
	}
	if err != nil {
		return out, err
	}
	if out.Box, err = d.box(ctx, b); err != nil {
		return out, err
	}
	if out.Orders, err = d.orders(ctx, id); err != nil {
		return out, err
	}
	if err := d.untold(ctx, b, &out); err != nil {
		return out, err
	}
	ctx, cancel := context.WithTimeout(ctx, gapsTimeout)
	defer cancel()
	done, err := d.look.take(ctx)
	if err != nil {
		return out, fmt.Errorf("waiting for a turn to look for gaps: %w", err)
	}
	defer done()
	gaps, err := d.registry.Gaps(ctx, id)
	out.Gaps, out.MoreGaps = make([]admin.Gap, 0, len(gaps)), len(gaps) == registry.MaxGaps
	for _, g := range gaps {
		out.Gaps = append(out.Gaps, admin.Gap{
			Epoch: g.Epoch.String(), First: uint64(g.First), Last: uint64(g.Last), HeaderMissing: g.HeaderMissing,
		})
	}
	return out, err
}

func shown(reports []store.Report) []admin.Report {
	out := make([]admin.Report, 0, len(reports))
	for _, r := range reports {
		other := ""
		if !r.Other.IsZero() {
			other = r.Other.String()
		}
		out = append(out, admin.Report{Kind: string(r.Kind), Reason: r.Reason, Epoch: r.Epoch.String(), Other: other, Seq: uint64(r.Seq), At: r.At})
	}
	return out
}

// MaxCodeHours is the longest life of a join code: a week, for a box that travels.
const MaxCodeHours = 7 * 24

// NewCode makes a join code.
func (d *Daemon) NewCode(ctx context.Context, c admin.Code) (admin.NewCode, error) {
	if err := record.CheckName(c.Site); err != nil {
		return admin.NewCode{}, &admin.Refused{Err: fmt.Errorf("site: %w", err)}
	}
	ttl, err := lasting(c.Name, c.Hours)
	if err != nil {
		return admin.NewCode{}, err
	}
	code, err := d.registry.NewCode(ctx, c.Site, c.Name, ttl)
	if errors.Is(err, registry.ErrName) {
		err = &admin.Refused{Err: err}
	}
	if err != nil {
		return admin.NewCode{}, err
	}
	return admin.NewCode{Code: code.Text(), Expires: d.now().Add(ttl).UTC()}, nil
}

// SetState puts a box into service, under suspicion, or out of service; or settles what is held of one that is out of service.
func (d *Daemon) SetState(ctx context.Context, id record.BoxID, state string) error {
	var err error
	switch state {
	case "active":
		err = d.registry.Reinstate(ctx, id)
	case "quarantined":
		err = d.registry.Quarantine(ctx, id)
	case "revoked":
		err = d.registry.Revoke(ctx, id)
	case "settled":
		err = d.registry.Settle(ctx, id)
	default:
		err = &admin.Refused{Err: errors.New("state is active, quarantined, revoked or settled")}
	}
	if errors.Is(err, registry.ErrUnknown) || errors.Is(err, registry.ErrReplaced) || errors.Is(err, registry.ErrServed) {
		return &admin.Refused{Err: err}
	}
	if err != nil {
		return err
	}
	d.log.InfoContext(ctx, "a box's state was changed", slog.String("box", id.String()), slog.String("state", state))
	d.bells.RingAll() // a held poll hears of it at once, and so do the others of the site, whose keys change with it
	return nil
}

// Backup makes a named backup.
func (d *Daemon) Backup(ctx context.Context, name string) (admin.Backup, error) {
	m, err := d.keeper.Make(ctx, name)
	if errors.Is(err, backup.ErrName) {
		err = &admin.Refused{Err: err}
	}
	if err != nil {
		return admin.Backup{}, err
	}
	return admin.Backup{Name: m.Name, File: filepath.Join(d.conf.Backup.Dir, m.Name+".json")}, nil
}
