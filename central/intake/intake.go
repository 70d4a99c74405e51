// Package intake receives sealed records and says what of them central holds.
//
// A push is stored in one transaction and acknowledged only after it committed: whatever the answer does not refuse is
// durable. Receiving never opens a record, so it never waits for a key, a responder or another record. An [Intake] may be used
// from any goroutine. It does not decide anything about a tap and does not know what is inside.
package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/intake/lineage"
	"kazashi.example/central/store"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// ErrTooMany says that a push has more elements than wire.MaxPushed or wire.MaxCorrected.
var ErrTooMany = errors.New("a push carries at most 512 headers, 512 envelopes and 16 corrections")

// Caps of what one carrier may leave here that central cannot attribute: without them any box could fill the disk.
const (
	MaxHeldHeaders   = 1024
	MaxHeldEnvelopes = 16384
	MaxHeadersOfBox  = 8192 // they are verified in one step when it joins
)

// Limits are the caps; zero fields are the constants.
type Limits struct {
	Headers, Envelopes int
	OfBox              int // headers in the name of one box, whoever brings them
}

// Intake receives.
type Intake struct {
	store  store.Store
	limits Limits
	now    func() time.Time
}

// New makes an intake over a store.
func New(s store.Store, l Limits, now func() time.Time) *Intake {
	if l.Headers == 0 {
		l.Headers = MaxHeldHeaders
	}
	if l.Envelopes == 0 {
		l.Envelopes = MaxHeldEnvelopes
	}
	if l.OfBox == 0 {
		l.OfBox = MaxHeadersOfBox
	}
	return &Intake{s, l, now}
}

// Taken is what a push came to. Envelopes are counted: fresh ones, those of them that are held because nobody can open them yet, and those
// that were here before.
type Taken struct {
	Fresh, Held, Known int

	Refused []wire.Refused
	Epochs  []record.EpochID // touched, with a verified header, in the order of the push
	Boxes   []record.BoxID   // whose records became ready to be opened, or whose state changed
}

// batch is one push on its way into the store.
type batch struct {
	tx      store.Tx
	limits  Limits
	carrier sign.KeyID
	now     time.Time
	taken   Taken
	headers int                  // held for this carrier; -1 until counted
	named   map[record.BoxID]int // held in the name of a box
	odd     int                  // held or set aside for this carrier; -1 until counted
	aside   int                  // set aside of this carrier's; -1 until counted
	trusted bool
	inForce map[record.EpochID]inForce // of the envelopes so far; headers and corrections come before them
}

// inForce is what is known of an epoch while envelopes are kept.
type inForce struct {
	known bool // its header is here
	box   store.Box
}

// Receive stores what a carrier brought. When it returns without an error, everything not refused is durable.
func (i *Intake) Receive(ctx context.Context, carrier sign.KeyID, p wire.Push) (Taken, error) {
	return i.receive(ctx, carrier, p, false)
}

// receive holds wider caps of what an operator hands in.
func (i *Intake) receive(ctx context.Context, carrier sign.KeyID, p wire.Push, trusted bool) (Taken, error) {
	if len(p.Headers) > wire.MaxPushed || len(p.Envelopes) > wire.MaxPushed || len(p.Corrections) > wire.MaxCorrected {
		return Taken{}, ErrTooMany
	}
	envelopes, bad := read(p)
	var taken Taken
	err := i.store.Update(ctx, func(tx store.Tx) error {
		limits := i.limits
		if trusted {
			limits.Headers, limits.Envelopes = MaxCarriedHeaders, MaxCarriedEnvelopes
		}
		b := &batch{tx: tx, limits: limits, carrier: carrier, now: i.now(), headers: -1, odd: -1, aside: -1, trusted: trusted}
		for n, msg := range p.Headers {
			if err := b.each(n, b.header(msg)); err != nil {
				return fmt.Errorf("keeping a header: %w", err)
			}
		}
		// Before the envelopes whose times they correct become ready to be opened.
		for n, msg := range p.Corrections {
			if err := b.each(len(p.Headers)+len(p.Envelopes)+n, b.correction(msg)); err != nil {
				return fmt.Errorf("keeping a correction: %w", err)
			}
		}
		for n, e := range envelopes {
			if reason, isBad := bad[n]; isBad {
				b.refuse(len(p.Headers)+n, reason)
				continue
			}
			if err := b.each(len(p.Headers)+n, b.envelope(e)); err != nil {
				return fmt.Errorf("keeping an envelope: %w", err)
			}
		}
		taken = b.taken
		return nil
	})
	return taken, err
}

