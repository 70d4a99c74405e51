package courier

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"kazashi.example/sync/canon"
	"kazashi.example/sync/record"
	"kazashi.example/sync/seal"
	"kazashi.example/sync/sign"
	"kazashi.example/sync/wire"
)

// Parcel is a parcel whose manifest was read, and is whole in its length. What the manifest says is not believed before Verify.
type Parcel struct {
	Kind         Kind
	Box          record.BoxID
	N            uint64
	Made         time.Time   // clock of who made it
	Covers       []Cover     // up and recovered
	CentralEpoch uint64      // down
	Blobs        []wire.Blob // down: files that lie beside it
	Heard        uint64      // down: number of the up parcel whose State central had; 0 if none
	Size         int64       // octets of the file

	m       manifest
	message []byte // trailer as it travels
	r       io.ReaderAt
	close   func() error
	key     *seal.Key // of what is sealed
}

// Open reads the manifest of a parcel at a path that its caller trusts. ErrHalf, ErrDamaged, ErrNewer, ErrIrregular, ErrGone.
func Open(path string) (*Parcel, error) {
	f, err := os.OpenFile(filepath.Clean(path), os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, fault(err)
	}
	return opened(f, f)
}

// opened takes the file over, which is read through r.
func opened(f *os.File, r io.ReaderAt) (*Parcel, error) {
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", f.Name(), ErrIrregular)
	}
	if err != nil {
		return nil, errors.Join(fault(err), f.Close())
	}
	p, err := Read(r, info.Size())
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	p.close = f.Close
	return p, nil
}

// Read reads the manifest of a parcel of size octets. r is read as long as the parcel is used. Errors are Open's.
func Read(r io.ReaderAt, size int64) (*Parcel, error) {
	if err := readHead(r, size); err != nil {
		return nil, err
	}
	last := make([]byte, tailLen)
	if err := readAt(r, last, size-tailLen); err != nil {
		return nil, err
	}
	length, sum, err := readTail(last)
	if err != nil {
		return nil, err
	}
	if length > size-headLen-tailLen {
		return nil, fmt.Errorf("%w: manifest of %d octets", ErrDamaged, length)
	}
	message := make([]byte, length)
	if err := readAt(r, message, size-tailLen-length); err != nil {
		return nil, err
	}
	if sha256.Sum256(message) != sum {
		return nil, fmt.Errorf("%w: manifest", ErrDamaged)
	}
	m, err := readTrailer(message)
	if err != nil {
		return nil, err
	}
	if got := size - headLen - length - tailLen; got != m.octets() {
		return nil, fmt.Errorf("%w: %d octets of parts where %d belong", ErrDamaged, got, m.octets())
	}
	return &Parcel{
		Kind: m.Kind, Box: m.Box, N: m.N, Made: time.UnixMilli(m.Made).UTC(), Covers: m.Covers, CentralEpoch: m.CentralEpoch, Blobs: m.Blobs, Heard: m.Heard,
		Size: size, m: m, message: message, r: r, close: func() error { return nil },
	}, nil
}

// readHead refuses what does not begin like a parcel. What never got its octets is half of one.
func readHead(r io.ReaderAt, size int64) error {
	if size > MaxParcel {
		return fmt.Errorf("%w: %d octets", ErrDamaged, size)
	}
	head := make([]byte, min(size, headLen))
	if err := readAt(r, head, 0); err != nil {
		return err
	}
	switch blank := make([]byte, len(head)); {
	case string(head) == string(blank):
		return ErrHalf
	case string(head) != headMark[:len(head)]:
		return fmt.Errorf("%w: it does not begin like one", ErrDamaged)
	case size < headLen+tailLen:
		return ErrHalf
	}
	return nil
}

func readAt(r io.ReaderAt, b []byte, at int64) error {
	n, err := r.ReadAt(b, at)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return ErrHalf // it became shorter
	}
	return fmt.Errorf("reading a parcel: %w", unread(err, nowhere))
}

// octets is how many octets all parts have.
func (m manifest) octets() (n int64) {
	for _, p := range m.Parts {
		n += int64(p.Length) //nolint:gosec // checked against MaxParts
	}
	return n
}

// Close closes the file, if Open opened it.
func (p *Parcel) Close() error { return p.close() }

// Verify checks the signature of a parcel that has one, by keys that may sign for its purpose, and returns the signing key's id; none for a
// kind that is not signed. That an up parcel's key is that of the box it names is for keys to answer. ErrSigner.
func (p *Parcel) Verify(keys sign.Keys) (sign.KeyID, error) {
	purpose := sign.PurposeCourierUp
	switch p.Kind {
	case Up:
	case Down:
		purpose = sign.PurposeCourierDown
	case Recovered, Joining, Joined:
		return sign.KeyID{}, nil
	}
	_, id, err := sign.Open(keys, purpose, p.message)
	if err != nil {
		return id, fmt.Errorf("%w: %w", ErrSigner, err)
	}
	return id, nil
}

