package mynumber

import (
	"bytes"
	"crypto/sha512"
	"fmt"

	"kazashi.example/reader/apdu"
)

// Keep is how many tries of each reference are never spent, because only a city office can give them back: a value is sent only while
// more than that are left. 0 is the default, a negative number keeps none.
type Keep struct {
	Birth    int // default 2 of 10
	PIN      int // default 1 of 3
	InputPIN int // default 1 of 3
	Password int // default 1 of 5
}

func (k Keep) of(ref Reference) int {
	n, standard := 0, 1
	switch ref {
	case RefAuthPIN:
		n = k.PIN
	case RefInputPIN:
		n = k.InputPIN
	case RefPassword:
		n = k.Password
	case RefBirth:
		n, standard = k.Birth, 2
	}
	if n == 0 {
		return standard
	}
	return max(n, 0)
}

// verifies takes VERIFY of a reference: the query for its tries without data, or a value of a length and alphabet that it can have.
func (g *guard) verifies(cmd apdu.Command) (act, bool) {
	file, sfi := g.named(cmd.P2)
	at, ok := placeAt(g.app, file)
	if !ok || cmd.P1 != 0 || cmd.Ne != 0 {
		return act{}, false
	}
	do := act{kind: actQuery, app: g.app, file: file, at: at, sfi: sfi}
	if len(cmd.Data) == 0 {
		return do, true
	}
	do.kind = actVerify
	return do, at.fits(cmd.Data)
}

// changes takes CHANGE REFERENCE DATA with the new value alone, of the reference that is the current file (libmyna's order).
func (g *guard) changes(cmd apdu.Command) (act, bool) {
	at, ok := placeAt(g.app, g.file)
	if !ok || cmd.P1 != 0x01 || cmd.P2 != 0x80 || cmd.Ne != 0 || !at.holder {
		return act{}, false
	}
	return act{kind: actChange, app: g.app, file: g.file, at: at}, at.fits(cmd.Data)
}

// signs takes a signature over a hash: with the authentication key, or with the card-face application's own.
func (g *guard) signs(cmd apdu.Command) (act, bool) {
	if cmd.P1 != 0 || cmd.Ne == 0 || cmd.Ne > apdu.MaxShortNe || !isHash(g.app, cmd.Data) {
		return act{}, false
	}
	if cmd.P2 == 0 {
		return act{kind: actSign, app: g.app, file: efDefaultKey}, true
	}
	file, sfi := g.named(cmd.P2)
	return act{kind: actSign, app: g.app, file: file, sfi: true}, sfi
}

// isHash reports exactly what a key of the application is given to sign: a DigestInfo of SHA-256, on the next card 48 octets of SHA-384.
func isHash(app Application, data []byte) bool {
	if app == NextAuth || app == NextFace {
		return len(data) == sha512.Size384
	}
	return bytes.HasPrefix(data, digestInfoHead) && len(data) == len(digestInfoHead)+int(digestInfoHead[len(digestInfoHead)-1])
}

// mayTry lets a value pass only if the exchange just before asked the card for this reference's tries, enough of them are left, and the
// value is not known to be wrong. A new value passes only just after the old one was verified. What is about to be sent is remembered
// before it is: if no answer comes, the next query tells.
func (g *guard) mayTry(do act, value []byte, licence exchange) error {
	ref := do.at.ref
	switch {
	case do.kind == actChange && (licence.ref != ref || !licence.good):
		return fmt.Errorf("%w: change of the %s without a good VERIFY just before", ErrForbidden, ref)
	case do.kind != actVerify:
		return nil
	case licence.ref != ref || licence.left == 0:
		return fmt.Errorf("%w: VERIFY of the %s without asking for its tries just before", ErrForbidden, ref)
	}
	key := g.key(ref)
	switch {
	case licence.left <= g.keep.of(ref):
		return &TriesError{Reference: ref, Left: licence.left, Err: ErrFewTries}
	case g.memory.wrongBefore(key, value, licence.left):
		return &TriesError{Reference: ref, Left: licence.left, Err: ErrSameWrong}
	}
	g.memory.sending(key, value, licence.left)
	return nil
}

func (g *guard) key(ref Reference) tryKey { return tryKey{g.card, ref, !g.known} }

// rename says that the connection's card is known by its certificate from now on.
func (g *guard) rename(card cardID) {
	g.memory.rename(g.card, card)
	g.card, g.known = card, true
}

// settleTry takes over what an answer says about tries. A counter that no card has says nothing.
func (g *guard) settleTry(do act, sw apdu.StatusWord) {
	key := g.key(do.at.ref)
	left, counted := do.at.ref.triesLeft(sw)
	switch {
	case do.kind == actQuery && counted:
		g.memory.told(key, left)
		g.last = exchange{ref: do.at.ref, left: left}
	case do.kind == actQuery && sw.Blocked():
		g.memory.told(key, 0)
	case do.kind == actVerify && sw == apdu.SWOK:
		g.memory.passed(key)
		g.last = exchange{ref: do.at.ref, good: true}
	case do.kind == actVerify && counted:
		g.memory.told(key, left)
	case do.kind == actVerify && sw.Blocked():
		g.memory.told(key, 0)
	}
}
