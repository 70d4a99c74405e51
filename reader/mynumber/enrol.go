package mynumber

import (
	"context"
	"errors"
	"fmt"
)

// enrolTries is how many tries of the birth key must be left before anything is tried at enrolment: two may be spent there.
const enrolTries = 5

// EnrolRequest is what a person at the counter typed, and what the card is to sign.
type EnrolRequest struct {
	// PIN is that of the authentication key.
	PIN PIN
	// InputPIN is that of the input-assist application. It need not be given where SameAsPIN says that the holder uses PIN there too, where no
	// attributes are read, or on the next card, which has no such PIN: whether it is needed is known once the certificate is read, before any
	// value is verified.
	InputPIN  PIN
	SameAsPIN bool
	// Attributes asks for the four attributes.
	Attributes bool
	// AuthMessage is signed by the authentication key, FaceMessage by the card-face application's. Without FaceMessage that application is
	// left alone: no birth date is sent, and there is no Face.
	AuthMessage, FaceMessage []byte
	// Birth opens the card-face application where no attributes are read. If both are there they must agree.
	Birth BirthDate
	// Era is needed where month or day of birth are not known and the year belongs to two eras.
	Era Era
}

// Enrolment is what a card gave in one visit. It prints as REDACTED.
type Enrolment struct {
	redaction
	Cert          Certificate
	AuthSignature []byte // over AuthMessage, verified with Cert's key
	// Attributes are nil where none were asked for, or where AttributesErr says ErrNoInput: the card, as a phone, has none to give.
	Attributes    *Attributes
	AttributesErr error
	// Birth is that of the attributes or of the request; zero without either.
	Birth BirthDate
	// Form is the one in which the birth key fitted; 0 without a face proof.
	Form Form
	// Face is the card's proof over FaceMessage; FaceErr says why there is none, when it was asked for and the rest is good.
	Face    Face
	FaceErr error
}

// Enrol reads and proves in one visit everything that a card can: certificate, signature after the PIN, the attributes if they are asked
// for, and the card's own key. 17 commands on a card that is new here, with attributes, 15 if both card-verifiable certificates are
// remembered.
//
// The birth key is tried in era form and then once in Gregorian form, only here and only if five tries are left. What goes wrong with the
// face proof is FaceErr and not an error, except what another visit may cure: ErrTorn, and the end of ctx. Attributes and face that different
// hierarchies vouch for are not of one card: ErrNotGenuine. Without a face the caller compares [Attributes.Hierarchy] with the certificate's.
//
// Errors: *TriesError for a PIN (with ErrNoPINs where all are blocked), ErrFormat, ErrBirthDate, ErrNotGenuine, ErrRefused, and those of
// ReadAuthCert.
func (c *Card) Enrol(ctx context.Context, r EnrolRequest) (Enrolment, error) {
	if err := c.checkRequest(r); err != nil {
		return Enrolment{}, err
	}
	if err := c.know(ctx); err != nil {
		return Enrolment{}, err
	}
	if r.Attributes && !r.SameAsPIN && c.layout.inputRef == RefInputPIN && !isPIN(r.InputPIN.value()) {
		return Enrolment{}, fmt.Errorf("%w: %s", ErrFormat, RefInputPIN)
	}
	if err := c.openAuth(ctx, r.PIN); err != nil {
		return Enrolment{}, err
	}
	e := Enrolment{Cert: c.cert, Birth: r.Birth}
	// Whether a card's security status outlives a signature is not known (OpenSC verifies once for each): it is read before it signs.
	if c.layout.inputRef == RefAuthPIN {
		if err := c.enrolAttributes(ctx, r, &e); err != nil {
			return Enrolment{}, err
		}
	}
	var err error
	if e.AuthSignature, err = c.signAuth(ctx, r.AuthMessage); err != nil {
		return Enrolment{}, err
	}
	if c.layout.inputRef != RefAuthPIN {
		if err := c.enrolAttributes(ctx, r, &e); err != nil {
			return Enrolment{}, err
		}
	}
	if len(r.FaceMessage) == 0 {
		return e, nil
	}
	if e.Face, e.Form, err = c.enrolFace(ctx, r, e.Birth); err != nil {
		if errors.Is(err, ErrTorn) || errors.Is(err, ErrForbidden) || ctx.Err() != nil {
			return Enrolment{}, err
		}
		e.Face, e.Form, e.FaceErr = Face{}, 0, err
	}
	if e.Attributes != nil && e.FaceErr == nil && e.Attributes.hierarchy != e.Face.Hierarchy {
		return Enrolment{}, fmt.Errorf("%w: attributes of the %s hierarchy, face of the %s one", ErrNotGenuine, e.Attributes.hierarchy, e.Face.Hierarchy)
	}
	return e, nil
}

