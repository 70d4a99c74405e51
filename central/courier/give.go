package courier

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/central/boxline"
	"kazashi.example/central/intake"
	"kazashi.example/central/store"
	parcel "kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/wire"
)

// Plan is what a row of parcels to a box will be.
type Plan struct {
	Box    store.Box
	Said   uint64    // number of the parcel in which the box said what it has; 0: it never did
	Made   time.Time // when, by the box's clock
	Blobs  []wire.Blob
	Octets uint64 // of the parcels, about
}

// Given is what a row of parcels to a box was.
type Given struct {
	Parcels  []parcel.Name
	Verdicts uint64 // that the box lacked
	Acks     int    // acknowledgements, each of many epochs
	Grant    bool
	Orders   int
	Sets     int
	Roster   bool
	Rules    bool
	Bundle   bool
}

// Takers get a row of parcels. An error of either ends it.
type Takers struct {
	Plan   func(Plan) error
	Parcel func(n parcel.Name, octets io.Reader, size int64) error
}

// Give makes a row of parcels with all that a box lacks by what it said last by courier: the plan first, which names the files that must lie
// beside them, then the parcels, each whole by itself. There are none if it lacks nothing; but a box whose numbers fell behind hears in one how
// far they went. *Refusal with ErrUnknown.
func (c *Courier) Give(ctx context.Context, id record.BoxID, to Takers) (g Given, err error) {
	row, state, err := c.box(ctx, id)
	if errors.Is(err, store.ErrNone) {
		return g, &Refusal{ErrUnknown}
	}
	if err != nil {
		return g, fmt.Errorf("finding box %s: %w", id, err)
	}
	o := &outgoing{Courier: c, to: to, given: &g, heard: state.N, plan: Plan{Box: row, Said: state.N, Made: state.Made}}
	said, err := c.said(ctx, row, state)
	if errors.Is(err, ErrState) {
		c.Log.ErrorContext(ctx, "parcels are made as for a box that said nothing", slog.String("box", id.String()), slog.Any("error", err))
		o.plan.Said, o.plan.Made = 0, time.Time{}
		said, err = c.Line.Assumed(ctx, row)
	}
	if err != nil {
		return g, err
	}
	if o.verdicts, err = c.Line.CountVerdicts(ctx, id, said); err != nil {
		return g, err
	}
	g.Verdicts = o.verdicts
	o.plan.Octets = roomOf(o.verdicts, len(said.Ends))
	defer func() { err = errors.Join(err, o.close()) }()
	if err := c.Line.Lacks(ctx, row, said, func(p wire.Polled) error { return o.add(ctx, p) }); err != nil {
		return g, fmt.Errorf("putting together what box %s lacks: %w", id, err)
	}
	if c.fellBack(id, state.N) {
		if err := o.bare(ctx); err != nil {
			return g, err
		}
	}
	if err := o.end(ctx); err != nil {
		return g, err
	}
	c.Log.InfoContext(ctx, "parcels were made for a box", slog.String("box", id.String()), slog.Int("count", len(g.Parcels)))
	return g, nil
}

// What verdicts and ranges take in a parcel, in octets, rounded up.
const (
	verdictOctets = 110
	endOctets     = 200 // two ranges of an epoch
	baseOctets    = 64 << 10
)

func roomOf(verdicts uint64, ends int) uint64 {
	return baseOctets + verdicts*verdictOctets + uint64(ends)*endOctets //nolint:gosec // a length
}

// said is what the box said last, or what is assumed of it.
func (c *Courier) said(ctx context.Context, row store.Box, state store.CourierState) (boxline.Said, error) {
	if state.N == 0 {
		return c.Line.Assumed(ctx, row)
	}
	s, err := DecodeState(state.State)
	if err != nil {
		return boxline.Said{}, err
	}
	said := boxline.Said{Poll: s.Poll}
	named := make(map[record.EpochID]bool, len(s.Ends))
	for _, e := range s.Ends {
		if !named[e.Epoch] { // a box that says one twice is told once
			said.Ends = append(said.Ends, intake.End{Epoch: e.Epoch, Last: e.Last})
		}
		named[e.Epoch] = true
	}
	return said, nil
}

// outgoing is a row of parcels that is being made. The first answers wait until it is known which files they name.
type outgoing struct {
	*Courier

	to       Takers
	given    *Given
	plan     Plan
	heard    uint64 // number of the parcel with the newest word of the box that is here
	verdicts uint64
	planned  bool
	waiting  []wire.Polled
	dir      string
	stick    *parcel.Stick
	writer   *parcel.Writer
}

// add takes one answer. Those that name files come before all others but the trust bundle.
func (o *outgoing) add(ctx context.Context, p wire.Polled) error {
	o.plan.Octets += uint64(len(p.Bundle) + len(p.Rules) + len(p.Grant))
	o.plan.Blobs = append(o.plan.Blobs, BlobsOf(p)...)
	if !o.planned && p.Verdicts == nil && p.Ack == nil && p.Orders == nil {
		o.waiting = append(o.waiting, p)
		return nil
	}
	if err := o.tellPlan(ctx); err != nil {
		return err
	}
	return o.write(ctx, p)
}

