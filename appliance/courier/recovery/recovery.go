// Package recovery makes parcels of what is left in the journal of a dead box: its disk, put into another machine, is enough.
//
// Records are sealed to central and prove themselves, so that anybody may carry them and no key of the box is needed. Every journal in the data
// directory is read, the one in use and those that were set aside, with their write-ahead logs, page by page (package journal/mine): what is
// whole is taken also from a damaged database. Nothing in the data directory is written, and it may be mounted read-only. Parcels go
// to a stick as an export's do, and a recovery that was cut short goes on with the next. Memory is bounded by the number of gaps, and of records
// that lie on the stick already, some 60 octets each. The package does not verify that headers were signed by the box, which central does.
package recovery

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kazashi.example/appliance/journal/mine"
	"kazashi.example/sync/courier"
	"kazashi.example/sync/record"
)

// ErrNoJournal says that a folder is not the data directory of a box.
var ErrNoJournal = errors.New("no journal of a box is in this folder; name its data directory, /var/lib/kazashi on the box's disk")

// fileJournal begins the name of every journal in a data directory; what it continues with says that it was set aside.
const fileJournal = "journal.db"

// Report is what was found, and where it went.
type Report struct {
	Box         record.BoxID   // whose records they are
	Parcels     []courier.Name // written now
	Records     uint64         // written now
	Known       uint64         // whole, and on the stick already
	Corrections int            // of the clock
	Journals    []Journal
}

// Journal is one database.
type Journal struct {
	File   string // in the data directory
	Epochs []mine.Found
	Err    error // it could not be read to its end; what was read before counts
}

// Damaged is how many records were in the journal for all that is known and were not found whole.
func (j Journal) Damaged() (n uint64) {
	for _, f := range j.Epochs {
		n += f.Damaged
	}
	return n
}

// Recover writes what is whole in a dead box's data directory to a stick. progress hears how many records were read. Errors: ErrNoJournal, those of
// writing to a stick (package courier), ctx's; the report then says what was done.
func Recover(ctx context.Context, dir, to string, progress func(records uint64)) (r Report, err error) {
	files, err := journals(dir)
	if err != nil {
		return r, err
	}
	stick, err := courier.Make(to)
	if err != nil {
		return r, fmt.Errorf("opening the stick: %w", err)
	}
	defer func() { err = errors.Join(err, stick.Close()) }()
	h := &haul{stick: stick, report: &r, seen: map[record.EpochID]runs{}, told: map[string]bool{}, progress: progress}
	for _, f := range files {
		j, err := h.journal(ctx, dir, f)
		r.Journals = append(r.Journals, j)
		if err != nil {
			h.abort()
			return r, err
		}
	}
	return r, h.end()
}

// journals lists the databases of a data directory, also one of which only the write-ahead log is left.
func journals(dir string) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoJournal
	}
	if err != nil {
		return nil, fmt.Errorf("reading the data directory: %w", err)
	}
	for _, e := range entries {
		name := strings.TrimSuffix(e.Name(), "-wal")
		if name == fileJournal || strings.HasPrefix(name, fileJournal+".set-aside-") && !strings.HasSuffix(name, "-shm") {
			files = append(files, name)
		}
	}
	slices.Sort(files)
	if files = slices.Compact(files); len(files) == 0 {
		return nil, fmt.Errorf("%s: %w", dir, ErrNoJournal)
	}
	return files, nil
}

// journal reads one database. What is wrong with it is in the Journal; the error is the stick's, or ctx's.
func (h *haul) journal(ctx context.Context, dir, file string) (j Journal, err error) {
	j.File = file
	s, err := mine.Open(filepath.Join(dir, file))
	if err != nil {
		j.Err = err
		return j, nil
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	epochs, err := s.Epochs(ctx)
	if err != nil {
		j.Err = err
		return j, ctx.Err()
	}
	if err := h.begin(ctx, epochs); err != nil {
		return j, err
	}
	for r, err := range s.Records(ctx) {
		if err != nil {
			j.Err = err
			break
		}
		if err := h.record(r); err != nil {
			return j, err
		}
	}
	if err := errors.Join(ctx.Err(), h.flushAll()); err != nil {
		return j, err
	}
	if j.Epochs, err = s.Report(ctx); err != nil {
		j.Err = errors.Join(j.Err, err)
		return j, ctx.Err()
	}
	return j, h.bare(j.Epochs)
}

// after is a number for a parcel: above n, and the clock's where that is more.
func after(n uint64) uint64 { return max(n+1, uint64(max(0, time.Now().Unix()))) } //nolint:gosec // not negative
