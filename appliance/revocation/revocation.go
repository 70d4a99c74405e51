// Package revocation is the box's copy of the authorities' revocation lists.
//
// A list is the authority's own signed file, relayed by central and verified here against the anchors of the trust bundle;
// nothing that fails is ever used, and what is in use stays until a newer one has been verified and is durable. A [Cache]
// may be used from any goroutine; an answer is a look into memory and waits for nothing.
package revocation

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/durable"
	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Errors of Apply.
var (
	// ErrScope says that a list was relayed as another scope's.
	ErrScope = errors.New("list is for another scope than it was sent as")
	// ErrOlder says that the list held is as new or newer.
	ErrOlder = errors.New("list is not newer than the one held")
)

// Cache holds one list a scope.
type Cache struct {
	dir string
	log *slog.Logger

	mu      sync.RWMutex // guards what follows
	anchors *jpki.Anchors
	lists   map[certid.Scope]*jpki.List
}

// Open reads the lists kept in dir and verifies them again. One that no longer verifies is reported and not used.
func Open(ctx context.Context, dir string, anchors *jpki.Anchors, log *slog.Logger) (*Cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of lists: %w", err)
	}
	c := &Cache{dir: dir, log: log}
	return c, c.Trust(ctx, anchors)
}

// Trust takes other anchors and verifies everything on disk against them.
func (c *Cache) Trust(ctx context.Context, anchors *jpki.Anchors) error {
	names, err := filepath.Glob(filepath.Join(c.dir, "*.crl"))
	if err != nil {
		return fmt.Errorf("reading the folder of lists: %w", err)
	}
	lists := map[certid.Scope]*jpki.List{}
	for _, name := range names {
		der, err := os.ReadFile(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("reading a list: %w", err)
		}
		list, err := anchors.OpenList(der)
		if err != nil {
			c.log.WarnContext(ctx, "a kept revocation list does not verify and is not used",
				slog.String("file", filepath.Base(name)), slog.Any("error", err))
			continue
		}
		lists[list.Scope] = list
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.anchors, c.lists = anchors, lists
	return nil
}

// Apply verifies a relayed list and puts it in use. ErrScope, ErrOlder, or an error of package jpki.
func (c *Cache) Apply(l wire.RelayedList) error {
	c.mu.RLock()
	anchors := c.anchors
	c.mu.RUnlock()
	list, err := anchors.OpenList(l.DER)
	if err != nil {
		return fmt.Errorf("verifying a relayed list: %w", err)
	}
	if list.Scope != (certid.Scope{Hierarchy: l.Hierarchy, Purpose: l.Purpose}) {
		return ErrScope
	}
	if held := c.held(list.Scope); held != nil && list.Number <= held.Number {
		return ErrOlder
	}
	name := strings.ReplaceAll(list.Scope.String(), "/", "-") + ".crl"
	if err := durable.WriteFile(filepath.Join(c.dir, name), l.DER, 0o600); err != nil {
		return fmt.Errorf("keeping a list: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists[list.Scope] = list
	return nil
}

func (c *Cache) held(s certid.Scope) *jpki.List {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.lists[s]
}

// Answer says what the list of the certificate's scope says, with the list's number and thisUpdate: not_covered, 0 and the
// zero time when there is none. Any listed entry counts, whatever its date: a list speaks of the present.
func (c *Cache) Answer(id certid.CertID, _ certid.KeyID) (answer record.Answer, number uint64, thisUpdate time.Time) {
	l := c.held(id.Scope)
	if l == nil {
		return record.AnswerNotCovered, 0, time.Time{}
	}
	return l.Answer(id.Serial), l.Number, l.ThisUpdate
}

// Held names the lists, for asking central for newer ones.
func (c *Cache) Held() []wire.List {
	c.mu.RLock()
	defer c.mu.RUnlock()
	held := make([]wire.List, 0, len(c.lists))
	for scope, l := range c.lists {
		held = append(held, wire.List{Hierarchy: scope.Hierarchy, Purpose: scope.Purpose, Number: l.Number})
	}
	return held
}

// Newest is the list of a scope that taps are decided by: its number and thisUpdate.
func (c *Cache) Newest(s certid.Scope) (number uint64, thisUpdate time.Time, ok bool) {
	l := c.held(s)
	if l == nil {
		return 0, time.Time{}, false
	}
	return l.Number, l.ThisUpdate, true
}