func (o *outgoing) tellPlan(ctx context.Context) error {
	if o.planned {
		return nil
	}
	o.planned = true
	if err := o.to.Plan(o.plan); err != nil {
		return err
	}
	for _, p := range o.waiting {
		if err := o.write(ctx, p); err != nil {
			return err
		}
	}
	o.waiting = nil
	return nil
}

// bare writes a parcel that says no more than what was heard of the box, unless one is written that says so too.
func (o *outgoing) bare(ctx context.Context) error {
	if err := o.tellPlan(ctx); err != nil || o.writer != nil {
		return err
	}
	var p wire.Polled
	err := o.Store.View(ctx, func(tx store.Tx) (err error) { p.CentralEpoch, err = tx.CentralEpoch(); return err })
	if err != nil {
		return err
	}
	return o.write(ctx, p)
}

// write puts an answer into a parcel, and hands over those that are full.
func (o *outgoing) write(ctx context.Context, p wire.Polled) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.writer == nil {
		if err := o.begin(ctx); err != nil {
			return err
		}
	}
	if err := o.writer.Polled(p, BlobsOf(p)...); err != nil {
		return err
	}
	o.given.count(p)
	return o.hand()
}

func (g *Given) count(p wire.Polled) {
	g.Sets, g.Orders = g.Sets+len(p.Sets), g.Orders+len(p.Orders)
	g.Grant, g.Rules, g.Bundle = g.Grant || p.Grant != nil, g.Rules || p.Rules != nil, g.Bundle || p.Bundle != nil
	g.Roster = g.Roster || p.RosterOffer.Version.N > 0
	if p.Ack != nil {
		g.Acks++
	}
}

// begin makes a folder that is like a stick.
func (o *outgoing) begin(ctx context.Context) (err error) {
	to, err := seal.ParsePublicKey(o.plan.Box.Sealing)
	if err != nil {
		return fmt.Errorf("reading the sealing key of box %s: %w", o.plan.Box.ID, err)
	}
	conf := parcel.Config{Kind: parcel.Down, Box: o.plan.Box.ID, Now: o.Now, Signer: o.Sign, To: to, Heard: o.heard}
	if err := o.Store.View(ctx, func(tx store.Tx) (err error) { conf.CentralEpoch, err = tx.CentralEpoch(); return err }); err != nil {
		return err
	}
	conf.Next = func() (uint64, error) { return o.number(ctx, o.plan.Box.ID) }
	if o.dir, o.stick, err = o.desk(); err != nil {
		return err
	}
	o.writer, err = o.stick.Writer(conf)
	return err
}

// number takes a parcel's number, which rises also where the database was set back.
func (c *Courier) number(ctx context.Context, box record.BoxID) (n uint64, err error) {
	floor := uint64(max(c.Now().Unix(), 1)) //nolint:gosec // positive
	err = c.Store.Update(ctx, func(tx store.Tx) (err error) { n, err = tx.NumberParcel(box, floor); return err })
	return n, err
}

// hand gives finished parcels over and forgets them here.
func (o *outgoing) hand() error {
	for _, n := range o.writer.Names()[len(o.given.Parcels):] {
		if err := o.handOver(n); err != nil {
			return err
		}
		o.given.Parcels = append(o.given.Parcels, n)
	}
	return nil
}

func (o *outgoing) handOver(n parcel.Name) (err error) {
	f, err := os.Open(filepath.Join(o.dir, filepath.FromSlash(n.String())))
	if err != nil {
		return fmt.Errorf("handing over a parcel: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("handing over a parcel: %w", err)
	}
	if err := o.to.Parcel(n, f, info.Size()); err != nil {
		return err
	}
	return o.stick.Remove(n)
}

// end makes the last parcel whole and hands it over.
func (o *outgoing) end(ctx context.Context) error {
	if err := o.tellPlan(ctx); err != nil || o.writer == nil {
		return err
	}
	if err := o.writer.Close(); err != nil {
		return err
	}
	return o.hand()
}

func (o *outgoing) close() error {
	if o.stick == nil {
		return nil
	}
	if o.writer != nil {
		o.writer.Abort()
	}
	return errors.Join(o.stick.Close(), os.RemoveAll(o.dir))
}

// BlobsOf lists the files that an answer names: sets whole and by their deltas, and a roster.
func BlobsOf(p wire.Polled) (all []wire.Blob) {
	for _, s := range p.Sets {
		all = append(all, s.Manifest, s.Set)
		for _, d := range s.Deltas {
			all = append(all, d.Head, d.Delta)
		}
	}
	if o := p.RosterOffer; o.Version.N > 0 {
		all = append(append(all, o.Head), o.Segments...)
	}
	return all
}
