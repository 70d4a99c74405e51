package tap_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"kazashi.example/appliance/tap"
	"kazashi.example/localapi"
	"kazashi.example/reader/cvc"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/record"
)

// over waits until nothing is waited for.
func (c *counter) over() {
	c.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
		if _, ok := c.tap.Armed(); !ok {
			return
		}
		select {
		case <-c.changed:
		case <-time.After(time.Second):
		}
	}
	c.t.Fatal("the next card is still waited for")
}

// wiped says that nothing is left of what was typed in.
func wiped(r localapi.NextCardRequest) bool {
	for _, s := range []localapi.Secret{r.PIN, r.InputPIN, r.Birth} {
		if len(bytes.Trim(s.Octets(), "\x00")) > 0 {
			return false
		}
	}
	return true
}

// P3: what was typed in is overwritten as soon as the card was handled, whatever became of it.
func TestP3WhatWasTypedIsWiped(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	_, torn := c.card("hanako")
	torn.tear = 3
	_, revoked := c.card("goro")
	for name, tc := range map[string]struct {
		ask  localapi.NextCardRequest
		card *plastic
	}{
		"enrolled":      {enrolment(p), card},
		"with the PIN":  {withPIN(p.AuthPIN), card},
		"wrong PIN":     {withPIN("0000"), card},
		"taken away":    {shortEnrolment(p), torn},
		"refused":       {enrolment(p), revoked},
		"same PINs":     {localapi.NextCardRequest{Kind: localapi.NextEnrol, PIN: localapi.NewSecret(p.AuthPIN), SamePIN: true, Attributes: true}, card},
		"typed date":    {shortEnrolment(p), card},
		"another PIN":   {withPIN("9999"), revoked},
		"taken away II": {withPIN(p.AuthPIN), torn},
	} {
		c.arm(tc.ask)
		if next, ok := c.tap.Armed(); !ok || next.Kind != tc.ask.Kind || next.Attributes != tc.ask.Attributes ||
			!next.Until.Equal(c.clock.at.Add(localapi.NextLasts)) {
			t.Errorf("%s: Armed() = %+v, %t", name, next, ok)
		}
		torn.sent = nil
		c.lay(tc.card)
		c.over()
		if !wiped(tc.ask) {
			t.Errorf("%s: what was typed in is still there", name)
		}
		must(t, card.ResetCounts())
	}
}

func TestOneNextCardAtATime(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	first, second := withPIN(p.AuthPIN), withPIN(p.AuthPIN)
	c.arm(first)
	if _, err := c.tap.Arm(second); !errors.Is(err, localapi.ErrNextBusy) {
		t.Errorf("Arm() = %v, want ErrNextBusy", err)
	}
	if wiped(second) {
		t.Error("a request that was refused is the caller's, and was overwritten")
	}
	c.tap.Disarm()
	if _, ok := c.tap.Armed(); ok || !wiped(first) {
		t.Errorf("after Disarm: armed %t, overwritten %t", ok, wiped(first))
	}
	c.tap.Disarm() // a second time is no fault
	c.want("an ordinary tap", card, inOrder, record.EvidenceCertificate)
}

func TestArmRefuses(t *testing.T) {
	c := newCounter(t)
	p, _ := c.card("hanako")
	future := shortEnrolment(p)
	future.Birth = localapi.NewSecret("29990101")
	for name, q := range map[string]localapi.NextCardRequest{
		"no kind":                    {PIN: localapi.NewSecret("1234")},
		"three digits":               withPIN("123"),
		"enrolment without anything": {Kind: localapi.NextEnrol, PIN: localapi.NewSecret("1234")},
		"born in the future":         future,
	} {
		if _, err := c.tap.Arm(q); !errors.Is(err, localapi.ErrNextForm) {
			t.Errorf("Arm(%s) = %v, want ErrNextForm", name, err)
		}
	}
	unruled := newCounter(t, func(conf *tap.Config) { conf.Rules = &rules{} })
	if _, err := unruled.tap.Arm(withPIN("1234")); !errors.Is(err, localapi.ErrNextNotServed) {
		t.Errorf("Arm() without a rule = %v, want ErrNextNotServed", err)
	}
	if _, ok := c.tap.Armed(); ok {
		t.Error("a request that was refused is waited for")
	}
}

