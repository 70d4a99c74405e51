package vault

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// given is keys that came from outside.
type given struct {
	ring  sitekey.Ring // the sender's current one last
	by    By
	since rule.Version   // of the grant by which the sender knows which one is current
	grant *sitekey.Grant // nil if they are a peer's
}

// Take takes a signed grant of central's. It opens the keys, unless they were locked on purpose; on the disk they are stored only under a
// lock that is there already, or where the signed rule wants no code: S alone opens a grant, so the grant itself is never kept. What it
// says beside the keys is always kept: its version, who the members are, and which generations there are. The same grant again opens what
// is locked. ErrOlder, ErrElsewhere, ErrWiped, ErrSwap, or an error of packages sitekey and sign.
func (s *Site) Take(ctx context.Context, msg []byte) error {
	g, err := sitekey.OpenGrant(s.Keys(), msg)
	if err != nil {
		return fmt.Errorf("taking site keys: %w", err)
	}
	if g.Site != s.Site || g.Box != s.Identity.Box {
		return fmt.Errorf("taking site keys: %w", ErrElsewhere)
	}
	needed := s.needed(ctx)
	s.working.Lock()
	defer s.working.Unlock()
	if newer := g.Version.Compare(s.Version()); newer < 0 {
		return ErrOlder
	} else if _, _, by := s.now(); newer == 0 && by != "" {
		return nil
	}
	if err := s.fit(); err != nil {
		return err
	}
	_, open, _ := s.now()
	r, err := g.Ring(s.Identity.Sealing, open)
	if err != nil {
		return fmt.Errorf("taking site keys: %w", err)
	}
	err = s.takeRing(ctx, given{r, ByCentral, g.Version, &g}, needed)
	if errors.Is(err, ErrWiped) {
		s.mu.Lock()
		s.refused, s.deaf = g.Version, true
		s.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("taking site keys: %w", err)
	}
	return nil
}

// takeRing stores keys that came from outside, and shows them unless a hold keeps them closed.
func (s *Site) takeRing(ctx context.Context, in given, needed func(sitekey.Generation) bool) error {
	file, open, _ := s.now()
	r, err := unwiped(file, in.ring)
	if err != nil {
		return err
	}
	in.ring = r
	next := file.heard(in)
	if next.Current != nil && !holds(next.Current, open, in.ring) {
		return ErrBehind
	}
	stays := s.closed(file, in)
	if stays == HeldNot {
		next.Hold = HeldNot
	}
	next, open = makeRoom(next, open, in.ring.Generations(), needed)
	if r, err = order(next, open, in.ring); err != nil {
		return err
	}
	if next, err = s.stored(next, r); err != nil {
		return err
	}
	if err := s.write(next.madeLast()); err != nil {
		return err
	}
	if stays == HeldNot {
		s.show(ctx, r, in.by)
	}
	return nil
}

// closed says which hold keeps closed what came.
func (s *Site) closed(file *ringFile, in given) Hold {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.hold == HeldByOrder && (in.grant == nil || in.since.Compare(file.Grant) <= 0):
		return HeldByOrder
	case s.hold == HeldByHand && in.by == ByCentral && !s.asked:
		return HeldByHand
	default:
		return HeldNot
	}
}

// heard is the file with what is to be kept of what came, but for the keys. What central says counts; a peer is heard about which key is
// current only if it has taken a newer grant than is known of here.
func (f *ringFile) heard(in given) *ringFile {
	next := *f
	current, _, _ := in.ring.Current()
	if g := in.grant; g != nil {
		next.Grant, next.Members = g.Version, g.Members
		next.Named = nil
		for _, w := range g.Keys {
			next.Named = append(next.Named, w.Generation)
		}
		next.Made = slices.DeleteFunc(slices.Clone(f.Made), func(w sitekey.Wrapped) bool { return indexOf(g.Keys, w.Generation) >= 0 })
	}
	if in.grant != nil || in.since.Compare(f.Since) > 0 {
		next.Current, next.Since = &current, in.since
	}
	return &next
}

func holds(g *sitekey.Generation, rings ...sitekey.Ring) bool {
	return slices.ContainsFunc(rings, func(r sitekey.Ring) bool { _, ok := r.Find(*g); return ok })
}

// unwiped leaves out what was erased here. ErrWiped if that is the current key.
func unwiped(file *ringFile, r sitekey.Ring) (sitekey.Ring, error) {
	if current, _, _ := r.Current(); slices.Contains(file.Wiped, current) {
		return sitekey.Ring{}, ErrWiped
	}
	return r.Without(file.Wiped...), nil
}

