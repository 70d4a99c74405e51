package scan

import (
	"errors"
	"fmt"

	"kazashi.example/reader/jpki"
)

// Faults of the octets. All but ErrTooLarge wrap jpki.ErrNotCRL.
var (
	// ErrPEM says that a list came as text: lists are read as DER only.
	ErrPEM = fmt.Errorf("%w: it is in PEM form, and only DER is read", jpki.ErrNotCRL)
	// ErrDER says that octets break the distinguished encoding or RFC 5280 §5.1: an unexpected tag, a length that is not the
	// shortest, a length that contradicts the one around it.
	ErrDER = fmt.Errorf("%w: malformed DER", jpki.ErrNotCRL)
	// ErrTruncated says that a list ends before the length that it gives.
	ErrTruncated = fmt.Errorf("%w: it is cut short", jpki.ErrNotCRL)
	// ErrTrailing says that something follows the list.
	ErrTrailing = fmt.Errorf("%w: octets after its end", jpki.ErrNotCRL)
	// ErrTime says that a time is not UTCTime or GeneralizedTime with seconds, in UTC, of a day that exists (RFC 5280 §5.1.2.4).
	ErrTime = fmt.Errorf("%w: malformed time", jpki.ErrNotCRL)
	// ErrTooLarge says that a list gives a length above Options.MaxOctets.
	ErrTooLarge = errors.New("revocation list is larger than is allowed here")
)

// Faults of the profile. All wrap jpki.ErrCRLProfile.
var (
	// ErrSerial says that an entry's serial is not a positive integer of at most 20 octets (RFC 5280 §4.1.2.2).
	ErrSerial = fmt.Errorf("%w: serial is not a positive integer of at most 20 octets", jpki.ErrCRLProfile)
	// ErrReason says that an entry's reason has no meaning in a complete list: removeFromCRL, or a code that is not defined.
	ErrReason = fmt.Errorf("%w: reason that a complete list cannot give", jpki.ErrCRLProfile)
	// ErrDelta says that a list tells changes only (RFC 5280 §5.2.4).
	ErrDelta = fmt.Errorf("%w: delta list", jpki.ErrCRLProfile)
	// ErrIndirect says that a list speaks for other authorities, too (RFC 5280 §5.2.5, §5.3.3).
	ErrIndirect = fmt.Errorf("%w: indirect list", jpki.ErrCRLProfile)
	// ErrLimited says that a list is limited to authorities, to attributes or to some reasons (RFC 5280 §5.2.5).
	ErrLimited = fmt.Errorf("%w: limited to authorities, attributes or some reasons", jpki.ErrCRLProfile)
	// ErrPoint says that an issuing distribution point is unreadable, or no directory name.
	ErrPoint = fmt.Errorf("%w: unusable issuing distribution point", jpki.ErrCRLProfile)
	// ErrCritical says that there is a critical extension that is not known here.
	ErrCritical = fmt.Errorf("%w: critical extension", jpki.ErrCRLProfile)
	// ErrDuplicate says that an extension stands twice (RFC 5280 §4.2).
	ErrDuplicate = fmt.Errorf("%w: extension stands twice", jpki.ErrCRLProfile)
	// ErrExtensions says that an entry or a list has more extensions than any authority writes. They are compared one with another, and
	// before the signature is looked at.
	ErrExtensions = fmt.Errorf("%w: too many extensions", jpki.ErrCRLProfile)
	// ErrNumber says that the list's number is missing, negative or beyond 64 bits (RFC 5280 §5.2.3).
	ErrNumber = fmt.Errorf("%w: no usable CRL number", jpki.ErrCRLProfile)
	// ErrNextUpdate says that nextUpdate is missing or before thisUpdate.
	ErrNextUpdate = fmt.Errorf("%w: nextUpdate missing or before thisUpdate", jpki.ErrCRLProfile)
)

// ErrFuture says that a list was made in the future: one of two clocks is wrong, and central's must not be.
var ErrFuture = errors.New("revocation list was made in the future")