// read decodes the envelopes before the transaction begins.
func read(p wire.Push) (all []store.Envelope, bad map[int]string) {
	all, bad = make([]store.Envelope, len(p.Envelopes)), map[int]string{}
	for n, raw := range p.Envelopes {
		e, err := epoch.DecodeEnvelope(raw)
		if errors.Is(err, epoch.ErrNewer) {
			err = fmt.Errorf("central cannot read this envelope yet; upgrade it: %w", err)
		}
		if err != nil {
			bad[n] = err.Error()
			continue
		}
		all[n] = store.Envelope{ID: e.ID(), Previous: e.Previous, Chain: e.Previous.Next(raw), Sum: sha256.Sum256(raw), Bytes: raw}
	}
	return all, bad
}

// refusal is a fault of one thing in a push; it does not touch the others.
type refusal string

func (r refusal) Error() string { return string(r) }

func refusef(format string, args ...any) error { return refusal(fmt.Sprintf(format, args...)) }

// each turns a refusal into an entry of the answer; any other error ends the push.
func (b *batch) each(index int, err error) error {
	var r refusal
	if errors.As(err, &r) {
		b.refuse(index, string(r))
		return nil
	}
	return err
}

func (b *batch) refuse(index int, reason string) {
	b.taken.Refused = append(b.taken.Refused, wire.Refused{Index: uint32(index), Reason: reason}) //nolint:gosec // at most 1040
}

// header keeps a header: verified and in force if its box is registered, held if not.
func (b *batch) header(msg []byte) error {
	said, err := epoch.Read(msg)
	if errors.Is(err, epoch.ErrNewer) {
		return refusef("central cannot read this epoch header yet; upgrade it: %v", err)
	}
	if err != nil {
		return refusef("not an epoch header: %v", err)
	}
	box, err := b.tx.Box(said.Header.Box)
	if errors.Is(err, store.ErrNone) {
		return b.holdHeader(said)
	}
	if err != nil {
		return err
	}
	changed, err := admit(b.tx, box, msg, b.now)
	if err != nil {
		return err
	}
	b.touch(said.Header.Epoch)
	if changed {
		b.taken.Boxes = append(b.taken.Boxes, box.ID)
	}
	return nil
}

func (b *batch) holdHeader(said epoch.Signed) error {
	if len(said.Message) > epoch.MaxHeader {
		return refusef("not an epoch header: %d octets", len(said.Message))
	}
	if b.headers < 0 {
		n, err := b.tx.CountHeldHeaders(b.carrier)
		if err != nil {
			return err
		}
		b.headers = n
	}
	if b.headers >= b.limits.Headers {
		return refusef("central already holds %d headers of unknown boxes from this carrier; join those boxes first", b.headers)
	}
	n, counted := b.named[said.Header.Box]
	if !counted {
		var err error
		if n, err = b.tx.CountHeadersOf(said.Header.Box); err != nil {
			return err
		}
	}
	if n >= b.limits.OfBox {
		return refusef("central already holds %d headers of box %s, which has not joined; join it first", n, said.Header.Box)
	}
	if b.named == nil {
		b.named = map[record.BoxID]int{}
	}
	b.named[said.Header.Box] = n + 1
	b.headers++
	return b.tx.HoldHeader(store.HeldHeader{
		Box: said.Header.Box, Epoch: said.Header.Epoch, Message: said.Message, Carrier: b.carrier, Received: b.now,
	})
}

// admit verifies a header with its box's device key and puts it in force. It reports whether envelopes became ready.
func admit(tx store.Tx, box store.Box, msg []byte, now time.Time) (bool, error) {
	key, err := sign.ParsePublicKey(box.Device)
	if err != nil {
		return false, fmt.Errorf("reading the device key of box %s: %w", box.ID, err)
	}
	signed, _, err := epoch.OpenHeader(sign.One{Key: key}, msg)
	if err != nil {
		return false, refusef("header is not one of box %s: %v", box.ID, err)
	}
	old, err := tx.Epoch(signed.Header.Epoch)
	switch {
	case err == nil:
		return false, again(tx, box, old, signed, now)
	case !errors.Is(err, store.ErrNone):
		return false, err
	}
	e := store.Epoch{ID: signed.Header.Epoch, Box: box.ID, Signed: signed, Received: now}
	if err := tx.AddEpoch(e); err != nil {
		return false, err
	}
	if err := lineage.Header(tx, e, now); err != nil {
		return false, fmt.Errorf("comparing epoch %s with the others: %w", e.ID, err)
	}
	if box.State == store.BoxRevoked {
		return false, nil
	}
	n, err := tx.ReleaseEpoch(e.ID)
	return n > 0, err
}

// again takes a header whose epoch is known: the same one is welcome, another is reported and refused. It is the same box's: an
// epoch id proves its box (epoch.IDOf).
func again(tx store.Tx, box store.Box, old store.Epoch, signed epoch.Signed, now time.Time) error {
	if old.Signed.Root == signed.Root {
		return nil
	}
	if err := lineage.Fork(tx, store.Report{Reason: lineage.TwoHeaders, Box: box.ID, Epoch: old.ID, At: now}); err != nil {
		return err
	}
	return refusef("epoch %s was opened by another header", old.ID)
}

