// Package pcsc speaks to card readers through the PC/SC service (pcscd): cards that come and go, and a connection to one.
//
// [Watch] reports every reader and card of the service as events, for as long as it runs, and gets over a service that is
// missing, restarted or hanging. [Connect] makes a [Card], which belongs to one goroutine at a time; different cards may be
// used at the same time, also beside a running Watch. Nothing is kept on disk. The package does not look at what is on a card,
// never tells cards apart by their answer to reset, and logs nothing.
//
// It is the project's only cgo package: libpcsclite by way of ebfe/scard, whose calls cannot be interrupted. Therefore they run
// in worker processes, which are this same program started once more ([Main]) and which are killed when a deadline passes.
// One worker holds one card or one Watch. Workers end with this process, however that ends. No goroutine outlives a call.
package pcsc

import (
	"errors"
	"fmt"

	"github.com/ebfe/scard"
)

// What can stand between us and a card, each a different sentence at the counter.
var (
	// ErrNoService: the PC/SC service does not answer.
	ErrNoService = errors.New("no PC/SC service: start pcscd (systemctl start pcscd) and look at its log")
	// ErrNoReader: there is no reader of this name, or no longer.
	ErrNoReader = errors.New("no such card reader: is it plugged in?")
	// ErrNoCard: there is no card on the reader, or it was taken away meanwhile.
	ErrNoCard = errors.New("no card on the reader")
	// ErrMute: something lies on the reader that does not answer as a card does. To be turned over or held on again.
	ErrMute = errors.New("card on the reader does not answer")
	// ErrInUse: another program holds the card.
	ErrInUse = errors.New("card is in use by another program: close it, or keep it away from this reader")
	// ErrReset: another program reset the card in the middle of ours: what was selected or verified is gone.
	ErrReset = errors.New("card was reset by another program: close it, and hold the card on again")
	// ErrDead: the connection was closed, or an earlier command ran past its deadline.
	ErrDead = errors.New("connection to the card is gone: connect again")
	// ErrHung: the service took a call and did not come back from it.
	ErrHung = errors.New("PC/SC service hangs: restart pcscd (systemctl restart pcscd), and look whether one reader is broken")
	// ErrWorker: the process that speaks to the service cannot be started, or has ended by itself.
	ErrWorker = errors.New("process that speaks to the card reader is not there")
	// ErrCommand: a command has no octets, or more than a command can have, and was not sent.
	ErrCommand = errors.New("empty or overlong command")
)

// kinds gives each error of libpcsclite that a box can meet one of this package's (pcsc-lite src/PCSC/pcsclite.h).
var kinds = map[scard.Error]error{
	scard.ErrNoService:          ErrNoService,
	scard.ErrServiceStopped:     ErrNoService,
	scard.ErrCommError:          ErrNoService, // the service ended in the middle of a call
	scard.ErrInvalidHandle:      ErrNoService, // the service was restarted and has forgotten us
	scard.ErrUnknownReader:      ErrNoReader,
	scard.ErrReaderUnavailable:  ErrNoReader,
	scard.ErrNoReadersAvailable: ErrNoReader,
	scard.ErrNoSmartcard:        ErrNoCard,
	scard.ErrRemovedCard:        ErrNoCard,
	scard.ErrResetCard:          ErrReset,
	scard.ErrUnresponsiveCard:   ErrMute,
	scard.ErrUnpoweredCard:      ErrMute,
	scard.ErrUnsupportedCard:    ErrMute,
	scard.ErrProtoMismatch:      ErrMute,
	scard.ErrSharingViolation:   ErrInUse,
}

// wrap names what was being done, and adds this package's error to libpcsclite's.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	var code scard.Error
	if errors.As(err, &code) {
		if kind, ok := kinds[code]; ok {
			return fmt.Errorf("%s: %w: %w", doing, kind, err)
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}
