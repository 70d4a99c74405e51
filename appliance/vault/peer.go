package vault

import (
	"context"
	"fmt"
	"log/slog"

	"kazashi.example/sync/record"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sitekey"
)

// Request asks an unlocked box of the site for the keys. It is signed by D, holds no secret, and is good for one answer in this run; a new
// one replaces it.
func (s *Site) Request() ([]byte, error) {
	n := sitekey.NewNonce()
	msg, err := sitekey.Request{Site: s.Site, Box: s.Identity.Box, Nonce: n}.Sign(s.Identity.Device)
	if err != nil {
		return nil, fmt.Errorf("asking a peer: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonce = n
	return msg, nil
}

// Answer wraps the open keys to the box that asks, if central names it as a member of this site, and says which box that is. Whoever calls
// it has been told by a person that this box may have them. ErrLocked, ErrNone, sitekey.ErrMember, ErrElsewhere, or another error of
// packages sitekey and sign.
func (s *Site) Answer(ctx context.Context, request []byte) ([]byte, record.BoxID, error) {
	r, err := s.Ring()
	if err != nil {
		return nil, record.BoxID{}, err
	}
	q, to, err := sitekey.OpenRequest(s.Members(), request)
	if err != nil {
		return nil, record.BoxID{}, fmt.Errorf("answering a peer: %w", err)
	}
	if q.Site != s.Site {
		return nil, q.Box, ErrElsewhere
	}
	key, err := to.SealingKey()
	if err != nil {
		return nil, q.Box, fmt.Errorf("answering a peer: %w", err)
	}
	old := r.Generations()[:max(0, r.Len()-sitekey.MaxGenerations)]
	keys, err := sitekey.WrapAll(key, s.Site, r.Without(old...))
	if err != nil {
		return nil, q.Box, fmt.Errorf("answering a peer: %w", err)
	}
	a := sitekey.Answer{Site: s.Site, To: q.Box, Nonce: q.Nonce, From: s.Identity.Box, Keys: keys, Grant: s.since()}
	msg, err := a.Sign(s.Identity.Device)
	if err != nil {
		return nil, q.Box, fmt.Errorf("answering a peer: %w", err)
	}
	s.Log.InfoContext(ctx, "gave the site keys to a box of this site", slog.String("to", q.Box.String()))
	return msg, q.Box, nil
}

// since is the grant by which it is known here which key is current.
func (s *Site) since() rule.Version {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.file.Since
}

// Receive opens the keys by the answer to the request made last, which it uses up. They are stored as those of a grant are. A peer adds
// keys; which one is current it changes only if it took a newer grant than this box knows of, and if it lacks the one that is current here
// nothing is taken: whoever holds the older keys, a stolen box perhaps, is not to read what is sealed from now on. ErrRequest, ErrElsewhere,
// ErrBehind, ErrHeld while central's lock holds, ErrWiped, ErrSwap, or an error of packages sitekey and sign.
func (s *Site) Receive(ctx context.Context, answer []byte) error {
	a, err := sitekey.OpenAnswer(s.Members(), answer)
	if err != nil {
		return fmt.Errorf("taking a peer's answer: %w", err)
	}
	if a.Site != s.Site || a.To != s.Identity.Box {
		return ErrElsewhere
	}
	needed := s.needed(ctx)
	s.working.Lock()
	defer s.working.Unlock()
	if s.held() == HeldByOrder {
		return ErrHeld
	}
	if err := s.fit(); err != nil {
		return err
	}
	s.mu.Lock()
	expected := s.nonce
	s.mu.Unlock()
	if expected.IsZero() || expected != a.Nonce {
		return ErrRequest
	}
	r, err := sitekey.UnwrapAll(s.Identity.Sealing, s.Site, a.Keys)
	if err != nil {
		return fmt.Errorf("taking a peer's answer: %w", err)
	}
	if err := s.takeRing(ctx, given{r, ByPeer, a.Grant, nil}, needed); err != nil {
		return fmt.Errorf("taking a peer's answer: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nonce = sitekey.Nonce{}
	return nil
}
