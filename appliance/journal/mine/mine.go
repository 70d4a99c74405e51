// Package mine finds the whole records in a damaged journal, or in that of a dead box.
//
// It reads the database file and its write-ahead log page by page and asks no b-tree where its leaves are, so that a page overwritten, a
// file cut off, a lost first page or a torn log cost the records that stood there and no others. It needs no key and no SQLite, and writes
// nothing: neither the files nor the folder they lie in change. What it gives of a record is whole: the envelope decodes, stands under the
// number of its row, and has the chain value that was stored with it. Whether a header was signed by the box is for the caller to verify.
//
// A [Source] belongs to one goroutine. It reads the files twice, and holds in memory the headers of all epochs and no record.
package mine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"kazashi.example/sync/epoch"
	"kazashi.example/sync/record"
)

// ErrNothing says that there is neither a database nor a write-ahead log under a name.
var ErrNothing = errors.New("no journal there")

// seqBits is the share of a row's number that the sequence number takes, as package journal packs it.
const seqBits = 40

// Epoch is the row of an epoch, with its header read and not verified.
type Epoch struct {
	N          int64 // its number in this database
	Signed     epoch.Signed
	Stretch    string // of the box's time
	Correction []byte // of the clock, as signed; nil for none
}

// Record is the row of a whole record, with what stood in clear beside it.
type Record struct {
	N int64 // the epoch's number in this database
	epoch.Envelope
	Bytes   []byte // the envelope as stored
	Chain   epoch.Hash
	Tap     record.TapID
	Time    time.Time
	Desk    record.DeskID
	Service record.ServiceID
	Verdict record.Verdict
	Reason  record.Reason
	Code    string
}

// Found is what there was of one epoch.
type Found struct {
	Epoch   record.EpochID // zero if no header tells it
	N       int64
	Header  bool       // there is a header of it
	Last    record.Seq // the last record that it had for all that is known
	Whole   uint64
	Deleted uint64 // the box deleted them: they were safe
	Damaged uint64 // were there for all that is known, and are not whole
}

// Source is a journal to be read.
type Source struct {
	// Rest is called after each mebibyte read, and ends the reading with its error; nil rests nowhere.
	Rest func(context.Context) error
	// Own says whether a header was signed by the box, so that its word for the end of the epoch before counts; nil takes every header's.
	Own func(epoch.Signed) bool

	main, log *os.File
	newest    map[uint32]int64 // where a page stands last in the log
	free      map[uint32]bool  // pages that hold nothing
	epochs    map[int64]*Epoch
	found     map[int64]*finding
	ends      map[int64]epoch.Predecessor // of epochs, by their successors' word
	scanned   bool
	spilled   int // cells of the page being read that flow over to others
	unread    uint64
}

// finding is what is known of one epoch's records.
type finding struct {
	gone  runs
	whole runs
	last  record.Seq // of any row that is no old copy, whole or not
}

// Open opens a database by its path, and its write-ahead log beside it. One of the two may be missing; ErrNothing if both are.
func Open(path string) (*Source, error) {
	s := &Source{newest: map[uint32]int64{}, free: map[uint32]bool{}, epochs: map[int64]*Epoch{}, found: map[int64]*finding{}}
	var err1, err2 error
	s.main, err1 = open(path)
	s.log, err2 = open(path + "-wal")
	if err := errors.Join(err1, err2); err != nil {
		return nil, errors.Join(fmt.Errorf("opening a journal to mine: %w", err), s.Close())
	}
	if s.main == nil && s.log == nil {
		return nil, fmt.Errorf("%s: %w", path, ErrNothing)
	}
	return s, nil
}

// open opens a regular file for reading; nil if it is not there.
func open(path string) (*os.File, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil //nolint:nilnil // not there
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	default:
		return os.Open(path)
	}
}

// Close closes the files.
func (s *Source) Close() error {
	var errs []error
	for _, f := range []*os.File{s.main, s.log} {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// Epochs reads all headers, in the order in which the box opened their epochs. An error says that the files cannot be read; what is damaged in
// them is none.
func (s *Source) Epochs(ctx context.Context) ([]Epoch, error) {
	if err := s.scan(ctx); err != nil {
		return nil, err
	}
	all := make([]Epoch, 0, len(s.epochs))
	for _, n := range sorted(s.epochs) {
		all = append(all, *s.epochs[n])
	}
	return all, nil
}

// Records yields whole records of epochs with a header, in the order in which they stand in the files: about that of writing. One that is there twice,
// in the log and in the database, comes twice. What the box had deleted as safe does not come. After an error nothing more does.
func (s *Source) Records(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := s.scan(ctx)
		if err == nil {
			err = s.pages(ctx, func(r row) bool {
				rec, ok := s.record(r)
				return !ok || yield(rec, nil)
			})
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(Record{}, err)
		}
	}
}

// scan reads everything but the records.
func (s *Source) scan(ctx context.Context) error {
	if s.scanned {
		return nil
	}
	if err := s.index(ctx); err != nil {
		return err
	}
	corrections, named := map[int64][]byte{}, map[int64]int64{}
	err := s.pages(ctx, func(r row) bool {
		switch len(r.columns) {
		case epochColumns, headerColumns:
			if e, correction, ok := epochOf(r); ok {
				s.epochs[r.id] = &e
				named[r.id] = max(named[r.id], correction)
			}
		case correctionColumns:
			if message, ok := correctionOf(r); ok {
				corrections[r.id] = message
			}
		case recordColumns:
			s.note(r)
		}
		return true
	})
	if err != nil {
		return err
	}
	for n, correction := range named {
		s.epochs[n].Correction = corrections[correction]
	}
	s.ends = s.endings()
	s.scanned = true
	return nil
}

// note keeps that a row of a record was seen, and whether its envelope was deleted.
func (s *Source) note(r row) {
	n, seq := r.id>>seqBits, record.Seq(r.id&(1<<seqBits-1))
	if chain, ok := r.columns[1].([]byte); !ok || len(chain) != len(epoch.Hash{}) || seq == 0 {
		return
	}
	f := s.finding(n)
	if r.current {
		f.last = max(f.last, seq)
	}
	if r.columns[2] == nil {
		f.gone = f.gone.with(seq)
	}
}

func (s *Source) finding(n int64) *finding {
	f := s.found[n]
	if f == nil {
		f = &finding{}
		s.found[n] = f
	}
	return f
}

// record makes a record of a row; false if it is none, or not whole.
func (s *Source) record(r row) (Record, bool) {
	if len(r.columns) != recordColumns {
		return Record{}, false
	}
	rec, ok := recordOf(r)
	if !ok {
		return Record{}, false
	}
	e := s.epochs[rec.N]
	if e == nil || e.Signed.Header.Epoch != rec.Epoch || rec.Seq == 1 && rec.Previous != e.Signed.Root {
		return Record{}, false
	}
	if end, ok := s.ends[rec.N]; ok && rec.Seq > end.LastSeq {
		return Record{}, false // was being written when the power went, and is in the log all the same: it never was committed
	}
	f := s.finding(rec.N)
	if f.gone.has(rec.Seq) {
		return Record{}, false
	}
	f.whole = f.whole.with(rec.Seq)
	return rec, true
}
