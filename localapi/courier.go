package localapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"
)

// Why nothing, or not all, was written to a stick or taken in from one.
var (
	// ErrCourierForm says that a request names no stick, or both a stick and a folder.
	ErrCourierForm = errors.New("name one stick, or one folder")
	// ErrCourierBusy says that something is being written or taken in already.
	ErrCourierBusy = errors.New("something is being written to a stick or taken in already")
	// ErrNoStick says that no stick of that name is there.
	ErrNoStick = errors.New("no stick of that name is there")
	// ErrNotMounted says that the folder lies on the box's own disk: no stick is mounted there.
	ErrNotMounted = errors.New("no stick is mounted there")
	// ErrStickName says that a stick's name cannot be shown, and so not be chosen.
	ErrStickName = errors.New("stick's name has characters that cannot be shown")
	// ErrNotStick says that nothing of kazashi's is on the stick.
	ErrNotStick = errors.New("nothing of kazashi's is on the stick")
	// ErrNothing says that nothing on the stick is for this box.
	ErrNothing = errors.New("nothing on the stick is for this box")
	// ErrHalf says that a file was copied by half.
	ErrHalf = errors.New("file was copied by half")
	// ErrParcel says that a file is damaged.
	ErrParcel = errors.New("file is damaged")
	// ErrOtherBox says that a file is another box's.
	ErrOtherBox = errors.New("file is another box's")
	// ErrParcelSigner says that a file is not signed by this box's central.
	ErrParcelSigner = errors.New("file is not signed by this box's central")
	// ErrNewerRelease says that a file was written by a newer release.
	ErrNewerRelease = errors.New("file was written by a newer release")
	// ErrCrowded says that there are too many files in a folder of the stick.
	ErrCrowded = errors.New("too many files in a folder of the stick")
	// ErrStickReadOnly says that the stick takes no writing.
	ErrStickReadOnly = errors.New("stick is read-only")
	// ErrStickDenied says that the box's user may not read or write there.
	ErrStickDenied = errors.New("the box's user may not use the stick")
	// ErrStickFull says that the stick is full. What is written already stays.
	ErrStickFull = errors.New("stick is full")
	// ErrStickGone says that the stick was pulled, or does not answer. What is written already stays.
	ErrStickGone = errors.New("stick was pulled, or does not answer")
	// ErrCourierStopped says that the box stopped in the middle. The same again goes on.
	ErrCourierStopped = errors.New("box stopped in the middle")
)

// CourierWhat says which way a stick is used.
type CourierWhat string

// The two ways.
const (
	CourierExport CourierWhat = "export" // records are written to the stick
	CourierImport CourierWhat = "import" // what central wrote is taken in
)

// Courier is the answer of GET /v1/courier: the way by USB stick.
type Courier struct {
	// Folder says that a folder for sticks is configured; without one Sticks is empty and the page has nothing to choose from.
	Folder  bool        `json:"folder"`
	Sticks  []Stick     `json:"sticks"`
	Job     *CourierJob `json:"job"`     // under way, or else the last since the start
	Waiting int         `json:"waiting"` // records that central is not known to have received: what an export writes
	Unsafe  int         `json:"unsafe"`  // records that central has not signed as safe: they would be lost with this disk
}

// Stick is a folder of the configured one, as it is now.
type Stick struct {
	Name     string `json:"name"`           // its folder's; text that anybody may have chosen
	Path     string `json:"path,omitempty"` // over the unix socket only
	Free     uint64 `json:"free"`           // octets
	Writable bool   `json:"writable"`
	Up       int    `json:"up"`                // files of this box for central
	Down     int    `json:"down"`              // files of central for this box
	Problem  *Error `json:"problem,omitempty"` // why it cannot be used
}

