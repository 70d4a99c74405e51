package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"kazashi.example/central/admin"
	"kazashi.example/central/courier"
	"kazashi.example/central/loss"
	"kazashi.example/central/opener"
	"kazashi.example/central/registry"
	"kazashi.example/central/store"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// Swap makes a code with which a box takes the place of another.
func (d *Daemon) Swap(ctx context.Context, q admin.Swap) (admin.NewCode, error) {
	ttl, err := lasting(q.Name, q.Hours)
	if err != nil {
		return admin.NewCode{}, err
	}
	code, err := d.registry.SwapCode(ctx, q.Box, q.Name, ttl)
	for _, known := range []error{registry.ErrUnknown, registry.ErrReplaced, registry.ErrLost, registry.ErrName} {
		if errors.Is(err, known) {
			err = &admin.Refused{Err: err}
		}
	}
	if err != nil {
		return admin.NewCode{}, err
	}
	d.log.InfoContext(ctx, "an operator made a code to replace a box", slog.String("box", q.Box.String()))
	return admin.NewCode{Code: code.Text(), Expires: d.now().Add(ttl).UTC()}, nil
}

// Lost says what the loss of a box means, and takes it out of service if asked to.
func (d *Daemon) Lost(ctx context.Context, q admin.Lose) (out admin.Lost, err error) {
	var seen time.Time
	var waiting uint64
	err = d.db.View(ctx, func(tx store.Tx) error { seen, waiting, err = d.heard(tx, q.Box); return err })
	if err == nil && q.Do {
		if _, out.Known, err = d.registry.Lose(ctx, q.Box, seen, waiting); err == nil {
			d.log.WarnContext(ctx, "an operator said that a box is lost; it is out of service", slog.String("box", q.Box.String()))
			d.bells.RingAll() // a held poll hears of it at once, and so do the others of the site, whose keys change with it
		}
	}
	if err == nil {
		err = d.db.View(ctx, func(tx store.Tx) error {
			ask, err := d.question(tx, q)
			if err != nil {
				return err
			}
			ask.Seen, ask.Waiting = seen, waiting
			out.Facts, out.People, err = loss.Assess(tx, ask, d.now().UTC())
			return err
		})
	}
	if errors.Is(err, registry.ErrUnknown) || errors.Is(err, store.ErrNone) {
		return admin.Lost{}, &admin.Refused{Err: registry.ErrUnknown}
	}
	if err != nil {
		return admin.Lost{}, fmt.Errorf("looking what the loss of box %s means: %w", q.Box, err)
	}
	return out, nil
}

// heard is when something was heard of a box last, by its line or by a stick, and how many records it said then it had not delivered.
func (d *Daemon) heard(tx store.Tx, id record.BoxID) (seen time.Time, waiting uint64, err error) {
	peer := d.line.Peer(id)
	row, err := tx.CourierState(id)
	if errors.Is(err, store.ErrNone) || err == nil && !row.Made.After(peer.Seen) {
		return peer.Seen, peer.Waiting, nil
	}
	if err != nil {
		return peer.Seen, peer.Waiting, err
	}
	said, err := courier.DecodeState(row.State)
	if errors.Is(err, courier.ErrState) { // that a stick came is known all the same
		err = nil
	}
	if seen = row.Made; row.Received.Before(seen) { // by the box's clock, which may be wrong
		seen = row.Received
	}
	return seen, said.Poll.Waiting, err
}

// question is what is asked of a box's loss: by what its site's boxes open, and how its people are named.
func (d *Daemon) question(tx store.Tx, q admin.Lose) (loss.Question, error) {
	b, err := tx.Box(q.Box)
	if err != nil {
		return loss.Question{}, err
	}
	ask := loss.Question{
		Box: b.ID, Since: q.Since, Unlock: rule.UnlockCode,
		PPID: func(s store.Subject) (record.Subject, error) { return opener.PPID(d.keys.Rows, s) },
	}
	for _, s := range d.conf.Site {
		if record.SiteID(s.ID) == b.Site {
			ask.Unlock = s.UnlockBy()
		}
	}
	for _, s := range d.conf.Service {
		if s.Sector != "" {
			ask.Services = append(ask.Services, loss.Service{ID: record.ServiceID(s.ID), Sector: s.Sector})
		}
	}
	return ask, nil
}

// lasting is how long a code lives that a box of some name is to join with.
func lasting(name string, hours int) (time.Duration, error) {
	if hours < 0 || hours > MaxCodeHours {
		return 0, &admin.Refused{Err: fmt.Errorf("hours: 1 to %d", MaxCodeHours)}
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return 0, &admin.Refused{Err: errors.New("name: letters, digits, signs and blanks only")}
	}
	if hours == 0 {
		return registry.DefaultTTL, nil
	}
	return time.Duration(hours) * time.Hour, nil
}

// untold adds the taps of which a box that is gone tells nobody.
func (d *Daemon) untold(ctx context.Context, b store.Box, out *admin.Detail) error {
	all, err := d.registry.Untold(ctx, b)
	out.MoreUntold = len(all) == registry.MaxUntold
	for _, u := range all {
		out.Untold = append(out.Untold, admin.Untold{
			Record: u.ID.String(), Tapped: u.Tapped, Desk: u.Desk, Service: u.Service, Said: u.Said.String(), Final: u.Final.String(),
			Reason: u.Reason.String(),
		})
	}
	if err != nil {
		return fmt.Errorf("looking for taps that need a second look: %w", err)
	}
	return nil
}
