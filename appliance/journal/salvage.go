package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"time"
	"unicode/utf8"

	"kazashi.example/appliance/journal/mine"
	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// Aside is a database that was set aside as damaged and is still here.
type Aside struct {
	Path       string
	Read       bool   // all of it was read; false while that is under way
	Whole      uint64 // records found whole: they are kept in this journal now, or were safe and deleted
	Damaged    uint64 // records that were in it for all that is known, and were not found whole
	Unreadable uint64 // pages that the disk did not give: it fails
}

// SetAside lists the databases that were set aside as damaged and are still here, oldest first. Whatever is whole in them is taken over in the
// background; the files themselves are never changed or deleted by this program. What was found is kept over restarts. Where the disk did not give
// all of one it is asked once more after each start, and what it gives then is taken over as well.
func (j *Journal) SetAside() []Aside {
	found := readFound(j.path)
	var all []Aside
	for _, path := range asideOf(j.path) {
		a := found[filepath.Base(path)].Aside
		a.Path = path
		all = append(all, a)
	}
	return all
}

// retrySalvage is when a database set aside is looked at again after its disk failed or there was no room, the first time, and at most after later ones.
const (
	retrySalvage     = time.Minute
	mostRetrySalvage = time.Hour
)

// salvage takes over what is whole in the databases set aside, now and later. One that cannot be read keeps no other from being read, and is tried
// again. Killed at any moment it begins again with those that it had not read: whatever is here is known by its chain value, and nothing is forgotten
// here meanwhile.
func (j *Journal) salvage(ctx context.Context) {
	asked := map[string]bool{}
	for wait := retrySalvage; ctx.Err() == nil; {
		var again <-chan time.Time // never, if nothing is left
		if j.salvageAll(ctx, asked) {
			wait = retrySalvage
		} else {
			again = time.After(wait)
			wait = min(2*wait, mostRetrySalvage)
		}
		select {
		case <-ctx.Done():
		case <-again:
		case <-j.another:
			wait = retrySalvage
		}
	}
}

// salvageAll reads every database set aside that was not read, or not all of it and not in this run, the newest first; false if some are left.
func (j *Journal) salvageAll(ctx context.Context, asked map[string]bool) bool {
	all := true
	for _, a := range slices.Backward(j.SetAside()) {
		if a.Read && (a.Unreadable == 0 || asked[a.Path]) || ctx.Err() != nil {
			continue
		}
		st := j.store()
		found, err := j.salvageOne(ctx, a.Path)
		if err == nil && (!a.Read || found.Unreadable < a.Unreadable) {
			err = j.keepFound(st, found)
		}
		switch {
		case err == nil:
			asked[a.Path] = true
			j.tellFound(ctx, found)
			continue
		case !errors.Is(err, errElsewhere) && ctx.Err() == nil:
			j.o.Log.ErrorContext(ctx, "reading the journal set aside failed; it is tried again", slog.String("path", a.Path), slog.Any("error", err))
		}
		all = false
	}
	return all
}

// tellFound tells the log what a database set aside gave.
func (j *Journal) tellFound(ctx context.Context, a Aside) {
	what := []slog.Attr{slog.String("path", a.Path), slog.Uint64("whole", a.Whole), slog.Uint64("damaged", a.Damaged)}
	if a.Unreadable == 0 {
		j.o.Log.LogAttrs(ctx, slog.LevelWarn, "journal set aside was read", what...)
		return
	}
	j.o.Log.LogAttrs(ctx, slog.LevelError, "the disk fails: it does not give all of the journal set aside; what it gives was read; have the disk replaced",
		append(what, slog.Uint64("pages_unreadable", a.Unreadable))...)
}

// errElsewhere says that this journal was itself set aside, with some of what was taken over.
var errElsewhere = errors.New("another database is in use by now")

