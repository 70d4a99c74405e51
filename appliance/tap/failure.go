package tap

import (
	"context"
	"errors"
	"fmt"

	"kazashi.example/localapi"
	"kazashi.example/reader/jpki"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/record"
)

// ReadError says why a card did not become a tap, in the counter's words.
type ReadError struct {
	Failure localapi.ReadFailure
	Err     error
}

func (e *ReadError) Error() string { return fmt.Sprintf("%s: %v", e.Failure, e.Err) }

func (e *ReadError) Unwrap() error { return e.Err }

// failures is the counter's word for each error that ends a tap, the first that fits. Where every PIN is blocked at once, the
// card says so with an error that is ErrBlocked as well.
var failures = []struct {
	err  error
	word localapi.ReadFailure
}{
	{mynumber.ErrNotMyNumber, localapi.FailureNotMyNumber},
	{mynumber.ErrNoCertificate, localapi.FailureNoCert},
	{mynumber.ErrPINNeeded, localapi.FailurePINProtected},
	{mynumber.ErrNoPINs, localapi.FailureNoPINs},
	{mynumber.ErrWrongPIN, localapi.FailurePINWrong},
	{mynumber.ErrSameWrong, localapi.FailurePINSame},
	{mynumber.ErrFewTries, localapi.FailurePINFew},
	{mynumber.ErrBlocked, localapi.FailurePINBlocked},
	{mynumber.ErrBirthDate, localapi.FailureBirthDate},
	{mynumber.ErrTorn, localapi.FailureTorn},
	{context.DeadlineExceeded, localapi.FailureTorn}, // not through in time
	{context.Canceled, localapi.FailureTorn},
	{jpki.ErrNotCertificate, localapi.FailureNonsense},
}

// pinNames are the counter's for the PINs that it asks for. The birth date is none.
var pinNames = map[mynumber.Reference]localapi.PINName{
	mynumber.RefAuthPIN: localapi.PINAuth, mynumber.RefInputPIN: localapi.PINInputAssist,
}

// failureOf is what the counter hears of an error of reading: a word, and where it speaks of tries how many are left, and of which
// PIN. A card all of whose PINs are blocked names none.
func failureOf(err error) localapi.Event {
	e := localapi.Event{Type: localapi.EventReadFailed, Failure: wordOf(err)}
	var tried *mynumber.TriesError
	if errors.As(err, &tried) {
		e.Tries = max(tried.Left, 0)
		if e.Failure != localapi.FailureNoPINs {
			e.TriesOf = pinNames[tried.Reference]
		}
	}
	return e
}

// wordOf is the counter's word for an error of reading. What has no word is nonsense.
func wordOf(err error) localapi.ReadFailure {
	var r *ReadError
	if errors.As(err, &r) {
		return r.Failure
	}
	for _, x := range failures {
		if errors.Is(err, x.err) {
			return x.word
		}
	}
	return localapi.FailureNonsense
}

// hindrances is what each error of the card-face application means for a tap that goes on without its proof.
var hindrances = []struct {
	err    error
	reason record.Reason
}{
	{mynumber.ErrNotGenuine, record.ReasonCardNotGenuine},
	{mynumber.ErrBirthDate, record.ReasonBirthDiffers},
	{mynumber.ErrWrongPIN, record.ReasonBirthDiffers},
	{mynumber.ErrSameWrong, record.ReasonBirthDiffers},
	{mynumber.ErrEraUnclear, record.ReasonBirthDiffers},
	{mynumber.ErrFormat, record.ReasonBirthDiffers},
	{mynumber.ErrFewTries, record.ReasonBirthKeyLocked},
	{mynumber.ErrBlocked, record.ReasonBirthKeyLocked},
	{mynumber.ErrNoFace, record.ReasonCardRefuses},
	{mynumber.ErrRefused, record.ReasonCardRefuses},
}

// hindranceOf is the reason why the card did not prove itself; false where the card was not through with it, or answered
// nonsense: then there is no tap.
func hindranceOf(err error) (record.Reason, bool) {
	if errors.Is(err, mynumber.ErrTorn) || errors.Is(err, mynumber.ErrNonsense) {
		return 0, false
	}
	for _, x := range hindrances {
		if errors.Is(err, x.err) {
			return x.reason, true
		}
	}
	return 0, false
}
