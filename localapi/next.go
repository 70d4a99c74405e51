package localapi

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"kazashi.example/sync/record"
)

// NextKind says what the next card is laid for.
type NextKind string

// Kinds of the next card. Without one, the next card is an ordinary tap.
const (
	NextEnrol  NextKind = "enrol"  // first use: PIN, and what later taps without PIN need
	NextPIN    NextKind = "pin"    // one tap with the PIN
	NextLink   NextKind = "link"   // the service's own number is tied to whoever taps
	NextUnlink NextKind = "unlink" // it is taken back from whoever taps
)

// Valid reports whether this build knows k.
func (k NextKind) Valid() bool {
	return k == NextEnrol || k == NextPIN || k == NextLink || k == NextUnlink
}

// links reports whether the number of a service is linked or taken back, for which the card shows what the rule wants.
func (k NextKind) links() bool { return k == NextLink || k == NextUnlink }

// NextLasts is how long the box waits for a card once a PIN was typed in; then it forgets the PIN.
const NextLasts = 60 * time.Second

// maxReader is the longest name of a reader, in octets: MAX_READERNAME of pcsc-lite (pcsclite.h) with room for another service's.
const maxReader = 256

// Lengths of what is typed in.
const (
	PINLen   = 4 // digits of the PIN of the authentication certificate, and of the input-assist PIN
	BirthLen = 8 // digits of a birth date, YYYYMMDD
)

// Why the box does not wait for a card. The local API says each by a code of its own.
var (
	// ErrNextForm: a field is missing, of the wrong shape, or does not belong to the kind.
	ErrNextForm = errors.New("next card is asked for in the wrong form")
	// ErrNextBusy: the box waits for a card already, or handles one.
	ErrNextBusy = errors.New("the box waits for a card already, or handles one")
	// ErrNextReader: there is no reader of that name now.
	ErrNextReader = errors.New("there is no reader of that name")
	// ErrNextUnready: no tap can be taken now, so that no PIN is kept for one. Status.Problem says why.
	ErrNextUnready = errors.New("the box can take no tap now")
	// ErrNextNotServed: the rule of this desk's service does not take a tap of this kind, or asks for no attributes, or there is no rule.
	ErrNextNotServed = errors.New("the service of this desk does not take this")
)

// Era is a Japanese era, by its name in Latin letters; empty where the birth date tells it.
type Era string

// Eras.
const (
	EraMeiji  Era = "meiji"
	EraTaisho Era = "taisho"
	EraShowa  Era = "showa"
	EraHeisei Era = "heisei"
	EraReiwa  Era = "reiwa"
)

// Eras lists them all, in the order of time.
func Eras() []Era { return []Era{EraMeiji, EraTaisho, EraShowa, EraHeisei, EraReiwa} }

// Valid reports whether e is an era.
func (e Era) Valid() bool { return slices.Contains(Eras(), e) }

// NextCard says that the box waits for a card to do something with it. It holds no PIN.
type NextCard struct {
	Kind       NextKind  `json:"kind"`
	Attributes bool      `json:"attributes"` // those of Service.Attributes are read, on consent
	Until      time.Time `json:"until"`
	Reader     string    `json:"reader,omitempty"` // the only one on which it is waited for; empty for any
}

// NextState is what /v1/next-card answers to each method.
type NextState struct {
	Next *NextCard `json:"next"` // null when the next card is an ordinary tap
}

// NextCardRequest is the body of PUT /v1/next-card. It is kept in memory until the card came, at most NextLasts.
type NextCardRequest struct {
	Kind NextKind `json:"kind"`
	PIN  Secret   `json:"pin"` // of the authentication certificate, PINLen digits; for a link only where somebody typed it
	// SamePIN says that the input-assist PIN is the same; asked of the person, never assumed. InputPIN is it otherwise. Both
	// count only with Attributes.
	SamePIN    bool   `json:"same_pin,omitempty"`
	InputPIN   Secret `json:"input_pin"`
	Attributes bool   `json:"attributes,omitempty"` // the person agrees to Service.Consent
	Birth      Secret `json:"birth"`                // BirthLen digits YYYYMMDD, for an enrolment without Attributes
	// Era is that of the birth date, typed in or read from the card, where month or day of it are not known and the year has two. An
	// enrolment that lacks it fails as FailureBirthEra. Where the date alone tells, it is not needed and must fit.
	Era Era `json:"era,omitempty"`
	// BirthSure says that somebody has looked again: Birth is right although the certificate does not end on that day of the year, for
	// which an enrolment fails as FailureBirthDoubt. It goes with Birth only.
	BirthSure bool `json:"birth_sure,omitempty"`
	// Reader is the only one on which a card counts, by its name in Status.Readers; empty for any. A name that JSON would have to escape
	// cannot be asked for.
	Reader string `json:"reader,omitempty"`
	// Number is the service's own number that is to be linked, as on a library card; for NextLink only.
	Number Secret `json:"number"`
}

