// Package fetch brings files to the box in pieces, over a line that is cut again and again: what has come and is right is never asked for
// twice, and nothing is written that would leave less than a floor of room on the disk.
//
// A [Fetcher] keeps nothing and may be used from any goroutine, a path by one at a time. What a stop at any point leaves is a part of
// the file under its path, which the next call goes on with; a part counts for nothing until its caller has judged it and renamed it.
// The package verifies digests, and no signature.
package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"kazashi.example/sync/chunk"
	"kazashi.example/sync/wire"
)

// ErrLine says that what was fetched came to an early end: it is gone on with later. It is no error of what was fetched.
var ErrLine = errors.New("fetching was cut short")

// Remote is where files come from.
type Remote interface {
	// Blob streams a file from an octet on, to its end. The stream may end early; it is closed before the next is asked for.
	Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error)
}

// Faults are the words of whoever fetches files of a kind.
type Faults struct {
	Full   error // there is no room for it on the disk
	Digest error // it is not what its digests say
	Size   error // it has not a size that its kind can have
}

// Fetcher fetches files of one kind.
type Fetcher struct {
	Remote Remote
	Faults Faults
	Gained func(octets int) // hears of octets that were verified; nil: nobody does
}

// Whole fetches a file of at most limit octets that is judged as a whole; what came of it earlier is gone on with. ErrLine, or a fault:
// for the digest when it was another one twice.
func (f Fetcher) Whole(ctx context.Context, blob wire.Blob, path string, limit uint64) ([]byte, error) {
	if blob.Size == 0 || blob.Size > limit {
		return nil, fmt.Errorf("%w: %d octets", f.Faults.Size, blob.Size)
	}
	for range 2 {
		if err := f.gather(ctx, blob, path); err != nil {
			return nil, err
		}
		b, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			return nil, err
		}
		if sha256.Sum256(b) == blob.ID {
			return b, nil
		}
		if err := removed(path); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s as a whole", f.Faults.Digest, filepath.Base(path))
}

// gather adds what a file lacks at its end.
func (f Fetcher) gather(ctx context.Context, blob wire.Blob, path string) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return f.full(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	have, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if uint64(have) > blob.Size { //nolint:gosec // a length is not negative
		if have, err = 0, file.Truncate(0); err != nil {
			return err
		}
	}
	if uint64(have) == blob.Size { //nolint:gosec // as above
		return nil
	}
	if err := f.Room(filepath.Dir(path), blob.Size-uint64(have)); err != nil { //nolint:gosec // as above
		return f.spoilt(path, err)
	}
	s := &stream{remote: f.Remote, id: blob.ID}
	defer s.close()
	buf := make([]byte, chunk.Size)
	for at := uint64(have); at < blob.Size; { //nolint:gosec // as above
		n, rerr := s.read(ctx, at, buf[:min(uint64(len(buf)), blob.Size-at)])
		if _, err := file.WriteAt(buf[:n], int64(at)); err != nil { //nolint:gosec // below the caller's limit
			return f.spoilt(path, err)
		}
		at += uint64(n) //nolint:gosec // a count
		if rerr != nil {
			return rerr
		}
	}
	return nil
}

// Range fetches n octets from one on into memory. ErrLine.
func (f Fetcher) Range(ctx context.Context, id wire.BlobID, from uint64, n int) ([]byte, error) {
	s := &stream{remote: f.Remote, id: id}
	defer s.close()
	b := make([]byte, n)
	_, err := s.read(ctx, from, b)
	return b, err
}

// Wanted is a file in chunks, by what was signed of it.
type Wanted struct {
	ID      wire.BlobID
	Size    uint64
	Digests []byte
	Still   func() error // returns why it is wanted no longer; nil: it always is
	Flush   bool         // it is to be durable
}

// Chunks fetches a file whose chunks have digests that were signed. A chunk that is there already is not fetched, one that comes
// damaged is asked for once more; then it is the fault for the digest. The fault for a full disk while too little room would be left for
// others. When it returns nil the file is whole, and flushed if it is to be.
func (f Fetcher) Chunks(ctx context.Context, w Wanted, path string) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return f.full(err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	s := &stream{remote: f.Remote, id: w.ID}
	defer s.close()
	buf := make([]byte, chunk.Size)
	failed := false
	for i := 0; i < chunk.Count(w.Size); {
		at, b := w.chunk(i, buf)
		if n, _ := file.ReadAt(b, int64(at)); n == len(b) && w.is(i, b) { //nolint:gosec // no file is that large
			i++
			continue
		}
		if err := f.ready(w, file); err != nil {
			return err
		}
		if _, err := s.read(ctx, at, b); err != nil {
			return err
		}
		if !w.is(i, b) {
			s.close()
			if failed {
				return fmt.Errorf("%w: chunk %d of %s", f.Faults.Digest, i, filepath.Base(path))
			}
			failed = true
			continue
		}
		if _, err := file.WriteAt(b, int64(at)); err != nil { //nolint:gosec // as above
			return f.spoilt(path, err)
		}
		f.gained(len(b))
		i, failed = i+1, false
	}
	return f.finish(w, file)
}

// ready is nil if the file is still wanted and there is room for what it lacks.
func (f Fetcher) ready(w Wanted, file *os.File) error {
	if w.Still != nil {
		if err := w.Still(); err != nil {
			return errors.Join(err, removed(file.Name()))
		}
	}
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := f.Room(filepath.Dir(file.Name()), w.Size-min(w.Size, uint64(info.Size()))); err != nil { //nolint:gosec // a size is not negative
		return f.spoilt(file.Name(), err)
	}
	return nil
}

func (f Fetcher) finish(w Wanted, file *os.File) error {
	err := file.Truncate(int64(w.Size)) //nolint:gosec // no file is that large
	if err == nil && w.Flush {
		err = file.Sync()
	}
	if err != nil {
		return f.spoilt(file.Name(), err)
	}
	return nil
}

func (f Fetcher) gained(n int) {
	if f.Gained != nil {
		f.Gained(n)
	}
}

// chunk is where chunk i begins, and the room in buf for it.
func (w Wanted) chunk(i int, buf []byte) (at uint64, b []byte) {
	at = uint64(i) * chunk.Size //nolint:gosec // not negative
	return at, buf[:min(chunk.Size, w.Size-at)]
}

func (w Wanted) is(i int, b []byte) bool {
	return sha256.Sum256(b) == [32]byte(w.Digests[32*i:])
}

// stream reads a file from wherever it is asked to, and goes on where it is while that is enough.
type stream struct {
	remote Remote
	id     wire.BlobID
	at     uint64
	r      io.ReadCloser
}

// read fills b from an octet on; n octets came, also with an error, which is ErrLine.
func (s *stream) read(ctx context.Context, at uint64, b []byte) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s.r != nil && s.at != at {
		s.close()
	}
	if s.r == nil {
		if s.r, err = s.remote.Blob(ctx, s.id, at); err != nil {
			s.r = nil
			return 0, fmt.Errorf("%w: %w", ErrLine, err)
		}
		s.at = at
	}
	n, err = io.ReadFull(s.r, b)
	s.at += uint64(n) //nolint:gosec // a count
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		s.close()
		return n, fmt.Errorf("%w: %w", ErrLine, err)
	}
	return n, nil
}

func (s *stream) close() {
	if s.r != nil {
		_ = s.r.Close() // what was read of it is judged by its digest
		s.r = nil
	}
}

// removed removes a file; that it is not there does not matter.
func removed(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
