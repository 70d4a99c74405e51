package tap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"kazashi.example/localapi"
	"kazashi.example/reader/mynumber"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/content"
	"kazashi.example/sync/proof"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
)

// errBirthday says that a birth date and a certificate differ.
var errBirthday = errors.New("certificate does not end on a birthday of the birth date that was typed in")

// enrol has the person prove the PIN and the card prove itself in one visit, so that later taps need no PIN. Where only the
// second fails the visit counts as one with the PIN. Where the service asks for the PIN at every tap nothing is kept for taps
// without it, and neither birth date nor card key is asked of the card. A typed birth date that does not fit the certificate has to be
// confirmed before anything is verified (P5): it may be that of another card's holder.
func (c *Counter) enrol(ctx context.Context, card *mynumber.Card, t *taken) error {
	q, err := c.enrolRequest(t)
	if err != nil {
		return err
	}
	defer q.PIN.Clear()
	defer q.InputPIN.Clear()
	if !q.Birth.IsZero() && !t.next.request.BirthSure && !onBirthday(q.Birth, t.cert.NotAfter) {
		return &ReadError{localapi.FailureBirthDoubt, errBirthday}
	}
	got, err := card.Enrol(ctx, q)
	if errors.Is(err, mynumber.ErrNotGenuine) {
		t.hindrance = record.ReasonCardNotGenuine
		t.enrolled = &localapi.Enrolled{Hindrance: t.hindrance}
		return nil
	}
	if err != nil {
		return fmt.Errorf("enrolling: %w", err)
	}
	if f := misjudged(q, got); f != "" {
		return &ReadError{f, got.FaceErr}
	}
	if t.pinProved(q.AuthMessage, got.AuthSignature); t.pin == nil {
		t.enrolled = &localapi.Enrolled{Hindrance: t.hindrance}
		return nil
	}
	t.enrolProved(got, q.Era)
	return nil
}

func (c *Counter) enrolRequest(t *taken) (q mynumber.EnrolRequest, err error) {
	typed := t.next.request
	if q.AuthMessage, err = c.message(t, proof.PurposePIN); err != nil {
		return q, err
	}
	if !t.eachTime() {
		if q.FaceMessage, err = c.message(t, proof.PurposeCard); err != nil {
			return q, err
		}
		if q.Birth, err = birthIn(typed); err != nil {
			return q, err
		}
	}
	if q.PIN, err = pinOf(typed.PIN); err != nil {
		return q, err
	}
	q.Attributes, q.SameAsPIN, q.Era = typed.Attributes, typed.SamePIN, eras[typed.Era]
	q.InputPIN, err = pinOf(typed.InputPIN)
	return q, err
}

// eachTime says that the service's own rule asks for the PIN at every tap, so that nobody can be enrolled for less.
func (t *taken) eachTime() bool { return t.asked == record.EvidencePIN }

// birthIn is the birth date that was typed in; zero for none.
func birthIn(typed localapi.NextCardRequest) (mynumber.BirthDate, error) {
	if typed.Birth.IsZero() {
		return mynumber.BirthDate{}, nil
	}
	b, err := mynumber.ParseBirthDate(typed.Birth.Reveal())
	if err != nil {
		return b, fmt.Errorf("reading what was typed in: %w", err)
	}
	return b, nil
}

// japan is where certificates end.
var japan = time.FixedZone("JST", 9*60*60)

// onBirthday says that a certificate which ends at notAfter can be that of somebody born at b, as far as b is known: JPKI's end with
// a birthday of their holder's in Japan. One that is bound to a permit of residence or to its card may end earlier. Where a common year has the
// birthday of the 29th of February is not published.
func onBirthday(b mynumber.BirthDate, notAfter time.Time) bool {
	_, month, day := notAfter.In(japan).Date()
	switch {
	case b.Month == 0:
		return true
	case b.Month == 2 && b.Day == 29 && month == time.March:
		return day == 1
	case b.Month != int(month):
		return false
	default:
		return b.Day == 0 || b.Day == day || b.Month == 2 && b.Day == 29 && day == 28
	}
}

// eras are the reader's for the counter's words; none for none.
var eras = map[localapi.Era]mynumber.Era{
	localapi.EraMeiji: mynumber.Meiji, localapi.EraTaisho: mynumber.Taisho, localapi.EraShowa: mynumber.Showa,
	localapi.EraHeisei: mynumber.Heisei, localapi.EraReiwa: mynumber.Reiwa,
}