// checkRequest finds what is wrong with any card before anything is sent.
func (c *Card) checkRequest(r EnrolRequest) error {
	if c.options.Authorities == nil {
		return errNoAuthorities
	}
	if !isPIN(r.PIN.value()) {
		return fmt.Errorf("%w: %s", ErrFormat, RefAuthPIN)
	}
	if r.Birth.IsZero() {
		return nil
	}
	return r.Birth.check()
}

// enrolAttributes adds the attributes, if they are asked for, and what they say of the birth date.
func (c *Card) enrolAttributes(ctx context.Context, r EnrolRequest, e *Enrolment) error {
	if !r.Attributes {
		return nil
	}
	if c.layout.inputRef != RefAuthPIN {
		pin := r.InputPIN
		if r.SameAsPIN {
			pin = r.PIN
		}
		switch err := c.verify(ctx, c.layout.inputRef, pin.value()); {
		case errors.Is(err, ErrNoInput):
			e.AttributesErr = err
			return nil
		case err != nil:
			return err
		}
	}
	a, err := c.attributes(ctx)
	if err != nil {
		return err
	}
	if !r.Birth.IsZero() && r.Birth != a.birth {
		return fmt.Errorf("reading the attributes: %w", ErrBirthDate)
	}
	e.Attributes, e.Birth = &a, a.birth
	return nil
}

// enrolFace proves the face, in the form of the birth key that fits.
func (c *Card) enrolFace(ctx context.Context, r EnrolRequest, birth BirthDate) (Face, Form, error) {
	if err := c.enter(ctx, c.layout.face); err != nil {
		return Face{}, 0, err
	}
	if birth.IsZero() {
		return Face{}, 0, fmt.Errorf("%w: no birth date", ErrFormat)
	}
	form, err := c.openFace(ctx, birth, r.Era)
	if err != nil {
		return Face{}, 0, err
	}
	face, err := c.prove(ctx, birth, r.FaceMessage)
	return face, form, err
}

// openFace verifies the birth key in the one form or the other.
func (c *Card) openFace(ctx context.Context, birth BirthDate, era Era) (Form, error) {
	left, err := c.tries(ctx, RefBirth)
	if err != nil {
		return 0, err
	}
	if left < enrolTries {
		return 0, &TriesError{Reference: RefBirth, Left: left, Err: ErrFewTries}
	}
	err = c.presentBirth(ctx, birth, FormEra, era)
	if err == nil || !errors.Is(err, ErrWrongPIN) && !errors.Is(err, ErrSameWrong) {
		return FormEra, err
	}
	if _, err := c.tries(ctx, RefBirth); err != nil {
		return 0, err
	}
	return FormGregorian, c.presentBirth(ctx, birth, FormGregorian, era)
}

func (c *Card) presentBirth(ctx context.Context, birth BirthDate, form Form, era Era) error {
	key, err := birth.key(form, era)
	if err != nil {
		return err
	}
	defer clear(key)
	return c.present(ctx, RefBirth, key)
}
