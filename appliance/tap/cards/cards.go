// Package cards is the readers of the PC/SC service as a tap needs them.
//
// It has no state: PCSC may be used from any goroutine, but only one Watch at a time may run in a process (package pcsc). It
// holds a card exclusively while a tap has it, and resets it afterwards. What is said to the card is package mynumber's.
package cards

import (
	"context"
	"errors"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/reader/pcsc"
)

// PCSC is the machine's PC/SC service.
type PCSC struct{}

var _ tap.Cards = PCSC{}

var kinds = map[pcsc.Kind]tap.Kind{
	pcsc.ServiceLost: tap.ServiceLost, pcsc.ServiceFound: tap.ServiceFound,
	pcsc.ReaderAdded: tap.ReaderAdded, pcsc.ReaderRemoved: tap.ReaderRemoved,
	pcsc.CardArrived: tap.CardArrived, pcsc.CardRemoved: tap.CardRemoved, pcsc.CardMute: tap.CardMute,
}

// Watch is pcsc.Watch.
func (PCSC) Watch(ctx context.Context, handle func(tap.Event)) error {
	return pcsc.Watch(ctx, func(e pcsc.Event) {
		handle(tap.Event{Kind: kinds[e.Kind], Reader: e.Reader, Already: e.Already, Err: e.Err})
	})
}

// Open connects to the card on a reader. Errors: *tap.ReadError.
func (PCSC) Open(ctx context.Context, reader string) (tap.Connection, error) {
	card, err := pcsc.Connect(ctx, reader, pcsc.Exclusive)
	if err != nil {
		return nil, Classify(err)
	}
	return connection{card}, nil
}

// connection is a card that was connected to.
type connection struct{ *pcsc.Card }

// Transmit is the card's. An error for which the counter has a word is a *tap.ReadError.
func (c connection) Transmit(ctx context.Context, command []byte) ([]byte, error) {
	answer, err := c.Card.Transmit(ctx, command)
	if err != nil {
		return nil, Classify(err)
	}
	return answer, nil
}

// failures is the counter's word for each error of package pcsc, the first that fits.
var failures = []struct {
	err  error
	word localapi.ReadFailure
}{
	{pcsc.ErrNoService, localapi.FailureNoPCSC},
	{pcsc.ErrHung, localapi.FailureNoPCSC},
	{pcsc.ErrWorker, localapi.FailureNoPCSC},
	{pcsc.ErrNoReader, localapi.FailureReaderGone},
	{pcsc.ErrInUse, localapi.FailureBusy},
	{pcsc.ErrReset, localapi.FailureBusy},
	{pcsc.ErrMute, localapi.FailureMute},
	{pcsc.ErrNoCard, localapi.FailureTorn},
	{pcsc.ErrDead, localapi.FailureTorn},
	{context.DeadlineExceeded, localapi.FailureTorn},
	{context.Canceled, localapi.FailureTorn},
}

// Classify gives an error of package pcsc its word at the counter; another stays what it is.
func Classify(err error) error {
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return &tap.ReadError{Failure: f.word, Err: err}
		}
	}
	return err
}
