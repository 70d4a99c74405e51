package revocation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/rule"
	"kazashi.example/sync/sign"
)

// held is a set that is in use, or was and still is by a lookup. Its map goes with the last user.
type held struct {
	head   manifest.Head
	signed []byte // the head as it was signed
	table  []manifest.Row
	set    *crlset.Set
	users  atomic.Int64 // its shelf is one
}

// open maps a set; it begins with one user.
func (f File) open() (*held, error) {
	set, err := f.Open()
	if err != nil {
		return nil, err
	}
	h := &held{head: f.Head, signed: f.Manifest.Signed, table: f.Manifest.Table, set: set}
	h.users.Store(1)
	return h, nil
}

// borrow adds a user while there is one. nil for nil.
func (h *held) borrow() *held {
	if h != nil {
		h.users.Add(1) // the shelf is a user for as long as the cache's lock is held
	}
	return h
}

// release takes a user away. With the last the map goes at once, and with it the room of a file that was removed meanwhile: not under
// the cache's lock.
func (h *held) release() {
	if h != nil && h.users.Add(-1) == 0 {
		_ = h.set.CloseNow() // a map that was only read
	}
}

// use puts a set on its shelf, unless it is not newer than what answers there or trust changed since turn was read. The set before
// it stays as the previous one, unless it is from the future: its head is returned then, and its files are nobody's.
func (c *Cache) use(h *held, turn uint64) (done bool, void manifest.Head) {
	c.mu.Lock()
	s := c.shelves[h.head.Scope()]
	var gone *held
	future := s.newest != nil && slices.ContainsFunc(s.newest.table, func(r manifest.Row) bool { return c.beyond(r.ThisUpdate) })
	if done = c.turn == turn && (s.newest == nil || h.head.Number.Compare(s.newest.head.Number) > 0); done {
		switch {
		case future:
			gone, void = s.newest, s.newest.head
		case s.newest != nil:
			s.previous, gone = s.newest, s.previous
		}
		s.newest = h
		c.shelves[h.head.Scope()] = s
	}
	c.mu.Unlock()
	gone.release()
	return done, void
}

// damage takes a set out of use: its octets are not those that were signed, or the disk does not give them. The one before it
// answers from now on.
func (c *Cache) damage(h *held, why error) {
	if !c.drop(h) {
		return // another lookup saw it first
	}
	h.release() // the shelf's; the caller is a user still
	c.condemn(h.head, why)
	c.Log.Warn("a revocation set on the disk is damaged and is fetched anew; the one before it answers, if there is one",
		append(about(h.head), slog.Any("error", why))...)
	c.Changed()
	c.knock()
}

// condemn remembers a set whose octets are as signed and that contradicts itself.
func (c *Cache) condemn(h manifest.Head, why error) {
	if errors.Is(why, crlset.ErrFormat) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.broken[h.Root] = true
	}
}

// drop takes a set off its shelf, whose use of it the caller has then.
func (c *Cache) drop(h *held) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	scope := h.head.Scope()
	s := c.shelves[scope]
	switch h {
	case s.newest:
		s.newest, s.previous = s.previous, nil
	case s.previous:
		s.previous = nil
	default:
		return false
	}
	c.shelves[scope] = s
	c.damaged = append(c.damaged, h.head)
	return true
}

// Trust looks at the sets anew after the trust bundle changed. One that the keys now in force do not vouch for is out of use when it
// returns, also when it returns an error; its files stay, and if the keys come back so does the set.
func (c *Cache) Trust(ctx context.Context) error {
	c.withdraw(ctx, c.Keys())
	return c.recall(ctx)
}

func (c *Cache) withdraw(ctx context.Context, keys sign.Keys) {
	var gone []*held
	defer func() {
		for _, h := range gone {
			h.release()
		}
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	for scope, s := range c.shelves {
		for _, h := range []**held{&s.newest, &s.previous} {
			if *h == nil {
				continue
			}
			if _, err := manifest.OpenHead(keys, (*h).signed); err != nil {
				c.Log.WarnContext(ctx, "the trust bundle no longer vouches for a revocation set", append(about((*h).head), slog.Any("error", err))...)
				gone = append(gone, *h)
				*h = nil
			}
		}
		if s.newest == nil {
			s.newest, s.previous = s.previous, nil
		}
		c.shelves[scope] = s
	}
}

// about names a set in a log.
func about(h manifest.Head) []any {
	return []any{slog.String("scope", h.Scope().String()), slog.String("number", number(h.Number)), slog.Time("this_update", h.At())}
}

func number(v rule.Version) string { return fmt.Sprintf("%d-%d", v.CentralEpoch, v.N) }
