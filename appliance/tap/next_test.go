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

// Somebody lays the card down first and types then: the card that lies there is the one, unless there are two.
func TestACardThatLiesThere(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	present := func(reader string, card *plastic, already bool) {
		t.Helper()
		c.readers.put(reader, card)
		c.readers.events <- tap.Event{Kind: tap.CardArrived, Reader: reader, Already: already}
		c.expect(localapi.EventCardPresent)
	}
	verdict := func(reader string, evidence record.Evidence) {
		t.Helper()
		c.expect(localapi.EventReading)
		e := c.next()
		if e.Type != localapi.EventVerdict || e.Reader != reader || e.Rests.Evidence != evidence {
			t.Fatalf("event %s %s on %q, want a verdict with evidence %s on %q", e.Type, e.Failure, e.Reader, evidence, reader)
		}
	}
	present(slot, card, false)
	verdict(slot, record.EvidenceCertificate)
	c.arm(withPIN(p.AuthPIN))
	verdict(slot, record.EvidencePIN)
	const other = "Virtual Reader 00 01"
	_, forgotten := c.card("taro")
	present(other, forgotten, true)
	c.arm(withPIN(p.AuthPIN))
	c.readers.events <- tap.Event{Kind: tap.CardRemoved, Reader: slot}
	c.expect(localapi.EventCardRemoved) // and nothing before: it is not clear which card was meant
	present(slot, card, false)
	verdict(slot, record.EvidencePIN)
	c.over()
	for _, gone := range []tap.Event{{Kind: tap.ReaderRemoved, Reader: other}, {Kind: tap.ServiceLost}} {
		c.readers.events <- gone
		c.expect(localapi.EventReadFailed)
	}
	c.arm(withPIN(p.AuthPIN)) // no card is known to lie anywhere
	if _, ok := c.tap.Armed(); !ok {
		t.Error("a card that is gone was taken for the next one")
	}
}

// P5: a card that somebody has forgotten on the reader is not asked for the next person's PIN.
func TestP5AForgottenCardIsNotTheNext(t *testing.T) {
	for _, tc := range []struct {
		name    string
		already bool
		lies    time.Duration
		want    bool
	}{
		{"laid down first", false, localapi.NextLasts, true},
		{"forgotten", false, localapi.NextLasts + time.Second, false},
		{"there before the box started", true, time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := &readers{events: make(chan tap.Event), cards: map[string]mynumber.Transmitter{}}
			k := bare(t, r, func() {})
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- k.Run(ctx) }()
			r.events <- tap.Event{Kind: tap.CardArrived, Reader: slot, Already: tc.already}
			time.Sleep(tc.lies)
			_, err := k.Arm(withPIN("1234"))
			must(t, err)
			synctest.Wait()
			if _, waits := k.Armed(); waits == tc.want { // the card cannot be read, which ends the waiting
				t.Errorf("%s: taken for the next card = %t, want %t", tc.name, !waits, tc.want)
			}
			cancel()
			must(t, <-done)
		})
	}
}

// While the card is handled the waiting is not over; the counter hears the verdict first.
func TestNextLastsUntilTheCardWasHandled(t *testing.T) {
	c := newCounter(t)
	p, card := c.card("hanako")
	reading, release := make(chan struct{}), make(chan struct{})
	n := 0
	c.readers.put(slot, transmit(func(cmd []byte) ([]byte, error) {
		if n++; n == 2 {
			close(reading)
			<-release
		}
		return card.Card.Transmit(cmd), nil
	}))
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
	close(release)
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
		Cards: r, Clock: &hand{time.Now(), record.ConfidenceChecked}, Announcer: deaf{}, Desk: desk,
		Authorities: func() *cvc.Authorities { return nil },
		Service:     service, Rules: &rules{drill()}, Changed: changed,
	})
	must(t, err)
	return k
}

// deaf hears nothing.
type deaf struct{}

func (deaf) Publish(localapi.Event) {}
