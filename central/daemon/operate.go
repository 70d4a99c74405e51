package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"kazashi.example/central/admin"
	"kazashi.example/central/backup"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

var _ admin.Operator = (*Daemon)(nil)

// Status counts.
func (d *Daemon) Status(ctx context.Context) (admin.Status, error) {
	s := admin.Status{Release: d.release, Started: d.started.UTC()}
	err := d.db.View(ctx, func(tx store.Tx) (err error) {
		if s.CentralEpoch, err = tx.CentralEpoch(); err != nil {
			return err
		}
		n, err := tx.Counts()
		s.Boxes, s.Quarantined, s.Waiting, s.SetAside = n.Boxes, n.Quarantined, n.Ready+n.Held, n.Aside
		s.Records, s.Settled, s.Corrected, s.Persons, s.Reports = n.Records, n.Settled, n.Corrected, n.Persons, n.Reports
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
		peer := d.line.Peer(b.ID)
		reports, err := d.registry.Reports(ctx, b.ID)
		if err != nil {
			return nil, err
		}
		all = append(all, admin.Box{
			ID: b.ID, Site: b.Site, Name: b.Name, State: b.State.String(), Joined: b.Joined, Release: b.Release,
			Seen: peer.Seen, Waiting: peer.Waiting, Reports: shown(reports),
		})
	}
	return all, nil
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

// maxCodeHours is the longest life of a join code: a week, for a box that travels.
const maxCodeHours = 7 * 24

// NewCode makes a join code.
func (d *Daemon) NewCode(ctx context.Context, c admin.Code) (admin.NewCode, error) {
	if err := record.CheckName(c.Site); err != nil {
		return admin.NewCode{}, &admin.Refused{Err: fmt.Errorf("site: %w", err)}
	}
	if c.Hours < 0 || c.Hours > maxCodeHours {
		return admin.NewCode{}, &admin.Refused{Err: fmt.Errorf("hours: 1 to %d", maxCodeHours)}
	}
	ttl := time.Duration(c.Hours) * time.Hour
	if ttl == 0 {
		ttl = registry.DefaultTTL
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

// SetState puts a box into service, under suspicion, or out of service.
func (d *Daemon) SetState(ctx context.Context, id record.BoxID, state string) error {
	var err error
	switch state {
	case "active":
		err = d.registry.Reinstate(ctx, id)
	case "quarantined":
		err = d.registry.Quarantine(ctx, id)
	case "revoked":
		err = d.registry.Revoke(ctx, id)
	default:
		err = &admin.Refused{Err: errors.New("state is active, quarantined or revoked")}
	}
	if errors.Is(err, registry.ErrUnknown) {
		return &admin.Refused{Err: err}
	}
	d.bells.Ring(id)
	return err
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

// newMetrics exposes the counts. Nothing names a person, a card or a box (P3).
func newMetrics(d *Daemon) *prometheus.Registry {
	r := prometheus.NewRegistry()
	gauge := func(name, help string, of func(admin.Status) int64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "kazashi_central_" + name, Help: help}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			s, err := d.Status(ctx)
			if err != nil {
				return -1
			}
			return float64(of(s))
		}))
	}
	gauge("boxes", "Boxes that joined.", func(s admin.Status) int64 { return s.Boxes })
	gauge("records", "Records applied.", func(s admin.Status) int64 { return s.Records })
	gauge("records_waiting", "Records received and not yet applied.", func(s admin.Status) int64 { return s.Waiting })
	gauge("records_settled", "Records whose final verdict the box holds durably.", func(s admin.Status) int64 { return s.Settled })
	gauge("records_corrected", "Records whose final verdict differs from the first.", func(s admin.Status) int64 { return s.Corrected })
	gauge("reports", "Forks and damage reported.", func(s admin.Status) int64 { return s.Reports })
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func metricsHandler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{})
}
