package courier_test

import (
	"bytes"
	"os"
	"testing"

	"kazashi.example/central/boxline/simcentral"
	parcel "kazashi.example/sync/courier"

	"kazashi.example/central/intake/simbox"
	"kazashi.example/sync/epoch"
)

// BenchmarkTake measures parcels of 5000 new records in epochs of a thousand, each durable before it returns.
func BenchmarkTake(b *testing.B) {
	c := simcentral.New(b)
	box := c.Box()
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		s, err := parcel.Make(dir)
		c.Check(err)
		w, err := s.Writer(parcel.Config{Kind: parcel.Up, Box: box.ID, Next: next, Signer: box.Device})
		c.Check(err)
		for range 5 {
			e := box.Start(b, epoch.CauseRotation)
			var all [][]byte
			for i := range 1000 {
				all = append(all, e.Tap(b, simbox.Card(0x15, byte(i>>8), byte(i))).Bytes)
			}
			r, err := parcel.Pack(e.Signed.Message, all)
			c.Check(err)
			c.Check(w.Run(r))
		}
		c.Check(w.Close())
		c.Check(s.Close())
		octets, err := os.ReadFile(dir + "/" + w.Names()[0].String())
		c.Check(err)
		b.StartTimer()
		got, err := c.Courier.Take(b.Context(), bytes.NewReader(octets), int64(len(octets)))
		if err != nil || got.Fresh != 5000 {
			b.Fatal(got, err)
		}
	}
	b.ReportMetric(5000*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
