// Package crash finds out what a program leaves on the disk when it is killed, or when the power goes, at any point of its work.
//
// A [Scenario] is run once under strace ([Record]). The trace is every operation that changed its folder: create, write,
// truncate, rename, link, unlink, mkdir, fsync. From it the package makes folders as they would be found afterwards, and hands
// each to the scenario's check:
//
//   - [Run.Kill]: a SIGKILL after each operation. The kernel keeps what a killed process wrote, so there is one state a point;
//     [Run.Slay] kills in earnest and compares.
//   - [Run.Power]: the power goes after each operation. What an fsync did not cover may be there, not there, there in part (torn
//     at 512 octets), there in the wrong order, or there in size only; so may each create, rename, link and unlink that no
//     fsync of its folder followed. This is what POSIX allows, and less kind than ext4 is. All combinations would be too many:
//     everything, nothing, every beginning, each one alone and each one missing stand for them. Scenario.Sample takes some of these
//     at each point, others at the next.
//   - [Run.Without]: takes out one fsync after the other. If the power matrix finds nothing then, the fsync was of no use.
//     [Run.Lose] does so with one, where something had just been said.
//
// What a program says on standard output, a line a write, is in the trace too, and binds: a check is told what had been said.
//
// What the tool cannot follow it refuses ([ErrTrace]) instead of passing over it: writing through a shared map (SQLite's -shm file, which
// Scenario.Ignore can leave out, for SQLite makes it anew; of its other files it maps none for writing), a second
// process, splice, io_uring, symbolic links, exchanging renames. It takes a rename for atomic, a sector of 512 octets for
// atomic, modes for durable at once, and an fsync that returned for the truth. Owners, times and extended attributes it leaves out.
//
// The tests of this package are also the crash matrices of the whole product. In the integration lane they stop at every point of every
// scenario and try a sample of what a power cut leaves there; with CRASH_TEST_THOROUGH in the environment, as `make crash` sets it, they
// try all of it and print every point by its name, and a total.
//
// A Run may be used by one goroutine; checks run on several at a time. Needs strace 5.3 or newer.
package crash

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
)

// ErrTrace says that a program did something that a trace does not show in full.
var ErrTrace = errors.New("trace cannot be followed")

// Scenario is a piece of work that may be interrupted anywhere.
type Scenario struct {
	Name string
	// Before fills the folder with what is there, and durable, at the start; nil leaves it empty.
	Before func(dir string) error
	// Child is the program that works in the folder; it ends by itself, successfully.
	Child func(ctx context.Context, dir string) *exec.Cmd
	// Check opens what was left and tells what is wrong with it; it may change it. Called on several goroutines at a time.
	Check func(State) error
	// Superfluous names operations (as Run.Points does) whose loss no check can see, each with the reason for keeping it.
	Superfluous map[string]string
	// Ignore are patterns (path.Match) of base names of files that are missing in every state, and that the child may do anything with:
	// what the program makes anew when it finds none, such as *-shm.
	Ignore []string
	// Sample is how many states of a power cut are tried at a point, besides the up to four in which all or nothing of the names and of the
	// octets is there: others at each point. 0: all. Leaving out a fsync that is not Superfluous tries all until one is broken.
	Sample int
	// Thorough tries every choice of names with every choice of octets, which takes three times as long. Otherwise one of the two is all
	// or nothing.
	Thorough bool
}

// State is a folder as an interruption leaves it.
type State struct {
	Dir   string
	Power bool     // the power went; else the process was killed
	Said  []string // lines on standard output until then
	Done  []Op     // what had been done
	Point string   // where, and what became of what was pending
}

// Op is one operation on the folder.
type Op struct {
	Kind Kind
	Path string // relative to the folder; of a rename or link the new name
	Size int64  // octets written
	name string

	ino, dir, from *inode // from: the folder that a rename moves out of
	old, base      string // base: name in dir; old: name in from
	off            int64  // of a write; of a truncation the size
	data           []byte
	began          int // operations that were done when this one began; an fsync covers those
}

// String is the operation's name in matrices: what it does to which file.
func (o Op) String() string { return o.name }

// Kind is what an operation does.
type Kind uint8

// Kinds of operations.
const (
	Create Kind = iota
	Write
	Truncate
	Rename
	Link
	Unlink
	Mkdir
	Sync    // fsync or fdatasync of a file
	SyncDir // fsync of a folder
	SyncAll // sync, syncfs
	Say     // a line on standard output
)

var kindNames = [...]string{"create", "write", "truncate", "rename", "link", "unlink", "mkdir", "fsync", "fsync dir", "sync", "say"}

// String is the kind's name in matrices.
func (k Kind) String() string { return kindNames[k] }

// syncs reports whether the operation makes others durable.
func (k Kind) syncs() bool { return k == Sync || k == SyncDir || k == SyncAll }

// names reports whether the operation changes a folder.
func (k Kind) names() bool {
	return k == Create || k == Rename || k == Link || k == Unlink || k == Mkdir
}

// Fault is a state that the check refused.
type Fault struct {
	Point string
	Err   error
}

// Error tells point and reason.
func (f Fault) Error() string { return fmt.Sprintf("%s: %v", f.Point, f.Err) }

// Unwrap is the reason.
func (f Fault) Unwrap() error { return f.Err }
