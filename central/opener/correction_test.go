package opener_test

import (
	"context"
	"testing"
	"time"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/central/opener"
	"kazashi.example/central/store"
	"kazashi.example/central/validity"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// spans answers for every certificate, and remembers what it was asked.
type spans struct{ from, to time.Time }

func (s *spans) StatusWithin(_ context.Context, _ certid.CertID, _ content.Issuer, from, to time.Time) (validity.Status, error) {
	s.from, s.to = from, to
	return validity.Status{Answer: record.AnswerNotRevoked, Source: wire.SourceOCSP, ThisUpdate: to}, nil
}

// P6: a tap is judged as of the time that its box measured later, of its own epoch and by its own word alone; a checked clock needs none.
func TestP6ATapIsTimedByItsCorrection(t *testing.T) {
	t.Parallel()
	const early, off = 40 * 24 * time.Hour, 30 * 24 * time.Hour
	for _, k := range []struct {
		name     string
		clock    record.Confidence
		epoch    bool // the correction names the tap's epoch
		by       string
		from, to time.Duration // of what is asked, before now
	}{
		{"floor", record.ConfidenceFloor, true, "box", early - off + 2*time.Minute, early - off - 2*time.Minute},
		{"no clock at all", record.ConfidenceNone, true, "box", early - off + 2*time.Minute, early - off - 2*time.Minute},
		{"checked", record.ConfidenceChecked, true, "box", early, early},
		{"another epoch's", record.ConfidenceFloor, false, "box", early, 0},
		{"another box's", record.ConfidenceFloor, true, "other", early, 0},
		{"signed by another", record.ConfidenceFloor, true, "forger", early, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			c := simcentral.New(t)
			box, other := c.Box(), c.Box()
			e := box.Start(t, epoch.CauseStart)
			r := simbox.Card(0x71)
			r.Said.Clock, r.Time = k.clock, c.World.Now().Add(-early).UnixMilli()
			e.Tap(t, r)
			said := wire.Correction{Box: box.ID, Epochs: []record.EpochID{e.Signed.Header.Epoch}, Offset: off.Milliseconds(), Measured: 1}
			key := box.Device
			switch {
			case !k.epoch:
				said.Epochs[0] = record.NewEpochID()
			case k.by == "other":
				said.Box, key = other.ID, other.Device
			case k.by == "forger":
				key = other.Device
			}
			msg, err := said.Sign(key)
			c.Check(err)
			p := box.Push()
			p.Corrections = [][]byte{msg}
			if got := c.Push(box, p); (len(got.Refused) > 0) != (k.by == "forger") {
				t.Errorf("Refused = %v", got.Refused)
			}
			asked := &spans{}
			conf := c.Opener.Config
			conf.Validity = asked
			c.Check(opener.New(conf).Drain(t.Context()))
			from, to := c.World.Now().Sub(asked.from), c.World.Now().Sub(asked.to)
			if from != k.from || to != k.to {
				t.Errorf("asked from %v to %v before now, want %v to %v", from, to, k.from, k.to)
			}
		})
	}
}

// The first word on an epoch stays, and a refused one does not stand in the way of the others.
func TestCorrectionsAreTakenOneByOne(t *testing.T) {
	c := simcentral.New(t)
	box := c.Box()
	id := record.NewEpochID()
	sign := func(offset int64) []byte {
		msg, err := wire.Correction{Box: box.ID, Epochs: []record.EpochID{id}, Offset: offset, Measured: 1}.Sign(box.Device)
		c.Check(err)
		return msg
	}
	stranger := simbox.New(t, c.Keys.Seal.Public())
	unknown, err := wire.Correction{Box: stranger.ID, Epochs: []record.EpochID{id}, Measured: 1}.Sign(stranger.Device)
	c.Check(err)
	got := c.Push(box, wire.Push{Corrections: [][]byte{{0x80}, unknown, sign(1000), sign(2000)}})
	if len(got.Refused) != 2 || got.Refused[0].Index != 0 || got.Refused[1].Index != 1 {
		t.Errorf("Refused = %v, want the first two", got.Refused)
	}
	c.Check(c.DB.View(t.Context(), func(tx store.Tx) error {
		kept, err := tx.Correction(box.ID, id)
		if err == nil && kept.Offset != time.Second {
			t.Errorf("kept %v, want the first word", kept.Offset)
		}
		return err
	}))
}
