// Package ledger is the practice tray's own book: every card laid on the reader and taken away, every cut of the line, every
// revocation, one JSON object a line. It is what the tables of box and central are compared with afterwards, so it shares
// nothing with them, neither code nor storage.
//
// A [Ledger] may be used from any goroutine. [Ledger.Append] returns after fsync: what the tray does to the world, it does
// only then. A process that dies while it appends leaves at most one line without its newline, which was never acknowledged
// and which [Open] takes away. Only one process opens a ledger at a time. Serials stand here in the clear: they are the
// practice world's own, of people who do not exist.
package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// MaxLine is the longest line that a ledger holds, in octets.
const MaxLine = 4096

// Errors of reading and opening.
var (
	// ErrDamaged says that a line is not an entry, or not the next one.
	ErrDamaged = errors.New("ledger is damaged")
	// ErrLocked says that another process holds the ledger.
	ErrLocked = errors.New("ledger is in use by another process")
)

// Kind says what an entry tells of.
type Kind string

// Kinds of entries.
const (
	KindStart   Kind = "start"   // a tray was opened on this ledger
	KindLay     Kind = "lay"     // a card is about to be laid on the reader: one tap
	KindFail    Kind = "fail"    // laying the card of this tap failed; whether the box saw it is unknown
	KindTake    Kind = "take"    // the card of this tap was taken away
	KindCut     Kind = "cut"     // the line was cut
	KindRestore Kind = "restore" // the line was restored
	KindRevoke  Kind = "revoke"  // a certificate was revoked at the practice JPKI, and on no list yet
	KindPublish Kind = "publish" // the practice JPKI published a new list
	KindRenew   Kind = "renew"   // a new certificate on the same card
	KindReissue Kind = "reissue" // a new certificate on a new card
)

var kinds = []Kind{KindStart, KindLay, KindFail, KindTake, KindCut, KindRestore, KindRevoke, KindPublish, KindRenew, KindReissue}

// Line states.
const (
	LineUp   = "up"
	LineDown = "down"
)

// Entry is one line. N and At are set by [Ledger.Append].
type Entry struct {
	N    int64  `json:"n"`  // line number, from 1 without gaps
	At   Stamp  `json:"at"` // for KindLay: just before the card was laid
	Kind Kind   `json:"kind"`
	Line string `json:"line"` // LineUp or LineDown, as the entry leaves it

	Tap     int64  `json:"tap,omitempty"`     // lay, fail, take: the tap's number, from 1
	Person  string `json:"person,omitempty"`  // lay, fail, take, revoke: key in the practice world
	Serial  string `json:"serial,omitempty"`  // lay, revoke, renew, reissue: serial of the authentication certificate, hex; "" if the card has none
	Desk    string `json:"desk,omitempty"`    // lay
	Service string `json:"service,omitempty"` // lay

	ExpectFirst string `json:"expect_first,omitempty"` // lay: what the box should say; "" when both words would be right
	ExpectFinal string `json:"expect_final,omitempty"` // lay: what central should come to
	Reason      string `json:"reason,omitempty"`       // revoke: RFC 5280 §5.3.1 reasonCode by name
	List        int64  `json:"list,omitempty"`         // publish: CRL number, if the practice JPKI told it
	Error       string `json:"error,omitempty"`        // fail
}

// Stamp is a moment in UTC, to the millisecond (RFC 3339).
type Stamp struct{ time.Time }

const stampLayout = "2006-01-02T15:04:05.000Z"

// At makes a Stamp; what is finer than a millisecond is cut off.
func At(t time.Time) Stamp { return Stamp{t.UTC().Truncate(time.Millisecond)} }

// MarshalJSON always writes three decimals and Z.
func (s Stamp) MarshalJSON() ([]byte, error) {
	return []byte(s.UTC().Format(`"` + stampLayout + `"`)), nil
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (s *Stamp) UnmarshalJSON(b []byte) error {
	t, err := time.Parse(`"`+stampLayout+`"`, string(b))
	if err != nil {
		return fmt.Errorf("reading a time: %w", err)
	}
	s.Time = t
	return nil
}

// Ledger is an open ledger.
type Ledger struct {
	clock func() time.Time

	mu      sync.Mutex // guards what follows, and the order of lines in the file
	file    *os.File
	entries []Entry
	broken  error // an append failed: the file's end is unknown, nothing more is written
}

// Open opens or makes the ledger at path, drops a last line without newline, and reads the rest. clock is time.Now but in tests.
func Open(path string, clock func() time.Time) (*Ledger, error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the ledger: %w", err)
	}
	l := &Ledger{clock: clock, file: f}
	if err := l.load(path); err != nil {
		_ = f.Close()
		return nil, err
	}
	return l, nil
}

func (l *Ledger) load(path string) error {
	err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:gosec // a descriptor fits an int
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%w: %s", ErrLocked, path)
	}
	if err != nil {
		return fmt.Errorf("locking the ledger: %w", err)
	}
	data, err := io.ReadAll(l.file)
	if err != nil {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	whole := bytes.LastIndexByte(data, '\n') + 1
	if whole < len(data) {
		if err := l.file.Truncate(int64(whole)); err != nil {
			return fmt.Errorf("dropping the ledger's unfinished line: %w", err)
		}
	}
	if l.entries, err = Read(bytes.NewReader(data[:whole])); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("syncing the ledger: %w", err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(filepath.Clean(path))
	if err != nil {
		return fmt.Errorf("opening the ledger's folder: %w", err)
	}
	defer func() { _ = d.Close() }()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("syncing the ledger's folder: %w", err)
	}
	return nil
}

// Append numbers and dates e, writes it and returns it once it is durable. After a failure every later Append fails too.
func (l *Ledger) Append(e Entry) (Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken != nil {
		return Entry{}, l.broken
	}
	e.N, e.At = int64(len(l.entries))+1, At(l.clock())
	line, err := json.Marshal(e)
	if err != nil {
		return Entry{}, fmt.Errorf("encoding a ledger entry: %w", err)
	}
	if len(line) >= MaxLine {
		return Entry{}, fmt.Errorf("encoding a ledger entry: %d octets, at most %d", len(line), MaxLine-1)
	}
	if _, err = l.file.Write(append(line, '\n')); err == nil {
		err = l.file.Sync()
	}
	if err != nil {
		l.broken = fmt.Errorf("writing the ledger: %w", err)
		return Entry{}, l.broken
	}
	l.entries = append(l.entries, e)
	return e, nil
}

// Entries returns a copy of all entries, oldest first.
func (l *Ledger) Entries() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.entries)
}

// Close gives the ledger free for others.
func (l *Ledger) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = os.ErrClosed
	return l.file.Close()
}

// Read reads a whole ledger. ErrDamaged names the line that is not an entry, is too long or is not numbered as it should be.
func Read(r io.Reader) ([]Entry, error) {
	var entries []Entry
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, MaxLine), MaxLine)
	for lines.Scan() {
		n := int64(len(entries)) + 1
		var e Entry
		dec := json.NewDecoder(bytes.NewReader(lines.Bytes()))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&e); err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrDamaged, n, err)
		}
		if dec.More() || e.N != n || !slices.Contains(kinds, e.Kind) || e.Line != LineUp && e.Line != LineDown {
			return nil, fmt.Errorf("%w: line %d is not entry %d", ErrDamaged, n, n)
		}
		entries = append(entries, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: line %d: %w", ErrDamaged, len(entries)+1, err)
	}
	return entries, nil
}
