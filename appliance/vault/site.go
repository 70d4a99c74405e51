package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/sitekey"
)

// By says by what the site keys are opened.
type By string

// Ways, as they stand in status and log.
const (
	ByCode    By = "code"
	ByTPM     By = "tpm"
	ByFile    By = "file"
	ByPeer    By = "peer"
	ByCentral By = "central"
)

// Phase says how the site keys stand.
type Phase string

// Phases.
const (
	PhaseNone   Phase = "none"   // this box holds no site key, open or closed
	PhaseLocked Phase = "locked" // keys lie here, and nobody can be looked up
	PhaseOpen   Phase = "open"
)

// Errors of a Site.
var (
	// ErrLocked says that the site keys are closed.
	ErrLocked = errors.New("site keys are locked; enter the operator's code with `kazashi unlock`, or wait for central")
	// ErrNone says that this box has no site keys.
	ErrNone = errors.New("this box has no site keys; central gives them over the line, or `kazashi code set` makes them")
	// ErrNoCode says that something must first be stored under a code.
	ErrNoCode = errors.New("the site keys are in memory alone: set a code first with `kazashi code set`")
	// ErrOld says that the code in force must be given to change it.
	ErrOld = errors.New("the code in force is wanted as well")
	// ErrRule says that no signed rule lets the keys open without a code.
	ErrRule = errors.New("no signed rule lets the site keys open without a code; set one with `kazashi code set`")
	// ErrOlder says that a grant is older than the one held.
	ErrOlder = errors.New("grant is older than the one held")
	// ErrElsewhere says that a grant or answer is for another box or site.
	ErrElsewhere = errors.New("made for another box or site")
	// ErrWiped says that a grant's current key was erased here; central has to make a new generation.
	ErrWiped = errors.New("this site key was erased here and never comes back; central has to make a new generation")
	// ErrBehind says that a peer lacks the key that is current here.
	ErrBehind = errors.New("the other box lacks this site's newest key; ask another, or wait for central")
	// ErrUntaken says that keys would be lost which were made here, which central has not taken yet, and which only the code in force
	// opens. It is an ErrOld.
	ErrUntaken = fmt.Errorf("%w: it alone opens keys that were made here and that central has not taken yet", ErrOld)
	// ErrRequest says that an answer does not belong to the request that this box made last.
	ErrRequest = errors.New("answer to another request; make a new one")
)

// SiteConfig is what a Site is made of. All but AllowSwap, Changed and Needed are required.
type SiteConfig struct {
	Dir       string
	Identity  *Identity
	Site      record.SiteID
	Central   func() (seal.PublicKey, error) // C-seal, for which keys made here are wrapped
	Rule      func() rule.Unlock             // what the signed rule in force chose
	Keys      func() sign.Keys               // who may sign a grant
	AllowSwap bool                           // open keys though memory may be written to an unencrypted disk
	Changed   func()                         // hears of every change of State after OpenSite; may ask the Site and must not change it
	// Needed says under which generations anything is sealed here. It is asked before a full ring forgets others, and must not wait for
	// whoever changes this Site. Without it a full ring stays as it is.
	Needed func(context.Context) ([]sitekey.Generation, error)
	Log    *slog.Logger
}

// Site is the ring of site keys on this box.
type Site struct {
	SiteConfig
	tries *tries

	working sync.Mutex // one change at a time; held across disk and TPM
	warned  bool       // that the keys lie more openly than the rule lets them; guarded by working

	mu      sync.RWMutex  // guards what follows; held for moments only, a tap waits for it
	file    *ringFile     // as on the disk, never changed in place; an empty one if there is none
	ring    sitekey.Ring  // open keys
	by      By            // "" when closed
	hold    Hold          // locked on purpose; as in the file, but after a fault of the disk
	asked   bool          // central may open what was locked by hand
	deaf    bool          // the newest grant is of a key that was erased here: asking for it again is of no use
	refused rule.Version  // that grant's
	nonce   sitekey.Nonce // of the request that an answer is awaited for
}

// OpenSite reads what lies in the folder, and opens it at once where the signed rule lets it open without a code. A file that is damaged
// is set aside and logged: central or a peer gives the keys again. What a crash left of writing one is removed. An error is the disk's.
func OpenSite(ctx context.Context, c SiteConfig) (*Site, error) {
	s := &Site{SiteConfig: c, tries: newTries(c.Dir)}
	s.Changed = func() {} // nobody knows the Site yet
	if err := durable.RemoveLeft(filepath.Join(c.Dir, fileRing)); err != nil {
		return nil, fmt.Errorf("removing what was left of the site keys: %w", err)
	}
	file, damaged, err := readRing(c.Dir, c.Identity, c.Site)
	if err != nil {
		return nil, fmt.Errorf("reading the site keys: %w", err)
	}
	if damaged != nil {
		s.Log.ErrorContext(ctx, "site keys on the disk cannot be used and were set aside", slog.Any("error", damaged))
	}
	s.file, s.hold = file, file.Hold
	if by := file.by(); (by == ByTPM || by == ByFile) && s.hold == HeldNot {
		if err := s.Unlock(ctx, nil); err != nil {
			s.Log.ErrorContext(ctx, "site keys stay locked", slog.Any("error", err))
		}
	}
	if c.Changed != nil {
		s.Changed = c.Changed
	}
	return s, nil
}