// order adds the keys of r to the open ones. Last comes the one that the file says is current, unless there are newer ones that were made
// here and that central has not named.
func order(file *ringFile, open, r sitekey.Ring) (sitekey.Ring, error) {
	all, err := merge(open, r)
	if err != nil {
		return all, err
	}
	last := make([]sitekey.Generation, 0, 1+len(file.Made))
	if file.Current != nil {
		last = append(last, *file.Current)
	}
	for _, w := range file.Made {
		last = append(last, w.Generation)
	}
	for _, g := range last {
		if k, ok := all.Find(g); ok {
			if all, err = all.With(k); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// makeRoom drops, oldest first, generations that nobody needs, as far as a ring would hold too many once others have come: the newest grant
// does not name them, central has those that were made here, and nothing is sealed under them.
func makeRoom(file *ringFile, open sitekey.Ring, come []sitekey.Generation, needed func(sitekey.Generation) bool) (*ringFile, sitekey.Ring) {
	lie := lying(file, open)
	over := len(lie) - sitekey.MaxRing
	for _, g := range come {
		if !slices.Contains(lie, g) {
			over++
		}
	}
	var gone []sitekey.Generation
	for _, g := range lie {
		if len(gone) >= over {
			break
		}
		if !slices.Contains(come, g) && !slices.Contains(file.Named, g) && indexOf(file.Made, g) < 0 && !needed(g) {
			gone = append(gone, g)
		}
	}
	if len(gone) == 0 {
		return file, open
	}
	return file.without(gone), open.Without(gone...)
}

// lying names the keys that lie here, open or not, oldest first.
func lying(file *ringFile, open sitekey.Ring) (all []sitekey.Generation) {
	for _, w := range file.Keys {
		all = append(all, w.Generation)
	}
	for _, g := range open.Generations() {
		if !slices.Contains(all, g) {
			all = append(all, g)
		}
	}
	return all
}

// needed asks, when the ring is nearly full, under which generations anything is sealed here. Where that is not known all of them are
// needed. Who calls it must not hold working: whoever answers may wait for one who does.
func (s *Site) needed(ctx context.Context) func(sitekey.Generation) bool {
	all := func(sitekey.Generation) bool { return true }
	file, open, _ := s.now()
	if s.Needed == nil || len(lying(file, open)) <= sitekey.MaxRing-sitekey.MaxGenerations {
		return all
	}
	list, err := s.Needed(ctx)
	if err != nil {
		s.Log.WarnContext(ctx, "which site keys are needed is not known; none is forgotten", slog.Any("error", err))
		return all
	}
	return func(g sitekey.Generation) bool { return slices.Contains(list, g) }
}

// stored is the file with the keys of r: under the lock that it has, if the rule lets them lie so, else as the rule wants it. Where the
// rule wants a code and there is none, it has no keys. Keys that would be lost by that stay as they lie.
func (s *Site) stored(file *ringFile, r sitekey.Ring) (*ringFile, error) {
	way := s.way()
	all := way != rule.UnlockCode && len(lying(file, r)) == r.Len() // r has all that lies there, and is stored again
	if file.by() != "" && (s.allowed(file.Lock.Way) || !all && !file.replaceable()) {
		return file.with(r)
	}
	if way == rule.UnlockCode {
		return file.blank(), nil
	}
	l, err := s.newLock(way, nil)
	if err != nil {
		return nil, err
	}
	return file.relocked(l, r)
}

// Review looks at the keys anew after the rules changed: open ones are stored, or stored no longer, as the rule now wants it, and what
// lies under no code opens where the rule now lets it. Keys that lie more openly than the rule lets them, and that nobody could give again,
// stay and are reported; `kazashi code set` closes them, since only a person knows a code.
func (s *Site) Review(ctx context.Context) error {
	s.working.Lock()
	defer s.working.Unlock()
	file, r, by := s.now()
	var err error
	switch {
	case by != "":
		err = s.restore(ctx, file, r)
	case s.held() == HeldNot && (file.by() == ByTPM || file.by() == ByFile) && s.allowed(file.Lock.Way) && s.fit() == nil:
		if r, err = s.openFile(ctx, file, nil); err == nil {
			s.show(ctx, r, file.by())
		}
	}
	if err != nil {
		return err
	}
	file, _, _ = s.now()
	if lies := file.by() != "" && !s.allowed(file.Lock.Way); lies != s.warned {
		s.warned = lies
		if lies {
			s.Log.WarnContext(ctx, "site keys lie without a code though no rule lets them any more; set a code", slog.String("by", string(file.by())))
			s.Changed()
		}
	}
	return nil
}

// restore puts the open keys on the disk as the rule in force wants them there, or takes them off it.
func (s *Site) restore(ctx context.Context, file *ringFile, r sitekey.Ring) error {
	if file.by() != "" && s.allowed(file.Lock.Way) {
		return nil
	}
	next, err := s.stored(file, r)
	if err != nil || next.Lock == file.Lock {
		return err
	}
	if err := s.write(next); err != nil {
		return err
	}
	if next.Lock == nil {
		s.Log.WarnContext(ctx, "site keys lie on the disk no longer, since no rule lets them lie without a code: set a code")
	}
	s.Changed()
	return nil
}
