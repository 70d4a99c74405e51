package opener_test

import (
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// P2, P8: a box that was upgraded before central loses nothing: what this release cannot read waits, alone and unsettled.
func TestP8WhatANewerBoxWroteWaits(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	later := simbox.Card(0x73)
	later.Version = content.Version + 1
	b, err := canon.Encode(later)
	if err != nil {
		t.Fatal(err)
	}
	faulty := simbox.Card(0x74)
	faulty.Said.Verdict, faulty.Said.Reason = record.VerdictRefused, 59
	waiting := []epoch.Written{e.Raw(t, b), e.Tap(t, faulty)}
	known := e.Tap(t, simbox.Card(0x75))
	c.Push(box, e.Push())
	for range 3 {
		c.Drain()
		for _, w := range waiting {
			if r, err := c.Record(w.ID); err == nil {
				t.Errorf("Record %d = %v, want none yet", w.ID.Seq, r.Final)
			}
		}
		c.World.Pass(time.Hour)
	}
	if n := c.Counts(); n.Records != 1 || n.Ready != 2 || n.Aside != 0 {
		t.Errorf("counts = %+v, want 1 record and 2 waiting", n)
	}
	_, _, v := c.Poll(box, wire.Poll{})
	if len(v.Verdicts) != 1 || v.Verdicts[0].Seq != known.ID.Seq {
		t.Errorf("verdicts = %+v, want one, on record %d", v.Verdicts, known.ID.Seq)
	}
}

// P8: a reason that is not known here and accuses no card changes nothing: central decides by what it finds itself.
func TestP8AReasonOfANewerBoxIsDecidedHere(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	r := simbox.Card(0x76)
	r.Said.Verdict, r.Said.Reason = record.VerdictProvisional, 19
	w := e.Tap(t, r)
	c.Push(box, e.Push())
	c.Drain()
	got, err := c.Record(w.ID)
	if err != nil || got.Final.Verdict != record.VerdictAccepted || got.First.Reason != 19 {
		t.Errorf("Record = %v, first %v, %v, want accepted, and the box's word kept", got.Final, got.First, err)
	}
}