// CourierJob is one export or import. It goes on when the page that began it is closed.
type CourierJob struct {
	What    CourierWhat     `json:"what"`
	Stick   string          `json:"stick"` // its name, or the last part of its path
	Done    uint64          `json:"done"`  // of Total; records of an export, files of an import
	Total   uint64          `json:"total"` // 0 while it is not known
	Began   time.Time       `json:"began"`
	Ended   time.Time       `json:"ended,omitzero"` // zero while it is under way
	Summary *CourierSummary `json:"summary,omitempty"`
	Failed  *Error          `json:"failed,omitempty"` // why it ended early; Summary says what was done by then
}

// CourierSummary says what an export wrote or an import took in.
type CourierSummary struct {
	Files    int             `json:"files"`             // written, or taken in now
	Records  uint64          `json:"records"`           // written; of an import: those that central says it has
	Known    int             `json:"known,omitempty"`   // files that were on the stick, or taken in, before
	Safe     uint64          `json:"safe,omitempty"`    // records that central now has in a backup
	Verdicts int             `json:"verdicts"`          // final verdicts that were taken in
	Work     int             `json:"work"`              // of them, those that need a second look
	Updated  []CourierUpdate `json:"updated,omitempty"` // what else is newer now, in the order of [CourierUpdates]
	Removed  int             `json:"removed,omitempty"` // files of this box, or with keys for it, taken off the stick, since they have served
	Joined   bool            `json:"joined,omitempty"`  // a join was completed
	Refused  []CourierFile   `json:"refused,omitempty"` // files that were not taken; of an export: damaged ones that were left; the rest was done
}

// CourierUpdate names what an import may bring beside verdicts.
type CourierUpdate string

// What an import may bring.
const (
	UpdateTrust  CourierUpdate = "trust"  // the trust bundle
	UpdateRules  CourierUpdate = "rules"  // what services demand
	UpdateLists  CourierUpdate = "lists"  // revocation sets
	UpdateRoster CourierUpdate = "roster" // who may tap without the PIN
	UpdateKeys   CourierUpdate = "keys"   // the site's keys
	UpdateOrders CourierUpdate = "orders" // something that central ordered this box to do
)

// CourierUpdates lists them all, in the order above.
func CourierUpdates() []CourierUpdate {
	return []CourierUpdate{UpdateTrust, UpdateRules, UpdateLists, UpdateRoster, UpdateKeys, UpdateOrders}
}

// CourierFile is one file on a stick that was not taken, or is damaged, and why.
type CourierFile struct {
	File string `json:"file"` // below the stick's root
	Why  Error  `json:"why"`
}

// CourierOrder is the body of POST /v1/courier/export and /v1/courier/import. Exactly one field is set.
type CourierOrder struct {
	Stick string `json:"stick,omitempty"` // Stick.Name
	Path  string `json:"path,omitempty"`  // an absolute folder; over the unix socket only
}

// MaxStick is the longest name of a stick, in octets (NAME_MAX of Linux).
const MaxStick = 255

// Check returns ErrCourierForm unless exactly one field is set, to what can be one.
func (o CourierOrder) Check() error {
	one := (o.Stick == "") != (o.Path == "")
	if !one || len(o.Stick) > MaxStick || !utf8.ValidString(o.Stick) || o.Path != "" && o.Path[0] != '/' {
		return ErrCourierForm
	}
	return nil
}

const courierPath = "/v1/courier"

// Courier asks for the sticks and what is done with one. Errors: as Status.
func (c *Client) Courier(ctx context.Context) (v Courier, err error) {
	err = c.ask(ctx, http.MethodGet, courierPath, nil, &v)
	return v, err
}

// BeginCourier has the box begin to write records to a stick, or to take in what is on it; Courier tells how far it has come. Errors:
// ErrCourierForm before anything is sent; ErrCourierBusy, ErrNoStick, ErrNotMounted, ErrStickName, otherwise as Status.
func (c *Client) BeginCourier(ctx context.Context, what CourierWhat, o CourierOrder) (v Courier, err error) {
	if err := o.Check(); err != nil {
		return v, err
	}
	b, err := json.Marshal(o)
	if err != nil {
		return v, fmt.Errorf("encoding a stick's name: %w", err)
	}
	err = c.ask(ctx, http.MethodPost, courierPath+"/"+string(what), b, &v)
	return v, err
}
