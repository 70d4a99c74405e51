// Package cards is the readers of the PC/SC service as a tap needs them.
//
// It has no state: PCSC may be used from any goroutine. The program must begin with pcsc.Main. A card is held exclusively while
// it is read, and reset afterwards.
package cards

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
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

// ReadAuthCert connects to the card on a reader, reads its authentication certificate and lets it go. Errors: *tap.ReadError.
func (PCSC) ReadAuthCert(ctx context.Context, reader string) ([]byte, error) {
	card, err := pcsc.Connect(ctx, reader, pcsc.Exclusive)
	if err != nil {
		return nil, Classify(err)
	}
	cert, err := mynumber.New(card, mynumber.Options{Reader: reader}).ReadAuthCert(ctx)
	if cerr := card.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("letting the card go: %w", cerr)
	}
	if err != nil && cert.DER() == nil {
		return nil, Classify(err)
	}
	return cert.DER(), nil // a card that was read is a tap, however it went away afterwards
}

// failures is the counter's word for each error of the card side, the first that fits.
var failures = []struct {
	err  error
	word localapi.ReadFailure
}{
	{pcsc.ErrNoService, localapi.FailureNoPCSC},
	{pcsc.ErrHung, localapi.FailureNoPCSC},
	{pcsc.ErrWorker, localapi.FailureNoPCSC},
	{pcsc.ErrNoReader, localapi.FailureReaderGone},
	{pcsc.ErrInUse, localapi.FailureBusy},
	{pcsc.ErrNoCard, localapi.FailureTorn},
	{pcsc.ErrMute, localapi.FailureTorn},
	{pcsc.ErrReset, localapi.FailureTorn},
	{pcsc.ErrDead, localapi.FailureTorn},
	{mynumber.ErrNotMyNumber, localapi.FailureNotMyNumber},
	{mynumber.ErrNoCertificate, localapi.FailureNotMyNumber},
	{mynumber.ErrPINNeeded, localapi.FailurePINProtected},
	{mynumber.ErrTorn, localapi.FailureTorn},
	{mynumber.ErrNonsense, localapi.FailureNonsense},
	{context.DeadlineExceeded, localapi.FailureTorn},
	{context.Canceled, localapi.FailureTorn},
}

// Classify gives an error of packages pcsc and mynumber its word. What has none is nonsense.
func Classify(err error) error {
	for _, f := range failures {
		if errors.Is(err, f.err) {
			return &tap.ReadError{Failure: f.word, Err: err}
		}
	}
	return &tap.ReadError{Failure: localapi.FailureNonsense, Err: err}
}
