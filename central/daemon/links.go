package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"kazashi.example/central/admin"
	"kazashi.example/central/links"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// errNoSector says that nobody is named at a service.
var errNoSector = errors.New("no such service, or one without a sector, whose people have no pseudonyms")

// ImportLinks takes links over, notes that, and rings for the boxes whose rosters change.
func (d *Daemon) ImportLinks(ctx context.Context, q admin.Import) (out admin.Imported, err error) {
	sector, ok := "", false
	for _, s := range d.conf.Service {
		if record.ServiceID(s.ID) == q.Service {
			sector, ok = s.Sector, s.Sector != ""
		}
	}
	if !ok {
		return out, &admin.Refused{Err: errNoSector}
	}
	taker := links.Taker{
		Store: d.db, People: d.people, Now: d.now,
		PPID: func(s store.Subject) (record.Subject, error) { return opener.PPID(d.keys.Rows, s) },
	}
	all := make([]links.Link, len(q.Links))
	for i, l := range q.Links {
		all[i] = links.Link(l)
	}
	r, err := taker.Take(ctx, q.Service, sector, all, q.DryRun)
	if err != nil {
		return out, err
	}
	out = admin.Imported{DryRun: q.DryRun, Rows: r.Rows, Linked: r.Linked, Present: r.Present, Left: r.Left, Faults: []admin.ImportFault{}}
	for _, f := range r.Faults {
		out.Faults = append(out.Faults, admin.ImportFault(f))
	}
	if q.DryRun || r.Linked == 0 {
		return out, nil
	}
	note := store.Act{What: "links taken over", At: d.now(), Detail: fmt.Sprintf("service %s: %d", q.Service, r.Linked)}
	if err := d.db.Update(ctx, func(tx store.Tx) error { return tx.AddAct(note) }); err != nil {
		return out, fmt.Errorf("noting that links were taken over: %w", err)
	}
	d.log.InfoContext(ctx, "an operator took links over", slog.String("service", string(q.Service)), slog.Int("count", r.Linked))
	d.bells.RingAll()
	return out, nil
}
