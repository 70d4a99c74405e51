package courier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"

	"kazashi.example/sync/record"
	"kazashi.example/sync/wire"
)

// Stick is the folder of a stick. Names are matched whatever their case, because FAT and who copies from it change it; entries that are no
// plain files and folders are refused, and nothing outside the folder is reached. What cannot be read is ErrDamaged as long as the stick itself
// answers, so that one bad sector keeps nothing else out, and ErrGone after that.
type Stick struct {
	root *os.Root

	mu  sync.Mutex
	odd map[string]string // paths as they are written here, to how they are written there, where that differs
}

// Find opens a stick that has something of ours. ErrNotStick, ErrGone, ErrIrregular.
func Find(folder string) (*Stick, error) {
	s, err := open(folder)
	if err != nil {
		return nil, err
	}
	if _, err := s.at(Folder); err != nil {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrCrowded) {
			err = ErrNotStick
		}
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Make opens a stick and makes our folder on it if there is none. ErrReadOnly, ErrFull, ErrGone, ErrIrregular.
func Make(folder string) (*Stick, error) {
	s, err := open(folder)
	if err != nil {
		return nil, err
	}
	if _, err := s.folder(Folder); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func open(folder string) (*Stick, error) {
	root, err := os.OpenRoot(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrGone, err)
	}
	if err != nil {
		return nil, fault(err)
	}
	return &Stick{root: root, odd: map[string]string{}}, nil
}

// Close lets the stick go, so that it can be taken out.
func (s *Stick) Close() error { return s.root.Close() }

// Free is how many octets are free on the stick.
func (s *Stick) Free() (uint64, error) { return free(s.root) }

// Boxes lists the boxes that a stick has parcels of a kind of. Up and recovered lie in one folder. ErrCrowded, ErrGone, ErrIrregular.
func (s *Stick) Boxes(k Kind) ([]record.BoxID, error) {
	dir, ext := k.where()
	names, err := s.list(dir)
	if err != nil {
		return nil, err
	}
	var all []record.BoxID
	for _, n := range names {
		n, ok := strings.CutSuffix(strings.ToLower(n), ext)
		if id, err := record.ParseID(n); ok && err == nil && id.String() == n {
			all = append(all, record.BoxID{ID128: id})
		}
	}
	return all, nil
}

// where is the folder of a kind's boxes, and how the entry of one ends there.
func (k Kind) where() (dir, ext string) {
	switch k {
	case Joining:
		return Folder + "/join", ".kzj"
	case Joined:
		return Folder + "/join", ".kza"
	case Down:
		return Folder + "/down", ""
	case Up, Recovered:
		return Folder + "/up", ""
	default:
		return Folder + "/up", ""
	}
}

// Parcels lists the parcels of a kind of one box, in rising order of their numbers. They may still be half, or damaged. Errors are those of
// Boxes.
func (s *Stick) Parcels(k Kind, box record.BoxID) ([]Name, error) {
	if k == Joining || k == Joined {
		n := Name{Kind: k, Box: box}
		if _, err := s.at(n.String()); errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return []Name{n}, nil
	}
	names, err := s.list(path.Dir(Name{k, box, 0}.String()))
	if err != nil {
		return nil, err
	}
	return numbered(k, box, names), nil
}

// Open opens a parcel. Beside the errors of Open, ErrOtherBox for one whose manifest names another box, number or kind than its name.
func (s *Stick) Open(n Name) (*Parcel, error) {
	f, err := s.read(n.String())
	if err != nil {
		return nil, err
	}
	p, err := opened(f, careful{f, s})
	if err != nil {
		return nil, err
	}
	if p.Kind != n.Kind || p.Box != n.Box || p.N != n.N {
		return nil, errors.Join(fmt.Errorf("%w: it is %s", ErrOtherBox, Name{p.Kind, p.Box, p.N}), p.Close())
	}
	return p, nil
}

// Remove removes parcels durably. One that is not there is no error. ErrReadOnly, ErrGone.
func (s *Stick) Remove(names ...Name) error {
	dirs := map[string]bool{}
	for _, n := range names {
		if err := s.drop(n.String()); err != nil {
			return err
		}
		dirs[path.Dir(n.String())] = true
	}
	for d := range dirs {
		if err := s.sync(d); err != nil {
			return err
		}
	}
	return nil
}

// Blobs lists the files that lie beside parcels. Errors are those of Boxes.
func (s *Stick) Blobs() ([]wire.BlobID, error) {
	names, err := s.list(blobs)
	if err != nil {
		return nil, err
	}
	var all []wire.BlobID
	for _, n := range names {
		if id, ok := blobID(n); ok {
			all = append(all, id)
		}
	}
	return all, nil
}

// Blob opens a file that lies beside parcels, from an octet on. Who reads it judges it by its digests. ErrMissing, ErrGone, ErrIrregular; of
// a read also ErrDamaged.
func (s *Stick) Blob(ctx context.Context, id wire.BlobID, from uint64) (io.ReadCloser, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f, err := s.read(blobPath(id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cmp.Or(s.alive(), fmt.Errorf("%w: %s", ErrMissing, id))
	}
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(int64(from), io.SeekStart); err != nil { //nolint:gosec // below the size of a file that is read
		return nil, errors.Join(fault(err), f.Close())
	}
	return careful{f, s}, nil
}

// PutBlob puts a file beside the parcels, durably, unless it lies there with the very octets that source gives. It reports whether it wrote. One
// is put at a time: what another call left half written is removed.
// ErrReadOnly, ErrFull, ErrGone, or what source said.
func (s *Stick) PutBlob(ctx context.Context, b wire.Blob, source func() (io.ReadCloser, error)) (wrote bool, err error) {
	if same, err := s.same(ctx, b, source); same || err != nil {
		return false, err
	}
	if _, err := s.folder(blobs); err != nil {
		return false, err
	}
	if err := s.tidyAt(blobs, ""); err != nil {
		return false, err
	}
	from, err := source()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	f, err := s.createAt(blobPath(b.ID))
	if err != nil {
		return false, err
	}
	return true, f.fill(ctx, from, int64(b.Size)) //nolint:gosec // no file is that large
}

// DropBlob removes a file that lies beside parcels; one that is not there is no error.
func (s *Stick) DropBlob(id wire.BlobID) error { return s.drop(blobPath(id)) }

const blobs = Folder + "/blobs"

func blobPath(id wire.BlobID) string { return blobs + "/" + id.String() }
