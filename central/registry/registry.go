// Package registry knows which boxes central serves: how they join, and when they are taken out of service.
//
// A box joins by a one-time code that an operator carries to it; each side proves to the other that it knows the code, over
// the key that the connection showed. What a call returned is durable. A [Registry] may be used from any goroutine. Codes are
// kept sealed: a copy of the database lets nobody join. It does not listen on a network.
package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/order"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/trust"
	"kazashi.example/sync/wire"
)

// DefaultTTL is how long a join code can be used.
const DefaultTTL = 24 * time.Hour

// labelCode binds a sealed code to its place.
const labelCode = "codes.secret"

// maxName caps a box's name, in octets.
const maxName = 120

// Errors.
var (
	// ErrUnknown says that no box has this id.
	ErrUnknown = errors.New("no such box; list them to see their ids")
	// ErrName says that a box's name is empty or too long.
	ErrName = errors.New("a box has a name of 1 to 120 octets")
)

// Sealer closes columns that must not be read from a copy of the database.
type Sealer interface {
	// Seal binds the secret to a label and a row.
	Seal(label string, row, plain []byte) []byte
	// Open is the inverse of Seal; an error if anything was changed.
	Open(label string, row, sealed []byte) ([]byte, error)
}

// Trust hands out the trust bundle in force.
type Trust interface {
	// Bundle is its number and its travelling form.
	Bundle() (number uint64, travelling []byte)
}

// Adopter takes up what was held for a box, inside the step that puts it into service.
type Adopter interface {
	Adopt(tx store.Tx, b store.Box) error
}

// SiteKeys hears who may hold the keys of a site, inside the step that changes it.
type SiteKeys interface {
	// Joined says that a box may from now on.
	Joined(tx store.Tx, b store.Box) error
	// Removed says that a box may no more.
	Removed(tx store.Tx, b store.Box) error
}

// Config is what a registry works with.
type Config struct {
	Store   store.Store
	Sealer  Sealer
	Trust   Trust
	Adopter Adopter
	Keys    SiteKeys
	Root    trust.Fingerprint // of the root set that codes name
	TLS     []sign.PublicKey  // keys that central shows on the uplink
	Now     func() time.Time
}

// Registry registers boxes.
type Registry struct{ Config }

// New makes a registry.
func New(c Config) *Registry { return &Registry{c} }

// NewCode makes a one-time code for a box that will stand at a site. ttl 0 means DefaultTTL.
func (r *Registry) NewCode(ctx context.Context, site record.SiteID, name string, ttl time.Duration) (wire.JoinCode, error) {
	return r.newCode(ctx, store.Code{Site: site, Name: name}, ttl)
}

func (r *Registry) newCode(ctx context.Context, row store.Code, ttl time.Duration) (wire.JoinCode, error) {
	if err := record.CheckName(row.Site); err != nil {
		return wire.JoinCode{}, fmt.Errorf("reading the site: %w", err)
	}
	if row.Name == "" || len(row.Name) > maxName {
		return wire.JoinCode{}, ErrName
	}
	if ttl == 0 {
		ttl = DefaultTTL
	}
	c := wire.JoinCode{Root: r.Root}
	_, _ = rand.Read(c.Secret[:]) // crypto/rand.Read never fails (Go 1.24)
	row.ID, row.Created = c.ID(), r.Now()
	row.Expires = row.Created.Add(ttl)
	row.Secret = r.Sealer.Seal(labelCode, row.ID[:], c.Secret[:])
	if err := r.Store.Update(ctx, func(tx store.Tx) error { return tx.AddCode(row) }); err != nil {
		return wire.JoinCode{}, fmt.Errorf("keeping a join code: %w", err)
	}
	return c, nil
}

// Box finds a box; ErrUnknown.
func (r *Registry) Box(ctx context.Context, id record.BoxID) (b store.Box, err error) {
	err = r.Store.View(ctx, func(tx store.Tx) error { b, err = tx.Box(id); return err })
	return b, unknown(err)
}

// Boxes lists every box, oldest first.
func (r *Registry) Boxes(ctx context.Context) (all []store.Box, err error) {
	err = r.Store.View(ctx, func(tx store.Tx) error { all, err = tx.AllBoxes(); return err })
	return all, err
}

// Reports lists what an operator must know of a box, oldest first.
func (r *Registry) Reports(ctx context.Context, id record.BoxID) (all []store.Report, err error) {
	err = r.Store.View(ctx, func(tx store.Tx) error { all, err = tx.ReportsOf(id); return err })
	return all, err
}

