package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"kazashi.example/central/store"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Errors of Join. The first is all that somebody without the code ever learns.
var (
	ErrCode    = errors.New("the join code is not known here, or was not proved")
	ErrServer  = errors.New("the box saw another key than central's: somebody is in between")
	ErrKeys    = errors.New("the request's keys cannot be used, or are not those of this connection")
	ErrUsed    = errors.New("the join code was used by another box; make a new one")
	ErrExpired = errors.New("the join code has expired; make a new one")
	ErrTaken   = errors.New("this box id or device key is registered already; a box that starts anew makes new ones")
)

// Join registers a box by its code. The same box repeating the same request after a lost answer gets an answer again, also
// after the code has expired. device is the key that the peer proved on this connection.
func (r *Registry) Join(ctx context.Context, device sign.PublicKey, q wire.JoinRequest) (wire.JoinAnswer, error) {
	return r.join(ctx, q, func() error {
		if err := r.shown(q); err != nil {
			return err
		}
		return check(device, q)
	})
}

// JoinByCourier registers a box whose request came on a stick: it saw no server, and says so by an all zero Server, which is refused on a
// line. The code alone vouches for the request and its keys. Otherwise as Join.
func (r *Registry) JoinByCourier(ctx context.Context, q wire.JoinRequest) (wire.JoinAnswer, error) {
	return r.join(ctx, q, func() error {
		device, err := sign.ParsePublicKey(q.Device)
		if err != nil {
			return ErrKeys
		}
		if q.Server != (wire.MAC{}) {
			return ErrServer
		}
		return check(device, q)
	})
}

// join looks at what a request must satisfy beside its proof only once it was proved.
func (r *Registry) join(ctx context.Context, q wire.JoinRequest, look func() error) (wire.JoinAnswer, error) {
	var code wire.JoinCode
	var row store.Code
	// Anybody may ask. Who proves nothing gets no turn at the one connection that writes.
	err := r.Store.View(ctx, func(tx store.Tx) (err error) { _, _, err = r.proved(tx, q); return err })
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	err = r.Store.Update(ctx, func(tx store.Tx) (err error) {
		if row, code, err = r.proved(tx, q); err != nil {
			return err
		}
		if err := look(); err != nil {
			return err
		}
		if !row.Use.At.IsZero() {
			return again(tx, row.Use, q)
		}
		now := r.Now()
		if now.After(row.Expires) {
			return ErrExpired
		}
		return r.register(tx, row, q, now)
	})
	if err != nil {
		return wire.JoinAnswer{}, err
	}
	_, bundle := r.Trust.Bundle()
	return wire.JoinAnswer{Site: row.Site, Name: row.Name, Bundle: bundle, Replaces: row.Replaces}.Prove(code, q)
}

// proved finds the code and checks that the request was made with it.
func (r *Registry) proved(tx store.Tx, q wire.JoinRequest) (store.Code, wire.JoinCode, error) {
	row, err := tx.Code(q.Code)
	if errors.Is(err, store.ErrNone) {
		return row, wire.JoinCode{}, ErrCode
	}
	if err != nil {
		return row, wire.JoinCode{}, fmt.Errorf("finding the join code: %w", err)
	}
	secret, err := r.Sealer.Open(labelCode, q.Code[:], row.Secret)
	if err != nil {
		return row, wire.JoinCode{}, fmt.Errorf("opening the join code: %w", err)
	}
	code := wire.JoinCode{Root: r.Root}
	copy(code.Secret[:], secret)
	if err := q.Verify(code); err != nil {
		return row, wire.JoinCode{}, ErrCode
	}
	return row, code, nil
}

// shown is ErrServer unless the box saw a key of central's.
func (r *Registry) shown(q wire.JoinRequest) error {
	for _, k := range r.TLS {
		if sha256.Sum256(k.DER()) == q.Server {
			return nil
		}
	}
	return ErrServer
}

// check is ErrKeys unless the request's keys can be used, and the device key is the one that was proved.
func check(device sign.PublicKey, q wire.JoinRequest) error {
	own, err := sign.ParsePublicKey(q.Device)
	if err != nil || !own.Equal(device) || !bytes.Equal(own.DER(), q.Device) || q.Box.IsZero() {
		return ErrKeys
	}
	if _, err := seal.ParsePublicKey(q.Sealing); err != nil {
		return ErrKeys
	}
	return nil
}

// again lets the box that used a code have its answer once more, unless it was taken out of service since.
func again(tx store.Tx, u store.CodeUse, q wire.JoinRequest) error {
	if u.Box != q.Box || !bytes.Equal(u.Device, q.Device) || !bytes.Equal(u.Sealing, q.Sealing) {
		return ErrUsed
	}
	b, err := tx.Box(q.Box)
	if err != nil {
		return fmt.Errorf("finding box %s: %w", q.Box, err)
	}
	if b.State == store.BoxRevoked {
		return ErrTaken
	}
	return nil
}

func (r *Registry) register(tx store.Tx, c store.Code, q wire.JoinRequest, now time.Time) error {
	b := store.Box{
		ID: q.Box, Device: q.Device, Sealing: q.Sealing, Site: c.Site, Name: c.Name, State: store.BoxActive, Joined: now,
		Release: clip(q.Release), Replaces: c.Replaces,
	}
	if !c.Replaces.IsZero() {
		if err := r.replace(tx, c.Replaces); err != nil {
			return err
		}
	}
	if err := tx.AddBox(b); errors.Is(err, store.ErrTaken) {
		return ErrTaken
	} else if err != nil {
		return fmt.Errorf("registering box %s: %w", b.ID, err)
	}
	if err := tx.UseCode(c.ID, store.CodeUse{Box: q.Box, Device: q.Device, Sealing: q.Sealing, At: now}); err != nil {
		return fmt.Errorf("using up the join code: %w", err)
	}
	if err := r.Keys.Joined(tx, b); err != nil {
		return fmt.Errorf("noting that box %s may hold its site's keys: %w", b.ID, err)
	}
	return r.Adopter.Adopt(tx, b)
}

// clip bounds what a box says of its own software.
func clip(s string) string { return s[:min(len(s), maxName)] }
