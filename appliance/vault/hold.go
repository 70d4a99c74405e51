package vault

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/sync/sitekey"
)

// Hold says that the keys were locked on purpose, and by whom. It is durable: a restart ends none.
type Hold string

// Holds, as they stand in the file and in status.
const (
	HeldNot     Hold = ""
	HeldByHand  Hold = "hand"  // until a code, a peer, or a grant after Ask
	HeldByOrder Hold = "order" // central's order: until a grant that is newer than those taken before it
)

func (h Hold) known() bool { return slices.Contains([]Hold{HeldNot, HeldByHand, HeldByOrder}, h) }

// ErrHeld says that the keys were locked on purpose, and what was tried does not end that. It is an ErrLocked.
var ErrHeld = fmt.Errorf("%w; they were locked on purpose: by hand, until a code, another box or `kazashi unlock --central` opens them, "+
	"or by central, until it reinstates this box", ErrLocked)

// Lock is LockBy by hand.
func (s *Site) Lock(ctx context.Context) error { return s.LockBy(ctx, HeldByHand) }

// LockBy forgets the open keys and notes durably that they stay closed. By hand (HeldByHand) they open by a code that they lie under, by a
// peer, or by central after Ask; where no code is set, nothing that lies here opens them. By central's order (HeldByOrder) nothing does but
// a newer grant, which central gives once it has reinstated the box; a lock by hand does not weaken that. After an error, which is the
// disk's, the keys are closed in this run all the same, and the call is to be repeated. What Go leaves of them in memory is out of its
// hands.
func (s *Site) LockBy(ctx context.Context, by Hold) error {
	s.working.Lock()
	defer s.working.Unlock()
	defer s.Changed()
	s.mu.Lock()
	if s.hold != HeldByOrder && by != HeldNot {
		s.hold = by
	}
	s.forget()
	next := *s.file
	next.Hold = s.hold
	s.mu.Unlock()
	s.Log.InfoContext(ctx, "site keys are locked", slog.String("by", string(next.Hold)))
	if err := s.write(&next); err != nil {
		return fmt.Errorf("noting that the site keys are locked: %w", err)
	}
	return nil
}

// forget closes the keys, for one who holds mu.
func (s *Site) forget() { s.ring, s.by, s.asked, s.nonce = sitekey.Ring{}, "", false, sitekey.Nonce{} }

// Ask lets the next grant of central's open the keys again after Lock. A lock that central ordered stays.
func (s *Site) Ask() {
	s.mu.Lock()
	s.asked, s.deaf = true, false
	s.mu.Unlock()
	s.Changed()
}

// mayOpen returns nil if what lies on the disk may be opened by what it lies under, as far as hold and rule go. ErrHeld, ErrNone, ErrRule.
func (s *Site) mayOpen(file *ringFile) error {
	switch held := s.held(); {
	case held == HeldByOrder:
		return ErrHeld
	case file.by() == "" && held == HeldNot:
		return ErrNone
	case file.by() != ByCode && held == HeldByHand:
		return ErrHeld
	case !s.allowed(file.Lock.Way):
		return ErrRule
	default:
		return nil
	}
}

func (s *Site) held() Hold {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.hold
}

// release ends a hold on the disk, before the keys are shown.
func (s *Site) release(file *ringFile) error {
	if file.Hold == HeldNot {
		return nil
	}
	next := *file
	next.Hold = HeldNot
	return s.write(&next)
}
