package tray

import (
	"context"
	"fmt"
	"slices"
	"time"

	"kazashi.example/central/lab/tray/ledger"
)

// Reasons are the reasonCode names of RFC 5280 §5.3.1 that a revocation may give; the first is the usual one.
var Reasons = []string{
	"cessationOfOperation", "affiliationChanged", "superseded", "keyCompromise", "certificateHold",
}

// pkiTimeout bounds a call to the practice JPKI, slotTimeout one to the card's rig.
const (
	pkiTimeout  = 10 * time.Second
	slotTimeout = 10 * time.Second
)

// Lay lays a person's card on the reader; a card that lies there is taken away first. The returned entry is the tap's. When
// the reader's rig fails, the error is returned and written down under the tap's number.
func (t *Tray) Lay(ctx context.Context, person string) (ledger.Entry, error) {
	t.deed.Lock()
	defer t.deed.Unlock()
	p, err := t.person(person)
	if err != nil {
		return ledger.Entry{}, err
	}
	if err := t.clear(ctx); err != nil {
		return ledger.Entry{}, err
	}
	return t.lay(ctx, p, t.expect(p))
}

// Expected is what a tap should come to; empty where either would be right.
type Expected struct{ First, Final Outcome }

// LayExpecting is Lay for somebody who knows more than the tray, as who is enrolled.
func (t *Tray) LayExpecting(ctx context.Context, person string, want Expected) (ledger.Entry, error) {
	t.deed.Lock()
	defer t.deed.Unlock()
	p, err := t.person(person)
	if err != nil {
		return ledger.Entry{}, err
	}
	if err := t.clear(ctx); err != nil {
		return ledger.Entry{}, err
	}
	return t.lay(ctx, p, want)
}

func (t *Tray) lay(ctx context.Context, p Person, want Expected) (ledger.Entry, error) {
	e, err := t.write(ledger.Entry{
		Kind: ledger.KindLay, Tap: t.nextTap(), Person: p.Key, Serial: p.Serial,
		Desk: t.cfg.Desk, Service: t.cfg.Service, ExpectFirst: string(want.First), ExpectFinal: string(want.Final),
	})
	if err != nil {
		return ledger.Entry{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	if err := t.cfg.Slot.Insert(ctx, p.Profile, p.Faults); err != nil {
		err = fmt.Errorf("laying the card on the reader: %w", err)
		t.doubt = true
		if _, werr := t.write(ledger.Entry{Kind: ledger.KindFail, Tap: e.Tap, Person: p.Key, Error: shorten(err.Error())}); werr != nil {
			return ledger.Entry{}, werr
		}
		return ledger.Entry{}, err
	}
	t.moved = time.Now()
	return e, nil
}

// Take takes the card away; ErrNoCard if none lies there.
func (t *Tray) Take(ctx context.Context) (ledger.Entry, error) {
	t.deed.Lock()
	defer t.deed.Unlock()
	return t.take(ctx)
}

// take writes afterwards: a card that the rig did not give back still lies there.
func (t *Tray) take(ctx context.Context) (ledger.Entry, error) {
	card := t.onReader()
	if card == nil {
		return ledger.Entry{}, ErrNoCard
	}
	if err := until(ctx, t.moved.Add(t.cfg.Hold)); err != nil {
		return ledger.Entry{}, err
	}
	if err := t.remove(ctx); err != nil {
		return ledger.Entry{}, err
	}
	t.moved = time.Now()
	return t.write(ledger.Entry{Kind: ledger.KindTake, Tap: card.Tap, Person: card.Person})
}

// Fail takes the card away and writes down that nobody can say what became of it: what read it was killed before it said a word, or said that
// it could not. ErrNoCard if none lies there.
func (t *Tray) Fail(ctx context.Context, why string) error {
	t.deed.Lock()
	defer t.deed.Unlock()
	card := t.onReader()
	if card == nil {
		return ErrNoCard
	}
	t.doubt = true
	if _, err := t.write(ledger.Entry{Kind: ledger.KindFail, Tap: card.Tap, Person: card.Person, Error: shorten(why)}); err != nil {
		return err
	}
	return t.clear(ctx)
}

// clear empties the reader for the next card and gives pcscd the time to see it.
func (t *Tray) clear(ctx context.Context) error {
	if t.onReader() != nil {
		if _, err := t.take(ctx); err != nil {
			return err
		}
	}
	if t.doubt {
		if err := t.remove(ctx); err != nil {
			return err
		}
		t.moved, t.doubt = time.Now(), false
	}
	return until(ctx, t.moved.Add(t.cfg.Gap))
}

func (t *Tray) remove(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, slotTimeout)
	defer cancel()
	if err := t.cfg.Slot.Remove(ctx); err != nil {
		return fmt.Errorf("taking the card from the reader: %w", err)
	}
	return nil
}

// until waits for a moment, at most until ctx ends.
func until(ctx context.Context, moment time.Time) error {
	wait := time.NewTimer(time.Until(moment))
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("giving the reader time: %w", ctx.Err())
	}
}