// present lays a card and waits until it was seen.
func (c *counter) present(reader string, card mynumber.Transmitter, already bool) {
	c.t.Helper()
	c.readers.put(reader, card)
	c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: reader, Already: already}
	c.expect(localapi.EventCardPresent)
}

// lifted takes the card away.
func (c *counter) lifted(reader string) {
	c.t.Helper()
	c.readers.events <- tap.Event{Kind: tap.CardRemoved, Reader: reader}
	c.expect(localapi.EventCardRemoved)
}

// rests waits for a verdict.
func (c *counter) rests(reader string, evidence record.Evidence) {
	c.t.Helper()
	c.expect(localapi.EventReading)
	e := c.next()
	if e.Type != localapi.EventVerdict || e.Reader != reader || e.Rests.Evidence != evidence {
		c.t.Fatalf("event %s %s on %q, want a verdict with evidence %s on %q", e.Type, e.Failure, e.Reader, evidence, reader)
	}
}

// secrets fails unless so many values were verified on a card since the last call.
func (c *counter) secrets(name string, card *plastic, want int) {
	c.t.Helper()
	if n := card.verified(); n != want {
		c.t.Errorf("%s: %d values were sent to be verified, want %d", name, n, want)
	}
}

const otherSlot = "Virtual Reader 00 01"

// P5: what was typed meets no card that lies there already, however it came there; lifted and laid again it is the next one.
func TestP5ACardThatLiesThereIsNotTheNext(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	_, forgotten := c.card("taro")
	c.present(slot, card, false)
	c.rests(slot, record.EvidenceCertificate)
	c.arm(withPIN(p.AuthPIN))
	c.present(otherSlot, forgotten, true)
	c.lifted(slot) // and nothing before
	c.secrets("a card that was served and lay there", card, 0)
	c.secrets("a card from before anybody watched", forgotten, 0)
	c.present(slot, card, false)
	c.rests(slot, record.EvidencePIN)
	c.over()
	c.lifted(slot)
	for _, gone := range []tap.Event{{Kind: tap.ReaderRemoved, Reader: otherSlot}, {Kind: tap.ServiceLost}} {
		c.readers.events <- gone
		c.expect(localapi.EventReadFailed)
	}
	c.arm(withPIN(p.AuthPIN))
	c.want("the first card after everything was gone", card, inOrder, record.EvidencePIN)
}

// P5: a tap that is being read when somebody types goes on as the ordinary tap that it was laid for.
func TestP5ATapUnderWayStaysAnOrdinaryOne(t *testing.T) {
	c := newCounter(t)
	p, own := c.card("hanako")
	_, other := c.card("taro")
	reading, release := blocked(c, slot, other)
	c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	<-reading
	q := withPIN(p.AuthPIN)
	c.arm(q)
	release()
	c.expect(localapi.EventCardPresent)
	c.rests(slot, record.EvidenceCertificate)
	c.secrets("the tap under way", other, 0)
	if _, ok := c.tap.Armed(); !ok || wiped(q) {
		t.Error("an ordinary tap has ended the waiting for the next card")
	}
	c.lifted(slot)
	c.want("the next card", own, inOrder, record.EvidencePIN)
}

// blocked puts a card on a reader that waits at its second command.
func blocked(c *counter, reader string, card *plastic) (reading <-chan struct{}, release func()) {
	begun, let := make(chan struct{}), make(chan struct{})
	n := 0
	c.readers.put(reader, transmit(func(cmd []byte) ([]byte, error) {
		if n++; n == 2 {
			close(begun)
			<-let
		}
		return card.Transmit(c.t.Context(), cmd)
	}))
	return begun, func() { close(let) }
}

