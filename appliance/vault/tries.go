package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"kazashi.example/appliance/vault/tpm"
	"kazashi.example/sync/canon"
	"kazashi.example/sync/durable"
)

// How wrong codes are slowed down where no TPM counts: after freeTries of them the box waits, twice as long after each further one. The
// wait runs while the box is on and begins anew when it starts, so that switching it off shortens nothing.
const (
	freeTries = 5
	firstWait = 30 * time.Second
	lastWait  = time.Hour

	fileTries = "code-tries.cbor"
	maxTries  = 64 // octets
)

// Errors of Unlock and SetCode about codes.
var (
	// ErrCode says that the code was wrong.
	ErrCode = errors.New("wrong code")
	// ErrWait says that no code is taken now, because too many were wrong.
	ErrWait = errors.New("no code is taken now")
)

// TryError is ErrCode or ErrWait with what is left.
type TryError struct {
	Reason error
	Left   int           // tries that would be taken now
	Wait   time.Duration // until one more is taken than now, at most; 0 if that is not known or nothing has to be waited for
}

// Error says how many tries are left and how long to wait.
func (e *TryError) Error() string {
	if e.Left > 0 {
		return fmt.Sprintf("%v; tries left: %d", e.Reason, e.Left)
	}
	return fmt.Sprintf("%v; no try is left, wait %v", e.Reason, e.Wait.Round(time.Second))
}

// Unwrap is the reason.
func (e *TryError) Unwrap() error { return e.Reason }

// tries counts wrong codes on the disk: the count is durable before a code is looked at. The zero value is not usable.
type tries struct {
	path string

	mu    sync.Mutex // held across the write to the disk: tries come one after the other
	since time.Time  // of the last wrong code in this run, or of the start
}

type triesFile struct {
	Wrong uint32 `cbor:"1,keyasint"`
}

func newTries(dir string) *tries {
	return &tries{path: filepath.Join(dir, fileTries), since: time.Now()}
}

// wrong is how many codes in a row were. A file that cannot be read counts as the first that has to be waited for: deleting or breaking it
// is left to those who could copy the disk as well.
func (t *tries) wrong() uint32 {
	b, err := os.ReadFile(t.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	var f triesFile
	if err != nil || canon.Decode(b, &f, maxTries) != nil {
		return freeTries
	}
	return f.Wrong
}

// state is how many tries are taken now, and how long until one more is.
func (t *tries) state() (left int, wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.look()
}

func (t *tries) look() (left int, wait time.Duration) {
	n := t.wrong()
	if n < freeTries {
		return int(freeTries - n), 0
	}
	wait = time.Until(t.since.Add(min(lastWait, firstWait<<min(n-freeTries, 10))))
	if wait <= 0 {
		return 1, 0
	}
	return 0, wait
}

// begin counts a try before it is made. *TryError with ErrWait.
func (t *tries) begin() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	left, wait := t.look()
	if left == 0 {
		return &TryError{Reason: ErrWait, Wait: wait}
	}
	n := t.wrong() + 1
	b, err := canon.Encode(triesFile{n})
	if err == nil {
		err = durable.WriteFile(t.path, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("counting a try: %w", err)
	}
	t.since = time.Now()
	return nil
}

// right forgets the count.
func (t *tries) right() error {
	if err := os.Remove(t.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return durable.SyncDir(filepath.Dir(t.path))
}

// try opens the lock by a code, which is counted by the TPM or here. A code is not even stretched, which takes time and memory, while none
// is taken. *TryError with ErrCode or ErrWait.
func (s *Site) try(l *lockForm, open func() error) error {
	err := s.begin(l)
	if err != nil {
		return err
	}
	err = open()
	switch {
	case errors.Is(err, errWrong):
		return s.left(l, ErrCode)
	case errors.Is(err, tpm.ErrLockout):
		return s.left(l, ErrWait)
	case err == nil && l.TPM == nil:
		return s.tries.right()
	default:
		return err
	}
}

func (s *Site) begin(l *lockForm) error {
	if l.TPM == nil {
		return s.tries.begin()
	}
	left, wait, err := s.triesOf(l)
	if err == nil && left == 0 {
		err = &TryError{Reason: ErrWait, Wait: wait}
	}
	return err
}

func (s *Site) left(l *lockForm, reason error) error {
	n, wait, err := s.triesOf(l)
	return errors.Join(&TryError{Reason: reason, Left: n, Wait: wait}, err)
}

// triesOf is how many codes are taken now.
func (s *Site) triesOf(l *lockForm) (left int, wait time.Duration, err error) {
	if l.TPM == nil {
		left, wait = s.tries.state()
		return left, wait, nil
	}
	chip := s.Identity.chip()
	if chip == nil {
		return 0, 0, tpm.ErrGone
	}
	o, err := chip.Lockout()
	return o.Left, o.Wait, err
}
