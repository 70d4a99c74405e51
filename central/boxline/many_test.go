package boxline_test

import (
	"testing"

	"kazashi.example/central/boxline/simcentral"
	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/wire"
)

// A look at what a box lacks that has 20,000 records in twenty epochs which are not safe. On 2026-11-22 it took 0.7 ms, and 52 ms where all
// records were read at each look.
func BenchmarkPollOfManyUnsafe(b *testing.B) {
	c := simcentral.New(b)
	box := c.Box()
	p := current(c)
	for range 20 {
		e := box.Start(b, epoch.CauseRotation)
		for i := range 1000 {
			e.Tap(b, simbox.Card(0x15, byte(i>>8), byte(i)))
		}
		all := e.Push()
		c.Push(box, wire.Push{Headers: all.Headers, Envelopes: all.Envelopes[:500]})
		c.Push(box, wire.Push{Envelopes: all.Envelopes[500:]})
		p.Epochs = append(p.Epochs, e.Signed.Header.Epoch)
	}
	_, a, _ := c.Poll(box, p)
	p.Acks = a.Version
	for b.Loop() {
		c.Poll(box, p)
	}
}