// Gap is something that a box must have written and central lacks. Either the box still has it, or it is lost.
type Gap = store.Gap

// MaxGaps caps what Gaps lists.
const MaxGaps = 1000

// Gaps lists what is missing of a box, the first MaxGaps: holes in the numbers of its epochs, the end that a successor names
// included, and epochs that a successor names and that never came. What the box has not sent since its newest epoch began,
// nobody can know here, nor what lies before an epoch that never came.
func (r *Registry) Gaps(ctx context.Context, id record.BoxID) (all []Gap, err error) {
	err = r.Store.View(ctx, func(tx store.Tx) error {
		if _, err := tx.Box(id); err != nil {
			return err
		}
		all, err = tx.Gaps(id, MaxGaps)
		return err
	})
	return all, unknown(err)
}

// Revoke takes a box out of service: it is told nothing more but its open orders; what it or others still bring of it is held, not
// opened. Its site seals under a new key from now on.
func (r *Registry) Revoke(ctx context.Context, id record.BoxID) error {
	return r.change(ctx, id, store.BoxRevoked, func(tx store.Tx, b store.Box) error { return tx.HoldBox(b.ID) })
}

// Reinstate puts a revoked or quarantined box back into full service, unless another one took its place meanwhile, and one that was ordered to wipe or lock itself among those that
// may hold the site's keys; such orders that are still open are withdrawn. What was held of it becomes ready to be opened. ErrReplaced for
// one that was replaced and is not revoked.
func (r *Registry) Reinstate(ctx context.Context, id record.BoxID) error {
	return r.change(ctx, id, store.BoxActive, func(tx store.Tx, b store.Box) error {
		if err := r.withdraw(tx, b.ID, order.KindWipe, order.KindLock); err != nil {
			return err
		}
		return r.Adopter.Adopt(tx, b)
	})
}

// Quarantine flags a box by hand; it is served and its records are applied as before.
func (r *Registry) Quarantine(ctx context.Context, id record.BoxID) error {
	return r.change(ctx, id, store.BoxQuarantined, r.Adopter.Adopt)
}

func (r *Registry) change(ctx context.Context, id record.BoxID, to store.BoxState, also func(store.Tx, store.Box) error) error {
	return unknown(r.Store.Update(ctx, func(tx store.Tx) error {
		was, err := tx.Box(id)
		if err != nil {
			return err
		}
		b, err := r.put(tx, was, to)
		if err != nil {
			return err
		}
		return also(tx, b)
	}))
}

// put writes a box's state, with all that follows but what becomes of its records. Who is in service again is lost no more.
func (r *Registry) put(tx store.Tx, was store.Box, to store.BoxState) (b store.Box, err error) {
	b = was
	if b.State, err = allowed(tx, was, to); err != nil {
		return b, err
	}
	if b.State == store.BoxActive {
		b.Withheld = false
	}
	if err := tx.SetBoxState(b.ID, b.State); err != nil {
		return b, err
	}
	if to != store.BoxRevoked {
		if err := tx.DropLoss(b.ID); err != nil {
			return b, err
		}
	}
	return b, r.withhold(tx, was, b)
}

// allowed is what a box may become that is to be in a state: one that was replaced is nothing else any more, unless it is revoked.
func allowed(tx store.Tx, b store.Box, to store.BoxState) (store.BoxState, error) {
	if to == store.BoxRevoked {
		return to, nil
	}
	if b.State == store.BoxReplaced {
		return b.State, ErrReplaced
	}
	_, err := tx.Replacement(b.ID)
	if errors.Is(err, store.ErrNone) {
		return to, nil
	}
	return store.BoxReplaced, err
}

// withhold writes whether a box may hold its site's keys, and says so to their keeper where that changed.
func (r *Registry) withhold(tx store.Tx, was, now store.Box) error {
	if was.Withheld != now.Withheld {
		if err := tx.SetBoxWithheld(now.ID, now.Withheld); err != nil {
			return err
		}
	}
	holds := func(b store.Box) bool {
		return b.State != store.BoxRevoked && b.State != store.BoxReplaced && !b.Withheld
	}
	switch {
	case holds(was) && !holds(now):
		return r.Keys.Removed(tx, now)
	case !holds(was) && holds(now):
		return r.Keys.Joined(tx, now)
	default:
		return nil
	}
}

func unknown(err error) error {
	if errors.Is(err, store.ErrNone) {
		return ErrUnknown
	}
	return err
}