// salvageOne takes over what is whole in one database.
func (j *Journal) salvageOne(ctx context.Context, path string) (found Aside, err error) {
	found.Path = path
	src, err := mine.Open(path)
	if errors.Is(err, mine.ErrNothing) {
		return found, nil // taken away meanwhile
	}
	if err != nil {
		return found, err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	src.Rest = resting()
	src.Own = func(s epoch.Signed) bool {
		_, err := j.ownHeader(s.Message)
		return err == nil
	}
	s := salvager{j: j, past: map[record.EpochID]pastEpoch{}}
	if err := s.run(ctx, src); err != nil {
		return found, fmt.Errorf("reading %s: %w", path, err)
	}
	if slices.Contains(j.crashed, path) || nonEmpty(path+"-wal") { // which a crash left
		if err := j.unseenOf(ctx, s.newest); err != nil {
			return found, err
		}
	}
	found.Unreadable = src.Unreadable()
	report, err := src.Report(ctx)
	for _, f := range report {
		found.Whole += f.Whole
		found.Damaged += f.Damaged
	}
	found.Whole -= min(found.Whole, s.refused)
	found.Damaged += s.refused
	return found, err
}

// unseenOf marks the last records of a past epoch as perhaps seen by nobody.
func (j *Journal) unseenOf(ctx context.Context, id record.EpochID) error {
	j.mu.RLock()
	st := j.st
	k, ok := j.book.byID[id]
	var first, last int64
	if ok {
		first, last = pack(k.n, 1), pack(k.n, k.last)
	}
	j.mu.RUnlock()
	u, err := st.unseen(ctx, first, last)
	if err != nil {
		return j.readFailed(st, err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.st == st && !slices.Contains(j.restored, u) {
		j.restored = append(j.restored, u)
	}
	return nil
}

// resting paces whoever reads a file.
func resting() func(context.Context) error {
	began := time.Now()
	return func(ctx context.Context) error {
		err := pause(ctx, restTimes*time.Since(began))
		began = time.Now()
		return err
	}
}

// salvager gathers records and takes them over some at a time.
type salvager struct {
	j       *Journal
	past    map[record.EpochID]pastEpoch
	list    []pastRecord
	refused uint64
	newest  record.EpochID // the last epoch with a record, in the order of that journal
	n       int64
}

func (s *salvager) run(ctx context.Context, src *mine.Source) error {
	epochs, err := src.Epochs(ctx)
	if err != nil {
		return err
	}
	for _, e := range epochs {
		if signed, err := s.j.ownHeader(e.Signed.Message); err == nil {
			s.past[signed.Header.Epoch] = pastEpoch{
				signed: signed, stretch: e.Stretch, correction: s.j.ownCorrection(e.Correction, signed.Header.Epoch),
			}
		}
	}
	for r, err := range src.Records(ctx) {
		if err != nil {
			return err
		}
		s.list = append(s.list, pastRecord{Envelope: r.Envelope, bytes: r.Bytes, chain: r.Chain, clear: shown(r)})
		if r.N > s.n {
			s.newest, s.n = r.Epoch, r.N
		}
		if len(s.list) == maintenanceRows {
			if err := s.flush(ctx); err != nil {
				return err
			}
		}
	}
	return s.flush(ctx)
}

// shown is what stood in clear beside a record. Unlike the record it proves nothing of itself: where it cannot have been written here nothing is shown.
func shown(r mine.Record) Clear {
	c := Clear{Tap: r.Tap, Time: r.Time, Desk: r.Desk, Service: r.Service, Verdict: r.Verdict, Reason: r.Reason, Code: r.Code}
	if c.check() != nil || !utf8.ValidString(c.Code) || c.Time.Year() < 1 || c.Time.Year() > 9999 { // RFC 3339 has no other years
		return Clear{}
	}
	return c
}

func (s *salvager) flush(ctx context.Context) error {
	began := time.Now()
	a, err := s.j.adopt(ctx, s.past, s.list)
	if err != nil {
		return err
	}
	s.refused += uint64(a.Refused)
	s.list = s.list[:0]
	return pause(ctx, restTimes*time.Since(began))
}
