package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"kazashi.example/appliance/journal"
	"kazashi.example/central/lab/relay"
	"kazashi.example/sync/ack"
)

// measureWire counts what passes between a box and central for a record, both ways: TLS, HTTP and the acknowledgement
// included, TCP and IP headers not; nor are polls. The connection stands and the epoch is known before the counting begins. A
// record on its own is what a counter sends while the line is up; a backlog goes in batches.
func (r *run) measureWire(ctx context.Context) (err error) {
	line, stop, err := r.openLine(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	_, b, err := r.scene.newBox(ctx, "wired", line.Addr())
	if err != nil {
		return err
	}
	c, err := openCounter(ctx, b.DataDir, line.Addr(), r.scene.certs())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	alone, err := count(ctx, line, c, r.n.pushed, 1)
	if err != nil {
		return err
	}
	batched, err := count(ctx, line, c, 1, r.n.pushed)
	if err != nil {
		return err
	}
	r.figure("wire_bytes_per_record", "%.0f", float64(alone)/float64(r.n.pushed), "bytes")
	r.figure("wire_bytes_per_record_backlog", "%.0f", float64(batched)/float64(r.n.pushed), "bytes")
	return nil
}

// openLine passes connections on to central, counting, until stop.
func (r *run) openLine(ctx context.Context) (line *relay.Relay, stop func() error, err error) {
	if line, err = relay.New("127.0.0.1:0", r.scene.uplink, r.Log); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- line.Run(ctx) }()
	return line, func() error { cancel(); return <-done }, nil
}

// count does rounds of some taps and one delivery, after one more that is not counted, and returns the octets that passed.
func count(ctx context.Context, line *relay.Relay, c *counter, rounds, taps int) (uint64, error) {
	if err := c.deliver(ctx, 1); err != nil {
		return 0, err
	}
	before, err := passed(ctx, line)
	if err != nil {
		return 0, err
	}
	for range rounds {
		if err := c.deliver(ctx, taps); err != nil {
			return 0, err
		}
	}
	after, err := passed(ctx, line)
	return after - before, err
}

// passed is how many octets have passed, once no more do.
func passed(ctx context.Context, line *relay.Relay) (n uint64, err error) {
	last := ^uint64(0)
	err = until(ctx, askWithin, func(context.Context) error {
		s := line.Stats()
		n = s.ToTarget + s.FromTarget
		if n != last {
			last = n
			return errNotYet
		}
		return nil
	})
	return n, err
}

const deliverWithin = time.Minute

var errRefused = errors.New("central refused records")

// deliver takes taps and brings everything that waits to central, as package link does it.
func (c *counter) deliver(ctx context.Context, taps int) error {
	for range taps {
		if _, err := c.tap(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	for {
		p, err := c.journal.Unsent(ctx, journal.Limits{})
		if err != nil {
			return err
		}
		if len(p.Envelopes) == 0 {
			return nil
		}
		out, err := c.client.Push(ctx, p)
		if err != nil {
			return err
		}
		if len(out.Refused) > 0 {
			return fmt.Errorf("%w: %s", errRefused, out.Refused[0].Reason)
		}
		a, err := ack.Open(c.desired.Trust(), out.Ack)
		if err != nil {
			return err
		}
		if err := c.journal.Accept(ctx, a); err != nil {
			return err
		}
	}
}
