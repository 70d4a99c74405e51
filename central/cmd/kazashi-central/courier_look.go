package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"kazashi.example/central/admin"
	"kazashi.example/firmware/command"
	"kazashi.example/sync/courier"
)

// printCourier says what sticks have brought so far.
func printCourier(w io.Writer, s admin.CourierStatus) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "BOX\tSITE\tNAME\tSTATE\tWRITTEN\tTAKEN IN\tWAITING\tOPEN EPOCHS\tVERDICTS LACKING")
	for _, b := range s.Boxes {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\n", b.Box, b.Site, command.Plain(b.Name), b.State, command.Stamp(b.Made),
			command.Stamp(b.Received), b.Waiting, b.Open, b.Verdicts)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, b := range s.Boxes {
		if b.Damaged {
			fmt.Fprintf(w, "box %s: what it said is kept damaged, and not known; take its newest stick again\n", b.Box)
		}
	}
	for _, h := range s.Held {
		fmt.Fprintf(w, "held for box %s, which has not joined: %s of %s\n", h.Box, several(h.Records, "record"), several(h.Epochs, "epoch"))
		s.All -= h.Records
	}
	if s.All > 0 {
		fmt.Fprintf(w, "held of epochs whose beginning never came: %s\n", several(s.All, "record"))
	}
	return nil
}

// lyingParcel is one parcel on a stick.
type lyingParcel struct {
	File    string `json:"file"`
	Kind    string `json:"kind"`
	Box     string `json:"box"`
	Octets  int64  `json:"octets,omitempty"`
	Records uint64 `json:"records,omitempty"`
	Written string `json:"written,omitempty"`
	Problem string `json:"problem,omitempty"`
}

// lookAt says what lies on a stick, and is an error if something cannot be read.
func lookAt(w io.Writer, dir string, asJSON bool) (err error) {
	s, err := courier.Find(dir)
	if err != nil {
		return fmt.Errorf("looking at %s: %w", dir, err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all := []lyingParcel{}
	for _, k := range []courier.Kind{courier.Joining, courier.Joined, courier.Up, courier.Recovered, courier.Down} {
		boxes, err := s.Boxes(k)
		if err != nil {
			return fmt.Errorf("looking at %s: %w", dir, err)
		}
		for _, b := range boxes {
			names, err := s.Parcels(k, b)
			if err != nil {
				return fmt.Errorf("looking at %s: %w", dir, err)
			}
			for _, n := range names {
				all = append(all, lying(s, n))
			}
		}
	}
	bad := error(nil)
	if slices.ContainsFunc(all, func(p lyingParcel) bool { return p.Problem != "" }) {
		bad = errUnreadable
	}
	if asJSON {
		return errors.Join(command.PrintJSON(w, all), bad)
	}
	return errors.Join(printLying(w, all), bad)
}

func lying(s *courier.Stick, n courier.Name) lyingParcel {
	out := lyingParcel{File: n.String(), Kind: n.Kind.String(), Box: n.Box.String()}
	p, err := s.Open(n)
	if err != nil {
		out.Problem = err.Error()
		return out
	}
	defer p.Close() // it was only read
	out.Octets, out.Written = p.Size, command.Stamp(p.Made)
	for _, c := range p.Covers {
		out.Records += uint64(c.Last - c.First + 1)
	}
	return out
}

// errUnreadable says that parcels on a stick cannot be read.
var errUnreadable = errors.New("not everything on the stick can be read")

func printLying(w io.Writer, all []lyingParcel) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "FILE\tOCTETS\tRECORDS\tWRITTEN\tPROBLEM")
	for _, p := range all {
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\n", p.File, p.Octets, p.Records, p.Written, p.Problem)
	}
	return t.Flush()
}