// Check returns ErrNextForm, naming the field and never what is in it, unless r is whole: a PIN; for an enrolment either the consent
// to attributes with one of SamePIN and InputPIN, or the birth date, and perhaps the era; for a check with the PIN nothing else; for a link
// the number, and the PIN only if there is one. Each may name a reader.
func (r NextCardRequest) Check() error {
	var field string
	switch {
	case !r.Kind.Valid():
		field = "kind"
	case !r.PIN.digits(PINLen) && (!r.Kind.links() || !r.PIN.IsZero()):
		field = "pin"
	case r.Kind == NextLink && !r.Number.number(), r.Kind != NextLink && !r.Number.IsZero():
		field = "number"
	case r.Attributes && r.Kind != NextEnrol:
		field = "attributes"
	case r.SamePIN && (!r.Attributes || !r.InputPIN.IsZero()):
		field = "same_pin"
	case !r.SamePIN && r.Attributes != r.InputPIN.digits(PINLen), !r.Attributes && !r.InputPIN.IsZero():
		field = "input_pin"
	case (r.Kind == NextEnrol && !r.Attributes) != !r.Birth.IsZero(), !r.Birth.IsZero() && !r.Birth.date():
		field = "birth"
	case r.BirthSure && r.Birth.IsZero():
		field = "birth_sure"
	case len(r.Reader) > maxReader || strconv.Quote(r.Reader) != `"`+r.Reader+`"`:
		field = "reader"
	case r.Era != "" && (r.Kind != NextEnrol || !r.Era.Valid()):
		field = "era"
	default:
		return nil
	}
	return fmt.Errorf("%w: %s", ErrNextForm, field)
}

// Wipe zeroes what was typed, in every copy of r.
func (r NextCardRequest) Wipe() {
	r.PIN.Wipe()
	r.InputPIN.Wipe()
	r.Birth.Wipe()
	r.Number.Wipe()
}

// Enrolled says what an enrolment has left for later taps.
type Enrolled struct {
	Bound     bool          `json:"bound"`              // later taps of this card need no PIN
	Hindrance record.Reason `json:"hindrance,omitzero"` // why they do, when they do
	// PINEachTime says that the service's rule asks for the PIN at every tap: nothing was kept for taps without it, and no birth date but
	// that of the attributes.
	PINEachTime bool `json:"pin_each_time,omitempty"`
	Attested    bool `json:"attributes,omitempty"` // the attributes that the rule asks for were read and go to central
}

// Linked says what became of a number that was to be linked, or taken back.
type Linked struct {
	Unlink bool `json:"unlink,omitempty"` // it was to be taken back
	Done   bool `json:"done"`
	// Why not; empty where it is done, or where the verdict says why. With Done: it was linked so already.
	Why LinkFault `json:"why,omitempty"`
}

// LinkFault is why a number was not linked or taken back.
type LinkFault string

// Faults of a link.
const (
	LinkAlready LinkFault = "already" // the person had this number before
	LinkTaken   LinkFault = "taken"   // the number is somebody else's
	LinkOther   LinkFault = "other"   // the person has another number, which is to be taken back first
	LinkNone    LinkFault = "none"    // there is no number to take back
	LinkLocked  LinkFault = "locked"  // the site's keys are locked
	// LinkUnreadable: roster or site book cannot be read, so nobody can be looked up.
	LinkUnreadable LinkFault = "unreadable"
	// LinkNobody: nobody is registered here with this card, so that no number could be found again by it.
	LinkNobody LinkFault = "nobody"
)

// LinkFaults lists them all.
func LinkFaults() []LinkFault {
	return []LinkFault{LinkAlready, LinkTaken, LinkOther, LinkNone, LinkLocked, LinkUnreadable, LinkNobody}
}
