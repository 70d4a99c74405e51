package validity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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

// keepLists is how many lists of a scope stay on disk, the newest first: the national list is made daily, so these answer as of
// any tap of a month. For an older tap only what the newest list still says is known.
const keepLists = 31

// fetchTimeout bounds getting one list.
const fetchTimeout = 5 * time.Minute

// extension ends the name of a list's file.
const extension = ".crl"

// Errors of lists.
var (
	// ErrFuture says that a list was made in the future: one of two clocks is wrong, and central's must not be.
	ErrFuture = errors.New("list was made in the future")
	// ErrOlder says that a list's number or time is not above that of the one held.
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

	adding sync.Mutex // lets one list at a time in; held across the disk

	mu   sync.RWMutex // guards held
	held map[certid.Scope][]*jpki.List
}

// OpenLists reads the lists that an earlier run kept. A file that no longer verifies is logged and left alone.
func OpenLists(ctx context.Context, dir string, anchors *jpki.Anchors, now func() time.Time, log *slog.Logger) (*Lists, error) {
	l := &Lists{dir: dir, anchors: anchors, now: now, log: log, held: map[certid.Scope][]*jpki.List{}}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of lists: %w", err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("reading the folder of lists: %w", err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), extension) {
			continue
		}
		list, err := l.read(f.Name())
		if err != nil {
			log.WarnContext(ctx, "a kept list cannot be used", slog.String("file", f.Name()), slog.Any("error", err))
			continue
		}
		l.insert(list)
	}
	l.prune(ctx)
	return l, nil
}

// read takes a list only from the file that is named after it, so that a copy beside it counts for nothing.
func (l *Lists) read(name string) (*jpki.List, error) {
	der, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		return nil, err
	}
	list, err := l.verify(der)
	if err == nil && filepath.Base(l.path(list)) != name {
		err = ErrScope
	}
	return list, err
}

// Add verifies a list and keeps it, durably. ErrScope, ErrFuture, ErrOlder, or an error of package jpki.
func (l *Lists) Add(ctx context.Context, want certid.Scope, der []byte) error {
	list, err := l.verify(der)
	if err != nil {
		return err
	}
	l.adding.Lock()
	defer l.adding.Unlock()
	if list.Scope != want {
		return fmt.Errorf("%w: %s instead of %s", ErrScope, list.Scope, want)
	}
	if newest := l.Newest(want); newest != nil && (list.Number <= newest.Number || list.ThisUpdate.Before(newest.ThisUpdate)) {
		return ErrOlder
	}
	if err := durable.WriteFile(l.path(list), der, 0o600); err != nil {
		return fmt.Errorf("keeping a list: %w", err)
	}
	l.insert(list)
	l.prune(ctx)
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

// insert keeps the order: the latest first, and of two of one time the one with the higher number.
func (l *Lists) insert(list *jpki.List) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := append(slices.Clone(l.held[list.Scope]), list)
	slices.SortFunc(held, func(a, b *jpki.List) int {
		return cmp.Or(b.ThisUpdate.Compare(a.ThisUpdate), cmp.Compare(b.Number, a.Number))
	})
	l.held[list.Scope] = held
}

// prune lets the oldest lists go, memory first.
func (l *Lists) prune(ctx context.Context) {
	l.mu.Lock()
	var out []*jpki.List
	for scope, held := range l.held {
		keep := min(len(held), keepLists)
		out = append(out, held[keep:]...)
		l.held[scope] = slices.Clone(held[:keep])
	}
	l.mu.Unlock()
	for _, old := range out {
		if err := os.Remove(l.path(old)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			l.log.WarnContext(ctx, "an outdated list could not be removed", slog.Any("error", err))
		}
	}
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
	name := strings.ReplaceAll(list.Scope.String(), "/", "-") + "-" + strconv.FormatUint(list.Number, 10) + extension
	return filepath.Join(l.dir, name)
}

// Fetch gets a list over HTTP and adds it. It reports whether the list was new.
func (l *Lists) Fetch(ctx context.Context, client *http.Client, scope certid.Scope, url string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, fmt.Errorf("fetching a list: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return false, fmt.Errorf("fetching a list: %w", err)
	}
	defer resp.Body.Close() // read to its end or given up
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
