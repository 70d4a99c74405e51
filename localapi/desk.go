package localapi

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"kazashi.example/sync/record"
)

// Limits of what is asked at the desk.
const (
	MaxStaffName = 64       // octets
	MinCode      = 6        // octets of the code of a member of staff
	MaxCode      = 64       // octets
	MaxImport    = 32 << 20 // octets of a file of links
)

// Why something at the desk was not done. The local API says each by a code of its own.
var (
	// ErrLocked: the site's book and roster are locked until the operator's code, another box of the site or central opens them.
	ErrLocked = errors.New("the site's keys are locked")
	// ErrDeskForm: a field is missing or of the wrong shape.
	ErrDeskForm = errors.New("asked for in the wrong form")
	// ErrCode: nobody here has this code.
	ErrCode = errors.New("nobody here has this code")
	// ErrWait: too many wrong codes; the next is looked at after a while.
	ErrWait = errors.New("too many wrong codes; wait before the next")
	// ErrNobody: this is done by somebody who has signed in.
	ErrNobody = errors.New("nobody has signed in at this desk")
	// ErrNoStaff: likewise, and nobody could: no member of staff has been entered at this site.
	ErrNoStaff = errors.New("no member of staff is entered at this site")
	// ErrUnknown: there is no such tap, number or member of staff here.
	ErrUnknown = errors.New("nothing of that name here")
	// ErrTaken: the number, id or code belongs to somebody else already.
	ErrTaken = errors.New("taken by somebody else")
)

// WaitError is ErrWait with the time that is to pass before the next code is looked at.
type WaitError struct{ For time.Duration }

// Error says how long.
func (e WaitError) Error() string { return ErrWait.Error() + ": " + e.For.Round(time.Second).String() }

// Is reports whether target is ErrWait.
func (WaitError) Is(target error) bool { return target == ErrWait }

// Staff is somebody of the verifier who works at this site.
type Staff struct {
	ID    string    `json:"id"`             // as records carry it: record.CheckName
	Name  string    `json:"name"`           // as pages show it
	Since time.Time `json:"since,omitzero"` // of the sign-in at this desk; zero for who is not signed in
}

// NewStaff is the body of PUT /v1/staff: somebody new, or another name or code for who is there.
type NewStaff struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Code Secret `json:"code"` // what they sign in by
}

// Check returns ErrDeskForm, naming the field, unless s is whole.
func (s NewStaff) Check() error {
	switch {
	case record.CheckName(record.DeskID(s.ID)) != nil:
		return fmt.Errorf("%w: id", ErrDeskForm)
	case s.Name == "" || len(s.Name) > MaxStaffName || !utf8.ValidString(s.Name):
		return fmt.Errorf("%w: name", ErrDeskForm)
	default:
		return checkCode(s.Code)
	}
}

// SignIn is the body of PUT /v1/desk.
type SignIn struct {
	Code Secret `json:"code"`
}

// Check returns ErrDeskForm unless there is a code.
func (s SignIn) Check() error { return checkCode(s.Code) }

func checkCode(c Secret) error {
	if n := len(c.Octets()); n < MinCode || n > MaxCode {
		return fmt.Errorf("%w: code", ErrDeskForm)
	}
	return nil
}

// Desk is the answer of /v1/desk.
type Desk struct {
	Staff *Staff `json:"staff"` // null while nobody is signed in
}

// StaffList is the answer of /v1/staff.
type StaffList struct {
	Staff []Staff `json:"staff"`
}

// Presence is somebody who was served at a service that counts each person once, and has not left.
type Presence struct {
	Tap     record.TapID     `json:"tap"` // of the first time
	Spoken  string           `json:"spoken"`
	Service record.ServiceID `json:"service"`
	Since   time.Time        `json:"since"`
}

// PresenceList is the answer of /v1/present.
type PresenceList struct {
	Present []Presence `json:"present"`
}

// WorkItem is a verdict that needs a second look: somebody was served who should not have been, or the reverse; or a refusal's ground is gone
// since (Outcome.LooksAgain).
type WorkItem struct {
	Tap     record.TapID     `json:"tap"`
	Spoken  string           `json:"spoken"`
	Time    time.Time        `json:"time"`
	Desk    record.DeskID    `json:"desk"`
	Service record.ServiceID `json:"service"`
	First   Outcome          `json:"first"`
	Final   Outcome          `json:"final"`
	Done    *WorkDone        `json:"done,omitempty"` // who has looked at it
}

// WorkDone says who has looked at a correction, and when.
type WorkDone struct {
	By string    `json:"by"` // Staff.ID
	At time.Time `json:"at"`
}

// WorkList is the answer of /v1/corrections.
type WorkList struct {
	Work []WorkItem `json:"work"`
}

// Unlink is the body of DELETE /v1/links: a number of a service is to name nobody any more.
type Unlink struct {
	Service record.ServiceID `json:"service"`
	Number  string           `json:"number"`
}

// Check returns ErrDeskForm, naming the field, unless u is whole.
func (u Unlink) Check() error {
	switch {
	case record.CheckName(u.Service) != nil:
		return fmt.Errorf("%w: service", ErrDeskForm)
	default:
		if _, err := CanonNumber(u.Number); err != nil {
			return fmt.Errorf("%w: number", ErrDeskForm)
		}
		return nil
	}
}

// Encoding is how a file of links is written.
type Encoding string

// Encodings.
const (
	EncodingUTF8     Encoding = "utf-8"
	EncodingShiftJIS Encoding = "shift_jis"
)

// Import says how a file of links is to be taken.
type Import struct {
	Service  record.ServiceID
	Encoding Encoding // EncodingUTF8 if empty
	DryRun   bool     // look only
}

// ImportReport is the answer of POST /v1/links: whole or nothing.
type ImportReport struct {
	Rows    int           `json:"rows"`    // read
	Linked  int           `json:"linked"`  // new
	Present int           `json:"present"` // linked so already
	Faults  []ImportFault `json:"faults"`  // if there is one, nothing was taken; MaxImportFaults at most
	Left    int           `json:"left"`    // faults beyond those
	DryRun  bool          `json:"dry_run"`
}

// MaxImportFaults is how many faults of a file are told.
const MaxImportFaults = 100

// ImportFault is what is wrong with one line. The values are not repeated.
type ImportFault struct {
	Line int    `json:"line"` // from 1; 0: of the file as a whole
	What string `json:"what"` // a stable word: formula, duplicate, taken, encoding, empty, too_long, unknown_person, unprintable, too_many, columns, header
}
