// Package courier is the way by USB stick: parcels, and the folder that holds them.
//
// A parcel is one file: parts, then a manifest that names each by its digest, signed by whoever made it, then a fixed tail by which a
// half copied one is known. Parcels go up (records, what a box has), down (what central wants it to have, sealed to the box) or are
// recovered from the disk of a dead box; two more kinds let a box join that never had a line. Any number of sticks may bring them, in any
// order, twice or never: what is inside proves itself, and both ends take it as they take it from the line.
//
// A [Stick] is read as a stranger's folder: bounded looks, no links, nothing outside of it. It may be used from any goroutine, and so may a
// [Parcel]; a [Writer] belongs to one. A parcel is written beside its name, flushed, renamed, and the folder flushed, so that a name that
// ends as it should is a whole parcel. Nobody here applies anything, keeps a number, or deletes what was not named to it.
package courier

import (
	"errors"
	"fmt"

	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Version is that of parcels. A parcel of a later one is ErrNewer.
const Version = 1

// Caps, in octets and elements.
const (
	MaxPart    = 1 << 20             // octets of one part; what comes from central has a cap of its own
	MaxPolled  = wire.MaxPolled + 64 // octets of one sealed Polled or JoinAnswer
	MaxParts   = 32 << 20            // octets of all parts of one parcel
	MaxCount   = 4096                // parts of one parcel
	MaxRecords = 8192                // of one run
	MaxEnds    = 65536               // of one state
	MaxBlobs   = 4096                // named by one parcel
	MaxTrailer = 2 << 20             // octets of a manifest with its signature
	MaxParcel  = MaxParts + MaxTrailer + headLen + tailLen
	MaxEntries = 4096 // looked at in one folder
)

// Errors. What the file system said is wrapped beside them.
var (
	// ErrNotStick says that a folder has nothing of ours.
	ErrNotStick = errors.New("nothing of Kazashi is in this folder; is it the right stick?")
	// ErrHalf says that a parcel has no end: copying it was cut short, or the stick was pulled.
	ErrHalf = errors.New("parcel was copied by halves; copy it again")
	// ErrMissing says that a file that belongs to a parcel does not lie beside it.
	ErrMissing = fmt.Errorf("%w: a file that belongs to it is missing", ErrHalf)
	// ErrDamaged says that octets of a parcel were changed, or are not a parcel.
	ErrDamaged = errors.New("parcel is damaged; copy it again")
	// ErrOtherBox says that a parcel is of, or for, another box.
	ErrOtherBox = errors.New("parcel belongs to another box")
	// ErrSigner says that a parcel was not signed by who must have.
	ErrSigner = errors.New("parcel is not signed by a key that is known here")
	// ErrNewer says that a parcel was written by a later release.
	ErrNewer = errors.New("parcel was written by a newer release")
	// ErrCrowded says that a folder has more entries than are looked at.
	ErrCrowded = errors.New("too many files in a folder of the stick; use another stick")
	// ErrIrregular says that an entry of ours is a link or otherwise no plain file or folder.
	ErrIrregular = errors.New("not a plain file")
	// ErrReadOnly says that the stick cannot be written to.
	ErrReadOnly = errors.New("stick is read-only; slide its lock, or use another stick")
	// ErrFull says that the stick has no room.
	ErrFull = errors.New("stick is full; use another stick")
	// ErrGone says that the stick was pulled out, or stopped answering.
	ErrGone = errors.New("stick is gone; put it in again")
	// ErrOrder says that a writer was used against its rules, or given what no parcel of its kind can have.
	ErrOrder = errors.New("cannot be put into this parcel")
	// ErrSealed says that parts are asked for that are sealed, and Unseal was not called.
	ErrSealed = errors.New("parcel is sealed")
)

// Kind says what a parcel is. Numbers are reserved for ever.
type Kind uint8

// Kinds.
const (
	Up        Kind = 1 // box to central: runs, corrections, state; signed by D
	Down      Kind = 2 // central to box: what polls bring; signed by C-sign, sealed to S
	Recovered Kind = 3 // made from a dead box's disk: runs and corrections; unsigned, records prove themselves
	Joining   Kind = 4 // a box's request to join; unsigned, proved by the join code
	Joined    Kind = 5 // central's answer to it; unsigned, proved by the join code, sealed to S
)

var kindNames = [...]string{Up: "up", Down: "down", Recovered: "recovered", Joining: "joining", Joined: "joined"}

// Valid reports whether this build knows k.
func (k Kind) Valid() bool { return k >= Up && k <= Joined }

// String names the kind.
func (k Kind) String() string {
	if !k.Valid() {
		return "unknown"
	}
	return kindNames[k]
}

// Type says what a part is. Numbers are reserved for ever.
type Type uint8

// Types.
const (
	TypeState       Type = 1 // State without Ends beyond the first; up, at most one a parcel
	TypeRun         Type = 2 // Run; up and recovered
	TypeCorrection  Type = 3 // wire.Correction as it travels; up and recovered
	TypePolled      Type = 4 // wire.Polled, sealed; down
	TypeJoinRequest Type = 5 // wire.JoinRequest; joining
	TypeJoinAnswer  Type = 6 // wire.JoinAnswer, sealed; joined
	TypeEnds        Type = 7 // more Ends of the parcel's State; up
)

// allowed says which parts a parcel of a kind may have.
func (k Kind) allowed(t Type) bool {
	switch k {
	case Up:
		return t == TypeState || t == TypeRun || t == TypeCorrection || t == TypeEnds
	case Down:
		return t == TypePolled
	case Recovered:
		return t == TypeRun || t == TypeCorrection
	case Joining:
		return t == TypeJoinRequest
	case Joined:
		return t == TypeJoinAnswer
	default:
		return false
	}
}

// sealed reports whether the parts are sealed to a box.
func (k Kind) sealed() bool { return k == Down || k == Joined }

// signed reports whether the manifest is.
func (k Kind) signed() bool { return k == Up || k == Down }

// Name is where a parcel lies on a stick. N is 0 for those of joining, which a box has one of each.
type Name struct {
	Kind Kind
	Box  record.BoxID
	N    uint64
}

// String is the path below the stick's folder, with slashes.
func (n Name) String() string {
	switch n.Kind {
	case Up:
		return fmt.Sprintf("%s/up/%s/%010d.kzu", Folder, n.Box, n.N)
	case Recovered:
		return fmt.Sprintf("%s/up/%s/%010d.kzr", Folder, n.Box, n.N)
	case Down:
		return fmt.Sprintf("%s/down/%s/%010d.kzd", Folder, n.Box, n.N)
	case Joining:
		return fmt.Sprintf("%s/join/%s.kzj", Folder, n.Box)
	case Joined:
		return fmt.Sprintf("%s/join/%s.kza", Folder, n.Box)
	default:
		return "?"
	}
}

// Folder is the one folder of ours in the root of a stick.
const Folder = "KAZASHI"