// P5: with two readers the PIN goes to the reader that the request names; a card on the other is an ordinary tap.
func TestP5OnlyTheNamedReaderCounts(t *testing.T) {
	c := newCounter(t)
	p, own := c.card("hanako")
	_, other := c.card("taro")
	q := withPIN(p.AuthPIN)
	q.Reader = slot
	c.arm(q)
	if next, ok := c.tap.Armed(); !ok || next.Reader != slot {
		t.Errorf("Armed() = %+v, %t, want the reader that was named", next, ok)
	}
	c.present(otherSlot, other, false)
	c.rests(otherSlot, record.EvidenceCertificate)
	c.secrets("a card on the other reader", other, 0)
	c.want("a card on the named one", own, inOrder, record.EvidencePIN)
}

// P5: the card that was laid for what was typed is lifted, and another laid, while the reader still handles the one before: neither gets the
// PIN, and the counter hears why.
func TestP5AnExchangedCardGetsNoPIN(t *testing.T) {
	for _, tc := range []struct {
		name      string
		exchanged bool
		want      localapi.ReadFailure
	}{{"exchanged", true, localapi.FailureExchanged}, {"lifted", false, localapi.FailureTorn}} {
		c := newCounter(t)
		p, own := c.card("hanako")
		_, other := c.card("taro")
		_, before := c.card("jiro")
		reading, release := blocked(c, slot, before)
		c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
		c.expect(localapi.EventCardPresent)
		c.expect(localapi.EventReading)
		<-reading
		c.lifted(slot)
		q := withPIN(p.AuthPIN)
		c.arm(q)
		c.present(slot, own, false)
		c.lifted(slot)
		if tc.exchanged {
			c.present(slot, other, false)
			c.expect(localapi.EventReadFailed) // busy
		}
		release()
		c.expect(localapi.EventVerdict) // of the card before
		if e := c.next(); e.Type != localapi.EventReadFailed || e.Failure != tc.want {
			t.Errorf("%s: event %s %s, want read_failed %s", tc.name, e.Type, e.Failure, tc.want)
		}
		c.over()
		c.secrets(tc.name+": the card that was laid", own, 0)
		c.secrets(tc.name+": the card in its place", other, 0)
		if !wiped(q) {
			t.Errorf("%s: what was typed in is still there", tc.name)
		}
	}
}

// P5: the same while the card is being read: nothing is sent to what lies there now, were it that the reader answers for it.
func TestP5ACardExchangedWhileReadGetsNoPIN(t *testing.T) {
	c := newCounter(t)
	p, own := c.card("hanako")
	reading, release := blocked(c, slot, own)
	c.arm(withPIN(p.AuthPIN))
	c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	c.expect(localapi.EventCardPresent)
	c.expect(localapi.EventReading)
	<-reading
	c.lifted(slot)
	c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	c.expect(localapi.EventCardPresent)
	release()
	if e := c.next(); e.Type != localapi.EventReadFailed || e.Failure != localapi.FailureExchanged {
		t.Errorf("event %s %s, want read_failed card_exchanged", e.Type, e.Failure)
	}
	c.rests(slot, record.EvidenceCertificate) // the second laying
	c.secrets("a card that was exchanged", own, 0)
}

// While the card is handled the waiting is not over; the counter hears the verdict first.
func TestNextLastsUntilTheCardWasHandled(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	reading, release := blocked(c, slot, card)
	q := withPIN(p.AuthPIN)
	c.arm(q)
	c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
	<-reading
	c.tap.Disarm() // too late
	if _, ok := c.tap.Armed(); !ok || wiped(q) {
		t.Error("a card that is being handled has lost what it was laid for")
	}
	if _, err := c.tap.Arm(withPIN(p.AuthPIN)); !errors.Is(err, localapi.ErrNextBusy) {
		t.Errorf("Arm() while a card is handled = %v, want ErrNextBusy", err)
	}
	release()
	c.expect(localapi.EventCardPresent)
	c.expect(localapi.EventReading)
	if e := c.next(); e.Type != localapi.EventVerdict || e.Rests.Evidence != record.EvidencePIN {
		t.Errorf("event %s %s, want a verdict with the PIN", e.Type, e.Failure)
	}
	c.over()
	if !wiped(q) {
		t.Error("what was typed in is still there")
	}
}