// Ring is the open keys. ErrLocked or ErrNone. It never waits for disk or TPM.
func (s *Site) Ring() (sitekey.Ring, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.by != "":
		return s.ring, nil
	case s.file.by() != "", s.hold != HeldNot:
		return sitekey.Ring{}, ErrLocked
	default:
		return sitekey.Ring{}, ErrNone
	}
}

// State is how a Site stands.
type State struct {
	Phase       Phase
	By          By            // what opened the keys; "" unless they are open
	Held        Hold          // who locked the keys on purpose, if somebody did
	Stored      By            // what opens what lies on the disk: ByCode, ByTPM, ByFile; "" if nothing lies there
	CodeWanted  bool          // after a restart no code opens the keys, or they open without one though the rule in force does not let them
	Generations int           // open, or else on the disk
	Left        int           // codes that would be taken now, where Stored is ByCode and the keys are locked
	Wait        time.Duration // until one more is taken than now, at most
	Trouble     error         // why tries cannot be counted: the TPM does not answer
}

// State asks the TPM for its lockout if the keys are locked by a code.
func (s *Site) State() State {
	s.mu.RLock()
	st := State{Phase: PhaseNone, By: s.by, Held: s.hold, Stored: s.file.by(), Generations: s.ring.Len()}
	file := s.file
	s.mu.RUnlock()
	switch {
	case st.By != "":
		st.Phase = PhaseOpen
	case st.Stored != "", st.Held != HeldNot:
		st.Phase, st.Generations = PhaseLocked, len(file.Keys)
	}
	st.CodeWanted = st.Phase != PhaseNone && st.Stored != ByCode && (st.Stored == "" || !s.allowed(file.Lock.Way))
	if st.Phase == PhaseLocked && st.Stored == ByCode {
		st.Left, st.Wait, st.Trouble = s.triesOf(file.Lock)
	}
	return st
}

// Wants reports whether the grant that central gave would open something here: there are no keys, or they are locked and nobody locked
// them on purpose; and the newest grant is not of a key that was erased here.
func (s *Site) Wants() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.by == "" && !s.deaf && (s.hold == HeldNot || s.hold == HeldByHand && s.asked)
}

// Version is that of the newest grant taken.
func (s *Site) Version() rule.Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.refused.Compare(s.file.Grant) > 0 {
		return s.refused
	}
	return s.file.Grant
}

// Made lists the keys that were made here and that no grant has named yet, wrapped to C-seal.
func (s *Site) Made() []sitekey.Wrapped {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.file.Made)
}

// Members are the boxes of the site, as the newest grant names them.
func (s *Site) Members() []sitekey.Member {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.file.Members)
}

// way is how the rule in force lets the keys lie here: by the TPM alone if there is one, else by the file alone if it says so.
func (s *Site) way() rule.Unlock {
	switch w := s.Rule(); {
	case w != rule.UnlockFile && w != rule.UnlockTPM:
		return rule.UnlockCode
	case s.Identity.chip() != nil:
		return rule.UnlockTPM
	case w == rule.UnlockFile:
		return rule.UnlockFile
	default:
		return rule.UnlockCode
	}
}

// allowed reports whether the rule in force lets the keys open that way.
func (s *Site) allowed(way rule.Unlock) bool {
	chosen := max(s.Rule(), rule.UnlockCode)
	return way <= chosen && chosen <= rule.UnlockFile
}

// fit returns ErrSwap unless keys may be in this machine's memory.
func (s *Site) fit() error {
	if s.AllowSwap {
		return nil
	}
	return Swaps()
}

// write makes f what lies on the disk, and only then what counts.
func (s *Site) write(f *ringFile) error {
	b, err := f.encode(s.Identity.Device)
	if err != nil {
		return fmt.Errorf("writing the site keys: %w", err)
	}
	if err := durable.WriteFile(filepath.Join(s.Dir, fileRing), b, 0o600); err != nil {
		return fmt.Errorf("writing the site keys: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = f
	return nil
}

// now is the file and the open keys, for one who holds working.
func (s *Site) now() (*ringFile, sitekey.Ring, By) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.file, s.ring, s.by
}

// show makes r the open keys. Who opened them stays said if they were open already.
func (s *Site) show(ctx context.Context, r sitekey.Ring, by By) {
	s.mu.Lock()
	was := s.by
	s.ring, s.hold, s.asked, s.deaf = r, HeldNot, false, false
	if was == "" {
		s.by = by
	}
	s.mu.Unlock()
	if was == "" {
		s.Log.InfoContext(ctx, "site keys are open", slog.String("by", string(by)), slog.Int("generations", r.Len()))
	}
	s.Changed()
}

// merge adds the keys of r to those that are open, r's current one last.
func merge(open, r sitekey.Ring) (sitekey.Ring, error) {
	var err error
	for _, k := range r.Keys() {
		if open, err = open.With(k); err != nil {
			return sitekey.Ring{}, err
		}
	}
	return open, nil
}

// Generations names the keys of the site that lie here, open or not, and those that the newest grant gave, which are in memory alone until
// a restart.
func (s *Site) Generations() []sitekey.Generation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	all := lying(s.file, s.ring)
	for _, g := range s.file.Named {
		if !slices.Contains(all, g) && !slices.Contains(s.file.Wiped, g) {
			all = append(all, g)
		}
	}
	return all
}