// envelope keeps an envelope: ready if its header is in force and its box in service, held otherwise.
func (b *batch) envelope(e store.Envelope) error {
	of, err := b.epoch(e.ID.Epoch)
	if err != nil {
		return err
	}
	known, box := of.known, of.box
	state, err := b.tx.FindEnvelope(e.ID, e.Sum)
	switch {
	case err == nil && state == store.EnvelopeAside:
		return refusef("record %s does not open under its epoch's key; set aside", e.ID)
	case err == nil && state == store.EnvelopeRival:
		return refusef("record %s was applied with other content; kept as evidence", e.ID)
	case err == nil:
		b.taken.Known++
		b.touchIf(known, e.ID.Epoch)
		return nil
	case !errors.Is(err, store.ErrNone):
		return err
	}
	if err := b.room(box, e.ID); err != nil {
		return err
	}
	e.Carrier, e.Received, e.State = b.carrier, b.now, store.EnvelopeHeld
	if known && box.State != store.BoxRevoked {
		e.State = store.EnvelopeReady
		b.taken.Boxes = append(b.taken.Boxes, box.ID)
	}
	b.touchIf(known, e.ID.Epoch)
	b.taken.Fresh++
	if e.State == store.EnvelopeHeld {
		b.taken.Held++
	}
	return b.tx.AddEnvelope(e)
}

// epoch finds an epoch and its box, once a push: envelopes change neither.
func (b *batch) epoch(id record.EpochID) (inForce, error) {
	if of, ok := b.inForce[id]; ok {
		return of, nil
	}
	var of inForce
	ep, err := b.tx.Epoch(id)
	if err == nil {
		of.known = true
		of.box, err = b.tx.Box(ep.Box)
	} else if errors.Is(err, store.ErrNone) {
		err = nil
	}
	if err != nil {
		return of, err
	}
	if b.inForce == nil {
		b.inForce = map[record.EpochID]inForce{}
	}
	b.inForce[id] = of
	return of, nil
}

// room holds the caps. One is on envelopes that nobody can vouch for yet: those without a header, rivals for one record id, and
// what a device itself brings that was taken out of service. The other is for what a carrier makes up under numbers that are
// free, which looks like another box's record until it is opened.
func (b *batch) room(box store.Box, id record.ID) error {
	rivals := 0
	if known := !box.ID.IsZero(); known {
		n, err := b.tx.Rivals(id)
		own := sign.KeyIDOf(box.Device) == b.carrier
		switch {
		case err != nil:
			return err
		case n > 0:
			rivals = n
		case !own && b.trusted:
			return nil
		case !own:
			return b.honest()
		case box.State != store.BoxRevoked:
			return nil
		}
	}
	if b.odd < 0 {
		n, err := b.tx.CountHeld(b.carrier)
		if err != nil {
			return err
		}
		b.odd = n
	}
	if b.odd+rivals >= b.limits.Envelopes {
		return refusef("central already holds %d envelopes from this carrier that it cannot open yet; "+
			"send their headers, or put the box back into service", b.odd)
	}
	b.odd++
	return nil
}

// honest refuses a carrier too many of whose envelopes did not open: it brings only its own from now on.
func (b *batch) honest() error {
	if b.aside < 0 {
		n, err := b.tx.CountAside(b.carrier)
		if err != nil {
			return err
		}
		b.aside = n
	}
	if b.aside >= b.limits.Envelopes {
		return refusef("%d envelopes from this carrier did not open; it may bring only its own records", b.aside)
	}
	return nil
}

func (b *batch) touchIf(known bool, id record.EpochID) {
	if known {
		b.touch(id)
	}
}

func (b *batch) touch(id record.EpochID) {
	if slices.Contains(b.taken.Epochs, id) {
		return
	}
	b.taken.Epochs = append(b.taken.Epochs, id)
}

// Adopt takes up what was held for a box that has just joined or was put back in service: headers that its device key signed
// come into force, their envelopes become ready. It is part of the step that registers the box. Headers that somebody else
// made in the box's name are dropped.
func (i *Intake) Adopt(tx store.Tx, box store.Box) error {
	held, err := tx.HeldHeaders(box.ID)
	if err != nil {
		return err
	}
	for _, h := range held {
		var r refusal
		if _, err := admit(tx, box, h.Message, i.now()); err != nil && !errors.As(err, &r) {
			return fmt.Errorf("taking up a held header: %w", err)
		}
	}
	if err := tx.DropHeldHeaders(box.ID); err != nil {
		return err
	}
	return tx.ReleaseBox(box.ID)
}
