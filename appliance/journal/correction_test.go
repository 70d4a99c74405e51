package journal_test

import (
	"slices"
	"testing"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/sync/ack"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// corrections are what a journal has to say of its clock, opened with the box's key.
func (c *central) corrections(j *journal.Journal) (all []wire.Correction, messages [][]byte) {
	c.t.Helper()
	p, err := j.Unsent(c.t.Context(), journal.Limits{})
	if err != nil {
		c.t.Fatal(err)
	}
	key, err := sign.PublicKeyOf(c.device.Public())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, msg := range p.Corrections {
		w, err := wire.OpenCorrection(sign.One{Key: key}, msg)
		if err != nil || w.Box != c.box {
			c.t.Fatalf("OpenCorrection = %+v, %v, want the box's own", w, err)
		}
		all = append(all, w)
	}
	return all, p.Corrections
}

var measured = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

func correct(t *testing.T, j *journal.Journal, stretch string, offset time.Duration) (fresh bool) {
	t.Helper()
	fresh, err := j.Correct(t.Context(), stretch, offset, measured)
	if err != nil {
		t.Fatalf("Correct = %v", err)
	}
	return fresh
}

// in is a journal's clock.
func in(stretch *string, fresh bool) func(*journal.Options) {
	return func(o *journal.Options) {
		o.Fresh = fresh
		if stretch != nil {
			o.Stretch = func() string { return *stretch }
		}
	}
}

// P6: what the clock was wrong by stands beside the records of a stretch of its time, the first word on each epoch; an epoch belongs to one
// stretch alone.
func TestP6CorrectionsStandBesideTheRecords(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	stretch := "boot/0"
	j := c.open(path, in(&stretch, true))
	other := add(t, j, 1).Epoch
	stretch = "boot/1"
	one := add(t, j, 2).Epoch
	if one == other {
		t.Error("the epoch went on after a step of its clock")
	}
	shut(t, j)
	j = c.open(path, in(&stretch, false)) // the program started again; the time went on
	two := add(t, j, 3).Epoch
	first, again := correct(t, j, "boot/1", 90*time.Minute), correct(t, j, "boot/1", time.Second)
	if !first || again || correct(t, j, "boot/2", 0) {
		t.Errorf("Correct = fresh %v, and again %v; want the first alone", first, again)
	}
	all, _ := c.corrections(j)
	want := wire.Correction{Version: 1, Box: c.box, Epochs: []record.EpochID{one, two}, Offset: 90 * 60_000, Measured: measured.UnixMilli()}
	if len(all) != 1 || !slices.Equal(all[0].Epochs, want.Epochs) || all[0].Offset != want.Offset || all[0].Measured != want.Measured {
		t.Fatalf("corrections = %+v, want %+v alone, and nothing of %s", all, want, other)
	}
	if same := add(t, j, 4).Epoch; same != two {
		t.Error("an epoch ended without a step")
	}
	stretch = "boot/2"
	three := add(t, j, 5).Epoch
	correct(t, j, "boot/2", time.Second)
	correct(t, j, "boot/0", -time.Hour)
	all, _ = c.corrections(j)
	if len(all) != 3 || !slices.Equal(all[1].Epochs, []record.EpochID{three}) || all[1].Offset != 1000 ||
		!slices.Equal(all[2].Epochs, []record.EpochID{other}) || all[2].Offset != -3_600_000 {
		t.Errorf("corrections = %+v, want two more, of the new epoch and of the first", all)
	}
}

// P2: a correction is said until central has it, and again to one that was restored; it goes with its last epoch.
func TestP2CorrectionsAreSaidUntilTheyAreHeld(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	j := c.open(path, func(o *journal.Options) {
		o.MaxEpochAge, o.Stretch = time.Nanosecond, func() string { return "one" }
	})
	add(t, j, 1)
	correct(t, j, "one", time.Minute)
	_, messages := c.corrections(j)
	if err := j.Corrected(t.Context(), messages); err != nil {
		t.Fatal(err)
	}
	if all, _ := c.corrections(j); len(messages) != 1 || len(all) != 0 {
		t.Fatalf("%d corrections, and %d after they were taken; want 1 and 0", len(messages), len(all))
	}
	for _, central := range []uint64{1, 2} {
		a := ack.Ack{Version: rule.Version{CentralEpoch: central, N: 1}, Box: c.box, Ranges: []ack.Range{}}
		if err := j.Accept(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if all, _ := c.corrections(j); len(all) != 1 {
		t.Errorf("%d corrections for a restored central, want 1", len(all))
	}
}

// One correction holds many epochs; a box that was alone for a fortnight still says all.
func TestCorrectionsOfManyEpochs(t *testing.T) {
	c, path := newCentral(t), newPath(t)
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	j := c.open(path, func(o *journal.Options) {
		o.Now, o.Stretch = func() time.Time { now = now.Add(time.Hour); return now }, func() string { return "one" }
	})
	const n = wire.MaxCorrectedEpochs + 2
	epochs := map[record.EpochID]bool{}
	for i := range n {
		epochs[add(t, j, i).Epoch] = true
	}
	correct(t, j, "one", -time.Hour)
	all, messages := c.corrections(j)
	if len(all) != 2 || len(all[0].Epochs)+len(all[1].Epochs) != n || len(epochs) != n {
		t.Fatalf("%d corrections of %d epochs, want 2 of %d", len(all), len(epochs), n)
	}
	for i, msg := range messages {
		if len(msg) > wire.MaxCorrection {
			t.Errorf("correction %d has %d octets, want at most %d", i, len(msg), wire.MaxCorrection)
		}
	}
}
