// Package revocation is the box's copy of the authorities' revocation lists.
//
// A list is the authority's own signed file, relayed by central and verified here against the anchors of the trust bundle;
// nothing that fails is ever used, and what is in use stays until a newer one has been verified and is durable. A [Cache]
// may be used from any goroutine; an answer is a look into memory and waits for nothing. It does not judge a list's age: that
// is the rule's.
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

// extension ends the name of a list's file.
const extension = ".crl"

// Cache holds one list a scope.
type Cache struct {
	dir string
	log *slog.Logger

	changing sync.Mutex // lets one change at a time in; held across the disk and the verification

	mu      sync.RWMutex // guards what follows; held for moments only, a tap waits for it
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

// Trust takes other anchors and verifies everything on disk against them. A list that they do not vouch for is out of use when
// it returns, also when it returns an error, and its file stays: other anchors may vouch for it again.
func (c *Cache) Trust(ctx context.Context, anchors *jpki.Anchors) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	lists := map[certid.Scope]*jpki.List{}
	files, err := os.ReadDir(c.dir)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), extension) {
			continue
		}
		list, err := c.read(f, anchors)
		if err != nil {
			c.log.WarnContext(ctx, "a kept revocation list cannot be used", slog.String("file", f.Name()), slog.Any("error", err))
			continue
		}
		lists[list.Scope] = list
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.anchors, c.lists = anchors, lists
	if err != nil {
		return fmt.Errorf("reading the folder of lists: %w", err)
	}
	return nil
}

// read takes a list only from the file that its scope names, so that a copy beside it counts for nothing.
func (c *Cache) read(f fs.DirEntry, anchors *jpki.Anchors) (*jpki.List, error) {
	der, err := os.ReadFile(filepath.Join(c.dir, f.Name()))
	if err != nil {
		return nil, err
	}
	list, err := anchors.OpenList(der)
	if err != nil {
		return nil, err
	}
	if f.Name() != fileName(list.Scope) {
		return nil, ErrScope
	}
	return list, nil
}

func fileName(s certid.Scope) string { return strings.ReplaceAll(s.String(), "/", "-") + extension }

// Apply verifies a relayed list and puts it in use. ErrScope, ErrOlder, or an error of package jpki.
func (c *Cache) Apply(l wire.RelayedList) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	list, err := c.believed().OpenList(l.DER)
	if err != nil {
		return fmt.Errorf("verifying a relayed list: %w", err)
	}
	if list.Scope != (certid.Scope{Hierarchy: l.Hierarchy, Purpose: l.Purpose}) {
		return ErrScope
	}
	if held, _ := c.held(list.Scope); held != nil && list.Number <= held.Number {
		return ErrOlder
	}
	if err := durable.WriteFile(filepath.Join(c.dir, fileName(list.Scope)), l.DER, 0o600); err != nil {
		return fmt.Errorf("keeping a list: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lists[list.Scope] = list
	return nil
}

func (c *Cache) believed() *jpki.Anchors {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.anchors
}

func (c *Cache) held(s certid.Scope) (*jpki.List, *jpki.Anchors) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.lists[s], c.anchors
}

// Answer says what the list of the certificate's scope says, with the list's number and thisUpdate. not_covered, 0 and the
// zero time when there is none, or when the list does not speak of what this issuer key issued and the serial is not on it
// (P7). Any listed entry counts, whatever its date: a list speaks of the present.
func (c *Cache) Answer(id certid.CertID, issuer certid.KeyID) (answer record.Answer, number uint64, thisUpdate time.Time) {
	l, anchors := c.held(id.Scope)
	if l == nil {
		return record.AnswerNotCovered, 0, time.Time{}
	}
	answer = l.Answer(id.Serial)
	if answer == record.AnswerNotRevoked && !l.Covers(anchors, issuer) {
		return record.AnswerNotCovered, 0, time.Time{}
	}
	return answer, l.Number, l.ThisUpdate
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
	l, _ := c.held(s)
	if l == nil {
		return 0, time.Time{}, false
	}
	return l.Number, l.ThisUpdate, true
}
