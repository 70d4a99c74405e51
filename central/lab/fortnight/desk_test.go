package fortnight_test

import (
	"context"
	"sync"
	"testing/synctest"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/reader/vcard"
	"kazashi.example/sync/record"
)

const slot = "Practice Reader 0"

// desk is where cards are laid for one service, and what its people hear.
type desk struct {
	box     *box
	service record.ServiceID
	counter *tap.Counter
	events  chan tap.Event
	told    chan localapi.Event

	mu   sync.Mutex // guards card
	card *vcard.Card
}

// Watch is tap.Cards.
func (d *desk) Watch(ctx context.Context, handle func(tap.Event)) error {
	for {
		select {
		case e := <-d.events:
			handle(e)
		case <-ctx.Done():
			return nil
		}
	}
}

// Open is tap.Cards: the border at which virtual cards stand.
func (d *desk) Open(context.Context, string) (tap.Connection, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return connection{d.card}, nil
}

// Publish is tap.Announcer.
func (d *desk) Publish(e localapi.Event) {
	if e.Type == localapi.EventVerdict || e.Type == localapi.EventReadFailed {
		d.told <- e
	}
}

// lay lays a card and takes it away, and returns what was said.
func (d *desk) lay(who *somebody) localapi.Event {
	d.put(who)
	e := <-d.told
	d.events <- tap.Event{Kind: tap.CardRemoved, Reader: slot}
	return e
}

func (d *desk) put(who *somebody) {
	d.mu.Lock()
	d.card = who.card
	d.mu.Unlock()
	d.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
}

// layFor types something in first.
func (d *desk) layFor(q localapi.NextCardRequest, who *somebody) localapi.Event {
	synctest.Wait() // the card before is done with
	_, err := d.counter.Arm(q)
	must(d.box.t, err)
	return d.lay(who)
}

// connection is a virtual card on the reader, which resets it in the end.
type connection struct{ card *vcard.Card }

// Transmit is tap.Connection.
func (c connection) Transmit(_ context.Context, cmd []byte) ([]byte, error) {
	return c.card.Transmit(cmd), nil
}

// Close is tap.Connection.
func (c connection) Close() error {
	c.card.Reset()
	return nil
}

// enrolment is what is typed in for somebody who enrols.
func enrolment(who *somebody) localapi.NextCardRequest {
	return localapi.NextCardRequest{
		Kind: localapi.NextEnrol, PIN: localapi.NewSecret(who.world.AuthPIN), Birth: localapi.NewSecret(who.world.Birth.Compact()),
	}
}

// byPIN is what is typed in for a tap with the PIN.
func byPIN(who *somebody) localapi.NextCardRequest {
	return localapi.NextCardRequest{Kind: localapi.NextPIN, PIN: localapi.NewSecret(who.world.AuthPIN)}
}
