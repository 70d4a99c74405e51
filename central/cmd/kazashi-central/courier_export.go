package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// errNobody says that an export is for nobody.
var errNobody = errors.New("no box has anything on this stick; name boxes with --box, or take --all")

// slack is how much room is left on a stick, in octets: folders and tables of the file system take some.
const slack = 1 << 20

// giving is an export on its way.
type giving struct {
	client   *admin.Client
	out, err io.Writer
	at       *progress
	named    []record.BoxID
	all      bool
	wait     time.Duration // for records to be opened

	stick   *courier.Stick
	boxes   []givenBox
	refused refusals
}

// givenBox is what was written for one box.
type givenBox struct {
	admin.ParcelPlan
	admin.ParcelsGiven

	Copied int `json:"copied"` // files that were not there
}

func (g *giving) refuse(what string, err error) {
	g.at.done()
	g.refused.add(g.err, what, err)
}

func boxIDs(c *cobra.Command, text []string) (all []record.BoxID, err error) {
	for _, s := range text {
		id, err := boxID(c, s)
		if err != nil {
			return nil, err
		}
		all = append(all, id)
	}
	return all, nil
}

// onto writes a stick.
func (g *giving) onto(ctx context.Context, dir string) (err error) {
	defer g.at.done()
	open := courier.Make
	if len(g.named) == 0 && !g.all {
		open = courier.Find
	}
	if g.stick, err = open(dir); err != nil {
		return fmt.Errorf("looking at %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, g.stick.Close()) }()
	boxes, err := g.whom(ctx)
	if err != nil {
		return err
	}
	if err := g.settled(ctx, boxes); err != nil {
		return err
	}
	for i, b := range boxes {
		g.at.say("box %d of %d", i+1, len(boxes))
		err := g.box(ctx, b)
		if ends(err) {
			return err
		}
		if err != nil {
			g.refuse("box "+b.String(), err)
		}
	}
	if len(g.refused.files) == 0 {
		return g.tidy()
	}
	return nil
}

// settleAgain is the pause between two looks at what is being opened.
const settleAgain = 100 * time.Millisecond

// settled waits until what sticks brought of the boxes was opened, so that its verdicts go along, but no longer than it was asked to.
func (g *giving) settled(ctx context.Context, boxes []record.BoxID) error {
	limit := time.NewTimer(g.wait)
	defer limit.Stop()
	for {
		open, due, err := g.due(ctx, boxes)
		if due == 0 || err != nil {
			return err
		}
		boxes = open
		g.at.say("waiting until %d records are opened", due)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			g.at.done()
			fmt.Fprintf(g.err, "%d records are not opened yet: their verdicts go with the next stick\n", due)
			return nil
		case <-time.After(settleAgain):
		}
	}
}

// due lists those of some boxes of which records are being opened, and counts these.
func (g *giving) due(ctx context.Context, boxes []record.BoxID) (open []record.BoxID, due uint64, err error) {
	for _, b := range boxes {
		d, err := g.client.Due(ctx, b)
		if err != nil {
			return nil, 0, err
		}
		if d.Due > 0 {
			open, due = append(open, b), due+d.Due
		}
	}
	return open, due, nil
}

// ends reports whether an error ends everything: nobody is there to go on with.
func ends(err error) bool {
	for _, e := range []error{courier.ErrGone, courier.ErrReadOnly, admin.ErrNotRunning, admin.ErrDenied, context.Canceled} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// whom lists the boxes that are to have something.
func (g *giving) whom(ctx context.Context) ([]record.BoxID, error) {
	if len(g.named) > 0 {
		return g.named, nil
	}
	known, err := g.client.Boxes(ctx)
	if err != nil {
		return nil, err
	}
	var all []record.BoxID
	if g.all {
		for _, b := range known {
			if b.State != "revoked" && b.State != "replaced" {
				all = append(all, b.ID)
			}
		}
		return all, nil
	}
	there, err := g.there()
	if err != nil {
		return nil, err
	}
	for _, id := range there {
		joined := slices.ContainsFunc(known, func(b admin.Box) bool { return b.ID == id })
		if !joined {
			g.at.done()
			fmt.Fprintf(g.err, "box %s has not joined here: nothing is written for it; its request is taken by `courier import`\n", id)
			continue
		}
		all = append(all, id)
	}
	if len(there) == 0 {
		return nil, errNobody
	}
	return all, nil
}

// there lists the boxes that have something on the stick. A folder made from a dead box's disk is none.
func (g *giving) there() (all []record.BoxID, err error) {
	for _, k := range []courier.Kind{courier.Joining, courier.Up, courier.Down} {
		boxes, err := g.stick.Boxes(k)
		if err != nil {
			return nil, fmt.Errorf("looking for what boxes wrote: %w", err)
		}
		for _, b := range boxes {
			names, err := g.stick.Parcels(k, b)
			if err != nil {
				return nil, fmt.Errorf("looking for what box %s wrote: %w", b, err)
			}
			if len(names) > 0 && !slices.Contains(all, b) {
				all = append(all, b)
			}
		}
	}
	return all, nil
}

// box writes what one box lacks, and removes what that takes the place of.
func (g *giving) box(ctx context.Context, id record.BoxID) error {
	if err := g.answerJoin(ctx, id); err != nil {
		return err
	}
	var done givenBox
	var written []uint64
	given, err := g.client.GiveParcels(ctx, id, admin.ParcelTakers{
		Plan: func(p admin.ParcelPlan) (err error) {
			done.ParcelPlan = p
			done.Copied, err = g.beside(ctx, p)
			return err
		},
		Parcel: func(n uint64, octets io.Reader, _ int64) error {
			g.at.say("box %s: parcel %d", id, len(written)+1)
			if err := g.stick.Put(ctx, courier.Name{Kind: courier.Down, Box: id, N: n}, octets); err != nil {
				return err
			}
			written = append(written, n)
			return nil
		},
	})
	if err != nil {
		return err
	}
	done.ParcelsGiven = given
	g.boxes = append(g.boxes, done)
	if len(written) == 0 {
		return nil
	}
	return g.replace(id, written[0])
}

// answerJoin answers a request to join. Whoever can write on a stick can put anything in an answer's place, so it is written each time. A request
// that is not taken, or cannot be read, may lie there since before the box joined: it keeps nothing else from the box, and is only named.
func (g *giving) answerJoin(ctx context.Context, id record.BoxID) error {
	request, answer := courier.Name{Kind: courier.Joining, Box: id}, courier.Name{Kind: courier.Joined, Box: id}
	p, err := g.stick.Open(request)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if ends(err) {
		return err
	}
	if err != nil {
		g.stale(request, err)
		return nil
	}
	defer p.Close() // it was only read
	got, err := g.client.TakeParcel(ctx, p.Octets(), p.Size)
	var refused *admin.Refused
	if errors.As(err, &refused) || errors.Is(err, courier.ErrDamaged) {
		g.stale(request, err)
		return nil
	}
	if err != nil {
		return err
	}
	return g.stick.Put(ctx, answer, bytes.NewReader(got.Answer))
}

// stale says that a request to join is not answered, unless it was before.
func (g *giving) stale(request courier.Name, why error) {
	if answered(g.stick, request.Box) {
		return
	}
	g.at.done()
	fmt.Fprintf(g.err, "not answered: %s: %v\n", request, why)
}

// beside looks for room, and then copies the files that parcels name and that are not there.
func (g *giving) beside(ctx context.Context, p admin.ParcelPlan) (copied int, err error) {
	there, err := g.stick.Blobs()
	if err != nil {
		return 0, err
	}
	need, blobs := p.Octets, make([]wire.Blob, 0, len(p.Blobs))
	for _, b := range p.Blobs {
		blob := wire.Blob{Size: b.Size}
		if n, err := hex.Decode(blob.ID[:], []byte(b.ID)); err != nil || n != len(blob.ID) {
			return 0, fmt.Errorf("reading central's answer: file %q", b.ID)
		}
		blobs = append(blobs, blob)
		if !slices.Contains(there, blob.ID) {
			need += b.Size
		}
	}
	free, err := g.stick.Free()
	if err != nil {
		return 0, err
	}
	if free < need+slack {
		return 0, fmt.Errorf("%w: %s are needed, %s are free", courier.ErrFull, megabytes(need+slack), megabytes(free))
	}
	for i, b := range blobs {
		g.at.say("box %s: file %d of %d, %s", p.Box, i+1, len(blobs), megabytes(b.Size))
		wrote, err := g.stick.PutBlob(ctx, b, func() (io.ReadCloser, error) {
			r, _, err := g.client.Blob(ctx, b.ID)
			return r, err
		})
		if err != nil {
			return copied, err
		}
		if wrote {
			copied++
		}
	}
	return copied, nil
}

func megabytes(n uint64) string { return fmt.Sprintf("%d MB", (n+1e6-1)/1e6) }

// replace removes a box's parcels from before a number.
func (g *giving) replace(id record.BoxID, first uint64) error {
	names, err := g.stick.Parcels(courier.Down, id)
	if err != nil {
		return err
	}
	return g.stick.Remove(slices.DeleteFunc(names, func(n courier.Name) bool { return n.N >= first })...)
}

// tidy removes files that no parcel on the stick names. If one parcel cannot be read, all stay.
func (g *giving) tidy() error {
	boxes, err := g.stick.Boxes(courier.Down)
	if err != nil {
		return err
	}
	wanted := map[wire.BlobID]bool{}
	for _, b := range boxes {
		names, err := g.stick.Parcels(courier.Down, b)
		if err != nil {
			return err
		}
		for _, n := range names {
			p, err := g.stick.Open(n)
			if err != nil {
				return nil //nolint:nilerr // nobody can say what it names
			}
			for _, blob := range p.Blobs {
				wanted[blob.ID] = true
			}
			if err := p.Close(); err != nil {
				return err
			}
		}
	}
	there, err := g.stick.Blobs()
	if err != nil {
		return err
	}
	for _, id := range there {
		if wanted[id] {
			continue
		}
		if err := g.stick.DropBlob(id); err != nil {
			return err
		}
	}
	return nil
}

// sum says what was written, also if it ended early, and is an error if anything was refused.
func (g *giving) sum(asJSON, early bool) error {
	if asJSON {
		out := struct {
			Boxes   []givenBox    `json:"boxes"`
			Refused []refusedFile `json:"refused"`
			More    int           `json:"refused_more,omitempty"`
			Early   bool          `json:"ended_early,omitempty"`
		}{append([]givenBox{}, g.boxes...), g.refused.listed(), g.refused.more, early}
		if err := command.PrintJSON(g.out, out); err != nil {
			return err
		}
	} else {
		for _, b := range g.boxes {
			fmt.Fprintf(g.out, "box %s (%s): %s\n", b.Box, titled(b.Name, string(b.Site)), b.words())
		}
	}
	if g.refused.any(g.err) {
		return errCourier
	}
	return nil
}

// words says in a sentence what a box gets.
func (b givenBox) words() string {
	asOf := "by what it said on " + command.Stamp(b.Made)
	if b.Said == 0 {
		asOf = "everything, since it never said by stick what it has"
	}
	if b.Parcels == 0 {
		return "it lacks nothing, " + asOf
	}
	var what []string
	add := func(has bool, format string, args ...any) {
		if has {
			what = append(what, fmt.Sprintf(format, args...))
		}
	}
	add(b.Verdicts > 0, "%s", several(b.Verdicts, "verdict"))
	add(b.Acks > 0, "acknowledgements")
	add(b.Rules, "rules")
	add(b.Bundle, "trust")
	add(b.Grant, "site keys")
	add(b.Orders > 0, "%s", several(b.Orders, "order"))
	add(b.Roster, "a roster")
	add(b.Sets > 0, "%s", several(b.Sets, "revocation set"))
	add(len(what) == 0, "nothing but how far the numbers of its parcels went, which it fell behind")
	return fmt.Sprintf("%s: %s; %s", several(b.Parcels, "parcel"), strings.Join(what, ", "), asOf)
}
