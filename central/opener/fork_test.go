package opener_test

import (
	"slices"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/lineage"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/wire"
)

func simVersion(central, n uint64) rule.Version { return rule.Version{CentralEpoch: central, N: n} }

func write(t *testing.T, e *simbox.Epoch, from, n int) {
	t.Helper()
	for i := range n {
		e.Tap(t, simbox.Card(0x10, byte(from+i)))
	}
}

// design §5.3: every history that one device key cannot have written alone is reported, and none of its records is lost. Each
// case is played with the pushes in order, and again with the later epochs first.
func TestRule3Forks(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		play    func(t *testing.T, box *simbox.Box) (pushes []wire.Push, records int)
		reasons []string
	}{
		{"honest restarts", func(t *testing.T, box *simbox.Box) ([]wire.Push, int) {
			var all []wire.Push
			for i := range 4 { // the second epoch stays empty
				e := box.Start(t, epoch.CauseStart)
				if i != 1 {
					write(t, e, 10*i, 3)
				}
				all = append(all, e.Push())
			}
			return all, 9
		}, nil},
		{"restored image", func(t *testing.T, box *simbox.Box) ([]wire.Push, int) {
			e := box.Start(t, epoch.CauseStart)
			write(t, e, 0, 3)
			image := box.Clone()
			write(t, e, 3, 2)
			after := image.Start(t, epoch.CauseStart)
			write(t, after, 10, 2)
			return []wire.Push{e.Push(), after.Push()}, 7
		}, []string{lineage.BeyondEnd}},
		{"cloned box", func(t *testing.T, box *simbox.Box) ([]wire.Push, int) {
			e := box.Start(t, epoch.CauseStart)
			write(t, e, 0, 2)
			twin := box.Clone()
			a, b := box.Start(t, epoch.CauseStart), twin.Start(t, epoch.CauseStart)
			write(t, a, 10, 2)
			write(t, b, 20, 2)
			return []wire.Push{e.Push(), a.Push(), b.Push()}, 6
		}, []string{lineage.TwoSuccessors}},
		{"cloned before its first epoch", func(t *testing.T, box *simbox.Box) ([]wire.Push, int) {
			twin := box.Clone()
			a, b := box.Start(t, epoch.CauseStart), twin.Start(t, epoch.CauseStart)
			write(t, a, 0, 1)
			write(t, b, 1, 1)
			return []wire.Push{a.Push(), b.Push()}, 2
		}, []string{lineage.TwoFirst}},
		{"head that is not central's", func(t *testing.T, box *simbox.Box) ([]wire.Push, int) {
			e := box.Start(t, epoch.CauseStart)
			write(t, e, 0, 2)
			end := box.End()
			end.Head[0] ^= 1
			after := box.Open(t, epoch.CauseStart, end)
			return []wire.Push{e.Push(), after.Push()}, 2
		}, []string{lineage.OtherHead}},
		{"empty epoch's head that is not central's", func(t *testing.T, box *simbox.Box) ([]wire.Push, int) {
			e := box.Start(t, epoch.CauseStart)
			end := box.End()
			end.Head[0] ^= 1
			after := box.Open(t, epoch.CauseStart, end)
			write(t, after, 0, 1)
			return []wire.Push{e.Push(), after.Push()}, 1
		}, []string{lineage.OtherHead}},
	}
	for _, k := range cases {
		for _, order := range []string{"in order", "later epochs first"} {
			t.Run(k.name+", "+order, func(t *testing.T) {
				c := simcentral.New(t)
				box := c.Box()
				pushes, records := k.play(t, box)
				if order != "in order" {
					slices.Reverse(pushes)
				}
				for _, p := range pushes {
					c.Push(box, p)
					c.Drain()
				}
				checkForks(t, c, box, k.reasons, records)
			})
		}
	}
}