// Unseal finds the key of a parcel that is sealed to a box. It comes before Parts, and before the parcel is shared. A wrong key is seen
// when the first part does not open.
func (p *Parcel) Unseal(with seal.PrivateKey) error {
	if !p.Kind.sealed() {
		return nil
	}
	info, err := p.m.info()
	if err != nil {
		return err
	}
	p.key, err = seal.DecapsulateFrom(with, info, p.m.Enc, sealContext)
	if err != nil {
		return fmt.Errorf("unsealing a parcel: %w", err)
	}
	return nil
}

// Part is one part of a parcel, whose digest is the one that the manifest names.
type Part struct {
	Index  int
	Type   Type
	Octets []byte // unsealed
}

// Run reads a part of TypeRun.
func (t Part) Run() (Run, error) { return DecodeRun(t.Octets) }

// Polled reads a part of TypePolled. An error of package canon.
func (t Part) Polled() (p wire.Polled, err error) {
	err = canon.Decode(t.Octets, &p, wire.MaxPolled)
	return p, err
}

// JoinRequest reads a part of TypeJoinRequest. An error of package canon.
func (t Part) JoinRequest() (r wire.JoinRequest, err error) {
	err = canon.Decode(t.Octets, &r, wire.MaxJoin)
	return r, err
}

// JoinAnswer reads a part of TypeJoinAnswer. An error of package canon.
func (t Part) JoinAnswer() (a wire.JoinAnswer, err error) {
	err = canon.Decode(t.Octets, &a, wire.MaxPolled)
	return a, err
}

// Types lists the types of the parts, in their order.
func (p *Parcel) Types() []Type {
	all := make([]Type, len(p.m.Parts))
	for i, l := range p.m.Parts {
		all[i] = l.Type
	}
	return all
}

// Parts reads the parts in their order, one at a time. A part that cannot be read comes with its index, its type and its error: ErrDamaged,
// ErrHalf, ErrGone, ErrSealed, seal.ErrOpen. Who goes on gets those after it.
func (p *Parcel) Parts() iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		at := int64(headLen)
		for i, l := range p.m.Parts {
			b, err := p.part(i, at)
			if !yield(Part{Index: i, Type: l.Type, Octets: b}, err) {
				return
			}
			at += int64(l.Length) //nolint:gosec // checked against MaxParts
		}
	}
}

func (p *Parcel) part(i int, at int64) ([]byte, error) {
	b, err := p.lying(i, at)
	if err != nil || !p.Kind.sealed() {
		return b, err
	}
	if p.key == nil {
		return nil, ErrSealed
	}
	extra, err := aad(p.m.Parts[i].Type, i)
	if err != nil {
		return nil, err
	}
	b, err = p.key.Open(record.Seq(i), extra, b) //nolint:gosec // an index
	if err != nil {
		return nil, fmt.Errorf("unsealing part %d: %w", i, err)
	}
	return b, nil
}

// lying is a part as it lies.
func (p *Parcel) lying(i int, at int64) ([]byte, error) {
	l := p.m.Parts[i]
	b := make([]byte, l.Length)
	if err := readAt(p.r, b, at); err != nil {
		return nil, err
	}
	if sha256.Sum256(b) != l.Digest {
		return nil, fmt.Errorf("%w: part %d", ErrDamaged, i)
	}
	return b, nil
}

// State reads the state of an up parcel; false if it has none. Errors are those of Parts and of package canon.
func (p *Parcel) State() (State, bool, error) {
	var s State
	var all uint64
	found := false
	at := int64(headLen)
	for i, l := range p.m.Parts {
		if l.Type == TypeState || l.Type == TypeEnds {
			b, err := p.part(i, at)
			if err != nil {
				return State{}, false, err
			}
			n, err := s.add(l.Type, b)
			if err != nil {
				return State{}, false, err
			}
			all, found = all+n, true
		}
		at += int64(l.Length) //nolint:gosec // checked against MaxParts
	}
	if uint64(len(s.Ends)) != all || all > MaxEnds {
		return State{}, false, fmt.Errorf("%w: %d ends where %d belong", ErrDamaged, len(s.Ends), all)
	}
	return s, found, nil
}

// add takes what a part has of a state; n is how many ends it says there are in all.
func (s *State) add(t Type, b []byte) (n uint64, err error) {
	if t == TypeEnds {
		var m endsMessage
		if err := canon.Decode(b, &m, MaxPart); err != nil {
			return 0, err
		}
		s.Ends = append(s.Ends, m.Ends...)
		return 0, nil
	}
	var m stateMessage
	if err := canon.Decode(b, &m, MaxPart); err != nil {
		return 0, err
	}
	s.Poll, s.Ends = m.Poll, append(s.Ends, m.Ends...)
	return m.All, nil
}
