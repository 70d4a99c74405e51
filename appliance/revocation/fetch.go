package revocation

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"kazashi.example/sync/crlset"
	"kazashi.example/sync/crlset/manifest"
	"kazashi.example/sync/wire"
)

// errLine says that what was fetched came to an early end: it is gone on with later. It is no error of what was fetched.
var errLine = errors.New("fetching was cut short")

// job is one way in: where files come from, and what their parts are called meanwhile.
type job struct {
	*Cache
	remote Remote
	ext    string // extPart or extLoad
}

// part is the path of a file while it comes.
func (j job) part(n name, ext string) string { return filepath.Join(j.Dir, n.String()+ext+j.ext) }

// whole fetches a file that is judged as a whole; what came of it earlier is gone on with. crlset.ErrDigest when it was another one
// twice, manifest.ErrManifest when it is too long.
func (j job) whole(ctx context.Context, blob wire.Blob, path string) ([]byte, error) {
	if blob.Size == 0 || blob.Size > manifest.MaxManifest {
		return nil, fmt.Errorf("%w: %d octets", manifest.ErrManifest, blob.Size)
	}
	for range 2 {
		if err := j.gather(ctx, blob, path); err != nil {
			return nil, err
		}
		b, err := readFile(path, manifest.MaxManifest)
		if err != nil {
			return nil, err
		}
		if sha256.Sum256(b) == blob.ID {
			return b, nil
		}
		if err := removeAll(path); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: %s as a whole", crlset.ErrDigest, filepath.Base(path))
}

// gather adds what a file lacks at its end.
func (j job) gather(ctx context.Context, blob wire.Blob, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return full(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if uint64(have) > blob.Size { //nolint:gosec // a length is not negative
		if have, err = 0, f.Truncate(0); err != nil {
			return err
		}
	}
	if uint64(have) == blob.Size { //nolint:gosec // as above
		return nil
	}
	if err := room(filepath.Dir(path), blob.Size-uint64(have)); err != nil { //nolint:gosec // as above
		return j.spoilt(path, err)
	}
	s := &stream{job: j, id: blob.ID}
	defer s.close()
	buf := make([]byte, crlset.ChunkSize)
	for at := uint64(have); at < blob.Size; { //nolint:gosec // as above
		n, rerr := s.read(ctx, at, buf[:min(uint64(len(buf)), blob.Size-at)])
		if _, err := f.WriteAt(buf[:n], int64(at)); err != nil { //nolint:gosec // below MaxManifest
			return j.spoilt(path, err)
		}
		at += uint64(n) //nolint:gosec // a count
		if rerr != nil {
			return rerr
		}
	}
	return nil
}

// chunks fetches a file whose chunks have digests that were signed. A chunk that is there already is not fetched, one that comes
// damaged is asked for once more; then crlset.ErrDigest. ErrFull while too little room would be left for others. When it returns nil
// the file is whole, and flushed if it is kept.
func (j job) chunks(ctx context.Context, w wanted, path string) (err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return full(err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	s := &stream{job: j, id: w.id}
	defer s.close()
	buf := make([]byte, crlset.ChunkSize)
	failed := false
	for i := 0; i < crlset.Chunks(w.size); {
		at, b := w.chunk(i, buf)
		if n, _ := f.ReadAt(b, int64(at)); n == len(b) && w.is(i, b) { //nolint:gosec // at most MaxSize
			i++
			continue
		}
		if err := w.wanted(); err != nil {
			return errors.Join(err, removeAll(path))
		}
		if err := w.room(f); err != nil {
			return j.spoilt(path, err)
		}
		if _, err := s.read(ctx, at, b); err != nil {
			return err
		}
		if !w.is(i, b) {
			s.close()
			if failed {
				return fmt.Errorf("%w: chunk %d of %s", crlset.ErrDigest, i, filepath.Base(path))
			}
			failed = true
			continue
		}
		if _, err := f.WriteAt(b, int64(at)); err != nil { //nolint:gosec // as above
			return j.spoilt(path, err)
		}
		j.gained.Add(uint64(len(b)))
		i, failed = i+1, false
	}
	if err := f.Truncate(int64(w.size)); err != nil { //nolint:gosec // as above
		return j.spoilt(path, err)
	}
	if !w.kept {
		return nil
	}
	if err := f.Sync(); err != nil {
		return j.spoilt(path, err)
	}
	return nil
}

// wanted is a file in chunks, by what was signed of it.
type wanted struct {
	id      wire.BlobID
	size    uint64
	digests []byte
	wanted  func() error // returns why it is wanted no longer
	kept    bool         // it is a set, not a delta that is read once
}

// chunk is where chunk i begins, and the room in buf for it.
func (w wanted) chunk(i int, buf []byte) (at uint64, b []byte) {
	at = uint64(i) * crlset.ChunkSize //nolint:gosec // not negative
	return at, buf[:min(crlset.ChunkSize, w.size-at)]
}

// room is ErrFull unless there is room for what the file lacks at its end.
func (w wanted) room(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return room(filepath.Dir(f.Name()), w.size-min(w.size, uint64(info.Size()))) //nolint:gosec // a size is not negative
}

func (w wanted) is(i int, b []byte) bool {
	return sha256.Sum256(b) == [32]byte(w.digests[32*i:])
}

// stream reads a file from wherever it is asked to, and goes on where it is while that is enough.
type stream struct {
	job job
	id  wire.BlobID
	at  uint64
	r   io.ReadCloser
}

// read fills b from an octet on; n octets came, also with an error, which is errLine.
func (s *stream) read(ctx context.Context, at uint64, b []byte) (n int, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if s.r != nil && s.at != at {
		s.close()
	}
	if s.r == nil {
		if s.r, err = s.job.remote.Blob(ctx, s.id, at); err != nil {
			s.r = nil
			return 0, fmt.Errorf("%w: %w", errLine, err)
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
		return n, fmt.Errorf("%w: %w", errLine, err)
	}
	return n, nil
}

func (s *stream) close() {
	if s.r != nil {
		_ = s.r.Close() // what was read of it is judged by its digest
		s.r = nil
	}
}

// spoilt gives up a part that could not be written: on a full disk others need its room more (P1).
func (j job) spoilt(path string, err error) error {
	return errors.Join(full(fmt.Errorf("writing %s: %w", filepath.Base(path), err)), removeAll(path))
}

// full names the reason if it is that the disk has no room.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}
