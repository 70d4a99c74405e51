package validity

import (
	"context"
	"crypto/x509"
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
	"kazashi.example/sync/record"
)

// MaxList caps a relayed list, in octets.
const MaxList = 32 << 20

// keepLists is how many lists of a scope stay on disk, the newest first: enough to answer as of any tap of a month.
const keepLists = 31

// reasonHold is certificateHold (RFC 5280 §5.3.1).
const reasonHold = 6

// Errors of lists.
var (
	// ErrFuture says that a list was made in the future: one of two clocks is wrong, and central's must not be.
	ErrFuture = errors.New("list was made in the future")
	// ErrOlder says that a list's number is not above the one held.
	ErrOlder = errors.New("list is not newer than the one held")
	// ErrScope says that a list belongs to another scope than the one it was fetched for.
	ErrScope = errors.New("list is for another scope")
)

// List is one verified list.
type List struct {
	DER        []byte
	Number     uint64
	ThisUpdate time.Time
	NextUpdate time.Time
	entries    map[certid.Serial]entry
}

type entry struct {
	at   time.Time
	hold bool
}

// Lists keeps each day's lists of every scope, in memory and as files under a folder. The files are the authority's own
// signed bytes, verified again when they are read. It may be used from any goroutine.
type Lists struct {
	dir     string
	anchors *jpki.Anchors
	now     func() time.Time
	log     *slog.Logger

	mu   sync.RWMutex // guards held
	held map[certid.Scope][]*List
}

// OpenLists reads the lists that an earlier run kept. A file that no longer verifies is logged and left alone.
func OpenLists(dir string, anchors *jpki.Anchors, now func() time.Time, log *slog.Logger) (*Lists, error) {
	l := &Lists{dir: dir, anchors: anchors, now: now, log: log, held: map[certid.Scope][]*List{}}
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
		scope, list, err := l.verify(der)
		if err != nil {
			log.Warn("a kept list no longer verifies", slog.String("file", filepath.Base(name)), slog.Any("error", err)) //nolint:sloglint // no context at opening
			continue
		}
		l.insert(scope, list)
	}
	return l, nil
}

// Add verifies a list and keeps it, durably. ErrScope, ErrFuture, ErrOlder, or an error of package jpki.
func (l *Lists) Add(want certid.Scope, der []byte) (*List, error) {
	scope, list, err := l.verify(der)
	if err != nil {
		return nil, err
	}
	if scope != want {
		return nil, fmt.Errorf("%w: %s instead of %s", ErrScope, scope, want)
	}
	if newest := l.Newest(scope); newest != nil && list.Number <= newest.Number {
		return newest, ErrOlder
	}
	if err := durable.WriteFile(l.path(scope, list.Number), der, 0o600); err != nil {
		return nil, fmt.Errorf("keeping a list: %w", err)
	}
	l.insert(scope, list)
	return list, nil
}

func (l *Lists) verify(der []byte) (certid.Scope, *List, error) {
	crl, scope, _, err := l.anchors.ExamineCRL(der)
	if err != nil {
		return certid.Scope{}, nil, fmt.Errorf("verifying a list: %w", err)
	}
	if crl.ThisUpdate.After(l.now().Add(time.Minute)) {
		return certid.Scope{}, nil, fmt.Errorf("%w: %s", ErrFuture, crl.ThisUpdate.UTC().Format(time.RFC3339))
	}
	list, err := index(crl)
	return scope, list, err
}

func index(crl *x509.RevocationList) (*List, error) {
	if crl.Number == nil || !crl.Number.IsUint64() {
		return nil, fmt.Errorf("verifying a list: %w: its number", jpki.ErrCRLProfile)
	}
	list := &List{
		DER: crl.Raw, Number: crl.Number.Uint64(), ThisUpdate: crl.ThisUpdate.UTC(), NextUpdate: crl.NextUpdate.UTC(),
		entries: make(map[certid.Serial]entry, len(crl.RevokedCertificateEntries)),
	}
	for _, e := range crl.RevokedCertificateEntries {
		serial, err := certid.SerialOf(e.SerialNumber)
		if err != nil {
			return nil, fmt.Errorf("verifying a list: %w: an entry: %w", jpki.ErrCRLProfile, err)
		}
		list.add(serial, entry{at: e.RevocationTime.UTC(), hold: e.ReasonCode == reasonHold})
	}
	return list, nil
}

// add keeps the earliest date of a serial that stands twice, and revocation before hold.
func (l *List) add(s certid.Serial, e entry) {
	old, twice := l.entries[s]
	if twice && (old.hold == e.hold && old.at.Before(e.at) || !old.hold && e.hold) {
		return
	}
	l.entries[s] = e
}

// answerAt is what the list says of a serial at a time: an entry dated later did not hold yet.
func (l *List) answerAt(s certid.Serial, at time.Time) record.Answer {
	e, ok := l.entries[s]
	switch {
	case !ok || e.at.After(at):
		return record.AnswerNotRevoked
	case e.hold:
		return record.AnswerOnHold
	default:
		return record.AnswerRevoked
	}
}

func (l *Lists) insert(scope certid.Scope, list *List) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := append(l.held[scope], list)
	slices.SortFunc(held, func(a, b *List) int { return b.ThisUpdate.Compare(a.ThisUpdate) })
	for _, old := range held[min(len(held), keepLists):] {
		if err := os.Remove(l.path(scope, old.Number)); err != nil {
			l.log.Warn("an outdated list could not be removed", slog.Any("error", err)) //nolint:sloglint // no context here
		}
	}
	l.held[scope] = held[:min(len(held), keepLists)]
}

// Newest is the newest list of a scope, nil if there is none.
func (l *Lists) Newest(scope certid.Scope) *List {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if held := l.held[scope]; len(held) > 0 {
		return held[0]
	}
	return nil
}

// at returns the newest list and the one that was in force at a time; both may be nil, or the same.
func (l *Lists) at(scope certid.Scope, t time.Time) (newest, inForce *List) {
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

func (l *Lists) path(scope certid.Scope, number uint64) string {
	name := strings.ReplaceAll(scope.String(), "/", "-") + "-" + strconv.FormatUint(number, 10) + ".crl"
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
	if _, err := l.Add(scope, der); errors.Is(err, ErrOlder) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, nil
}
