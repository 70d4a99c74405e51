package vcard

import (
	"crypto/subtle"

	"kazashi.example/reader/apdu"
)

// verify is VERIFY (ISO/IEC 7816-4 §11.6.6). Without data it tells the tries left and costs none. A value of a length that the
// reference cannot have is a wrong value: no source tells otherwise, and this is the reading that costs the careless reader most.
func (c *Card) verify(cmd apdu.Command) apdu.Response {
	if cmd.P1 != 0 {
		return fail(apdu.SWWrongParameters)
	}
	f, sw := c.reference(cmd.P2)
	switch {
	case sw != apdu.SWOK:
		return fail(sw)
	case f.kind != secretKind:
		return fail(apdu.SWFileStructure)
	case cmd.Ne != 0:
		return fail(apdu.SWWrongLength)
	case len(cmd.Data) == 0:
		return fail(triesLeft(f.secret))
	case f.secret.tries == 0:
		return fail(apdu.SWReferenceUnusable)
	}
	return c.compare(f, cmd.Data)
}

// compare spends a try or restores them all. The counter is durable before the answer is known to anyone; if it cannot be
// written, the try is spent in memory and nothing is verified.
func (c *Card) compare(f *file, value []byte) apdu.Response {
	s := f.secret
	before, ok := s.tries, subtle.ConstantTimeCompare(s.value, value) == 1
	s.tries--
	delete(c.verified, f.id)
	if ok {
		s.tries = s.maxTries
	}
	if s.tries != before {
		if err := c.save(); err != nil {
			s.tries = before - 1
			return fail(swMemoryFailure)
		}
	}
	if !ok {
		return fail(triesLeft(s))
	}
	c.verified[f.id] = true
	return succeed(nil)
}

func triesLeft(s *secret) apdu.StatusWord { return 0x63C0 | apdu.StatusWord(s.tries) }

// change is CHANGE REFERENCE DATA with the new value alone (P1 01): the old one has to be verified before.
func (c *Card) change(cmd apdu.Command) apdu.Response {
	if cmd.P1 != 0x01 {
		return fail(apdu.SWWrongParameters)
	}
	f, sw := c.reference(cmd.P2)
	switch {
	case sw != apdu.SWOK:
		return fail(sw)
	case f.kind != secretKind:
		return fail(apdu.SWFileStructure)
	case cmd.Ne != 0 || len(cmd.Data) == 0:
		return fail(apdu.SWWrongLength)
	case f.secret.tries == 0:
		return fail(apdu.SWReferenceUnusable)
	case f.secret.rule == nil || !c.verified[f.id]:
		return fail(apdu.SWSecurityNotSatisfied)
	case !f.secret.rule(string(cmd.Data)):
		return fail(apdu.SWWrongData)
	}
	s := f.secret
	old, changed := s.value, s.changed
	s.value, s.changed = cmd.Data, true
	if err := c.save(); err != nil {
		s.value, s.changed = old, changed
		return fail(swMemoryFailure)
	}
	return succeed(nil)
}