func checkForks(t *testing.T, c *simcentral.Central, box *simbox.Box, reasons []string, records int) {
	t.Helper()
	var got []string
	for _, r := range c.Reports(box) {
		if r.Kind != store.ReportFork || r.At.IsZero() {
			t.Errorf("report = %+v, want a fork with its time", r)
		}
		got = append(got, r.Reason)
	}
	if !slices.Equal(got, reasons) {
		t.Errorf("reports = %q, want %q", got, reasons)
	}
	want := store.BoxActive
	if len(reasons) > 0 {
		want = store.BoxQuarantined
	}
	if s := c.State(box); s != want {
		t.Errorf("state = %s, want %s", s, want)
	}
	if n := c.Counts(); n.Records != int64(records) || n.Ready != 0 {
		t.Errorf("counts = %+v, want %d records applied: a fork loses nothing", n, records)
	}
	_, _, v := c.Poll(box, wire.Poll{})
	if len(v.Verdicts) != records {
		t.Errorf("verdicts = %d, want %d: a quarantined box is served", len(v.Verdicts), records)
	}
}

// design §5.3: the predecessor may turn out longer only when a second carrier brings its end.
func TestRule3RecordsThatComeLaterShowTheFork(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	write(t, e, 0, 3)
	image := box.Clone()
	write(t, e, 3, 1)
	after := image.Start(t, epoch.CauseStart)
	whole := e.Push()
	c.Push(box, wire.Push{Headers: whole.Headers, Envelopes: whole.Envelopes[:3]})
	c.Push(box, after.Push())
	c.Drain()
	if s := c.State(box); s != store.BoxActive {
		t.Fatalf("state = %s before the fork shows", s)
	}
	c.World.Silence(0x10, 3)
	c.Push(box, wire.Push{Envelopes: whole.Envelopes[3:]})
	c.Drain()
	if s := c.State(box); s != store.BoxQuarantined {
		t.Errorf("state = %s, want quarantined although nobody has answered for the card", s)
	}
}

// design §5.3: a journal that was lost is damage and not a fork.
func TestRule3LostJournalIsDamage(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	write(t, box.Start(t, epoch.CauseStart), 0, 2)
	e := box.Open(t, epoch.CauseSetAside, epoch.Predecessor{Lineage: epoch.LineageUnknown})
	write(t, e, 5, 1)
	c.Push(box, box.Push())
	c.Drain()
	got := c.Reports(box)
	if len(got) != 1 || got[0].Kind != store.ReportDamage || got[0].Reason != lineage.LostJournal {
		t.Errorf("reports = %+v, want one of damage", got)
	}
	if c.State(box) != store.BoxActive || c.Counts().Records != 3 {
		t.Errorf("state = %s with %d records, want active with 3", c.State(box), c.Counts().Records)
	}
}

// One number sealed twice under one key, as a copied memory would do: the first is applied, the second kept as evidence.
func TestRule4TwoRecordsForOneNumber(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	e := box.Start(t, epoch.CauseStart)
	twin := *e.Twin(t)
	first, second := e.Tap(t, simbox.Card(0x21)), twin.Tap(t, simbox.Card(0x22))
	c.Push(box, wire.Push{Headers: e.Push().Headers, Envelopes: [][]byte{first.Bytes}})
	c.Drain()
	c.Push(box, wire.Push{Envelopes: [][]byte{second.Bytes}})
	c.Drain()
	if n := c.Counts(); n.Records != 1 || n.Rivals != 1 {
		t.Errorf("counts = %+v, want 1 record and 1 rival", n)
	}
	if got := c.Reports(box); len(got) != 1 || got[0].Reason != lineage.TwoRecords {
		t.Errorf("reports = %+v, want %q", got, lineage.TwoRecords)
	}
	_, a, _ := c.Poll(box, wire.Poll{Epochs: []record.EpochID{e.Signed.Header.Epoch}})
	if len(a.Ranges) != 1 || a.Ranges[0].Chain != first.Chain {
		t.Errorf("ranges = %v, want the applied one alone", a.Ranges)
	}
}
