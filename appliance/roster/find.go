package roster

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"kazashi.example/localapi"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/record"
	"kazashi.example/sync/roster"
	"kazashi.example/sync/roster/segment"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// unlocked is what a ring opens of an edition.
type unlocked struct {
	of     *edition
	gens   []sitekey.Generation
	layers []layer // newest first
}

// layer is a segment with what opens it.
type layer struct {
	*held
	keys *segment.Keys   // nil: its generation is not in the ring, so that nobody is found in it
	open *segment.Opener // nil with keys
}

// Find looks up who is enrolled with a verifier, by a certificate. localapi.ErrLocked while the site's keys are locked; another error, of
// package segment, where the disk gave no answer: then nobody knows whether somebody is enrolled.
func (s *Store) Find(v record.VerifierID, id certid.CertID) (roster.Entry, bool, error) {
	return s.find(func(k *segment.Keys) segment.Ref { return k.Cert(v, id) }, func(e *roster.Entry) bool {
		return e.Verifier == v && e.Hierarchy == id.Scope.Hierarchy && slices.Equal(e.Serial, id.Serial.Bytes())
	})
}

// ByTap looks up whom an enrolment left. Errors as Find.
func (s *Store) ByTap(t record.TapID) (roster.Entry, bool, error) {
	return s.find(func(k *segment.Keys) segment.Ref { return k.Tap(t) }, func(e *roster.Entry) bool { return e.Enrolled == t })
}

// ByPPID looks up by a pseudonym, of whichever service. Errors as Find.
func (s *Store) ByPPID(ppid string) (roster.Entry, bool, error) {
	return s.find(func(k *segment.Keys) segment.Ref { return k.PPID(ppid) }, func(e *roster.Entry) bool {
		return slices.ContainsFunc(e.Services, func(x roster.Service) bool { return x.PPID == ppid })
	})
}

// ByNumber looks up by a service's own user number. Errors as Find.
func (s *Store) ByNumber(service record.ServiceID, number string) (roster.Entry, bool, error) {
	return s.find(func(k *segment.Keys) segment.Ref { return k.Number(service, number) }, func(e *roster.Entry) bool {
		return e.Of(service).Number == number
	})
}

// TellsOf reports whether the roster that answers tells of a box's final verdict, and all of it can be looked through: the ring opens each of its
// segments. Errors as Find.
func (s *Store) TellsOf(box record.BoxID, v rule.Version) (bool, error) {
	ring, err := s.Ring()
	if err != nil {
		return false, fmt.Errorf("%w: %w", localapi.ErrLocked, err)
	}
	h, ok := s.Head()
	sealed := func(p roster.Part) bool { _, ok := ring.Find(p.Generation); return !ok }
	return ok && h.TellsOf(box, v) && !slices.ContainsFunc(h.Parts, sealed), nil
}

// find looks through the roster that answers; where that is damaged, through the one before it.
func (s *Store) find(ref func(*segment.Keys) segment.Ref, is func(*roster.Entry) bool) (roster.Entry, bool, error) {
	ring, err := s.Ring()
	if err != nil {
		s.opened.Store(nil) // what the keys opened is forgotten with them
		return roster.Entry{}, false, fmt.Errorf("%w: %w", localapi.ErrLocked, err)
	}
	for {
		s.mu.RLock()
		e := s.current.borrow()
		s.mu.RUnlock()
		if e == nil {
			return roster.Entry{}, false, nil
		}
		entry, ok, err := s.within(e, ring, ref, is)
		again := err != nil && !errors.Is(err, errDark) && s.fallBack(e)
		e.release()
		if !again {
			return entry, ok, err
		}
	}
}

