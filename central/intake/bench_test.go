package intake_test

import (
	"testing"

	"kazashi.example/central/intake"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/wire"
)

// BenchmarkReceive measures pushes of 100 records, each durable before it returns.
func BenchmarkReceive(b *testing.B) {
	c := setUp(b, intake.Limits{})
	box := c.joined()
	for b.Loop() {
		b.StopTimer()
		e := box.Start(b, epoch.CauseRotation)
		taps(b, e, 100)
		p := e.Push()
		b.StartTimer()
		if taken := c.push(box, wire.Push{Headers: p.Headers, Envelopes: p.Envelopes}); len(taken.Refused) != 0 {
			b.Fatal(taken.Refused)
		}
	}
}
