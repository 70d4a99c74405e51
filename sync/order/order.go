// Package order is what central may tell one box to do: lower its clock's floor, erase what names people, lock.
//
// An order is signed by C-sign for its purpose, names its box, and has an id under which the box does it at most once and
// central hears of its outcome. The lowering of a clock also names a nonce that the box made and uses up, so that an old one
// does nothing in a later boot. Values and pure functions; doing an order, and remembering that it was done, is the box's.
package order

import (
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
)

// MaxOrder caps a signed order, in octets.
const MaxOrder = 1 << 10

// Errors of this package.
var (
	// ErrOrder says that an order is well signed but contradicts itself.
	ErrOrder = errors.New("order contradicts itself")
	// ErrBox says that an order is for another box.
	ErrBox = errors.New("order is for another box")
)

// ID names an order: random, made by central.
type ID struct{ record.ID128 }

// NewID makes a random id.
func NewID() (id ID) {
	_, _ = rand.Read(id.ID128[:]) // crypto/rand.Read never fails (Go 1.24)
	return id
}

// Nonce is what a box's clock made for one lowering of its floor.
type Nonce struct{ record.ID128 }

// Kind says what to do. Numbers are reserved for ever.
type Kind uint8

// Kinds.
const (
	KindClock Kind = 1 // lower the floor of the clock to Time
	KindWipe  Kind = 2 // erase site book, roster and site keys; records stay until they are safe
	KindLock  Kind = 3 // forget the site keys that are open
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case KindClock:
		return "clock"
	case KindWipe:
		return "wipe"
	case KindLock:
		return "lock"
	default:
		return "unknown"
	}
}

// Known reports whether this release can do it.
func (k Kind) Known() bool { return k >= KindClock && k <= KindLock }

// Outcome is what a box says became of an order: a word, never a cause in the clear. Strings are reserved for ever.
type Outcome string

// Outcomes.
const (
	OutcomeDone    Outcome = "done"
	OutcomeFailed  Outcome = "failed"  // it could not be done; the box's log says why. A wipe or a lock is tried again, and may be done later
	OutcomeUnknown Outcome = "unknown" // of a later release: nothing was done
)

// Check returns ErrOrder unless the word is at most 32 of a-z and '_'.
func (o Outcome) Check() error {
	if len(o) == 0 || len(o) > 32 {
		return fmt.Errorf("%w: outcome", ErrOrder)
	}
	for _, c := range []byte(o) {
		if (c < 'a' || c > 'z') && c != '_' {
			return fmt.Errorf("%w: outcome", ErrOrder)
		}
	}
	return nil
}

// Order is one thing to do.
type Order struct {
	Version uint8        `cbor:"1,keyasint"`
	Box     record.BoxID `cbor:"2,keyasint"`
	ID      ID           `cbor:"3,keyasint"`
	Kind    Kind         `cbor:"4,keyasint"`
	Nonce   Nonce        `cbor:"5,keyasint"` // KindClock: the box's own; zero otherwise
	Time    int64        `cbor:"6,keyasint"` // KindClock: the floor, Unix milliseconds; 0 otherwise
	Issued  int64        `cbor:"7,keyasint"` // Unix milliseconds
}

// check is true of every kind, also of one that is not known here; what a kind asks for is asked of known ones.
func (o Order) check() error {
	fail := func(what string) error { return fmt.Errorf("%w: %s", ErrOrder, what) }
	clock := o.Kind == KindClock
	switch {
	case o.Version != 1:
		return fail("version")
	case o.Box.IsZero() || o.ID.IsZero() || o.Kind == 0 || o.Issued <= 0:
		return fail("box, id, kind or time of issue")
	case clock && (o.Nonce.IsZero() || o.Time <= 0):
		return fail("a clock is lowered under its own nonce, to a time")
	case o.Kind.Known() && !clock && (!o.Nonce.IsZero() || o.Time != 0):
		return fail("only the lowering of a clock has nonce and time")
	default:
		return nil
	}
}

// Sign closes the order with C-sign.
func (o Order) Sign(key crypto.Signer) ([]byte, error) {
	o.Version = 1
	if err := o.check(); err != nil {
		return nil, err
	}
	b, err := canon.Encode(o)
	if err != nil {
		return nil, err
	}
	return sign.Sign(key, sign.PurposeOrder, b)
}

// Open verifies and checks a signed order for a box. ErrOrder, ErrBox, or an error of packages canon and sign. A kind of a
// later release is no error: see Kind.Known.
func Open(keys sign.Keys, box record.BoxID, msg []byte) (Order, error) {
	if len(msg) > MaxOrder {
		return Order{}, fmt.Errorf("%w: %d octets", canon.ErrSize, len(msg))
	}
	payload, _, err := sign.Open(keys, sign.PurposeOrder, msg)
	if err != nil {
		return Order{}, err
	}
	var o Order
	if err := canon.Decode(payload, &o, MaxOrder); err != nil {
		return Order{}, err
	}
	if err := o.check(); err != nil {
		return Order{}, err
	}
	if o.Box != box {
		return Order{}, ErrBox
	}
	return o, nil
}