// P3: a minute after it was typed in nothing is left of a PIN, and the next card is an ordinary tap.
func TestP3NextExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		changes := 0
		k := bare(t, &readers{events: make(chan tap.Event), cards: map[string]mynumber.Transmitter{}}, func() { changes++ })
		q := withPIN("1234")
		_, err := k.Arm(q)
		must(t, err)
		time.Sleep(localapi.NextLasts - time.Millisecond)
		synctest.Wait()
		if _, ok := k.Armed(); !ok || wiped(q) {
			t.Error("over before the time")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if _, ok := k.Armed(); ok || !wiped(q) || changes != 2 {
			t.Errorf("after %s: armed %t, overwritten %t, %d changes told", localapi.NextLasts, ok, wiped(q), changes)
		}
		again := withPIN("1234")
		_, err = k.Arm(again) // the former timer does not end this one
		must(t, err)
		time.Sleep(localapi.NextLasts / 2)
		k.Disarm()
		if !wiped(again) || changes != 4 {
			t.Errorf("after Disarm: overwritten %t, %d changes told", wiped(again), changes)
		}
	})
}

// P3: a box that stops forgets what was typed in.
func TestP3StopForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := bare(t, &readers{events: make(chan tap.Event), cards: map[string]mynumber.Transmitter{}}, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		q := withPIN("1234")
		_, err := k.Arm(q)
		must(t, err)
		cancel()
		must(t, <-done)
		if _, ok := k.Armed(); ok || !wiped(q) {
			t.Errorf("after the end: armed %t, overwritten %t", ok, wiped(q))
		}
	})
}

// Desks are impatient: whatever comes together, one card has what was typed in, and nothing of it stays.
func TestP3ManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &readers{events: make(chan tap.Event), cards: map[string]mynumber.Transmitter{}}
		k := bare(t, r, func() {})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- k.Run(ctx) }()
		var wg sync.WaitGroup
		var mu sync.Mutex // guards kept
		var kept []localapi.NextCardRequest
		for n := range 4 {
			wg.Go(func() {
				for range 50 {
					q := withPIN("1234")
					if _, err := k.Arm(q); err == nil {
						mu.Lock()
						kept = append(kept, q)
						mu.Unlock()
					}
					k.Armed()
					if n == 0 {
						k.Disarm()
					}
					r.events <- tap.Event{Kind: tap.CardArrived, Reader: slot}
				}
			})
		}
		wg.Wait()
		cancel()
		must(t, <-done)
		if _, ok := k.Armed(); ok || len(kept) == 0 {
			t.Errorf("after the end: armed %t, %d requests taken", ok, len(kept))
		}
		for _, q := range kept {
			if !wiped(q) {
				t.Fatal("what was typed in is still there")
			}
		}
	})
}

// bare is a Counter that takes no tap.
func bare(t *testing.T, r *readers, changed func()) *tap.Counter {
	t.Helper()
	k, err := tap.New(tap.Config{
		Cards: r, Clock: &hand{time.Now(), record.ConfidenceChecked}, Announcer: deaf{}, Journal: &crowded{}, Desk: desk,
		Authorities: func() *cvc.Authorities { return nil },
		Service:     service, Rules: &rules{drill()}, Changed: changed,
	})
	must(t, err)
	return k
}

// deaf hears nothing.
type deaf struct{}

func (deaf) Publish(localapi.Event) {}
