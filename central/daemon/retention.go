package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/backup"
	"kazashi.example/central/retention"
	"kazashi.example/central/store"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// retain makes what erases. The rules in force are the configuration's.
func (d *Daemon) retain() error {
	rules, err := d.conf.Rules()
	if err != nil {
		return err
	}
	d.eraser = retention.New(retention.Config{
		Store: d.db, Rows: d.keys.Rows, People: d.people, Rules: rules, Every: time.Duration(*d.conf.Retention.Every),
		Now: d.now, Signed: d.signed, Erased: d.erased, Log: d.log,
	})
	return nil
}

// signed is the newest time that an authority signed; zero for none.
func (d *Daemon) signed() time.Time {
	lists := map[certid.Scope]time.Time{}
	for _, of := range d.status.store.Scopes() {
		if h, err := d.status.store.Head(of); err == nil { // else there is no set yet
			lists[of] = h.At()
		}
	}
	return newest(lists)
}

// newest is the newest time among lists: of the national authority's, where there are any, for a practice authority may sign what it likes.
func newest(lists map[certid.Scope]time.Time) (at time.Time) {
	national := false
	for of, signed := range lists {
		switch production := of.Hierarchy == certid.HierarchyProduction; {
		case production && !national:
			at, national = signed, true
		case production == national && signed.After(at):
			at = signed
		}
	}
	return at
}

// erased takes what was erased out of the files: of the database, and of the newest automatic backup.
func (d *Daemon) erased(ctx context.Context) {
	if err := d.db.Flush(ctx); err != nil {
		d.log.WarnContext(ctx, "what was erased still stands in the database's log, sealed, until it is written anew", slog.Any("error", err))
	}
	if time.Duration(*d.conf.Backup.Every) <= 0 {
		return
	}
	if _, err := d.keeper.Again(ctx); err != nil {
		d.log.ErrorContext(ctx, "the backup after erasing failed; the ones before hold what was erased", slog.Any("error", err))
	}
}

// Erase does a round now.
func (d *Daemon) Erase(ctx context.Context) (admin.Erased, error) {
	r, err := d.eraser.Erase(ctx)
	return admin.Erased{AsOf: r.AsOf, Records: r.Records, Attributes: r.Attributes, Damaged: r.Damaged}, err
}

// Retention says what is kept of each service that there is or was.
func (d *Daemon) Retention(ctx context.Context) (out admin.Retention, err error) {
	var holdings []store.Holding
	var last store.RetentionRound
	err = d.db.View(ctx, func(tx store.Tx) (err error) {
		if holdings, err = tx.Holdings(); err != nil {
			return err
		}
		last, err = tx.RetentionRound()
		return err
	})
	if err != nil {
		return out, fmt.Errorf("counting what is kept: %w", err)
	}
	rules, err := d.conf.Rules()
	if err != nil {
		return out, err
	}
	out = admin.Retention{Round: last.At, AsOf: last.AsOf, Erased: last.Last, Records: last.Count, Services: retained(rules, holdings)}
	out.Backups, err = d.older(last.Last)
	return out, err
}

// older lists the backups made before something was erased.
func (d *Daemon) older(erased time.Time) ([]admin.OldBackup, error) {
	old := []admin.OldBackup{}
	if erased.IsZero() {
		return old, nil
	}
	all, err := backup.List(d.conf.Backup.Dir)
	for _, m := range all {
		if m.Made.Before(erased) {
			old = append(old, admin.OldBackup{Name: m.Name, Made: m.Made})
		}
	}
	return old, err
}

// retained joins what is demanded now with what is held.
func retained(rules []rule.Rule, holdings []store.Holding) []admin.Retained {
	all := []admin.Retained{}
	of := func(id record.ServiceID) *admin.Retained {
		i := slices.IndexFunc(all, func(r admin.Retained) bool { return r.Service == id })
		if i < 0 {
			all, i = append(all, admin.Retained{Service: id}), len(all)
		}
		return &all[i]
	}
	for _, r := range rules {
		s := of(r.Service)
		s.InForce, s.KeepRecords, s.KeepAttributes = true, r.Retention.Record, r.Retention.Attributes
	}
	for _, h := range holdings {
		s := of(h.Service)
		s.Records, s.Attributes, s.Erased, s.Oldest = h.Records, h.Attributes, h.Erased, h.Oldest
	}
	return all
}
