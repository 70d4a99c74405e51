package validity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"kazashi.example/reader/jpki"
	"kazashi.example/sync/certid"
	"kazashi.example/sync/durable"
)

// MaxList caps a relayed list, in octets.
const MaxList = 32 << 20

// keepLists is how many lists of a scope stay on disk, the newest first: enough to answer as of any tap of a month.
const keepLists = 31

// Errors of lists.
var (
	// ErrFuture says that a list was made in the future: one of two clocks is wrong, and central's must not be.
	ErrFuture = errors.New("list was made in the future")
	// ErrOlder says that a list's number is not above the one held.
	ErrOlder = errors.New("list is not newer than the one held")
	// ErrScope says that a list belongs to another scope than the one it was fetched for.
	ErrScope = errors.New("list is for another scope")
)

// Lists keeps each day's lists of every scope, in memory and as files under a folder. The files are the authority's own
// signed bytes, verified again when they are read. It may be used from any goroutine.
type Lists struct {
	dir     string
	anchors *jpki.Anchors
	now     func() time.Time
	log     *slog.Logger

	mu   sync.RWMutex // guards held
	held map[certid.Scope][]*jpki.List
}

// OpenLists reads the lists that an earlier run kept. A file that no longer verifies is logged and left alone.
func OpenLists(ctx context.Context, dir string, anchors *jpki.Anchors, now func() time.Time, log *slog.Logger) (*Lists, error) {
	l := &Lists{dir: dir, anchors: anchors, now: now, log: log, held: map[certid.Scope][]*jpki.List{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of lists: %w", err)
	}
	names, err := filepath.Glob(filepath.Join(dir, "*.crl"))
	if err != nil {
		return nil, fmt.Errorf("reading the folder of lists: %w", err)
	}
	for _, name := range names {
		der, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("reading a list: %w", err)
		}
		list, err := l.verify(der)
		if err != nil {
			log.WarnContext(ctx, "a kept list no longer verifies", slog.String("file", filepath.Base(name)), slog.Any("error", err))
			continue
		}
		l.insert(ctx, list)
	}
	return l, nil
}

// Add verifies a list and keeps it, durably. ErrScope, ErrFuture, ErrOlder, or an error of package jpki.
func (l *Lists) Add(ctx context.Context, want certid.Scope, der []byte) error {
	list, err := l.verify(der)
	if err != nil {
		return err
	}
	if list.Scope != want {
		return fmt.Errorf("%w: %s instead of %s", ErrScope, list.Scope, want)
	}
	if newest := l.Newest(want); newest != nil && list.Number <= newest.Number {
		return ErrOlder
	}
	if err := durable.WriteFile(l.path(list), der, 0o600); err != nil {
		return fmt.Errorf("keeping a list: %w", err)
	}
	l.insert(ctx, list)
	return nil
}

func (l *Lists) verify(der []byte) (*jpki.List, error) {
	list, err := l.anchors.OpenList(der)
	if err != nil {
		return nil, fmt.Errorf("verifying a list: %w", err)
	}
	if list.ThisUpdate.After(l.now().Add(clockSkew)) {
		return nil, fmt.Errorf("%w: %s", ErrFuture, list.ThisUpdate.Format(time.RFC3339))
	}
	return list, nil
}

func (l *Lists) insert(ctx context.Context, list *jpki.List) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := append(l.held[list.Scope], list)
	slices.SortFunc(held, func(a, b *jpki.List) int { return b.ThisUpdate.Compare(a.ThisUpdate) })
	keep := min(len(held), keepLists)
	for _, old := range held[keep:] {
		if err := os.Remove(l.path(old)); err != nil {
			l.log.WarnContext(ctx, "an outdated list could not be removed", slog.Any("error", err))
		}
	}
	l.held[list.Scope] = held[:keep]
}

// Newest is the newest list of a scope, nil if there is none.
func (l *Lists) Newest(scope certid.Scope) *jpki.List {
	newest, _ := l.at(scope, time.Time{})
	return newest
}

// at returns the newest list and the one that was in force at a time; either may be nil.
func (l *Lists) at(scope certid.Scope, t time.Time) (newest, inForce *jpki.List) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, list := range l.held[scope] {
		if newest == nil {
			newest = list
		}
		if !list.ThisUpdate.After(t) {
			return newest, list
		}
	}
	return newest, nil
}

func (l *Lists) path(list *jpki.List) string {
	name := strings.ReplaceAll(list.Scope.String(), "/", "-") + "-" + strconv.FormatUint(list.Number, 10) + ".crl"
	return filepath.Join(l.dir, name)
}

// Fetch gets a list over HTTP and adds it. It reports whether the list was new.
func (l *Lists) Fetch(ctx context.Context, client *http.Client, scope certid.Scope, url string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, fmt.Errorf("fetching a list: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, fmt.Errorf("fetching a list: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end or given up
	if resp.StatusCode != http.StatusOK {
		return false, fmt.Errorf("fetching a list: %s answered %s", url, resp.Status)
	}
	der, err := io.ReadAll(io.LimitReader(resp.Body, MaxList+1))
	if err != nil {
		return false, fmt.Errorf("fetching a list: %w", err)
	}
	if len(der) > MaxList {
		return false, fmt.Errorf("fetching a list: larger than %d octets", MaxList)
	}
	if err := l.Add(ctx, scope, der); errors.Is(err, ErrOlder) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, nil
}
