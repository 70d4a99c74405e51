// Package courier is central's end of the way by stick: it takes parcels that came from boxes and makes those that go to them.
//
// What a parcel brings goes the way of what comes by a line: records to intake, what a box says of itself to boxline, a request to join to the
// registry. So the same things by stick and by line, in any order and however often, come to the same. Taking is durable step by step: when
// [Courier.Take] has returned, everything that it did not name as refused is kept, and when it was cut off, doing it again does the rest.
// Making a parcel changes nothing but its number. Memory is bounded by one part and one batch. A [Courier] may be used from any
// goroutine. It reads no stick: an operator's command does, and hands parcels over as streams of octets.
package courier

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"sync"
	"time"

	"kazashi.example/central/boxline"
	"kazashi.example/central/intake"
	"kazashi.example/central/store"
	"kazashi.example/central/store/notice"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
)

// Errors of parcels that are refused whole, beside those of package sync/courier, of joining, and of messages.
var (
	// ErrWay says that a parcel is on its way to a box.
	ErrWay = errors.New("parcel goes to a box; central takes nothing from it")
	// ErrCentral says that records are sealed to another central.
	ErrCentral = errors.New("sealed to another central's key; take the stick there")
	// ErrUnknown says that no such box has joined.
	ErrUnknown = errors.New("no such box has joined; list them to see their ids")
)

// SealKeys finds C-seal by its id; opener.ErrSealKey.
type SealKeys interface {
	SealKey(id sign.KeyID) (seal.PrivateKey, error)
}

// Config is what a courier works with. Dir is a folder for parcels while they are made; what a stop left there is removed by New.
type Config struct {
	Store    store.Store
	Intake   *intake.Intake
	Line     *boxline.Line
	SealKeys SealKeys
	Sign     crypto.Signer // C-sign
	Bells    *notice.Bells
	Dir      string
	Now      func() time.Time
	Log      *slog.Logger
}

// Courier takes and makes parcels.
type Courier struct {
	Config

	mu     sync.Mutex
	behind map[record.BoxID]uint64 // boxes that said something under an older number since their last parcels were made, and the newest
}

// Refusal is an error whose text is for the operator: the parcel is at fault.
type Refusal struct{ Err error }

func (r *Refusal) Error() string { return r.Err.Error() }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// box finds a box, and what it said last by courier.
func (c *Courier) box(ctx context.Context, id record.BoxID) (b store.Box, said store.CourierState, err error) {
	err = c.Store.View(ctx, func(tx store.Tx) (err error) {
		if b, err = tx.Box(id); err != nil {
			return err
		}
		said, err = tx.CourierState(id)
		if errors.Is(err, store.ErrNone) {
			err = nil
		}
		return err
	})
	return b, said, err
}
