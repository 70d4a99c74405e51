package chunk

import (
	"crypto/sha256"
	"fmt"
	"os"
	"reflect"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
)

// Faults are the words of whoever maps files of a kind.
type Faults struct {
	Format     error // a file has not a size that its kind can have
	Digest     error // a chunk is not the one that its digest names
	Unreadable error // the disk did not give what the map promises
	Closed     error // the map was given back
}

// Map is a file mapped to be read, and what is known of its chunks.
type Map struct {
	b       []byte
	faults  Faults
	size    uint64          // of what is in chunks
	digests []byte          // nil: trusted
	good    []atomic.Uint64 // a bit a chunk: compared and right
	closed  atomic.Bool
	missing atomic.Int64 // chunks that are to be compared and are not good, and one once the map is closed
}

// Open maps a regular file of at least least octets, whose chunks are trusted until [Map.Judge]. The file must not be written to while it
// is open. Errors are those of the faults, and the file system's.
func Open(path string, least int64, faults Faults) (*Map, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if n := info.Size(); n < max(least, 1) || n != int64(int(n)) || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %d octets", faults.Format, n)
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("%w: mapping: %w", faults.Unreadable, err)
	}
	return &Map{b: b, faults: faults, size: uint64(len(b)), good: make([]atomic.Uint64, (Count(uint64(len(b)))+63)/64)}, nil
}

// Judge has every chunk of the file's first size octets compared with its digest when it is first touched; what lies behind them is
// nobody's to touch any more. To be called before the map is shared. The fault for a format unless there are as many digests as chunks.
func (m *Map) Judge(size uint64, digests []byte) error {
	if size > uint64(len(m.b)) || len(digests) != Count(size)*sha256.Size {
		return fmt.Errorf("%w: %d octets are not %d chunks", m.faults.Format, size, len(digests)/sha256.Size)
	}
	m.size, m.digests = size, digests
	m.missing.Store(int64(Count(size)))
	return nil
}

// Octets is the file. Whoever reads them does so inside [Map.Guard], after [Map.Need].
func (m *Map) Octets() []byte { return m.b }

// Judged reports whether chunks are compared.
func (m *Map) Judged() bool { return m.digests != nil }

// Close gives the map back once holder, through which alone it is used, is not reachable any more; calls that begin after it get the
// fault for that. holder must be kept alive (runtime.KeepAlive) by every call in it: counting them would cost each two locked instructions.
func Close[T any](m *Map, holder *T) {
	if !m.closed.Swap(true) {
		m.missing.Add(1)
		runtime.AddCleanup(holder, func(b []byte) { _ = syscall.Munmap(b) }, m.b)
	}
}

// CloseNow is Close for whoever knows that nobody uses the map and nobody will: it is given back at once, and with it the room of a file
// that was removed. A call that runs meanwhile may end the process.
func (m *Map) CloseNow() error {
	if m.closed.Swap(true) {
		return nil
	}
	m.missing.Add(1)
	return syscall.Munmap(m.b)
}

// Closed reports whether the map was given back.
func (m *Map) Closed() bool { return m.closed.Load() }

// Guard runs do, unless the map is closed, and turns a failure of the disk under the map into the fault for it.
func (m *Map) Guard(do func() error) (err error) {
	if m.closed.Load() {
		return m.faults.Closed
	}
	defer m.Caught(debug.SetPanicOnFault(true), &err)
	return do()
}

// Caught ends what a caller began as Guard does, for whoever can afford no function value. It must be deferred itself.
func (m *Map) Caught(old bool, err *error) {
	debug.SetPanicOnFault(old)
	if r := recover(); r != nil {
		*err = m.Fault(r)
	}
}

// Fault is the error for what recover gave; it panics on with what is not of the map. For whoever cannot afford [Map.Caught].
func (m *Map) Fault(r any) error {
	at, ok := r.(interface{ Addr() uintptr })
	if from := reflect.ValueOf(m.b).Pointer(); !ok || at.Addr() < from || at.Addr()-from >= uintptr(len(m.b)) {
		panic(r)
	}
	return m.faults.Unreadable
}

// Whole reports whether every chunk that is to be compared was and is right, and the map is open: [Map.Need] has nothing to do then.
func (m *Map) Whole() bool { return m.missing.Load() == 0 }

// Need compares the chunks of n octets, at least one, from offset from, if they were not yet. Inside Guard.
func (m *Map) Need(from, n uint64) error {
	if m.digests == nil {
		return nil
	}
	for c := from / Size; c <= (from+n-1)/Size; c++ {
		if m.good[c/64].Load()>>(c%64)&1 == 0 {
			if err := m.compare(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// compare reads a chunk and remembers whether it is right.
func (m *Map) compare(c uint64) error {
	chunk := m.b[c*Size : min((c+1)*Size, m.size)]
	if sha256.Sum256(chunk) != [sha256.Size]byte(m.digests[c*sha256.Size:]) {
		if m.good[c/64].And(^uint64(1<<(c%64)))>>(c%64)&1 == 1 {
			m.missing.Add(1)
		}
		return fmt.Errorf("%w: chunk %d", m.faults.Digest, c)
	}
	if m.good[c/64].Or(1<<(c%64))>>(c%64)&1 == 0 {
		m.missing.Add(-1)
	}
	return nil
}

// Compare reads chunk i again, and forgets that it was right if it is not.
func (m *Map) Compare(i uint64) error { return m.Guard(func() error { return m.compare(i) }) }

// Release lets go of the pages up to an offset that are not before another; who touches them again has them mapped again.
func (m *Map) Release(from, to uint64) {
	const page = 64 << 10
	if from, to = from/page*page, to/page*page; from < to {
		_ = syscall.Madvise(m.b[from:to], syscall.MADV_DONTNEED) // a wish
	}
}