// within looks through one edition. What is found in a segment counts unless a newer one says something of the same enrolment.
func (s *Store) within(e *edition, ring sitekey.Ring, ref func(*segment.Keys) segment.Ref, is func(*roster.Entry) bool) (
	none roster.Entry, ok bool, err error,
) {
	u, err := s.unlock(e, ring)
	if err != nil {
		return none, false, err
	}
	var r segment.Ref
	var of *segment.Keys
	var dark error
	for i, l := range u.layers {
		if l.keys == nil {
			dark = errDark // what it says of anybody is not known, nor of whom it says something
			continue
		}
		if l.keys != of {
			r, of = ref(l.keys), l.keys
		}
		p, ok, err := l.seg.Find(r)
		if err != nil {
			return none, false, s.hurt(l, err)
		}
		if !ok {
			continue
		}
		if dark != nil {
			return none, false, dark
		}
		if p.Gone() { // only a tap's reference leads there
			return none, false, nil
		}
		entry, err := l.open.Entry(p)
		if err != nil {
			return none, false, s.hurt(l, err)
		}
		replaced, err := s.replaced(u.layers[:i], entry.Enrolled)
		if err != nil {
			return none, false, err
		}
		if !replaced && is(&entry) {
			return entry, true, nil
		}
	}
	return none, false, dark
}

// errDark says that part of the roster is sealed under a key that is not here. Whoever stands in another part, and in none that is newer, is
// found all the same.
var errDark = fmt.Errorf("%w: part of the roster is sealed under a key that is not here", localapi.ErrLocked)

// replaced reports whether a newer segment says something of an enrolment.
func (s *Store) replaced(newer []layer, t record.TapID) (bool, error) {
	var r segment.Ref
	var of *segment.Keys
	for _, l := range newer {
		if l.keys == nil {
			continue
		}
		if l.keys != of {
			r, of = l.keys.Tap(t), l.keys
		}
		if _, ok, err := l.seg.Find(r); ok || err != nil {
			return ok, s.hurt(l, err)
		}
	}
	return false, nil
}

// unlock is what a ring opens of an edition; it is found once for each ring and edition.
func (s *Store) unlock(e *edition, ring sitekey.Ring) (*unlocked, error) {
	gens := ring.Generations()
	if u := s.opened.Load(); u != nil && u.of == e && slices.Equal(u.gens, gens) {
		return u, nil
	}
	u := &unlocked{of: e, gens: gens}
	known := map[sitekey.Generation]*segment.Keys{}
	for _, h := range e.held {
		l := layer{held: h}
		if k, ok := ring.Find(h.part.Generation); ok {
			if known[h.part.Generation] == nil {
				keys, err := segment.NewKeys(s.Site, k)
				if err != nil {
					return nil, err
				}
				known[h.part.Generation] = keys
			}
			opener, err := h.seg.Opener(known[h.part.Generation])
			if err != nil {
				return nil, s.hurt(l, err)
			}
			l.keys, l.open = known[h.part.Generation], opener
		}
		u.layers = append(u.layers, l)
	}
	s.opened.Store(u)
	if _, err := s.Ring(); err != nil {
		s.opened.Store(nil) // the keys were locked meanwhile
	}
	return u, nil
}

// hurt notes a segment that did not give what was signed. nil for nil.
func (s *Store) hurt(l layer, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, segment.ErrDigest) || errors.Is(err, segment.ErrUnreadable) {
		s.condemn(l.part)
		s.knock()
	}
	return fmt.Errorf("looking into the roster: %w", err)
}

// fallBack lets the edition before a damaged one answer, if it is not damaged by the same. It reports whether to look again.
func (s *Store) fallBack(e *edition) bool {
	s.mu.Lock()
	if s.current != e {
		s.mu.Unlock()
		return s.current != nil // another was quicker
	}
	if s.previous == nil || slices.ContainsFunc(s.damaged, s.previous.has) {
		s.mu.Unlock()
		return false // what can be read is still of use
	}
	s.current, s.previous = s.previous, nil
	s.mu.Unlock()
	s.opened.Store(nil)
	s.Log.Warn("the roster on the disk is damaged and is mended from central; the one before it answers",
		slog.Uint64("number", e.head.Version.N))
	e.release()
	s.Changed()
	return true
}