// misjudged is the failure of an enrolment in which people are to say something else of the birth date, or more; empty where they
// have said nothing of it, or nothing was wrong with that.
func misjudged(q mynumber.EnrolRequest, got mynumber.Enrolment) localapi.ReadFailure {
	era := q.Era != 0
	switch {
	case errors.Is(got.FaceErr, mynumber.ErrEraUnclear):
		return localapi.FailureBirthEra
	case (era || !q.Attributes) && wrongDate(got.FaceErr):
		return localapi.FailureBirthDate
	case era && !got.Birth.IsZero() && errors.Is(got.FaceErr, mynumber.ErrFormat): // the date is of another era
		return localapi.FailureBirthDate
	default:
		return ""
	}
}

// wrongDate says that the card did not take the birth date, or says another.
func wrongDate(err error) bool {
	return errors.Is(err, mynumber.ErrWrongPIN) || errors.Is(err, mynumber.ErrSameWrong) || errors.Is(err, mynumber.ErrBirthDate)
}

// enrolProved writes down what the visit left, after the PIN was proved: of the attributes those alone that the rule asks for and the person
// agreed to. Without a birth date there is nothing to enrol by.
func (t *taken) enrolProved(got mynumber.Enrolment, era mynumber.Era) {
	kept := attributesOf(got.Attributes).Only(t.next.asked(t.rule))
	t.enrolled = &localapi.Enrolled{Attested: kept != nil, PINEachTime: t.eachTime()}
	if a := got.Attributes; a != nil && !t.vouched(a.Hierarchy()) { // nor is the birth date worth more that came with them
		t.enrolled.Attested, t.enrolled.Hindrance = false, record.ReasonCardNotGenuine
		return
	}
	if t.eachTime() && kept == nil {
		return
	}
	if got.Birth.IsZero() {
		t.enrolled.Hindrance = record.ReasonCardRefuses
		return
	}
	t.enrolment = &content.Enrolment{Birth: birthOf(got, era), Attributes: kept}
	switch {
	case t.eachTime():
	case got.FaceErr != nil:
		t.enrolled.Hindrance = unbound(got.FaceErr)
	case !t.vouched(got.Face.Hierarchy):
		t.enrolled.Hindrance = record.ReasonCardNotGenuine
	default:
		t.bind(got)
	}
}

// unbound is why later taps need the PIN. A card that answers nonsense here has proved the PIN all the same.
func unbound(err error) record.Reason {
	if reason, ok := hindranceOf(err); ok {
		return reason
	}
	return record.ReasonCardRefuses
}

// vouched says that the card's authority is one that the service takes, and the certificate's own where that is known.
func (t *taken) vouched(h certid.Hierarchy) bool {
	return slices.Contains(t.rule.Hierarchies, h) && (t.cert.Hierarchy == 0 || t.cert.Hierarchy == h)
}

// bind makes the card the one that later taps are held against. A certificate whose issuer is not known here can be found again
// only once central knows it.
func (t *taken) bind(got mynumber.Enrolment) {
	t.enrolment.Key = got.Face.Key
	t.card = &content.CardProof{Verifier: t.rule.Verifier, Signature: got.Face.Signature, Enrolled: t.tap}
	if t.cert.Hierarchy == 0 {
		t.enrolled.Hindrance = record.ReasonIssuerNotVerified
		return
	}
	t.enrolled.Bound = true
	t.entry = &roster.Entry{
		Hierarchy: t.cert.Hierarchy, Serial: t.cert.Serial.Bytes(), Verifier: t.rule.Verifier, Enrolled: t.tap,
		Birth: t.enrolment.Birth, Key: got.Face.Key,
	}
}

// birthOf is the birth date with the form that the card took. The era's is written where it took none: without a key nobody asks. Of a
// whole date the era is not kept.
func birthOf(got mynumber.Enrolment, era mynumber.Era) roster.Birth {
	form := got.Form
	if form == 0 {
		form = mynumber.FormEra
	}
	if got.Birth.Day != 0 {
		era = 0
	}
	return roster.Birth{Date: got.Birth.Digits(), Form: uint8(form), Era: uint8(era)}
}

func attributesOf(a *mynumber.Attributes) *content.Attributes {
	if a == nil {
		return nil
	}
	return &content.Attributes{Name: a.Name(), Address: new(a.Address()), Birth: a.BirthDate().Digits(), Sex: new(a.Sex() - '0')}
}
