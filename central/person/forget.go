package person

import (
	"errors"

	"kazashi.example/central/store"
	"kazashi.example/sync/record"
)

// ForgetAttributes erases the attributes that a tap's enrolment keeps, if it left one and there are any. What later taps rest on stays: the
// certificate, the birth date by which the card is asked, its key. store.ErrDamaged where what is kept cannot be read, which then stays as it is.
func (p *People) ForgetAttributes(tx store.Tx, tap record.TapID) error {
	e, err := tx.Enrolment(tap)
	if errors.Is(err, store.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	k, err := p.Kept(e)
	if err != nil || k.Attributes == nil {
		return err
	}
	k.Attributes = nil
	sealed, err := p.seal(tap, k)
	if err != nil {
		return err
	}
	return tx.SetKept(tap, sealed)
}
