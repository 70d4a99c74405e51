package mynumber

import (
	"errors"
	"fmt"
)

// What can be wrong with a card or with what was typed, each a different sentence at the counter.
var (
	// ErrNotMyNumber: there is no JPKI application on the card. Some other card, or an old one.
	ErrNotMyNumber = errors.New("card is not a My Number Card")
	// ErrNoCertificate: the application is there and holds no authentication certificate.
	ErrNoCertificate = errors.New("card carries no authentication certificate")
	// ErrNoSignCert: the card holds no signature certificate, as a child's.
	ErrNoSignCert = errors.New("card carries no signature certificate")
	// ErrPINNeeded: the card gives its certificate only after the PIN, as phones do.
	ErrPINNeeded = errors.New("card gives its certificate only after the PIN")
	// ErrTorn: the card or reader went away before the procedure was through. To be held on again.
	ErrTorn = errors.New("card was taken away too early")
	// ErrNonsense: what came is not what such a card holds. A broken or false card.
	ErrNonsense = errors.New("card answered with something that cannot be read")
	// ErrForbidden: a command that is not on the allow-list was about to be sent. A fault of this program, never of a card.
	ErrForbidden = errors.New("command is not on the allow-list")
	// ErrRefused: the card refused a command that such a card takes; the *apdu.StatusError below says how.
	ErrRefused = errors.New("card refused the command")
	// ErrNoFace: the card has no card-face application (券面事項確認AP), as phones.
	ErrNoFace = errors.New("card has no card-face application")
	// ErrNoInput: the card has no input-assist application (券面事項入力補助AP), as phones.
	ErrNoInput = errors.New("card has no input-assist application")
	// ErrNotGenuine: a card-verifiable certificate, a signed record or a signature does not verify, or nobody here vouches for its
	// authority. A false or a strange card.
	ErrNotGenuine = errors.New("card cannot prove to be genuine")
	// ErrBirthDate: the card says another birth date than was expected.
	ErrBirthDate = errors.New("card says another birth date")
	// ErrEraUnclear: month or day of birth are not known, and the year belongs to two eras. To be asked for.
	ErrEraUnclear = errors.New("era of the birth date is not clear")
	// ErrFormat: a PIN, password, birth date or request that no card could take. Nothing was sent.
	ErrFormat = errors.New("value is not of the form that the card takes")
	// ErrNoPINs: every PIN of the card is blocked at once, as on a card issued without PINs (顔認証マイナンバーカード). It comes with a
	// *TriesError.
	ErrNoPINs = errors.New("card was issued without PINs, or all of them are blocked")
)

// What can be wrong with a value that was to be verified. Each comes inside a *TriesError.
var (
	// ErrWrongPIN: the card took the value for wrong, and one try is gone.
	ErrWrongPIN = errors.New("value is wrong")
	// ErrFewTries: the tries that are left are kept for the holder; nothing was sent.
	ErrFewTries = errors.New("too few tries are left")
	// ErrBlocked: no try is left. Only a city office can help.
	ErrBlocked = errors.New("reference is blocked")
	// ErrSameWrong: this card was given the same value before and took it for wrong; nothing was sent.
	ErrSameWrong = errors.New("value was wrong before on this card")
)

// TriesError says why a value did not open what it should have. It holds no value. Where the card's status word was the reason an
// *apdu.StatusError is below it, which tells 63Cx, 63C0, 6983 and 6984 apart.
type TriesError struct {
	Reference Reference
	// Left is how many tries the card has left; -1 if it did not say.
	Left int
	// Err is ErrWrongPIN, ErrFewTries, ErrBlocked or ErrSameWrong.
	Err error
	// Status is the *apdu.StatusError; nil if nothing was sent.
	Status error
}

// Error names the reference, what is wrong and the tries left.
func (e *TriesError) Error() string {
	s := fmt.Sprintf("%s: %v, %d tries left", e.Reference, e.Err, e.Left)
	if e.Status != nil {
		s += ": " + e.Status.Error()
	}
	return s
}

// Unwrap returns Err and, if there is one, Status.
func (e *TriesError) Unwrap() []error {
	if e.Status == nil {
		return []error{e.Err}
	}
	return []error{e.Err, e.Status}
}
