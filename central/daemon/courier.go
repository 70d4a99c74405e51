package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/central/courier"
	"kazashi.example/central/intake"
	"kazashi.example/central/store"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// dirCourier is the folder of parcels under way in the data directory.
const dirCourier = "courier"

// carry makes what takes parcels and makes them.
func (d *Daemon) carry(taking *intake.Intake) (err error) {
	d.courier, err = courier.New(courier.Config{
		Store: d.db, Intake: taking, Line: d.line, SealKeys: sealKeys{d.keys.Seal}, Sign: d.keys.Sign, Bells: d.bells,
		Dir: filepath.Join(d.conf.DataDir, dirCourier), Now: d.now, Log: d.log,
	})
	return err
}

// refused is for the operator what a parcel's fault is.
func refused(err error) error {
	var r *courier.Refusal
	if errors.As(err, &r) {
		return &admin.Refused{Err: r.Err}
	}
	return err
}

// TakeParcel takes a parcel of size octets.
func (d *Daemon) TakeParcel(ctx context.Context, octets io.Reader, size int64) (out admin.Parcel, err error) {
	f, err := d.courier.Spool()
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.CopyN(f, octets, size); err != nil {
		return out, fmt.Errorf("taking a parcel in: %w", err)
	}
	t, err := d.courier.Take(ctx, f, size)
	if err != nil {
		return out, refused(err)
	}
	out = admin.Parcel{
		Kind: t.Kind.String(), Box: t.Box, N: t.N, Made: t.Made, Site: t.Row.Site, Name: t.Row.Name,
		Records: t.Records, New: t.Fresh, Held: t.Held, Known: t.Known, Epochs: t.Epochs, Corrections: t.Corrections,
		Said: string(t.State), Waiting: t.Waiting, Refused: t.Refused, More: t.More, Answer: t.Answer,
	}
	if !t.Row.ID.IsZero() {
		out.State = t.Row.State.String()
	}
	return out, nil
}

// GiveParcels makes all parcels that a box is to have now, with the roster as it is now: the next stick may be days away.
func (d *Daemon) GiveParcels(ctx context.Context, box record.BoxID, to admin.ParcelTakers) (admin.ParcelsGiven, error) {
	if err := d.wanted.people.Make(ctx); err != nil {
		d.log.ErrorContext(ctx, "a roster cannot be brought up to date for a stick", slog.Any("error", err))
	}
	g, err := d.courier.Give(ctx, box, courier.Takers{
		Plan:   func(p courier.Plan) error { return to.Plan(planOf(p)) },
		Parcel: func(n parcel.Name, octets io.Reader, size int64) error { return to.Parcel(n.N, octets, size) },
	})
	return admin.ParcelsGiven{
		Parcels: len(g.Parcels), Verdicts: g.Verdicts, Acks: g.Acks, Orders: g.Orders, Sets: g.Sets, Roster: g.Roster, Rules: g.Rules,
		Bundle: g.Bundle, Grant: g.Grant,
	}, refused(err)
}

func planOf(p courier.Plan) admin.ParcelPlan {
	out := admin.ParcelPlan{
		Box: p.Box.ID, Site: p.Box.Site, Name: p.Box.Name, State: p.Box.State.String(), Said: p.Said, Made: p.Made, Octets: p.Octets,
		Blobs: make([]admin.ParcelBlob, 0, len(p.Blobs)),
	}
	for _, b := range p.Blobs {
		out.Blobs = append(out.Blobs, admin.ParcelBlob{ID: b.ID.String(), Size: b.Size})
	}
	return out
}

// errNoBlob says that a file is gone.
var errNoBlob = errors.New("a file that goes along was made anew meanwhile; do it again")

// Blob opens a file that parcels name.
func (d *Daemon) Blob(_ context.Context, id wire.BlobID) (io.ReadCloser, int64, error) {
	f, err := d.wanted.OpenBlob(id)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, &admin.Refused{Err: errNoBlob}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("opening blob %s: %w", id, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("measuring blob %s: %w", id, err), f.Close())
	}
	return f, info.Size(), nil
}

// Courier says what sticks have brought so far.
func (d *Daemon) Courier(ctx context.Context) (out admin.CourierStatus, err error) {
	s, err := d.courier.Standing(ctx)
	if err != nil {
		return out, err
	}
	out = admin.CourierStatus{Boxes: []admin.CourierWord{}, Held: []admin.CourierHeld{}, All: s.Held.Envelopes}
	for _, w := range s.Boxes {
		out.Boxes = append(out.Boxes, admin.CourierWord{
			Box: w.Box.ID, Site: w.Box.Site, Name: w.Box.Name, State: w.Box.State.String(), N: w.N, Made: w.Made, Received: w.Received,
			Waiting: w.Waiting, Open: w.Open, Verdicts: w.Verdicts, Due: w.Due, Damaged: w.Damaged,
		})
	}
	for _, h := range s.Held.Boxes {
		out.Held = append(out.Held, held(h))
	}
	return out, nil
}

// Due counts the records of a box that came and are being opened.
func (d *Daemon) Due(ctx context.Context, box record.BoxID) (admin.CourierDue, error) {
	n, err := d.courier.Due(ctx, box)
	return admin.CourierDue{Due: n}, err
}

func held(h store.WaitingBox) admin.CourierHeld {
	return admin.CourierHeld{Box: h.Box, Epochs: h.Headers, Records: h.Envelopes}
}

// byStick is when a box's word came last by stick; zero: never.
func (d *Daemon) byStick(ctx context.Context, id record.BoxID) (at time.Time, err error) {
	err = d.db.View(ctx, func(tx store.Tx) error { at, err = tx.CourierHeard(id); return err })
	if errors.Is(err, store.ErrNone) {
		return time.Time{}, nil
	}
	return at, err
}
