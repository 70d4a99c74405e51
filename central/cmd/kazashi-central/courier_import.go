package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"time"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
)

// errJoinFile says that a request to join was handed in by itself.
var errJoinFile = errors.New("a request to join: its answer goes onto the stick; hand in the stick's folder")

// taking is an import on its way.
type taking struct {
	client   *admin.Client
	out, err io.Writer
	at       *progress

	boxes   []*takenBox
	refused refusals
	parcels int
}

// takenBox is what one box's parcels came to.
type takenBox struct {
	Box     record.BoxID  `json:"box"`
	Site    record.SiteID `json:"site,omitempty"`
	Name    string        `json:"name,omitempty"`
	State   string        `json:"state,omitempty"`
	Joined  bool          `json:"joined,omitempty"` // by its request on this stick, now or before
	Parcels int           `json:"parcels"`
	Records int           `json:"records"`
	New     int           `json:"new"`
	Held    int           `json:"held"`
	Known   int           `json:"known"`
	Made    time.Time     `json:"made,omitzero"` // of the newest parcel
	Said    string        `json:"said,omitempty"`
	Waiting uint64        `json:"waiting"`
}

func (t *taking) refuse(file string, err error) {
	t.at.done()
	t.refused.add(t.err, file, err)
}

// all takes folders and files. What is at fault keeps nothing else out, unless central or the stick is gone.
func (t *taking) all(ctx context.Context, args []string) error {
	defer t.at.done()
	for _, a := range args {
		info, err := os.Stat(a)
		if err != nil {
			return fmt.Errorf("looking at %s: %w", a, err)
		}
		if info.IsDir() {
			err = t.folder(ctx, a)
		} else {
			err = t.file(ctx, a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (t *taking) file(ctx context.Context, path string) error {
	p, err := courier.Open(path)
	if err != nil {
		t.refuse(path, err)
		return nil
	}
	defer p.Close() // it was only read
	if p.Kind == courier.Joining {
		t.refuse(path, errJoinFile)
		return nil
	}
	_, err = t.take(ctx, path, p)
	return err
}

// folder takes a stick.
func (t *taking) folder(ctx context.Context, dir string) (err error) {
	s, err := courier.Find(dir)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	names, err := t.names(s)
	if err != nil {
		return err
	}
	for i, n := range names {
		t.at.say("parcel %d of %d", i+1, len(names))
		if err := t.parcel(ctx, s, n); err != nil {
			return err
		}
	}
	return nil
}

// names lists what there is to take, in the order in which it is taken. Requests to join come before what their boxes wrote, so that it counts,
// and after what all others wrote: a box whose place is taken is heard of no more. Of a box's parcels the newest comes first: it has what the
// box says of its clock, by which the records in the others are judged.
func (t *taking) names(s *courier.Stick) (all []courier.Name, err error) {
	joining, err := t.boxesOf(s, courier.Joining)
	if err != nil {
		return nil, err
	}
	boxes, err := t.boxesOf(s, courier.Up)
	if err != nil {
		return nil, err
	}
	var requests, first, later []courier.Name
	for _, b := range joining {
		requests = append(requests, courier.Name{Kind: courier.Joining, Box: b})
	}
	share := max(minShare, maxNames/max(len(boxes), 1))
	for _, b := range boxes {
		asks := slices.Contains(joining, b) && !answered(s, b)
		for _, kind := range []courier.Kind{courier.Up, courier.Recovered} {
			names, err := t.newest(s, kind, b, share)
			if err != nil {
				return nil, err
			}
			if asks {
				later = append(later, names...)
			} else {
				first = append(first, names...)
			}
		}
	}
	return slices.Concat(first, requests, later), nil
}

// A stick with very many names on it is taken in part: of each box a share, and never fewer than minShare.
const (
	maxNames = 65_536
	minShare = 16
)

// boxesOf lists the boxes with something of a kind. Only the end of the stick is an error.
func (t *taking) boxesOf(s *courier.Stick, k courier.Kind) ([]record.BoxID, error) {
	boxes, err := s.Boxes(k)
	if errors.Is(err, courier.ErrGone) {
		return nil, err
	}
	if err != nil {
		t.refuse(k.String(), err)
	}
	return boxes, nil
}

// newest lists a box's parcels of a kind, the newest first. Only the end of the stick is an error.
func (t *taking) newest(s *courier.Stick, k courier.Kind, b record.BoxID, most int) ([]courier.Name, error) {
	names, err := s.Parcels(k, b)
	if errors.Is(err, courier.ErrGone) {
		return nil, err
	}
	folder := path.Dir(courier.Name{Kind: k, Box: b}.String())
	if err != nil {
		t.refuse(folder, err)
	}
	slices.Reverse(names)
	if len(names) > most {
		t.refuse(folder, fmt.Errorf("%w: the newest %d of %d are taken", courier.ErrCrowded, most, len(names)))
		names = names[:most]
	}
	return names, nil
}

// answered reports whether an answer to a box's request lies on the stick.
func answered(s *courier.Stick, b record.BoxID) bool {
	names, err := s.Parcels(courier.Joined, b)
	return err == nil && len(names) > 0
}

func (t *taking) parcel(ctx context.Context, s *courier.Stick, n courier.Name) error {
	p, err := s.Open(n)
	if errors.Is(err, courier.ErrGone) {
		return err
	}
	if err != nil {
		t.refuse(n.String(), err)
		return nil
	}
	defer p.Close() // it was only read
	got, err := t.take(ctx, n.String(), p)
	if err != nil || len(got.Answer) == 0 {
		return err
	}
	to := courier.Name{Kind: courier.Joined, Box: n.Box}
	if err := s.Put(ctx, to, bytes.NewReader(got.Answer)); err != nil {
		t.refuse(to.String(), err)
	}
	return nil
}

// take hands one parcel in. Only errors that end everything are returned.
func (t *taking) take(ctx context.Context, file string, p *courier.Parcel) (admin.Parcel, error) {
	from := &heeded{Reader: p.Octets()}
	got, err := t.client.TakeParcel(ctx, from, p.Size)
	var refused *admin.Refused
	switch {
	case err != nil && errors.Is(from.fault, courier.ErrGone):
		return got, fmt.Errorf("reading %s: %w", file, courier.ErrGone)
	case err != nil && from.fault != nil:
		t.refuse(file, from.fault)
		return got, nil //nolint:nilerr // the rest of the stick answers
	case errors.As(err, &refused):
		t.refuse(file, refused)
		return got, nil
	case err != nil:
		return got, fmt.Errorf("handing in %s: %w", file, err)
	}
	t.parcels++
	t.box(got.Box).add(got)
	for _, why := range got.Refused {
		t.refuse(file, errors.New(why))
	}
	if got.More > 0 {
		t.refuse(file, fmt.Errorf("%d more like these", got.More))
	}
	return got, nil
}

// heeded keeps why what it reads ended early: who sends it says it in words of its own.
type heeded struct {
	io.Reader

	fault error
}

func (h *heeded) Read(b []byte) (int, error) {
	n, err := h.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		h.fault = err
	}
	return n, err
}

func (t *taking) box(id record.BoxID) *takenBox {
	for _, b := range t.boxes {
		if b.Box == id {
			return b
		}
	}
	b := &takenBox{Box: id}
	t.boxes = append(t.boxes, b)
	return b
}

func (b *takenBox) add(p admin.Parcel) {
	b.Site, b.Name, b.State = p.Site, p.Name, p.State
	b.Joined = b.Joined || len(p.Answer) > 0
	b.Parcels++
	b.Records, b.New, b.Held, b.Known = b.Records+p.Records, b.New+p.New, b.Held+p.Held, b.Known+p.Known
	if p.Made.After(b.Made) {
		b.Made = p.Made
	}
	if p.Said == "taken" || b.Said == "" && p.Said != "" { // the newest comes first, and what is taken is newer than what was known
		b.Said, b.Waiting = p.Said, p.Waiting
	}
}

// sum says what came of it, also if it ended early, and is an error if anything was refused.
func (t *taking) sum(asJSON, early bool) error {
	if asJSON {
		out := struct {
			Boxes   []*takenBox   `json:"boxes"`
			Refused []refusedFile `json:"refused"`
			More    int           `json:"refused_more,omitempty"`
			Early   bool          `json:"ended_early,omitempty"`
		}{append([]*takenBox{}, t.boxes...), t.refused.listed(), t.refused.more, early}
		if err := command.PrintJSON(t.out, out); err != nil {
			return err
		}
	} else {
		for _, b := range t.boxes {
			b.print(t.out)
		}
	}
	if t.refused.any(t.err) {
		return errCourier
	}
	if t.parcels == 0 && !early {
		fmt.Fprintln(t.err, "nothing that boxes wrote is there")
	}
	return nil
}

func (b *takenBox) print(w io.Writer) {
	fmt.Fprintf(w, "box %s (%s): ", b.Box, titled(b.Name, string(b.Site)))
	if b.Joined {
		fmt.Fprint(w, "joined by its request; the answer is on the stick. ")
	}
	fmt.Fprintf(w, "%s, %d new, %d known; written %s\n", several(b.Records, "record"), b.New, b.Known, command.Stamp(b.Made))
	switch {
	case b.Held > 0 && b.Name == "":
		fmt.Fprintf(w, "  %d are held for this box, which has not joined here: they are opened when it does\n", b.Held)
	case b.Held > 0:
		fmt.Fprintf(w, "  %d are held: the box is %s, or the beginning of their epoch is missing\n", b.Held, b.State)
	}
	if b.Said == "older" {
		fmt.Fprintln(w, "  what it says that it has is no newer than what is known here; if the box lost what it knew, its next stick after the answers counts")
	}
}
