package tap

import (
	"fmt"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
)

// next is what the next card is laid for. It holds a PIN until wiped.
type next struct {
	card    localapi.NextCard
	request localapi.NextCardRequest
	agreed  *rule.Consent // the text that was shown when the person agreed to attributes; nil without
	kinds   rule.Attributes
	expiry  *time.Timer
	handled bool // a card has come; guarded by Counter.mu
}

// Arm waits from now on, for localapi.NextLasts at most, for a card to do with it what r asks: the first one that is laid down from
// now on, on the reader that r names or on any. One that lies on a reader already is nobody's next card, however long it has lain
// there: whose it is, the box cannot know, and a wrong PIN would cost its holder a try (P5). A tap under way stays what it is.
// What r holds is the Counter's from then on, which overwrites it. After an error it is the caller's: localapi.ErrNextForm,
// ErrNextNotServed without a rule and for attributes that it does not ask for, ErrLocked for what the locked site book could not keep, ErrNextBusy while another is waited for or handled. Whether there is such a reader is not checked.
func (c *Counter) Arm(r localapi.NextCardRequest) (localapi.NextCard, error) {
	if err := checkNext(r); err != nil {
		return localapi.NextCard{}, err
	}
	demanded, _, ok := c.Rules.For(c.Service)
	if !ok || r.Attributes && demanded.Attributes == 0 {
		return localapi.NextCard{}, localapi.ErrNextNotServed
	}
	remembered := r.Kind == localapi.NextLink || r.Kind == localapi.NextUnlink ||
		r.Kind == localapi.NextEnrol && demanded.Evidence != record.EvidencePIN
	if remembered && c.Book.Locked() {
		return localapi.NextCard{}, localapi.ErrLocked
	}
	now, _ := c.Clock.Now()
	n := &next{
		card:    localapi.NextCard{Kind: r.Kind, Attributes: r.Attributes, Until: now.Add(localapi.NextLasts), Reader: r.Reader},
		request: r,
	}
	if r.Attributes {
		n.agreed, n.kinds = demanded.Consent, demanded.Attributes
	}
	if !c.arm(n) {
		return localapi.NextCard{}, localapi.ErrNextBusy
	}
	c.Changed()
	return n.card, nil
}

func checkNext(r localapi.NextCardRequest) error {
	if err := r.Check(); err != nil {
		return err
	}
	if r.Birth.IsZero() {
		return nil
	}
	if _, err := mynumber.ParseBirthDate(r.Birth.Reveal()); err != nil {
		return fmt.Errorf("%w: birth", localapi.ErrNextForm)
	}
	return nil
}

func (c *Counter) arm(n *next) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next != nil {
		return false
	}
	c.next = n
	n.expiry = time.AfterFunc(localapi.NextLasts, func() { c.disarm(n) })
	return true
}

// asked are the attributes of the rule in force that the person agreed to. None, if another text is in force since: the record names the
// rule of the tap, and with it the text.
func (n *next) asked(now rule.Rule) rule.Attributes {
	if n.agreed == nil || now.Consent == nil || *n.agreed != *now.Consent {
		return 0
	}
	return n.kinds & now.Attributes
}

// takes says that a card laid on a reader is the one that n waits for.
func (n *next) takes(reader string) bool {
	return !n.handled && (n.request.Reader == "" || n.request.Reader == reader)
}

// Disarm makes the next card an ordinary tap and overwrites what was typed in. A card that is being handled is handled to its
// end.
func (c *Counter) Disarm() {
	c.mu.Lock()
	n := c.next
	c.mu.Unlock()
	if n != nil {
		c.disarm(n)
	}
}

// Armed is what the next card is laid for, also while that card is handled.
func (c *Counter) Armed() (localapi.NextCard, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		return localapi.NextCard{}, false
	}
	return c.next.card, true
}

// disarm ends the waiting for n, unless its card came or it is over.
func (c *Counter) disarm(n *next) {
	c.mu.Lock()
	waiting := c.next == n && !n.handled
	if waiting {
		c.forget(n)
	}
	c.mu.Unlock()
	if waiting {
		c.Changed()
	}
}

// done ends what a card was laid for, whatever became of it.
func (c *Counter) done(n *next) {
	if n == nil {
		return
	}
	c.mu.Lock()
	c.forget(n)
	c.mu.Unlock()
	c.Changed()
}

// forget overwrites what was typed in. The caller holds mu.
func (c *Counter) forget(n *next) {
	c.next = nil
	n.expiry.Stop()
	n.request.Wipe()
}