// SetLine cuts the line or restores it; ErrLineAlready if it is so.
func (t *Tray) SetLine(up bool) (ledger.Entry, error) {
	t.deed.Lock()
	defer t.deed.Unlock()
	if t.cfg.Line.Up() == up {
		return ledger.Entry{}, fmt.Errorf("%w: %s", ErrLineAlready, lineWord(up))
	}
	if up {
		e, err := t.write(ledger.Entry{Kind: ledger.KindRestore, Line: ledger.LineUp})
		if err == nil {
			t.cfg.Line.Restore()
		}
		return e, err
	}
	t.cfg.Line.Cut() // before it is written: a tap "down" in the ledger must not have had a line
	return t.write(ledger.Entry{Kind: ledger.KindCut})
}

// Revoke has a person's certificate revoked at the practice JPKI as of now, and on no list: only who asks there learns it.
// An empty reason is the usual one. ErrAlreadyRevoked, ErrNotRevocable, ErrReason.
func (t *Tray) Revoke(ctx context.Context, person, reason string) (ledger.Entry, error) {
	t.deed.Lock()
	defer t.deed.Unlock()
	p, err := t.person(person)
	switch {
	case err != nil:
		return ledger.Entry{}, err
	case reason == "":
		reason = Reasons[0]
	case !slices.Contains(Reasons, reason):
		return ledger.Entry{}, fmt.Errorf("%w: %q", ErrReason, reason)
	}
	if !p.Revocable {
		return ledger.Entry{}, ErrNotRevocable
	}
	if _, done := t.revocation(p.Key); done {
		return ledger.Entry{}, ErrAlreadyRevoked
	}
	ctx, cancel := context.WithTimeout(ctx, pkiTimeout)
	defer cancel()
	if err := t.cfg.PKI.Revoke(ctx, p.Key, reason, time.Now()); err != nil {
		return ledger.Entry{}, fmt.Errorf("revoking at the practice JPKI: %w", err)
	}
	return t.write(ledger.Entry{Kind: ledger.KindRevoke, Person: p.Key, Serial: p.Serial, Reason: reason})
}

// Renew has the practice JPKI give a person a new certificate, on the same card or on a new one. A card that lies on the reader
// is taken away first. ErrNotRenewable.
func (t *Tray) Renew(ctx context.Context, person string, newCard bool) (ledger.Entry, error) {
	t.deed.Lock()
	defer t.deed.Unlock()
	p, err := t.person(person)
	switch {
	case err != nil:
		return ledger.Entry{}, err
	case !p.Renewable || t.cfg.Reload == nil:
		return ledger.Entry{}, ErrNotRenewable
	}
	if err := t.clear(ctx); err != nil {
		return ledger.Entry{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, pkiTimeout)
	defer cancel()
	if err := t.cfg.PKI.Renew(ctx, p.Key, newCard, time.Now()); err != nil {
		return ledger.Entry{}, fmt.Errorf("renewing at the practice JPKI: %w", err)
	}
	if p, err = t.reload(p.Key); err != nil {
		return ledger.Entry{}, err
	}
	kind := ledger.KindRenew
	if newCard {
		kind = ledger.KindReissue
	}
	return t.write(ledger.Entry{Kind: kind, Person: p.Key, Serial: p.Serial})
}

// reload reads the people again and returns one of them.
func (t *Tray) reload(key string) (Person, error) {
	all, err := t.cfg.Reload()
	if err != nil {
		return Person{}, fmt.Errorf("reading the practice world again: %w", err)
	}
	t.mu.Lock()
	t.people = all
	t.mu.Unlock()
	return t.person(key)
}

// Publish has the practice JPKI issue new lists.
func (t *Tray) Publish(ctx context.Context) (ledger.Entry, error) {
	t.deed.Lock()
	defer t.deed.Unlock()
	ctx, cancel := context.WithTimeout(ctx, pkiTimeout)
	defer cancel()
	number, err := t.cfg.PKI.Publish(ctx)
	if err != nil {
		return ledger.Entry{}, fmt.Errorf("publishing at the practice JPKI: %w", err)
	}
	return t.write(ledger.Entry{Kind: ledger.KindPublish, List: number})
}

// expect says what a tap of p begun now should come to. After a publication the box may or may not hold the new list.
func (t *Tray) expect(p Person) Expected {
	want := Expected{p.First, p.Final}
	r, revoked := t.revocation(p.Key)
	if revoked && want.First != OutcomeNoRecord {
		if r.published && want.First == OutcomeServed {
			want.First = ""
		}
		want.Final = OutcomeRefused
	}
	if t.cfg.Enrols && want.First == OutcomeServed {
		want.First = ""
	}
	if t.cfg.Enrols && want.Final == OutcomeServed {
		want.Final = ""
	}
	return want
}

func (t *Tray) onReader() *Card {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.card
}

func (t *Tray) nextTap() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taps + 1
}

func (t *Tray) revocation(person string) (revocation, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r, ok := t.revoked[person]
	return r, ok
}

// shorten keeps an error within a ledger line.
func shorten(s string) string {
	const most = 400
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}
