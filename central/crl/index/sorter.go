package index

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"

	"kazashi.example/sync/crlset"
)

// runEntries is how many entries are sorted at a time in memory: 10 MiB of them, twice, and as much again to sort them with.
const runEntries = 256 << 10

// setBatch is how many entries of a set are read back at a time.
const setBatch = 2048

// A sorter takes entries in any order and gives them in rising order, by sorted runs in a temporary file that has no name: it is gone
// however the process ends. One run is sorted and written on a goroutine while the next one fills.
type sorter struct {
	file *os.File
	runs []run
	end  int64 // of the runs in the file

	filling []crlset.Entry
	full    chan []crlset.Entry // closed at the end
	empty   chan []crlset.Entry
	done    chan struct{} // closed when no goroutine is left
	err     error         // of the goroutine; to be read after done
	begun   bool
}

// newSorter makes the temporary file beside another.
func newSorter(beside *os.File) (*sorter, error) {
	f, err := os.CreateTemp(filepath.Dir(beside.Name()), ".sorting-*")
	if err != nil {
		return nil, fmt.Errorf("making a file to sort in: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		_ = f.Close() // removing failed already
		return nil, fmt.Errorf("making a file to sort in: %w", err)
	}
	return &sorter{file: f}, nil
}

// start begins to take entries.
func (s *sorter) start() {
	s.full, s.empty, s.done = make(chan []crlset.Entry, 1), make(chan []crlset.Entry, 1), make(chan struct{})
	s.filling = make([]crlset.Entry, 0, runEntries)
	s.empty <- make([]crlset.Entry, 0, runEntries)
	s.begun = true
	go func() {
		defer close(s.done)
		s.err = s.spill()
	}()
}

// add takes entries, which are copied.
func (s *sorter) add(batch []crlset.Entry) error {
	for len(batch) > 0 {
		n := min(len(batch), cap(s.filling)-len(s.filling))
		s.filling = append(s.filling, batch[:n]...)
		if batch = batch[n:]; len(s.filling) == cap(s.filling) {
			if err := s.swap(); err != nil {
				return err
			}
		}
	}
	return nil
}

// swap hands the full run over and waits for an empty one.
func (s *sorter) swap() error {
	select {
	case s.full <- s.filling:
	case <-s.done:
		return s.err
	}
	select {
	case s.filling = <-s.empty:
		return nil
	case <-s.done:
		return s.err
	}
}

// spill sorts and writes runs as they come.
func (s *sorter) spill() error {
	var a arranger
	w := newRunWriter(s.file)
	for entries := range s.full {
		if err := s.putRun(w, &a, a.arrange(entries)); err != nil {
			return err
		}
		s.empty <- entries[:0]
	}
	return nil
}

func (s *sorter) putRun(w *runWriter, a *arranger, numbers []uint64) error {
	if r := (run{at: w.begin(s.end), width: packedRecord, packing: a.packing}); a.packed {
		return cmp.Or(w.putPacked(numbers), s.closeRun(w, r))
	}
	r := run{at: w.begin(s.end), width: wideRecord, packing: a.packing}
	for _, v := range numbers {
		if err := w.putWide(&a.entries[place(v)]); err != nil {
			return err
		}
	}
	return s.closeRun(w, r)
}

// takeRun writes a whole set as one run. The goroutine does not run yet.
func (s *sorter) takeRun(set *crlset.Set) error {
	w := newRunWriter(s.file)
	r := run{at: w.begin(s.end), width: wideRecord}
	from, batch := set.Source().(crlset.BatchSource), make([]crlset.Entry, setBatch) // as it promises
	for {
		n, err := from.NextBatch(batch)
		if err != nil {
			return err
		}
		if n == 0 {
			return s.closeRun(w, r)
		}
		r.packing.widen(batch[:n])
		for i := range batch[:n] {
			if err := w.putWide(&batch[i]); err != nil {
				return err
			}
		}
	}
}

func (s *sorter) closeRun(w *runWriter, r run) error {
	if err := w.flush(); err != nil {
		return err
	}
	r.end = w.at
	s.runs, s.end = append(s.runs, r), w.at
	return nil
}

// settle ends the goroutine, with the last run.
func (s *sorter) settle() error {
	if len(s.filling) > 0 {
		if err := s.swap(); err != nil {
			return err
		}
	}
	s.stop()
	return s.err
}

func (s *sorter) stop() {
	if s.begun {
		s.begun = false
		close(s.full)
		<-s.done
	}
}

func (s *sorter) close() {
	s.stop()
	_ = s.file.Close() // nameless, and read to its end or given up
}
